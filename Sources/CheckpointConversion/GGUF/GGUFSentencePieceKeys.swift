import FileContainers
import TensorModel
import Tokenization

/// What a GGUF file says of SentencePiece's BPE: `tokenizer.ggml.model` is "llama" (llama.cpp's conversion/base.py).
struct GGUFSentencePieceKeys: GGUFVocabularyKeys {
  private let vocabulary: SentencePieceVocabulary
  private var pieces: [SentencePieceVocabulary.Piece]
  /// What the keys can't say.
  private(set) var findings: [Finding] = []

  /// What llama.cpp's converter gives rows without a token, and tokens that were added.
  private enum Score {
    static let none: Float = -10000
    static let added: Float = -1000
  }

  /// The keys for an embedding of so many rows.
  ///
  /// - Throws: `malformed` if the model has more pieces than the embedding rows.
  init(_ vocabulary: SentencePieceVocabulary, rows: Int) throws(CheckpointError) {
    self.vocabulary = vocabulary
    guard vocabulary.pieces.count <= rows else {
      throw GGUFTokenizerKeys.tooLarge(vocabulary.pieces.count, rows)
    }
    // In texts user-defined pieces have spaces as they are.
    pieces = vocabulary.pieces.map { piece in
      var piece = piece
      if piece.kind == .userDefined { piece.text = Self.unescaped(piece.text) }
      return piece
    }
    pieces += (pieces.count..<rows).map {
      .init(text: "[PAD\($0)]", score: Score.none, kind: .unused)
    }
    let outside = vocabulary.added.filter { $0.id >= rows }
    for token in vocabulary.added where token.id < rows {
      let isControl = token.isControl || Self.looksSpecial(token.text)
      pieces[token.id] = .init(
        text: isControl ? token.text : Self.unescaped(token.text), score: Score.added,
        kind: isControl ? .control : .userDefined)
    }
    findings = vocabulary.findings + GGUFTokenizerKeys.leftOut(outside.map(\.text))
    findings += GGUFTokenizerKeys.neighbours(
      vocabulary.added.filter { $0.dependsOnNeighbours && $0.id < rows }.map(\.text))
    if vocabulary.changesTexts {
      findings.append(
        Finding(
          .warning, "gguf-normalizer",
          "the SentencePiece model changes texts before it cuts them, which llama.cpp doesn't: tokens of some texts differ",
          file: SentencePieceVocabulary.fileName))
    }
  }

  private static func unescaped(_ text: String) -> String {
    text.replacing("\u{2581}", with: " ")
  }

  /// Added tokens that models publish as if they were text; the list is llama.cpp's.
  private static func looksSpecial(_ text: String) -> Bool {
    ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(text)
      || text.hasPrefix("<|") && text.hasSuffix("|>")
      || text.hasPrefix("<\u{ff5c}") && text.hasSuffix("\u{ff5c}>")
      || text.hasPrefix("<unused") && text.hasSuffix(">")
  }

  /// The keys.
  var entries: [(key: String, value: GGUFValue)] {
    [
      ("tokenizer.ggml.model", .text("llama")), ("tokenizer.ggml.pre", .text("default")),
      ("tokenizer.ggml.tokens", .array(GGUFArray(pieces.map(\.text)))),
      ("tokenizer.ggml.scores", .array(GGUFArray(pieces.map(\.score)))),
      ("tokenizer.ggml.token_type", .array(GGUFArray(pieces.map(\.kind.rawValue)))),
    ]
  }

  /// What is put around texts.
  var flags: [(key: String, value: GGUFValue)] {
    [
      ("tokenizer.ggml.add_bos_token", .bool(vocabulary.addsBeginning)),
      ("tokenizer.ggml.add_eos_token", .bool(vocabulary.addsEnd)),
      ("tokenizer.ggml.add_space_prefix", .bool(vocabulary.addsPrefixSpace)),
    ]
  }

  /// The tokens of roles, as far as the tokenizer's files say.
  var roles: [Tokenizer.Role: Int] { vocabulary.roles }

  let fileNames = Checkpoint.Asset.tokenizerNames

  func text(_ id: Int) -> String? {
    guard pieces.indices.contains(id), id < vocabulary.pieces.count || pieces[id].kind != .unused
    else { return nil }
    return pieces[id].text
  }
}
