// GGUF (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3:
//
//   magic "GGUF", u32 version, u64 number of tensors, u64 number of metadata entries
//   metadata: string key, u32 type, value; strings and arrays have a u64 length before them, arrays a u32 type before that
//   tensors: string name, u32 number of dimensions, u64 extents (innermost first), u32 type, u64 offset
//   padding to the alignment; then the tensors' data, each padded to the alignment

public import TensorModel

/// The header of a GGUF file, checked as llama.cpp's loader checks it, and more.
public struct GGUFHeader: Sendable {
  /// 2 or 3.
  public let version: Int
  /// Whether numbers begin with their most significant byte.
  public let isBigEndian: Bool
  /// The metadata, in the order of the file.
  public let metadata: [(key: String, value: GGUFValue)]
  private let places: [ExactName: Int]
  /// The tensors, in the order of the file, which is that of their data.
  public let tensors: [Tensor]
  /// What data are padded to.
  public let alignment: Int
  /// Where the tensors' data begin.
  public let dataOffset: Int
  /// Bytes after the last tensor's data, its padding included.
  public let trailingByteCount: Int

  /// A tensor.
  public struct Tensor: Hashable, Sendable {
    /// Its name, of less than 64 bytes.
    public let name: String
    /// Its dtype.
    public let dtype: DType
    /// Its extents, outermost first: the other way round than in the file.
    public let shape: Shape
    /// Where its data are in the file.
    public let range: Range<Int>
  }

  /// What a file begins with.
  public static let magic = Array("GGUF".utf8)
  /// The alignment where the metadata don't say one.
  public static let standardAlignment = 32

  /// The value of a key.
  public subscript(key: String) -> GGUFValue? {
    places[ExactName(key)].map { metadata[$0].value }
  }

  /// Reads a header.
  ///
  /// - Throws: `malformed` for anything that readers could disagree about; `unsupported` for other versions and tensor types; `inputOutput`.
  public init(_ file: FileRegion) throws(CheckpointError) {
    var cursor = FileCursor(file)
    guard try cursor.bytes(4).elementsEqual(Self.magic) else {
      throw CheckpointError(.malformed, "not a GGUF file: wrong magic number", byteOffset: 0)
    }
    (version, isBigEndian) = try Self.version(&cursor)
    let tensorCount = try cursor.count(of: "tensors", each: 24)
    let entryCount = try cursor.count(of: "metadata entries", each: 13)
    (metadata, places) = try GGUFMetadata.read(entryCount, &cursor)
    alignment = try Self.alignment(metadata)
    var entries: [GGUFTensorEntry] = []
    var names: Set<ExactName> = []
    for _ in 0..<tensorCount {
      let entry = try GGUFTensorEntry(&cursor)
      guard names.insert(ExactName(entry.name)).inserted else {
        throw CheckpointError(.malformed, "the same tensor name twice", tensor: entry.name)
      }
      entries.append(entry)
    }
    let padding = (alignment - cursor.position % alignment) % alignment
    dataOffset = cursor.position + padding
    var end = 0
    var tensors: [Tensor] = []
    for entry in entries {
      let start = Self.padded(end, alignment)
      guard entry.offset == UInt64(start) else {
        throw CheckpointError(
          .malformed, "a tensor doesn't begin where the one before it ends", tensor: entry.name,
          expected: "offset \(start)", found: "\(entry.offset)",
          hint: "readers would disagree about its data; don't trust this file")
      }
      end = start + entry.byteCount
      guard entry.byteCount <= file.byteCount, dataOffset + end <= file.byteCount else {
        throw CheckpointError(
          .malformed, "the file ends within a tensor", tensor: entry.name,
          expected: "\(dataOffset + end) bytes", found: "\(file.byteCount)",
          hint: "the file was cut short; get it again")
      }
      tensors.append(
        Tensor(
          name: entry.name, dtype: entry.dtype, shape: entry.shape,
          range: dataOffset + start..<dataOffset + end))
    }
    self.tensors = tensors
    trailingByteCount = max(0, file.byteCount - dataOffset - Self.padded(end, alignment))
  }

  private static func padded(_ offset: Int, _ alignment: Int) -> Int {
    (offset + alignment - 1) / alignment * alignment
  }

  private static func version(
    _ cursor: inout FileCursor
  ) throws(CheckpointError) -> (Int, isBigEndian: Bool) {
    let value = UInt32(truncatingIfNeeded: try cursor.integer(4))
    // A version in the other byte order is large.
    let isBigEndian = value & 0xffff == 0
    let version = Int(isBigEndian ? value.byteSwapped : value)
    guard version == 2 || version == 3 else {
      throw CheckpointError(
        .unsupported, "a GGUF file of another version", byteOffset: 4, expected: "2 or 3",
        found: "\(version)",
        hint: version == 1 ? "convert it with an older llama.cpp first" : nil)
    }
    cursor.isBigEndian = isBigEndian
    return (version, isBigEndian)
  }

  private static func alignment(
    _ metadata: [(key: String, value: GGUFValue)]
  ) throws(CheckpointError) -> Int {
    guard let value = metadata.first(where: { $0.key == "general.alignment" })?.value else {
      return standardAlignment
    }
    guard value.type == .uint32, let alignment = value.integer, alignment > 0,
      alignment & (alignment - 1) == 0, alignment <= 1 << 30
    else {
      throw CheckpointError(
        .malformed, "general.alignment can't be", expected: "a power of two of type uint32",
        found: "\(value) of type \(value.type)")
    }
    return alignment
  }
}

extension DType {
  /// ggml's numbers of tensor types (ggml.h).
  private static let ggmlTypes: [Int: DType] = [
    0: .f32, 1: .f16, 2: .q4_0, 3: .q4_1, 6: .q5_0, 7: .q5_1, 8: .q8_0, 10: .q2K, 11: .q3K,
    12: .q4K, 13: .q5K, 14: .q6K, 20: .iq4NL, 23: .iq4XS, 24: .i8, 25: .i16, 26: .i32, 27: .i64,
    28: .f64, 30: .bf16, 39: .mxfp4, 40: .nvfp4,
  ]

  /// The dtype of a ggml type; nil for those that aren't read.
  public init?(ggmlType number: Int) {
    guard let dtype = Self.ggmlTypes[number] else { return nil }
    self = dtype
  }

  /// ggml's number; nil for dtypes that it doesn't have.
  public var ggmlType: Int? { Self.ggmlTypes.first { $0.value == self }?.key }
}
