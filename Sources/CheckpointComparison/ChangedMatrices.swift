import CBLAS
import CheckpointFormats
import TensorEvaluation
import TensorModel

/// The changes of tensors whose values differ, and which of them have a rank that can be found.
struct ChangedMatrices {
  private let evaluation: PairEvaluation
  private let pairs: [(pair: TensorPair, maxAbsolute: Double)]
  /// Of those that have none, or need not be looked at: why, by their places.
  private let known: [Int: ChangeRank]

  /// Half of the memory is for sums; the rest is for reading both sides.
  private static let memoryShare = 2

  /// Sorts out what has a rank.
  ///
  /// - Parameters:
  ///   - pairs: of floats.
  ///   - values: what their values have come to, by their places.
  ///   - evaluation: of both checkpoints.
  init(_ pairs: [TensorPair], _ values: [Int: DifferenceSums], _ evaluation: PairEvaluation) {
    self.evaluation = evaluation
    let memory = evaluation.resources.memory / Self.memoryShare
    var matrices: [(pair: TensorPair, maxAbsolute: Double)] = []
    var ranks: [Int: ChangeRank] = [:]
    for pair in pairs {
      let shape = pair.first.shape.dimensions
      // Numbers and vectors have none.
      guard shape.count > 1, let sums = values[pair.place], sums.differingCount > 0 else {
        continue
      }
      if sums.maxAbsolute == 0 {
        ranks[pair.place] = .exactly(0)
      } else if shape.count > 2 {
        ranks[pair.place] = .unknown(reason: "the tensor has \(shape.count) dimensions, a matrix 2")
      } else if !sums.maxAbsolute.isFinite {
        ranks[pair.place] = .unknown(reason: "a value is infinite, or isn't a number")
      } else if let needed = ChangeRankFinder.byteCount(columns: min(shape[0], shape[1])),
        needed <= memory
      {
        matrices.append((pair, sums.maxAbsolute))
      } else {
        ranks[pair.place] = .unknown(reason: Self.need(min(shape[0], shape[1])))
      }
    }
    self.pairs = matrices
    known = ranks
  }

  private static func need(_ columns: Int) -> String {
    let needed = ChangeRankFinder.byteCount(columns: columns).map { memoryShare * $0 }
    let size = needed.map { "\(($0 + 999_999_999) / 1_000_000_000)GB" } ?? "more than there is"
    return "rows and columns are \(grouped(columns)) or more, which needs --memory \(size)"
  }

  /// The ranks by the pairs' places.
  ///
  /// - Throws: what reading throws; `inputOutput` without memory.
  func ranks() throws(CheckpointError) -> [Int: ChangeRank] {
    guard !pairs.isEmpty else { return known }
    var tasks: [EvaluationTask] = []
    var changes: [ChangeRankFinder.Change] = []
    for (pair, maxAbsolute) in pairs {
      let shape = pair.first.shape.dimensions
      let common = evaluation.commonDType(pair)
      func expression(
        _ tensor: CanonicalTensor, _ source: Source
      ) throws(CheckpointError) -> CompiledExpression {
        do throws(CheckpointError) {
          return try evaluation.expression(
            tensor, as: common, isExact: pair.isWidened, source, isTurned: shape[0] < shape[1])
        } catch { throw error.in(tensor: tensor.name) }
      }
      let other = try expression(pair.second, evaluation.second)
      let task = EvaluationTask(
        name: pair.first.name, expression: try expression(pair.first, evaluation.first),
        counterpart: other)
      tasks.append(task)
      changes.append(
        ChangeRankFinder.Change(
          expression: other, maxAbsolute: maxAbsolute,
          bytes: StoredBytes(stored: pair.byteCount, evaluated: task.byteCount)))
    }
    let resources = evaluation.resources
    _ = wb_blas_load(Int32(resources.threads))
    // A quarter of the memory for each side.
    let quarter = resources.halved.halved
    let finder = try ChangeRankFinder(
      evaluation.second.reader, changes, quarter, evaluation.progress.add)
    evaluation.progress.begin("finding ranks", pairs.reduce(0) { $0 + $1.pair.byteCount })
    try EvaluationPipeline(evaluation.first.reader, quarter).run(tasks, finder)
    var ranks = known
    for (task, entry) in pairs.enumerated() { ranks[entry.pair.place] = finder.rank(of: task) }
    return ranks
  }
}
