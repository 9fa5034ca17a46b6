// A signature file: Sigstore's bundle around a DSSE envelope.
//
//   1. `mediaType`             begins with `application/vnd.dev.sigstore.bundle`
//   2. `verificationMaterial`  one of `publicKey` {hint}, `x509CertificateChain` {certificates[{rawBytes}]}, leaf first, and
//                              `certificate` with `tlogEntries` (keyless)
//   3. `dsseEnvelope`          `payload` (base64), `payloadType`, `signatures` [{sig (base64, DER), keyid}]
//
// https://github.com/ossf/model-signing-spec, https://github.com/secure-systems-lab/dsse

import FileContainers
public import TensorModel

/// A parsed signature file, nothing of which is verified yet.
public struct SignatureBundle: Hashable, Sendable {
  /// What the signature shall be verified with.
  public enum Material: Hashable, Sendable {
    /// A key that the verifier has; the hint is the SHA-256 of its PEM text, in hexadecimal digits.
    case publicKey(hint: String?)
    /// Certificates in DER, the signer's first.
    case certificates([[UInt8]])
    /// A short-lived certificate and entries of a transparency log.
    case keyless
  }

  /// What it shall be verified with.
  public let material: Material
  /// What the payload is.
  public let payloadType: String
  /// The signed bytes.
  public let payload: [UInt8]
  /// ECDSA's two numbers in DER.
  public let signature: [UInt8]

  /// A hundred thousand files, each with a long name, take half of it.
  public static let maximumByteCount = 64 << 20
  /// An in-toto statement.
  public static let statementPayloadType = "application/vnd.in-toto+json"

  static let mediaType = "application/vnd.dev.sigstore.bundle"
  private static let writtenMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
  private static let maximumCertificateCount = 16
  /// ECDSA over P-521 has 139 bytes at most.
  private static let maximumSignatureByteCount = 256

  /// A bundle of our own.
  init(material: Material, payload: [UInt8], signature: [UInt8]) {
    self.material = material
    payloadType = Self.statementPayloadType
    self.payload = payload
    self.signature = signature
  }

  /// Parses a signature file.
  ///
  /// - Parameter bytes: all of the file.
  /// - Throws: `malformed` for whatever breaks the format's rules.
  public init(parsing bytes: [UInt8]) throws(CheckpointError) {
    guard bytes.count <= Self.maximumByteCount else {
      throw CheckpointError(
        .malformed, "the signature is too large",
        expected: "at most \(Self.maximumByteCount) bytes", found: "\(bytes.count)")
    }
    let document = try JSONValue(parsing: bytes)
    try document.requireKeys(
      among: ["mediaType", "verificationMaterial", "dsseEnvelope"], in: "the bundle")
    let mediaType = try document.text("mediaType", in: "the bundle")
    guard mediaType.hasPrefix(Self.mediaType) else {
      throw CheckpointError(
        .malformed, "not a Sigstore bundle", expected: "a mediaType \(Self.mediaType)…",
        found: mediaType)
    }
    let envelope = try document.object("dsseEnvelope", in: "the bundle")
    try envelope.requireKeys(
      among: ["payload", "payloadType", "signatures"], in: "dsseEnvelope")
    payloadType = try envelope.text("payloadType", in: "dsseEnvelope")
    payload = try envelope.base64("payload", in: "dsseEnvelope")
    signature = try Self.signature(envelope)
    material = try Self.material(try document.object("verificationMaterial", in: "the bundle"))
  }

