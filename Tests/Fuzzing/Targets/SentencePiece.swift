// seeds: fixtures/gguf/sentencepiece/tokenizer.model
// words: Sources/Tokenization

import Fuzzing
import TensorModel
import Tokenization

/// A SentencePiece model: `tokenizer.model`.
@main struct SentencePieceTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let asset = Checkpoint.Asset(
      name: SentencePieceVocabulary.fileName, byteCount: input.count
    ) { () throws(CheckpointError) in input }
    guard let vocabulary = try SentencePieceVocabulary(assets: [asset]) else {
      return expect(false, "a model that is there is none")
    }
    expect(vocabulary.pieces.contains { $0.kind == .byte })
    expect(vocabulary.roles.values.allSatisfy { $0 >= 0 })
  }
}
