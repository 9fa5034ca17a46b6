import Foundation
import TestSupport
import Testing

/// Commands with paths that stand for a checkpoint elsewhere.
@Suite struct NamedPathTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// Converts, and verifies the result and the source; what was read is said by names that hold anywhere.
  private func works(
    _ source: String, _ options: String..., opened: String, inputs: [String]
  ) throws {
    let destination = workspace.path("out")
    let conversion = try Weighbridge.run(
      ["convert", source, destination, "--to", "hf", "--json"] + options)
    try #require(conversion.code == 0, "\(conversion.errors)")
    #expect(conversion.errors.contains("note: opened: \(opened)"))
    let certificate = try conversion.object
    let names = (certificate["inputs"] as? [[String: Any]] ?? []).compactMap {
      $0["name"] as? String
    }
    #expect(names.sorted() == inputs)
    #expect(!conversion.text.contains(workspace.path))
    let against = try Weighbridge.run(["verify", destination, "--against", source] + options)
    #expect(against.code == 0 && against.text.contains("against       passed"), "\(against.text)")
    let inspection = try Weighbridge.run(["inspect", source] + options)
    #expect(inspection.code == 0 && inspection.errors.contains("[opened-as]"))
  }

  @Test func anIndexNamesItsShards() throws {
    let folder = try workspace.copy(fixture("pytorch/gptj_sharded"), to: "m")
    let index = "pytorch_model.bin.index.json"
    try works(
      "\(folder)/\(index)", opened: "the sharded checkpoint",
      inputs: [
        "config.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
        index,
      ])
  }

  /// As transformers writes a variant's.
  @Test func aFolderHasAnIndexOfAnotherName() throws {
    let folder = try workspace.copy(fixture("pytorch/gptj_sharded"), to: "m")
    let index = "pytorch_model.bin.index.fp16.json"
    try workspace.move("m/pytorch_model.bin.index.json", to: "m/\(index)")
    try works(
      folder, opened: "the sharded checkpoint that \(index) is the index of",
      inputs: [
        "config.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
        index,
      ])
  }

  @Test func shardsWithoutAnIndexAreCounted() throws {
    let folder = try workspace.copy(fixture("pytorch/gptj_sharded"), to: "m")
    try workspace.remove("m/pytorch_model.bin.index.json")
    let whole = try Weighbridge.run("verify", folder)
    #expect(whole.code == 1 && whole.text.contains("2 shards without their index"), "\(whole.text)")
    for (old, new) in [("00001", "00002"), ("00002", "00004")] {
      try workspace.move(
        "m/pytorch_model-\(old)-of-00002.bin", to: "m/pytorch_model-\(new)-of-00004.bin")
    }
    let found = try Weighbridge.run("verify", folder)
    #expect(found.code == 1 && found.text.contains("expected 4 shards, found 2"), "\(found.text)")
    for number in [1, 3] {
      #expect(found.text.contains("pytorch_model-0000\(number)-of-00004.bin: a shard is not there"))
    }
  }

  @Test func aCacheNamesItsSnapshot() throws {
    try workspace.write("models--a--b/refs/main", Data("0ab1".utf8))
    try workspace.folder("models--a--b/snapshots")
    try workspace.copy(fixture("pytorch/gptj_sharded"), to: "models--a--b/snapshots/0ab1")
    try works(
      workspace.path("models--a--b"), opened: "snapshots/0ab1, which refs/main names",
      inputs: [
        "config.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
        "pytorch_model.bin.index.json",
      ])
  }

  /// The certificate beside what was opened is the one that counts.
  @Test func aFolderNamesItsArchive() throws {
    try workspace.folder("f")
    try workspace.copy(archive, to: "f/step.tar.zstd")
    try works(
      workspace.path("f"), "--config", configuration, opened: "step.tar.zstd",
      inputs: ["step.tar.zstd"])
    try workspace.write("f/step.tar.certificate.json", Data("{}".utf8))
    let verification = try Weighbridge.run(
      "verify", workspace.path("f"), "--config", configuration)
    #expect(verification.text.contains("step.tar.certificate.json can't be used"))
  }

  @Test func aConfigurationIsAUsageError() throws {
    for command in ["inspect", "verify"] {
      let outcome = try Weighbridge.run(command, fixture("pytorch/gptj_sharded/config.json"))
      #expect(outcome.code == 2 && outcome.errors.contains("hint: name the folder"))
    }
  }

  @Test func weightsAreInspectedThoughTheConfigurationAloneIsBroken() throws {
    let folder = try workspace.copy(fixture("huggingface/gpt2"), to: "broken")
    let obstacles: [(what: String, make: () throws -> Void)] = [
      ("not valid JSON", { try workspace.write("broken/config.json", Data("{".utf8)) }),
      (
        "too large",
        { try workspace.write("broken/config.json", Data(repeating: 32, count: 17 << 20)) }
      ),
      ("a folder", { try workspace.folder("broken/config.json") }),
      (
        "leads nowhere: to /nowhere",
        {
          try FileManager.default.createSymbolicLink(
            atPath: workspace.path("broken/config.json"), withDestinationPath: "/nowhere")
        }
      ),
    ]
    for (what, make) in obstacles {
      try workspace.remove("broken/config.json")
      try make()
      let outcome = try Weighbridge.run("inspect", folder)
      #expect(outcome.code == 0 && outcome.errors.contains(what), "\(what): \(outcome.errors)")
      #expect(outcome.text.contains("40 tensors"))
    }
  }

  @Test func aConfigurationThatCannotBeReadStopsConversions() throws {
    let folder = try workspace.copy(fixture("huggingface/gpt2"), to: "broken")
    try workspace.write("broken/config.json", Data(repeating: 32, count: 17 << 20))
    let outcome = try Weighbridge.run("convert", folder, workspace.path("out"))
    #expect(outcome.code == 2 && outcome.errors.contains("too large"), "\(outcome.errors)")
    #expect(!workspace.has("out"))
    #expect(try Weighbridge.run("verify", folder).code == 1)
  }
}
