import CheckpointFormats
import TensorEvaluation
import TensorModel

/// What is to be evaluated to measure several plans of one source, ordered so that what is made of a stored tensor is made at once.
struct SchemeTasks {
  /// A task, and what its result is for.
  struct Member {
    let kind: Kind
    let task: EvaluationTask
    /// The stored tensors that it is made of.
    let positions: [Int]
  }

  /// What a result is for.
  enum Kind {
    /// A group of a plan.
    case group(plan: Int, place: Int)
    /// The values that a matrix has which isn't quantized, for the sum of their squares.
    case values(plan: Int, place: Int)
    /// What a cast changes in such a matrix.
    case rounding(plan: Int, place: Int)
  }

  /// Runs of tasks: those of a run share stored tensors, and no others have them unless memory doesn't hold all.
  private(set) var runs: [[Member]] = []

  /// Bytes of all groups' results.
  private(set) var byteCount = 0

  /// Stored bytes after which a run ends.
  private static let runByteCount = 64 << 20

  /// The tasks of plans.
  ///
  /// - Parameters:
  ///   - plans: all of one source.
  ///   - source: what is read.
  ///   - isWanted: whether a group is to be evaluated, by plan and place.
  /// - Throws: `malformed` where an expression doesn't fit the source.
  init(
    _ plans: [ConversionPlan], _ source: Source, where isWanted: (Int, Int) -> Bool
  ) throws(CheckpointError) {
    let checkpoint = source.reader.checkpoint
    var units: [Int: [Member]] = [:]
    for (number, plan) in plans.enumerated() {
      for place in plan.groups.indices where isWanted(number, place) {
        let members = try Self.members(of: place, plan, number: number, source)
        units[members[0].positions.min() ?? -1, default: []] += members
        byteCount += plan.groups[place].byteCount
      }
    }
    var (run, seen, byteCount) = ([Member](), Set<Int>(), 0)
    for unit in units.keys.sorted() {
      let members = units[unit] ?? []
      let new = Set(members.flatMap(\.positions)).subtracting(seen)
      let added = new.reduce(0) { $0 + checkpoint.tensors[$1].byteCount }
      if !run.isEmpty, byteCount + added > Self.runByteCount {
        runs.append(run)
        (run, seen, byteCount) = ([], [], 0)
      }
      run += members
      seen.formUnion(new)
      byteCount += added
    }
    if !run.isEmpty { runs.append(run) }
  }

  /// The tasks of a group: what it becomes, and then what else is to be known of it.
  ///
  /// - Parameters:
  ///   - place: of the group.
  ///   - plan: whose.
  ///   - number: of the plan.
  ///   - source: what is read.
  /// - Returns: at least one.
  /// - Throws: `malformed` where an expression doesn't fit the source.
  static func members(
    of place: Int, _ plan: ConversionPlan, number: Int, _ source: Source
  ) throws(CheckpointError) -> [Member] {
    let (group, checkpoint) = (plan.groups[place], source.reader.checkpoint)
    let positions = group.expression.sources.compactMap { checkpoint.position(of: $0) }
    var members = [
      Member(
        kind: .group(plan: number, place: place), task: try plan.tasks([place], from: source)[0],
        positions: positions)
    ]
    for (kind, expression) in measures(of: group, plan: number, place: place) {
      // Codes whose values are no expression are left out of both sums.
      guard
        let compiled = try ifUsable({ () throws(CheckpointError) in
          try CompiledExpression(expression, in: checkpoint)
        })
      else { continue }
      members.append(
        Member(
          kind: kind, task: EvaluationTask(name: group.name, expression: compiled),
          positions: positions))
    }
    return members
  }

  /// What is to be known of a matrix that isn't quantized: the squares of its values, and of what a cast changes.
  private static func measures(
    of group: ConversionPlan.OutputGroup, plan: Int, place: Int
  ) -> [(Kind, TensorExpression)] {
    guard group.parts.count == 1, group.valueShape.rank > 1, !group.isQuantizedAnew,
      !group.isCompanion
    else { return [] }
    guard case .cast(let values, let dtype) = group.expression, !dtype.isBlockQuantized else {
      return [(.values(plan: plan, place: place), .cast(group.expression, .f32))]
    }
    let difference = TensorExpression.combine(
      .difference, .cast(group.expression, .f32), .cast(values, .f32))
    return [
      (.values(plan: plan, place: place), .cast(values, .f32)),
      (.rounding(plan: plan, place: place), difference),
    ]
  }
}
