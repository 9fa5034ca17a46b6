import Foundation
import TestSupport
import Testing

/// No name, path or argument gives the program that runs a pipeline a command, whatever prints it.
@Suite struct RunnerCommandTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let names = [
    "::error::a", " \t::warning file=x::b", "c##[error]d", "##[group]e", "\n::add-mask::f",
    "\r::stop-commands::g", "h\u{2028}::debug::i",
  ]

  private func expectNone(_ arguments: String...) throws {
    let outcome = try Weighbridge.run(arguments, directory: workspace.path)
    #expect(outcome.code >= 0)
    let found = RunnerCommands.names(in: outcome.text + "\n" + outcome.errors)
    #expect(found.isEmpty, "\(arguments): \(found)")
  }

  @Test func theDetectorDetects() {
    let text = "x\n  ::error file=a::b\nc ##[add-mask]d\n##[error]\nstd::vector::x"
    #expect(RunnerCommands.names(in: text) == ["error", "##", "##"])
  }

  @Test func namesOfTensorsAndMetadata() throws {
    let tensors = Self.names.map { SampleTensor($0, [1], floats: [70_000]) }
    let metadata = Dictionary(uniqueKeysWithValues: Self.names.map { ($0, $0) })
    let file = try workspace.write(
      "a.safetensors", SafetensorsSample(tensors, metadata: metadata).fileContents)
    let other = try workspace.write(
      "b.safetensors", SafetensorsSample([SampleTensor("x", [1], floats: [1])]).fileContents)
    for option in ["--tensors", "--statistics", "--json"] {
      try expectNone("inspect", file, option)
    }
    for option in ["--quiet", "--json", "--strict"] { try expectNone("verify", file, option) }
    try expectNone("verify", file, "--against", other)
    try expectNone("compare", file, other)
    try expectNone("compare", other, file, "--json")
    try expectNone("convert", file, "out", "--dry-run")
    try expectNone("convert", file, "out", "--dry-run", "--json")
    try expectNone("convert", file, "half", "--dtype", "f16")
    try expectNone("convert", file, "half", "--dtype", "f16", "--allow-overflow", "--json")
    try expectNone("convert", file, "out.gguf")
    try expectNone("convert", file, "out.npz")
    try expectNone("convert", file, "out.store")
    try expectNone("quantize", file, "q.gguf", "--scheme", "q8_0", "--dry-run")
    try expectNone("forward", file, "--tokens", "1")
  }

  @Test(arguments: ["::error::x", " ::add-mask::y", "z##[group]"])
  func pathsAndArguments(name: String) throws {
    try workspace.write("\(name).safetensors", Data("garbage".utf8))
    for command in ["inspect", "verify", "forward"] {
      try expectNone(command, name)
      try expectNone(command, "\(name).safetensors")
      try expectNone(command, "x", "--memory", name)
      try expectNone(command, "x", "--\(name)")
    }
    try expectNone(name)
    try expectNone("convert", fixture("huggingface/gpt2"), name)
    try expectNone("verify", "x", "--report", name)
    try expectNone("verify", "x", "--report", "json=no/\(name)")
    try expectNone("verify", "x", "--skip", name)
  }
}
