public import CheckpointFormats
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
}

/// A tensor that is going to be a dataset.
public struct PlannedDataset: Hashable, Sendable {
  /// The tensor's name.
  public let name: String
  /// Its dtype and shape.
  public let type: TensorType
  /// How it is stored.
  public let encoding: StoreManifest.Encoding
  /// The base's tensor that it is a difference to; nil for a tensor that is stored by itself.
  public let base: String?

  /// A dataset.
  public init(
    name: String, type: TensorType, encoding: StoreManifest.Encoding, base: String? = nil
  ) {
    self.name = name
    self.type = type
    self.encoding = encoding
    self.base = base
  }

  /// Where it lies, in its volume and in the link file.
  public var path: String { StoreFormat.datasetPath(for: name, isDifference: base != nil) }

  /// How its bytes are cut.
  public var grid: ChunkGrid {
    // What is stored already may be cut in another way.
    if case .chunked(let chunk, _) = encoding, let grid = try? ChunkGrid(type, chunk: chunk) {
      return grid
    }
    return ChunkGrid(type)
  }
}
