import FileContainers
import SwiftASN1
public import TensorModel
import X509

/// The root certificates that a verifier trusts.
public struct TrustedRoots: Sendable {
  /// Signed by themselves; nothing else can begin a chain.
  let anchors: [Certificate]
  /// Others of the file, which may stand between.
  let others: [Certificate]

  /// Reads a PEM file.
  ///
  /// - Parameter path: of a file with blocks `CERTIFICATE`.
  /// - Throws: `missing` or `inputOutput`; `usage` if no certificate in it can be read.
  public init(path: String) throws(CheckpointError) {
    try self.init(PEMFile(path: path))
  }

  /// Takes the text of a PEM file.
  ///
  /// - Parameters:
  ///   - pem: the text.
  ///   - name: for errors.
  /// - Throws: `usage`, as for files.
  public init(pem: String, name: String) throws(CheckpointError) {
    try self.init(PEMFile(Array(pem.utf8), path: name))
  }

  private init(_ file: PEMFile) throws(CheckpointError) {
    let blocks = file.blocks("CERTIFICATE")
    guard !blocks.isEmpty else {
      throw CheckpointError(
        .usage, "has no certificate", file: file.path, expected: "blocks CERTIFICATE",
        found: file.contents, hint: "a public key is given with --public-key")
    }
    // Collections of roots have some of kinds that aren't known here. Without them less is trusted.
    let certificates = blocks.compactMap { try? Certificate(derEncoded: $0) }
    guard !certificates.isEmpty else {
      throw CheckpointError(
        .usage, "no certificate in it can be read", file: file.path,
        hint: "certificates with RSA, EC and Ed25519 keys are read")
    }
    var (anchors, others): ([Certificate], [Certificate]) = ([], [])
    for certificate in certificates {
      if certificate.isSelfSigned {
        anchors.append(certificate)
      } else {
        others.append(certificate)
      }
    }
    self.anchors = anchors
    self.others = others
  }
}
