import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Files in folders beside the weights, and weights that are no part of the model.
@Suite struct SidecarFolderTests {
  private let workspace: Workspace

  private let weights: Data

  init() throws {
    workspace = try Workspace()
    weights = try SafetensorsSample([SampleTensor("x", [3], floats: [1, 2, 3])]).fileContents
    try workspace.write("in/model.safetensors", weights)
  }

  private func modules(_ paths: [String], in folder: String = "in") throws {
    let entries = paths.enumerated().map {
      ["idx": $0, "name": "\($0)", "path": $1] as [String: Any]
    }
    try workspace.write(
      "\(folder)/modules.json", try JSONSerialization.data(withJSONObject: entries))
  }

  /// What a file of that name could have.
  private func sample(_ name: String) -> Data {
    if name.hasSuffix(".safetensors") { return weights }
    return Data((name.hasSuffix(".json") ? "\"\(name)\"" : "<\(name)>").utf8)
  }

  private func write(_ names: [String], to folder: String = "in") throws {
    for name in names { try workspace.write("\(folder)/\(name)", sample(name)) }
  }

  /// What sentence-transformers writes, a router with modules of its own, and templates.
  private static let files = [
    "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
    "3_Router/document_0/config.json", "additional_chat_templates/tool_use.jinja",
    "config_sentence_transformers.json", "sentence_bert_config.json",
  ]

  private func model() throws {
    try modules(["", "1_Pooling", "2_Dense/", "3_Router"])
    try write(Self.files)
  }

  private func expectFiles(_ folder: String) throws {
    for name in Self.files {
      #expect(try workspace.contents("\(folder)/\(name)") == sample(name))
    }
    #expect(try workspace.contents("\(folder)/modules.json").isEmpty == false)
  }

  /// `Normalize` has no settings, and git keeps no empty folders.
  @Test(arguments: [("Normalize", 0), ("Pooling", 1)])
  func aModuleWithoutFilesMayHaveNoFolder(_ kind: String, _ count: Int) throws {
    let entry: [String: Any] = [
      "idx": 0, "name": "0", "path": "2_\(kind)", "type": "sentence_transformers.models.\(kind)",
    ]
    try workspace.write("in/modules.json", try JSONSerialization.data(withJSONObject: [entry]))
    let findings = try Source(workspace.path("in")).checkpoint.findings
    #expect(findings.count { $0.check == "module-folder" } == count)
  }

  private func verification(_ name: String) throws -> VerificationReport {
    try Verifier(workspace.path(name), OpenOptions(), smallResources).run(against: nil)
  }

