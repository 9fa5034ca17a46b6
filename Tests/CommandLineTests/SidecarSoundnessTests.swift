import Foundation
import TestSupport
import Testing

/// Files beside the weights that aren't what their names say.
@Suite struct SidecarSoundnessTests {
  private let workspace: Workspace

  init() throws { workspace = try Workspace() }

  private func model(_ name: String, _ contents: Data) throws -> String {
    let path = try ModelSample("gptj").write(workspace, "in")
    try workspace.write("in/\(name)", contents)
    return path
  }

  @Test(arguments: [
    (
      "tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 6\n", "LFS"
    ),
    ("tokenizer.json", "<!DOCTYPE html><html></html>", "web page"),
    ("tokenizer.json", #"{"model": {"vocab": {"a": "b"}}}"#, "tokenizer.json"),
    ("tokenizer.model", "", "empty"), ("added_tokens.json", "", "empty"),
    ("generation_config.json", "{\n\"a\": [1,", "line 2"),
    ("adapter_model.safetensors", "no safetensors", "header"),
  ])
  func aBrokenFileIsAnError(_ name: String, _ text: String, _ word: String) throws {
    let path = try model(name, Data(text.utf8))
    let verified = try Weighbridge.run("verify", path)
    #expect(verified.code == 1 && verified.text.contains(word), "\(verified.text)")
    #expect(verified.text.contains("\(name): ") && verified.text.contains("[sidecar-broken]"))
    let converted = try Weighbridge.run("convert", path, workspace.path("out"))
    #expect(
      converted.code == 0 && converted.errors.contains("[sidecar-broken]"), "\(converted.errors)")
    #expect(try Weighbridge.run("verify", workspace.path("out")).code == 1)
  }

  @Test(arguments: ["{}", "[]"]) func aTokenizerWithoutAModelIsAWarning(_ text: String) throws {
    let outcome = try Weighbridge.run("verify", try model("tokenizer.json", Data(text.utf8)))
    #expect(outcome.code == 0 && outcome.text.contains("it has no 'model'"), "\(outcome.text)")
  }

  /// Loaders don't read them, or anything may stand in them.
  @Test(arguments: [("results.json", "{"), ("NOTES.txt", ""), ("LICENSE", "<!DOCTYPE html>")])
  func filesThatNoLoaderReadsAreNoErrors(_ name: String, _ text: String) throws {
    let outcome = try Weighbridge.run("verify", try model(name, Data(text.utf8)))
    #expect(outcome.code == 0, "\(outcome.text)")
    #expect(outcome.text.contains("[sidecar-broken]") == name.hasSuffix(".json"))
  }

  @Test func codeThatStaysBehindIsSaid() throws {
    var sample = try ModelSample("gptj")
    sample.configuration["auto_map"] = ["AutoModel": "modeling_x.XModel"]
    let path = try sample.write(workspace, "in")
    try workspace.write("in/modeling_x.py", Data("pass".utf8))
    let outcome = try Weighbridge.run("convert", path, workspace.path("out"))
    #expect(outcome.code == 0 && outcome.errors.contains("[code-left-out]"), "\(outcome.errors)")
    #expect(outcome.errors.contains("modeling_x.py"))
  }

  /// GPT-J's sample has 64 rows or more, and far fewer than 100,000.
  @Test(arguments: [
    (#"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 100000}}}"#, "100000 ('b')"),
    (#"{"model": {"vocab": {"a": 0}}, "added_tokens": [{"content": "<x>", "id": 99999}]}"#, "<x>"),
    (#"{"added_tokens": [], "model": {"type": "Unigram", "vocab": [["a", 0.5]]}}"#, nil),
  ])
  func tokensWithoutARowAreSaid(_ text: String, _ words: String?) throws {
    let outcome = try Weighbridge.run("verify", try model("tokenizer.json", Data(text.utf8)))
    #expect(outcome.code == 0, "\(outcome.text)")
    #expect(outcome.text.contains("warning: tokenizer.json: ") == (words != nil))
    if let words { #expect(outcome.text.contains(words), "\(outcome.text)") }
  }
}
