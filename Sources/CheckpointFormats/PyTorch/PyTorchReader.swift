import FileContainers
import TensorModel

/// One file of PyTorch's, or a sharded set with its index.
final class PyTorchReader: CheckpointReader {
  let checkpoint: Checkpoint
  private let elements: [StoredTorchTensor]
  private let files: [(name: String, file: TorchFile)]
  /// Why it can't be converted; nil if it can.
  private let obstacle: CheckpointError?

  /// Opens files.
  ///
  /// - Parameters:
  ///   - shards: in the order of the index, or one.
  ///   - index: of a sharded set.
  ///   - indexFile: the same as a file.
  ///   - unpacking: where deflated members are unpacked.
  /// - Throws: what opening each throws, with its name.
  init(
    _ shards: [(name: String, region: FileRegion)], index: ShardIndex? = nil,
    indexFile: [Checkpoint.SourceFile] = [], unpacking: Unpacking
  ) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    var elements: [StoredTorchTensor] = []
    var files: [(name: String, file: TorchFile)] = []
    var findings: [Finding] = []
    var obstacle: CheckpointError?
    var unlisted: [(name: String, file: String)] = []
    for shard in shards {
      do throws(CheckpointError) {
        if let error = StandIn.error(head: try shard.region.head(512)) { throw error }
        let file = try TorchFile(shard.region, unpacking: unpacking)
        files.append((shard.name, file))
        var owners: [String: String] = [:]
        for (name, tensor) in file.dictionary.tensors {
          let stored = try StoredTorchTensor(
            tensor, of: file, shard.name, named: name, sharing: owners[tensor.storage.key])
          owners[tensor.storage.key] = owners[tensor.storage.key] ?? name
          tensors.append(stored.info)
          elements.append(stored)
        }
        unlisted += file.dictionary.unlisted.map { ($0, shard.name) }
        obstacle = obstacle ?? file.dictionary.obstacle?.in(file: shard.name)
        findings += file.findings.map {
          Finding($0.severity, $0.check, $0.message, file: shard.name, tensor: $0.tensor)
        }
      } catch { throw error.in(file: shard.name) }
    }
    if let index { findings += try index.check(tensors, unreadable: unlisted) }
    var checkpoint = try Checkpoint(
      format: PyTorchFormat.name,
      layout: index == nil
        ? "one file" : "\(counted(shards.count, "shard")) with an index",
      tensors: tensors,
      files: shards.map { .init(name: $0.name, byteCount: $0.region.byteCount) } + indexFile)
    checkpoint.findings = findings + nameFindings(tensors)
    self.checkpoint = checkpoint
    self.elements = elements
    self.files = files
    self.obstacle = obstacle
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    if let obstacle { throw obstacle }
    return storedTensors
  }

  func confirmUnlisted() throws(CheckpointError) {
    for (name, file) in files {
      do throws(CheckpointError) { try file.confirmUnlisted() } catch { throw error.in(file: name) }
    }
  }

  func confirm(_ position: Int) throws(CheckpointError) { try elements[position].confirm() }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    try elements[position].read(region, into: destination)
  }
}
