import TensorModel
import TestSupport
import Testing

@testable import Tokenization

/// Tokens that stand beside `tokenizer.json`; what is expected is what transformers 5.23 makes of the same files.
@Suite struct AddedTokenTests {
  /// Four tokens, and two that `tokenizer.json` has added.
  private static let document = """
    {"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
     "added_tokens": [{"id": 4, "content": "<s>", "special": true, "normalized": false},
                      {"id": 5, "content": "<x>", "special": true, "normalized": false}],
     "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
     "post_processor": null, "decoder": {"type": "ByteLevel"},
     "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3}, "merges": ["a b"]}}
    """

  private func tokenizer(
    _ configuration: String?, added: String? = nil, map: String? = nil
  ) throws -> Tokenizer {
    var files = [asset("tokenizer.json", Self.document)]
    if let configuration { files.append(asset("tokenizer_config.json", configuration)) }
    if let added { files.append(asset("added_tokens.json", added)) }
    if let map { files.append(asset("special_tokens_map.json", map)) }
    return try Tokenizer(assets: files)
  }

  private func texts(_ tokenizer: Tokenizer) -> [String] {
    tokenizer.vocabulary.tokens.dropFirst(4).map { $0?.text ?? "none" }
  }

  private func listed(_ id: Int, _ text: String, special: Bool = true) -> String {
    #"{"added_tokens_decoder": {"\#(id)": {"content": "\#(text)", "special": \#(special)}}}"#
  }

