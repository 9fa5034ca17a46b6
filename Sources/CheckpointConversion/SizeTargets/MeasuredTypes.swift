import CheckpointFormats
import FileContainers
import Quantization
import TensorEvaluation
import TensorModel

/// What each type of a container would make of each weight of a model: bytes exactly, errors measured.
struct MeasuredTypes {
  /// Weights whose type can be chosen, in the order of the file.
  private(set) var weights: [Weight] = []
  /// Bytes of all other tensors.
  let fixedByteCount: Int
  /// Weights of all tensors.
  let weightCount: Int

  /// A weight.
  struct Weight {
    /// What the model calls it, which `--tensor-type` looks for patterns in.
    let name: String
    /// What has to be of one type with it; nil where nothing has.
    let fused: FusedLayer?
    let elementCount: Int
    /// How much its relative error counts beside others.
    fileprivate(set) var sensitivity = 1.0
    /// What it is for, and where.
    let kind: WeightKind
    fileprivate let expression: TensorExpression
    /// Experts in it, one after the other; else 1.
    fileprivate let stackCount: Int
    /// Of each expert.
    fileprivate let rowCount: Int
    fileprivate(set) var squaredValues = 0.0
    fileprivate(set) var entries: [Entry] = []
  }

  /// A type for a weight.
  struct Entry {
    let type: WeightType
    let byteCount: Int
    /// What is measured; nil for floats, which count as exact.
    fileprivate(set) var errors: QuantizationErrors?

    /// Σ (x - y)².
    var squaredError: Double { errors?.squaredError ?? 0 }
    /// The same of the format's own way.
    var plainSquaredError: Double { errors.map { $0.plainSquaredError ?? $0.squaredError } ?? 0 }
  }

  /// A weight that is to be measured in a type.
  private struct Trial {
    let weight: Int
    let entry: Int
    let group: ConversionPlan.OutputGroup
  }

  /// Plans a model in every type, and makes the blocks of all its weights, which are thrown away.
  ///
  /// - Parameters:
  ///   - types: to be measured.
  ///   - request: with the quality, the importances, and types that are given.
  ///   - source: the model.
  ///   - job: what the conversion is.
  ///   - progress: told of bytes that were made.
  /// - Throws: what planning and reading throw.
  init(
    _ types: [WeightType], _ request: QuantizationRequest, _ source: Source, _ job: ConversionJob,
    _ progress: WorkProgress
  ) throws(CheckpointError) {
    var sensitivity = Sensitivity(try source.model())
    var places: [ExactName: Int] = [:]
    var trials: [Trial] = []
    var first: ConversionPlan?
    var refusal: CheckpointError?
    for type in types {
      let plan: ConversionPlan
      do throws(CheckpointError) {
        plan = try job.plan(source, quantizing: request.uniform(type))
      } catch {
        // The family's layers don't run in every format.
        guard error.code == .unsupported else { throw error }
        refusal = refusal ?? error
        continue
      }
      first = first ?? plan
      for group in plan.groups {
        guard let quantization = group.quantization, quantization.choice.type == type,
          quantization.choice.reason != .unquantized, group.isMeasurable
        else { continue }
        let key = ExactName(group.name)
        let place = places[key] ?? weights.count
        if place == weights.count {
          places[key] = place
          let dimensions = group.valueShape.dimensions
          weights.append(
            Weight(
              name: group.name, fused: quantization.fused,
              elementCount: group.valueShape.elementCount,
              kind: sensitivity.kind(group.expression), expression: group.expression,
              stackCount: dimensions.count == 3 ? dimensions[0] : 1,
              rowCount: dimensions.dropLast().last ?? 1))
        }
        weights[place].entries.append(Entry(type: type, byteCount: group.byteCount))
        if group.isQuantizedAnew {
          trials.append(
            Trial(weight: place, entry: weights[place].entries.count - 1, group: group))
        }
      }
    }
    guard let first else {
      throw refusal
        ?? CheckpointError(.unsupported, "no type of \(request.scheme.container.title) fits")
    }
    weightCount = first.groups.reduce(0) { $0 + ($1.isCompanion ? 0 : $1.valueShape.elementCount) }
    fixedByteCount = first.groups.reduce(0) {
      $0 + (places[ExactName($1.name)] == nil ? $1.byteCount : 0)
    }
    try measure(trials, source, job, progress)
    sensitivity.weigh(weights.compactMap(\.output))
    for place in weights.indices {
      weights[place].sensitivity = sensitivity.of(weights[place].expression)
    }
  }

  private mutating func measure(
    _ trials: [Trial], _ source: Source, _ job: ConversionJob, _ progress: WorkProgress
  ) throws(CheckpointError) {
    // All types of a weight one after the other: it is read once, as long as the system keeps it.
    let order = trials.indices.sorted {
      (trials[$0].weight, trials[$0].entry) < (trials[$1].weight, trials[$1].entry)
    }
    let trials = order.map { trials[$0] }
    var importances: [Int: ColumnImportance] = [:]
    for trial in trials {
      if let importance = trial.group.expression.importance {
        importances[trial.weight] = importance
      }
    }
    var tasks: [EvaluationTask] = []
    for trial in trials {
      let expression = trial.group.expression.weighed(by: importances[trial.weight])
      tasks.append(
        EvaluationTask(
          name: trial.group.name,
          expression: try CompiledExpression(expression, in: source.checkpoint),
          parts: trial.group.rowParts))
    }
    let results = DigestCollector(progress: progress.add)
    progress.begin("measuring", tasks.reduce(0) { $0 + $1.byteCount })
    try EvaluationPipeline(source.reader, job.request.resources).run(tasks, results)
    for (place, trial) in trials.enumerated() {
      guard let errors = results[place]?.report.quantization else { continue }
      weights[trial.weight].entries[trial.entry].errors = errors
      weights[trial.weight].squaredValues = errors.squaredValues
    }
  }

