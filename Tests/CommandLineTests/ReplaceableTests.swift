import Foundation
import TestSupport
import Testing

/// What --force takes for a checkpoint: contents count, not names, and no file vouches for others.
@Suite struct ReplaceableTests {
  private let workspace: Workspace
  private let source = fixture("huggingface/gpt2")

  init() throws { workspace = try Workspace() }

  private func convert(_ arguments: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(["convert"] + arguments + ["--quiet"], directory: workspace.path(""))
  }

  private func write(_ name: String, _ text: String) throws {
    if let slash = name.lastIndex(of: "/") { try workspace.folder(String(name[..<slash])) }
    try workspace.write(name, Data(text.utf8))
  }

  private func expectKept(_ stranger: String) throws {
    let before = try workspace.snapshot(of: "")
    let outcome = try convert(source, "out", "--to", "safetensors", "--force")
    #expect(outcome.code == 2 && outcome.errors.contains(stranger), "\(outcome.errors)")
    #expect(try workspace.snapshot(of: "") == before)
  }

  @Test(arguments: [
    ".cache/huggingface/token", ".cache/huggingface/hub/models--a--b/blobs/x",
    ".cache/huggingface/download/thesis.txt", "1_Pooling/thesis.bin", "1_Pooling/deep/data.csv",
    "x.gguf", "x.npz", "x.safetensors", "x.pt", "x.bin", "step_1/shard_0/0.npz", ".ssh/key",
  ])
  func otherFilesThanItsOwn(name: String) throws {
    #expect(try convert(source, "out").code == 0)
    try write("out/modules.json", #"[{"path": "1_Pooling"}]"#)
    try write("out/1_Pooling/config.json", "{}")
    try write("out/\(name)", "years of work")
    try expectKept(name)
  }

  /// Names in files that anybody can write.
  @Test(arguments: [
    ".secret", "docs/thesis.md", "thesis.pdf", "notes.safetensors", ".a.safetensors",
  ])
  func whatManifestsName(name: String) throws {
    #expect(try convert(source, "out").code == 0)
    try write("out/\(name)", "years of work")
    let index = ["weight_map": ["x": name]]
    try workspace.write(
      "out/x.index.json", try JSONSerialization.data(withJSONObject: index))
    let path = "out/weighbridge-certificate.json"
    var certificate = try #require(
      try JSONSerialization.jsonObject(with: workspace.contents(path)) as? [String: Any])
    for list in ["files", "assets"] {
      let entry: [String: Any] = [
        "name": name, "byte_count": 13, "digest": "sha256:" + String(repeating: "0", count: 64),
      ]
      certificate[list] = (certificate[list] as? [Any] ?? []) + [entry]
    }
    try workspace.write(path, try JSONSerialization.data(withJSONObject: certificate))
    try expectKept(name)
  }

  /// An empty list names nothing, and anybody keeps numbers in arrays.
  @Test(arguments: [
    ("weighbridge-certificate.json", "{}"),
    ("model.safetensors.index.json", #"{"weight_map": {}}"#),
    ("manifest.json", "{}"), ("README.md", "a diary"),
  ])
  func namesOfAModelMakeNone(name: String, text: String) throws {
    try write("out/\(name)", text)
    try expectKept("no weights in it")
    try workspace.copy(fixture("npz/small.npz"), to: "out/measurements.npz")
    try expectKept("measurements.npz")
  }

  @Test func aConfigurationTellsWhatArraysAre() throws {
    try workspace.folder("out")
    try workspace.copy(fixture("npz/small.npz"), to: "out/measurements.npz")
    try expectKept("nothing says that it is a checkpoint")
    try write("out/config.json", "{}")
    #expect(try convert(source, "out", "--to", "safetensors", "--force").code == 0)
  }

  @Test func severalModels() throws {
    try workspace.folder("out")
    for name in ["a.gguf", "b.gguf"] { #expect(try convert(source, "out/\(name)").code == 0) }
    for name in workspace.names(in: "out") where name.hasSuffix(".json") {
      try workspace.remove("out/\(name)")
    }
    try expectKept("a.gguf, b.gguf")
    try workspace.remove("out/b.gguf")
    #expect(try convert(source, "out", "--to", "safetensors", "--force").code == 0)
  }

  // MARK: Split sets

  @Test func aSetGivesWayAsAWhole() throws {
    #expect(try convert(source, "m.gguf", "--max-shard-size", "100KB").code == 0)
    let parts = workspace.names()
    let other = try convert(source, "m.gguf", "--dtype", "f16")
    #expect(other.code == 2 && other.errors.contains("-00001-of-"), "\(other.errors)")
    #expect(workspace.names() == parts)
    #expect(try convert(source, "m.gguf", "--dtype", "f16", "--force").code == 0)
    #expect(workspace.names() == ["m.certificate.json", "m.gguf"])
    #expect(try Weighbridge.run("verify", workspace.path("m.gguf")).code == 0)
    #expect(
      try convert(source, "m.gguf", "--max-shard-size", "100KB", "--force").code == 0)
    #expect(workspace.names() == parts)
  }

  @Test func aPartIsNoDestination() throws {
    #expect(try convert(source, "m.gguf", "--max-shard-size", "100KB").code == 0)
    let before = try workspace.snapshot(of: "")
    let part = try #require(workspace.names().first { $0.hasSuffix(".gguf") })
    for name in [part, "new-00001-of-00002.gguf"] {
      let outcome = try convert(fixture("huggingface/llama"), name, "--force")
      #expect(outcome.code == 2 && outcome.errors.contains("--max-shard-size"))
    }
    #expect(try workspace.snapshot(of: "") == before)
  }

  /// The parts stay, and so does the certificate that speaks for them.
  @Test func aSetIsJoinedBesideItself() throws {
    #expect(try convert(source, "m.gguf", "--max-shard-size", "100KB").code == 0)
    let before = try workspace.snapshot(of: "")
    let part = try #require(workspace.names().first { $0.hasSuffix(".gguf") })
    for options in [[], ["--force"]] {
      let outcome = try Weighbridge.run(
        ["convert", part, "m.gguf", "--quiet"] + options, directory: workspace.path(""))
      #expect(outcome.code == 0, "\(outcome.errors)")
      let now = try workspace.snapshot(of: "")
      #expect(now.filter { before.keys.contains($0.key) } == before)
      #expect(Set(now.keys).subtracting(before.keys) == ["m.gguf", "m.gguf.certificate.json"])
    }
    for name in [part, "m.gguf"] {
      let outcome = try Weighbridge.run("verify", workspace.path(name))
      #expect(outcome.code == 0 && outcome.text.contains("certificate   passed"))
    }
  }
}
