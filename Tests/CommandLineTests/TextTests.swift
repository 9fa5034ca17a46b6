import Foundation
import TestSupport
import Testing

/// `--text`: a file that the checkpoint's own tokenizer cuts into tokens.
@Suite struct TextTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")
  private static let llama = fixture("huggingface/llama")
  private static let text = "A GPT-J model's weights, 1234 of  them\n"

  private func file(_ text: String) throws -> String {
    try Data(text.utf8).write(to: URL(filePath: workspace.path("text.txt")))
    return workspace.path("text.txt")
  }

  private func top(_ arguments: String...) throws -> NSDictionary {
    var document = try Weighbridge.run(["forward"] + arguments + ["--json"]).object
    document["timing"] = nil
    return document as NSDictionary
  }

  @Test func aTextIsAPrompt() throws {
    let file = try file(Self.text)
    let prompted = try top(Self.gptj, "--prompt", Self.text)
    #expect(prompted["token_count"] as? Int ?? 0 > 10)
    #expect(try top(Self.gptj, "--text", file) == prompted)
    let measured = try top(Self.gptj, "--text", file, "--perplexity")
    #expect(measured["perplexity"] != nil)
  }

  @Test func longTextsAreRunInRows() throws {
    let file = try file(String(repeating: Self.text, count: 20))
    let document = try top(Self.gptj, "--text", file)
    let (tokens, rows) = (document["token_count"] as? Int, document["row_count"] as? Int)
    #expect(tokens ?? 0 > 64 && rows == ((tokens ?? 0) + 63) / 64)
  }

  /// The file of SentencePiece puts `<s>` before texts, what `tokenizer.json` has kept of it says nothing of that.
  @Test(arguments: [("gguf/sentencepiece", 3), ("gguf/sentencepiece/document", 2)])
  func sentencePieceRunsToo(folder: String, count: Int) throws {
    let document = try top(Self.llama, "--assets", fixture(folder), "--prompt", "Z")
    #expect(document["token_count"] as? Int == count)
  }

  @Test func conversionsAndComparisonsTakeIt() throws {
    let file = try file(String(repeating: Self.text, count: 20))
    let quantized = try Weighbridge.run(
      "quantize", Self.gptj, workspace.path("q.gguf"), "--scheme", "q8_0", "--validate", "--text",
      file, "--json", "--quiet")
    #expect(quantized.code == 0, "\(quantized.errors)")
    #expect(try quantized.object["token_count"] as? Int == 64)
    let converted = try Weighbridge.run(
      "convert", Self.gptj, workspace.path("c.store"), "--validate", "--text", file, "--json",
      "--quiet")
    #expect(converted.code == 0, "\(converted.errors)")
    let compared = try Weighbridge.run(
      "compare", Self.gptj, workspace.path("c.store"), "--forward", "--text", file, "--json")
    #expect(compared.code == 0, "\(compared.errors)")
  }

  @Test func whatCannotRunIsSaid() throws {
    let file = try file(Self.text)
    let wrong = [
      ["forward", Self.gptj, "--text", file, "--tokens", "1"],
      ["forward", Self.gptj, "--text", file, "--tokens-file", file],
      ["forward", Self.gptj, "--text", file, "--prompt", "x"],
      ["quantize", Self.gptj, "x.gguf", "--scheme", "q8_0", "--text", file],
      [
        "quantize", Self.gptj, "x.gguf", "--scheme", "q8_0", "--validate", "--text", file,
        "--tokens-file", file,
      ],
      ["convert", Self.gptj, "x.store", "--text", file],
      ["convert", Self.gptj, "x.store", "--validate", "--text", file, "--tokens", "1"],
      ["compare", Self.gptj, Self.gptj, "--text", file],
      ["compare", Self.gptj, Self.gptj, "--forward", "--text", file, "--tokens-file", file],
      ["forward", Self.gptj, "--text", "/nowhere"],
    ]
    for arguments in wrong {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 2, "\(arguments)")
      #expect(outcome.output.isEmpty)
    }
    let bare = try Weighbridge.run("forward", Self.llama, "--text", file)
    #expect(bare.code == 2)
    #expect(bare.errors.contains("no tokenizer") && bare.errors.contains("hint: "))
    try Data("a".utf8).write(to: URL(filePath: workspace.path("vocab.txt")))
    let other = try Weighbridge.run(
      "forward", Self.llama, "--assets", workspace.path(""), "--text", file)
    #expect(other.code == 2 && other.errors.contains("WordPiece"), "\(other.errors)")
    let large = try Weighbridge.run(
      "forward", fixture("huggingface/qwen2_tied"), "--assets", fixture("tokenizer/qwen2"),
      "--prompt", "Zürich 日本")
    #expect(large.code == 2)
    #expect(large.errors.contains("does the tokenizer belong to the model?"), "\(large.errors)")
    try Data([0x61, 0xff]).write(to: URL(filePath: workspace.path("bytes")))
    let bytes = try Weighbridge.run("forward", Self.gptj, "--text", workspace.path("bytes"))
    #expect(bytes.code == 2 && bytes.errors.contains("UTF-8"))
  }
}
