import Crypto
public import TensorModel

/// SHA-256 of some bytes, written `sha256:<hex>`.
public struct Digest: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The 64 hexadecimal digits.
  public let hexadecimal: String

  init(_ digest: some Sequence<UInt8>) {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in digest {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    hexadecimal = String(decoding: text, as: UTF8.self)
  }

  /// The digest of an array.
  public init(of bytes: [UInt8]) { self.init(SHA256.hash(data: bytes)) }

  /// `sha256:<hex>`.
  public var description: String { "sha256:\(hexadecimal)" }

  /// Reads `sha256:<hex>`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard text.hasPrefix("sha256:"), text.utf8.count == 71,
      text.utf8.dropFirst(7).allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
      )
    else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not a digest of the form sha256:<64 hexadecimal digits>")
    }
    hexadecimal = String(text.dropFirst(7))
  }

  /// Writes `sha256:<hex>`.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// Digests bytes that arrive piece by piece.
public struct StreamingDigest {
  private var hash = SHA256()

  /// A digest of nothing yet.
  public init() {}

  /// Takes in the next bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

  /// The digest of all bytes so far.
  public var digest: Digest { Digest(hash.finalize()) }
}

/// A tensor's identity: what it must have in common with another to be the same tensor in any format.
public struct TensorIdentity: Hashable, Sendable {
  /// The name.
  public let name: String
  /// The element type.
  public let dtype: DType
  /// The extents.
  public let shape: Shape
  /// SHA-256 of the little-endian, row-major bytes.
  public let digest: Digest

  /// An identity.
  public init(name: String, dtype: DType, shape: Shape, digest: Digest) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.digest = digest
  }
}

/// The root of a checkpoint: SHA-256 over the lines `<hex>  <dtype>  [d0,d1]  <name>\n`, sorted by name.
///
/// Names are sorted by their UTF-8 bytes; in them `\`, line feed and carriage return are written `\\`, `\n`, `\r`.
public func rootDigest(of tensors: [TensorIdentity]) -> Digest {
  var stream = StreamingDigest()
  for tensor in tensors.sorted(by: { ExactName($0.name) < ExactName($1.name) }) {
    var name = ""
    for scalar in tensor.name.unicodeScalars {
      switch scalar {
      case "\\": name += "\\\\"
      case "\n": name += "\\n"
      case "\r": name += "\\r"
      default: name.unicodeScalars.append(scalar)
      }
    }
    let line =
      "\(tensor.digest.hexadecimal)  \(tensor.dtype.rawValue)  \(tensor.shape.canonicalText)  \(name)\n"
    Array(line.utf8).withUnsafeBytes { stream.update($0) }
  }
  return stream.digest
}
