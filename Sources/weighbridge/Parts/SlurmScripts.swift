import CheckpointConversion
import FileContainers
import TensorModel

/// The scripts of a submission: an array of jobs that do the parts, and a job that merges them.
struct SlurmScripts {
  let submit: SubmitArgument
  let sbatch: SbatchOptions?
  let destination: String
  let shared: SharedOptions
  let isForced: Bool
  /// Options that the merge is given.
  let merging: [String]
  /// What both jobs are called.
  let name: String

  /// What the system, libraries and page tables take beside buffers.
  private static let overhead = 256_000_000

  /// Where a job says what it does: beside the destination.
  func logName(_ job: String) -> String { logName(destination, job) }

  private func logName(_ destination: String, _ job: String) -> String {
    let (parent, name) = Directories.split(destination)
    return "\(parent)/\(name).slurm-\(job).out"
  }

  /// The same for sbatch, which takes `%` for the beginning of a variable.
  private func logPattern(_ job: String) -> String {
    "--output=\(Self.quoted(logName(destination.replacing("%", with: "%%"), job)))"
  }

  private func head(_ title: String, _ name: String, _ lines: [String]) -> String {
    var all = ["#!/bin/sh", "# \(printable(title))"]
    all.append("#SBATCH --job-name=\(name)")
    all += lines.map { "#SBATCH \($0)" }
    if let sbatch, !sbatch.text.isEmpty { all.append("#SBATCH \(sbatch.text)") }
    return all.joined(separator: "\n")
  }

  /// The script of the parts.
  ///
  /// - Parameter numbers: of those that are to be done.
  /// - Returns: the script.
  func array(_ numbers: [Int]) -> String {
    let limit = submit.limit.map { "%\($0)" } ?? ""
    var lines = [
      "--array=\(NumberRanges.text(numbers))\(limit)", "--requeue", logPattern("%A_%a"),
    ]
    // Without --memory what the cluster gives a job: there are clusters whose memory Slurm doesn't know, and refuses to share out.
    if let memory = shared.memory {
      lines.append("--mem=\((memory.byteCount + Self.overhead + 999_999) / 1_000_000)M")
    }
    if let threads = shared.threads { lines.append("--cpus-per-task=\(threads)") }
    let part = "--part \"$SLURM_ARRAY_TASK_ID/\(submit.count)\" --resume"
    return """
      \(head("the parts of \(destination): each task does one", name, lines))
      exec \(command) \(part)

      """
  }

  /// The script of the merge.
  ///
  /// - Parameter jobs: what it waits for: jobs and tasks.
  /// - Returns: the script.
  func merge(after jobs: [String]) -> String {
    var lines = [logPattern("%j")]
    if !jobs.isEmpty {
      lines += [
        "--dependency=afterok:\(jobs.joined(separator: ":"))", "--kill-on-invalid-dep=yes",
      ]
    }
    let more =
      (isForced ? ["--force"] : []) + CommandWords.only(options: merging).map(Self.quoted)
    return """
      \(head("when all of them have ended well: submit it with the array's id in the place of $ARRAY", "\(name).merge", lines))
      exec \((["\(Self.executable) merge \(Self.quoted(destination)) --wait 90s"] + more).joined(separator: " "))

      """
  }

  private static var executable: String {
    quoted(ProcessArguments.executablePath ?? "weighbridge")
  }

  /// The command that was given, without what is of the submission.
  private var command: String {
    let words = CommandWords.without(
      options: ["--submit", "--sbatch"] + merging, flags: ["--dry-run", "--resume", "--json"])
    return ([Self.executable] + words.map(Self.quoted)).joined(separator: " ")
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
}
