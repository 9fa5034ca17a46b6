import FileContainers
import ModelArchitectures
import TensorModel

/// One file of Flax's, or a sharded set with its index.
final class FlaxReader: PlacedTensorReader {
  let checkpoint: Checkpoint
  private let arrays: [FlaxArray]
  private let contents: [JoinedRuns]
  private let canonical: Result<[CanonicalTensor], CheckpointError>

  /// Opens files.
  ///
  /// - Parameters:
  ///   - shards: in the order of the index, or one.
  ///   - index: of a sharded set.
  ///   - indexFile: the same as a file.
  /// - Throws: what reading each throws, with its name.
  init(
    _ shards: [(name: String, region: FileRegion)], index: ShardIndex? = nil,
    indexFile: [Checkpoint.SourceFile] = []
  ) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    var arrays: [FlaxArray] = []
    for shard in shards {
      do throws(CheckpointError) {
        if let error = StandIn.error(head: try shard.region.head(512)) { throw error }
        for (name, array) in try FlaxTree(shard.region).arrays {
          tensors.append(
            try TensorInfo(name: name, dtype: array.dtype, shape: array.shape, file: shard.name))
          arrays.append(array)
        }
      } catch { throw error.in(file: shard.name) }
    }
    var findings = nameFindings(tensors)
    if let index { findings += try index.check(tensors) }
    var checkpoint = try Checkpoint(
      format: FlaxFormat.name,
      layout: index == nil ? "one file" : "\(counted(shards.count, "shard")) with an index",
      tensors: tensors,
      files: shards.map { .init(name: $0.name, byteCount: $0.region.byteCount) } + indexFile)
    do throws(CheckpointError) {
      canonical = .success(try ParameterNaming.flax.canonicalTensors(tensors))
    } catch {
      // It can be looked at all the same.
      findings.append(Finding("parameter-names", error).with(.warning))
      canonical = .failure(error)
    }
    checkpoint.findings = findings
    self.checkpoint = checkpoint
    self.arrays = arrays
    contents = arrays.map { JoinedRuns($0.runs) }
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] { try canonical.get() }

  func place(of position: Int) -> FileRegion? {
    arrays[position].runs.count == 1 ? arrays[position].runs.first : nil
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let tensor = checkpoint.tensors[position]
    do throws(CheckpointError) {
      try contents[position].read(
        matrixAt: 0, MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape), region,
        into: destination)
    } catch { throw error.in(file: tensor.file, tensor: tensor.name) }
  }
}
