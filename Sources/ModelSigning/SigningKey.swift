import Crypto
import Foundation
public import TensorModel

/// A private key on one of the curves P-256, P-384 and P-521.
public struct SigningKey: Sendable {
  private enum Key: Sendable {
    case p256(P256.Signing.PrivateKey)
    case p384(P384.Signing.PrivateKey)
    case p521(P521.Signing.PrivateKey)
  }

  private let key: Key

  /// Reads a PEM file.
  ///
  /// - Parameter path: of a file with a block `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY` (SEC 1).
  /// - Throws: `missing` or `inputOutput`; `usage` for other contents, other kinds of keys and encrypted ones.
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
    // `openssl ecparam -genkey` writes EC PARAMETERS before the key.
    let blocks = file.blocks("PRIVATE KEY") + file.blocks("EC PRIVATE KEY")
    guard blocks.count == 1 else {
      throw CheckpointError(
        .usage, "is no file of one private key", file: file.path,
        expected: "one PRIVATE KEY or EC PRIVATE KEY",
        found: blocks.isEmpty ? file.contents : "\(blocks.count)", hint: Self.hint)
    }
    if let key = try? P256.Signing.PrivateKey(derRepresentation: blocks[0]) {
      self.key = .p256(key)
    } else if let key = try? P384.Signing.PrivateKey(derRepresentation: blocks[0]) {
      self.key = .p384(key)
    } else if let key = try? P521.Signing.PrivateKey(derRepresentation: blocks[0]) {
      self.key = .p521(key)
    } else {
      throw CheckpointError(
        .usage, "isn't a key that models are signed with", file: file.path,
        expected: "an EC key on \(Curve.list)", hint: Self.hint)
    }
    let own = publicKey
    for point in ECPoints.points(inPrivateKey: blocks[0])
    where VerificationKey(own.curve, point) != own {
      throw CheckpointError(
        .usage, "holds a public key that isn't the private key's", file: file.path,
        expected: own.name,
        found: VerificationKey(own.curve, point)?.name
          ?? "a point that isn't on \(own.curve.rawValue)",
        hint: "the file was put together of two keys, or damaged: get the key again")
    }
  }

  private static let hint =
    "`openssl ecparam -name prime256v1 -genkey -noout -out key.pem` makes one"

  /// What its signatures are verified with.
  public var publicKey: VerificationKey {
    switch key {
    case .p256(let key): VerificationKey(key.publicKey)
    case .p384(let key): VerificationKey(key.publicKey)
    case .p521(let key): VerificationKey(key.publicKey)
    }
  }

  /// Signs any statement.
  ///
  /// - Parameters:
  ///   - payload: the statement's bytes.
  ///   - chain: the key's certificates; nil to sign with the key alone.
  /// - Returns: the signature file.
  /// - Throws: `usage` if the chain isn't the key's or may not sign now; `unsupported` for a payload that no signature file has room for.
  public func sign(
    _ payload: [UInt8], with chain: CertificateChain? = nil
  ) throws(CheckpointError) -> SignatureBundle {
    if let chain { try chain.requireSigner(publicKey) }
    let material: SignatureBundle.Material =
      chain.map { .certificates($0.der) } ?? .publicKey(hint: publicKey.hint)
    let unsigned = SignatureBundle(material: material, payload: payload, signature: [])
    let bundle = SignatureBundle(
      material: material, payload: payload, signature: try signature(unsigned.signedBytes))
    guard bundle.bytes.count <= SignatureBundle.maximumByteCount else {
      throw CheckpointError(
        .unsupported, "too many files for one signature",
        expected: "a signature of at most \(SignatureBundle.maximumByteCount) bytes",
        found: "\(bundle.bytes.count)", hint: "sign the folder's parts one by one")
    }
    return bundle
  }

  /// The signature of any bytes: ECDSA in DER.
  func signature(_ bytes: [UInt8]) throws(CheckpointError) -> [UInt8] {
    do {
      switch key {
      case .p256(let key): return [UInt8](try key.signature(for: bytes).derRepresentation)
      case .p384(let key): return [UInt8](try key.signature(for: bytes).derRepresentation)
      case .p521(let key): return [UInt8](try key.signature(for: bytes).derRepresentation)
      }
    } catch {
      throw CheckpointError(.inputOutput, "the key can't sign", found: "\(error)")
    }
  }
}
