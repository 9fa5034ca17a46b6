import Foundation
import TestSupport
import Testing

/// What a command reads is never what it replaces, by whatever path, option or mount it is read.
@Suite struct InputProtectionTests {
  private let workspace: Workspace
  private let model: String

  init() throws {
    workspace = try Workspace()
    model = try ModelSample("gpt2").write(workspace, "model")
  }

  /// Runs a command that must be refused, and leave everything as it is.
  private func expectRefusal(
    _ arguments: [String], shell: String? = nil, _ location: SourceLocation = #_sourceLocation
  ) throws {
    let before = try workspace.snapshot(of: "")
    let outcome = try Weighbridge.run(
      arguments + ["--force", "--quiet"], shell: shell, directory: workspace.path(""))
    #expect(outcome.code == 2, "\(outcome.text)", sourceLocation: location)
    #expect(outcome.errors.contains("hint:"), "\(outcome.errors)", sourceLocation: location)
    #expect(try workspace.snapshot(of: "") == before, sourceLocation: location)
  }

  @Test(arguments: ["data/model.safetensors", "data"])
  func weightsBehindLinksOfTheSource(destination: String) throws {
    try workspace.folder("data")
    try FileManager.default.moveItem(
      atPath: workspace.path("model/model.safetensors"),
      toPath: workspace.path("data/model.safetensors"))
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("model/model.safetensors"),
      withDestinationPath: "../data/model.safetensors")
    try expectRefusal(["convert", "model", destination, "--to", "safetensors", "--dtype", "f16"])
  }

  @Test func hardLinksToInputs() throws {
    try FileManager.default.linkItem(
      atPath: workspace.path("model/model.safetensors"), toPath: workspace.path("m.safetensors"))
    try expectRefusal(["convert", "model", "m.safetensors"])
  }

  @Test func partsBesideTheNamedFile() throws {
    #expect(
      try Weighbridge.run("convert", model, workspace.path("d"), "--max-shard-size", "50KB").code
        == 0)
    let last = try #require(workspace.names(in: "d").last { $0.hasSuffix(".safetensors") })
    try expectRefusal(["convert", "d/model.safetensors.index.json", "d/\(last)"])
    #expect(
      try Weighbridge.run(
        "convert", fixture("huggingface/gpt2"), workspace.path("m.gguf"),
        "--max-shard-size", "100KB"
      ).code == 0)
    let parts = workspace.names().filter { $0.hasSuffix(".gguf") }
    try #require(parts.count > 1)
    try expectRefusal(["convert", parts[0], parts[1]])
  }

  @Test func whatOptionsName() throws {
    try Data(try Fixtures.bytes("quantization/imatrix/imatrix.gguf"))
      .write(to: URL(filePath: workspace.path("i.gguf")))
    try expectRefusal(["quantize", "model", "i.gguf", "--imatrix", "i.gguf", "--scheme", "q8_0"])
    try workspace.write("tokens.npy", Data(try Fixtures.bytes("huggingface/gpt2/tokens.npy")))
    try FileManager.default.linkItem(
      atPath: workspace.path("tokens.npy"), toPath: workspace.path("logits.npy"))
    let before = try workspace.snapshot(of: "")
    let outcome = try Weighbridge.run(
      ["forward", "model", "--tokens-file", "tokens.npy", "--logits", "logits.npy"],
      directory: workspace.path(""))
    #expect(outcome.code == 2)
    #expect(try workspace.snapshot(of: "") == before)
  }

  @Test func aSpoolInTheDestination() throws {
    #expect(try Weighbridge.run("convert", model, workspace.path("out")).code == 0)
    let arguments = ["convert", archive, "out", "--to", "hf", "--config", configuration]
    try expectRefusal(arguments + ["--spool", "out"])
  }

  // MARK: Mounts

  /// Only the superuser of a system with mount namespaces can try it.
  private static let canMount: Bool =
    (try? Weighbridge.run(["--version"], shell: inNamespace("true")).code) == 0

  private static func inNamespace(_ mount: String) -> String {
    "exec unshare -m sh -c '\(mount) && exec \"$0\" \"$@\"' \"$0\" \"$@\""
  }

  @Test(
    .enabled(if: canMount),
    arguments: [
      ["model", "view/model.safetensors"], ["view", "model", "--to", "safetensors"],
      ["model", "view/new", "--to", "safetensors"], ["model/model.safetensors", "view"],
    ])
  func anotherMountOfTheSource(_ arguments: [String]) throws {
    try workspace.folder("view")
    try expectRefusal(["convert"] + arguments, shell: Self.inNamespace("mount --bind model view"))
  }

  @Test(.enabled(if: canMount), arguments: ["out", "out/1_Pooling", "out/model.safetensors"])
  func aMountInTheDestination(place: String) throws {
    try workspace.folder("model/1_Pooling")
    try workspace.write("model/1_Pooling/config.json", Data("{}".utf8))
    try workspace.write("model/modules.json", Data(#"[{"path": "1_Pooling"}]"#.utf8))
    #expect(try Weighbridge.run("convert", model, workspace.path("out")).code == 0)
    let source = try ModelSample("gpt2").write(workspace, "other")
    let mount = Self.inNamespace("mount --bind \(place) \(place)")
    try expectRefusal(["convert", source, "out", "--to", "safetensors"], shell: mount)
  }
}
