import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing
import Tokenization

/// Tokenizers that go into a GGUF file, come out of it as files, and go into one again.
@Suite struct GGUFTokenizerRestoringTests {
  private let workspace: Workspace
  private let sample: GGUFTokenizerSample
  init() throws {
    workspace = try Workspace()
    sample = GGUFTokenizerSample(workspace)
  }

  /// A folder with a tokenizer, and the model whose graph it belongs to.
  static let tokenizers = [
    ("gguf/tokenizer", "gpt2"), ("tokenizer/gpt2", "gpt2"), ("tokenizer/gpt2_files", "gptj"),
    ("tokenizer/gpt_neox", "gpt_neox"), ("tokenizer/llama3", "llama"),
    ("tokenizer/qwen2", "qwen2_tied"), ("gguf/sentencepiece", "llama"),
    ("gguf/sentencepiece/document", "llama"),
  ]

  private func tokenizer(_ folder: String) throws -> Tokenizer {
    try Tokenizer(assets: Source(folder).checkpoint.assets)
  }

  @Test(arguments: tokenizers) func keysComeBack(_ folder: String, _ name: String) throws {
    let model = try sample.model(name)
    try convert(model, workspace.path("x.gguf")) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = Fixtures.path(folder)
    }
    let back = try convert(workspace.path("x.gguf"), workspace.path("back"))
    let left = back.certificate.findings.first { $0.check == "metadata-left-out" }
    #expect(left?.message.contains("general.architecture") == true)
    #expect(left?.message.contains("tokenizer") == false, "\(left?.message ?? "")")
    try convert(workspace.path("back"), workspace.path("y.gguf")) { $0.format = "gguf" }
    #expect(try sample.keys("y.gguf") == sample.keys("x.gguf"))
    try convert(workspace.path("x.gguf"), workspace.path("z.gguf")) { $0.format = "gguf" }
    #expect(try sample.keys("z.gguf") == sample.keys("x.gguf"))