  /// What an error of a weight counts for, by the importance of its columns where that is known.
  ///
  /// Those for which it isn't count as much as others do on average.
  func objective(_ weight: Weight, _ entry: Entry) -> Double {
    guard let errors = entry.errors else { return 0 }
    return errors.weighted?.squaredError ?? errors.squaredError * meanImportance
  }

  /// What a type for a weight is expected to do to predictions: the square of its relative error, weighed by importances where they are known, times the weight's
  /// sensitivity.
  ///
  /// - Parameters:
  ///   - weight: which.
  ///   - entry: its type.
  ///   - factors: what kinds count for, beside what is expected of them; 1 for others.
  /// - Returns: a number to compare with others of the same model.
  func cost(_ weight: Weight, _ entry: Entry, _ factors: [WeightKind: Double] = [:]) -> Double {
    weight.sensitivity * (factors[weight.kind] ?? 1)
      * (entry.errors.map {
        $0.cost {
          $0.squaredError
        } weighted: {
          $0.squaredError
        }
      } ?? 0)
  }

  /// Whether importances are known of a weight that is quantized in these types.
  func hasImportances(_ types: [WeightType]) -> Bool {
    zip(weights, types).contains { weight, type in
      type.isQuantized && weight.entries.contains { $0.errors?.weighted != nil }
    }
  }

  /// Factors for embeddings and heads alone.
  func ends(_ factor: Double) -> [WeightKind: Double] {
    Dictionary(
      weights.filter(\.kind.isAtEnd).map { ($0.kind, factor) }, uniquingKeysWith: { one, _ in one })
  }

  /// The same of the format's own way.
  func plainCost(_ weight: Weight, _ entry: Entry) -> Double {
    weight.sensitivity
      * (entry.errors.map {
        $0.cost {
          $0.plainSquaredError ?? $0.squaredError
        } weighted: {
          $0.plainSquaredError ?? $0.squaredError
        }
      } ?? 0)
  }

  /// The mean importance of what weights stand for, over those whose importances are known; 1 where none are.
  private var meanImportance: Double {
    let known = weights.compactMap { weight in
      weight.entries.lazy.compactMap { entry in
        entry.errors.flatMap { errors in
          errors.weighted.map { (weighted: $0.squaredValues, all: errors.squaredValues) }
        }
      }.first
    }
    let all = known.reduce(0) { $0 + $1.all }
    return all > 0 ? known.reduce(0) { $0 + $1.weighted } / all : 1
  }
}

extension MeasuredTypes.Weight {
  /// What it puts out for a token: of embeddings a row, of matrices what importances say; nil where they say nothing.
  fileprivate var output: Sensitivity.Output? {
    if kind.isAtEnd {
      return Sensitivity.Output(
        expression: expression, energy: squaredValues / Double(max(1, rowCount)))
    }
    guard let weighted = entries.lazy.compactMap({ $0.errors?.weighted }).first else { return nil }
    return Sensitivity.Output(
      expression: expression, energy: weighted.squaredValues / Double(max(1, stackCount)))
  }
}

extension QuantizationErrors {
  /// A relative error, squared; 0 if all is zero.
  fileprivate func cost(
    _ error: (QuantizationErrors) -> Double, weighted: (WeightedErrors) -> Double
  ) -> Double {
    if let sums = self.weighted, sums.squaredValues > 0 {
      return weighted(sums) / sums.squaredValues
    }
    return squaredValues > 0 ? error(self) / squaredValues : 0
  }
}

extension ConversionPlan.OutputGroup {
  /// Whether its error in the type is known, or can be measured: floats of the weight's own dtype have none, and those that F16 makes of F32 are small beside
  /// any block's.
  fileprivate var isMeasurable: Bool {
    guard let quantization else { return false }
    guard case .dtype(let dtype) = quantization.choice.type, !dtype.isBlockQuantized else {
      return isQuantizedAnew
    }
    let own = quantization.values.dtype
    return codes == nil && (own == dtype || (own == .f32 && dtype == .f16))
  }
}

extension TensorExpression {
  /// How much errors in columns count where it quantizes a matrix; nil where nothing is said.
  fileprivate var importance: ColumnImportance? {
    switch self {
    case .quantize(_, _, let method), .pack(_, _, let method): method.importance
    default: nil
    }
  }

  /// The same blocks, whose errors are weighed.
  ///
  /// Types that take no heed of importances are measured by them all the same.
  fileprivate func weighed(by importance: ColumnImportance?) -> TensorExpression {
    guard let importance, case .cast(let operand, let dtype) = self, !dtype.heedsImportance else {
      return self
    }
    return .quantize(operand, dtype, QuantizationMethod(importance: importance))
  }
}

extension QuantizationRequest {
  /// The same with one type for all weights that no option gives another.
  fileprivate func uniform(_ type: WeightType) throws(CheckpointError) -> QuantizationRequest {
    var request = self
    request.isStrict = false
    let container = scheme.container
    if let scheme = container.schemes.first(where: { $0.type == type }) { request.scheme = scheme }
    // There the head isn't quantized, unless it is named.
    if !container.fusesLayers {
      request.overrides.append(try TensorTypeOverride(".*=\(type.name.lowercased())", container))
    }
    return request
  }
}
