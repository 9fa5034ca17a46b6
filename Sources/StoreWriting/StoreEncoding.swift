public import CheckpointFormats
import FileContainers
public import TensorModel

/// How tensors of a dtype are stored: what serves it best within HDF5's standard filters.
///
/// Measured, see README.md beside this file.
public enum StoreEncoding {
  /// Tensors below this size aren't worth a chunk.
  static let smallestChunkedByteCount = 4096

  /// How a tensor is stored.
  ///
  /// - Parameters:
  ///   - type: of the tensor.
  ///   - isCompressed: whether the store is.
  /// - Returns: chunks through shuffle and zstd; contiguous for small tensors, and all of them in an uncompressed store.
  public static func encoding(
    of type: TensorType, isCompressed: Bool
  ) -> StoreManifest.Encoding {
    let byteCount = type.geometry.rows * type.geometry.rowByteCount
    guard isCompressed, byteCount >= smallestChunkedByteCount else { return .contiguous }
    let filters: [StoreManifest.Filter] =
      type.datasetElementByteCount > 1 ? [.shuffle, .zstd] : [.zstd]
    return .chunked(ChunkGrid(type).chunk, filters)
  }

  /// The encoder's settings: weights have no repetitions worth searching for, only frequent and rare bytes; indexes and masks have.
  static func settings(for dtype: DType, level: Int?) -> ZstdChunkEncoder.Settings {
    if let level { return .level(level) }
    switch dtype {
    case .f64, .f32, .f16, .bf16, .c64, .i8, .u8, .f8e4m3, .f8e5m2, .f8e8m0, .f8e4m3fnuz,
      .f8e5m2fnuz, .f4, .f6e2m3, .f6e3m2:
      return .entropyOnly
    case .bool, .i16, .u16, .i32, .u32, .i64, .u64: return .level(3)
    }
  }
}

/// A tensor that is going to be a dataset.
public struct PlannedDataset: Hashable, Sendable {
  /// The tensor's name.
  public let name: String
  /// Its dtype and shape.
  public let type: TensorType
  /// How it is stored.
  public let encoding: StoreManifest.Encoding

  /// A dataset.
  public init(name: String, type: TensorType, encoding: StoreManifest.Encoding) {
    self.name = name
    self.type = type
    self.encoding = encoding
  }

  /// How its bytes are cut.
  public var grid: ChunkGrid {
    // What is stored already may be cut in another way.
    if case .chunked(let chunk, _) = encoding, let grid = try? ChunkGrid(type, chunk: chunk) {
      return grid
    }
    return ChunkGrid(type)
  }
}
