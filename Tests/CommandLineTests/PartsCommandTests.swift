import Foundation
import TestSupport
import Testing

@testable import weighbridge

/// `--part`, `merge`, `status`, `--submit` as people and programs see them.
@Suite struct PartsCommandTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let llama = fixture("huggingface/llama")

  private func part(_ part: String, _ more: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      [
        "convert", Self.llama, workspace.path("out"), "--to", "hf", "--max-shard-size", "40KB",
        "--part", part,
      ] + more)
  }

  @Test func statusCountsPartsAndMergeMakesTheResult() throws {
    #expect(try Weighbridge.run("status", workspace.path("out")).code == 2)
    #expect(try part("1/3").code == 0)
    let document = try Weighbridge.run("status", workspace.path("out"), "--json")
    #expect(document.code == 1)
    let object = try document.object
    #expect(object["schema"] as? String == "parts/v1")
    #expect(object["part_count"] as? Int == 3)
    #expect(object["complete"] as? Bool == false)
    #expect(object["missing"] as? String == "2-3")
    let parts = try #require(object["parts"] as? [[String: Any]])
    #expect(parts.map { $0["state"] as? String } == ["complete", "absent", "absent"])
    let early = try Weighbridge.run("merge", workspace.path("out"))
    #expect(early.code == 2)
    #expect(early.errors.contains("without 2-3"))
    for number in 2...3 {
      #expect(try part("\(number)/3", "--json").object["schema"] as? String == "parts/v1")
    }
    #expect(try part("2/3").errors.contains("is complete already"))
    #expect(try Weighbridge.run("status", workspace.path("out")).code == 0)
    let merged = try Weighbridge.run("merge", workspace.path("out"), "--json")
    #expect(merged.code == 0)
    let alone = try Weighbridge.run(
      "convert", Self.llama, workspace.path("alone"), "--to", "hf", "--max-shard-size", "40KB",
      "--json"
    ).object
    var together = try merged.object
    together["timing"] = alone["timing"]
    #expect(NSDictionary(dictionary: together).isEqual(to: alone))
    let again = try Weighbridge.run("merge", workspace.path("out"), "--wait", "60s")
    #expect(again.code == 0 && again.errors.contains("already"))
    #expect(try Weighbridge.run("verify", workspace.path("out")).code == 0)
  }

  @Test(arguments: ["0/3", "4/3", "x/3", "2", "-1/3", "auto/x"])
  func oddPartsAreUsageErrorsAndMakeNothing(_ text: String) throws {
    #expect(
      try Weighbridge.run(
        "convert", Self.llama, workspace.path("out"), "--to", "hf", "--part=\(text)"
      ).code == 2)
    #expect(try FileManager.default.contentsOfDirectory(atPath: workspace.path).isEmpty)
  }

  @Test func usageErrorsNameTheRange() throws {
    func errors(_ text: String) throws -> String {
      try Weighbridge.run("convert", Self.llama, "o", "--part=\(text)").errors
    }
    #expect(try errors("0/3").contains("The parts are 1/3 to 3/3."))
    #expect(try errors("4/3").contains("The parts are 1/3 to 3/3."))
    #expect(try errors("1/100000").contains("There are 1 to 99999 parts."))
    #expect(try errors("x/3").contains("such as 3/32"))
  }

  @Test func aDryRunSaysWhatThePartWouldBe() throws {
    let text = try part("2/3", "--dry-run").text
    #expect(text.hasSuffix("\n\npart 2/3: 13 tensors, 251 KB, in 7 files\n"))
    #expect(try part("2/3", "--dry-run", "--json").errors.contains("part 2/3: 13 tensors"))
    let quantized = try Weighbridge.run(
      "quantize", fixture("huggingface/gptj"), workspace.path("q.gguf"), "--scheme", "q8_0",
      "--part", "99/99", "--dry-run")
    #expect(quantized.text.contains("part 99/99: nothing to do: whole tensors are done"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: workspace.path).isEmpty)
  }

  @Test func partsWithoutTensorsSayWhy() throws {
    let volumes = try Weighbridge.run(
      "convert", Self.llama, workspace.path("o.store"), "--part", "2/2")
    #expect(volumes.errors.contains("nothing to do: whole volumes are done"))
    let tensors = try Weighbridge.run(
      "convert", fixture("huggingface/gptj"), workspace.path("o.gguf"), "--part", "99/99")
    #expect(tensors.errors.contains("nothing to do: whole tensors are done"))
    #expect(tensors.errors.contains(": gguf, 0 tensors"))
  }

  @Test func whatOnlyTheWholeHasIsGivenToMerge() throws {
    let source = fixture("huggingface/llama")
    for arguments in [
      ["convert", source, workspace.path("o"), "--to", "hf", "--part", "1/2", "--validate"],
      // A part would be written as one of a full store.
      ["convert", source, workspace.path("o.store"), "--part", "1/2", "--base", source],
      [
        "quantize", source, workspace.path("o"), "--scheme", "q8_0", "--part", "1/2", "--max-rmse",
        "1",
      ],
      [
        "quantize", source, workspace.path("o.gguf"), "--scheme", "q8_0", "--submit", "slurm:2",
        "--report", "r.html",
      ],
      [
        "convert", source, workspace.path("o"), "--to", "hf", "--part", "1/2", "--submit",
        "slurm:2",
      ],
      ["convert", source, workspace.path("o"), "--to", "hf", "--sbatch", "--time=1"],
      ["verify", source, "--part", "1/2"], ["verify", source, "--parts", workspace.path("p")],
      ["verify", source, "--part", "1/2", "--parts", workspace.path("p"), "--json"],
    ] {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 2, "\(arguments)")
      #expect(outcome.errors.contains("hint: "), "\(arguments)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: workspace.path).isEmpty)
  }

  @Test func mergeJudgesAQuantization() throws {
    for limit in ["0.5", "0.0000001"] {
      let destination = workspace.path("q-\(limit).gguf")
      for number in 1...2 {
        #expect(
          try Weighbridge.run(
            "quantize", fixture("huggingface/gptj"), destination, "--scheme", "q8_0", "--part",
            "\(number)/2"
          ).code == 0)
      }
      let merged = try Weighbridge.run("merge", destination, "--max-rmse", limit)
      #expect(merged.code == (limit == "0.5" ? 0 : 1))
      #expect(FileManager.default.fileExists(atPath: destination))
    }
  }

  // MARK: Slurm

  @Test func submissionsAreScriptsThatCanBePrinted() throws {
    func printed(_ more: String...) throws -> String {
      try Weighbridge.run(
        [
          "convert", Self.llama, workspace.path("o'ut"), "--to", "hf", "--max-shard-size", "40KB",
          "--dry-run",
        ] + more
      ).text
    }
    let text = try printed(
      "--submit", "slurm:3%2", "--memory", "1GB", "--threads", "2", "--sbatch", "--time=1:00 -p cpu"
    )
    #expect(text.hasPrefix("#!/bin/sh\n"))
    for line in [
      "#SBATCH --array=1-3%2", "#SBATCH --mem=1256M", "#SBATCH --cpus-per-task=2",
      "#SBATCH --requeue", "#SBATCH --time=1:00 -p cpu", "#SBATCH --kill-on-invalid-dep=yes",
      "#SBATCH --dependency=afterok:$ARRAY",
    ] {
      #expect(text.contains("\(line)\n"), "\(line)")
    }
    #expect(text.contains("--part \"$SLURM_ARRAY_TASK_ID/3\" --resume\n"))
    #expect(text.contains("merge '\(workspace.path("o'\\''ut"))' --wait 90s"))
    #expect(!text.contains("--dry-run") && !text.contains("--submit"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: workspace.path).isEmpty)
    // Only what is missing, and at last the merge alone.
    for number in [1, 3] {
      _ = try Weighbridge.run(
        "convert", Self.llama, workspace.path("o'ut"), "--to", "hf", "--max-shard-size", "40KB",
        "--part", "\(number)/3")
    }
    #expect(try printed("--submit", "slurm:3").contains("#SBATCH --array=2\n"))
    _ = try Weighbridge.run(
      "convert", Self.llama, workspace.path("o'ut"), "--to", "hf", "--max-shard-size", "40KB",
      "--part", "2/3")
    let rest = try printed("--submit", "slurm:3")
    #expect(!rest.contains("--array=") && !rest.contains("--dependency"))
    #expect(rest.contains("merge"))
  }

  @Test(arguments: ["slurm", "slurm:0", "slurm:x", "pbs:3", "slurm:3%0", "slurm:100000"])
  func oddSubmissionsAreRefused(_ text: String) throws {
    #expect(
      try Weighbridge.run(
        "convert", Self.llama, workspace.path("out"), "--to", "hf", "--submit", text, "--dry-run"
      ).code == 2)
  }

  // MARK: Verification

  @Test func reportsInPartsAreASingleRuns() throws {
    let copy = workspace.path("model")
    #expect(try Weighbridge.run("convert", Self.llama, copy, "--to", "hf").code == 0)
    func report(_ name: String) throws -> Weighbridge.Outcome {
      for number in [2, 1, 3] {
        _ = try Weighbridge.run(
          "verify", copy, "--part", "\(number)/3", "--parts", workspace.path(name))
      }
      return try Weighbridge.run("merge", workspace.path(name), "--json")
    }
    let alone = try Weighbridge.run("verify", copy, "--json")
    let together = try report("sound")
    #expect(together.code == alone.code && together.text == alone.text)
    let file = "\(copy)/model.safetensors"
    var bytes = try Data(contentsOf: URL(filePath: file))
    bytes[bytes.count - 100] ^= 4
    try bytes.write(to: URL(filePath: file))
    // What has changed since isn't mixed up with what was read then.
    #expect(try Weighbridge.run("merge", workspace.path("sound"), "--json").code == 2)
    let broken = try report("broken")
    let brokenAlone = try Weighbridge.run("verify", copy, "--json")
    #expect(broken.code == 1 && broken.text == brokenAlone.text)
    #expect(
      try Weighbridge.run("verify", copy, "--part", "1/4", "--parts", workspace.path("broken")).code
        == 2)
  }

  @Test func aPartThatHasReadItsShareIsFine() throws {
    // Whatever it finds: a scheduler goes on to the merge, which judges.
    let other = workspace.path("other")
    _ = try Weighbridge.run("convert", Self.llama, other, "--to", "hf", "--dtype", "bf16")
    for number in 1...2 {
      let part = try Weighbridge.run(
        "verify", Self.llama, "--against", other, "--part", "\(number)/2", "--parts",
        workspace.path("report"))
      #expect(part.code == 0)
      #expect(part.text.contains("read, 1"), "\(part.text)")
    }
    #expect(try Weighbridge.run("merge", workspace.path("report")).code == 1)
  }

  @Test func partsOfAVerificationLieOutsideOfWhatIsRead() throws {
    let copy = workspace.path("model")
    #expect(try Weighbridge.run("convert", Self.llama, copy, "--to", "hf").code == 0)
    for folder in ["\(copy)/report", copy, "\(copy)/a/../report"] {
      let outcome = try Weighbridge.run("verify", copy, "--part", "1/2", "--parts", folder)
      #expect(outcome.code == 2 && outcome.errors.contains("outside of"))
    }
    #expect(try Weighbridge.run("verify", copy).code == 0)
    _ = try Weighbridge.run("verify", copy, "--part", "1/2", "--parts", workspace.path("report"))
    let other = try Weighbridge.run(
      "verify", copy, "--part", "1/3", "--parts", workspace.path("report"))
    #expect(other.errors.contains("expected 3 parts of sha256:"))
    #expect(other.errors.contains("found 2 parts of sha256:"))
  }

  @Test func aMergeWithoutAPartNamesIt() throws {
    _ = try Weighbridge.run(
      "verify", Self.llama, "--part", "2/3", "--parts", workspace.path("parts"))
    let outcome = try Weighbridge.run("merge", workspace.path("parts"))
    #expect(outcome.code == 2 && outcome.errors.contains("without 1,3"))
  }
}
