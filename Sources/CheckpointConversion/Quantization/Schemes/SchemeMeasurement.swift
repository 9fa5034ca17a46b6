import CheckpointFormats
import Synchronization
import TensorEvaluation
import TensorModel

/// Evaluates the groups of several plans of one source, and records what is measured of them: each group counts once, however often it is evaluated.
final class SchemeMeasurement: Sendable {
  let plans: [ConversionPlan]
  let totals: SchemeTotals
  private let source: Source
  private let resources: EvaluationResources

  /// A measurement with nothing in it.
  ///
  /// - Parameters:
  ///   - plans: all of one source.
  ///   - source: what is read.
  ///   - resources: memory and threads.
  init(_ plans: [ConversionPlan], _ source: Source, _ resources: EvaluationResources) {
    self.plans = plans
    self.source = source
    self.resources = resources
    totals = SchemeTotals(plans, source)
  }

  /// Evaluates all groups that weren't evaluated before.
  ///
  /// - Parameter progress: told of bytes that are made.
  /// - Throws: what reading and evaluating throw.
  func finish(_ progress: WorkProgress) throws(CheckpointError) {
    func isMissing(_ plan: Int, _ place: Int) -> Bool { totals.claim(place, plan: plan) == nil }
    let tasks = try SchemeTasks(plans, source, where: isMissing)
    progress.begin("measuring", tasks.byteCount)
    for run in tasks.runs {
      let reader = SharedReader(source.reader, memory: resources.memory / 4)
      reader.beginStage()
      let collector = SchemeCollector(run, plans, source, totals, progress: progress.add)
      try EvaluationPipeline(reader, resources).run(run.map(\.task), collector)
    }
  }

  /// Evaluates a group.
  ///
  /// - Parameters:
  ///   - place: of the group.
  ///   - plan: the number of its plan.
  ///   - reader: of the source.
  ///   - resources: memory and threads.
  ///   - body: is given the slabs of what it becomes, by several threads.
  /// - Throws: what reading and evaluating throw.
  func evaluate(
    _ place: Int, plan: Int, _ reader: any CheckpointReader, _ resources: EvaluationResources,
    _ body: @escaping @Sendable (EvaluatedSlab) -> Void
  ) throws(CheckpointError) {
    var members = try SchemeTasks.members(of: place, plans[plan], number: plan, source)
    let isCounted = totals.claim(place, plan: plan) != nil
    if isCounted { members = [members[0]] }
    let collector =
      isCounted ? nil : SchemeCollector(members, plans, source, totals, progress: { _ in })
    try EvaluationPipeline(reader, resources).run(
      members.map(\.task), LentSlabs(collector: collector, body: body))
  }
}

/// Gives the slabs of the first task to a body, and all to a collector.
private struct LentSlabs: EvaluationConsumer {
  let collector: SchemeCollector?
  let body: @Sendable (EvaluatedSlab) -> Void

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    _ = try collector?.receive(slab, waiting: waiting)
    if slab.index == 0 { body(slab) }
    return true
  }

  func receiveInOrder(_ slab: EvaluatedSlab) { collector?.receiveInOrder(slab) }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    try collector?.finish(tensor)
  }
}
