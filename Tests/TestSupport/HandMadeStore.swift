public import CheckpointFormats
import FileContainers
import Foundation
public import TensorModel

/// A store made by plain loops and without HDF5, which its reader never looks at: volumes are chunks with gaps between them.
public struct HandMadeStore {
  /// A tensor.
  public struct Tensor: Sendable {
    /// Its name.
    public var name: String
    /// Dtype and shape.
    public var type: TensorType
    /// How it is stored.
    public var encoding: StoreManifest.Encoding
    /// Its bytes.
    public var bytes: [UInt8]

    /// A tensor.
    public init(
      _ name: String, _ type: TensorType, _ encoding: StoreManifest.Encoding, _ bytes: [UInt8]
    ) {
      self.name = name
      self.type = type
      self.encoding = encoding
      self.bytes = bytes
    }
  }

  /// What `store.json` says.
  public var manifest: StoreManifest
  /// Where the chunks lie.
  public var chunks: [[StoredChunk]] = []
  /// The only volume.
  public var volume: [UInt8] = Array("no HDF5".utf8)

  /// Encodes tensors.
  ///
  /// - Parameters:
  ///   - tensors: to be stored.
  ///   - filterMask: which filters are left out of a chunk of a tensor.
  /// - Throws: what zstd throws.
  public init(_ tensors: [Tensor], filterMask: (Int, Int) -> Int = { _, _ in 0 }) throws {
    let nothing = StoreManifest.FileRecord(name: "nothing", contents: [])
    manifest = StoreManifest(
      tensors: [],
      volumes: [.init(name: "weights-00001.h5", byteCount: 0, structureDigest: nothing.digest)],
      links: nothing, chunkTable: nothing, assets: [], certificate: nothing, root: nothing.digest)
    for (position, tensor) in tensors.enumerated() {
      var grid = ChunkGrid(tensor.type)
      var filters: [StoreManifest.Filter]?
      if case .chunked(let chunk, let named) = tensor.encoding {
        grid = try ChunkGrid(tensor.type, chunk: chunk)
        filters = named
      }
      chunks.append([])
      for index in 0..<grid.count {
        var bytes = Array(tensor.bytes[grid.byteRange(of: index)])
        var mask = filterMask(position, index)
        if let filters {
          bytes += Array(repeating: 0, count: grid.chunkByteCount - bytes.count)
          let plain = bytes
          for (place, filter) in filters.enumerated() where mask >> place & 1 == 0 {
            bytes = try Self.apply(filter, bytes, tensor.type.datasetElementByteCount)
          }
          // What grows is stored as it is.
          if bytes.count > plain.count { (bytes, mask) = (plain, 1 << filters.count - 1) }
          volume += [0xee, 0xee, 0xee]
        }
        chunks[position].append(
          StoredChunk(
            byteOffset: volume.count, byteCount: bytes.count,
            filterMask: filters == nil ? 0 : mask, checksum: checksum(bytes)))
        volume += bytes
      }
      volume.append(0xee)
      manifest.tensors.append(
        .init(
          name: tensor.name, type: tensor.type, volume: manifest.volumes[0].name,
          dataset: StoreFormat.datasetPath(for: tensor.name), encoding: tensor.encoding,
          digest: Digest(of: tensor.bytes)))
    }
  }

  private static func apply(
    _ filter: StoreManifest.Filter, _ bytes: [UInt8], _ size: Int
  ) throws -> [UInt8] {
    switch filter {
    case .shuffle:
      (0..<size).flatMap { place in stride(from: place, to: bytes.count, by: size).map { bytes[$0] }
      }
    case .zstd: try frame(bytes)
    }
  }

  /// Writes the store's files, and gives an editor of them.
  ///
  /// - Throws: what writing files throws.
  @discardableResult
  public func write(_ workspace: Workspace, _ folder: String = "made.store") throws -> StoreEditor {
    try workspace.write("\(folder)/\(manifest.volumes[0].name)", Data(volume))
    var editor = StoreEditor(workspace.path(folder), manifest, chunks)
    try editor.write()
    return editor
  }

  /// A zstd frame of some bytes.
  ///
  /// - Throws: what zstd throws.
  public static func frame(_ bytes: [UInt8]) throws -> [UInt8] {
    let encoder = try ZstdChunkEncoder(.level(3))
    var frame = [UInt8](repeating: 0, count: bytes.count + 1000)
    let count = try bytes.withUnsafeBytes { source in
      try frame.withUnsafeMutableBytes { try encoder.encode(source, into: $0) }
    }
    return Array(frame.prefix(count ?? 0))
  }
}
