import Foundation
import TestSupport
import Testing

/// Pipes, sockets and links among a checkpoint's files: each is said to be what it is, and none is waited for or followed out.
@Suite struct UnreadableFileTests {
  private let workspace: Workspace
  private let model: String

  init() throws {
    workspace = try Workspace()
    model = try ModelSample("gpt2").write(workspace, "model")
  }

  @Test(arguments: ["pipe", "tokenizer.json", "1_Pooling/x.json", "weights.bin"])
  func aPipeBesideTheWeightsIsSaid(name: String) throws {
    try workspace.folder("model/1_Pooling")
    try workspace.write("model/1_Pooling/config.json", Data("{}".utf8))
    try workspace.write("model/modules.json", Data(#"[{"path": "1_Pooling"}]"#.utf8))
    #expect(mkfifo(workspace.path("model/\(name)"), 0o600) == 0)
    for arguments in [["verify", model], ["convert", model, workspace.path("out")]] {
      let outcome = try Weighbridge.run(arguments)
      // A loader would wait for it.
      let isError = name == "tokenizer.json" && arguments[0] == "verify"
      #expect(outcome.code == (isError ? 1 : 0), "\(outcome.errors)")
      #expect((outcome.text + outcome.errors).contains("found a named pipe"))
      #expect(!(outcome.text + outcome.errors).contains("\(name)/"))
    }
  }

  /// What stands in the place of a file that a model's loader reads.
  @Test(
    arguments: [
      "config.json", "generation_config.json", "vocab.json", "model.safetensors.index.json",
    ],
    ["pipe", "folder", "link to nowhere", "device"])
  func whatLoadersStumbleOverIsAnError(_ name: String, _ kind: String) throws {
    let path = workspace.path("model/\(name)")
    try? FileManager.default.removeItem(atPath: path)
    switch kind {
    case "pipe": #expect(mkfifo(path, 0o600) == 0)
    case "folder": try workspace.folder("model/\(name)")
    case "device":
      try FileManager.default.createSymbolicLink(
        atPath: path, withDestinationPath: "/dev/zero")
    default:
      try FileManager.default.createSymbolicLink(
        atPath: path, withDestinationPath: "nowhere")
    }
    let verified = try Weighbridge.run("verify", model)
    #expect(verified.code == 1, "\(verified.text)")
    #expect(verified.text.split(separator: "\n").count { $0.hasPrefix("error: \(name)") } == 1)
    #expect(!verified.text.contains("warning: \(name)"), "\(verified.text)")
    let converted = try Weighbridge.run("convert", model, workspace.path("out"))
    #expect(converted.code == (name == "config.json" ? 2 : 0), "\(converted.errors)")
    #expect(converted.errors.contains(name))
  }

  /// Lists and certificates say themselves what is wrong.
  @Test(arguments: [
    "weighbridge-manifest.json", "SHA256SUMS", "weighbridge-certificate.json",
  ])
  func aPipeIsSaidOnce(_ name: String) throws {
    #expect(mkfifo(workspace.path("model/\(name)"), 0o600) == 0)
    let outcome = try Weighbridge.run("verify", model)
    #expect(outcome.code == 1)
    #expect(
      outcome.text.split(separator: "\n").count { $0.contains("found a named pipe") } == 1,
      "\(outcome.text)")
  }

  @Test func aPipeAmongAssetsIsSaid() throws {
    try workspace.folder("assets")
    #expect(mkfifo(workspace.path("assets/tokenizer.json"), 0o600) == 0)
    let outcome = try Weighbridge.run(
      "convert", model, workspace.path("out"), "--assets", workspace.path("assets"))
    #expect(outcome.errors.contains("found a named pipe"), "\(outcome.errors)")
  }

  @Test func aStoreWithAPipeOrALinkOut() throws {
    let store = workspace.path("x.store")
    #expect(try Weighbridge.run("convert", model, store).code == 0)
    try FileManager.default.moveItem(
      atPath: "\(store)/assets/config.json", toPath: workspace.path("secret"))
    try FileManager.default.createSymbolicLink(
      atPath: "\(store)/assets/config.json", withDestinationPath: "../../secret")
    let linked = try Weighbridge.run("inspect", store)
    #expect((linked.text + linked.errors).contains("[link-out]"), "\(linked.text)\(linked.errors)")
    try workspace.remove("x.store/assets/config.json")
    #expect(mkfifo("\(store)/assets/config.json", 0o600) == 0)
    let piped = try Weighbridge.run("verify", store)
    #expect(piped.code == 1 && piped.text.contains("a named pipe"), "\(piped.text)")
  }

  /// Only a cache's own folders have `blobs` that belong to them.
  @Test(arguments: [("models--a--b", true), ("home", false)])
  func blobsOfACache(folder: String, belongs: Bool) throws {
    try workspace.folder("\(folder)/blobs")
    try workspace.folder("\(folder)/snapshots")
    try FileManager.default.moveItem(
      atPath: model, toPath: workspace.path("\(folder)/snapshots/0"))
    try workspace.write("\(folder)/blobs/x", Data("{}".utf8))
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("\(folder)/snapshots/0/generation_config.json"),
      withDestinationPath: "../../blobs/x")
    let outcome = try Weighbridge.run(
      "convert", workspace.path("\(folder)/snapshots/0"), workspace.path("out"))
    #expect(outcome.code == 0)
    #expect(workspace.has("out/generation_config.json") == belongs)
    #expect(outcome.errors.contains("[link-out]") != belongs)
  }

  @Test(arguments: ["convert", "inspect", "verify"])
  func aConfigurationThatIsNoneIsNamed(command: String) throws {
    let path = try workspace.write("mine.json", Data("{no".utf8))
    let more = command == "convert" ? [workspace.path("out")] : []
    let outcome = try Weighbridge.run([command, model] + more + ["--config", path])
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("mine.json: ") && outcome.errors.contains("hint:"))
    #expect(!workspace.has("out"))
  }
}