  @Test func listedTokensAreAdded() throws {
    let tokenizer = try tokenizer(listed(6, "<e>"))
    #expect(texts(tokenizer) == ["<s>", "<x>", "<e>"])
    #expect(tokenizer.vocabulary.tokens[6]?.kind == .control)
    #expect(try tokenizer.encode("ab<e>a") == [3, 6, 0])
    #expect(tokenizer.findings.isEmpty)
    let older = try self.tokenizer("{}", added: #"{"<e>": 6}"#)
    #expect(texts(older) == ["<s>", "<x>", "<e>"] && older.findings.isEmpty)
    #expect(older.vocabulary.tokens[6]?.kind == .added)
  }

  /// A token gets the next id, whatever its file says; the finding names it, and both ids.
  @Test(arguments: [(9, "9 there"), (1, "1 there, which is 'b'"), (5, "5 there, which is '<x>'")])
  func idsThatDoNotFitAreSaid(_ id: Int, _ said: String) throws {
    let tokenizer = try tokenizer(listed(id, "<e>"))
    #expect(texts(tokenizer) == ["<s>", "<x>", "<e>"])
    let finding = try #require(tokenizer.findings.first)
    #expect(tokenizer.findings.count == 1 && finding.severity == .warning)
    #expect(finding.file == "tokenizer_config.json")
    #expect(finding.message.contains("'<e>' has the id \(said)"), "\(finding.message)")
    #expect(finding.message.contains("here it is 6"))
  }

  @Test func tokensThatAreThereChangeTheirKind() throws {
    let known = try tokenizer(listed(1, "b"))
    #expect(texts(known) == ["<s>", "<x>"] && known.vocabulary.tokens[1]?.kind == .control)
    let text = try tokenizer(listed(4, "<s>", special: false))
    #expect(text.vocabulary.tokens[4]?.kind == .added)
    let named = try tokenizer(
      #"{"bos_token": "<s>", "added_tokens_decoder": {"4": {"content": "<s>", "special": false}}}"#)
    #expect(named.vocabulary.tokens[4]?.kind == .control && named.roles == [.beginning: 4])
    let other = try tokenizer(listed(7, "<x>"))
    #expect(texts(other) == ["<s>", "<x>"])
    #expect(other.findings.first?.message.contains("here it is 5") == true)
  }

  /// Beside a decoder the older file isn't read, and of one id the token of `tokenizer.json` counts.
  @Test func olderFilesCountLess() throws {
    let both = try tokenizer(#"{"added_tokens_decoder": {}}"#, added: #"{"<e>": 6}"#)
    #expect(texts(both) == ["<s>", "<x>"])
    let taken = try tokenizer("{}", added: #"{"<e>": 5}"#)
    #expect(texts(taken) == ["<s>", "<x>"])
    #expect(taken.findings.first?.message.contains("left out: the token '<e>'") == true)
    #expect(taken.findings.first?.file == "added_tokens.json")
  }

  /// In the order of their ids, then those with roles, those of the model's own, and the others.
  @Test func namedTokensComeAfterListedOnes() throws {
    let tokenizer = try tokenizer(
      """
      {"added_tokens_decoder": {"8": {"content": "<b>"}, "7": {"content": "<a>"}},
       "image_token": "<img>", "eot_token": "<eot>", "mask_token": "<m>", "sep_token": "<sep>",
       "additional_special_tokens": ["<more>"], "extra_special_tokens": {"video_token": "<vid>"}}
      """)
    #expect(
      texts(tokenizer)
        == ["<s>", "<x>", "<a>", "<b>", "<sep>", "<m>", "<eot>", "<img>", "<vid>", "<more>"])
    #expect(tokenizer.roles == [.separator: 8, .mask: 9, .endOfTurn: 10])
  }

  /// Without a decoder the map counts, with one it only says what tokens are for.
  @Test func mapsCountWithoutADecoder() throws {
    let map = #"{"eos_token": "<x>", "pad_token": "<pad>"}"#
    let older = try tokenizer(#"{"eos_token": "a"}"#, map: map)
    #expect(older.roles == [.end: 5, .padding: 6] && older.vocabulary.tokens[0]?.kind == .ordinary)
    #expect(
      older.findings.contains {
        $0.check == "special-token" && $0.message.contains("'<x>'") && $0.message.contains("'a'")
      })
    let newer = try tokenizer(#"{"eos_token": "a", "added_tokens_decoder": {}}"#, map: map)
    #expect(newer.findings.map(\.severity) == [.note])
    #expect(newer.roles == [.end: 0] && newer.vocabulary.tokens[0]?.kind == .control)
    #expect(texts(newer) == ["<s>", "<x>"])
  }

  /// What two files list counts once against the limit.
  @Test func repeatedTokensAreNotTooMany() throws {
    let count = Vocabulary.maximumAddedByteCount / 500 - 10
    let texts = (0..<count).map { "<\($0)\(String(repeating: "x", count: 490))>" }
    let own = texts.enumerated().map { #"{"id": \#($0 + 4), "content": "\#($1)"}"# }
    let listed = texts.enumerated().map { #""\#($0 + 4)": {"content": "\#($1)"}"# }
    let document = Self.document.replacing(
      /"added_tokens": \[[^\]]*\]/, with: #""added_tokens": [\#(own.joined(separator: ","))]"#)
    let configuration = #"{"added_tokens_decoder": {\#(listed.joined(separator: ","))}}"#
    let tokenizer = try Tokenizer(assets: [
      asset("tokenizer.json", document), asset("tokenizer_config.json", configuration),
    ])
    #expect(tokenizer.vocabularySize == count + 4 && tokenizer.findings.isEmpty)
  }

  @Test func listsThatAreNoneAreRefused() {
    for (configuration, added) in [
      (#"{"added_tokens_decoder": {"x": {"content": "<e>"}}}"#, nil),
      (#"{"added_tokens_decoder": {"6": {}}}"#, nil),
      (#"{"added_tokens_decoder": {"-1": {"content": "<e>"}}}"#, nil),
      ("{}", #"{"<e>": "6"}"#), ("{}", #"{"<e>": -6}"#),
    ] {
      let error = #expect(throws: CheckpointError.self) {
        try tokenizer(configuration, added: added)
      }
      #expect(error?.code == .malformed)
      #expect(error?.file == (added == nil ? "tokenizer_config.json" : "added_tokens.json"))
    }
    // A number says nothing of how much is allocated.
    #expect(throws: Never.self) { try tokenizer(listed(Int.max, "<e>")) }
  }
}
