public import CheckpointFormats
import FileContainers
import Foundation
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
    public internal(set) var validation: Certificate.Validation?

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
  public private(set) var entries: [Entry] = []
  /// Those of a named set that don't fit the source.
  public private(set) var refusals: [Refusal] = []
  /// What is quantized.
  public let source: Source
  private let request: ConversionRequest

  /// Stands for any directory: nothing is written there.
  private static let directory = "schemes"

  /// Measures schemes: each stored tensor is read once for all of them, as far as memory holds it.
  ///
  /// - Parameters:
  ///   - request: of which source, with which settings; format and destination don't count.
  ///   - quantizations: a request for each scheme.
  ///   - skipsUnfit: whether schemes that can't be used for the source are left out instead of ending the work.
  ///   - progress: told of bytes that are made.
  /// - Throws: what opening, planning, reading and evaluating throw.
  public init(
    _ request: ConversionRequest, _ quantizations: [QuantizationRequest], skipsUnfit: Bool,
    _ progress: WorkProgress
  ) throws(CheckpointError) {
    self.request = request
    source = RestoredTokenizer.added(to: try Source(request.source, request.openOptions))
    try request.openOptions.bases?.requireUsed()
    var plans: [(QuantizationRequest, ConversionPlan)] = []
    for quantization in quantizations {
      do throws(CheckpointError) {
        plans.append((quantization, try Self.job(request, quantization).plan(source)))
      } catch {
        guard skipsUnfit, !error.code.isTransient else { throw error }
        refusals.append(Refusal(scheme: quantization.scheme, error: error))
      }
    }
    entries = try Self.measured(plans, source, request.resources, progress)
    try source.confirm()
  }

  private static func job(
    _ request: ConversionRequest, _ quantization: QuantizationRequest
  ) -> ConversionJob {
    var request = request
    request.format = quantization.scheme.container.format
    request.destination = directory
    request.settings.quantization = quantization
    return ConversionJob(request)
  }

  private static func measured(
    _ requests: [(QuantizationRequest, ConversionPlan)], _ source: Source,
    _ resources: EvaluationResources, _ progress: WorkProgress
  ) throws(CheckpointError) -> [Entry] {
    let plans = requests.map(\.1)
    let tasks = try SchemeTasks(plans, source)
    let totals = SchemeTotals(plans, source)
    progress.begin("measuring", plans.flatMap(\.groups).reduce(0) { $0 + $1.byteCount })
    for run in tasks.runs {
      let reader = SharedReader(source.reader, memory: resources.memory / 4)
      let collector = SchemeCollector(run, plans, source, totals, progress: progress.add)
      try EvaluationPipeline(reader, resources).run(run.map(\.task), collector)
      totals.endRun()
    }
    var entries: [Entry] = []
    for (number, (request, plan)) in requests.enumerated() {
      let records = try ResultRecords(plan) { totals.claim($0, plan: number) }
      entries.append(
        Entry(
          request: request,
          report: QuantizationReport(
            plan, request,
            .init(records: records.tensors, findings: plan.findings + records.findings)),
          relativeRMSE: totals.relativeRMSE(plan: number)))
    }
    return entries
  }

  /// Runs source and result of each scheme side by side: each is written to the directory for temporary files, and removed.
  ///
  /// - Parameters:
  ///   - validator: runs both.
  ///   - progress: told of bytes that are written.
  /// - Throws: `usage` for a source that can be read once only; what converting and running throw.
  public mutating func validate(
    _ validator: any ConversionValidator, _ progress: WorkProgress
  ) throws(CheckpointError) {
    guard request.source != "-" else {
      throw CheckpointError(
        .usage, "--validate reads the source again for each scheme", found: "standard input",
        hint: "write the archive to a file first")
    }
    for place in entries.indices {
      entries[place].validation = try validation(of: entries[place], validator, progress)
    }
  }

  private func validation(
    of entry: Entry, _ validator: any ConversionValidator, _ progress: WorkProgress
  ) throws(CheckpointError) -> Certificate.Validation? {
    var request = request
    let name = "weighbridge-trial-\(ProcessInfo.processInfo.processIdentifier)"
    let folder = request.openOptions.temporaryDirectory
    request.validator = validator
    request.destination = "\(folder)/\(name)"
    request.format = entry.scheme.container.format
    request.settings.quantization = entry.request
    defer {
      for path in [request.destination, "\(folder)/.\(name).partial"] {
        try? Directories.removeTree(path)
      }
    }
    progress.begin("trying \(entry.scheme)", entry.report.byteCount)
    do throws(CheckpointError) {
      let observer = ConversionJob.Observer(
        willStart: { _, _, _ in }, report: { _ in }, progress: progress.add)
      return try ConversionJob(request).run(observer).certificate.validation
    } catch {
      // Nothing is kept that could be gone on with.
      var error = error
      if error.code.isTransient { (error.hint, error.hintLines) = (nil, []) }
      throw error
    }
  }
}
