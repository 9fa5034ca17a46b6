import Foundation
import TestSupport
import Testing

/// What a certificate says against what is there: each claim changed alone is found, or said to be unchecked.
@Suite struct CertificateTests {
  private let workspace: Workspace
  private let source = fixture("huggingface/gpt2")

  init() throws {
    workspace = try Workspace()
    #expect(try Weighbridge.run("convert", source, workspace.path("out"), "--quiet").code == 0)
  }

  private static let name = "out/weighbridge-certificate.json"

  private func edit(_ change: (inout [String: Any]) throws -> Void) throws {
    var object = try #require(
      JSONSerialization.jsonObject(with: workspace.contents(Self.name)) as? [String: Any])
    try change(&object)
    try workspace.write(Self.name, try JSONSerialization.data(withJSONObject: object))
  }

  private func expectFinding(_ words: String, _ options: String...) throws {
    let outcome = try Weighbridge.run(["verify", workspace.path("out")] + options)
    #expect(outcome.code == 1 && outcome.text.contains(words), "\(outcome.text)")
  }

  @Test(arguments: [
    "format", "attention", "files", "other files", "asset size", "asset missing", "tensor file",
    "sources",
  ])
  func aChangedClaimIsFound(claim: String) throws {
    try edit { object in
      var assets = try #require(object["assets"] as? [[String: Any]])
      var tensors = try #require(object["tensors"] as? [[String: Any]])
      switch claim {
      case "format": object["format"] = "npz"
      case "attention": object["attention"] = "prefix"
      case "files": object["files"] = []
      case "other files": object["files"] = [["name": "x.safetensors", "byte_count": 1]]
      case "asset size": assets[0]["byte_count"] = 1
      case "asset missing": assets.removeFirst()
      case "tensor file": tensors[0]["file"] = "other.safetensors"
      default: tensors[0]["sources"] = ["transformer.h.1.ln_1.bias"]
      }
      (object["assets"], object["tensors"]) = (assets, tensors)
    }
    try expectFinding("[certificate-")
  }

  @Test func filesThatWereAddedAreFound() throws {
    try workspace.write("out/LICENSE", Data("text".utf8))
    let outcome = try Weighbridge.run("verify", workspace.path("out"))
    #expect(outcome.code == 0 && outcome.text.contains("not in the certificate"))
    try workspace.write("out/chat_template.jinja", Data("{{ evil }}".utf8))
    try expectFinding("chat_template.jinja")
  }

  @Test func whatNothingConfirmsIsSaidToBeUnchecked() throws {
    let alone = try Weighbridge.run("verify", workspace.path("out"))
    #expect(alone.code == 0, "\(alone.text)")
    #expect(
      alone.text.contains("unchecked: its tool, plan, source, inputs, settings, findings, left_out")
    )
    let against = try Weighbridge.run("verify", workspace.path("out"), "--against", source)
    #expect(against.code == 0 && against.text.contains("known by size alone"), "\(against.text)")
    try edit { object in
      object["source"] = ["format": "gguf", "layout": "one file", "architecture": "gpt2"]
    }
    try expectFinding("the source's format", "--against", source)
    let layout = try #require(try Weighbridge.run("inspect", source, "--json").object["layout"])
    try edit { object in
      object["source"] = ["format": "safetensors", "layout": layout, "architecture": "llama"]
    }
    try expectFinding("the source's architecture is certified as 'llama'", "--against", source)
  }

  /// What was asked for, against the tensors that came of it.
  @Test(arguments: [
    ("BF16", nil, "the dtype is certified as BF16, and no tensor has it"),
    ("keep", "q4_0", "which is written as gguf"), ("keep", "q99", "which there isn't"),
  ])
  func settingsThatTensorsContradictAreFound(
    _ dtype: String, _ scheme: String?, _ said: String
  ) throws {
    try edit { object in
      var settings: [String: Any] = ["allow_overflow": false, "dtype": dtype]
      settings["quantization"] = scheme.map { ["scheme": $0, "tensor_types": [String]()] }
      object["settings"] = settings
    }
    try expectFinding(said)
  }

  @Test func anotherSchemeOfTheSameFormatIsFound() throws {
    let path = workspace.path("q.gguf")
    #expect(
      try Weighbridge.run("quantize", source, path, "--scheme", "q8_0", "--quiet").code == 0)
    let name = "q.certificate.json"
    let text = String(decoding: try workspace.contents(name), as: UTF8.self)
    #expect(text.contains("\"scheme\" : \"q8_0\""))
    try workspace.write(
      name, Data(text.replacing("\"scheme\" : \"q8_0\"", with: "\"scheme\" : \"q4_0\"").utf8))
    let found = try Weighbridge.run("verify", path, "--skip", "values")
    #expect(
      found.code == 1 && found.text.contains("as 'q4_0', and no tensor is Q4_0"), "\(found.text)")
  }

  @Test func keysThatStandTwiceAreFound() throws {
    let text = String(decoding: try workspace.contents(Self.name), as: UTF8.self)
    let place = try #require(text.firstRange(of: "\"format\" :"))
    try workspace.write(
      Self.name,
      Data(text.replacingCharacters(in: place, with: "\"format\" : \"npz\", \"format\" :").utf8))
    try expectFinding("stands twice in an object")
  }

  /// Whoever reads the certificate may take them for something.
  @Test func keysOfNobodyAreSaid() throws {
    try edit { object in
      object["forward"] = true
      object["source"] = (object["source"] as? [String: Any])?.merging(["trusted": 1]) { $1 }
      var tensors = object["tensors"] as? [[String: Any]] ?? []
      tensors[1]["checked"] = ["by": "me"]
      object["tensors"] = tensors
    }
    let found = try Weighbridge.run("verify", workspace.path("out"))
    #expect(found.code == 0, "\(found.text)")
    #expect(found.text.contains("'forward', 'source.trusted', 'tensors.checked'"), "\(found.text)")
    #expect(found.text.contains("[certificate-claim]"))
  }

  /// Neither goes along with a conversion, and both may change what runs.
  @Test(arguments: ["modeling_x.py", "adapter.bin", "more.gguf"])
  func whatWasPutBesideItIsSaid(_ name: String) throws {
    try workspace.write("out/\(name)", Data("x".utf8))
    let found = try Weighbridge.run("verify", workspace.path("out"))
    #expect(found.code == 0, "\(found.text)")
    #expect(found.text.contains("\(name): ") && found.text.contains("[certificate-file-extra]"))
  }

  @Test func aFolderTakesTheCertificateOfItsOnlyFile() throws {
    try workspace.folder("f")
    try workspace.write("f/config.json", Data(contentsOf: URL(filePath: "\(source)/config.json")))
    let file = workspace.path("f/model.safetensors")
    #expect(try Weighbridge.run("convert", source, file, "--quiet").code == 0)
    let found = try Weighbridge.run("verify", workspace.path("f"), "--require", "certificate")
    #expect(found.code == 0, "\(found.text)")
    #expect(found.text.contains("against model.certificate.json"), "\(found.text)")
    let again = try Weighbridge.run("verify", workspace.path("f"), "--replay", source)
    #expect(again.code == 1 && again.text.contains("verify that file with --replay"))
    #expect(try Weighbridge.run("verify", file, "--replay", source).code == 0)
  }
}
