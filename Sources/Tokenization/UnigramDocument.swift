// "model" of tokenizer.json, for Unigram:
//   vocab           [[piece, score]], a piece's place is its id
//   unk_id          the piece of what no other covers
//   byte_fallback   whether that becomes bytes, `<0x41>`

internal import FileContainers
internal import TensorModel

extension TokenizerDefinition {
  /// `"type": "Unigram"`.
  ///
  /// - Throws: `malformed` for what is no such model.
  init(unigramModel model: JSONValue) throws(CheckpointError) {
    guard let elements = model["vocab"]?.elements, !elements.isEmpty else {
      throw CheckpointError(.malformed, "a Unigram model without 'vocab'")
    }
    var texts: [String] = []
    var scores: [Double] = []
    for element in elements {
      guard let parts = element.elements, parts.count == 2, let text = parts[0].text, !text.isEmpty,
        let score = parts[1].double, score.isFinite
      else {
        throw CheckpointError(
          .malformed, "piece \(texts.count) can't be read", expected: "a text and a score",
          found: element.shortText)
      }
      texts.append(text)
      scores.append(score)
    }
    guard let unknownID = model["unk_id"]?.integer, texts.indices.contains(unknownID) else {
      throw CheckpointError(
        .malformed, "'unk_id' is no piece", expected: "a number below \(texts.count)",
        found: model["unk_id"]?.shortText ?? "none")
    }
    self.init(vocabulary: try Vocabulary(pieces: texts), preTokenizer: PreTokenizer(steps: []))
    unknown = texts[unknownID]
    var trie = PieceTrie()
    for (id, text) in texts.enumerated() { trie.insert(text.utf8, value: Int32(id)) }
    var ids = PieceIDs(unknown: UInt32(unknownID), whole: trie)
    if try model.flag("byte_fallback") ?? false {
      ids.bytes = (0...255).map { (byte: UInt8) in
        vocabulary.id(of: CharacterAlphabet.name(of: byte)).map { UInt32($0) }
      }
    }
    encoder = .unigram(
      UnigramEncoder(
        trie: trie, scores: scores, unknown: Int32(unknownID),
        unknownScore: (scores.min() ?? 0) - UnigramEncoder.unknownPenalty, arithmetic: .double), ids
    )
  }
}
