import CheckpointFormats
import Synchronization
import TensorEvaluation
import TensorModel

/// Takes the results of a run of tasks in: records of each plan's groups, and how far all of a plan's matrices are from their values.
final class SchemeCollector: EvaluationConsumer {
  private let members: [SchemeTasks.Member]
  private let plans: [ConversionPlan]
  private let source: Source
  private let totals: SchemeTotals
  private let progress: @Sendable (Int) -> Void
  /// Of each task the sums of slabs, by where they begin.
  private let sums: Mutex<[Int: [Int: Double]]> = Mutex([:])

  init(
    _ members: [SchemeTasks.Member], _ plans: [ConversionPlan], _ source: Source,
    _ totals: SchemeTotals, progress: @escaping @Sendable (Int) -> Void
  ) {
    self.members = members
    self.plans = plans
    self.source = source
    self.totals = totals
    self.progress = progress
  }

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    switch members[slab.index].kind {
    case .group(let plan, let place):
      try FiniteWeights.require(slab, plans[plan].groups[place])
      progress(slab.bytes.count)
    case .values, .rounding:
      var sum = 0.0
      for value in slab.bytes.bindMemory(to: Float.self) { sum += Double(value) * Double(value) }
      let slabSum = sum
      sums.withLock { $0[slab.index, default: [:]][slab.byteOffset] = slabSum }
    }
    return true
  }

  func receiveInOrder(_ slab: EvaluatedSlab) {
    guard case .group(let plan, let place) = members[slab.index].kind else { return }
    totals.census[plan].update(slab, at: place)
  }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    switch members[tensor.index].kind {
    case .group(let plan, let place):
      let group = plans[plan].groups[place]
      if tensor.report.overflowCount > 0, !plans[plan].settings.allowOverflow {
        throw try OverflowError.error(group, tensor.report, source.reader)
      }
      let claim = plans[plan].claim(tensor, at: place, totals.census[plan])
      totals.set(claim, plan: plan)
      if let errors = tensor.report.quantization, group.valueShape.rank > 1 {
        totals.add(
          .init(error: errors.squaredError, values: errors.squaredValues), plan: plan, place: place)
      }
    case .values(let plan, let place):
      totals.add(.init(error: 0, values: sum(of: tensor.index)), plan: plan, place: place)
    case .rounding(let plan, let place):
      totals.add(.init(error: sum(of: tensor.index), values: 0), plan: plan, place: place)
    }
  }

  /// Slabs are added up in order, so that it doesn't depend on threads.
  private func sum(of task: Int) -> Double {
    sums.withLock { sums in
      (sums.removeValue(forKey: task) ?? [:]).sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value }
    }
  }
}

/// What is known of several plans when all runs are done.
final class SchemeTotals: Sendable {
  let census: [CensusCollector]
  private let claims: Mutex<[[Journal.Claim?]]>
  /// Of each plan's groups.
  private let squares: Mutex<[[Squares]]>

  /// Σ (x - y)² and Σ x².
  struct Squares {
    var error = 0.0
    var values = 0.0
  }

  init(_ plans: [ConversionPlan], _ source: Source) {
    census = plans.map { $0.census(of: source) }
    claims = Mutex(plans.map { Array(repeating: nil, count: $0.groups.count) })
    squares = Mutex(plans.map { Array(repeating: Squares(), count: $0.groups.count) })
  }

  func set(_ claim: Journal.Claim, plan: Int) {
    claims.withLock { $0[plan][claim.group] = claim }
  }

  /// Adds what a task has brought; a group's errors are of one task, and so are its values.
  func add(_ sums: Squares, plan: Int, place: Int) {
    squares.withLock { squares in
      squares[plan][place].error += sums.error
      squares[plan][place].values += sums.values
    }
  }

  /// The record of a group.
  func claim(_ place: Int, plan: Int) -> Journal.Claim? { claims.withLock { $0[plan][place] } }

  /// ‖x - y‖ / ‖x‖ over all matrices of a plan, added up in its order.
  func relativeRMSE(plan: Int) -> Double {
    let sums = squares.withLock { squares in
      squares[plan].reduce(into: Squares()) { sums, group in
        sums.error += group.error
        sums.values += group.values
      }
    }
    return sums.values > 0 ? (sums.error / sums.values).squareRoot() : 0
  }
}
