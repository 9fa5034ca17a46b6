import CTensorKernels
import FileContainers
import ModelArchitectures
import TensorModel

/// One HDF5 file of Keras's weights, or a sharded set with its index: read by the catalogue that a child process has made of it.
final class KerasReader: PlacedTensorReader {
  let checkpoint: Checkpoint
  private let datasets: [StoredDataset]
  private let canonical: Result<[CanonicalTensor], CheckpointError>
  private let work: ChunkWorkPool
  private let cache = ChunkCache()

  /// Weights whose chunks of the same rows have more bytes are read in large regions: the cache wouldn't hold them until the next rows are read.
  private static let largestBand = 24 << 20

  /// Opens files.
  ///
  /// - Parameters:
  ///   - shards: in the order of the index, or one.
  ///   - process: lists what is in them.
  ///   - index: of a sharded set.
  ///   - indexFile: the same as a file.
  /// - Throws: what reading each throws, with its name.
  convenience init(
    _ shards: [(name: String, region: FileRegion)], _ process: DatasetProcess?,
    index: ShardIndex? = nil, indexFile: [Checkpoint.SourceFile] = []
  ) throws(CheckpointError) {
    var files: [KerasFile] = []
    for shard in shards {
      do throws(CheckpointError) {
        if let error = StandIn.error(head: try shard.region.head(512)) { throw error }
        guard let contents = try KerasFormat.contents(of: shard.region) else {
          throw UnreadableFile.unrecognised(head: try shard.region.head(512))
        }
        guard let process else {
          throw CheckpointError(
            .unsupported, "HDF5 files are read in a process of their own, and none was named",
            hint: "give OpenOptions.datasets the path of the command weighbridge")
        }
        files.append(
          KerasFile(
            name: shard.name, whole: shard.region, contents: contents,
            catalogue: try process.catalogue(of: contents)))
      } catch { throw error.in(file: shard.name) }
    }
    try self.init(files, index: index, indexFile: indexFile)
  }

