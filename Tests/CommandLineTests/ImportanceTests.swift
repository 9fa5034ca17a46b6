import Foundation
import Quantization
import TensorModel
import TestSupport
import Testing

/// `weighbridge importance`.
@Suite struct ImportanceTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let mixtral = fixture("huggingface/mixtral")
  private static let gptj = fixture("huggingface/gptj")

  /// Writes rows of tokens below 64.
  private func tokens(_ rows: Range<Int>, length: Int = 24) throws -> String {
    let values = rows.map { row in (0..<length).map { (row * 31 + $0 * 7 + $0 * $0) % 64 } }
    let path = workspace.path("tokens-\(rows.lowerBound)-\(rows.upperBound)-\(length).json")
    try JSONEncoder().encode(values).write(to: URL(filePath: path))
    return path
  }

  private func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: URL(filePath: workspace.path(name)))
  }

  private func run(_ arguments: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(["importance"] + arguments)
  }

  @Test func expertsHaveCountsOfTheirOwnAndAPrior() throws {
    let file = try tokens(0..<2)
    let outcome = try run(
      Self.mixtral, "--tokens-file", file, "--output", workspace.path("m.gguf"), "--json")
    #expect(outcome.code == 0)
    let schema = Fixtures.packageRoot.appending(path: "schemas/importance.v1.schema.json")
    let known = try JSONSerialization.jsonObject(with: Data(contentsOf: schema)) as? [String: Any]
    let properties = try #require(known?["properties"] as? [String: Any])
    #expect(try Set(outcome.object.keys) == Set(properties.keys).subtracting(["moments"]))
    let tensors = try #require(try outcome.object["tensors"] as? [[String: Any]])
    let gates = try #require(
      tensors.first { $0["name"] as? String == "blk.0.ffn_gate_exps.weight" })
    // Two of four experts for each of 48 tokens.
    #expect(gates["experts"] as? Int == 4 && gates["token_count"] as? Int == 96)
    #expect((gates["least_token_count"] as? Int).map { $0 < 32 } == true)
    let findings = try #require(try outcome.object["findings"] as? [[String: Any]])
    #expect(findings.map { $0["check"] as? String } == ["importance-prior"])
    let met = try ImportanceSums(path: workspace.path("m.gguf"), recordedIn: nil)
    let entry = try #require(met.entries["blk.0.ffn_up_exps.weight"])
    #expect(entry.counts.reduce(0, +) == 96 && entry.counts.contains { $0 < 32 })
    let quantized = try ["with", "without"].map { name in
      let path = workspace.path("\(name).gguf")
      let more = name == "with" ? ["--imatrix", workspace.path("m.gguf")] : []
      let outcome = try Weighbridge.run(
        ["quantize", Self.mixtral, path, "--scheme", "q4_0", "--assets", fixture("gguf/tokenizer")]
          + more)
      #expect(outcome.code == 0, "\(outcome.errors)")
      return try Data(contentsOf: URL(filePath: path))
    }
    #expect(quantized[0] != quantized[1])
  }

  @Test func sumsOfPartsAreSumsOfTheWhole() throws {
    let whole = try tokens(0..<4)
    #expect(
      try run(Self.gptj, "--tokens-file", whole, "--output", workspace.path("w.gguf")).code == 0)
    let (first, rest) = (try tokens(0..<1), try tokens(1..<4))
    #expect(
      try run(Self.gptj, "--tokens-file", first, "--output", workspace.path("a.gguf")).code == 0)
    #expect(
      try run(
        Self.gptj, "--tokens-file", rest, "--merge", workspace.path("a.gguf"), "--output",
        workspace.path("b.gguf")
      ).code == 0)
    let sums = try ["w.gguf", "b.gguf"].map {
      try ImportanceSums(path: workspace.path($0), recordedIn: nil)
    }
    #expect(sums[0].chunkCount == 4 && sums[1].chunkCount == 4)
    #expect(sums[1].datasets == ["tokens-0-1-24.json", "tokens-1-4-24.json"])
    #expect(!sums[0].entries.isEmpty && sums[0].entries.keys == sums[1].entries.keys)
    for (name, entry) in sums[0].entries {
      let other = try #require(sums[1].entries[name])
      #expect(entry.counts == [96] && other.counts == [96])
      for (one, two) in zip(entry.sums, other.sums) { #expect(abs(one - two) <= 1e-5 * one + 1e-9) }
    }
    let foreign = try run(
      Self.mixtral, "--tokens-file", rest, "--merge", workspace.path("a.gguf"), "--output",
      workspace.path("c.gguf"))
    #expect(foreign.code == 2 && foreign.errors.contains("same model"))
    #expect(!FileManager.default.fileExists(atPath: workspace.path("c.gguf")))
  }

  @Test func anOutputThatIsThereStays() throws {
    let file = try tokens(0..<1)
    let output = workspace.path("m.gguf")
    #expect(try run(Self.gptj, "--tokens-file", file, "--output", output).code == 0)
    let first = try bytes("m.gguf")
    let again = try run(Self.gptj, "--tokens-file", file, "--output", output)
    #expect(again.code == 2 && again.errors.contains("--force"))
    let other = try tokens(1..<2)
    #expect(try run(Self.gptj, "--tokens-file", other, "--output", output, "--force").code == 0)
    #expect(try bytes("m.gguf") != first)
    try Data("a text".utf8).write(to: URL(filePath: workspace.path("t.gguf")))
    let foreign = try run(
      Self.gptj, "--tokens-file", file, "--output", workspace.path("t.gguf"), "--force")
    #expect(foreign.code == 2)
    #expect(try bytes("t.gguf") == Data("a text".utf8))
  }

  @Test func twoOutputsAreTwoFiles() throws {
    let file = try tokens(0..<1)
    let output = workspace.path("one.gguf")
    let outcome = try run(
      Self.gptj, "--tokens-file", file, "--output", output, "--hessian",
      workspace.path("./one.gguf"))
    #expect(outcome.code == 2 && outcome.errors.contains("would be one file"))
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test func aRunIsTakenUpToTheSameBytes() throws {
    // More windows than a wave has room for: 8 batches of 2048 tokens.
    let file = try tokens(0..<700)
    #expect(
      try run(Self.gptj, "--tokens-file", file, "--output", workspace.path("w.gguf")).code == 0)
    let started = try Weighbridge.Run(
      ["importance", Self.gptj, "--tokens-file", file, "--output", workspace.path("i.gguf")])
    let state = workspace.path(".i.gguf.partial")
    let deadline = Date().addingTimeInterval(60)
    while !FileManager.default.fileExists(atPath: state), Date() < deadline { usleep(2000) }
    started.send(SIGINT)
    let outcome = try started.outcome()
    try #require(outcome.code == 130, "\(outcome.code) \(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: workspace.path("i.gguf")))
    let refused = try run(Self.gptj, "--tokens-file", file, "--output", workspace.path("i.gguf"))
    #expect(refused.code == 2 && refused.errors.contains("--resume"))
    let other = try run(
      Self.gptj, "--tokens-file", try tokens(0..<3), "--output", workspace.path("i.gguf"),
      "--resume")
    #expect(other.code == 2 && other.errors.contains("other tokens"))
    let resumed = try run(
      Self.gptj, "--tokens-file", file, "--output", workspace.path("i.gguf"), "--resume")
    #expect(resumed.code == 0, "\(resumed.errors)")
    #expect(try bytes("i.gguf") == bytes("w.gguf"))
    #expect(!FileManager.default.fileExists(atPath: state))
  }

  @Test func aTextIsCutIntoWindows() throws {
    let path = workspace.path("text.txt")
    try Data(String(repeating: "A GPT-J model's weights.\n", count: 40).utf8)
      .write(to: URL(filePath: path))
    let outcome = try run(
      Self.gptj, "--text", path, "--window", "32", "--process-output", "--output",
      workspace.path("m.gguf"), "--json")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let document = try outcome.object
    let count = try #require(document["chunk_count"] as? Int)
    #expect(count > 2 && document["token_count"] as? Int == count * 32)
    #expect((document["left_out_token_count"] as? Int).map { $0 < 32 } == true)
    let names = try ImportanceMatrix(path: workspace.path("m.gguf")).names
    #expect(names.contains("output.weight"))
  }
}
