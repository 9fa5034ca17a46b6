import FileContainers
import Tokenization

/// `tokenizer.model`, from the keys of a GGUF file (sentencepiece_model.proto, whose fields SentencePieceModel.swift lists).
struct SentencePieceFile {
  /// The file.
  let contents: [UInt8]
  /// `added_tokens_decoder` of `tokenizer_config.json`.
  let addedTokens: JSONValue

  /// What llama.cpp's converter gives tokens that were added.
  private static let addedScore: Float = -1000

  /// Nil without a score for each token.
  init?(_ header: GGUFHeader, _ tokens: GGUFTokens) {
    let values = header["tokenizer.ggml.scores"]?.array?.values ?? []
    let scores = values.compactMap { $0.number.map { Float($0) } }
    guard scores.count == tokens.texts.count else { return nil }
    func isAdded(_ id: Int) -> Bool {
      scores[id] == Self.addedScore && [.control, .userDefined].contains(tokens.kinds[id])
    }
    // Tokens added at the end stand in their own list alone; rows without a token stand nowhere.
    let last = tokens.texts.indices.last { !isAdded($0) && tokens.kinds[$0] != .unused }
    let count = last.map { $0 + 1 } ?? 0
    let unknown = header["tokenizer.ggml.unknown_token_id"]?.integer ?? 0

    var file = ProtobufBytes()
    for id in 0..<count {
      var piece = ProtobufBytes()
      let isText = tokens.kinds[id] == .userDefined
      piece.append(
        1, isText ? tokens.texts[id].replacing(" ", with: "\u{2581}") : tokens.texts[id])
      piece.append(2, score: scores[id])
      // The unknown piece is listed as an added control token, too, and has to be there.
      let kind = id == unknown && tokens.kinds[id] == .control ? .unknown : tokens.kinds[id]
      piece.append(3, UInt64(kind.rawValue))
      file.append(1, piece.bytes)
    }
    var trainer = ProtobufBytes()
    trainer.append(3, 2)  // model_type: BPE
    trainer.append(4, UInt64(count))
    trainer.append(35, 1)  // byte_fallback
    for (field, role) in [
      (45, Tokenizer.Role.unknown), (46, .beginning), (47, .end), (48, .padding),
    ] {
      if let token = tokens.token(role) { trainer.append(UInt64(field), token) }
    }
    file.append(2, trainer.bytes)
    var normalizer = ProtobufBytes()
    normalizer.append(1, "identity")
    normalizer.append(3, header["tokenizer.ggml.add_space_prefix"]?.flag ?? true ? 1 : 0)
    normalizer.append(4, 0)  // remove_extra_whitespaces
    file.append(3, normalizer.bytes)
    contents = file.bytes
    addedTokens = .object(
      tokens.texts.indices.filter(isAdded).map { id in
        .init(
          "\(id)",
          .object([
            .init("content", .string(tokens.texts[id])), .init("lstrip", .bool(false)),
            .init("normalized", .bool(false)), .init("rstrip", .bool(false)),
            .init("single_word", .bool(false)),
            .init("special", .bool(tokens.kinds[id] == .control)),
          ]))
      })
  }
}

/// A message of Protocol Buffers as it grows.
private struct ProtobufBytes {
  fileprivate(set) var bytes: [UInt8] = []

  mutating func append(_ field: UInt64, _ number: UInt64) {
    append(varint: field << 3)
    append(varint: number)
  }

  mutating func append(_ field: UInt64, score: Float) {
    append(varint: field << 3 | 5)
    withUnsafeBytes(of: score.bitPattern.littleEndian) { bytes += $0 }
  }

  mutating func append(_ field: UInt64, _ text: String) { append(field, Array(text.utf8)) }

  mutating func append(_ field: UInt64, _ contents: [UInt8]) {
    append(varint: field << 3 | 2)
    append(varint: UInt64(contents.count))
    bytes += contents
  }

  private mutating func append(varint number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
