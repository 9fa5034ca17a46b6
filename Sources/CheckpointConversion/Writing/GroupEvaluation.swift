import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

// What evaluating a plan's groups takes and gives, whether they are written or only compared.

extension ConversionPlan {
  /// A task for each of some groups.
  ///
  /// - Parameters:
  ///   - places: of groups.
  ///   - source: what is converted.
  /// - Returns: tasks in that order.
  /// - Throws: `malformed` where an expression doesn't fit the source.
  func tasks(_ places: [Int], from source: Source) throws(CheckpointError) -> [EvaluationTask] {
    var tasks: [EvaluationTask] = []
    tasks.reserveCapacity(places.count)
    for place in places {
      let group = groups[place]
      tasks.append(
        EvaluationTask(
          name: group.name,
          expression: try CompiledExpression(group.expression, in: source.reader.checkpoint),
          parts: group.rowParts))
    }
    return tasks
  }

  /// Counts values of all groups; those of several parts were looked at when they were made.
  func census(of source: Source) -> CensusCollector {
    let dtypes = LookedAtDTypes(source)
    return CensusCollector(
      groups.map { $0.parts.count == 1 ? dtypes.dtype($0.name, $0.parts[0].type.dtype) : nil })
  }

  /// What is to be recorded of an evaluated group.
  func claim(
    _ tensor: EvaluatedTensor, at place: Int, _ census: CensusCollector
  ) -> Journal.Claim {
    let (report, census) = (tensor.report, census[place])
    let isMask = census?.isMask(groups[place].parts[0].type.shape) ?? false
    return Journal.Claim(
      group: place, digests: tensor.digests,
      rounded: report.isExact ? 0 : max(1, report.roundedCount), ulp: report.largestErrorUlp,
      overflows: report.overflowCount,
      quantization: report.quantization.map { QuantizationRecord($0, groups[place].valueShape) },
      nans: census?.nanCount, infinities: isMask ? 0 : census?.infinityCount)
  }
}

/// What the results of a plan's groups come to in a certificate.
struct ResultRecords {
  /// The tensors, in the order of the plan.
  private(set) var tensors: [Certificate.TensorRecord] = []
  /// What a person should know of them.
  let findings: [Finding]

  /// Records of results.
  ///
  /// - Parameters:
  ///   - plan: whose groups.
  ///   - result: of a group, by its place.
  /// - Throws: `inputOutput` where one is missing.
  init(
    _ plan: ConversionPlan, _ result: (Int) -> Journal.Claim?
  ) throws(CheckpointError) {
    try self.init(
      groupCount: plan.groups.count, tensorCount: plan.tensors.count,
      tensors: { group in
        plan.groups[group].parts.map {
          TensorStatement($0, in: plan.fileName(of: $0))
        }
      }, result)
  }

  /// Records of results.
  ///
  /// - Parameters:
  ///   - groupCount: how many groups there are.
  ///   - tensorCount: how many tensors these have.
  ///   - statements: what is known of a group's tensors without evaluating them, at least one.
  ///   - result: of a group, by its place.
  /// - Throws: `inputOutput` where one is missing.
  init(
    groupCount: Int, tensorCount: Int, tensors statements: (Int) -> [TensorStatement],
    _ result: (Int) -> Journal.Claim?
  ) throws(CheckpointError) {
    // What is said of a group is said of each part, and found once.
    var (overflows, losses, broken): ([Finding], [Finding], [Finding]) = ([], [], [])
    tensors.reserveCapacity(tensorCount)
    for place in 0..<groupCount {
      let statements = statements(place)
      let name = statements[0].name
      guard let result = result(place) else {
        throw CheckpointError(.inputOutput, "was not written", tensor: name)
      }
      for (tensor, digest) in zip(statements, result.digests) {
        tensors.append(.init(tensor, result, digest))
      }
      if result.overflows > 0 {
        overflows.append(
          Finding(
            .warning, "overflow", "\(result.overflows) finite values became infinite", tensor: name)
        )
      }
      for (check, count, what) in [
        ("nan", result.nans, "NaN"),
        ("infinity", result.infinities.map { $0 - result.overflows }, "infinite"),
      ] where count ?? 0 > 0 {
        broken.append(
          Finding(
            .warning, check,
            "\(counted(count ?? 0, "value")) written that \(count == 1 ? "is" : "are") \(what)",
            tensor: name))
      }
      if result.quantization?.relativeRmse ?? 0 >= 0.5 {
        losses.append(
          Finding(
            .warning, "quantization-loss", "its blocks have little to do with its weights",
            tensor: name))
      }
    }
    findings = overflows + losses + broken
  }

  /// The root of all tensors.
  var root: Digest {
    rootDigest(ofTensors: tensors.count, named: { tensors[$0].name }) {
      let tensor = tensors[$0]
      return TensorIdentity(
        name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: tensor.digest)
    }
  }
}

/// What a certificate says of a tensor before it is evaluated.
struct TensorStatement: Codable, Hashable, Sendable {
  let name: String
  let dtype: DType
  let shape: Shape
  let file: String
  let expression: ExpressionText
  let sources: ExpressionSources
  /// Whether values are rounded in it, as the group's are.
  let isOfValues: Bool
  /// Whether codes and scales only move in it.
  let isRepacked: Bool

  init(_ tensor: ConversionPlan.PlannedTensor, in file: String) {
    name = tensor.name
    dtype = tensor.type.dtype
    shape = tensor.type.shape
    self.file = file
    expression = .planned(tensor.expression)
    sources = .planned(tensor.expression)
    isOfValues = tensor.isOfValues
    isRepacked = tensor.expression.isRepacked
  }
}

extension Certificate.TensorRecord {
  /// The record of a tensor that is a group, or a part of one.
  fileprivate init(_ tensor: TensorStatement, _ result: Journal.Claim, _ digest: Digest) {
    let isOfValues = tensor.isOfValues
    self.init(
      name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, file: tensor.file,
      expression: tensor.expression, sources: tensor.sources,
      exactness: .init(
        isRounded: isOfValues && result.rounded > 0, isRepacked: tensor.isRepacked),
      largestErrorUlp: isOfValues ? result.ulp : 0,
      overflowCount: isOfValues ? result.overflows : 0,
      quantization: isOfValues ? result.quantization : nil, digest: digest)
  }
}
