import CheckpointConversion
import FileContainers
import ModelSigning
import TensorModel

/// A derivation that somebody who is trusted has signed, against the checkpoint that it came with.
struct SignedDerivation {
  /// What was signed; nil if it can't be read.
  let derivation: Derivation?
  /// Where it isn't about this checkpoint.
  let findings: [Finding]

  /// What people might take it for.
  static let remark =
    "; a derivation: it proves what the checkpoint was made of, not that it is harmless"

  /// Takes it out of a statement; nil for statements of other kinds.
  ///
  /// - Parameters:
  ///   - statement: that was signed; nil where the signature isn't verified.
  ///   - text: of the checkpoint's own certificate, if it has one.
  ///   - contents: its tensors; nil where they weren't read.
  /// - Throws: what reading the certificate throws.
  init?(
    _ statement: Statement?, _ text: CertificateText?, _ contents: [TensorIdentity]?
  ) throws(CheckpointError) {
    guard let statement, statement.predicateType == Statement.derivationType else { return nil }
    var certificate: Certificate?
    if let text { certificate = try Certificate(text) }
    do throws(CheckpointError) {
      let signed = try Derivation(statement.predicate)
      derivation = signed
      var differences: [String] = []
      if let certificate, certificate != signed.certificate {
        differences.append("the certificate beside the checkpoint isn't the one that was signed")
      }
      if signed.root != signed.certificate.root || signed.plan != signed.certificate.plan {
        differences.append("the derivation contradicts its own certificate")
      }
      let root = contents.map { rootDigest(of: $0) }
      if let root, root != signed.root {
        differences.append("the tensors are others, expected root \(signed.root), found \(root)")
      }
      findings = differences.map { SignatureFinding.derivation.finding($0, file: nil) }
    } catch {
      derivation = nil
      findings = [SignatureFinding.predicate.finding(error.summary, file: nil)]
    }
  }
}
