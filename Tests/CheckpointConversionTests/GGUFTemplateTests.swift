import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Templates of conversations, settings and names that go into a GGUF file, come out of it, and go into one again.
@Suite struct GGUFTemplateTests {
  private let workspace: Workspace
  private let sample: GGUFTokenizerSample
  init() throws {
    workspace = try Workspace()
    sample = GGUFTokenizerSample(workspace)
  }

  private static let template = "{% for message in messages %}\n\"{{ message }}\" é{% endfor %}"

  private static func list(_ key: String = "name") throws -> String {
    let templates = [
      [key: "tool_use", "template": "tools"], [key: "default", "template": template],
      [key: "rag", "template": ""],
    ]
    let json = try JSONSerialization.data(withJSONObject: ["chat_template": templates])
    return String(decoding: json, as: UTF8.self)
  }

  /// The templates of a GGUF file by the ends of their keys.
  private func templates(_ name: String) throws -> [String: String] {
    var found: [String: String] = [:]
    for (key, value) in try sample.keys(name) where key.hasPrefix("tokenizer.chat_template") {
      found[String(key.dropFirst("tokenizer.chat_template".count))] =
        value.text ?? value.array?.texts?.joined(separator: " ")
    }
    return found
  }

  /// Where transformers 5 looks for templates, and what a GGUF file then has.
  static func conversations() throws -> [([String: String], [String: String], unused: String?)] {
    let one = String(
      decoding: try JSONSerialization.data(withJSONObject: ["chat_template": template]),
      as: UTF8.self)
    let all = ["": template, ".tool_use": "tools", ".rag": "", "s": "tool_use rag"]
    return [
      (["tokenizer_config.json": one], ["": template], nil),
      (["chat_template.jinja": template], ["": template], nil),
      (["chat_template.json": one], ["": template], nil),
      (["tokenizer_config.json": try list()], all, nil),
      (
        ["chat_template.jinja": "file", "tokenizer_config.json": try list()], ["": "file"],
        "'tool_use', 'default', 'rag'"
      ),
      (
        ["chat_template.jinja": "file", "additional_chat_templates/tool-use.jinja": "tools"],
        ["": "file", ".tool_use": "tools", "s": "tool_use"], nil
      ),
      (
        ["additional_chat_templates/x.jinja": "x", "tokenizer_config.json": one],
        [".x": "x", "s": "x"], "'default'"
      ),
    ]
  }

