import Foundation
import TestSupport
import Testing

/// Reports of merges: what a single run says, byte for byte.
@Suite struct MergedReportTests {
  private let workspace: Workspace
  init() throws {
    workspace = try Workspace()
    for name in ["one", "many"] { try makeFolder(name) }
  }

  private func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: workspace.path(name), withIntermediateDirectories: true)
  }

  // MARK: Quantizations

  /// A quantization.
  struct Job: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let source: String
    let destination: String
    let options: [String]

    init(_ name: String, _ source: String, _ destination: String, _ options: String...) {
      testDescription = name
      self.source = fixture("huggingface/\(source)")
      self.destination = destination
      self.options = options
    }
  }

  static let jobs = [
    Job("GGUF", "gptj", "q.gguf", "--scheme", "q4_0"),
    Job("GGUF, searched", "gptj", "q.gguf", "--scheme", "q4_0", "--quality", "best"),
    Job("GGUF, several files", "gptj", "q.gguf", "--scheme", "q8_0", "--max-shard-size", "60KB"),
    Job("MLX", "llama", "mlx", "--scheme", "mlx-q4-g32", "--max-shard-size", "30KB"),
    Job("compressed-tensors", "llama", "ct", "--scheme", "fp8"),
    Job("compressed-tensors, layers of several", "llama", "ct", "--scheme", "w4a16-g32"),
    Job("a target for the size", "gptj", "t.gguf", "--target-bits", "9.6"),
    Job(
      "a target for vLLM", "llama", "ct", "--target-bits", "16.1", "--to", "compressed-tensors",
      "--quality", "best"),
  ]

  /// The document without what depends on the run.
  private func document(_ outcome: Weighbridge.Outcome) throws -> NSDictionary {
    var object = try outcome.object
    #expect(object.removeValue(forKey: "timing") != nil)
    return object as NSDictionary
  }

  @Test(arguments: jobs) func aMergeReportsAsASingleRunDoes(_ job: Job) throws {
    let alone = workspace.path("one/\(job.destination)")
    let pages = (workspace.path("one/q.html"), workspace.path("many/q.html"))
    let begin = ["quantize", job.source, alone] + job.options
    let first = try Weighbridge.run(begin + ["--max-rmse", "0.000001", "--report", pages.0])
    #expect(first.code == 1)
    let single = try Weighbridge.run(begin + ["--force", "--json"])
    #expect(single.code == 0)
    for isDocument in [false, true] {
      let together = workspace.path("many/\(job.destination)")
      for number in [2, 1, 3] {
        let part = try Weighbridge.run(
          ["quantize", job.source, together] + job.options
            + ["--part", "\(number)/3"] + (isDocument ? ["--force"] : []))
        #expect(part.code == 0, "\(part.errors)")
      }
      if isDocument {
        let merged = try Weighbridge.run("merge", together, "--json", "--force")
        #expect(merged.code == 0, "\(merged.errors)")
        #expect(try document(merged) == document(single))
      } else {
        let merged = try Weighbridge.run(
          "merge", together, "--max-rmse", "0.000001", "--report", pages.1)
        #expect(merged.code == 1, "\(merged.errors)")
        #expect(merged.text.replacing("/many/", with: "/one/") == first.text)
        #expect(
          try Data(contentsOf: URL(filePath: pages.1)) == Data(contentsOf: URL(filePath: pages.0)))
        try FileManager.default.removeItem(atPath: pages.1)
      }
    }
  }

  @Test func onlyAQuantizationHasAReport() throws {
    let destination = workspace.path("many/out")
    let command = ["convert", fixture("huggingface/llama"), destination, "--to", "hf"]
    #expect(try Weighbridge.run(command + ["--part", "1/1"]).code == 0)
    for options in [["--report", workspace.path("r.html")], ["--max-rmse", "1"]] {
      let merged = try Weighbridge.run(["merge", destination] + options)
      #expect(merged.code == 2 && merged.errors.contains("of a quantization"))
      #expect(!FileManager.default.fileExists(atPath: destination))
    }
    #expect(try Weighbridge.run("merge", destination, "--report", "junit").code == 2)
    #expect(try Weighbridge.run("merge", destination).code == 0)
  }

  @Test func aReportThatCantBeWrittenLeavesTheMergeToGoOn() throws {
    let destination = workspace.path("many/q.gguf")
    #expect(
      try Weighbridge.run(
        "quantize", fixture("huggingface/gptj"), destination, "--scheme", "q8_0", "--part", "1/1"
      ).code == 0)
    let nowhere = workspace.path("nowhere/q.html")
    #expect(try Weighbridge.run("merge", destination, "--report", nowhere).code == 2)
    #expect(!FileManager.default.fileExists(atPath: destination))
    #expect(
      try Weighbridge.run("merge", destination, "--report", workspace.path("q.html")).code == 0)
  }

  @Test func dryRunsSayWhichNumbersOfPartsAreEven() throws {
    let source = fixture("huggingface/llama")
    let shards = ["--max-shard-size", "20KB", "--dry-run"]
    let quantized = try Weighbridge.run(
      ["quantize", source, workspace.path("m"), "--scheme", "mlx-q4-g32"] + shards)
    #expect(quantized.text.contains(/even parts: \d+ files: (none|[\d, ]+)\n/))
    let converted = try Weighbridge.run(
      ["convert", source, workspace.path("h"), "--to", "hf"] + shards)
    #expect(converted.text.contains(/even parts   \d+ files: [\d, ]+\n/))
  }

  // MARK: Verifications

  /// The report of a run, and that of three parts.
  private func expectSame(
    _ name: String, _ code: Int32, _ arguments: String...
  ) throws {
    let alone = try Weighbridge.run(["verify"] + arguments + ["--json"])
    #expect(alone.code == code, "\(name): \(alone.text) \(alone.errors)")
    let folder = workspace.path("parts of \(name)")
    for number in [3, 1, 2] {
      let part = try Weighbridge.run(
        ["verify"] + arguments + ["--part", "\(number)/3", "--parts", folder])
      #expect(part.code == 0 || part.code == code, "\(name): \(part.errors)")
      #expect(
        try Weighbridge.run("status", folder).code == (number == 2 ? 0 : 1), "\(name)")
    }
    let merged = try Weighbridge.run("merge", folder, "--json")
    #expect(merged.code == code, "\(name): \(merged.errors)")
    #expect(merged.text == alone.text, "\(name)")
    let text = try Weighbridge.run("merge", folder)
    #expect(text.text == (try Weighbridge.run(["verify"] + arguments)).text, "\(name)")
  }

  private func flip(_ file: String) throws {
    var bytes = try Data(contentsOf: URL(filePath: file))
    bytes[bytes.count - 100] ^= 4
    try bytes.write(to: URL(filePath: file))
  }

  @Test func verificationsAgainstOthersAndReplays() throws {
    let source = fixture("huggingface/llama")
    let made = workspace.path("made")
    #expect(
      try Weighbridge.run(
        "convert", source, made, "--to", "hf", "--dtype", "f16", "--max-shard-size", "40KB",
        "--hash-inputs"
      ).code == 0)
    #expect(try Weighbridge.run("manifest", made, "--sha256sums").code == 0)
    try expectSame("against", 0, made, "--against", source)
    try expectSame("replay", 0, made, "--replay", source)
    try expectSame("both", 0, made, "--replay", source, "--against", source)
    try expectSame("another", 1, made, "--against", fixture("huggingface/llama_biases"))
    try expectSame("another replay", 1, made, "--replay", fixture("huggingface/llama_biases"))
    let files = try FileManager.default.contentsOfDirectory(atPath: made)
    let weights = try #require(files.filter { $0.hasSuffix(".safetensors") }.min())
    try flip("\(made)/\(weights)")
    try expectSame("damaged, against", 1, made, "--against", source)
    try expectSame("damaged, replay", 1, made, "--replay", source)
    try expectSame("stopping", 1, made, "--against", source, "--fail-fast")
    try expectSame("few checks", 1, made, "--against", source, "--checks", "against")
  }

  @Test func verificationsOfQuantizedWeights() throws {
    let source = fixture("huggingface/gptj")
    let made = workspace.path("q.gguf")
    #expect(try Weighbridge.run("quantize", source, made, "--scheme", "q8_0").code == 0)
    try expectSame("GGUF against", 0, made, "--against", source)
    try expectSame("GGUF replay", 0, made, "--replay", source)
  }

  @Test func verificationsOfSignatures() throws {
    let made = workspace.path("made")
    #expect(
      try Weighbridge.run(
        "convert", fixture("huggingface/llama"), made, "--to", "hf", "--max-shard-size", "40KB"
      ).code == 0)
    let key = fixture("signing/private/secp384r1.pkcs8.pem")
    let own = fixture("signing/private/secp384r1.pub.pem")
    let other = fixture("signing/private/prime256v1.pub.pem")
    #expect(try Weighbridge.run("sign", made, "--private-key", key).code == 0)
    try expectSame("signed", 0, made, "--public-key", own)
    try expectSame("signed by others", 1, made, "--public-key", other)
    try expectSame(
      "signed, derived", 0, made, "--public-key", own, "--replay", fixture("huggingface/llama"))
    try flip("\(made)/config.json")
    try expectSame("changed since it was signed", 1, made, "--public-key", own)
  }

  @Test func verificationsOfDifferences() throws {
    let base = fixture("huggingface/llama")
    let store = workspace.path("fork.store")
    #expect(
      try Weighbridge.run("convert", fixture("huggingface/llama_biases"), store, "--base", base)
        .code == 0)
    try expectSame("a difference", 0, store, "--base", base)
    try expectSame("a difference without its base", 0, store)
    let part = try Weighbridge.run(
      "convert", base, workspace.path("o.store"), "--base", base, "--part", "1/2")
    #expect(part.code == 2 && part.errors.contains("every part would read all of them"))
    let submission = try Weighbridge.run(
      "convert", base, workspace.path("o.store"), "--base", base, "--submit", "slurm:2",
      "--dry-run")
    #expect(submission.code == 2 && submission.errors.contains("isn't made in parts"))
  }

  @Test func archivesAreUnpackedOnce() throws {
    let outcome = try Weighbridge.run(
      "verify", fixture("huggingface/gptj"), "--against", archive, "--config", configuration,
      "--part", "1/2", "--parts", workspace.path("parts"))
    #expect(outcome.code == 2 && outcome.errors.contains("unpack it once"))
  }
}