  private static func signature(_ envelope: JSONValue) throws(CheckpointError) -> [UInt8] {
    guard let signatures = envelope["signatures"]?.elements, signatures.count == 1 else {
      throw CheckpointError(
        .malformed, "dsseEnvelope needs one signature",
        found: envelope["signatures"]?.elements.map { "\($0.count)" } ?? "no list of signatures")
    }
    try signatures[0].requireKeys(among: ["sig", "keyid"], in: "a signature")
    switch signatures[0]["keyid"] {
    case nil, .null, .string: break
    default: throw CheckpointError(.malformed, "a signature's keyid is no text")
    }
    let bytes = try signatures[0].base64("sig", in: "a signature")
    guard bytes.count <= maximumSignatureByteCount else {
      throw CheckpointError(
        .malformed, "the signature is too long for ECDSA",
        expected: "at most \(maximumSignatureByteCount) bytes", found: "\(bytes.count)")
    }
    return bytes
  }

  private static func material(_ value: JSONValue) throws(CheckpointError) -> Material {
    let place = "verificationMaterial"
    let kinds = ["publicKey", "x509CertificateChain", "certificate"].filter { value[$0] != nil }
    guard kinds.count == 1, let kind = kinds.first else {
      throw CheckpointError(
        .malformed, "\(place) needs a publicKey, an x509CertificateChain or a certificate",
        found: kinds.isEmpty ? "none of them" : kinds.joined(separator: " and "))
    }
    let logEntries = value["tlogEntries"]
    guard logEntries == nil || logEntries?.elements != nil else {
      throw CheckpointError(.malformed, "tlogEntries is no list")
    }
    let content = try value.object(kind, in: place)
    switch kind {
    case "publicKey":
      if content["hint"] != nil {
        return .publicKey(hint: try content.text("hint", in: kind, mayBeEmpty: true).nonEmpty)
      }
      // Before release 1.0.1 the key itself stood there, as PEM.
      guard content["rawBytes"] != nil else { return .publicKey(hint: nil) }
      let key = try content.base64("rawBytes", in: kind)
      return .publicKey(hint: Digest(of: key).hexadecimal)
    case "x509CertificateChain":
      guard let list = content["certificates"]?.elements, !list.isEmpty,
        list.count <= maximumCertificateCount
      else {
        throw CheckpointError(
          .malformed, "\(kind) needs certificates", expected: "1 to \(maximumCertificateCount)",
          found: content["certificates"]?.elements.map { "\($0.count)" } ?? "no list")
      }
      var certificates: [[UInt8]] = []
      for entry in list { certificates.append(try entry.base64("rawBytes", in: "a certificate")) }
      return .certificates(certificates)
    default:
      _ = try content.base64("rawBytes", in: kind)
      guard logEntries?.elements?.isEmpty == false else {
        throw CheckpointError(.malformed, "a keyless signature needs tlogEntries")
      }
      return .keyless
    }
  }

  /// The bytes that are signed: DSSE's pre-authentication encoding of the payload and its type.
  public var signedBytes: [UInt8] {
    Array("DSSEv1 \(payloadType.utf8.count) \(payloadType) \(payload.count) ".utf8) + payload
  }

  /// The signature file.
  public var bytes: [UInt8] {
    let material: [JSONValue.Member] =
      switch self.material {
      case .publicKey(let hint):
        [.init("publicKey", .object([.init("hint", .string(hint ?? ""))]))]
      case .certificates(let certificates):
        [
          .init(
            "x509CertificateChain",
            .object([
              .init(
                "certificates",
                .array(
                  certificates.map {
                    .object([.init("rawBytes", .string(Base64Text.encoded($0)))])
                  }))
            ]))
        ]
      case .keyless: []
      }
    let signature: JSONValue = .object([
      .init("sig", .string(Base64Text.encoded(self.signature))), .init("keyid", ""),
    ])
    let document: JSONValue = .object([
      .init("mediaType", .string(Self.writtenMediaType)),
      .init("verificationMaterial", .object(material + [.init("tlogEntries", .array([]))])),
      .init(
        "dsseEnvelope",
        .object([
          .init("payload", .string(Base64Text.encoded(payload))),
          .init("payloadType", .string(payloadType)), .init("signatures", .array([signature])),
        ])),
    ])
    return Array((document.documentText + "\n").utf8)
  }
}
