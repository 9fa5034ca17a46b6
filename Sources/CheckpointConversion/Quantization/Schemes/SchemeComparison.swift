public import CheckpointFormats
import ModelArchitectures
public import Quantization
import TensorEvaluation
public import TensorModel

/// Several schemes for one source, measured side by side without writing anything: what each takes and what it costs.
public struct SchemeComparison: Sendable {
  /// What was measured of a scheme.
  public struct Entry: Sendable {
    /// What was asked for.
    public let request: QuantizationRequest
    /// What it makes of the tensors.
    public let report: QuantizationReport
    /// ‖x - y‖ / ‖x‖ over all matrices, quantized or not.
    public let relativeRMSE: Double
    /// What quantizing costs in the end; nil if that wasn't measured.
    public let validation: Certificate.Validation?

    /// The scheme.
    public var scheme: QuantizationScheme { request.scheme }
  }

  /// A scheme that can't be used for the source.
  public struct Refusal: Sendable {
    /// The scheme.
    public let scheme: QuantizationScheme
    /// Why not.
    public let error: CheckpointError
  }

  /// Schemes in the order in which they were asked for.
  public let entries: [Entry]
  /// Those of a named set that don't fit the source.
  public let refusals: [Refusal]
  /// What is quantized.
  public let source: Source

  /// Stands for any directory: nothing is written there.
  private static let directory = "schemes"

  /// Measures schemes: each stored tensor is read once for all of them, as far as memory holds it, also where they are run beside the source.
  ///
  /// - Parameters:
  ///   - request: of which source, with which settings; format and destination don't count. Its validator runs all schemes beside the source.
  ///   - quantizations: a request for each scheme.
  ///   - skipsUnfit: whether schemes that can't be used for the source are left out instead of ending the work.
  ///   - progress: told of bytes that are made.
  /// - Throws: what opening, planning, reading, evaluating and running throw.
  public init(
    _ request: ConversionRequest, _ quantizations: [QuantizationRequest], skipsUnfit: Bool,
    _ progress: WorkProgress
  ) throws(CheckpointError) {
    source = RestoredTokenizer.added(to: try Source(request.source, request.openOptions))
    try request.openOptions.bases?.requireUsed()
    try request.validator?.check(source)
    var plans: [(QuantizationRequest, ConversionPlan)] = []
    var refusals: [Refusal] = []
    for quantization in quantizations {
      do throws(CheckpointError) {
        plans.append((quantization, try Self.job(request, quantization).plan(source)))
      } catch {
        guard skipsUnfit, !error.code.isTransient else { throw error }
        refusals.append(Refusal(scheme: quantization.scheme, error: error))
      }
    }
    self.refusals = refusals
    let measurement = SchemeMeasurement(plans.map(\.1), source, request.resources)
    var validations: [Certificate.Validation] = []
    if let validator = request.validator, !plans.isEmpty {
      validations = try Self.validations(measurement, source, validator, request)
    }
    try measurement.finish(progress)
    var entries: [Entry] = []
    for (number, (request, plan)) in plans.enumerated() {
      let records = try ResultRecords(plan) { measurement.totals.claim($0, plan: number) }
      entries.append(
        Entry(
          request: request,
          report: QuantizationReport(
            plan, request,
            .init(
              records: records.tensors, findings: plan.findings + records.findings,
              plan.fileRecords)),
          relativeRMSE: measurement.totals.relativeRMSE(plan: number),
          validation: validations.isEmpty ? nil : validations[number]))
    }
    self.entries = entries
    try source.confirm()
  }

  private static func job(
    _ request: ConversionRequest, _ quantization: QuantizationRequest
  ) -> ConversionJob {
    var request = request
    request.format = quantization.scheme.container.format
    request.destination = directory
    request.settings.quantization = quantization
    // Looks at the source once for all schemes.
    request.validator = nil
    return ConversionJob(request)
  }

  /// Runs the source and what each plan makes of it side by side, without writing it.
  private static func validations(
    _ measurement: SchemeMeasurement, _ source: Source, _ validator: any ConversionValidator,
    _ request: ConversionRequest
  ) throws(CheckpointError) -> [Certificate.Validation] {
    try (source.reader as? any BasedReader)?.confirmBase()
    let reader = SharedReader(
      source.reader, memory: request.resources.memory / 4, lasting: try tiedTensors(source))
    // A quarter is the source's tensors, another one those of a scheme, and the validator has half.
    let resources = request.resources.divided(by: 16)
    var results: [ConvertedResult] = []
    for (number, plan) in measurement.plans.enumerated() {
      var own = resources
      // What one plan was made of needn't be checked for the others.
      own.checksRecordedDigests = number == 0
      let trial = try TrialReader(
        plan, reader, folder: request.openOptions.temporaryDirectory,
        memory: request.resources.memory / 4, own
      ) { [own] (place, body) throws(CheckpointError) in
        try measurement.evaluate(place, plan: number, reader, own, body)
      }
      results.append(try plan.result(trial))
    }
    return try validator.validate(source, readBy: reader, results)
  }

  /// The stored tensors of an embedding that is the head as well.
  private static func tiedTensors(_ source: Source) throws(CheckpointError) -> Set<Int> {
    let placed = try source.model().placed
    guard placed[DecoderPlace(.weight(.head))] == nil,
      let embedding = placed[DecoderPlace(.tokenEmbedding)]
    else { return [] }
    return Set(
      embedding.expression.sources.compactMap { source.reader.checkpoint.position(of: $0) })
  }
}