  @Test(arguments: try conversations())
  func templatesOfConversationsComeAlong(
    _ files: [String: String], _ expected: [String: String], _ unused: String?
  ) throws {
    let model = try sample.model("gpt2")
    let assets = try sample.assets("assets", files)
    let outcome = try convert(model, workspace.path("x.gguf")) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = assets
    }
    #expect(try templates("x.gguf") == expected)
    for file in files.keys { #expect(!outcome.certificate.leftOut.contains(file)) }
    let finding = outcome.certificate.findings.first { $0.message.contains("not used") }
    #expect(finding.map { $0.message.contains(unused ?? "nothing") } == unused.map { _ in true })

    let back = try convert(workspace.path("x.gguf"), workspace.path("back"))
    #expect(
      !back.certificate.findings.contains {
        $0.check == "metadata-left-out" && $0.message.contains("chat_template")
      })
    try convert(workspace.path("back"), workspace.path("y.gguf")) { $0.format = "gguf" }
    #expect(try sample.keys("y.gguf") == sample.keys("x.gguf"))
    try convert(workspace.path("x.gguf"), workspace.path("z.gguf")) { $0.format = "gguf" }
    #expect(try sample.keys("z.gguf") == sample.keys("x.gguf"))
  }

  /// Names are letters and digits; two that become the same can't both stay.
  @Test func namesThatDoNotFitAreSaid() throws {
    let text =
      #"{"chat_template": [{"name": "a-b", "template": "1"}, {"name": "a b", "template": "2"}]}"#
    let assets = try sample.assets("assets", ["tokenizer_config.json": text])
    let findings = try convert(try sample.model("gpt2"), workspace.path("x.gguf")) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = assets
    }.certificate.findings.filter { $0.check == "chat-template" }
    #expect(try templates("x.gguf") == [".a_b": "1", "s": "a_b"])
    #expect(findings.contains { $0.severity == .warning && $0.message.contains("'a b'") })
    #expect(findings.contains { $0.severity == .note && $0.message.contains("'a-b'") })
  }

  @Test func templatesThatAreNoTextAreRefused() throws {
    let model = try sample.model("gpt2")
    let assets = try sample.assets("assets", [:])
    try workspace.write("assets/chat_template.jinja", Data([0x61, 0xff]))
    let error = failure(
      of: request(model, workspace.path("x.gguf")) {
        $0.format = "gguf"
        $0.openOptions.assetsDirectory = assets
      })
    #expect(error?.code == .malformed && error?.file == "chat_template.jinja")
  }

  // MARK: Other keys

  /// A token that isn't special can't be named by its text without becoming so; ids of settings say it.
  @Test func rolesOfTextsAndSettingsComeBack() throws {
    let assets = try sample.assets(
      "assets",
      [
        "tokenizer_config.json": #"{"pad_token": "<|endoftext|>"}"#,
        "generation_config.json":
          #"{"eos_token_id": [7, 8], "temperature": 0.7, "top_k": 5, "top_p": 0.95}"#,
      ])
    try convert(try sample.model("gpt2"), workspace.path("x.gguf")) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = assets
    }
    let keys = try sample.keys("x.gguf")
    #expect(keys["tokenizer.ggml.eos_token_id"]?.integer == 7)
    #expect(keys["tokenizer.ggml.eot_token_id"]?.integer == 8)
    let back = try convert(workspace.path("x.gguf"), workspace.path("back")).certificate
    let left = back.findings.first { $0.check == "metadata-left-out" }?.message ?? ""
    #expect(!left.contains("tokenizer.") && !left.contains("sampling"), "\(left)")
    let settings = try JSONSerialization.jsonObject(
      with: workspace.contents("back/generation_config.json"))
    // transformers goes by these, and knows no end of a turn.
    #expect((settings as? [String: Any])?["eos_token_id"] as? [Int] == [7, 8])
    try convert(workspace.path("back"), workspace.path("y.gguf")) { $0.format = "gguf" }
    #expect(try sample.keys("y.gguf") == keys)
    let header = try GGUFHeader(InputFile(path: workspace.path("y.gguf")).region)
    #expect(header["general.sampling.temp"] == .float(Double(Float(0.7)), .float32))
  }

  /// Whatever the file is called.
  @Test func namesOfModelsStay() throws {
    try convert(try sample.model("gpt2"), workspace.path("x.gguf")) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = Fixtures.path("gguf/tokenizer")
    }
    for (source, name) in [("x.gguf", "y.gguf"), ("y.gguf", "z.gguf")] {
      try convert(workspace.path(source), workspace.path(name)) { $0.format = "gguf" }
      let header = try GGUFHeader(InputFile(path: workspace.path(name)).region)
      #expect(header["general.name"]?.text == "model")
    }
  }

  /// What no files can say is still what llama.cpp needs.
  @Test func keysOfOtherTokenizersAreCopied() throws {
    try convert(try sample.model("gpt2"), workspace.path("x.gguf")) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = Fixtures.path("gguf/tokenizer")
    }
    // A name that llama.cpp knows, and that stands for no pattern here.
    try workspace.edit("x.gguf") { data in
      let key = Data("tokenizer.ggml.pre".utf8)
      let place = try #require(data.range(of: key)).upperBound + 12
      #expect(data[place..<place + 5] == Data("gpt-2".utf8))
      data.replaceSubrange(place..<place + 5, with: Data("hy_v4".utf8))
    }
    let keys = try sample.keys("x.gguf")
    #expect(keys["tokenizer.ggml.pre"]?.text == "hy_v4")
    let back = try convert(workspace.path("x.gguf"), workspace.path("back")).certificate
    #expect(back.assets.map(\.name) == ["config.json"])
    try convert(workspace.path("x.gguf"), workspace.path("y.gguf")) { $0.format = "gguf" }
    #expect(try sample.keys("y.gguf") == keys)
    let error = failure(
      of: request(workspace.path("back"), workspace.path("z.gguf")) { $0.format = "gguf" })
    #expect(error?.code == .missing && error?.hint?.contains("--assets") == true)
  }
}
