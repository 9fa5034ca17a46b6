public import FileContainers
public import TensorModel

/// A canonical weight store, read through its chunk table with positioned reads: libhdf5 never sees a byte of it.
public final class StoreReader: PlacedTensorReader {
  /// What is in it.
  public let checkpoint: Checkpoint
  /// What the store says of itself.
  public let manifest: StoreManifest
  /// The files that hold tensors, by name.
  public let volumes: [String: FileRegion]
  /// Where the tensors' chunks lie.
  public let tensors: [StoredTensor]
  private let decoders: ChunkDecoderPool
  private let cache = ChunkCache()

  /// A tensor's chunks.
  public struct StoredTensor: Sendable {
    /// How its bytes are cut.
    public let grid: ChunkGrid
    /// The chunks, in order.
    public let chunks: [StoredChunk]
    /// The volume's bytes; nil for a tensor of the base.
    let volume: FileRegion?
    let coding: ChunkCoding
  }

  /// Opens a store.
  ///
  /// - Throws: `corrupt` if manifest or chunk table were changed, `malformed` if they don't fit the volumes, `missing`, `inputOutput`.
  convenience init(_ tree: any FileTree) throws(CheckpointError) {
    let manifest = try StoreManifest(
      parsing: tree.contents(
        of: StoreFormat.manifestName, limit: StoreManifest.maximumByteCount))
    let table = try Self.table(manifest, tree)
    var volumes: [String: FileRegion] = [:]
    for volume in manifest.volumes { volumes[volume.name] = try Self.region(volume, tree) }
    try self.init(manifest, table, volumes) { (checkpoint) throws(CheckpointError) in
      try StoreAssets.add(manifest, tree, to: &checkpoint)
      try Self.addStrangers(manifest, tree, to: &checkpoint)
    }
  }

  /// Reads volumes of which everything is known.
  ///
  /// - Parameters:
  ///   - manifest: of which only the tensors and volumes count.
  ///   - table: the tensors' chunks.
  ///   - volumes: open files, by name.
  ///   - complete: adds to the catalogue what isn't tensors.
  /// - Throws: `malformed` if something doesn't fit.
  public init(
    _ manifest: StoreManifest, _ table: [[StoredChunk]], _ volumes: [String: FileRegion],
    _ complete: (inout Checkpoint) throws(CheckpointError) -> Void = { (_) in }
  ) throws(CheckpointError) {
    var tensors: [StoredTensor] = []
    var infos: [TensorInfo] = []
    for (tensor, chunks) in zip(manifest.tensors, table) {
      do throws(CheckpointError) {
        let info = try TensorInfo(
          name: tensor.name, dtype: tensor.type.dtype, shape: tensor.type.shape,
          file: tensor.volume ?? StoreFormat.manifestName,
          recordedDigest: tensor.digest.hexadecimal)
        tensors.append(try StoredTensor(tensor, chunks, volumes))
        infos.append(info)
      } catch { throw error.in(file: tensor.volume, tensor: tensor.name) }
    }
    var checkpoint = try Checkpoint(
      format: StoreFormat.name,
      layout: "\(counted(volumes.count, "volume")), \(Self.encoding(manifest))"
        + (manifest.base.map { ", differences to \(printable($0.hint))" } ?? ""),
      tensors: infos, files: manifest.volumes.map { .init(name: $0.name, byteCount: $0.byteCount) },
      metadata: manifest.metadata)
    checkpoint.findings = nameFindings(infos)
    checkpoint.carriesSidecars = true
    checkpoint.trainingStep = manifest.trainingStep
    checkpoint.attention = manifest.attention
    try complete(&checkpoint)
    self.checkpoint = checkpoint
    self.manifest = manifest
    self.volumes = volumes
    self.tensors = tensors
    decoders = ChunkDecoderPool(chunkByteCount: tensors.map(\.grid.chunkByteCount).max() ?? 0)
  }

  /// Whether some of the tensors can't be read without a base.
  var lacksBase: Bool { manifest.tensors.contains { $0.base != nil } }

  private static func encoding(_ manifest: StoreManifest) -> String {
    let isCompressed = manifest.tensors.contains { $0.encoding != .contiguous }
    return isCompressed ? "compressed" : "uncompressed"
  }

  private static func table(
    _ manifest: StoreManifest, _ tree: any FileTree
  ) throws(CheckpointError) -> [[StoredChunk]] {
    do throws(CheckpointError) {
      guard manifest.chunkTable.name == StoreFormat.chunkTableName else {
        throw CheckpointError(.malformed, "not the name of a chunk table")
      }
      let bytes = try tree.contents(
        of: StoreFormat.chunkTableName, limit: ChunkTable.maximumByteCount)
      try manifest.chunkTable.check(bytes)
      let table = try ChunkTable.parse(bytes, isDifference: manifest.base != nil)
      guard table.map({ ExactName($0.name) }) == manifest.tensors.map({ ExactName($0.name) }) else {
        throw CheckpointError(.malformed, "other tensors than the manifest's")
      }
      return table.map(\.chunks)
    } catch { throw error.in(file: manifest.chunkTable.name) }
  }

