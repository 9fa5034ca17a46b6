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
    /// Of all tensors; nil as long as nothing is evaluated.
    let records: [Certificate.TensorRecord]?
    let findings: [Finding]
    let files: [Certificate.FileRecord]
    var root: Digest?
    var validation: Certificate.Validation?

    /// Records of what wasn't written.
    init(
      records: [Certificate.TensorRecord], findings: [Finding], _ files: [Certificate.FileRecord]
    ) {
      self.records = records
      self.findings = findings
      self.files = files
    }

    /// What is known before.
    fileprivate init(planned findings: [Finding], _ files: [Certificate.FileRecord]) {
      records = nil
      self.findings = findings
      self.files = files
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
    self.init(
      QuantizationOutline(plan, request),
      results ?? Results(planned: plan.findings, plan.fileRecords), limits: limits)
  }

  /// A report of what came of a plan of which only the outline is there.
  ///
  /// - Parameters:
  ///   - outline: of the plan.
  ///   - certificate: what came of it.
  ///   - limits: what errors may be at most.
  public init(_ outline: QuantizationOutline, _ certificate: Certificate, limits: Limits) {
    self.init(outline, Results(certificate), limits: limits)
  }

  private init(_ outline: QuantizationOutline, _ results: Results, limits: Limits) {
    let tensors = outline.weights.map { Tensor($0, results.records) }
    self.tensors = tensors
    self.limits = limits
    scheme = outline.head.scheme
    quality = outline.head.quality
    importance = outline.head.importance
    moments = outline.head.moments
    parameterCount = tensors.reduce(0) { $0 + $1.shape.elementCount }
    byteCount = tensors.reduce(0) { $0 + $1.byteCount }
    bitsPerWeight = Self.bits(tensors.map { ($0.byteCount * 8, $0.shape.elementCount) })
    source = outline.head.source
    types = Self.summaries(tensors)
    substitutions = outline.weights.compactMap { weight in
      weight.wanted.map {
        Substitution(
          name: weight.name, wanted: $0, dtype: weight.type,
          columns: weight.shape.dimensions.last ?? 0)
      }
    }
    let worst = Self.worst(tensors)
    worstTensors = worst.prefix(10).map { tensors[$0].name }
    validation = results.validation
    exceeded = Self.exceeded(limits, worst.first.map { tensors[$0] }, results.validation)
    findings = results.findings
    files = results.files
    root = results.root
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

  /// What making up for errors came to, over all tensors for which second moments were used: √(Σ n e² / Σ n) over numbers of weights n and relative errors e of
  /// outputs, the same for `best`, and rows that it was used in and all of these tensors' rows; nil where there are none.
  public var outputErrorsOfAll: (error: Double, best: Double, rows: Int, rowsOfAll: Int)? {
    var (count, error, best, rows, rowsOfAll) = (0.0, 0.0, 0.0, 0, 0)
    for tensor in tensors {
      guard let errors = tensor.errors, let own = errors.outputRelativeError,
        let other = errors.bestOutputRelativeError
      else { continue }
      let weights = Double(tensor.shape.elementCount)
      count += weights
      error += weights * own * own
      best += weights * other * other
      rows += errors.feedbackRowCount ?? 0
      rowsOfAll += tensor.shape.elementCount / max(1, tensor.shape.dimensions.last ?? 1)
    }
    guard count > 0 else { return nil }
    return ((error / count).squareRoot(), (best / count).squareRoot(), rows, rowsOfAll)
  }

  /// Tensors of which the next larger type takes off most for each byte that it costs, the best first; at most ten.
  public var raises: [TensorRaise] { ErrorBudget(self)?.bestRaises(self) ?? [] }

  /// Places of quantized tensors, the largest relative error first.
  private static func worst(_ tensors: [Tensor]) -> [Int] {
    let errors = tensors.map { $0.errors?.relativeRmse ?? 0 }
    return tensors.indices.filter { errors[$0] > 0 }.sorted {
      errors[$0] == errors[$1] ? tensors[$0].name < tensors[$1].name : errors[$0] > errors[$1]
    }
  }

  static func bits(_ tensors: [(bits: Int, count: Int)]) -> Double {
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
  fileprivate init(
    _ weight: QuantizationOutline.Weight, _ records: [Certificate.TensorRecord]?
  ) {
    name = weight.name
    dtype = weight.type
    sourceDtype = weight.sourceDtype
    sourceCodes = weight.sourceCodes
    reuse = weight.reuse
    shape = weight.shape
    byteCount = weight.byteCount
    reason = weight.reason
    let record = records?[weight.tensors.lowerBound]
    errors = record?.quantization
    largestErrorUlp = record.flatMap { $0.quantization == nil ? $0.largestErrorUlp : nil }
    digest = weight.tensors.count == 1 ? record?.digest : nil
    fused = weight.fused
  }
}
