import Foundation
import TestSupport
import Testing

@testable import weighbridge

/// `--submit` beside a Slurm that isn't one: programs of its commands' names say what they were given, and what is in the queue.
@Suite struct SubmissionTests {
  private let workspace: Workspace
  init() throws {
    workspace = try Workspace()
    try workspace.write("bin/queue", Data())
    // Numbers jobs from 1, and keeps their scripts.
    try program(
      "sbatch",
      """
      n=$(($(ls "$D" | grep -c '^script') + 1)); cat > "$D/script$n"; echo "$n;cluster"
      """)
    try program("squeue", "cat \"$D/queue\"")
  }

  private func program(_ name: String, _ text: String) throws {
    try workspace.write("bin/\(name)", Data("#!/bin/sh\nD=$(dirname \"$0\")\n\(text)\n".utf8))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: workspace.path("bin/\(name)"))
  }

  private func submit(
    _ more: [String], to destination: String = "out", parts: Int = 3
  ) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      [
        "convert", fixture("huggingface/llama"), workspace.path(destination), "--to", "hf",
        "--max-shard-size", "40KB", "--submit", "slurm:\(parts)",
      ] + more, shell: "PATH=\(workspace.path("bin")):/usr/bin:/bin")
  }

  private func script(_ number: Int) throws -> String {
    String(
      decoding: try Data(contentsOf: URL(filePath: workspace.path("bin/script\(number)"))),
      as: UTF8.self)
  }

  private func name(_ number: Int) throws -> String {
    try #require(script(number).firstMatch(of: /--job-name=(\S+)/).map { String($0.1) })
  }

  @Test func whatIsInTheQueueIsntSubmittedAgain() throws {
    let first = try submit(["--json"]).object
    #expect(first["schema"] as? String == "submission/v1")
    #expect(first["submitted"] as? String == "1-3" && first["queued"] as? String == "")
    #expect(first["array_job"] as? String == "1" && first["merge_job"] as? String == "2")
    let (array, merge) = (try name(1), try name(2))
    #expect(merge == "\(array).merge")
    func queue(_ lines: String...) throws {
      try workspace.write("bin/queue", Data((lines + [""]).joined(separator: "\n").utf8))
    }
    try queue(
      "1_1 RUNNING \(array)", "1_2 PENDING \(array)", "1_3 PENDING \(array)",
      "2 PENDING \(merge)", "9 RUNNING something else")
    let again = try submit(["--json"]).object
    #expect(again["submitted"] as? String == "" && again["queued"] as? String == "1-3")
    #expect(again["array_job"] is NSNull && again["merge_job"] as? String == "2")
    #expect(try submit([]).text.contains("merge 2 is in the queue already"))
    let dry = try submit(["--dry-run"])
    #expect(dry.text.isEmpty && dry.errors.contains("nothing to submit"))
    #expect(!FileManager.default.fileExists(atPath: workspace.path("bin/script3")))
    // A task has failed, and another one is ending without its part.
    try queue("1_1 RUNNING \(array)", "1_2 COMPLETING \(array)", "2 PENDING \(merge)")
    let rest = try submit(["--json"]).object
    #expect(rest["submitted"] as? String == "2-3" && rest["queued"] as? String == "1")
    #expect(try script(3).contains("#SBATCH --array=2-3\n"))
    #expect(try script(4).contains("#SBATCH --dependency=afterok:3:1_1\n"))
    // The merge alone is gone.
    try queue("1_1 RUNNING \(array)", "3_2 PENDING \(array)", "3_3 PENDING \(array)")
    let last = try submit(["--json"]).object
    #expect(last["array_job"] is NSNull && last["merge_job"] as? String == "5")
    #expect(try script(5).contains("#SBATCH --dependency=afterok:1_1:3_2:3_3\n"))
    // Other work for the same place.
    for other in [try submit([], parts: 4), try submit(["--dtype", "f16"])] {
      #expect(other.code == 2 && other.errors.contains("scancel 1 3"))
    }
    #expect(try submit([], to: "elsewhere").code == 0)
  }

  @Test func percentSignsOfPathsAreNoVariables() throws {
    _ = try submit([], to: "100%a's")
    #expect(try script(1).contains("/100%%a'\\''s.slurm-%A_%a.out'\n"))
    #expect(try script(2).contains("/100%%a'\\''s.slurm-%j.out'\n"))
    #expect(try script(2).contains("merge '\(workspace.path("100%a'\\''s"))' --wait"))
    for name in ["a\\b", "a\nb"] {
      let outcome = try submit([], to: name)
      #expect(outcome.code == 2 && outcome.errors.contains("sbatch can't write"))
    }
  }

  @Test(arguments: [
    "--array=1-9", "-a 1-9", "-p cpu -a3", "--arr 3", "--output=x", "-o x", "-D /", "--wrap=x",
    "--mem=3G", "--cpus-per-task=3", "-c3", "--no-requeue", "-J 'x y'", "--dependency=singleton",
    "'--array=3'", "--wait",
  ]) func optionsOfTheSubmissionsOwnAreRefused(_ options: String) throws {
    let outcome = try submit(
      ["--memory", "1GB", "--threads", "1", "--dry-run", "--sbatch", options])
    #expect(outcome.code == 2 && outcome.errors.contains("is set by the submission itself"))
    #expect(outcome.errors.contains("leave it out"))
  }

  @Test(arguments: [
    "--mem=3G -c 3 --mem-per-cpu=1", "--time=1:00 -p cpu", "-A acct --comment='a -a'",
  ])
  func otherOptionsArePassedOn(_ options: String) throws {
    #expect(try submit(["--dry-run", "--sbatch", options]).text.contains("#SBATCH \(options)\n"))
  }

  @Test func whatSbatchSaysIsOneLine() throws {
    try program("sbatch", "echo 'sbatch: error: no such partition' >&2; echo more; exit 1")
    let outcome = try submit([])
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("found no such partition; more\n"))
    // The array is there, and the merge is refused.
    try program(
      "sbatch", "grep -q -e --array && echo 7 && exit; echo 'sbatch: error: no'; exit 1")
    let half = try submit([])
    #expect(half.code == 2 && half.errors.contains("scancel 7"))
    try FileManager.default.removeItem(atPath: workspace.path("bin/sbatch"))
    // One that is installed would be found.
    if !["/usr/bin/sbatch", "/bin/sbatch"].contains(where: FileManager.default.fileExists) {
      #expect(try submit([]).errors.contains("there is no sbatch on this machine"))
    }
    #expect(try submit(["--json", "--dry-run"]).code == 2)
  }
}
