import FileContainers
import ModelArchitectures
import TensorModel

/// A safetensors file, or a sharded set with its index.
///
/// Names and layouts of TensorFlow and Flax are made PyTorch's. Which they are is seen from the names; the metadata's `format` may be wrong.
final class SafetensorsReader: PlacedTensorReader {
  let checkpoint: Checkpoint
  private let places: [FileRegion]
  private let canonical: Result<[CanonicalTensor], CheckpointError>

  /// Opens one file.
  convenience init(file: FileRegion, name: String) throws(CheckpointError) {
    try self.init(shards: [(name, file)], index: nil, indexFile: [], layout: "one file")
  }

  /// Opens a sharded set.
  convenience init(
    index bytes: [UInt8], named name: String = SafetensorsFormat.indexFileName,
    in tree: any FileTree
  ) throws(CheckpointError) {
    let index = try ShardIndex(parsing: bytes, fileName: name)
    let shards = try index.open(in: tree)
    try self.init(
      shards: shards, index: index,
      indexFile: [.init(name: index.fileName, byteCount: bytes.count)],
      layout: "\(counted(shards.count, "shard")) with an index")
  }

  private init(
    shards: [(name: String, region: FileRegion)], index: ShardIndex?,
    indexFile: [Checkpoint.SourceFile], layout: String
  ) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    var places: [FileRegion] = []
    var metadata: [ExactName: String] = [:]
    var differing: [String] = []
    for shard in shards {
      do throws(CheckpointError) {
        if let error = StandIn.error(head: try shard.region.head(512)) { throw error }
        let header = try SafetensorsHeader(shard.region)
        if metadata.isEmpty { metadata = header.metadata }
        if header.metadata != metadata { differing.append(shard.name) }
        if shards.count == 1 {
          tensors.reserveCapacity(header.entries.count)
          places.reserveCapacity(header.entries.count)
        }
        for entry in header.entries {
          guard
            let place = shard.region.part(
              at: header.dataOffset + entry.range.lowerBound, count: entry.range.count)
          else { continue }  // Within the file, as the header has checked.
          places.append(place)
          tensors.append(
            try TensorInfo(
              name: entry.name, dtype: entry.dtype, shape: entry.shape, file: shard.name))
        }
      } catch { throw error.in(file: shard.name) }
    }
    var findings = differing.map {
      Finding(
        .warning, "shard-metadata",
        "its __metadata__ differs from the first shard's; the first shard's is used",
        file: $0)
    }
    if let index { findings += try index.check(tensors) }
    var checkpoint = try Checkpoint(
      format: SafetensorsFormat.name, layout: layout, tensors: tensors,
      files: shards.map { .init(name: $0.name, byteCount: $0.region.byteCount) } + indexFile,
      metadata: metadata)
    checkpoint.findings = findings + nameFindings(tensors)
    do throws(CheckpointError) {
      let naming = try ParameterNaming(of: tensors, format: metadata["format"])
      if naming != .pytorch { checkpoint.layout += ", \(naming.title) names" }
      if let finding = naming.disagreement(with: metadata["format"]) {
        checkpoint.findings.append(finding)
      }
      canonical = .success(try naming.canonicalTensors(tensors))
    } catch {
      // It can be looked at all the same.
      let finding = Finding("parameter-names", error)
      checkpoint.findings.append(error.code == .unsupported ? finding.with(.warning) : finding)
      canonical = .failure(error)
    }
    self.checkpoint = checkpoint
    self.places = places
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] { try canonical.get() }

  func place(of position: Int) -> FileRegion? { places[position] }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let tensor = checkpoint.tensors[position]
    do throws(CheckpointError) {
      try places[position].read(
        matrixAt: 0, MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape), region,
        into: destination)
    } catch { throw error.in(file: tensor.file, tensor: tensor.name) }
  }
}

/// Names that could fool a terminal or a log.
func nameFindings(_ tensors: [TensorInfo]) -> [Finding] {
  tensors.filter { printable($0.name) != $0.name }.map {
    Finding(
      .warning, "tensor-name", "control characters in the tensor's name", file: $0.file,
      tensor: $0.name)
  }
}
