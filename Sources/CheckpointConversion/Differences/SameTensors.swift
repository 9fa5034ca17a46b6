import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// Tensors of a fork that its base has, too: under their own names, else under any.
struct SameTensors {
  /// The base's tensors, by the places of the fork's.
  private(set) var positions: [Int: Int] = [:]

  /// The first bytes of a tensor say of most tensors that they are others.
  private static let headByteCount = 4096

  /// A type and how its tensor begins, as a digest: thousands of beginnings would be megabytes.
  private struct Head: Hashable {
    let type: TensorType
    let digest: Digest
  }

  /// Compares beginnings, then digests.
  ///
  /// - Throws: what reading throws.
  init(
    _ outputs: [Planner.Output], _ planner: Planner, _ base: BaseCheckpoint,
    _ digests: BaseDigests
  ) throws(CheckpointError) {
    let types = Set(outputs.map(\.type))
    var known: [Head: [Int]] = [:]
    for (position, info) in base.checkpoint.tensors.enumerated() {
      let type = TensorType(info.dtype, info.shape)
      guard types.contains(type) else { continue }
      let head = try Self.head(type) { (region, buffer) throws(CheckpointError) in
        try base.read(position, region, into: buffer)
      }
      known[head, default: []].append(position)
    }
    let reader = planner.source.reader
    let evaluator = PooledEvaluator(reader)
    var candidates: [(place: Int, positions: [Int])] = []
    var tasks: [EvaluationTask] = []
    for (place, output) in outputs.enumerated() {
      let expression = try CompiledExpression(output.expression, in: reader.checkpoint)
      let head = try Self.head(output.type) { (region, buffer) throws(CheckpointError) in
        try evaluator.evaluate(expression, region, into: buffer)
      }
      guard let positions = known[head] else { continue }
      candidates.append((place, positions))
      tasks.append(EvaluationTask(name: output.name, expression: expression))
    }
    let progress = base.progress
    progress.begin("looking for the base's tensors", tasks.reduce(0) { $0 + $1.byteCount })
    for run in EvaluationTask.runs(of: tasks.count) {
      let collector = DigestCollector(progress: progress.add)
      try EvaluationPipeline(reader, planner.resources).run(Array(tasks[run]), collector)
      for (task, candidate) in candidates[run].enumerated() {
        let equal = candidate.positions.filter {
          digests.tensor($0).digest == collector[task]?.digest
        }
        let own = base.checkpoint.position(of: outputs[candidate.place].name)
        positions[candidate.place] = equal.first { $0 == own } ?? equal.first
      }
    }
  }

  /// How a tensor begins.
  private static func head(
    _ type: TensorType, _ read: (MatrixRegion, MatrixBuffer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) -> Head {
    let region = type.geometry.head(limit: headByteCount)
    guard region.cellCount > 0 else { return Head(type: type, digest: Digest(of: [])) }
    let rowByteCount = region.columns.count * type.geometry.cellByteCount
    let scratch = try ScratchArena(
      byteCount: ScratchArena.rounded(region.rows.count * rowByteCount))
    return try scratch.withPiece(byteCount: region.rows.count * rowByteCount) {
      (piece) throws(CheckpointError) in
      try read(region, MatrixBuffer(base: piece, rowStride: rowByteCount))
      let bytes = UnsafeRawBufferPointer(start: piece, count: region.rows.count * rowByteCount)
      return Head(type: type, digest: Digest(of: bytes))
    }
  }
}

extension MatrixGeometry {
  /// The first cells, of one row or of rows that have one.
  fileprivate func head(limit: Int) -> MatrixRegion {
    let most = max(1, limit / max(1, cellByteCount))
    return columns == 1
      ? MatrixRegion(rows: 0..<min(rows, most), columns: 0..<1)
      : MatrixRegion(rows: 0..<min(rows, 1), columns: 0..<min(columns, most))
  }
}
