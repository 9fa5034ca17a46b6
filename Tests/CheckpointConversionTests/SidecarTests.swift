import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// The files beside the weights.
@Suite struct SidecarTests {
  private let workspace: Workspace

  init() throws {
    workspace = try Workspace()
    try workspace.folder("in")
    let sample = SafetensorsSample([
      SampleTensor("x", [3], floats: [1, 2, 3]), SampleTensor("n", "I64", [1], Data(count: 8)),
    ])
    try workspace.write("in/model.safetensors", sample.fileContents)
  }

  private func write(_ names: [String], to folder: String = "in") throws {
    for name in names { try workspace.write("\(folder)/\(name)", Data("<\(folder)/\(name)>".utf8)) }
  }

  @Test func tokenizersDoNotMix() throws {
    try write(["tokenizer.json", "merges.txt", "special_tokens_map.json", "generation_config.json"])
    try workspace.folder("assets")
    try write(["tokenizer.model", "tokenizer_config.json"], to: "assets")
    let assets = workspace.path("assets")
    let certificate = try convert(workspace.path("in"), workspace.path("out")) {
      $0.openOptions.assetsDirectory = assets
    }.certificate
    #expect(
      certificate.assets.map(\.name).sorted()
        == ["generation_config.json", "tokenizer.model", "tokenizer_config.json"])
    #expect(certificate.leftOut == ["merges.txt", "special_tokens_map.json", "tokenizer.json"])
    // Settings alone are no tokenizer.
    try workspace.remove("assets/tokenizer.model")
    let kept = try convert(workspace.path("in"), workspace.path("kept")) {
      $0.openOptions.assetsDirectory = assets
    }.certificate
    #expect(kept.assets.count == 5 && kept.leftOut.isEmpty)
  }

  @Test func areCarriedVerbatimOrListed() throws {
    let carried = [
      "LICENSE", "LICENSE.md", "chat_template.jinja", "merges.txt", "tokenizer.json",
      "tokenizer.model", "vocab.json",
    ]
    let left = ["README.md", "flax_model.msgpack", "other.safetensors", "pytorch_model.bin"]
    try write(carried + left)
    try write(["weighbridge-certificate.json", "pytorch_model.bin.index.json", ".hidden"])
    try workspace.folder("in/onnx")
    let certificate = try convert(workspace.path("in"), workspace.path("out")).certificate
    #expect(
      workspace.names(in: "out")
        == (carried + ["model.safetensors", "weighbridge-certificate.json"]).sorted())
    for name in carried {
      #expect(try workspace.contents("out/\(name)") == Data("<in/\(name)>".utf8))
    }
    #expect(
      certificate.leftOut == (left + [".hidden", "onnx/", "pytorch_model.bin.index.json"]).sorted())
    #expect(certificate.assets.map(\.name).sorted() == carried)
    for asset in certificate.assets {
      let data = try workspace.contents("out/\(asset.name)")
      #expect(asset.byteCount == data.count)
      #expect(asset.digest.hexadecimal == data.digest)
    }
  }

  @Test func ofAnotherDirectoryAreAddedAndWin() throws {
    try write(["vocab.json", "chat_template.jinja"])
    try workspace.folder("assets")
    try write(["vocab.json", "tokenizer.json", "config.json", "weights.bin"], to: "assets")
    let assets = workspace.path("assets")
    try convert(workspace.path("in"), workspace.path("out")) {
      $0.openOptions.assetsDirectory = assets
    }
    #expect(try workspace.contents("out/vocab.json") == Data("<assets/vocab.json>".utf8))
    #expect(try workspace.contents("out/tokenizer.json") == Data("<assets/tokenizer.json>".utf8))
    #expect(
      try workspace.contents("out/chat_template.jinja") == Data("<in/chat_template.jinja>".utf8))
    #expect(!workspace.has("out/config.json"))
    #expect(!workspace.has("out/weights.bin"))
    let error = failure(
      of: request(workspace.path("in"), workspace.path("out2")) {
        $0.openOptions.assetsDirectory = "\(assets)/none"
      })
    #expect(error?.code == .missing)
    #expect(!workspace.has("out2"))
  }

  private static let configuration = """
    {\t"torch_dtype" :"float32", "model_type":"unheard_of",
       "dtype":  "float32"  ,"nested" :{"dtype": "float32", "torch_dtype":"float32"},
     "list":[1.50, 2e3, -0], "text": "a\\u0062 \\"dtype\\": \\"float32\\" \u{e9}\\/"
    }\r\n\r\n
    """

  @Test(arguments: [(DType.f16, "float16"), (.bf16, "bfloat16"), (.f32, "float32")])
  func configurationChangesInItsDTypeOnly(dtype: DType, name: String) throws {
    try workspace.write("in/config.json", Data(Self.configuration.utf8))
    try convert(workspace.path("in"), workspace.path("out"), dtype: dtype)
    let expected = Self.configuration
      .replacingOccurrences(of: #""torch_dtype" :"float32""#, with: #""torch_dtype" :"\#(name)""#)
      .replacingOccurrences(of: #""dtype":  "float32""#, with: #""dtype":  "\#(name)""#)
    #expect(try workspace.contents("out/config.json") == Data(expected.utf8))
  }

  @Test func configurationStaysAsItIsUnderKeep() throws {
    try workspace.write("in/config.json", Data(Self.configuration.utf8))
    try convert(workspace.path("in"), workspace.path("out"))
    #expect(try workspace.contents("out/config.json") == Data(Self.configuration.utf8))
  }

  @Test(arguments: [#"{"dtype": null}"#, #"{"torch_dtype": 16, "x": 1}"#, "{}"])
  func configurationWithoutDTypeStaysAsItIs(text: String) throws {
    try workspace.write("in/config.json", Data(text.utf8))
    try convert(workspace.path("in"), workspace.path("out"), dtype: .bf16)
    #expect(try workspace.contents("out/config.json") == Data(text.utf8))
  }

  @Test func configurationOfIntegersOnlyStaysAsItIs() throws {
    let sample = SafetensorsSample([SampleTensor("n", "I8", [4], Data([1, 2, 3, 4]))])
    try workspace.write("in/model.safetensors", sample.fileContents)
    try workspace.write("in/config.json", Data(#"{"dtype": "int8"}"#.utf8))
    try convert(workspace.path("in"), workspace.path("out"), dtype: .bf16)
    #expect(try workspace.contents("out/config.json") == Data(#"{"dtype": "int8"}"#.utf8))
  }

  /// The model's check has warned of it.
  @Test func brokenConfigurationGoesAlongAsItIs() throws {
    let text = Data("{\"dtype\": ".utf8)
    try workspace.write("in/config.json", text)
    try convert(workspace.path("in"), workspace.path("out"), dtype: .bf16)
    #expect(try workspace.contents("out/config.json") == text)
  }

  /// Nobody means to publish one, under whatever name.
  @Test(arguments: [
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY-----\r",
    "-----BEGIN OPENSSH PRIVATE KEY----- ",
    "note\n-----BEGIN ENCRYPTED PRIVATE KEY-----",
  ])
  func privateKeysStay(line: String) throws {
    let key = Data("\(line)\nMC4CAQAw\n-----END PRIVATE KEY-----\n".utf8)
    try workspace.write("in/vocab.txt", key)
    try workspace.folder("assets")
    try workspace.write("assets/LICENSE", key)
    // A text about keys is none.
    let text = Data("# -----BEGIN PRIVATE KEY----- starts a key".utf8)
    try workspace.write("in/chat_template.jinja", text)
    let assets = workspace.path("assets")
    let certificate = try convert(workspace.path("in"), workspace.path("out")) {
      $0.openOptions.assetsDirectory = assets
    }.certificate
    #expect(certificate.leftOut == ["LICENSE", "vocab.txt"])
    #expect(certificate.assets.map(\.name) == ["chat_template.jinja"])
    let found = certificate.findings.filter { $0.check == "private-key" }
    #expect(found.compactMap(\.file).sorted() == ["LICENSE", "vocab.txt"])
    #expect(found.allSatisfy { $0.severity == .warning })
  }

  @Test func linksOfACacheSnapshotAreFollowed() throws {
    let cache = "models--a--b"
    for folder in ["blobs", "snapshots/0123"] { try workspace.folder("\(cache)/\(folder)") }
    try write(["tokenizer.json"])
    for name in workspace.names(in: "in") {
      try workspace.copy(workspace.path("in/\(name)"), to: "\(cache)/blobs/\(name)")
      try FileManager.default.createSymbolicLink(
        atPath: workspace.path("\(cache)/snapshots/0123/\(name)"),
        withDestinationPath: "../../blobs/\(name)")
    }
    try convert(workspace.path("in"), workspace.path("out1"), dtype: .f16)
    try convert(workspace.path("\(cache)/snapshots/0123"), workspace.path("out2"), dtype: .f16)
    #expect(try workspace.snapshot(of: "out1") == workspace.snapshot(of: "out2"))
  }

  /// What a link leads to may be anything, and what is converted is published.
  @Test func linksThatLeadOutAreLeftOut() throws {
    try workspace.folder("in/1_Pooling")
    try workspace.write("in/modules.json", Data(#"[{"path": "1_Pooling"}]"#.utf8))
    try workspace.write("secret.txt", Data("PRIVATE KEY".utf8))
    for name in ["notes.txt", "special_tokens_map.json", "1_Pooling/config.json"] {
      try FileManager.default.createSymbolicLink(
        atPath: workspace.path("in/\(name)"), withDestinationPath: workspace.path("secret.txt"))
    }
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("in/LICENSE"), withDestinationPath: "modules.json")
    let source = try Source(workspace.path("in"))
    let found = source.checkpoint.findings.filter { $0.check == "link-out" }
    #expect(
      Set(found.map(\.file)) == [
        "notes.txt", "special_tokens_map.json", "1_Pooling/config.json",
      ])
    #expect(found.allSatisfy { $0.severity == .warning })
    try convert(workspace.path("in"), workspace.path("out"))
    let names = try workspace.snapshot(of: "out").keys
    #expect(names.contains("LICENSE") && !names.contains("notes.txt"))
    #expect(try !workspace.snapshot(of: "out").values.contains(Data("PRIVATE KEY".utf8)))
  }

  @Test func weightsBehindLinksAreReadAndSaid() throws {
    try workspace.folder("linked")
    try FileManager.default.createSymbolicLink(
      atPath: workspace.path("linked/model.safetensors"),
      withDestinationPath: workspace.path("in/model.safetensors"))
    let source = try Source(workspace.path("linked"))
    let finding = source.checkpoint.findings.first { $0.check == "link-out" }
    #expect(finding?.severity == .note && finding?.file == "model.safetensors")
  }
}
