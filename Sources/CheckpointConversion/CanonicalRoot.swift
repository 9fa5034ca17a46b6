import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorEvaluation
import TensorModel

/// The identity of a mixture of experts as its published repository spells it: equal for both spellings.
enum CanonicalRoot {
  /// The root over the tensors under the published names.
  ///
  /// - Parameters:
  ///   - source: the checkpoint.
  ///   - model: what it is as a model.
  ///   - stored: the digests of stored tensors.
  ///   - resources: memory and threads.
  ///   - progress: told of bytes that are evaluated.
  /// - Returns: nil for models without such spellings, where the tensors don't make one, and for experts of a layer in several dtypes: in one tensor they are
  ///   widened, and nothing says what they were.
  /// - Throws: what reading throws.
  static func of(
    _ source: Source, _ model: ModelContents, _ stored: [ExactName: Digest],
    _ resources: EvaluationResources, progress: WorkProgress
  ) throws(CheckpointError) -> Digest? {
    guard let published = model.sizes?.architecture.spellings.first, published == .separate,
      model.problems.isEmpty, !hasMixedExperts(model)
    else { return nil }
    var identities: [TensorIdentity] = []
    var made: [(tensor: CanonicalTensor, task: EvaluationTask)] = []
    for tensor in try model.tensors(in: published) {
      if case .stored(let name) = tensor.expression, let digest = stored[ExactName(name)] {
        identities.append(identity(tensor, model, digest))
      } else {
        let expression = try Planner.expression(
          of: tensor, as: tensor.dtype, in: source.reader.checkpoint)
        made.append(
          (
            tensor,
            EvaluationTask(
              name: tensor.name,
              expression: try CompiledExpression(expression, in: source.reader.checkpoint))
          ))
      }
    }
    let digests = DigestCollector(progress: progress.add)
    if !made.isEmpty {
      progress.begin("reading experts", made.reduce(0) { $0 + $1.task.byteCount })
    }
    try EvaluationPipeline(source.reader, resources).run(made.map(\.task), digests)
    for (place, entry) in made.enumerated() {
      guard let evaluated = digests[place] else { return nil }
      identities.append(identity(entry.tensor, model, evaluated.digest))
    }
    return rootDigest(of: identities)
  }

  /// Whether what would stand in one tensor has several dtypes.
  private static func hasMixedExperts(_ model: ModelContents) -> Bool {
    var dtypes: [DecoderPlace: DType] = [:]
    return model.placed.contains { place, tensor in
      guard let projection = place.role.projection, projection.isOfExperts, place.number != nil
      else { return false }
      // Gates and values stand in one tensor.
      let together = projection == .expertDown ? projection : .expertGateUp
      let stack = DecoderPlace(.weight(together), place.layer)
      let first = dtypes[stack] ?? tensor.dtype
      dtypes[stack] = first
      return first != tensor.dtype
    }
  }

  private static func identity(
    _ tensor: CanonicalTensor, _ model: ModelContents, _ digest: Digest
  ) -> TensorIdentity {
    TensorIdentity(
      name: model.fullName(of: tensor.name).text, dtype: tensor.dtype, shape: tensor.shape,
      digest: digest)
  }
}
