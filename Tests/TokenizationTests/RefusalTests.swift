import FileContainers
import TensorModel
import TestSupport
import Testing

@testable import Tokenization

/// A `tokenizer.json` in parts, each of which a test may replace.
private struct Document {
  var model = """
    {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
     "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
     "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3}, "merges": ["a b"]}
    """
  var added = "[]"
  var normalizer = "null"
  var preTokenizer = #"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true}"#
  var postProcessor = "null"
  var decoder = #"{"type": "ByteLevel"}"#

  var text: String {
    """
    {"version": "1.0", "truncation": null, "padding": null, "added_tokens": \(added),
     "normalizer": \(normalizer), "pre_tokenizer": \(preTokenizer),
     "post_processor": \(postProcessor), "decoder": \(decoder), "model": \(model)}
    """
  }

  func tokenizer() throws(CheckpointError) -> Tokenizer {
    try Tokenizer(assets: [asset("tokenizer.json", text)])
  }
}

@Suite struct RefusalTests {
  @Test func takesTheDocumentThatTheOthersVary() throws {
    #expect(try Document().tokenizer().encode("abz ab") == [3, 2, 3])
  }

  @Test(arguments: [
    ("model", #"{"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0]]}"#, "a Unigram model"),
    ("model", #"{"type": "WordLevel", "vocab": {"a": 0}}"#, "a WordLevel model"),
    ("model", #"{"type": "WordPiece", "vocab": {}}"#, "a WordPiece model"),
    ("model", #"{"vocab": {}}"#, "a model without a type"),
    (
      "model", #"{"type": "BPE", "byte_fallback": true, "vocab": {}, "merges": []}"#,
      "byte fallback"
    ),
    (
      "model", #"{"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {}, "merges": []}"#,
      "'</w>'"
    ),
    ("model", #"{"type": "BPE", "dropout": 0.1, "vocab": {}, "merges": []}"#, "dropout 0.1"),
    ("normalizer", #"{"type": "Lowercase"}"#, "the normalizer Lowercase"),
    (
      "normalizer", #"{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFKC"}]}"#,
      "NFKC"
    ),
    ("preTokenizer", "null", "without a ByteLevel"),
    (
      "preTokenizer", #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "twice"}"#,
      "Metaspace"
    ),
    ("preTokenizer", #"{"type": "BertPreTokenizer"}"#, "BertPreTokenizer"),
    (
      "preTokenizer",
      #"{"type": "Sequence", "pretokenizers": [{"type": "UnicodeScripts"}, {"type": "ByteLevel", "add_prefix_space": false}]}"#,
      "UnicodeScripts"
    ),
    (
      "preTokenizer",
      #"{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\s+x"}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false}]}"#,
      #"\s+x"#
    ),
    ("postProcessor", #"{"type": "RobertaProcessing"}"#, "RobertaProcessing"),
    ("decoder", #"{"type": "WordPiece"}"#, "the decoder WordPiece"),
    (
      "decoder", #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}"#,
      "another decoder"
    ),
  ]) func namesWhatItCannotRun(part: String, value: String, named: String) {
    var document = Document()
    switch part {
    case "model": document.model = value
    case "normalizer": document.normalizer = value
    case "preTokenizer": document.preTokenizer = value
    case "postProcessor": document.postProcessor = value
    default: document.decoder = value
    }
    let error = #expect(throws: CheckpointError.self) { try document.tokenizer() }
    #expect(error?.code == .unsupported)
    #expect(error?.file == "tokenizer.json")
    #expect(error?.found?.contains(named) ?? false, "\(String(describing: error))")
    #expect(error?.hint?.contains("--tokens") ?? false)
  }

  @Test(arguments: Fixtures.cases("bad/tokenizer"))
  func brokenOnesGetTheirVerdict(_ file: Fixtures.Case) throws {
    let bytes = try Fixtures.bytes(file.name)
    let asset = Checkpoint.Asset(name: "tokenizer.json", byteCount: bytes.count) {
      () throws(CheckpointError) in bytes
    }
    if file.verdict == "accept" {
      _ = try Tokenizer(assets: [asset])
    } else {
      #expect(throws: CheckpointError.self) { try Tokenizer(assets: [asset]) }
    }
  }

  @Test(arguments: [
    ("model", #"{"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}"#, "two tokens"),
    ("model", #"{"type": "BPE", "vocab": {"a": -1}, "merges": []}"#, "no valid id"),
    ("model", #"{"type": "BPE", "vocab": {"a": 1.5}, "merges": []}"#, "no valid id"),
    ("model", #"{"type": "BPE", "vocab": {"a": 262146}, "merges": []}"#, "no valid id"),
    (
      "model", #"{"type": "BPE", "vocab": {"a": 9223372036854775808}, "merges": []}"#, "no valid id"
    ),
    ("model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}"#, "refers to"),
    ("model", #"{"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}"#, "refers to"),
    ("model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": ["aa"]}"#, "isn't two tokens"),
    ("model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}"#, "isn't two tokens"),
    ("model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": {}}"#, "without 'vocab'"),
    ("model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "?"}"#, "unknown"),
    ("model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": [], "fuse_unk": 1}"#, "truth value"),
    ("model", #"{"type": 3}"#, "isn't a text"),
    ("added", #"[{"id": 7, "content": "<x>"}]"#, "unexpected id"),
    ("added", #"[{"id": 1, "content": "a"}]"#, "another id"),
    ("added", #"[{"content": "a"}]"#, "without id"),
    ("added", #"[{"id": 4, "content": "\#(String(repeating: "x", count: 513))"}]"#, "too long"),
    ("added", "{}", "isn't a list"),
    (
      "postProcessor",
      #"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"a": {"ids": [9]}}}"#,
      "no token has"
    ),
    ("postProcessor", #"{"type": "TemplateProcessing", "single": []}"#, "the text once"),
    ("postProcessor", #"{"type": "TemplateProcessing", "single": [{"X": 1}]}"#, "unknown part"),
  ]) func refusesWhatMakesNoSense(part: String, value: String, message: String) {
    var document = Document()
    switch part {
    case "model": document.model = value
    case "added": document.added = value
    default: document.postProcessor = value
    }
    let error = #expect(throws: CheckpointError.self) { try document.tokenizer() }
    #expect(error?.code == .malformed)
    #expect(error?.message.contains(message) ?? false, "\(String(describing: error))")
  }

  @Test(arguments: ["vocab.txt", "tiktoken.model", "qwen.tiktoken"])
  func saysWhichOtherTokenizerItFound(name: String) {
    let error = #expect(throws: CheckpointError.self) {
      try Tokenizer(assets: [asset(name, "x")])
    }
    #expect(error?.code == .unsupported)
    #expect(error?.found?.contains(name) ?? false)
  }

  @Test func saysWhatIsMissing() {
    for files in [[], ["vocab.json"], ["merges.txt"]] {
      let error = #expect(throws: CheckpointError.self) {
        try Tokenizer(assets: files.map { asset($0, "{}") })
      }
      #expect(error?.code == .missing)
    }
  }

  @Test func refusesFilesOfOtherClasses() {
    let error = #expect(throws: CheckpointError.self) {
      try Tokenizer(assets: [
        asset("vocab.json", "{}"), asset("merges.txt", ""),
        asset("tokenizer_config.json", #"{"tokenizer_class": "CLIPTokenizer"}"#),
      ])
    }
    #expect(error?.found?.contains("CLIPTokenizer") ?? false)
  }

  @Test func refusesBrokenMerges() {
    let vocabulary = asset("vocab.json", #"{"a": 0, "b": 1, "ab": 2}"#)
    for (text, offset) in [("#version: 0.2\na b\na\n", 18), ("a b\n\na b\n", 4), ("a b c", 0)] {
      let error = #expect(throws: CheckpointError.self) {
        try Tokenizer(assets: [vocabulary, asset("merges.txt", text)])
      }
      #expect(error?.byteOffset == offset)
      #expect(error?.file == "merges.txt")
    }
  }

  @Test func readsMergesOfWindows() throws {
    let tokenizer = try Tokenizer(assets: [
      asset("vocab.json", #"{"a": 0, "b": 1, "ab": 2}"#),
      asset("merges.txt", "#version: 0.2\r\na b\r\n"),
    ])
    #expect(try tokenizer.encode("abb") == [2, 1])
  }

  @Test func refusesFilesThatAreTooLarge() {
    let large = Checkpoint.Asset(name: "tokenizer.json", byteCount: 1 << 30) {
      () throws(CheckpointError) in
      Issue.record("the file was read")
      return []
    }
    let error = #expect(throws: CheckpointError.self) { try Tokenizer(assets: [large]) }
    #expect(error?.code == .unsupported)
  }

  @Test func survivesDamage() throws {
    var random = FixedRandom(seed: 11)
    for folder in ["flags", "llama3"] {
      let bytes = try Fixtures.bytes("tokenizer/\(folder)/tokenizer.json")
      for _ in 0..<60 {
        var damaged = bytes
        for _ in 0..<Int.random(in: 1...3, using: &random) { damaged = random.damaged(damaged) }
        if let tokenizer = try? Tokenizer(assets: [asset("tokenizer.json", damaged)]) {
          _ = tokenizer.decode(try tokenizer.encode("<s> the weighbridge's 123 \u{e9} <mask>\n"))
        }
      }
      for end in stride(from: 0, to: bytes.count, by: bytes.count / 40) {
        #expect(throws: CheckpointError.self) {
          try Tokenizer(assets: [asset("tokenizer.json", Array(bytes.prefix(end)))])
        }
      }
    }
  }

  @Test(.timeLimit(.minutes(1))) func encodesLongTextsInProportionateTime() throws {
    let tokenizer = try Tokenizer(assets: assets("flags"))
    let length = 20_000
    for unit in ["a", " ", "ab", "<r> ", "<l>\n ", "e\u{301}"] {
      let text = String(repeating: unit, count: length / unit.utf8.count)
      #expect(try tokenizer.encode(text).count > 2)
    }
  }
}
