import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing
import Tokenization

@testable import CheckpointConversion

/// `tokenizer.ggml.*_token_id`, and what else a GGUF file says of tokens: from which files, and what doesn't fit.
@Suite struct GGUFSpecialTokenTests {
  /// `tokenizer.json` with four tokens and three that were added.
  private func document(
    normalizer: String = "null", postProcessor: String = "null", ignoresMerges: Bool = false
  ) -> String {
    """
    {"version": "1.0", "truncation": null, "padding": null, "normalizer": \(normalizer),
     "added_tokens": [{"id": 4, "content": "<s>", "special": true, "normalized": false},
                      {"id": 5, "content": "</s>", "special": true, "normalized": false},
                      {"id": 6, "content": "<stop>", "special": true, "normalized": false}],
     "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
     "post_processor": \(postProcessor), "decoder": {"type": "ByteLevel"},
     "model": {"type": "BPE", "ignore_merges": \(ignoresMerges),
               "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3}, "merges": ["a b"]}}
    """
  }

  private func keys(
    _ files: [String: String] = [:], configuration: String? = nil, rows: Int = 8
  ) throws -> GGUFTokenizerKeys {
    let texts = ["tokenizer.json": document()].merging(files) { $1 }
    let assets = texts.sorted { $0.key < $1.key }.map { name, text in
      Checkpoint.Asset(name: name, byteCount: text.utf8.count) {
        () throws(CheckpointError) in Array(text.utf8)
      }
    }
    let parsed = configuration.flatMap { try? JSONValue(parsing: Array($0.utf8)) }
    return try GGUFTokenizerKeys(
      assets, configuration: parsed.map { ("config.json", $0) }, rows: rows)
  }

  private func ids(_ keys: GGUFTokenizerKeys) -> [String: Int] {
    var ids: [String: Int] = [:]
    for (key, value) in keys.entries where key.hasSuffix("_token_id") {
      ids[String(key.dropFirst("tokenizer.ggml.".count).dropLast("_token_id".count))] =
        value.integer
    }
    return ids
  }

  private func value(_ key: String, _ keys: GGUFTokenizerKeys) -> GGUFValue? {
    keys.entries.first { $0.key == key }?.value
  }

  // MARK: Ids

