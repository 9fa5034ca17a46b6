import Foundation
import TestSupport
import Testing

@testable import weighbridge

/// Documents that programs read, errors among them.
@Suite struct DocumentTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")
  private static let gpt2 = fixture("huggingface/gpt2")

  /// Requires the keys of a document to be those of its schema.
  private func check(_ document: [String: Any]) throws {
    let name = try #require(document["schema"] as? String).replacing("/", with: ".")
    let file = Fixtures.packageRoot.appending(path: "schemas/\(name).schema.json")
    let schema = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    let properties = try #require(schema["properties"] as? [String: Any])
    let required = try #require(schema["required"] as? [String])
    #expect(Set(document.keys).isSubset(of: properties.keys), "\(name)")
    #expect(Set(required).isSubset(of: document.keys), "\(name)")
  }

  @Test func pathsAreAsGivenOrTheLastComponent() throws {
    let inspected = try Weighbridge.run("inspect", Self.gptj, "--json").object
    try check(inspected)
    #expect(inspected["path"] as? String == "gptj")
    let relative = try Weighbridge.run(
      ["inspect", "./huggingface/gptj", "--json"], directory: fixture("")
    ).object
    #expect(relative["path"] as? String == "./huggingface/gptj")
    let run = try Weighbridge.run("forward", Self.gptj, "--tokens", "1", "--json").object
    try check(run)
    #expect(run["path"] as? String == "gptj")
    let converted = try Weighbridge.run(
      "convert", Self.gptj, workspace.path("a.npz"), "--json", "-q"
    ).object
    try check(converted)
    #expect(converted["path"] as? String == "gptj")
    let quantized = try Weighbridge.run(
      "quantize", Self.gptj, workspace.path("b"), "--scheme", "mlx-q4-g32", "--json", "-q"
    ).object
    try check(quantized)
    #expect(quantized["path"] as? String == "gptj")
  }

  @Test func comparisonsHaveAVerdict() throws {
    let (half, wide) = (workspace.path("half.safetensors"), workspace.path("wide.safetensors"))
    #expect(try Weighbridge.run("convert", Self.gptj, half, "--dtype", "f16").code == 0)
    #expect(try Weighbridge.run("convert", half, wide, "--dtype", "f32").code == 0)
    for (first, second, verdict) in [
      (Self.gptj, Self.gptj, "identical"), (half, wide, "equal_values"),
      (Self.gptj, half, "equal_within_rounding"), (Self.gptj, Self.gpt2, "different"),
    ] {
      let document = try Weighbridge.run("compare", first, second, "--json", "-q").object
      try check(document)
      #expect(document["verdict"] as? String == verdict)
      let names = [first, second].map { URL(filePath: $0).lastPathComponent }
      #expect(document["paths"] as? [String] == names)
    }
  }

  @Test(arguments: [
    (["inspect", "/nowhere/x", "--json"], "missing", "x"),
    (["inspect", "/nowhere/x", "--json-lines"], "missing", "x"),
    (["compare", gptj, "/nowhere/x", "--json"], "missing", "x"),
    (["forward", gptj, "--tokens", "x", "--json"], "usage", nil),
    (["convert", gptj, "/tmp", "--json"], "usage", nil),
    (["inspekt", "--json"], "usage", nil), (["inspect", "--json", "--nonsense"], "usage", nil),
    (["inspect", "a", "b", "--json"], "usage", nil),
    (["checks", "papyrus", "--json"], "usage", nil),
  ])
  func errorsAreDocumentsToo(arguments: [String], code: String, file: String?) throws {
    let outcome = try Weighbridge.run(arguments)
    #expect(outcome.code == 2)
    #expect(outcome.errors.hasPrefix("error: "))
    let document = try outcome.object
    try check(document)
    #expect(document["schema"] as? String == "error/v1")
    if code != "usage" || arguments[0] != "convert" { #expect(document["code"] as? String == code) }
    if let file { #expect(document["file"] as? String == file) }
    let hint = try #require(document["hint"] as? String)
    #expect(outcome.errors.contains("hint: \(hint)"))
    #expect((outcome.text.split(separator: "\n").count == 1) == arguments.contains("--json-lines"))
  }

  @Test(arguments: [
    ["compare", "a", "b", "--threads", "0", "--json"], ["forward", "a", "--json", "--memory", "1"],
    ["compare", "a", "b", "--json", "--sort", "rank"],
    ["compare", "a", "b", "--sort", "size", "--json"], ["verify", "a", "--json", "--color", "x"],
  ])
  func wrongValuesOfOptionsAreDocumentsToo(arguments: [String]) throws {
    let outcome = try Weighbridge.run(arguments)
    #expect(outcome.code == 2)
    let document = try outcome.object
    try check(document)
    #expect(document["schema"] as? String == "error/v1" && document["code"] as? String == "usage")
  }

  @Test func withoutJSONOnlyPeopleAreTold() throws {
    #expect(try Weighbridge.run("inspect", "/nowhere/x").output.isEmpty)
    #expect(try Weighbridge.run("compare", "--", "/nowhere/x", "--json").output.isEmpty)
  }

  @Test func aVerificationHasItsErrorInItsReport() throws {
    let outcome = try Weighbridge.run("verify", "/nowhere/x", "--json")
    #expect(outcome.code == 2)
    #expect(try outcome.object["schema"] as? String == "verification/v2")
  }

  @Test func severalCheckpointsAreSeveralLines() throws {
    let outcome = try Weighbridge.run(
      "inspect", Self.gptj, "/nowhere/x", Self.gpt2, "--json-lines", "--digests")
    #expect(outcome.code == 2)
    #expect(outcome.errors.hasPrefix("error: /nowhere/x: "))
    let lines = outcome.text.split(separator: "\n")
    let documents = try lines.map {
      try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    for document in documents { try check(document) }
    #expect(
      documents.map { $0["path"] as? String ?? $0["file"] as? String } == ["gptj", "x", "gpt2"])
    let alone = try Weighbridge.run("inspect", Self.gpt2, "--json", "--digests").object
    #expect(documents[2] as NSDictionary == alone as NSDictionary)
  }

  @Test func severalCheckpointsAreSeveralTexts() throws {
    let both = try Weighbridge.run("inspect", Self.gptj, Self.gpt2)
    let texts = try [Self.gptj, Self.gpt2].map {
      "\($0)\n" + (try Weighbridge.run("inspect", $0).text)
    }
    #expect(both.code == 0)
    #expect(both.text == texts.joined(separator: "\n"))
  }

  @Test func lineFeedsAreNotPartOfALine() {
    var line = DocumentLine()
    let pieces = ["{\n  \"a b\" : [\n", "    1,\n  ", "  2\n  ]\n}\n"].map {
      line.piece(Array($0.utf8))
    }
    #expect(String(decoding: pieces.joined(), as: UTF8.self) == "{\"a b\" : [1,2]}")
  }
}
