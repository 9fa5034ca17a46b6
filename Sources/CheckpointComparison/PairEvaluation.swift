import CheckpointConversion
import CheckpointFormats
import TensorEvaluation
import TensorModel

/// Evaluates tensors of both checkpoints side by side.
struct PairEvaluation {
  let first: Source
  let second: Source
  let resources: EvaluationResources
  let progress: WorkProgress

  /// Of two checkpoints.
  init(
    _ first: Source, _ second: Source, _ resources: EvaluationResources, _ progress: WorkProgress
  ) {
    (self.first, self.second) = (first, second)
    (self.resources, self.progress) = (resources, progress)
  }

  /// Finds out how pairs differ.
  ///
  /// Bytes say at once whether tensors of one dtype are the same; values are only looked at where they aren't.
  func run(
    _ pairs: [TensorPair], findsRanks: Bool
  ) throws(CheckpointError) -> PairFindings {
    var found = PairFindings()
    found.bytes = try differences(
      pairs.filter { !$0.isWidened }, "comparing bytes", byValue: false)
    found.bytes = found.bytes.filter { $0.value.differingCount > 0 }
    let floats = pairs.filter {
      $0.areFloats && ($0.isWidened || found.bytes[$0.place] != nil)
    }
    found.values = try differences(floats, "comparing values", byValue: true)
    if found.values.contains(where: { $0.value.squaredDifference != 0 }) {
      found.squaredNorms = try squaredNorms(
        pairs.filter { $0.areFloats && found.values[$0.place] == nil })
    }
    if findsRanks {
      found.ranks = try ChangedMatrices(floats, found.values, self).ranks()
    }
    return found
  }

  /// What differs, by the pairs' places: bytes of tensors of one dtype, or values in a dtype that holds both exactly.
  private func differences(
    _ pairs: [TensorPair], _ label: String, byValue: Bool
  ) throws(CheckpointError) -> [Int: DifferenceSums] {
    guard !pairs.isEmpty else { return [:] }
    var tasks: [EvaluationTask] = []
    var counterparts: [TensorComparison.Counterpart] = []
    for pair in pairs {
      do throws(CheckpointError) {
        let common = byValue ? commonDType(pair) : pair.first.dtype
        let other = try expression(pair.second, as: common, isExact: pair.isWidened, second)
        let task = EvaluationTask(
          name: pair.first.name,
          expression: try expression(pair.first, as: common, isExact: pair.isWidened, first),
          counterpart: other)
        tasks.append(task)
        counterparts.append(
          TensorComparison.Counterpart(
            expression: other,
            narrower: byValue ? narrower(pair.first.dtype, pair.second.dtype) : nil,
            isWidened: pair.isWidened,
            bytes: StoredBytes(stored: pair.byteCount, evaluated: task.byteCount)))
      } catch { throw error.in(tensor: pair.first.name) }
    }
    // What is compared with takes as much memory.
    let resources = resources.halved
    let comparison = TensorComparison(second.reader, counterparts, resources, progress.add)
    progress.begin(label, pairs.reduce(0) { $0 + $1.byteCount })
    try EvaluationPipeline(first.reader, resources).run(tasks, comparison)
    var found: [Int: DifferenceSums] = [:]
    for (task, pair) in pairs.enumerated() {
      found[pair.place] = comparison.sums(of: task)
    }
    return found
  }

  /// ‖a‖² of the first checkpoint's tensors, by the pairs' places.
  private func squaredNorms(
    _ pairs: [TensorPair]
  ) throws(CheckpointError) -> [Int: Double] {
    guard !pairs.isEmpty else { return [:] }
    var tasks: [EvaluationTask] = []
    for pair in pairs {
      do throws(CheckpointError) {
        tasks.append(
          EvaluationTask(
            name: pair.first.name,
            expression: try expression(
              pair.first, as: commonDType(pair), isExact: pair.isWidened, first)))
      } catch { throw error.in(tensor: pair.first.name) }
    }
    let norms = SquaredNorms(pairs.map(\.first.byteCount), progress.add)
    progress.begin("weighing equal tensors", pairs.reduce(0) { $0 + $1.first.byteCount })
    try EvaluationPipeline(first.reader, resources).run(tasks, norms)
    return Dictionary(
      uniqueKeysWithValues: pairs.enumerated().map { ($1.place, norms.sum(of: $0)) })
  }

  /// A dtype that holds the values of both.
  func commonDType(_ pair: TensorPair) -> DType {
    [pair.first.dtype, pair.second.dtype].contains(.f64) ? .f64 : .f32
  }

  /// A tensor's value: as it has it in its own dtype, or where dtypes differ exactly, sums of shards too.
  ///
  /// - Parameters:
  ///   - tensor: of the source.
  ///   - dtype: of the result.
  ///   - isExact: whether its own dtype is left out.
  ///   - source: either checkpoint.
  ///   - isTurned: whether rows and columns of the matrix are exchanged.
  /// - Returns: the expression over the source's tensors.
  /// - Throws: `missing` and `malformed` for tensors that don't fit.
  func expression(
    _ tensor: CanonicalTensor, as dtype: DType, isExact: Bool, _ source: Source,
    isTurned: Bool = false
  ) throws(CheckpointError) -> CompiledExpression {
    let checkpoint = source.reader.checkpoint
    let own = try Planner.expression(
      of: tensor, as: isExact ? dtype : tensor.dtype, in: checkpoint)
    let value = isExact || tensor.dtype == dtype ? own : .cast(own, dtype)
    return try CompiledExpression(isTurned ? .transpose(value) : value, in: checkpoint)
  }

  /// Of two float dtypes the one with fewer significant bits.
  private func narrower(_ first: DType, _ second: DType) -> DType {
    let order: [DType] = [.bf16, .f16, .f32, .f64]
    let places = [first, second].compactMap { order.firstIndex(of: $0) }
    return places.min().map { order[$0] } ?? first
  }
}