  /// As gguf-py's SpecialVocab: the tokenizer's files, then `config.json`; of ours, then `generation_config.json`.
  @Test func theNearestFileCounts() throws {
    let generation = ["generation_config.json": #"{"eos_token_id": 6, "pad_token_id": 6}"#]
    let configuration = #"{"bos_token_id": 4, "eos_token_id": 5, "pad_token_id": null}"#
    #expect(
      ids(try keys(generation, configuration: configuration))
        == ["bos": 4, "eos": 5, "padding": 6])
    let named = generation.merging(["tokenizer_config.json": #"{"eos_token": "<stop>"}"#]) { $1 }
    let found = try keys(named, configuration: configuration)
    #expect(ids(found) == ["bos": 4, "eos": 6, "padding": 6])
    let finding = try #require(found.findings.first { $0.check == "special-token" })
    #expect(finding.severity == .warning && finding.file == "config.json")
    #expect(finding.message.contains("5 ('</s>')") && finding.message.contains("6 ('<stop>')"))
    #expect(ids(try keys(configuration: #"{"text_config": {"eos_token_id": 5}}"#)) == ["eos": 5])
    #expect(ids(try keys(configuration: #"{"eos_token_id": null}"#)) == [:])
  }

  @Test(arguments: ["8", "-2", "4294967296", "99999999999999999999", "1.5", "\"5\"", "true", "{}"])
  func idsThatAreNoRowsAreLeftOut(_ value: String) throws {
    let found = try keys(
      ["generation_config.json": #"{"eos_token_id": 5}"#],
      configuration: #"{"eos_token_id": \#(value)}"#)
    #expect(ids(found) == ["eos": 5])
    let finding = try #require(found.findings.first)
    #expect(finding.severity == .warning && finding.file == "config.json")
    #expect(finding.message.contains(value == "{}" ? "eos" : value))
    #expect(finding.message.contains("8 rows"))
  }

  /// Llama's first configurations have -1 where others have null.
  @Test func noTokenIsNoWarning() throws {
    let found = try keys(configuration: #"{"pad_token_id": -1}"#)
    #expect(ids(found) == [:] && found.findings.map(\.severity) == [.note])
  }

  @Test func rowsWithoutATokenAreWrittenAndSaid() throws {
    let found = try keys(configuration: #"{"eos_token_id": 7}"#)
    #expect(ids(found) == ["eos": 7])
    #expect(found.findings.first?.message.contains("no token of that id") == true)
  }

  /// llama.cpp knows `</s>` by its text; what it doesn't know ends turns, and there is one key for that.
  @Test func ofAListTheFirstCounts() throws {
    let known = try keys(configuration: #"{"eos_token_id": [6, 5]}"#)
    #expect(ids(known) == ["eos": 6] && known.findings.isEmpty)
    let unknown = try keys(["generation_config.json": #"{"eos_token_id": [5, 6]}"#])
    #expect(ids(unknown) == ["eos": 5, "eot": 6])
    #expect(unknown.findings.map(\.severity) == [.note])
    let more = try keys(configuration: #"{"eos_token_id": [5, 6, 4, 9]}"#)
    #expect(ids(more) == ["eos": 5, "eot": 6])
    let warnings = more.findings.filter { $0.severity == .warning }.map(\.message)
    #expect(warnings.count == 2 && warnings.contains { $0.contains("4 ('<s>')") })
    let named = try keys(
      ["tokenizer_config.json": #"{"eos_token": "</s>"}"#],
      configuration: #"{"eos_token_id": [6, 5]}"#)
    #expect(ids(named) == ["eos": 5, "eot": 6])
  }

  @Test func otherRolesHaveKeysToo() throws {
    let names =
      #"{"sep_token": "</s>", "cls_token": "<s>", "mask_token": "<stop>", "fim_pre_token": "<s>"}"#
    #expect(
      ids(try keys(["tokenizer_config.json": names]))
        == ["bos": 4, "eos": 5, "seperator": 5, "mask": 6, "fim_pre": 4])
  }

  // MARK: Around texts

  private func template(_ before: [String], _ after: [String]) -> String {
    func piece(_ name: String) -> String { #"{"SpecialToken": {"id": "\#(name)", "type_id": 0}}"# }
    let pieces =
      before.map(piece) + [#"{"Sequence": {"id": "A", "type_id": 0}}"#] + after.map(piece)
    let ids = [("<s>", 4), ("</s>", 5), ("<stop>", 6)].map { name, id in
      #""\#(name)": {"id": "\#(name)", "ids": [\#(id)], "tokens": ["\#(name)"]}"#
    }
    return
      #"{"type": "TemplateProcessing", "single": [\#(pieces.joined(separator: ", "))], "pair": [], "special_tokens": {\#(ids.joined(separator: ", "))}}"#
  }

  /// What ends texts is the end's token to llama.cpp, and what the files call so ends turns.
  @Test func endsThatAreAddedAreKeys() throws {
    let files = [
      "tokenizer.json": document(postProcessor: template(["<s>"], ["</s>"])),
      "tokenizer_config.json": #"{"eos_token": "<stop>"}"#,
    ]
    let found = try keys(files)
    #expect(ids(found) == ["bos": 4, "eos": 5, "eot": 6])
    #expect(value("tokenizer.ggml.add_bos_token", found) == .bool(true))
    #expect(value("tokenizer.ggml.add_eos_token", found) == .bool(true))
    #expect(value("tokenizer.ggml.add_eos_token", try keys()) == nil)
  }

  @Test func framesOfSeveralTokensAreSaid() throws {
    for (before, after) in [(["<s>", "<stop>"], []), (["<stop>"], []), ([], ["</s>", "<stop>"])] {
      let found = try keys([
        "tokenizer.json": document(postProcessor: template(before, after)),
        "tokenizer_config.json": #"{"bos_token": "<s>"}"#,
      ])
      let finding = found.findings.first { $0.check == "gguf-template" }
      #expect(finding?.severity == .warning, "\(before) \(after)")
      #expect(finding?.message.contains((before + after).joined(separator: " ")) == true)
    }
  }

  // MARK: What llama.cpp does otherwise

  @Test func ignoredMergesAreSaidWhereLlamaDoesNot() throws {
    let ignoring = try keys(["tokenizer.json": document(ignoresMerges: true)])
    let finding = ignoring.findings.first { $0.check == "gguf-ignore-merges" }
    #expect(finding?.severity == .warning && finding?.message.contains("'gpt-2'") == true)
    #expect(try !keys().findings.contains { $0.check == "gguf-ignore-merges" })
    // llama.cpp ignores them for this pattern by one of its names, and not by another.
    let llama3 = String(
      decoding: try Fixtures.bytes("tokenizer/llama3/tokenizer.json"), as: UTF8.self)
    let other = llama3.replacing(#""ignore_merges":true"#, with: #""ignore_merges":false"#)
    #expect(other != llama3)
    for (text, name) in [(llama3, "llama-bpe"), (other, "dbrx")] {
      let found = try keys(["tokenizer.json": text], rows: 1024)
      #expect(!found.findings.contains { $0.check == "gguf-ignore-merges" })
      #expect(value("tokenizer.ggml.pre", found) == .text(name))
    }
  }

  @Test func composedTextsAreSaid() throws {
    let found = try keys(["tokenizer.json": document(normalizer: #"{"type": "NFC"}"#)])
    #expect(found.findings.contains { $0.check == "gguf-normalizer" && $0.severity == .warning })
  }

  @Test func tokensThatTakeSpacesAlongAreSaid() throws {
    let text =
      #"{"added_tokens_decoder": {"6": {"content": "<stop>", "special": true, "rstrip": true}}}"#
    let finding = try keys(["tokenizer_config.json": text]).findings.first
    #expect(finding?.check == "gguf-token-flags" && finding?.severity == .warning)
    #expect(finding?.message.hasSuffix(": '<stop>'") == true)
  }

  @Test func addedTokensWithoutRowsAreNamed() throws {
    let files = ["tokenizer_config.json": #"{"pad_token": "<pad>"}"#]
    let fits = try keys(files)
    #expect(ids(fits) == ["padding": 7])
    #expect(value("tokenizer.ggml.tokens", fits)?.array?.texts?[7] == "<pad>")
    let beyond = try keys(files, rows: 7)
    #expect(ids(beyond) == [:])
    let finding = beyond.findings.first { $0.check == "token-left-out" }
    #expect(finding?.severity == .warning && finding?.message.contains("'<pad>'") == true)
    let error = #expect(throws: CheckpointError.self) { try keys(rows: 3) }
    #expect(error?.code == .malformed && error?.found == "4")
  }

  // MARK: Settings

  @Test func settingsForTextsAreKeysOrSaid() throws {
    let found = try keys([
      "generation_config.json":
        #"{"temperature": 0.6, "top_k": 40, "top_p": "x", "num_beams": 4, "eos_token_id": 5}"#
    ])
    #expect(value("general.sampling.temp", found) == .number(Double(Float(0.6))))
    #expect(value("general.sampling.top_k", found) == .signed(40, .int32))
    let finding = try #require(found.findings.first { $0.check == "generation-settings" })
    #expect(finding.severity == .note && finding.message.contains("num_beams 4"))
    #expect(finding.message.contains("top_p") && !found.contains("generation_config.json"))
    let whole = try keys(["generation_config.json": #"{"eos_token_id": 5}"#])
    #expect(whole.contains("generation_config.json") && whole.findings.isEmpty)
    let broken = try keys(["generation_config.json": "{"])
    #expect(broken.findings.map(\.severity) == [.warning])
  }

  /// Of a source of another graph; of the same one all else goes along, too.
  @Test(arguments: ["other", "same"]) func authorsGoAlong(_ architecture: String) throws {
    let workspace = try Workspace()
    var file = GGUFBuilder()
    for (key, text) in [
      ("general.architecture", "same"), ("general.name", "My Model 7B"),
      ("general.author", "A. U. Thor"), ("general.license", "mit"), ("same.setting", "x"),
      ("tokenizer.chat_template.old", "old"),
    ] { file.add(key, text) }
    file.add(tensor: "t", extents: [1], [0, 0, 0, 0])
    let path = try workspace.write("in.gguf", Data(file.contents))
    let header = try GGUFHeader(InputFile(path: path).region)
    let own: [(key: String, value: GGUFValue)] = [
      ("general.architecture", .text(architecture)), ("general.name", .text("My Model 7B")),
      ("tokenizer.chat_template", .text("new")),
    ]
    let carried = GGUFCarriedKeys(header, besides: own, isQuantized: false).entries.map(\.key)
    #expect(
      carried == ["general.author", "general.license"]
        + (architecture == "same" ? ["same.setting"] : []))
  }
}
