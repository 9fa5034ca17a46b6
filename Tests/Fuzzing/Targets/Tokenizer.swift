// seeds: fixtures/bad/tokenizer/*.json fixtures/tokenizer/*/tokenizer.json
// seeds, joined: fixtures/tokenizer/gpt2_files/vocab.json+fixtures/tokenizer/gpt2_files/merges.txt+fixtures/tokenizer/gpt2_files/tokenizer_config.json fixtures/tokenizer/qwen2_files/vocab.json+fixtures/tokenizer/qwen2_files/merges.txt+fixtures/tokenizer/qwen2_files/tokenizer_config.json
// words: Sources/Tokenization

import Fuzzing
import TensorModel
import Tokenization

/// A tokenizer: `tokenizer.json` of BPE of bytes or characters or of Unigram, or `vocab.json NUL merges.txt NUL tokenizer_config.json`.
@main struct TokenizerTarget: FuzzTarget {
  private static let text =
    "Hello  world, it's \u{e9}e\u{301} 12345\n\t\u{1f600}<|endoftext|> the end"

  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let parts = input.parts(3)
    let names =
      parts.count == 1
      ? ["tokenizer.json"] : ["vocab.json", "merges.txt", "tokenizer_config.json"]
    let assets = zip(names, parts).map { (name, bytes) in
      Checkpoint.Asset(name: name, byteCount: bytes.count) { () throws(CheckpointError) in bytes }
    }
    let tokenizer = try Tokenizer(assets: assets)
    let ids = try tokenizer.encode(text)
    expect(ids.allSatisfy { (0..<tokenizer.vocabularySize).contains($0) })
    _ = tokenizer.decode(ids, skippingSpecialTokens: true)
  }
}
