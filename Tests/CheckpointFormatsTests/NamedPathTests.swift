import CheckpointFormats
import Foundation
import TensorModel
import TestSupport
import Testing

/// Paths that stand for a checkpoint elsewhere.
@Suite struct NamedPathTests {
  private let workspace: Workspace
  private let weights: Data

  init() throws {
    workspace = try Workspace()
    weights = try SafetensorsSample([SampleTensor("w", [2, 3], floats: [1, 2, 3, 4, 5, 6])])
      .fileContents
  }

  private func sharded(_ index: String, in folder: String = "m") throws {
    try workspace.write("\(folder)/a.safetensors", weights)
    try workspace.write("\(folder)/config.json", Data("{\"model_type\": \"x\"}".utf8))
    try workspace.write("\(folder)/tokenizer.json", Data("{}".utf8))
    try workspace.write(
      "\(folder)/\(index)", Data("{\"weight_map\": {\"w\": \"a.safetensors\"}}".utf8))
  }

  private func snapshot(_ revision: String, main: String? = nil) throws -> String {
    let cache = "models--org--name"
    try workspace.write("\(cache)/snapshots/\(revision)/model.safetensors", weights)
    try workspace.write("\(cache)/blobs/0", Data())
    if let main { try workspace.write("\(cache)/refs/main", Data(main.utf8)) }
    return workspace.path(cache)
  }

  private func archive(_ name: String) throws {
    var tar = TarBuilder()
    tar.add("m/model.safetensors", [UInt8](weights))
    tar.end()
    try workspace.write(name, Data(tar.bytes))
  }

  /// The path opens as what is said, and keeps the name that the user gave it.
  private func opens(
    _ path: String, _ message: String, inputs: [String],
    _ location: SourceLocation = #_sourceLocation
  ) throws -> Source {
    let source = try Source(path)
    let finding = try #require(source.checkpoint.findings.first, sourceLocation: location)
    #expect(finding.check == "opened-as" && finding.severity == .note, sourceLocation: location)
    #expect(finding.message.contains(message), "\(finding)", sourceLocation: location)
    #expect(!finding.message.contains(workspace.path), sourceLocation: location)
    #expect(source.path == path, sourceLocation: location)
    #expect(source.inputs.map(\.name).sorted() == inputs, sourceLocation: location)
    #expect(source.checkpoint.tensors.map(\.name).contains("w"), sourceLocation: location)
    return source
  }

  private func refuses(
    _ path: String, _ code: CheckpointError.Code, _ message: String, found: String? = nil,
    hint: String, _ location: SourceLocation = #_sourceLocation
  ) {
    for open in [{ _ = try Source(path) }, { _ = try Source.needsUnpacking(path) }] {
      let error = #expect(throws: CheckpointError.self, sourceLocation: location) { try open() }
      #expect(error?.code == code, sourceLocation: location)
      #expect(error?.message.contains(message) == true, sourceLocation: location)
      #expect(error?.found == found, sourceLocation: location)
      #expect(error?.hint?.contains(hint) == true, sourceLocation: location)
    }
  }

  // MARK: Indexes and configurations

  @Test(arguments: [
    "model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.fp16.json",
  ])
  func anIndexOpensItsShards(index: String) throws {
    try sharded(index)
    let source = try opens(
      workspace.path("m/\(index)"), index, inputs: ["a.safetensors", "config.json", index].sorted())
    #expect(source.checkpoint.format == "safetensors" && source.checkpoint.configuration != nil)
    #expect(source.checkpoint.assets.map(\.name) == ["tokenizer.json"])
    #expect(source.title == "m" && source.place == workspace.path("m"))
  }

  /// Of several checkpoints in a folder, the index says which is meant.
  @Test func anIndexMeansItsShardsAmongOthers() throws {
    let index = "pytorch_model.bin.index.json"
    try workspace.write("model.safetensors", weights)
    for name in Fixtures.names(in: "pytorch/tensors/sharded") {
      try workspace.copy(Fixtures.path("pytorch/tensors/sharded/\(name)"), to: name)
    }
    #expect(try Source(workspace.path).checkpoint.format == "safetensors")
    let source = try Source(workspace.path(index))
    #expect(source.checkpoint.format == "pytorch" && source.checkpoint.tensors.count == 4)
    #expect(source.checkpoint.findings.map(\.check) == ["opened-as", "unused-weights"])
  }

