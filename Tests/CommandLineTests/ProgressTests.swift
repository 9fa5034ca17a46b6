import Foundation
import TestSupport
import Testing

/// What commands announce, and what they then do: the same.
@Suite struct ProgressTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")
  private static let tensorByteCount = 802_112
  private static let publicKey = Fixtures.path("signing/private/secp384r1.pub.pem")

  /// A step as `--verbose` reports it.
  private struct Step: Equatable {
    let label: String
    let done: Int
    let total: Int
    let unit: String
  }

  /// Runs a command to its end, and requires that each step did what it announced.
  private func steps(_ arguments: [String]) throws -> [Step] {
    let outcome = try Weighbridge.run(arguments + ["--verbose"])
    #expect(outcome.code <= 1, "\(arguments): \(outcome.errors)")
    func number(_ text: Substring) -> Int { Int(text.replacing(",", with: "")) ?? -1 }
    let steps = outcome.errors
      .matches(of: /(?m)^(.+): ([\d,]+) of ([\d,]+) (bytes|layers|tokens) in .* s\b.*$/)
      .map {
        Step(label: "\($0.1)", done: number($0.2), total: number($0.3), unit: "\($0.4)")
      }
    for step in steps { #expect(step.done == step.total, "\(arguments): \(step)") }
    return steps
  }

  private func step(_ label: String, _ count: Int, _ unit: String = "bytes") -> Step {
    Step(label: label, done: count, total: count, unit: unit)
  }

  private func size(_ folder: String) throws -> Int {
    try workspace.snapshot(of: folder).values.reduce(0) { $0 + $1.count }
  }

  @Test func inspectionsReadAllTensors() throws {
    #expect(try steps(["inspect", Self.gptj]).isEmpty)
    #expect(
      try steps(["inspect", Self.gptj, "--digests"]) == [step("reading", Self.tensorByteCount)])
    let archived = try steps(["inspect", archive, "--digests", "--config", configuration])
    #expect(archived.map(\.label) == ["unpacking", "reading"])
    let size = try Data(contentsOf: URL(filePath: archive)).count
    #expect(archived.first == step("unpacking", size))
  }

  @Test func conversionsWriteAllTensorsAndRunAllLayers() throws {
    let (writing, running) = (
      step("writing", Self.tensorByteCount), step("running both models", 3, "layers")
    )
    #expect(try steps(["convert", Self.gptj, workspace.path("a.store")]) == [writing])
    #expect(
      try steps(["convert", Self.gptj, workspace.path("b.safetensors"), "--validate"])
        == [writing, running])
    for (name, scheme) in [("c.gguf", "q8_0"), ("d", "mlx-q4-g32"), ("e", "fp8")] {
      let steps = try steps([
        "quantize", Self.gptj, workspace.path(name), "--scheme", scheme, "--validate",
      ])
      #expect(steps.map(\.label) == ["writing", "running both models"])
    }
  }

  @Test func comparisonsCountBothSides() throws {
    #expect(
      try steps(["compare", Self.gptj, Self.gptj])
        == [step("comparing bytes", 2 * Self.tensorByteCount)])
    let half = workspace.path("half")
    #expect(
      try Weighbridge.run("convert", Self.gptj, half, "--to", "hf", "--dtype", "f16").code == 0)
    #expect(
      try steps(["compare", Self.gptj, half, "--forward"]) == [
        step("comparing values", Self.tensorByteCount * 3 / 2),
        step("running both models", 3, "layers"),
      ])
  }

  /// Of tensors that differ both sides are read again; of equal ones the first.
  @Test func summariesAndRanksCountWhatTheyRead() throws {
    var sample = try ModelSample("gptj")
    sample.edit("transformer.h.1.attn.q_proj.weight") { $0[5] += 1 }
    let tuned = try sample.write(workspace, "tuned")
    let changed = 4 * 64 * 64
    #expect(
      try steps(["compare", Self.gptj, tuned, "--rank"]) == [
        step("comparing bytes", 2 * Self.tensorByteCount),
        step("comparing values", 2 * changed),
        step("weighing equal tensors", Self.tensorByteCount - changed),
        step("finding ranks", 2 * changed),
      ])
  }

  @Test func verificationsAnnounceEveryCheck() throws {
    let copy = workspace.path("copy")
    #expect(try Weighbridge.run("convert", Self.gptj, copy, "--to", "hf").code == 0)
    #expect(try steps(["manifest", copy]).map(\.label) == ["hashing"])
    let hashed = try size("copy")
    let manifest = try workspace.contents("copy/weighbridge-manifest.json").count
    let reading = step("reading", Self.tensorByteCount)
    #expect(
      try steps(["verify", copy, "--against", Self.gptj]) == [
        reading, step("hashing files", hashed - manifest),
        step("comparing", Self.tensorByteCount),
      ])
    #expect(
      try steps(["verify", copy, "--skip", "digests", "--replay", Self.gptj])
        == [reading, step("making again", Self.tensorByteCount)])
  }

  @Test func signaturesCountWhatTheyHash() throws {
    let copy = workspace.path("copy")
    #expect(try Weighbridge.run("convert", Self.gptj, copy, "--to", "hf").code == 0)
    let hashed = try size("copy")
    let keys = Fixtures.path("signing/private/secp384r1.pkcs8.pem")
    #expect(try steps(["sign", copy, "--private-key", keys]) == [step("hashing", hashed)])
    let found = try steps([
      "verify", copy, "--checks", "signature", "--public-key", Self.publicKey,
    ])
    #expect(found.contains(step("hashing for the signature", hashed)), "\(found)")
  }

  @Test func forwardCountsTokens() throws {
    let arguments = ["forward", Self.gptj, "--tokens", "1,2,3"]
    #expect(try steps(arguments) == [step("running", 3, "tokens")])
    #expect(
      try steps(arguments + ["--logits", workspace.path("x.npy")])
        == [step("running", 3, "tokens")])
    #expect(try steps(arguments + ["--generate", "5"]) == [step("generating", 5, "tokens")])
    #expect(
      try steps(arguments + ["--perplexity", "--window", "2"]) == [step("measuring", 3, "tokens")])
  }

  @Test func quietSaysNothing() throws {
    let outcome = try Weighbridge.run("inspect", Self.gptj, "--digests", "-q")
    #expect(outcome.errors.isEmpty)
    #expect(try Weighbridge.run("inspect", Self.gptj, "-q", "-v").code == 2)
  }
}