  private static func region(
    _ volume: StoreManifest.Volume, _ tree: any FileTree
  ) throws(CheckpointError) -> FileRegion {
    guard tree.containsFile(volume.name) else {
      throw CheckpointError(
        .missing, "a volume of the store is not there", file: volume.name,
        hint: "get the store again: it is complete only with all of its files")
    }
    let region = try tree.region(volume.name)
    guard region.byteCount == volume.byteCount else {
      throw CheckpointError(
        .corrupt, "a volume of another size", file: volume.name,
        expected: "\(volume.byteCount) bytes", found: "\(region.byteCount)",
        hint: "the download is incomplete, or the file was changed: get it again")
    }
    return region
  }

  /// Names files that the manifest doesn't list.
  private static func addStrangers(
    _ manifest: StoreManifest, _ tree: any FileTree, to checkpoint: inout Checkpoint
  ) throws(CheckpointError) {
    let known = Set(
      manifest.volumes.map(\.name) + [
        StoreFormat.manifestName, manifest.links.name, manifest.chunkTable.name,
        manifest.certificate.name, StoreFormat.assetFolder,
      ])
    var strangers = try tree.children(of: "").filter { !known.contains($0) }
    strangers += try StoreAssets.strangers(manifest, tree)
    checkpoint.leftOut += strangers
    checkpoint.findings += Sidecars.unreadable(strangers, in: tree)
    for name in strangers where name.hasSuffix(".h5") || name.hasSuffix(".safetensors") {
      checkpoint.findings.append(
        Finding(
          .warning, "unused-weights", "weights that are no part of the store that is read",
          file: name))
    }
  }

  /// Where a tensor that isn't compressed lies.
  public func place(of position: Int) -> FileRegion? {
    let tensor = tensors[position]
    guard manifest.tensors[position].encoding == .contiguous, let first = tensor.chunks.first else {
      return nil
    }
    return tensor.volume?.part(
      at: first.byteOffset, count: tensor.chunks.reduce(0) { $0 + $1.byteCount })
  }

  /// Copies a region of a tensor; every chunk that is touched is checked.
  ///
  /// - Throws: `corrupt`, with the chunk, or `inputOutput`; `usage` for a tensor that can't be read without the base.
  public func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    if manifest.tensors[position].base != nil, let need = BaseNeed(manifest) {
      throw OpenOptions.withoutBase(need, of: nil).in(
        tensor: checkpoint.tensors[position].name)
    }
    try readStored(position, region, into: destination)
  }

  /// Copies a region of what a tensor's dataset holds: the tensor itself, or its differences to the base's.
  ///
  /// - Throws: `corrupt`, with the chunk, or `inputOutput`.
  public func readStored(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let tensor = checkpoint.tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    let run = region.columns.count * geometry.cellByteCount
    do throws(CheckpointError) {
      if region.columns.count == geometry.columns && destination.rowStride == run {
        let first = region.rows.lowerBound * run
        try read(position, first..<first + region.rows.count * run, into: destination.base)
        return
      }
      for (index, row) in region.rows.enumerated() {
        let first =
          row * geometry.rowByteCount + region.columns.lowerBound * geometry.cellByteCount
        try read(position, first..<first + run, into: destination.advanced(rows: index).base)
      }
    } catch { throw error.in(file: tensor.file, tensor: tensor.name) }
  }

  /// Copies a run of a tensor's bytes.
  private func read(
    _ position: Int, _ range: Range<Int>, into base: UnsafeMutableRawPointer
  ) throws(CheckpointError) {
    let grid = tensors[position].grid
    var offset = range.lowerBound
    while offset < range.upperBound {
      let index = grid.index(ofByte: offset)
      let bytes = grid.byteRange(of: index)
      let end = min(bytes.upperBound, range.upperBound)
      let target = base + (offset - range.lowerBound)
      if offset == bytes.lowerBound && end == bytes.upperBound {
        try decode(
          position, index, into: UnsafeMutableRawBufferPointer(start: target, count: bytes.count))
      } else {
        let chunk = try decodedChunk(
          position, index, byteCount: bytes.count, reading: end - offset)
        target.copyMemory(
          from: chunk.base + (offset - bytes.lowerBound), byteCount: end - offset)
        withExtendedLifetime(chunk) {}
      }
      offset = end
    }
  }

  /// Copies a chunk as it is stored, after checking it.
  ///
  /// - Parameters:
  ///   - position: the tensor's place.
  ///   - index: the chunk's number.
  ///   - base: room for its stored bytes.
  /// - Throws: `corrupt` or `inputOutput`.
  public func readStored(
    _ position: Int, _ index: Int, into base: UnsafeMutableRawPointer
  ) throws(CheckpointError) {
    let tensor = tensors[position]
    do throws(CheckpointError) {
      guard let volume = tensor.volume else { return }
      try tensor.chunks[index].read(in: volume, into: base)
    } catch {
      let info = checkpoint.tensors[position]
      throw error.in(file: info.file, tensor: info.name)
    }
  }

  private func decodedChunk(
    _ position: Int, _ index: Int, byteCount: Int, reading readByteCount: Int
  ) throws(CheckpointError) -> ChunkCache.Chunk {
    try cache.chunk(
      .init(tensor: position, chunk: index), byteCount: byteCount, reading: readByteCount
    ) { (bytes) throws(CheckpointError) in try decode(position, index, into: bytes) }
  }

  private func decode(
    _ position: Int, _ index: Int, into target: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    let tensor = tensors[position]
    guard let volume = tensor.volume, !tensor.chunks[index].isAbsent else {
      target.initializeMemory(as: UInt8.self, repeating: 0)
      return
    }
    do throws(CheckpointError) {
      try decoders.withDecoder { (decoder) throws(CheckpointError) in
        try decoder.decode(
          tensor.chunks[index], in: volume, tensor.coding,
          decodedByteCount: tensor.grid.chunkByteCount, into: target)
      }
    } catch {
      var placed = error
      placed.message += " (chunk \(index + 1) of \(tensor.chunks.count))"
      throw placed
    }
  }
}