  @Test func anIndexThatIsNoneIsRefused() throws {
    let path = try workspace.write("x.index.json", Data("{}".utf8))
    let error = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(error?.code == .malformed && error?.file == "x.index.json")
    try workspace.write("a.bin", Data("{}".utf8 + [UInt8](repeating: 0, count: 20)))
    try workspace.write("x.index.json", Data("{\"weight_map\": {\"w\": \"a.bin\"}}".utf8))
    #expect(throws: CheckpointError.self) { try Source(path) }
    try workspace.write("x.index.json", Data("{\"weight_map\": {\"w\": \"a.onnx\"}}".utf8))
    try workspace.write("a.onnx", Data("{}".utf8))
    let other = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(other?.code == .unsupported && other?.file == "a.onnx")
  }

  @Test func aConfigurationIsNoCheckpoint() throws {
    try sharded("model.safetensors.index.json")
    refuses(workspace.path("m/config.json"), .usage, "configuration", hint: workspace.path("m"))
  }

  // MARK: Hugging Face's cache

  @Test func aCacheOpensTheSnapshotOfMain() throws {
    _ = try snapshot("old")
    let cache = try snapshot("0ab1", main: "0ab1\n")
    for path in [cache, "\(cache)/", "\(cache)/snapshots", "\(cache)/snapshots/"] {
      let source = try opens(path, "snapshots/0ab1", inputs: ["model.safetensors"])
      #expect(source.title == "name")
    }
  }

  @Test func aCacheOpensItsOnlySnapshot() throws {
    let cache = try snapshot("0ab1")
    for path in [cache, "\(cache)/snapshots"] {
      _ = try opens(path, "the only snapshot", inputs: ["model.safetensors"])
    }
  }

  @Test func severalSnapshotsAreNamed() throws {
    _ = try snapshot("0ab1")
    let cache = try snapshot("2cd3")
    refuses(
      cache, .usage, "several snapshots", found: "0ab1, 2cd3", hint: "\(cache)/snapshots/0ab1")
  }

  @Test(arguments: ["gone", "", "..", "../snapshots/0ab1", "0ab1/../0ab1", "/etc"])
  func mainMustNameASnapshot(revision: String) throws {
    let cache = try snapshot("0ab1", main: revision)
    refuses(cache, .missing, "not there", found: "0ab1", hint: "download")
  }

  @Test func anEmptyCacheSaysSo() throws {
    try workspace.folder("models--a--b/snapshots")
    refuses(workspace.path("models--a--b"), .missing, "no snapshot", found: "nothing", hint: "down")
  }

  @Test func aFolderOfThatNameMayBeACheckpoint() throws {
    try workspace.write("refs/x", Data())
    try workspace.write("snapshots/model.safetensors", weights)
    #expect(try Source(workspace.path("snapshots")).checkpoint.findings.isEmpty)
  }

  // MARK: Archives

  @Test(arguments: ["x.tar", "step_1.tar"]) func theOnlyArchiveIsOpened(name: String) throws {
    try archive("f/\(name)")
    try workspace.write("f/README.md", Data("x".utf8))
    try workspace.write("f/config.json", Data("{\"model_type\": \"x\"}".utf8))
    let source = try opens(workspace.path("f"), name, inputs: [name])
    #expect(source.checkpoint.configuration == nil)
    #expect(try !Source.needsUnpacking(workspace.path("f")))
  }

  @Test func aCompressedArchiveInAFolderNeedsUnpacking() throws {
    let frame = try Fixtures.bytes("bad/tarzst/ok_simple.tar.zst")
    try workspace.write("f/x.tar.zst", Data(frame))
    #expect(try Source.needsUnpacking(workspace.path("f")))
  }

  @Test func severalArchivesAreNamed() throws {
    try archive("f/a.tar")
    try archive("f/b.tar")
    refuses(
      workspace.path("f"), .usage, "several archives", found: "a.tar, b.tar",
      hint: workspace.path("f/a.tar"))
  }

  @Test func archivesBesideACheckpointAreNotOpened() throws {
    try archive("f/a.tar")
    try workspace.write("f/model.safetensors", weights)
    let source = try Source(workspace.path("f"))
    #expect(source.checkpoint.findings.isEmpty && source.checkpoint.leftOut == ["a.tar"])
  }

  @Test func anArchiveThatIsNoneIsRefusedByItsName() throws {
    try workspace.write("f/a.tar", Data([0x1f, 0x8b, 8, 0]))
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path("f")) }
    #expect(error?.file == "a.tar" && error?.message.contains("gzip") == true)
  }
}
