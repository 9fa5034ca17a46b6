import CheckpointConversion
import FileContainers
import Foundation
import TensorModel

/// A part that somebody looks on at.
struct AttendedPart {
  private let outcome: PartOutcome
  private let destination: String
  private let shared: SharedOptions

  /// Does the part.
  ///
  /// - Parameters:
  ///   - job: of which it is a part.
  ///   - part: which.
  ///   - destination: as the user has named it.
  ///   - progress: the line that shows how far it has come.
  ///   - shared: whether to be quiet, and resources.
  /// - Throws: what the job throws.
  init(
    _ job: ConversionJob, _ part: PartArgument, _ destination: String, _ progress: ProgressLine,
    _ shared: SharedOptions
  ) throws(CheckpointError) {
    let log = FindingLog(quiet: shared.quiet)
    let start = Date()
    let outcome = try job.run(
      part: part.choice, variables: ProcessInfo.processInfo.environment,
      ConversionJob.Observer(
        willStart: { source, plan, _ in
          progress.finish()
          if !shared.quiet {
            Console.error(ConversionText.opening(plan, source, destination, shared))
          }
          for finding in plan.findings { log.report(finding) }
          progress.begin("writing", plan.groups.reduce(0) { $0 + $1.byteCount })
        }, report: log.report, progress: progress.add),
      willWork: { if !shared.quiet { Console.error(Self.text($0)) } })
    progress.finish()
    log.finish("the certificate")
    if !shared.quiet {
      Console.error(Self.text(outcome, seconds: Date().timeIntervalSince(start)))
    }
    self.outcome = outcome
    self.destination = destination
    self.shared = shared
  }

  /// What a part of a plan would be, for `--dry-run`.
  ///
  /// - Throws: `usage` where nothing tells which part it is.
  static func text(
    _ job: ConversionJob, _ part: PartArgument, _ plan: ConversionPlan
  ) throws(CheckpointError) -> String {
    text(
      try job.summary(
        of: part.choice, variables: ProcessInfo.processInfo.environment, in: plan))
  }

  private static func text(_ summary: PartSummary) -> String {
    let what =
      summary.tensorCount == 0
      ? "nothing to do: whole \(summary.unit) are done, and other parts have all of them"
      : "\(counted(summary.tensorCount, "tensor")), \(humanSize(summary.byteCount)), in \(counted(summary.fileCount, summary.hasPieces ? "piece" : "file"))"
    return "part \(summary.text): \(what)"
  }

  private static func text(_ outcome: PartOutcome, seconds: Double) -> String {
    if outcome.wasComplete { return "part \(outcome.part) is complete already" }
    let resumed =
      outcome.resumedTensorCount > 0
      ? ", \(grouped(outcome.resumedTensorCount)) tensors taken over from an unfinished attempt"
      : ""
    return "part \(outcome.part) is complete, in \(duration(seconds))\(resumed)"
  }

  /// Says what is to be done next: on standard output, as a document where that was asked for.
  ///
  /// - Throws: what looking at the parts throws.
  func finish() throws(CheckpointError) {
    if shared.json {
      return Console.output(document: try JSONDocument.bytes(try PartsStatus(of: destination)))
    }
    Console.output(
      "part \(outcome.part): \(counted(outcome.tensorCount, "tensor")), \(humanSize(outcome.byteCount)); when all parts are complete: \(shellCommand("weighbridge merge", destination))"
    )
  }
}
