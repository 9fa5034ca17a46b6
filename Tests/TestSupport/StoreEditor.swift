public import CheckpointFormats
public import FileContainers
import Foundation
public import TensorModel

/// A store whose manifest and chunk table can be changed and sealed again, as an attacker or a faulty program would.
public struct StoreEditor {
  /// What is to be written.
  public var manifest: StoreManifest
  /// The chunks of the manifest's tensors.
  public var chunks: [[StoredChunk]]
  /// Whether the root is written as it stands, and not that of the tensors.
  public var forgesRoot = false
  private let folder: String

  /// Takes up a store, which must open.
  ///
  /// - Throws: what opening it throws.
  public init(_ folder: String) throws {
    guard let reader = try Source(folder).reader as? StoreReader else {
      throw CheckpointError(.unsupported, "not a store", file: folder)
    }
    self.init(folder, reader.manifest, reader.tensors.map(\.chunks))
  }

  /// A store of these parts.
  public init(_ folder: String, _ manifest: StoreManifest, _ chunks: [[StoredChunk]]) {
    self.folder = folder
    self.manifest = manifest
    self.chunks = chunks
  }

  /// The place of a tensor.
  public func position(of name: String) -> Int? {
    manifest.tensors.firstIndex { ExactName($0.name) == ExactName(name) }
  }

  /// Writes chunk table and manifest so that they agree with each other and with the volumes' sizes and structures.
  ///
  /// - Parameter measuresVolumes: whether sizes and structure digests are those of the files.
  /// - Throws: what reading and writing files throws.
  public mutating func write(measuresVolumes: Bool = true) throws {
    if measuresVolumes { try measureVolumes() }
    let table = ChunkTable.text(
      zip(manifest.tensors.map(\.name), chunks).map { ($0, $1) },
      isDifference: manifest.base != nil)
    if !forgesRoot { manifest.root = manifest.rootOfTensors }
    manifest.chunkTable = .init(name: StoreFormat.chunkTableName, contents: table)
    try Data(table).write(to: URL(filePath: "\(folder)/\(StoreFormat.chunkTableName)"))
    try Data(manifest.text).write(to: URL(filePath: "\(folder)/\(StoreFormat.manifestName)"))
  }

  private mutating func measureVolumes() throws {
    for (place, volume) in manifest.volumes.enumerated() {
      let region = try InputFile(path: "\(folder)/\(volume.name)").region
      let own = zip(manifest.tensors, chunks).filter { $0.0.volume == volume.name }
      manifest.volumes[place] = .init(
        name: volume.name, byteCount: region.byteCount,
        structureDigest: try VolumeStructure.digest(of: region, around: own.flatMap { $0.1 }))
    }
  }

  /// Writes other bytes in place of a stored chunk, no longer ones, with their checksum.
  ///
  /// - Throws: what reading and writing files throws.
  public mutating func replaceChunk(
    _ index: Int, of tensor: Int, with bytes: [UInt8], filterMask: Int
  ) throws {
    let old = chunks[tensor][index]
    precondition(bytes.count <= old.byteCount)
    let url = URL(filePath: "\(folder)/\(manifest.tensors[tensor].volume ?? "")")
    var volume = try Data(contentsOf: url)
    volume.replaceSubrange(old.byteOffset..<old.byteOffset + bytes.count, with: bytes)
    try volume.write(to: url)
    chunks[tensor][index] = StoredChunk(
      byteOffset: old.byteOffset, byteCount: bytes.count, filterMask: filterMask,
      checksum: checksum(bytes))
  }
}

extension StoreManifest.Tensor {
  /// The same tensor with something changed.
  public func with(
    name: String? = nil, type: TensorType? = nil, volume: String? = nil, dataset: String? = nil,
    encoding: StoreManifest.Encoding? = nil, digest: Digest? = nil,
    base: StoreManifest.BaseTensor? = nil
  ) -> StoreManifest.Tensor {
    .init(
      name: name ?? self.name, type: type ?? self.type, volume: volume ?? self.volume,
      dataset: dataset ?? self.dataset, encoding: encoding ?? self.encoding,
      digest: digest ?? self.digest, base: base ?? self.base)
  }
}
