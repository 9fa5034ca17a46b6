import ArgumentParser
import CheckpointVerification
import FileContainers
import Foundation
import TensorModel

/// Which reports `verify` writes, and where.
struct ReportOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A report as text, json, junit, sarif, github or gitlab; to standard output, or with =PATH to a file. Can be given several times.",
      valueName: "format[=path]"))
  var report: [ReportChoice] = []

  /// Refuses two reports in one place.
  func check(json: Bool) throws {
    let requests = requests(json: json)
    if requests.count(where: { $0.path == nil }) > 1 {
      throw ValidationError(
        "Only one report can go to standard output: give the others files, as in --report \(requests[0].format.rawValue)=FILE."
      )
    }
    let places = requests.compactMap(\.path).map(Directories.resolved)
    if Set(places).count < places.count {
      throw ValidationError("Two reports would be one file: give each --report a file of its own.")
    }
  }

  /// Refuses files in the folder that they report on: its lists of digests and signatures wouldn't have them, so that the next check
  /// would find them.
  func check(outside checkpoint: String) throws(CheckpointError) {
    guard FileKind(of: checkpoint) == .directory else { return }
    let folder = Directories.resolved(checkpoint)
    let prefix = folder == "/" ? folder : "\(folder)/"
    for path in report.compactMap(\.request.path)
    where Directories.resolved(path).utf8.starts(with: prefix.utf8) {
      throw CheckpointError(
        .usage, "a report would lie in the checkpoint that it is about", file: path,
        hint: "name a file outside of the folder: manifests and signatures list all that is in it")
    }
  }

  /// What is written: what was asked for, and for people what all other reports leave standard output free for.
  func requests(json: Bool) -> [ReportRequest] {
    let requests = report.map(\.request) + (json ? [ReportRequest(.json)] : [])
    return requests.contains { $0.path == nil } ? requests : requests + [ReportRequest(.text)]
  }
}

/// What `--report` takes.
struct ReportChoice: ExpressibleByArgument {
  let request: ReportRequest

  static let allValueStrings = ReportFormat.allCases.map(\.rawValue)
  static let defaultCompletionKind = CompletionKind.list(allValueStrings)

  init?(argument: String) {
    guard let request = ReportRequest(parsing: argument) else { return nil }
    self.request = request
  }
}

/// Writes reports: files first, whole or not at all, then what goes to standard output.
struct ReportOutput {
  private let requests: [ReportRequest]
  private let describe: FindingDescription

  /// Makes sure that all files can be written, before the work that they report on.
  ///
  /// - Parameters:
  ///   - requests: formats and places.
  ///   - describe: what is known of the findings' kinds.
  /// - Throws: `conflict` if something is in the way, `missing` without a folder, `inputOutput` if nothing can be created there.
  init(_ requests: [ReportRequest], _ describe: @escaping FindingDescription)
    throws(CheckpointError)
  {
    self.requests = requests
    self.describe = describe
    for request in requests where request.path != nil { _ = try Self.file(request, ReadFiles()) }
  }

  /// Writes all of them, the files that can be written even if others can't.
  ///
  /// - Parameters:
  ///   - report: what was checked and found, or what kept the checks from running.
  ///   - inputs: what was read, which no report may replace.
  /// - Throws: what is wrong with the first file that couldn't be written.
  func write(_ report: VerificationReport, besides inputs: ReadFiles) throws(CheckpointError) {
    var failure: CheckpointError?
    for request in requests {
      do throws(CheckpointError) {
        guard let output = try Self.file(request, inputs) else { continue }
        try output.file.write(at: 0, try request.format.bytes(report, describe))
        try output.finish()
      } catch { failure = failure ?? error }
    }
    if requests.contains(where: { $0.format == .github }) {
      StepSummary.append(report, besides: inputs)
    }
    for request in requests where request.path == nil {
      // Messages for people go to standard error.
      if request.format == .text, report.error != nil { continue }
      let bytes = try request.format.bytes(report, describe)
      Console.output(document: request.format == .text ? Paint.report(bytes) : bytes)
    }
    if let failure { throw failure }
  }

  private static func file(
    _ request: ReportRequest, _ inputs: ReadFiles
  ) throws(CheckpointError) -> SingleOutput? {
    guard let path = request.path else { return nil }
    let kind = SingleOutput.Kind(
      title: "a report of the same format",
      beginnings: request.format.beginnings.map { Array($0.utf8) } + [[]])
    return try SingleOutput(path, kind, besides: inputs)
  }
}

/// The file of GitHub's runner to which a step appends its summary.
enum StepSummary {
  /// Appends a report, as far as there is room; without such a file nothing.
  ///
  /// - Parameters:
  ///   - report: what was checked and found.
  ///   - inputs: what was read, to which nothing is appended.
  static func append(_ report: VerificationReport, besides inputs: ReadFiles) {
    guard let path = ProcessInfo.processInfo.environment["GITHUB_STEP_SUMMARY"], !path.isEmpty
    else { return }
    do throws(CheckpointError) {
      try inputs.refuseLoss(of: path)
      var byteCount = 0
      let file: OutputFile
      if FileKind(ofEntry: path) == nil {
        file = try OutputFile(creating: path, byteCount: 0)
      } else {
        byteCount = try InputFile(path: path).byteCount
        file = try OutputFile(resuming: path, byteCount: byteCount)
      }
      // What others have written ends before a heading of ours.
      let gap = Array(byteCount > 0 ? "\n".utf8 : "".utf8)
      let room = GitHubSummary.maximumByteCount - byteCount - gap.count
      guard let text = GitHubSummary.bytes(report, limit: room) else {
        return Console.error("warning: there is no room left in the step's summary")
      }
      try file.write(at: byteCount, gap + text)
    } catch {
      Console.error(
        "warning: can't append to the step's summary: \(error.summary)")
    }
  }
}
