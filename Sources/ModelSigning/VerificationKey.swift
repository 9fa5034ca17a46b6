import Crypto
import FileContainers
import Foundation
public import TensorModel
import X509

/// The curves that Model Signing has.
enum Curve: String, CaseIterable, Sendable {
  case p256 = "P-256"
  case p384 = "P-384"
  case p521 = "P-521"

  /// `P-256, P-384 or P-521`.
  static let list = "P-256, P-384 or P-521"
}

/// A public key on one of the curves P-256, P-384 and P-521, which signatures are verified with.
public struct VerificationKey: Sendable {
  private enum Key: Sendable {
    case p256(P256.Signing.PublicKey)
    case p384(P384.Signing.PublicKey)
    case p521(P521.Signing.PublicKey)
  }

  private let key: Key

  /// Reads a PEM file.
  ///
  /// - Parameter path: of a file with a block `PUBLIC KEY`.
  /// - Throws: `missing` or `inputOutput`; `usage` for other contents and other kinds of keys.
  public init(path: String) throws(CheckpointError) {
    try self.init(PEMFile(path: path))
  }

  init(_ file: PEMFile) throws(CheckpointError) {
    let blocks = file.blocks("PUBLIC KEY")
    guard blocks.count == 1 else {
      let isCertificate = !file.blocks("CERTIFICATE").isEmpty
      throw CheckpointError(
        .usage, "is no file of one public key", file: file.path, expected: "one PUBLIC KEY",
        found: blocks.isEmpty ? file.contents : "\(blocks.count)",
        hint: isCertificate
          ? "a root certificate is given with --certificate-roots"
          : "`openssl pkey -in key.pem -pubout` writes the public key of a private one")
    }
    if let key = Self(der: blocks[0]) {
      self = key
    } else {
      throw CheckpointError(
        .usage, "isn't a key that models are signed with", file: file.path,
        expected: "an EC key on \(Curve.list)",
        hint: "RSA keys and other curves aren't part of Model Signing")
    }
  }

  /// A key of the three curves, whose point may lack its second coordinate; nil for others.
  private init?(der: [UInt8]) {
    guard let (curve, point) = ECPoints.point(ofPublicKey: der) else { return nil }
    self.init(curve, point)
  }

  /// A key by its point; nil for points that aren't on the curve.
  init?(_ curve: Curve, _ point: [UInt8]) {
    let isCompressed = point.first == 2 || point.first == 3
    switch curve {
    case .p256:
      let key =
        isCompressed
        ? try? P256.Signing.PublicKey(compressedRepresentation: point)
        : try? P256.Signing.PublicKey(x963Representation: point)
      guard let key else { return nil }
      self.init(key)
    case .p384:
      let key =
        isCompressed
        ? try? P384.Signing.PublicKey(compressedRepresentation: point)
        : try? P384.Signing.PublicKey(x963Representation: point)
      guard let key else { return nil }
      self.init(key)
    case .p521:
      let key =
        isCompressed
        ? try? P521.Signing.PublicKey(compressedRepresentation: point)
        : try? P521.Signing.PublicKey(x963Representation: point)
      guard let key else { return nil }
      self.init(key)
    }
  }

  init(_ key: P256.Signing.PublicKey) { self.key = .p256(key) }
  init(_ key: P384.Signing.PublicKey) { self.key = .p384(key) }
  init(_ key: P521.Signing.PublicKey) { self.key = .p521(key) }

  /// The key of a certificate; nil for RSA and other curves.
  init?(_ certificate: Certificate) {
    if let key = P256.Signing.PublicKey(certificate.publicKey) {
      self.init(key)
    } else if let key = P384.Signing.PublicKey(certificate.publicKey) {
      self.init(key)
    } else if let key = P521.Signing.PublicKey(certificate.publicKey) {
      self.init(key)
    } else {
      return nil
    }
  }

  var curve: Curve {
    switch key {
    case .p256: .p256
    case .p384: .p384
    case .p521: .p521
    }
  }

  /// The curve's name and the beginning of the hint, for people.
  public var name: String { "\(curve.rawValue) key \(hint.prefix(16))" }

  /// What signatures call the key: the SHA-256 of its PEM text, in hexadecimal digits.
  public var hint: String {
    let text =
      switch key {
      case .p256(let key): key.pemRepresentation
      case .p384(let key): key.pemRepresentation
      case .p521(let key): key.pemRepresentation
      }
    // OpenSSL's text ends with a line feed.
    return FileContainers.Digest(of: Array("\(text)\n".utf8)).hexadecimal
  }

  /// Whether a signature is this key's: ECDSA in DER, over the curve's own SHA-2.
  func isValid(_ signature: [UInt8], for bytes: [UInt8]) -> Bool {
    switch key {
    case .p256(let key):
      (try? P256.Signing.ECDSASignature(derRepresentation: signature)).map {
        key.isValidSignature($0, for: bytes)
      } ?? false
    case .p384(let key):
      (try? P384.Signing.ECDSASignature(derRepresentation: signature)).map {
        key.isValidSignature($0, for: bytes)
      } ?? false
    case .p521(let key):
      (try? P521.Signing.ECDSASignature(derRepresentation: signature)).map {
        key.isValidSignature($0, for: bytes)
      } ?? false
    }
  }
}

extension VerificationKey: Hashable {
  /// Whether it is the same key.
  public static func == (one: VerificationKey, other: VerificationKey) -> Bool {
    one.hint == other.hint
  }

  /// Hashes what tells keys apart.
  public func hash(into hasher: inout Hasher) { hasher.combine(hint) }
}
