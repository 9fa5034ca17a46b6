import TensorEvaluation
import TensorModel

/// Tensors of floats all elements of which have to be 0, or something doesn't hold.
struct ZeroThroughout {
  private let expressions: [TensorExpression]

  init(_ expressions: [TensorExpression]) { self.expressions = expressions }

  /// Whether they are, by evaluating them.
  ///
  /// - Parameters:
  ///   - reader: of the tensors that they are made of.
  ///   - resources: threads and memory.
  /// - Returns: false where one is another number, or none.
  /// - Throws: what reading throws.
  func holds(
    _ reader: any CheckpointReader, _ resources: EvaluationResources
  ) throws(CheckpointError) -> Bool {
    guard !expressions.isEmpty else { return true }
    let checkpoint = reader.checkpoint
    var tasks: [EvaluationTask] = []
    for expression in expressions {
      tasks.append(
        EvaluationTask(
          name: expression.sources[0],
          expression: try CompiledExpression(expression, in: checkpoint)))
    }
    let values = StatisticsCollector(tasks.map { _ in .f32 })
    try EvaluationPipeline(reader, resources).run(
      tasks, DigestCollector(statistics: values))
    return tasks.indices.allSatisfy {
      guard let found = values.statistics(of: $0) else { return false }
      return found.minimum == 0 && found.maximum == 0 && found.nanCount + found.infinityCount == 0
    }
  }
}
