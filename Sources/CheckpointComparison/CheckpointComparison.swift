import CheckpointConversion
public import CheckpointFormats
import ModelArchitectures
public import TensorEvaluation
public import TensorModel

/// Two checkpoints side by side: by names and shapes, by identity, by value.
public struct CheckpointComparison: Sendable {
  /// Every tensor that isn't identical, in the first checkpoint's order, then those that it lacks.
  public let differences: [TensorDifference]
  /// Every tensor that both have in one shape, identical or not, in the first checkpoint's order.
  public let tensors: [ComparedTensor]
  /// How these differ on the whole, by kind of weight and by layer.
  public let summary: ComparisonSummary
  /// Tensors that both have in one shape.
  public var comparedCount: Int { tensors.count }

  /// What tokens see, in each.
  public let attentions: [AttentionMode]

  /// Whether both have the same tensors, bit for bit.
  public var isIdentical: Bool { differences.isEmpty }

  /// Whether they are the same model: the same tensors, and tokens that see the same.
  public var isSame: Bool { isIdentical && Set(attentions).count == 1 }

  /// Compares all tensors under their canonical names.
  ///
  /// - Parameters:
  ///   - first: a checkpoint.
  ///   - second: another, of any format.
  ///   - resources: memory and threads.
  ///   - findsRanks: whether the ranks of changes are computed, which takes time: for a matrix of n columns, its smaller side, as long as
  ///     n of its rows more products.
  ///   - progress: told of each step, and of stored bytes of both that were compared.
  /// - Throws: what reading throws; `unsupported` for layouts that can't be mapped.
  public init(
    _ first: Source, _ second: Source, _ resources: EvaluationResources,
    findsRanks: Bool = false, progress: WorkProgress = .none
  ) throws(CheckpointError) {
    let models = (try first.model(), try second.model())
    // Experts in two spellings are one model: both as the one has them that can say it.
    let spellings = (models.0.spelling, models.1.spelling)
    let isMixed = spellings.0 != nil && spellings.1 != nil && spellings.0 != spellings.1
    let common = isMixed ? spellings.0 == .mxfp4 ? spellings.1 : spellings.0 : nil
    let (ours, others) = (
      try models.0.tensors(in: common), try models.1.tensors(in: common)
    )
    let names = (CommonNames(models.0, like: models.1), CommonNames(models.1, like: models.0))
    let places = WeightPlaces([models.0, models.1], common)
    var theirs: [ExactName: CanonicalTensor] = [:]
    for tensor in others { theirs[names.1.name(of: tensor)] = tensor }
    var differences: [TensorDifference?] = []
    var pairs: [TensorPair] = []
    for tensor in ours {
      let other =
        theirs.removeValue(forKey: names.0.name(of: tensor))
        ?? theirs.removeValue(forKey: ExactName(tensor.name))
      guard let other, other.shape == tensor.shape else {
        differences.append(
          TensorDifference(other == nil ? .missingInSecond : .shape, tensor, other, places))
        continue
      }
      pairs.append(TensorPair(place: differences.count, first: tensor, second: other))
      differences.append(nil)
    }
    for tensor in others where theirs[names.1.name(of: tensor)] != nil {
      differences.append(TensorDifference(.missingInFirst, nil, tensor, places))
    }
    let found = try PairEvaluation(first, second, resources, progress).run(
      pairs, findsRanks: findsRanks)
    tensors = pairs.map { pair in
      let difference = found.difference(pair, places)
      differences[pair.place] = difference
      return ComparedTensor(
        name: pair.first.name, place: places[pair.first.name], relation: difference?.relation,
        movement: found.movement(pair), rank: difference?.rank)
    }
    self.differences = differences.compactMap { $0 }
    summary = ComparisonSummary(
      tensors, rankReason: findsRanks ? nil : ChangeRank.reasonWithoutRequest)
    attentions = [try first.model().attention, try second.model().attention]
  }

  /// What the tensors of a checkpoint are called in both.
  private struct CommonNames {
    private let model: ModelContents
    private let ofLanguageModel: [ExactName: ExactName]

    /// Names of a model; a language model within a larger one has those that it has by itself, if the other is one by itself.
    init(_ model: ModelContents, like other: ModelContents) {
      self.model = model
      let isShared = model.languageFamily != nil && model.languageFamily == other.languageFamily
      ofLanguageModel = isShared && other.languageNames.isEmpty ? model.languageNames : [:]
    }

    func name(of tensor: CanonicalTensor) -> ExactName {
      ofLanguageModel[ExactName(tensor.name)] ?? model.fullName(of: tensor.name)
    }
  }
}