extension StoreReader.StoredTensor {
  /// Checks a tensor's chunks against its type and its volume.
  fileprivate init(
    _ tensor: StoreManifest.Tensor, _ chunks: [StoredChunk], _ volumes: [String: FileRegion]
  ) throws(CheckpointError) {
    guard let name = tensor.volume else {
      guard chunks.isEmpty else {
        throw CheckpointError(.malformed, "chunks of a tensor that is the base's")
      }
      grid = ChunkGrid(tensor.type)
      (self.chunks, volume) = ([], nil)
      coding = ChunkCoding(filters: [], elementByteCount: 1)
      return
    }
    guard let volume = volumes[name] else {
      throw CheckpointError(
        .malformed, "in a volume that the manifest doesn't list", found: name)
    }
    let filters: [StoreManifest.Filter]
    switch tensor.encoding {
    case .contiguous, .base:
      grid = ChunkGrid(tensor.type)
      filters = []
    case .chunked(let chunk, let named):
      grid = try ChunkGrid(tensor.type, chunk: chunk)
      filters = named
    }
    guard chunks.count == grid.count else {
      throw CheckpointError(
        .malformed, "wrong number of chunks", expected: "\(grid.count)", found: "\(chunks.count)")
    }
    for (index, chunk) in chunks.enumerated() {
      if chunk.isAbsent, tensor.isDifference, tensor.encoding != .contiguous { continue }
      let isPlain = !filters.enumerated().contains { chunk.filterMask >> $0.offset & 1 == 0 }
      let whole =
        tensor.encoding == .contiguous ? grid.byteRange(of: index).count : grid.chunkByteCount
      guard !chunk.isAbsent, chunk.byteOffset <= volume.byteCount,
        chunk.byteCount <= volume.byteCount - chunk.byteOffset, chunk.byteCount <= whole,
        chunk.filterMask < 1 << filters.count, !isPlain || chunk.byteCount == whole
      else {
        throw CheckpointError(
          .malformed, "chunk \(index + 1) of \(chunks.count) can't be where the table says",
          byteOffset: chunk.byteOffset, expected: "at most \(whole) bytes within the volume",
          found: "\(chunk.byteCount)")
      }
    }
    if tensor.encoding == .contiguous {
      let ends = chunks.map { $0.byteOffset + $0.byteCount }
      guard zip(ends, chunks.dropFirst()).allSatisfy({ $0 == $1.byteOffset }) else {
        throw CheckpointError(.malformed, "a contiguous tensor whose parts don't follow each other")
      }
    }
    self.chunks = chunks
    self.volume = volume
    coding = ChunkCoding(
      filters: filters, elementByteCount: tensor.type.datasetElementByteCount)
  }
}

extension StoreManifest.FileRecord {
  /// Throws unless these are the file's contents.
  ///
  /// - Throws: `corrupt`.
  public func check(_ contents: [UInt8]) throws(CheckpointError) {
    try check(contents.count, Digest(of: contents))
  }

  func check(_ foundCount: Int, _ found: Digest) throws(CheckpointError) {
    guard foundCount == byteCount, found == digest else {
      throw CheckpointError(
        .corrupt, "was changed after the store was written",
        expected: "\(byteCount) bytes, \(digest)", found: "\(foundCount) bytes, \(found)",
        hint: "get the store again, or import it again")
    }
  }
}
