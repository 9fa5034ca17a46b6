import FileContainers
import Foundation
import SwiftASN1
public import TensorModel
import X509

/// Whom a verifier trusts.
public enum SignatureTrust: Sendable {
  /// One key.
  case key(VerificationKey)
  /// Certificates below some roots. What counts is the time when the signer's certificate began, as no signature has another time;
  /// or, where it must be valid still, now.
  case roots(TrustedRoots, requiresCurrentValidity: Bool)
}

/// A signature file, verified: who signed which statement.
public struct SignatureVerification: Sendable {
  /// What was signed; of keyless signatures what claims to be signed; nil where the signature is refused.
  public let statement: Statement?
  /// Why it is refused, or not verified.
  public let findings: [Finding]
  /// The key or certificate, for people; nil where the signature isn't verified.
  public let signer: String?

  /// Whether the statement is the signer's.
  public var isVerified: Bool { signer != nil }

  /// Verifies a signature over any statement.
  ///
  /// - Parameters:
  ///   - bytes: all of the signature file.
  ///   - name: the file's name, for findings.
  ///   - trust: whose signature it must be.
  public init(_ bytes: [UInt8], name: String, trust: SignatureTrust) {
    do throws(SignatureRefusal) {
      let bundle: SignatureBundle
      do throws(CheckpointError) { bundle = try SignatureBundle(parsing: bytes) } catch {
        throw SignatureRefusal(error)
      }
      guard bundle.payloadType == SignatureBundle.statementPayloadType else {
        throw SignatureRefusal(
          .format, "signs no statement: the payload's type is '\(bundle.payloadType)'")
      }
      var (signer, findings): (String?, [Finding]) = (nil, [])
      if bundle.material == .keyless {
        findings = [
          SignatureFinding.keyless.finding(
            "signed with a short-lived certificate of Sigstore, which isn't verified here: who signed is unknown",
            file: name)
        ]
      } else {
        signer = try Self.signer(bundle, trust)
      }
      // The very bytes that were verified, parsed once.
      do throws(CheckpointError) { statement = try Statement(parsing: bundle.payload) } catch {
        throw SignatureRefusal(error)
      }
      self.signer = signer
      self.findings = findings
    } catch {
      statement = nil
      signer = nil
      findings = [error.kind.finding(error.message, file: name)]
    }
  }

  private static func signer(
    _ bundle: SignatureBundle, _ trust: SignatureTrust
  ) throws(SignatureRefusal) -> String {
    switch (trust, bundle.material) {
    case (.key(let key), .publicKey(let hint)):
      if key.isValid(bundle.signature, for: bundle.signedBytes) { return key.name }
      guard let hint, hint != key.hint else { throw wrongSignature }
      throw SignatureRefusal(
        .key, "signed with another key: \(hint.prefix(16)), not \(key.hint.prefix(16))")
    case (.roots(let roots, let requiresCurrentValidity), .certificates(let blocks)):
      return try signer(bundle, blocks, roots, requiresCurrentValidity)
    case (.key, _):
      throw SignatureRefusal(
        .key, "signed with a certificate, not with a key: give its roots with --certificate-roots")
    case (.roots, _):
      throw SignatureRefusal(
        .certificate, "signed with a key, not with a certificate: give it with --public-key")
    }
  }

  private static let wrongSignature = SignatureRefusal(
    .invalid, "the signature isn't one of this statement by this key")

  private static func signer(
    _ bundle: SignatureBundle, _ blocks: [[UInt8]], _ roots: TrustedRoots,
    _ requiresCurrentValidity: Bool
  ) throws(SignatureRefusal) -> String {
    var certificates: [Certificate] = []
    for block in blocks {
      do { certificates.append(try Certificate(derEncoded: block)) } catch {
        throw SignatureRefusal(
          .certificate, "certificate \(certificates.count + 1) can't be read: \(error)")
      }
    }
    let leaf = certificates[0]
    let root = try CertificatePath(
      roots, at: requiresCurrentValidity ? Date() : leaf.notValidBefore
    ).root(above: leaf, with: Array(certificates.dropFirst()))
    guard let key = VerificationKey(leaf), key.isValid(bundle.signature, for: bundle.signedBytes)
    else { throw wrongSignature }
    return "\(leaf.name) (\(key.curve.rawValue)), under \(root.name)"
  }
}
