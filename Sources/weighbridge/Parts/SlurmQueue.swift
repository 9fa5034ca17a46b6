import FileContainers
import TensorModel

/// Slurm's commands: what waits or runs, and what is submitted.
enum SlurmQueue {
  /// A job, or a task of an array, that waits or runs.
  struct Job {
    /// `12`, of a task of an array `12_3`.
    let id: String
    let name: String

    /// The task's number; nil for jobs that are no arrays.
    var task: Int? { id.split(separator: "_").dropFirst().first.flatMap { Int($0) } }
    /// The id without the task's.
    var jobID: String { String(id.prefix { $0 != "_" }) }
  }

  /// The user's jobs whose name begins so; none where Slurm doesn't say.
  ///
  /// - Throws: `inputOutput` if no shell can be started.
  static func jobs(named prefix: String) throws(CheckpointError) -> [Job] {
    // A job that is completing has ended: its part is complete, or was not done.
    let outcome = try ChildProcess.run(
      "/bin/sh",
      ["-c", "squeue --noheader --array --me --format='%i %T %j' 2>/dev/null </dev/null"],
      settings: [], limit: 16 << 20)
    guard outcome.failure == nil else { return [] }
    return String(decoding: outcome.output, as: UTF8.self).split(separator: "\n").compactMap {
      let fields = $0.split(separator: " ", maxSplits: 2).map(String.init)
      guard fields.count == 3, fields[1] != "COMPLETING", fields[2].hasPrefix(prefix) else {
        return nil
      }
      return Job(id: fields[0], name: fields[2])
    }
  }

  /// Submits a script.
  ///
  /// - Returns: the job's id.
  /// - Throws: `missing` where there is no Slurm, `inputOutput` with what sbatch says.
  static func submit(_ script: String) throws(CheckpointError) -> String {
    let outcome = try ChildProcess.run(
      "/bin/sh",
      [
        "-c",
        "command -v sbatch >/dev/null || exit 127; printf '%s' \"$0\" | sbatch --parsable 2>&1",
        script,
      ], settings: [], limit: 1 << 20)
    guard outcome.failure != "exit code 127" else {
      throw CheckpointError(
        .missing, "there is no sbatch on this machine",
        hint:
          "submit from one that has it; --dry-run prints the scripts, for any scheduler's own commands"
      )
    }
    let lines = String(decoding: outcome.output, as: UTF8.self).split(separator: "\n").map {
      $0.trimmingPrefix("sbatch: ").trimmingPrefix("error: ")
    }
    // The id, and with several clusters a semicolon and the cluster's name.
    let id = lines.last.map { $0.prefix { $0 != ";" } } ?? ""
    guard outcome.failure == nil, !id.isEmpty, id.allSatisfy(\.isNumber) else {
      let said = lines.filter { !$0.hasPrefix("Try \"sbatch") }.joined(separator: "; ")
      throw CheckpointError(
        .inputOutput, "Slurm didn't take the job",
        found: said.isEmpty ? outcome.failure : clipped(said, to: 500),
        hint:
          "look at it with --dry-run, which prints the scripts; --sbatch \"--partition=NAME --time=2:00:00\" gives sbatch what the cluster asks for"
      )
    }
    return String(id)
  }
}
