import Crypto
public import TensorModel

/// SHA-256 of some bytes, written `sha256:<hex>`.
public struct Digest: Hashable, Sendable, Codable, CustomStringConvertible {
  // The 32 bytes, most significant first. Checkpoints can have hundreds of thousands of digests: no array, and no vector, which has gaps before it.
  private let words: (UInt64, UInt64, UInt64, UInt64)

  init(raw bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count == 32)
    func word(_ place: Int) -> UInt64 {
      UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * place, as: UInt64.self))
    }
    words = (word(0), word(1), word(2), word(3))
  }

  private func word(_ place: Int) -> UInt64 {
    switch place {
    case 0: words.0
    case 1: words.1
    case 2: words.2
    default: words.3
    }
  }

  /// Whether all bytes are the same.
  public static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

  /// Of any of the bytes: they are as good as random.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.3)
  }

  init(_ digest: SHA256Digest) { self = digest.withUnsafeBytes(Digest.init(raw:)) }

  /// The 64 hexadecimal digits.
  public var hexadecimal: String {
    String(unsafeUninitializedCapacity: 64) { buffer in
      for place in 0..<64 { buffer[place] = digit(place) }
      return 64
    }
  }

  fileprivate func appendHexadecimal(to bytes: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { digits in
      for place in digits.indices { digits.initializeElement(at: place, to: digit(place)) }
      bytes.append(contentsOf: digits)
    }
  }

  private func digit(_ place: Int) -> UInt8 {
    let value = UInt8(word(place / 16) >> (60 - 4 * UInt64(place % 16)) & 15)
    return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
  }

  /// The 32 bytes.
  public var bytes: [UInt8] {
    (0..<32).map { UInt8(truncatingIfNeeded: word($0 / 8) >> (56 - 8 * UInt64($0 % 8))) }
  }

  /// The digest of an array.
  public init(of bytes: [UInt8]) { self.init(SHA256.hash(data: bytes)) }

  /// The digest of some memory.
  public init(of bytes: UnsafeRawBufferPointer) {
    var hash = SHA256()
    hash.update(bufferPointer: bytes)
    self.init(hash.finalize())
  }

  /// A digest from its text; nil if it isn't `sha256:` and 64 lower-case hexadecimal digits.
  public init?(_ text: String) {
    guard text.hasPrefix("sha256:"), text.utf8.count == 71,
      text.utf8.dropFirst(7).allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
      )
    else { return nil }
    let nibbles = text.utf8.dropFirst(7).map { $0 < 0x3a ? $0 - 0x30 : $0 - 0x57 }
    self = stride(from: 0, to: 64, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
      .withUnsafeBytes(Digest.init(raw:))
  }

  /// `sha256:<hex>`.
  public var description: String { "sha256:\(hexadecimal)" }

  /// Reads `sha256:<hex>`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let digest = Digest(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "not a digest of the form sha256:<64 lower-case hexadecimal digits>")
    }
    self = digest
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

extension Digest {
  /// SHA-256 of a whole file.
  ///
  /// - Parameters:
  ///   - file: is read from its first byte to its last.
  ///   - progress: told of bytes as they are read; what it throws ends the work.
  /// - Throws: `inputOutput`, and what `progress` throws.
  public init(
    ofFile file: InputFile,
    progress: (_ byteCount: Int) throws(CheckpointError) -> Void = { (_) throws(CheckpointError) in
    }
  ) throws(CheckpointError) {
    var stream = StreamingDigest()
    try file.forEachPiece { (bytes) throws(CheckpointError) in
      stream.update(bytes)
      try progress(bytes.count)
    }
    self = stream.digest
  }
}

extension InputFile {
  /// Reads the whole file a megabyte at a time.
  ///
  /// - Parameter body: is given each piece, valid during the call.
  /// - Throws: `inputOutput`, and what `body` throws.
  func forEachPiece(
    _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let scratch = try ScratchArena(byteCount: 1 << 20)
    var offset = 0
    while offset < byteCount {
      let count = min(1 << 20, byteCount - offset)
      try scratch.withPiece(byteCount: count) { (piece) throws(CheckpointError) in
        try read(at: offset, into: piece, count: count)
        try body(UnsafeRawBufferPointer(start: piece, count: count))
      }
      offset += count
    }
  }
}

/// A tensor's identity: what it must have in common with another to be the same tensor in any format.
public struct TensorIdentity: Hashable, Sendable, Codable {
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
  rootDigest(ofTensors: tensors.count, named: { tensors[$0].name }) { tensors[$0] }
}

/// The same without a copy of identities that others have: there can be hundreds of thousands.
///
/// - Parameters:
///   - count: how many tensors there are.
///   - name: the name of the tensor at a place, from 0.
///   - identity: all of it.
/// - Returns: the root.
public func rootDigest(
  ofTensors count: Int, named name: (Int) -> String, _ identity: (Int) -> TensorIdentity
) -> Digest {
  let order = (0..<count).sorted { ExactName(name($0)) < ExactName(name($1)) }
  var stream = StreamingDigest()
  var lines: [UInt8] = []
  lines.reserveCapacity(2 * lineByteCount)
  // Many tensors have the type of the one before.
  var type: (dtype: DType, shape: Shape, text: [UInt8])?
  for place in order {
    let tensor = identity(place)
    tensor.digest.appendHexadecimal(to: &lines)
    if type?.dtype != tensor.dtype || type?.shape != tensor.shape {
      let text = "  \(tensor.dtype.rawValue)  \(tensor.shape.canonicalText)  "
      type = (tensor.dtype, tensor.shape, Array(text.utf8))
    }
    lines += type?.text ?? []
    append(tensor.name, to: &lines)
    lines.append(UInt8(ascii: "\n"))
    guard lines.count >= lineByteCount else { continue }
    lines.withUnsafeBytes { stream.update($0) }
    lines.removeAll(keepingCapacity: true)
  }
  lines.withUnsafeBytes { stream.update($0) }
  return stream.digest
}

/// How many bytes of lines are hashed at once.
private let lineByteCount = 16 << 10

private func append(_ name: String, to line: inout [UInt8]) {
  for byte in name.utf8 {
    switch byte {
    case UInt8(ascii: "\\"): line += "\\\\".utf8
    case UInt8(ascii: "\n"): line += "\\n".utf8
    case UInt8(ascii: "\r"): line += "\\r".utf8
    default: line.append(byte)
    }
  }
}