  @Test func modulesGoAlong() throws {
    try model()
    try write(["onnx/model.onnx", "1_Pooling/.hidden", "additional_chat_templates/a/b.jinja"])
    let certificate = try convert(workspace.path("in"), workspace.path("out")).certificate
    try expectFiles("out")
    #expect(Set(certificate.assets.map(\.name)) == Set(Self.files + ["modules.json"]))
    #expect(
      certificate.leftOut == ["1_Pooling/.hidden", "additional_chat_templates/a/", "onnx/"])
    #expect(certificate.findings.isEmpty)
    #expect(try verification("out").findings.isEmpty)
    try workspace.write("out/1_Pooling/config.json", Data("<changed>".utf8))
    #expect(
      try verification("out").findings.contains {
        $0.check == "certificate-file-changed" && $0.file == "1_Pooling/config.json"
      })
  }

  /// Whoever lists a folder doesn't mean all that lies in it.
  @Test func modulesCarryWhatModulesHave() throws {
    try model()
    try write(["1_Pooling/id_rsa", "1_Pooling/notes.odt", "2_Dense/vocab.txt"])
    let certificate = try convert(workspace.path("in"), workspace.path("out")).certificate
    #expect(certificate.leftOut == ["1_Pooling/id_rsa", "1_Pooling/notes.odt"])
    #expect(
      Set(certificate.assets.map(\.name))
        == Set(Self.files + ["modules.json", "2_Dense/vocab.txt"]))
  }

  /// Not even the names of what lies elsewhere are told.
  @Test func linkedFoldersAreNotEntered() throws {
    try model()
    try workspace.folder("private")
    try workspace.write("private/diary.jinja", Data("secret".utf8))
    try workspace.write("private/config.json", Data("{}".utf8))
    for name in ["additional_chat_templates", "1_Pooling", "3_Router/document_0"] {
      try workspace.remove("in/\(name)")
      try FileManager.default.createSymbolicLink(
        atPath: workspace.path("in/\(name)"), withDestinationPath: workspace.path("private"))
    }
    let certificate = try convert(workspace.path("in"), workspace.path("out")).certificate
    let left = ["1_Pooling/", "3_Router/document_0/", "additional_chat_templates/"]
    #expect(certificate.leftOut == left)
    #expect(
      certificate.findings.filter { $0.check == "link-out" }.compactMap(\.file).sorted() == left)
    #expect(try !workspace.snapshot(of: "out").keys.contains { $0.contains("diary") })
  }

  @Test func storesAndArchivesKeepTheirPaths() throws {
    try model()
    try convert(workspace.path("in"), workspace.path("a.store")) { $0.format = "store" }
    try expectFiles("a.store/assets")
    #expect(try verification("a.store").findings.isEmpty)
    try convert(workspace.path("a.store"), workspace.path("b.store")) { $0.format = "store" }
    let back = try convert(workspace.path("b.store"), workspace.path("back")).certificate
    try expectFiles("back")
    #expect(back.leftOut.isEmpty && back.findings.isEmpty)

    try write(["1_Pooling/stranger.json"], to: "a.store/assets")
    #expect(
      try Source(workspace.path("a.store")).checkpoint.leftOut
        == ["assets/1_Pooling/stranger.json"])
    try workspace.write("a.store/assets/2_Dense/model.safetensors", Data("<2_Dense/m_del>".utf8))
    #expect(try !verification("a.store").findings.isEmpty)
    let error = failure(of: request(workspace.path("a.store"), workspace.path("none")))
    #expect(error?.code == .corrupt && error?.file == "assets/2_Dense/model.safetensors")

    var archive = TarBuilder()
    for name in Self.files + ["modules.json", "model.safetensors"] {
      archive.add("model/\(name)", Array(try workspace.contents("in/\(name)")))
    }
    archive.end()
    try workspace.write("in.tar", Data(archive.bytes))
    try convert(workspace.path("in.tar"), workspace.path("unpacked"))
    try expectFiles("unpacked")
  }

  @Test func oneFileHasNoPlaceForThem() throws {
    try model()
    let certificate = try convert(workspace.path("in"), workspace.path("x.safetensors")).certificate
    #expect(Set(certificate.leftOut) == Set(Self.files + ["modules.json"]))
    try convert(workspace.path("x.safetensors"), workspace.path("out")) {
      $0.openOptions.assetsDirectory = workspace.path("in")
    }
    try expectFiles("out")
  }

  @Test(
    arguments: [
      "..", "../in", "/etc", "1_Pooling/..", "a/b", ".git", "step_1", "x.safetensors", "x.json",
      "weighbridge-certificate.json", "a\\b", "a\0b", "/\u{301}x", "not there",
    ])
  func foldersOutsideAreLeftOutAndSaid(_ path: String) throws {
    try modules(["", path])
    try write(["a/b/config.json", ".git/config", "step_1/config.json"])
    let certificate = try convert(workspace.path("in"), workspace.path("out")).certificate
    #expect(certificate.assets.map(\.name) == ["modules.json"])
    let finding = try #require(certificate.findings.first { $0.check == "module-folder" })
    #expect(finding.severity == .warning && finding.file == "modules.json")
    #expect(finding.message.contains("'\(path)'"))
  }

  @Test func listsOfModulesThatAreNoneAreSaid() throws {
    for text in ["{", "{}", "[{\"path\": 3}, 4, null]"] {
      try workspace.write("in/modules.json", Data(text.utf8))
      let findings = try Source(workspace.path("in")).checkpoint.findings
      #expect(findings.map(\.check) == (text.hasPrefix("{") ? ["module-folder"] : []))
    }
  }

  /// Names in a store's manifest that nothing lists, or that lead elsewhere.
  @Test(arguments: ["1_Other/config.json", "2_Dense/.hidden", "1_Pooling/a/b/c/d/e.json", "a/b"])
  func storesHaveNoOtherFolders(_ name: String) throws {
    try model()
    try convert(workspace.path("in"), workspace.path("a.store")) { $0.format = "store" }
    try write([name], to: "a.store/assets")
    var editor = try StoreEditor(workspace.path("a.store"))
    editor.manifest.assets.append(.init(name: name, contents: Array(sample(name))))
    try editor.write()
    let error = failure(of: request(workspace.path("a.store"), workspace.path("out")))
    #expect(error?.code == .malformed && error?.file == "assets/\(name)")
  }

  // MARK: Adapters

  @Test func adaptersBesideAModelGoAlong() throws {
    let names = ["adapter_config.json", "adapter_model.safetensors", "adapter_other.bin"]
    try write(names)
    let certificate = try convert(workspace.path("in"), workspace.path("out")).certificate
    for name in names {
      #expect(try workspace.contents("out/\(name)") == sample(name))
    }
    #expect(certificate.findings.isEmpty && certificate.leftOut.isEmpty)
    #expect(certificate.files.map(\.name) == ["model.safetensors"])
    #expect(try verification("out").findings.isEmpty)
    try convert(workspace.path("out"), workspace.path("a.store")) { $0.format = "store" }
    try convert(workspace.path("a.store"), workspace.path("back"))
    #expect(
      workspace.names(in: "back")
        == (names + ["model.safetensors", "weighbridge-certificate.json"]).sorted())
  }

  /// Whatever the model's weights are called, and whatever format they have.
  @Test(arguments: ["other.safetensors", "pytorch_model.bin", "x.gguf"])
  func adaptersAreNotTakenForTheModel(_ name: String) throws {
    try workspace.remove("in/model.safetensors")
    try workspace.write("in/adapter_model.safetensors", weights)
    let model = try SafetensorsSample([SampleTensor("model", [1], floats: [1])]).fileContents
    switch name {
    case "pytorch_model.bin":
      try workspace.copy(Fixtures.path("pytorch/gpt2/pytorch_model.bin"), to: "in/\(name)")
    case "x.gguf": try workspace.copy(Fixtures.path("gguf/gpt2.F16.gguf"), to: "in/\(name)")
    default: try workspace.write("in/\(name)", model)
    }
    let checkpoint = try Source(workspace.path("in")).checkpoint
    #expect(checkpoint.files.map(\.name) == [name])
    #expect(checkpoint.assets.map(\.name) == ["adapter_model.safetensors"])
  }

  /// PEFT looks for that name; a file that is named itself is a model of its own.
  @Test func adaptersAloneKeepTheirName() throws {
    try workspace.write("lora/adapter_model.safetensors", weights)
    try workspace.write("lora/adapter_config.json", Data("{}".utf8))
    try convert(workspace.path("lora"), workspace.path("out"), dtype: .f16)
    let names = [
      "adapter_config.json", "adapter_model.safetensors", "weighbridge-certificate.json",
    ]
    #expect(workspace.names(in: "out") == names)
    #expect(try verification("out").findings.isEmpty)
    try convert(workspace.path("lora"), workspace.path("a.store")) { $0.format = "store" }
    try convert(workspace.path("a.store"), workspace.path("back"))
    #expect(workspace.names(in: "back") == names)
    try convert(workspace.path("lora/adapter_model.safetensors"), workspace.path("file"))
    #expect(
      workspace.names(in: "file") == ["model.safetensors", "weighbridge-certificate.json"])
  }
}