  /// Reads files of which there are catalogues, which aren't trusted.
  ///
  /// - Throws: `malformed` or `unsupported` for what catalogues say and files don't have, or what isn't read.
  init(
    _ files: [KerasFile], index: ShardIndex? = nil, indexFile: [Checkpoint.SourceFile] = []
  ) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    var datasets: [StoredDataset] = []
    var findings: [Finding] = []
    for file in files {
      do throws(CheckpointError) {
        var stored: [(name: String, dataset: StoredDataset)] = []
        for dataset in file.catalogue.datasets {
          do throws(CheckpointError) {
            stored.append((dataset.name, try StoredDataset(dataset, in: file.contents)))
          } catch { throw error.in(tensor: dataset.name) }
        }
        try StoredDataset.checkAreApart(stored)
        for (name, dataset) in stored {
          tensors.append(
            try TensorInfo(
              name: name, dtype: dataset.type.dtype, shape: dataset.type.shape, file: file.name,
              isScattered: dataset.bandByteCount > Self.largestBand))
          datasets.append(dataset)
        }
      } catch { throw error.in(file: file.name) }
      findings += file.catalogue.unlisted.map {
        Finding(.note, "unused-weights", "'/\($0)' is in no list of weights", file: file.name)
      }
    }
    let hasLayers = files.contains { $0.catalogue.hasLayers }
    if let index { findings += try index.named(as: tensors).check(tensors) }
    var checkpoint = try Checkpoint(
      format: KerasFormat.name,
      layout: index == nil ? "one file" : "\(counted(files.count, "shard")) with an index",
      tensors: tensors,
      files: files.map { .init(name: $0.name, byteCount: $0.whole.byteCount) } + indexFile)
    findings += nameFindings(tensors)
    do throws(CheckpointError) {
      canonical = .success(
        try ParameterNaming.tensorFlow.canonicalTensors(
          tensors, scopes: hasLayers && Self.haveScope(tensors) ? 1 : 0))
    } catch {
      // It can be looked at all the same.
      findings.append(Finding("parameter-names", error).with(.warning))
      canonical = .failure(error)
    }
    checkpoint.findings = findings
    self.checkpoint = checkpoint
    self.datasets = datasets
    work = ChunkWorkPool(chunkByteCount: datasets.map(\.chunkByteCount).max() ?? 0)
  }

  /// Whether all names begin with the same level, as the variables of a Keras model do; names of one level have none.
  private static func haveScope(_ tensors: [TensorInfo]) -> Bool {
    let scopes = tensors.compactMap { ShardIndex.scope(of: $0.name) }
    return scopes.allSatisfy { ExactName($0) == ExactName(scopes[0]) }
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] { try canonical.get() }

  func place(of position: Int) -> FileRegion? {
    guard !datasets[position].isBigEndian, case .contiguous(let region) = datasets[position].storage
    else { return nil }
    return region
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    guard region.cellCount > 0 else { return }
    let dataset = datasets[position]
    let geometry = MatrixGeometry(dtype: dataset.type.dtype, shape: dataset.type.shape)
    do throws(CheckpointError) {
      switch dataset.storage {
      case .contiguous(let bytes):
        try bytes.read(matrixAt: 0, geometry, region, into: destination)
      case .chunked(let chunks):
        try read(position, chunks, geometry, region, into: destination)
      }
    } catch {
      let tensor = checkpoint.tensors[position]
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
    if dataset.isBigEndian {
      wb_swap_rows(
        destination.base, destination.rowStride, region.rows.count,
        region.columns.count * geometry.cellByteCount, geometry.cellByteCount)
    }
  }

  /// Takes a region from the chunks that hold it; those that others are at work on come last.
  private func read(
    _ position: Int, _ chunks: StoredDataset.Chunks, _ geometry: MatrixGeometry,
    _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let rowByteCount = region.columns.count * geometry.cellByteCount
    var waiting: [Int] = []
    for index in chunks.boxes.chunks(in: region) {
      if destination.rowStride == rowByteCount,
        let rows = chunks.boxes.rows(of: index, filling: region)
      {
        let target = destination.advanced(rows: rows.lowerBound - region.rows.lowerBound)
        try decode(
          index, of: chunks,
          into: UnsafeMutableRawBufferPointer(
            start: target.base, count: chunks.boxes.chunkByteCount))
      } else if cache.isBusy(.init(tensor: position, chunk: index)) {
        waiting.append(index)
      } else {
        try copy(position, index, of: chunks, region, into: destination)
      }
    }
    for index in waiting { try copy(position, index, of: chunks, region, into: destination) }
  }

  private func copy(
    _ position: Int, _ index: Int, of chunks: StoredDataset.Chunks, _ region: MatrixRegion,
    into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let chunk = try cache.chunk(
      .init(tensor: position, chunk: index), byteCount: chunks.boxes.chunkByteCount, reading: 0
    ) { (bytes) throws(CheckpointError) in try decode(index, of: chunks, into: bytes) }
    chunks.boxes.copy(index, chunk.base, to: region, into: destination)
    withExtendedLifetime(chunk) {}
  }

  private func decode(
    _ index: Int, of chunks: StoredDataset.Chunks, into target: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    do throws(CheckpointError) {
      try work.withWork { (work) throws(CheckpointError) in
        try chunks.filters.decode(chunks.chunks[index], in: chunks.file, work, into: target)
      }
    } catch {
      var placed = error
      placed.message += " (chunk \(index + 1) of \(chunks.chunks.count))"
      throw placed
    }
  }
}

/// A file, and what a process has said of it.
struct KerasFile {
  let name: String
  let whole: FileRegion
  /// From HDF5's signature on.
  let contents: FileRegion
  let catalogue: DatasetCatalogue
}

extension StoredDataset {
  fileprivate var chunkByteCount: Int {
    if case .chunked(let chunks) = storage { chunks.boxes.chunkByteCount } else { 0 }
  }

  fileprivate var bandByteCount: Int {
    if case .chunked(let chunks) = storage { chunks.boxes.bandByteCount } else { 0 }
  }
}

extension ShardIndex {
  /// The level of a name before its first slash; nil if there is none.
  static func scope(of name: String) -> String? {
    guard let slash = name.utf8.firstIndex(of: UInt8(ascii: "/")) else { return nil }
    return String(name[..<slash])
  }

  /// The same index, without the scope of the model that its names have and those in the shards don't.
  fileprivate func named(as tensors: [TensorInfo]) -> ShardIndex {
    let isSame = tensors.contains { weightMap[ExactName($0.name)] != nil }
    let scopes = weightMap.keys.map { Self.scope(of: $0.text) }
    guard !isSame, let scope = scopes.first ?? nil,
      scopes.allSatisfy({ $0.map { ExactName($0) } == ExactName(scope) })
    else { return self }
    return mappingNames { String($0.dropFirst(scope.count + 1)) }
  }
}
