// seeds: fixtures/gguf/sentencepiece/tokenizer.model fixtures/tokenizer/*/tokenizer.model
// words: Sources/Tokenization

import Fuzzing
import TensorModel
import Tokenization

/// A SentencePiece model: `tokenizer.model`, as texts are encoded by it, and as a GGUF carries it.
@main struct SentencePieceTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let asset = Checkpoint.Asset(
      name: SentencePieceVocabulary.fileName, byteCount: input.count
    ) { () throws(CheckpointError) in input }
    if let tokenizer = try? Tokenizer(assets: [asset]) {
      let ids = try tokenizer.encode(
        "<s> Hello  world, it's \u{e9}e\u{301} 12\n\n\u{1f600} the end")
      expect(ids.allSatisfy { (0..<tokenizer.vocabularySize).contains($0) })
      _ = tokenizer.decode(ids)
    }
    guard let vocabulary = try SentencePieceVocabulary(assets: [asset]) else {
      return expect(false, "a model that is there is none")
    }
    expect(vocabulary.pieces.contains { $0.kind == .byte })
    expect(vocabulary.roles.values.allSatisfy { $0 >= 0 })
  }
}
