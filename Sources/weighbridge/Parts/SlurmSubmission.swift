import CheckpointConversion
import FileContainers
import Foundation
import TensorModel

/// All parts of a conversion as an array of Slurm's, and a job that merges them.
struct SlurmSubmission {
  private let submit: SubmitArgument
  private let sbatch: String?
  private let source: String
  private let destination: String
  private let shared: SharedOptions
  private let options: DestinationOptions
  /// Options that the merge is given.
  private let merging: [String]

  /// What the system, libraries and page tables take beside buffers.
  private static let overhead = 256_000_000

  /// - Throws: `usage` for options that no part could heed.
  init(
    _ submit: SubmitArgument, _ sbatch: String?, source: String, destination: String,
    _ shared: SharedOptions, _ options: DestinationOptions, forMerge merging: [String]
  ) throws(CheckpointError) {
    self.submit = submit
    self.sbatch = sbatch
    self.source = source
    self.destination = destination
    self.shared = shared
    self.options = options
    self.merging = merging
  }

  /// Plans, checks, and submits what is missing, or prints it.
  ///
  /// - Throws: what planning throws; `inputOutput` where Slurm refuses.
  func run(_ job: ConversionJob) throws(CheckpointError) {
    let missing = try job.missingParts(of: submit.count)
    let array = missing.isEmpty ? nil : arrayScript(missing)
    if options.dryRun {
      let scripts = [array, mergeScript(after: array == nil ? nil : "$ARRAY")].compactMap { $0 }
      return Console.output(scripts.joined(separator: "\n"))
    }
    var arrayID: String?
    if let array {
      arrayID = try Self.submitted(array)
    }
    let mergeID = try Self.submitted(mergeScript(after: arrayID))
    if let arrayID {
      Console.output(
        "array \(arrayID): \(counted(missing.count, "part")) of \(submit.count); merge \(mergeID) follows when all have ended well"
      )
    } else {
      Console.output("merge \(mergeID): all parts are complete already")
    }
    Console.output(
      """
      look at them with: squeue --job \([arrayID, mergeID].compactMap { $0 }.joined(separator: ","))
      and at the parts:  \(shellCommand("weighbridge status", destination))
      what they say:     \(([arrayID.map { "\($0)_*" }, mergeID].compactMap { $0 }.map { printable(logName($0)) }).joined(separator: ", "))
      if some fail, repeat this command: it submits only what is missing
      """)
  }

  // MARK: Scripts

  /// Where a job says what it does: beside the destination.
  private func logName(_ job: String) -> String {
    let (parent, name) = Directories.split(destination)
    return "\(parent)/\(name).slurm-\(job).out"
  }

  private func head(_ title: String, _ lines: [String]) -> String {
    let name = Directories.split(destination).name
    var all = ["#!/bin/sh", "# \(printable(title))"]
    all.append("#SBATCH --job-name=\(quoted("weighbridge-\(name)"))")
    all += lines.map { "#SBATCH \($0)" }
    if let sbatch, !sbatch.isEmpty { all.append("#SBATCH \(sbatch)") }
    return all.joined(separator: "\n")
  }

  private func arrayScript(_ missing: [Int]) -> String {
    let limit = submit.limit.map { "%\($0)" } ?? ""
    var lines = [
      "--array=\(NumberRanges.text(missing))\(limit)",
      "--requeue", "--output=\(quoted(logName("%A_%a")))",
    ]
    // Without --memory what the cluster gives a job: there are clusters whose memory Slurm doesn't know, and refuses to share out.
    if let memory = shared.memory {
      lines.append("--mem=\((memory.byteCount + Self.overhead + 999_999) / 1_000_000)M")
    }
    if let threads = shared.threads { lines.append("--cpus-per-task=\(threads)") }
    let part = "--part \"$SLURM_ARRAY_TASK_ID/\(submit.count)\" --resume"
    return """
      \(head("the parts of \(destination): each task does one", lines))
      exec \(command) \(part)

      """
  }

  private func mergeScript(after array: String?) -> String {
    var lines = ["--output=\(quoted(logName("%j")))"]
    if let array {
      lines += ["--dependency=afterok:\(array)", "--kill-on-invalid-dep=yes"]
    }
    let more =
      (options.force ? ["--force"] : []) + CommandWords.only(options: merging).map(quoted)
    return """
      \(head("when all of them have ended well: submit it with the array's id in the place of $ARRAY", lines))
      exec \((["\(Self.executable) merge \(quoted(destination)) --wait 90s"] + more).joined(separator: " "))

      """
  }

  private static var executable: String {
    quoted(ProcessArguments.executablePath ?? "weighbridge")
  }

  /// The command that was given, without what is of the submission.
  private var command: String {
    let words = CommandWords.without(
      options: ["--submit", "--sbatch"] + merging, flags: ["--dry-run", "--resume", "--json"])
    return ([Self.executable] + words.map(quoted)).joined(separator: " ")
  }

  private static func quoted(_ word: String) -> String {
    let isPlain =
      !word.isEmpty
      && word.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
          UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "="), UInt8(ascii: ":"),
          UInt8(ascii: "%"), UInt8(ascii: ","), UInt8(ascii: "+"):
          true
        default: false
        }
      }
    return isPlain ? word : "'\(word.replacing("'", with: "'\\''"))'"
  }

  private func quoted(_ word: String) -> String { Self.quoted(word) }

  // MARK: Slurm

  /// Submits a script.
  ///
  /// - Returns: the job's id.
  /// - Throws: `inputOutput` with what sbatch says.
  private static func submitted(_ script: String) throws(CheckpointError) -> String {
    let outcome = try ChildProcess.run(
      "/bin/sh", ["-c", "printf '%s' \"$0\" | sbatch --parsable 2>&1", script], settings: [],
      limit: 1 << 20)
    let text = String(decoding: outcome.output, as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    // The id, and with several clusters a semicolon and the cluster's name.
    let id = text.split(separator: "\n").last.map { $0.prefix { $0 != ";" } } ?? ""
    guard outcome.failure == nil, !id.isEmpty, id.allSatisfy(\.isNumber) else {
      throw CheckpointError(
        .inputOutput, "Slurm didn't take the job", found: clipped(text, to: 500),
        hint:
          "look at it with --dry-run, which prints the scripts; --sbatch \"--partition=NAME --time=2:00:00\" gives sbatch what the cluster asks for"
      )
    }
    return String(id)
  }
}
