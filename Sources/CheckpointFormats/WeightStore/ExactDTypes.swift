public import TensorEvaluation
public import TensorModel

/// The dtypes that tensors have in a store which keeps each as it is.
public enum ExactDTypes {
  /// Dtypes of tensors that their own would round: sums of stored ones, whose values it can't always hold, stay F32.
  ///
  /// - Parameters:
  ///   - tensors: of a checkpoint; those that are sums are evaluated.
  ///   - reader: of the checkpoint.
  ///   - resources: memory and threads.
  /// - Returns: dtypes by name; of all others their own count.
  /// - Throws: what reading throws.
  public static func of(
    _ tensors: [CanonicalTensor], _ reader: any CheckpointReader, _ resources: EvaluationResources
  ) throws(CheckpointError) -> [ExactName: DType] {
    let checkpoint = reader.checkpoint
    var summed: [CanonicalTensor] = []
    var tasks: [EvaluationTask] = []
    for tensor in tensors {
      let expression = try tensor.expression(as: tensor.dtype, in: checkpoint)
      guard expression != tensor.expression else { continue }
      summed.append(tensor)
      tasks.append(
        EvaluationTask(
          name: tensor.name, expression: try CompiledExpression(expression, in: checkpoint)))
    }
    let casts = DigestCollector()
    try EvaluationPipeline(reader, resources).run(tasks, casts)
    var dtypes: [ExactName: DType] = [:]
    for (place, tensor) in summed.enumerated() where casts[place]?.report.isExact != true {
      let exact = try checkpoint.type(of: tensor.expression)
      dtypes[ExactName(tensor.name)] = exact.dtype
    }
    return dtypes
  }
}
