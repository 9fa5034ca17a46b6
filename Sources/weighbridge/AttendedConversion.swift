import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel

/// A conversion that somebody looks on at: what is said before and while it runs, on standard error.
struct AttendedConversion {
  let plan: ConversionPlan
  let outcome: Converter.Outcome
  let seconds: Double

  /// Runs a job to its end.
  ///
  /// - Parameters:
  ///   - job: what is to be done.
  ///   - destination: as the user has named it.
  ///   - progress: the line that shows how far it has come.
  ///   - shared: whether to be quiet, and resources.
  /// - Throws: what the job throws.
  init(
    _ job: ConversionJob, _ destination: String, _ progress: ProgressLine, _ shared: SharedOptions
  ) throws(CheckpointError) {
    let start = Date()
    let log = FindingLog(quiet: shared.quiet)
    let outcome = try job.run(
      ConversionJob.Observer(
        willStart: { source, plan, replaced in
          progress.finish()
          if !shared.quiet {
            Console.error(ConversionText.opening(plan, source, destination, shared))
            if let replaced {
              Console.error(ConversionText.replacing(replaced))
            }
          }
          for finding in plan.findings { log.report(finding) }
          progress.begin("writing", plan.tensors.reduce(0) { $0 + $1.byteCount })
          if !plan.leftOut.isEmpty && !shared.quiet {
            Console.error("note: left out: \(printable(plan.leftOut.joined(separator: ", ")))")
          }
        },
        report: log.report, progress: progress.add))
    progress.finish()
    log.finish("the certificate")
    if let leftover = outcome.leftover {
      Console.error("warning: \(printable(leftover)) could not be removed; nothing in it is needed")
    }
    plan = outcome.plan
    self.outcome = outcome
    seconds = Date().timeIntervalSince(start)
    let files =
      outcome.certificate.files.map(\.byteCount) + outcome.certificate.assets.map(\.byteCount)
    if !shared.quiet {
      Console.error(
        "written      \(humanSize(files.reduce(0, +))) in \(counted(files.count, "file")), in \(duration(seconds))"
      )
    }
  }
}
