import FileContainers
import ModelArchitectures
import TensorModel

/// What the values of a Mesh-Transformer checkpoint say about how it was trained and cut.
///
/// Training touches only shard 0's layer norms, so that those of other shards keep their initial values (scale 1, offset 0); in checkpoints
/// from before April 2021 they are equal in all shards. Summed biases get the same gradient in every shard.
struct MeshFindings {
  private let reader: MeshTransformerReader
  private let layout: MeshLayout

  /// Findings about an open checkpoint.
  init(_ reader: MeshTransformerReader, _ layout: MeshLayout) {
    self.reader = reader
    self.layout = layout
  }

  /// Reads all layer norms and summed biases, which are small, and judges them.
  func findings() throws(CheckpointError) -> [Finding] {
    var findings = [census()]
    let optimizer = reader.checkpoint.tensors.count { $0.role == .optimizer }
    if optimizer > 0 {
      findings.append(
        Finding(
          .note, "optimizer-state",
          "\(optimizer) optimizer tensors are left out: a model has no use for them"))
    }
    var partialBiases = 0
    for (name, leaf, _) in layout.leaves {
      switch leaf.partition {
      case .axis: continue
      case .firstShard:
        if let finding = try desynchronised(name, leaf) { findings.append(finding) }
      case .summed:
        let first = try values("shard_0/\(name)").bytes
        for shard in 1..<max(1, layout.shardCount) {
          if try values("shard_\(shard)/\(name)").bytes != first {
            partialBiases += 1
            break
          }
        }
      }
    }
    if partialBiases > 0 {
      findings.append(
        Finding(
          .note, "partial-biases",
          "\(partialBiases) summed biases differ from shard to shard; training alone leaves them equal, resharding doesn't"
        ))
    }
    return findings
  }

  /// Shards whose copy of a layer norm is neither untouched nor equal to shard 0's.
  private func desynchronised(
    _ name: String, _ leaf: MeshTable.Leaf
  ) throws(CheckpointError) -> Finding? {
    let used = try values("shard_0/\(name)").bytes
    var strange: [Int] = []
    for shard in 1..<max(1, layout.shardCount) {
      let copy = try values("shard_\(shard)/\(name)")
      let isInitial = copy.isConstant(leaf.initialValue)
      if !isInitial && copy.bytes != used { strange.append(shard) }
    }
    guard !strange.isEmpty else { return nil }
    return Finding(
      .warning, "layer-norm-desync",
      "neither untouched nor equal to shard 0's, which is used, in shard \(strange.map(String.init).joined(separator: ", "))",
      tensor: name)
  }

  /// The number of elements as stored, which counts copies and addends once for every shard, and of the model.
  private func census() -> Finding {
    let stored = reader.checkpoint.tensors.reduce(0) {
      $0 + ($1.role == .weight ? $1.shape.elementCount : 0)
    }
    let model = MeshLayout.architecture.tensors(layout.dimensions).reduce(0) {
      $0 + $1.shape.elementCount
    }
    return Finding(
      .note, "element-census",
      "\(stored) elements in \(counted(layout.shardCount, "shard")) make \(model) of the model: layer norms and summed biases are in every shard, the embedding's bias is added to its rows"
    )
  }

  private struct Values {
    let bytes: [UInt8]
    let dtype: DType
    let file: String

    /// Whether every element is the given value.
    func isConstant(_ value: FillValue) -> Bool {
      guard let pattern = value.bytes(in: dtype) else { return false }
      return bytes.enumerated().allSatisfy { $1 == pattern[$0 % pattern.count] }
    }
  }

  private func values(_ name: String) throws(CheckpointError) -> Values {
    guard let position = reader.checkpoint.position(of: name) else {
      throw CheckpointError(.missing, "no such leaf", tensor: name)
    }
    let tensor = reader.checkpoint.tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    var failure: CheckpointError?
    let bytes = [UInt8](unsafeUninitializedCapacity: tensor.byteCount) { buffer, count in
      guard let base = buffer.baseAddress else { return }
      do throws(CheckpointError) {
        try reader.read(
          position, geometry.whole,
          into: MatrixBuffer(base: base, rowStride: geometry.rowByteCount))
        count = tensor.byteCount
      } catch { failure = error }
    }
    if let failure { throw failure }
    return Values(bytes: bytes, dtype: tensor.dtype, file: tensor.file)
  }
}
