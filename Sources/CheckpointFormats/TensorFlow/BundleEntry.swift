// What the index of a bundle says (tensorflow/core/protobuf/tensor_bundle.proto, framework/tensor_shape.proto, tensor_slice.proto):
//
// key ""     BundleHeaderProto  1 num_shards, 2 endianness (0 little), 3 version: VersionDef {1 producer, 2 min_consumer, 3 bad_consumers}
// key NAME   BundleEntryProto   1 dtype, 2 shape {2 dim {1 size, 2 name}, 3 unknown_rank}, 3 shard_id, 4 offset, 5 size,
//                               6 crc32c (fixed32, masked), 7 slices {1 extent {1 start, 2 length}}
//
// Fields whose value is 0 are absent.

import FileContainers
import TensorModel

/// How many data files a bundle has, and who may read it.
struct BundleHeader {
  /// The number of data files.
  let shardCount: Int

  /// What readers of this version can read: the only one that there has been.
  private static let version = 1
  /// `data-00000-of-99999` has room for so many.
  private static let maximumShardCount = 99_999

  /// Reads a header.
  ///
  /// - Throws: `malformed`; `unsupported` for big-endian bundles and those made for later readers.
  init(_ bytes: ArraySlice<UInt8>) throws(CheckpointError) {
    let fields = try BundleFields(bytes, known: 1...3)
    let count = try fields.number(1)
    guard (1...UInt64(Self.maximumShardCount)).contains(count) else {
      throw CheckpointError(
        .malformed, "an impossible number of data files",
        expected: "1 to \(Self.maximumShardCount)", found: "\(count)")
    }
    shardCount = Int(count)
    let endianness = try fields.number(2)
    guard endianness == 0 else {
      throw CheckpointError(
        .unsupported, "the bundle's byte order is not little-endian", expected: "0",
        found: "\(endianness)",
        hint:
          "load it with TensorFlow on the kind of machine that wrote it, and save it as safetensors"
      )
    }
    guard let version = try fields.message(3) else { return }
    let versions = try BundleFields(version, known: 1...3, repeated: [3])
    let least = try versions.number(2)
    guard least <= UInt64(Self.version), !versions.has(3) else {
      throw CheckpointError(
        .unsupported, "the bundle is made for other readers", expected: "version \(Self.version)",
        found: versions.has(3) ? "a list of versions that may not" : "version \(least)",
        hint: "load it with the TensorFlow that wrote it, and save it as safetensors")
    }
  }
}

/// What a bundle says about one variable, or about a slice of one.
struct BundleEntry {
  /// TensorFlow's number of the dtype.
  let dtypeNumber: UInt64
  let shape: Shape
  let shard: Int
  let offset: Int
  let byteCount: Int
  let crc32c: UInt32
  /// Of a partitioned variable: what its slices have of each dimension; empty for others.
  let slices: [[BundleExtent]]

  private static let maximumSliceCount = 1 << 14

  /// Reads an entry.
  ///
  /// - Throws: `malformed`.
  init(_ bytes: ArraySlice<UInt8>) throws(CheckpointError) {
    let fields = try BundleFields(bytes, known: 1...7, repeated: [7])
    dtypeNumber = try fields.number(1)
    shape = try Self.shape(fields.message(2))
    (shard, offset, byteCount) = (try fields.count(3), try fields.count(4), try fields.count(5))
    crc32c = unmaskedChecksum(try fields.fixed32(6))
    let parts = try fields.messages(7)
    guard parts.count <= Self.maximumSliceCount else {
      throw CheckpointError(
        .unsupported, "more slices than any variable has",
        expected: "at most \(Self.maximumSliceCount)", found: "\(parts.count)",
        hint: "save the checkpoint again with fewer partitions")
    }
    var slices: [[BundleExtent]] = []
    for part in parts { slices.append(try BundleExtent.slice(part, of: shape)) }
    self.slices = slices
  }

  private static func shape(_ message: ArraySlice<UInt8>?) throws(CheckpointError) -> Shape {
    guard let message else { return [] }
    let fields = try BundleFields(message, known: 2...3, repeated: [2])
    guard try fields.number(3) == 0 else {
      throw CheckpointError(.malformed, "a variable without a shape")
    }
    let dimensions = try fields.messages(2)
    // More are refused by `Shape`.
    var extents: [Int] = []
    for dimension in dimensions.prefix(Shape.maximumRank + 1) {
      let parts = try BundleFields(dimension, known: 1...2)
      extents.append(Int(Int64(bitPattern: try parts.number(1))))
    }
    return try Shape(checking: extents)
  }

  /// The dtype, by TensorFlow's number (tensorflow/core/framework/types.proto).
  ///
  /// - Throws: `unsupported` for what holds no numbers, and for unknown ones.
  var dtype: DType {
    get throws(CheckpointError) {
      if let dtype = Self.dtypes[dtypeNumber] { return dtype }
      throw CheckpointError(
        .unsupported, "a dtype that weights don't have",
        expected: "a number that stands for floats, integers or truth values",
        found: Self.otherDTypes[dtypeNumber] ?? "DataType \(dtypeNumber)",
        hint: "save the checkpoint again without this variable")
    }
  }

  /// TensorFlow's number of texts.
  static let stringNumber: UInt64 = 7

  private static let dtypes: [UInt64: DType] = [
    1: .f32, 2: .f64, 3: .i32, 4: .u8, 5: .i16, 6: .i8, 8: .c64, 9: .i64, 10: .bool, 14: .bf16,
    17: .u16, 19: .f16, 22: .u32, 23: .u64, 24: .f8e5m2, 25: .f8e4m3,
  ]
  private static let otherDTypes: [UInt64: String] = [
    0: "no dtype", 7: "strings", 11: "QINT8", 12: "QUINT8", 13: "QINT32", 15: "QINT16",
    16: "QUINT16", 18: "COMPLEX128", 20: "a resource", 21: "a variant",
  ]
}

/// What a slice has of one dimension.
struct BundleExtent: Hashable {
  /// The first index.
  let start: Int
  /// How many there are; nil where the slice says that it has the whole dimension.
  let length: Int?

  /// Reads a slice.
  ///
  /// - Returns: an extent for each dimension.
  /// - Throws: `malformed` for extents that aren't within the shape.
  static func slice(
    _ message: ArraySlice<UInt8>, of shape: Shape
  ) throws(CheckpointError) -> [BundleExtent] {
    let fields = try BundleFields(message, known: 1...1, repeated: [1])
    var extents: [BundleExtent] = []
    let messages = try fields.messages(1)
    guard messages.count == shape.rank else {
      throw CheckpointError(
        .malformed, "a slice of another number of dimensions", expected: "\(shape.rank)",
        found: "\(messages.count)")
    }
    for (message, size) in zip(messages, shape.dimensions) {
      let parts = try BundleFields(message, known: 1...2)
      let hasLength = parts.has(2)
      let (start, length) = (try parts.count(1), try parts.count(2))
      guard hasLength ? start <= size && length <= size - start : start == 0 else {
        throw CheckpointError(
          .malformed, "a slice that isn't within the variable",
          expected: "within \(shape)", found: "\(length) from \(start)")
      }
      extents.append(BundleExtent(start: start, length: hasLength ? length : nil))
    }
    return extents
  }
}
