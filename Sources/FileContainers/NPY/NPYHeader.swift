// NPY arrays (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). In the order of the file:
//
// 1. magic, 6 bytes: 0x93 "NUMPY"
// 2. version, 2 bytes: 1.0, 2.0 or 3.0
// 3. length of the header text, little-endian: u16 in version 1.0, else u32
// 4. header text: a Python dictionary with the keys descr (element type), fortran_order and shape, padded with spaces and ended
//    by "\n" (so that the data begin at a multiple of 64, which isn't required here); UTF-8 in version 3.0, else ASCII
// 5. the elements, the last index fastest, or with fortran_order the first; nothing follows

public import TensorModel

/// What comes before the data of an npy array.
public struct NPYHeader: Hashable, Sendable {
  /// The element type.
  public let dtype: DType
  /// The extents, outermost first.
  public let shape: Shape
  /// Whether the elements are stored with the first index fastest.
  public let isFortranOrder: Bool
  /// Whether elements are stored with their most significant byte first.
  public let isBigEndian: Bool
  /// Where the data begin.
  public let dataOffset: Int

  /// The longest header text that is accepted: numpy's limit (`max_header_size`) too.
  public static let maximumTextByteCount = 10_000
  /// So many of the first bytes suffice for any header.
  public static let maximumByteCount = 12 + maximumTextByteCount

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  static let dataAlignment = 64

  /// The header of an array that is going to be written: little-endian, row-major.
  ///
  /// - Throws: `unsupported` for a dtype that numpy doesn't have.
  public init(dtype: DType, shape: Shape) throws(CheckpointError) {
    guard NPYDescriptor.text(for: dtype) != nil else {
      throw CheckpointError(
        .unsupported, "npy files can't hold this dtype", found: dtype.rawValue,
        hint: "numpy has no such type: choose a format that has it, such as safetensors")
    }
    self.dtype = dtype
    self.shape = shape
    isFortranOrder = false
    isBigEndian = false
    dataOffset = Self.frame(Self.text(dtype, shape)).count
  }

  /// Parses a header.
  ///
  /// - Parameter bytes: the beginning of the file, as many as `byteCount(startingWith:)` says; more don't matter.
  /// - Throws: `malformed`; `unsupported` for a version or element type that isn't handled.
  public init(parsing bytes: [UInt8]) throws(CheckpointError) {
    let end = try Self.byteCount(startingWith: bytes)
    guard bytes.count >= end else {
      throw CheckpointError(
        .malformed, "the npy header is longer than the file", byteOffset: 8,
        expected: "\(end) bytes", found: "\(bytes.count)")
    }
    let start = bytes[6] == 1 ? 10 : 12
    var dictionary = NPYDictionary(bytes[start..<end])
    try dictionary.parse()
    let type = try NPYDescriptor(parsing: dictionary.descriptor, at: dictionary.descriptorOffset)
    do { shape = try Shape(checking: dictionary.dimensions) } catch {
      var placed = error
      placed.byteOffset = dictionary.shapeOffset
      throw placed
    }
    dtype = type.dtype
    isBigEndian = type.isBigEndian
    isFortranOrder = dictionary.isFortranOrder
    dataOffset = end
  }

  /// The header's size, which is also where the data begin.
  ///
  /// - Parameter bytes: at least the first 12 bytes of the file, or all of a shorter one.
  /// - Returns: a number of bytes, whether or not the file has so many.
  /// - Throws: `malformed` if it isn't an npy file, `unsupported` for its version.
  public static func byteCount(startingWith bytes: [UInt8]) throws(CheckpointError) -> Int {
    guard bytes.starts(with: magic) else {
      let isPickle = bytes.first == 0x80
      throw CheckpointError(
        .malformed, "not an npy array", byteOffset: 0, expected: "\\x93NUMPY",
        found: bytes.prefix(6).map { String($0, radix: 16) }.joined(separator: " "),
        hint: isPickle ? "it looks like a pickle, which is never executed" : nil)
    }
    guard bytes.count >= 10, bytes[6] == 1 || bytes.count >= 12 else {
      throw CheckpointError(
        .malformed, "the npy header ends early", byteOffset: bytes.count,
        expected: "at least 12 bytes", found: "\(bytes.count)")
    }
    guard (1...3).contains(bytes[6]), bytes[7] == 0 else {
      throw CheckpointError(
        .unsupported, "npy version", byteOffset: 6, expected: "1.0, 2.0 or 3.0",
        found: "\(bytes[6]).\(bytes[7])",
        hint: "load it with numpy and save it again with numpy.save")
    }
    let fields = LittleEndianBytes(bytes[...], base: 0)
    let textByteCount = bytes[6] == 1 ? Int(fields.u16(8)) : Int(fields.u32(8))
    guard textByteCount <= maximumTextByteCount else {
      throw CheckpointError(
        .malformed, "the npy header is too long", byteOffset: 8,
        expected: "at most \(maximumTextByteCount) bytes", found: "\(textByteCount)")
    }
    return (bytes[6] == 1 ? 10 : 12) + textByteCount
  }

  /// The bytes of a little-endian, row-major array's header, the same that numpy 2 writes.
  public var bytes: [UInt8] { Self.frame(Self.text(dtype, shape)) }

  private static func text(_ dtype: DType, _ shape: Shape) -> String {
    let extents = shape.dimensions.map(String.init).joined(separator: ", ")
    let tuple = shape.rank == 1 ? "(\(extents),)" : "(\(extents))"
    let descriptor = NPYDescriptor.text(for: dtype) ?? ""
    var text = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(tuple), }"
    if let first = shape.dimensions.first {
      // numpy leaves room for the first extent to grow to 21 digits in place.
      text += String(repeating: " ", count: 21 - String(first).count)
    }
    return text
  }

  private static func frame(_ text: String) -> [UInt8] {
    let padding = dataAlignment - (10 + text.utf8.count + 1) % dataAlignment
    let length = text.utf8.count + padding + 1
    return magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)]
      + Array(text.utf8) + [UInt8](repeating: 0x20, count: padding) + [0x0a]
  }
}
