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
      alone.text.contains("unchecked: its plan, source, inputs, settings, findings, left_out"))
    let against = try Weighbridge.run("verify", workspace.path("out"), "--against", source)
    #expect(against.code == 0 && against.text.contains("known by size alone"), "\(against.text)")
    try edit { object in
      object["source"] = ["format": "gguf", "layout": "one file", "architecture": "gpt2"]
    }
    try expectFinding("the source's format", "--against", source)
  }
}
