import CheckpointFormats
import FileContainers
public import Quantization
import TensorModel

extension QuantizationReport {
  /// A report of a plan, or of what came of it.
  ///
  /// - Parameters:
  ///   - plan: of a quantization.
  ///   - request: what was asked for.
  ///   - certificate: what came of it; nil before.
  ///   - limits: what errors may be at most.
  public init(
    _ plan: ConversionPlan, _ request: QuantizationRequest, _ certificate: Certificate? = nil,
    limits: Limits = Limits()
  ) {
    self.init(plan, request, certificate.map(Results.init), limits: limits)
  }

  /// What came of a plan, written or not.
  struct Results {
    let records: [Certificate.TensorRecord]
    let findings: [Finding]
    var files: [Certificate.FileRecord]?
    var root: Digest?
    var validation: Certificate.Validation?

    /// Records of what wasn't written.
    init(records: [Certificate.TensorRecord], findings: [Finding]) {
      self.records = records
      self.findings = findings
    }

    fileprivate init(_ certificate: Certificate) {
      records = certificate.tensors
      findings = certificate.findings
      files = certificate.files
      root = certificate.root
      validation = certificate.validation
    }
  }

  /// The same with results that needn't have been written.
  init(
    _ plan: ConversionPlan, _ request: QuantizationRequest, _ results: Results?,
    limits: Limits = Limits()
  ) {
    // What is copied beside a weight counts as its bytes.
    var tensors: [Tensor] = []
    for (place, group) in plan.groups.enumerated() {
      if group.isCompanion {
        if !tensors.isEmpty { tensors[tensors.count - 1].byteCount += group.byteCount }
      } else {
        tensors.append(
          Tensor(group, results.map { Array($0.records[plan.places(of: place)]) }))
      }
    }
    self.tensors = tensors
    self.limits = limits
    scheme = request.scheme
    quality = request.quality
    importance = request.importance.map {
      ImportanceRecord(digest: $0.digest, datasets: $0.datasets)
    }
    parameterCount = tensors.reduce(0) { $0 + $1.shape.elementCount }
    byteCount = tensors.reduce(0) { $0 + $1.byteCount }
    bitsPerWeight = Self.bits(tensors.map { ($0.byteCount * 8, $0.shape.elementCount) })
    source = SourceRecord(
      format: plan.source.format, architecture: plan.source.architecture,
      bitsPerWeight: Self.bits([
        (
          plan.storedByteCount * 8,
          plan.groups.reduce(0) {
            // What is made of nothing has no bits there.
            $0 + ($1.isCompanion || $1.expression.sources.isEmpty ? 0 : $1.valueShape.elementCount)
          }
        )
      ]))
    types = Self.summaries(tensors)
    substitutions = zip(plan.groups.filter { !$0.isCompanion }, tensors).compactMap {
      planned, tensor in
      guard let choice = planned.quantization?.choice, choice.isSubstitution else { return nil }
      return Substitution(
        name: tensor.name, wanted: choice.wanted, dtype: choice.type,
        columns: tensor.shape.dimensions.last ?? 0)
    }
    let worst = Self.worst(tensors)
    worstTensors = worst.prefix(10).map { tensors[$0].name }
    validation = results?.validation
    exceeded = Self.exceeded(limits, worst.first.map { tensors[$0] }, results?.validation)
    findings = results?.findings ?? plan.findings
    files = results?.files ?? plan.fileRecords
    root = results?.root
  }

  /// The relative error of all tensors whose scales were searched for, and what plain quantization has: √(Σ n e² / Σ n) over numbers of weights n and
  /// relative errors e; nil where there are none.
  public var errorsOfAll: (error: Double, plain: Double)? {
    var (count, error, plain) = (0.0, 0.0, 0.0)
    for tensor in tensors {
      guard let errors = tensor.errors, let other = errors.defaultRelativeRmse else { continue }
      let weights = Double(tensor.shape.elementCount)
      count += weights
      error += weights * errors.relativeRmse * errors.relativeRmse
      plain += weights * other * other
    }
    guard count > 0 else { return nil }
    return ((error / count).squareRoot(), (plain / count).squareRoot())
  }

  /// Places of quantized tensors, the largest relative error first.
  private static func worst(_ tensors: [Tensor]) -> [Int] {
    let errors = tensors.map { $0.errors?.relativeRmse ?? 0 }
    return tensors.indices.filter { errors[$0] > 0 }.sorted {
      errors[$0] == errors[$1] ? tensors[$0].name < tensors[$1].name : errors[$0] > errors[$1]
    }
  }

  private static func bits(_ tensors: [(bits: Int, count: Int)]) -> Double {
    let count = tensors.reduce(0) { $0 + $1.count }
    return Double(tensors.reduce(0) { $0 + $1.bits }) / Double(max(1, count))
  }

  private static func summaries(_ tensors: [Tensor]) -> [TypeSummary] {
    Dictionary(grouping: tensors, by: \.dtype).map { dtype, tensors in
      TypeSummary(
        dtype: dtype, tensorCount: tensors.count,
        parameterCount: tensors.reduce(0) { $0 + $1.shape.elementCount },
        byteCount: tensors.reduce(0) { $0 + $1.byteCount },
        largestRelativeRmse: tensors.compactMap { $0.errors?.relativeRmse }.max())
    }.sorted {
      ($0.parameterCount, $1.dtype.name) > ($1.parameterCount, $0.dtype.name)
    }
  }

  private static func exceeded(
    _ limits: Limits, _ worst: Tensor?, _ validation: Certificate.Validation?
  ) -> [Excess] {
    var exceeded: [Excess] = []
    if let allowed = limits.maxKl, let validation {
      // What is no number is within no limit.
      let found = validation.meanKlDivergence
      if !((found ?? .infinity) <= allowed) {
        exceeded.append(Excess(limit: "max_kl", allowed: allowed, found: found, tensor: nil))
      }
    }
    if let allowed = limits.maxRmse, let found = worst?.errors?.relativeRmse, found > allowed {
      exceeded.append(
        Excess(limit: "max_rmse", allowed: allowed, found: found, tensor: worst?.name))
    }
    return exceeded
  }
}

extension QuantizationReport.Tensor {
  fileprivate init(_ group: ConversionPlan.OutputGroup, _ records: [Certificate.TensorRecord]?) {
    let type = group.parts[0].type
    name = group.name
    dtype = group.quantization?.choice.type ?? .dtype(type.dtype)
    sourceDtype = group.codes?.dtype ?? group.quantization?.values.dtype ?? type.dtype
    sourceCodes = group.codes?.name
    if group.quantization?.choice.type.isQuantized == true, !group.isQuantizedAnew {
      reuse = group.parts.contains { $0.expression.isRepacked } ? .repacked : .kept
    }
    shape = group.valueShape
    byteCount = group.byteCount
    reason = group.quantization?.choice.reason ?? .unquantized
    let record = records?.first
    errors = record?.quantization
    largestErrorUlp = record.flatMap { $0.quantization == nil ? $0.largestErrorUlp : nil }
    digest = records?.count == 1 ? record?.digest : nil
  }
}
