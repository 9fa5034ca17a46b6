public import CheckpointFormats
public import FileContainers
import HDF5Files
public import TensorModel

/// A volume that is complete.
public struct FinishedVolume: Hashable, Sendable {
  /// Its size.
  public let byteCount: Int
  /// SHA-256 of what belongs to no chunk.
  public let structureDigest: Digest
  /// The chunks of its tensors, in order.
  public let chunks: [[StoredChunk]]

  /// A volume that was completed earlier.
  ///
  /// - Parameters:
  ///   - byteCount: of the file.
  ///   - structureDigest: of what belongs to no chunk.
  ///   - chunks: of its tensors.
  public init(byteCount: Int, structureDigest: Digest, chunks: [[StoredChunk]]) {
    self.byteCount = byteCount
    self.structureDigest = structureDigest
    self.chunks = chunks
  }

  /// Makes a file that libhdf5 has closed durable, and looks at what it has written.
  init(syncing output: OutputFile, _ chunks: [[StoredChunk]]) throws(CheckpointError) {
    do throws(CheckpointError) { try output.synchronise() } catch {
      // After a failed sync nobody knows what is on the disk.
      try? Directories.removeTree(output.path)
      throw error
    }
    let file = try InputFile(path: output.path)
    self.init(
      byteCount: file.byteCount,
      structureDigest: try VolumeStructure.digest(
        of: file.region, around: chunks.flatMap { $0 }),
      chunks: chunks)
  }
}

/// The file with a link to every dataset of a store.
public enum LinkFile {
  /// The longest name that a tensor can have, in bytes.
  public static let maximumNameByteCount = HDF5Storage.maximumNameByteCount

  /// Creates the file and makes it durable.
  ///
  /// - Parameters:
  ///   - path: must not exist yet.
  ///   - tensors: names, the volumes that hold them, and whether these hold differences.
  /// - Returns: size and digest, for the manifest.
  /// - Throws: `noSpace` or `inputOutput`.
  public static func create(
    _ path: String, _ tensors: [(name: String, volume: String, isDifference: Bool)]
  ) throws(CheckpointError) -> StoreManifest.FileRecord {
    let links = tensors.map { (HDF5Storage.linkName(for: $0.name), $0.volume, $0.isDifference) }
    try HDF5Volume.createLinks(path, links).synchronise()
    let file = try InputFile(path: path)
    return StoreManifest.FileRecord(
      name: Directories.split(path).name, byteCount: file.byteCount,
      digest: try Digest(ofFile: file))
  }
}

extension HDF5Volume {
  /// Creates the dataset of a tensor.
  func createDataset(_ planned: PlannedDataset) throws(CheckpointError) -> Dataset {
    var encoding: Encoding?
    if case .chunked(let chunk, let filters) = planned.encoding {
      encoding = Encoding(chunk: chunk, shuffles: filters.contains(.shuffle), level: 1)
    }
    let difference = planned.base.map { Difference(base: $0, dtype: planned.type.dtype) }
    let stored = planned.type.dtype.differenceDType ?? planned.type.dtype
    return try createDataset(
      HDF5Storage.linkName(for: planned.name), tensor: planned.name,
      difference == nil ? planned.type : TensorType(stored, planned.type.shape),
      difference: difference, encoding)
  }
}
