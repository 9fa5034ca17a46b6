import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@testable import Tokenization

/// What Hugging Face's `tokenizers` and transformers make of texts and ids, recorded by `fixtures/tokenizer/make.py`.
@Suite struct GoldenTests {
  struct Expected: Decodable {
    struct Text: Decodable {
      let text: String
      let ids: [Int]
      let bare: [Int]
    }
    struct Decoded: Decodable {
      let ids: [Int]
      let text: String
      let visible: String
    }
    let size: Int
    let texts: [Text]
    let decoded: [Decoded]
  }

  static let folders = Fixtures.names(in: "tokenizer").filter { !$0.hasSuffix(".py") }

  private func expected(_ folder: String) throws -> Expected {
    try JSONDecoder().decode(
      Expected.self, from: Data(try Fixtures.bytes("tokenizer/\(folder)/expected.json")))
  }

  @Test func coversEveryFamily() { #expect(Self.folders.count == 15) }

  @Test(arguments: folders) func encodesAsTheReference(folder: String) throws {
    let tokenizer = try Tokenizer(assets: assets(folder))
    let expected = try expected(folder)
    #expect(tokenizer.vocabularySize == expected.size)
    for row in expected.texts {
      #expect(try tokenizer.encode(row.text) == row.ids, "\(row.text.debugDescription)")
      #expect(
        try tokenizer.encode(row.text, addingSpecialTokens: false) == row.bare,
        "\(row.text.debugDescription)")
    }
  }

  @Test(arguments: folders) func decodesAsTheReference(folder: String) throws {
    let tokenizer = try Tokenizer(assets: assets(folder))
    for row in try expected(folder).decoded {
      #expect(scalars(tokenizer.decode(row.ids)) == scalars(row.text), "\(row.ids)")
      #expect(
        scalars(tokenizer.decode(row.ids, skippingSpecialTokens: true)) == scalars(row.visible))
    }
  }

  @Test func encodesTheTokenizersOfTheModels() throws {
    for family in Fixtures.names(in: "huggingface") {
      let folder = "huggingface/\(family)"
      guard Fixtures.names(in: folder).contains("tokenizer.json") else { continue }
      let all = try assets(folder, in: "")
      let whole = try Tokenizer(assets: all)
      let text = "A GPT-J model's weights, 1234 of  them\n"
      let ids = try whole.encode(text)
      #expect(whole.decode(ids) == text)
      #expect(whole.cutting == .gpt2)
      if all.contains(where: { $0.name == "vocab.json" }) {
        let files = try Tokenizer(assets: all.filter { $0.name != "tokenizer.json" })
        #expect(try files.encode(text) == ids)
      }
    }
  }

  @Test func givesAWriterWhatItNeeds() throws {
    let llama = try Tokenizer(assets: assets("llama3"))
    #expect(llama.cutting?.ggufName(ignoresMerges: true, preferred: nil) == "llama-bpe")
    #expect(llama.ignoresMerges)
    let begin = try #require(llama.vocabulary.id(of: "<|begin_of_text|>"))
    #expect(llama.prefix == [begin])
    #expect(llama.vocabulary.tokens[begin]?.kind == .control)
    #expect(llama.vocabulary.tokens[0]?.kind == .ordinary)
    for merge in llama.vocabulary.merges {
      let texts = [merge.left, merge.right, merge.result].map { llama.vocabulary.tokens[$0]?.text }
      #expect((texts[0] ?? "") + (texts[1] ?? "") == texts[2])
    }

    let qwen = try Tokenizer(assets: assets("qwen2_files"))
    #expect(qwen.cutting == .qwen2)
    #expect(qwen.composesText)
    #expect(qwen.roles[.end] == qwen.vocabulary.id(of: "<|im_end|>"))
    #expect(qwen.roles[.beginning] == nil)

    let gpt2 = try Tokenizer(assets: assets("gpt2_files"))
    #expect(gpt2.roles[.beginning] == 0)
    #expect(gpt2.roles[.padding] == gpt2.vocabulary.id(of: "<mask>"))
    let extra = try #require(gpt2.vocabulary.id(of: "<|extratoken_1|>"))
    #expect(gpt2.vocabulary.tokens[extra]?.kind == .added)
  }

  @Test func decodesTokenByToken() throws {
    let tokenizer = try Tokenizer(assets: assets("gpt2"))
    let text = "naïve 🙂 東京"
    let bytes = try tokenizer.encode(text).flatMap { tokenizer.bytes(of: $0) }
    #expect(bytes == Array(text.utf8))
    #expect(tokenizer.bytes(of: -1).isEmpty)
    #expect(tokenizer.bytes(of: 1 << 40).isEmpty)
    #expect(tokenizer.decode([-1, Int.max, Int.min]) == "")
  }

  private func scalars(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value) }
}

/// The files of a folder of fixtures.
func assets(_ folder: String, in parent: String = "tokenizer/") throws -> [Checkpoint.Asset] {
  try Fixtures.names(in: parent + folder).filter { $0 != "expected.json" }.map { name in
    asset(name, try Fixtures.bytes("\(parent)\(folder)/\(name)"))
  }
}

/// A sidecar file of these bytes.
func asset(_ name: String, _ bytes: [UInt8]) -> Checkpoint.Asset {
  Checkpoint.Asset(name: name, byteCount: bytes.count) { () throws(CheckpointError) in bytes }
}

/// A sidecar file of this text.
func asset(_ name: String, _ text: String) -> Checkpoint.Asset { asset(name, Array(text.utf8)) }
