import Foundation
import TestSupport
import Testing

/// Reports on standard output, everything else on standard error.
@Suite struct ReportTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// All keys of a JSON document, however deep.
  private func keys(_ value: Any) -> Set<String> {
    switch value {
    case let object as [String: Any]:
      object.values.reduce(Set(object.keys)) { $0.union(keys($1)) }
    case let array as [Any]: array.reduce([]) { $0.union(keys($1)) }
    default: []
    }
  }

  private func expectWellFormed(_ outcome: Weighbridge.Outcome, _ schema: String) throws {
    let object = try outcome.object
    #expect(object["schema"] as? String == schema)
    #expect(keys(object).allSatisfy { $0.wholeMatch(of: /[a-z][a-z0-9_]*/) != nil })
    // Sorted keys, as a serialization that sorts them has them.
    let sorted = try JSONSerialization.data(withJSONObject: object, options: .sortedKeys)
    func order(_ text: String) -> [Substring] { text.matches(of: /"([a-z0-9_]+)" ?:/).map(\.1) }
    #expect(order(outcome.text) == order(String(decoding: sorted, as: UTF8.self)))
  }

  static let checkpoints = [
    [fixture("huggingface/gpt2")], [fixture("huggingface/gptj/model.safetensors")],
    [fixture("foreign/gpt2_tf")], [fixture("foreign/llama_flax/model.safetensors")],
    [archive, "--config", configuration], [archive],
    [fixture("mesh-transformer/npz_variants/py311_bf16.npz")],
  ]

  @Test(arguments: checkpoints) func inspectsEveryFormat(arguments: [String]) throws {
    let text = try Weighbridge.run(["inspect"] + arguments)
    #expect(text.code == 0)
    #expect(text.text.hasPrefix("format        "))
    #expect(!text.text.contains("sha256:"))
    let json = try Weighbridge.run(
      ["inspect"] + arguments + ["--json", "--digests", "--statistics"])
    #expect(json.code == 0)
    try expectWellFormed(json, "inspection/v1")
    let object = try json.object
    #expect((object["root"] as? String)?.hasPrefix("sha256:") == true)
    #expect(!json.text.contains(Fixtures.packageRoot.path))
    let tensors = try #require(object["tensors"] as? [[String: Any]])
    #expect(!tensors.isEmpty)
    #expect(tensors.allSatisfy { $0["digest"] != nil && $0["statistics"] != nil })
    #expect(object["attention"] as? String == "causal")
    #expect(object.keys.contains("architecture"))
    #expect(object["findings"] is [Any])
  }

  @Test func inspectsAnArchiveOnStandardInput() throws {
    let piped = try Weighbridge.run("inspect", "-", "--json", "--digests", input: archive)
    #expect(piped.code == 0)
    #expect(
      try piped.object["root"] as? String
        == Weighbridge.run("inspect", archive, "--json", "--digests").object["root"] as? String)
  }

  @Test func convertSaysThreeLinesBeforeAndOneAfter() throws {
    let source = fixture("huggingface/gptj")
    let out = workspace.path("out")
    let outcome = try Weighbridge.run("convert", source, out, "--dtype", "bf16")
    #expect(outcome.code == 0)
    let before = outcome.errors.split(separator: "\n").map { $0.prefix { $0 != " " } }
    // What is left out is a fourth; size and time follow the work.
    #expect(before == ["source", "destination", "needs", "note:", "written"])
    let lines = outcome.text.split(separator: "\n")
    #expect(lines.count == 1)
    #expect(lines.first?.contains("35 tensors") == true)
    #expect(lines.first?.contains("rounded by at most 0.5 ulp") == true)
    #expect(lines.first?.contains("root sha256:") == true)
    #expect(lines.first?.hasSuffix("weighbridge verify \(out)") == true)
  }

  @Test func quietIsSilentOnStandardError() throws {
    let source = fixture("huggingface/gptj")
    let outcome = try Weighbridge.run("convert", source, workspace.path("out"), "--quiet")
    #expect(outcome.code == 0)
    #expect(outcome.errors.isEmpty)
    #expect(!outcome.output.isEmpty)
    #expect(try Weighbridge.run("verify", workspace.path("out"), "--quiet").errors.isEmpty)
    #expect(try Weighbridge.run("inspect", workspace.path("out"), "--quiet").errors.isEmpty)
    let failed = try Weighbridge.run("inspect", workspace.path("none"), "--quiet")
    #expect(failed.errors.hasPrefix("error: "))
  }

  @Test func convertJSONIsTheCertificateAndMore() throws {
    let outcome = try Weighbridge.run(
      "convert", archive, workspace.path("out"), "--to", "hf", "--config", configuration, "--json",
      "--hash-inputs")
    #expect(outcome.code == 0)
    try expectWellFormed(outcome, "conversion/v1")
    #expect(!outcome.text.contains(workspace.path))
    #expect(!outcome.text.contains(Fixtures.packageRoot.path))
    var object = try outcome.object
    #expect(object["resumed_tensors"] as? Int == 0)
    #expect(object["timing"] is [String: Any])
    #expect(object["path"] as? String == "step.tar.zstd")
    object["path"] = nil
    object["resumed_tensors"] = nil
    object["timing"] = nil
    object["schema"] = "certificate/v1"
    let certificate = try JSONSerialization.jsonObject(
      with: workspace.contents("out/weighbridge-certificate.json"))
    #expect(NSDictionary(dictionary: object) == certificate as? NSDictionary)
  }

  @Test func dryRunPrintsThePlanAndWritesNothing() throws {
    let arguments = [
      "convert", fixture("huggingface/gptj"), workspace.path("out"), "--dry-run", "--dtype", "f16",
      "--max-shard-size", "100KB",
    ]
    let json = try Weighbridge.run(arguments + ["--json"])
    #expect(json.code == 0)
    try expectWellFormed(json, "plan/v1")
    let text = try Weighbridge.run(arguments)
    #expect(text.code == 0)
    #expect(text.text.contains("model-00001-of-00005.safetensors"))
    #expect(text.text.contains("cast(transformer.wte.weight, F16)"))
    #expect(workspace.names().isEmpty)
  }

  @Test func verifyExitsWith1WhereSomethingIsFound() throws {
    let out = workspace.path("out")
    #expect(
      try Weighbridge.run("convert", archive, out, "--to", "hf", "--config", configuration).code
        == 0)
    let against = ["verify", out, "--against", archive, "--config", configuration]
    let sound = try Weighbridge.run(against)
    #expect(sound.code == 0)
    #expect(sound.text.contains("\nok; "))
    let json = try Weighbridge.run(against + ["--json"])
    try expectWellFormed(json, "verification/v2")
    #expect(!json.text.contains(Fixtures.packageRoot.path))
    try workspace.edit("out/model.safetensors") { $0[$0.count - 50] ^= 1 }
    for arguments in [against, ["verify", out], ["verify", out, "--json"]] {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 1)
      #expect(!outcome.output.isEmpty)
    }
    try workspace.edit("out/model.safetensors") { $0.removeLast() }
    let truncated = try Weighbridge.run("verify", out)
    #expect(truncated.code == 1)
    #expect(truncated.text.contains("FAILED: 1 error"))
  }

  @Test func verifyFailsOnWarningsIfAsked() throws {
    let sample = SafetensorsSample([SampleTensor("mask", "BOOL", [1], Data([2]))])
    let file = try workspace.write("bool.safetensors", sample.fileContents)
    #expect(try Weighbridge.run("verify", file).code == 0)
    #expect(try Weighbridge.run("verify", file, "--fail-on", "warning").code == 1)
  }

  @Test(arguments: [["--tensors"], ["--json"], []])
  func aReaderThatHasGoneAwayIsNoError(arguments: [String]) throws {
    let pipe = Pipe()
    try pipe.fileHandleForReading.close()
    let run = try Weighbridge.Run(
      ["inspect", fixture("huggingface/gpt2")] + arguments, output: pipe.fileHandleForWriting)
    let outcome = try run.outcome()
    #expect(outcome.code == 0)
    #expect(outcome.errors.isEmpty)
  }

  @Test func aFullStandardOutputIsAnError() throws {
    let full = try FileHandle(forWritingTo: URL(filePath: "/dev/full"))
    let run = try Weighbridge.Run(["inspect", fixture("huggingface/gpt2")], output: full)
    let outcome = try run.outcome()
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("standard output"))
  }

  // MARK: Terminals

  /// Names with escapes, line feeds and marks that turn text around.
  static let names = [
    "a\u{1b}[31mred\u{1b}[0m", "b\u{7}\u{8}bell", "c\nerror: forged", "d\r\u{9b}2Kgone",
    "e\u{202e}reversed\u{2066}", "f\u{2028}line",
  ]

  @Test func namesNeverReachTheTerminalRaw() throws {
    let tensors = Self.names.map { SampleTensor($0, [1], floats: [70_000]) }
    let sample = SafetensorsSample(tensors, metadata: ["\u{1b}[31mkey": "\u{1b}]0;title\u{7}"])
    let file = try workspace.write("in.safetensors", sample.fileContents)
    let broken = try workspace.write(
      "broken\u{1b}[31m.safetensors", sample.fileContents.dropLast(1))
    let runs = [
      ["inspect", file], ["inspect", file, "--tensors"],
      ["inspect", file, "--statistics", "--digests"], ["inspect", file, "--json"],
      ["convert", file, workspace.path("out"), "--dry-run"],
      ["convert", file, workspace.path("out"), "--dry-run", "--json"],
      ["convert", file, workspace.path("out")], ["convert", file, workspace.path("o"), "--json"],
      ["convert", file, workspace.path("out2"), "--dtype", "f16"], ["verify", file],
      ["verify", file, "--json"], ["inspect", broken], ["verify", broken],
      ["verify", file, "--against", fixture("huggingface/gpt2")],
    ]
    for arguments in runs {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code >= 0)
      for text in [outcome.text, outcome.errors] {
        let bad = text.unicodeScalars.first {
          $0 != "\n"
            && ($0.properties.generalCategory == .control
              || $0.properties.generalCategory == .format || $0 == "\u{2028}")
        }
        if arguments.contains("--json") && text == outcome.text {
          // JSON escapes what ASCII has of control characters; the rest stays as it is.
          #expect(!text.utf8.contains { $0 < 32 && $0 != 10 }, "\(arguments)")
        } else {
          #expect(bad == nil, "\(arguments)")
        }
        #expect(!text.contains("\nerror: forged"), "\(arguments)")
      }
    }
  }
}
