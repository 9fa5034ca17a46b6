import CheckpointConversion
public import CheckpointFormats
import ModelArchitectures
public import TensorEvaluation
public import TensorModel

/// Two checkpoints side by side: by names and shapes, by identity, by value.
public struct CheckpointComparison: Sendable {
  /// Every tensor that isn't identical, in the first checkpoint's order, then those that it lacks.
  public let differences: [TensorDifference]
  /// Tensors that both have.
  public let comparedCount: Int

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
  ///   - progress: told of each step, and of stored bytes of both that were compared.
  /// - Throws: what reading throws; `unsupported` for layouts that can't be mapped.
  public init(
    _ first: Source, _ second: Source, _ resources: EvaluationResources,
    progress: WorkProgress = .none
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
    var theirs: [ExactName: CanonicalTensor] = [:]
    for tensor in others { theirs[names.1.name(of: tensor)] = tensor }
    var differences: [TensorDifference?] = []
    var pairs: [Pair] = []
    for tensor in ours {
      let other =
        theirs.removeValue(forKey: names.0.name(of: tensor))
        ?? theirs.removeValue(forKey: ExactName(tensor.name))
      guard let other, other.shape == tensor.shape else {
        differences.append(
          Self.difference(other == nil ? .missingInSecond : .shape, tensor, other))
        continue
      }
      pairs.append(Pair(place: differences.count, first: tensor, second: other))
      differences.append(nil)
    }
    for tensor in others where theirs[names.1.name(of: tensor)] != nil {
      differences.append(Self.difference(.missingInFirst, nil, tensor))
    }
    let runner = Runner(first: first, second: second, resources: resources, progress: progress)
    // Bytes say at once whether tensors of one dtype are the same; values are only looked at where they aren't.
    let sameTypes = pairs.filter { $0.first.dtype == $0.second.dtype }
    let bytes = try runner.run(sameTypes, "comparing bytes", byValue: false)
    let unequal = pairs.filter {
      $0.first.dtype != $0.second.dtype || bytes[$0.place] != nil
    }
    let values = try runner.run(
      unequal.filter(\.areFloats), "comparing values", byValue: true)
    for pair in unequal {
      differences[pair.place] = Self.difference(pair, bytes[pair.place], values[pair.place])
    }
    self.differences = differences.compactMap { $0 }
    comparedCount = pairs.count
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

  /// A tensor of both.
  private struct Pair: Sendable {
    let place: Int
    let first: CanonicalTensor
    let second: CanonicalTensor

    /// Bytes of both, in their own dtypes.
    var byteCount: Int { first.byteCount + second.byteCount }

    var areFloats: Bool { first.dtype.hasFloatValues && second.dtype.hasFloatValues }
  }

  private static func difference(
    _ relation: TensorDifference.Relation, _ first: CanonicalTensor?, _ second: CanonicalTensor?,
    _ sums: DifferenceSums? = nil, values: DifferenceSums? = nil
  ) -> TensorDifference {
    let tensor = first ?? second
    return TensorDifference(
      name: tensor?.name ?? "", relation: relation,
      first: first.map { .init(dtype: $0.dtype, shape: $0.shape) },
      second: second.map { .init(dtype: $0.dtype, shape: $0.shape) },
      values: values?.values, differingCount: sums?.differingCount,
      zeroSignCount: values.flatMap { $0.zeroSignCount > 0 ? $0.zeroSignCount : nil },
      firstIndex: sums?.firstCell.flatMap { cell in tensor.map { index(cell, $0.shape) } })
  }

  /// What bytes and values say about tensors of one shape that aren't identical.
  private static func difference(
    _ pair: Pair, _ bytes: DifferenceSums?, _ values: DifferenceSums?
  ) -> TensorDifference {
    let isWidened = pair.first.dtype != pair.second.dtype
    if isWidened && pair.areFloats && values == nil {
      return difference(.equalAfterWidening, pair.first, pair.second)
    }
    let isRounding = isWidened && values?.isEqualRounded == true
    // Cells of bytes are blocks, where there are such; elements are what people count.
    let counted = pair.first.dtype.isBlockQuantized ? values ?? bytes : bytes ?? values
    return difference(
      isRounding ? .equalAfterRounding : .values, pair.first, pair.second, counted,
      values: values)
  }

  private static func index(_ cell: Int, _ shape: Shape) -> [Int] {
    var rest = cell
    var index: [Int] = []
    for extent in shape.dimensions.reversed() {
      index.append(rest % max(extent, 1))
      rest /= max(extent, 1)
    }
    return index.reversed()
  }

  /// Evaluates tensors of both side by side.
  private struct Runner {
    let first: Source
    let second: Source
    let resources: EvaluationResources
    let progress: WorkProgress

    /// What differs, by the pairs' places: bytes of tensors of one dtype, or values in a dtype that holds both exactly.
    func run(
      _ pairs: [Pair], _ label: String, byValue: Bool
    ) throws(CheckpointError) -> [Int: DifferenceSums] {
      guard !pairs.isEmpty else { return [:] }
      var tasks: [EvaluationTask] = []
      var counterparts: [TensorComparison.Counterpart] = []
      for pair in pairs {
        do throws(CheckpointError) {
          let isWidened = pair.first.dtype != pair.second.dtype
          var common = pair.first.dtype
          if byValue {
            common = [pair.first.dtype, pair.second.dtype].contains(.f64) ? .f64 : .f32
          }
          let other = try expression(pair.second, as: common, isExact: isWidened, second)
          tasks.append(
            EvaluationTask(
              name: pair.first.name,
              expression: try expression(pair.first, as: common, isExact: isWidened, first),
              counterpart: other))
          counterparts.append(
            TensorComparison.Counterpart(
              expression: other,
              narrower: byValue ? narrower(pair.first.dtype, pair.second.dtype) : nil,
              isWidened: isWidened, storedByteCount: pair.byteCount))
        } catch { throw error.in(tensor: pair.first.name) }
      }
      // What is compared with takes as much memory.
      let resources = resources.halved
      let comparison = TensorComparison(second.reader, counterparts, resources, progress.add)
      progress.begin(label, pairs.reduce(0) { $0 + $1.byteCount })
      try EvaluationPipeline(first.reader, resources).run(tasks, comparison)
      var found: [Int: DifferenceSums] = [:]
      for (task, pair) in pairs.enumerated() {
        found[pair.place] = comparison.difference(of: task)
      }
      return found
    }

    /// A tensor's value: as it has it in its own dtype, or where dtypes differ exactly, sums of shards too.
    private func expression(
      _ tensor: CanonicalTensor, as dtype: DType, isExact: Bool, _ source: Source
    ) throws(CheckpointError) -> CompiledExpression {
      let checkpoint = source.reader.checkpoint
      if isExact {
        return try CompiledExpression(
          Planner.expression(of: tensor, as: dtype, in: checkpoint), in: checkpoint)
      }
      let own = try Planner.expression(of: tensor, as: tensor.dtype, in: checkpoint)
      return try CompiledExpression(
        tensor.dtype == dtype ? own : .cast(own, dtype), in: checkpoint)
    }

    /// Of two float dtypes the one with fewer significant bits.
    private func narrower(_ first: DType, _ second: DType) -> DType {
      let order: [DType] = [.bf16, .f16, .f32, .f64]
      let places = [first, second].compactMap { order.firstIndex(of: $0) }
      return places.min().map { order[$0] } ?? first
    }
  }
}