    guard !folder.contains("sentencepiece") else {
      #expect(workspace.has("back/tokenizer.model"))
      return
    }
    let options = OpenOptions(assetsDirectory: Fixtures.path(folder))
    let original = try Tokenizer(assets: Source(model, options).checkpoint.assets)
    let restored = try tokenizer(workspace.path("back"))
    for text in ["Hello  world, it's 12345\n\t é e\u{301} 🙂<|endoftext|> x", "ab<|end|> <mine>"] {
      #expect(try restored.encode(text) == original.encode(text), "\(text)")
    }
  }

  /// Whether texts are composed (NFC) is nothing that llama.cpp's keys say: a key of our own does where it isn't usual.
  @Test(
    arguments: [("tokenizer/qwen2", "qwen2_tied"), ("tokenizer/llama3", "llama")], [true, false])
  func composingComesBack(_ tokenizer: (folder: String, model: String), _ composes: Bool) throws {
    let document = try JSONSerialization.jsonObject(
      with: Data(try Fixtures.bytes("\(tokenizer.folder)/tokenizer.json")))
    var object = try #require(document as? [String: Any])
    object["normalizer"] = composes ? ["type": "NFC"] : NSNull()
    try workspace.write("files/tokenizer.json", JSONSerialization.data(withJSONObject: object))
    let model = try sample.model(tokenizer.model)
    let options = OpenOptions(assetsDirectory: workspace.path("files"))
    try convert(model, workspace.path("x.gguf")) {
      $0.format = "gguf"
      $0.openOptions = options
    }
    let file = try Source(workspace.path("x.gguf"))
    let isUsual = composes == (tokenizer.model == "qwen2_tied")
    #expect((file.ggufHeader?["weighbridge.tokenizer.composes_text"] == nil) == isUsual)
    let restored = try Tokenizer(assets: RestoredTokenizer.added(to: file).checkpoint.assets)
    let original = try Tokenizer(assets: Source(model, options).checkpoint.assets)
    #expect(restored.composesText == composes)
    let text = "e\u{301} é x"
    #expect(try restored.encode(text) == original.encode(text))
    // Written again, and back, it stays so.
    try convert(workspace.path("x.gguf"), workspace.path("y.gguf")) { $0.format = "gguf" }
    let back = try convert(workspace.path("y.gguf"), workspace.path("back"))
    #expect(try self.tokenizer(workspace.path("back")).composesText == composes)
    let left = back.certificate.findings.first { $0.check == "metadata-left-out" }
    #expect(left?.message.contains("composes_text") == false)
  }

  @Test func filesThatAreGivenCount() throws {
    let model = try sample.model("gpt2")
    for (name, folder) in [("x.gguf", "gguf/tokenizer"), ("y.gguf", "tokenizer/gpt2")] {
      try convert(model, workspace.path(name)) {
        $0.format = "gguf"
        $0.openOptions.assetsDirectory = Fixtures.path(folder)
      }
    }
    try convert(workspace.path("x.gguf"), workspace.path("z.gguf")) {
      $0.format = "gguf"
      $0.openOptions.assetsDirectory = Fixtures.path("tokenizer/gpt2")
    }
    #expect(try sample.keys("z.gguf") == sample.keys("y.gguf"))
  }

  // MARK: Keys that make no tokenizer

  /// A model's file with a tokenizer of four tokens.
  private func file(_ edit: (inout GGUFBuilder) -> Void) -> GGUFBuilder {
    var file = GGUFBuilder()
    file.add("general.architecture", "another")
    file.add("tokenizer.ggml.model", "gpt2")
    file.add("tokenizer.ggml.pre", "gpt-2")
    file.add(
      "tokenizer.ggml.tokens", arrayOf: 8, count: 4,
      ["a", "b", "ab", "<e>"].flatMap { file.bytes($0) })
    file.add(
      "tokenizer.ggml.token_type", arrayOf: 5, count: 4,
      [1, 1, 1, 3].flatMap { file.bytes(Int32($0)) })
    file.add("tokenizer.ggml.merges", arrayOf: 8, count: 1, file.bytes("a b"))
    file.add("tokenizer.ggml.eos_token_id", 3)
    file.add("tokenizer.ggml.add_bos_token", type: 7, [0])
    file.add(tensor: "t", extents: [1], [0, 0, 0, 0])
    edit(&file)
    return file
  }

  private func outcome(of file: GGUFBuilder) throws -> (hasFiles: Bool, left: String) {
    let path = try workspace.write("in.gguf", Data(file.contents))
    let outcome = try convert(path, workspace.path("out")) {
      $0.force = true
    }
    let left = outcome.certificate.findings.first { $0.check == "metadata-left-out" }
    return (workspace.names(in: "out").contains("tokenizer_config.json"), left?.message ?? "")
  }

  @Test func theSmallestTokenizerIsRestored() throws {
    let (hasFiles, left) = try outcome(of: file { _ in })
    #expect(hasFiles && !left.contains("tokenizer"))
    let found = try tokenizer(workspace.path("out"))
    #expect(try found.encode("ab<e>") == [2, 3] && found.roles == [.end: 3])
  }

  /// A key is named once, and stays if the tokenizer doesn't say it again.
  @Test func otherKeysAreLeftOut() throws {
    let (hasFiles, left) = try outcome(
      of: file {
        $0.add("tokenizer.ggml.separator_token_id", 3)
        $0.add("tokenizer.ggml.unknown_token_id", 9)
      })
    #expect(hasFiles && left.contains("separator_token_id") && left.contains("unknown_token_id"))
    #expect(!left.contains("ggml.tokens"))
  }

  @Test(
    arguments: [
      ("model", 8, "bert"), ("pre", 8, "deepseek-llm"), ("model", 8, "llama"), ("pre", 4, "1234"),
      ("tokens", 8, "x"), ("token_type", 8, "x"), ("merges", 8, "x"),
    ] as [(String, UInt32, String)])
  func whatMakesNoTokenizerIsLeftOut(_ key: String, _ type: UInt32, _ text: String) throws {
    let file = file {
      $0.entries.removeAll { $0.key == Array("tokenizer.ggml.\(key)".utf8) }
      let bytes = $0.bytes(text)
      $0.add("tokenizer.ggml.\(key)", type: type, type == 8 ? bytes : Array(text.utf8))
    }
    let (hasFiles, left) = try outcome(of: file)
    #expect(!hasFiles && left.contains("tokenizer.ggml.tokens"))
  }

  @Test func arraysThatDoNotFitAreLeftOut() throws {
    let texts: [([String], [Int32], [String])] = [
      (["a", "b", "ab"], [1, 1], ["a b"]), (["a", "b", "ab"], [1, 1, 9], ["a b"]),
      (["a", "b", "a"], [1, 1, 1], []), (["a", "b"], [1, 1], ["a b"]),
      (["a", "b", "ab"], [1, 1, 1], ["ab"]), (["a", "", "ab"], [1, 1, 1], []),
      (["a", "<x>", "b"], [1, 5, 3], []), ([], [], []), (["a", "b"], [1, -1], []),
    ]
    for (tokens, kinds, merges) in texts {
      let file = file {
        for key in ["tokens", "token_type", "merges"] {
          $0.entries.removeAll { $0.key == Array("tokenizer.ggml.\(key)".utf8) }
        }
        let (strings, numbers) = (tokens.flatMap($0.bytes), kinds.flatMap($0.bytes))
        $0.add("tokenizer.ggml.tokens", arrayOf: 8, count: tokens.count, strings)
        $0.add("tokenizer.ggml.token_type", arrayOf: 5, count: kinds.count, numbers)
        let pairs = merges.flatMap($0.bytes)
        $0.add("tokenizer.ggml.merges", arrayOf: 8, count: merges.count, pairs)
      }
      _ = try outcome(of: file)
    }
  }
}
