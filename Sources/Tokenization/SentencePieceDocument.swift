// What transformers keeps of a SentencePiece model in tokenizer.json (convert_slow_tokenizer.py): BPE with
//   model          {"byte_fallback": true, "vocab": {piece: id}, "merges": every pair of pieces that is a piece, the best first}
//   normalizer     Prepend ▁ and Replace " " by ▁; or none and
//   pre_tokenizer  {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always" | "first" | "never"}
// Scores aren't kept, but their order is, which is all that they are for.

internal import FileContainers
internal import TensorModel

/// The pieces of a SentencePiece model that a `tokenizer.json` was made from.
struct SentencePieceDocument {
  /// By id.
  let pieces: [SentencePieceVocabulary.Piece]
  /// Whether a space is put before texts.
  let addsPrefixSpace: Bool

  private static let space = "\u{2581}"

  /// Reads the document.
  ///
  /// - Throws: `unsupported` if it does anything that SentencePiece's BPE doesn't, `malformed`.
  init(_ document: JSONValue) throws(CheckpointError) {
    guard let model = document["model"], try model.string("type") == "BPE",
      let members = model["vocab"]?.members, let merges = model["merges"]?.elements
    else { throw TokenizerFiles.unsupported("a model with byte fallback that isn't BPE") }
    addsPrefixSpace = try Self.addsPrefixSpace(document)
    var vocabulary = try Vocabulary(members)
    for merge in merges {
      let (left, right) = try TokenizerDefinition.pair(merge)
      try vocabulary.appendMerge(left, right)
    }
    let scores = try Self.scores(vocabulary)
    try Self.requireAllMerges(vocabulary)
    let unknown = try model.string("unk_token")
    var special: Set<ExactName> = []
    for token in document["added_tokens"]?.elements ?? [] where try token.flag("special") ?? false {
      if let text = try token.string("content") { special.insert(ExactName(text)) }
    }
    var pieces: [SentencePieceVocabulary.Piece] = []
    for (id, token) in vocabulary.tokens.enumerated() {
      guard let text = token?.text else {
        throw CheckpointError(.malformed, "no piece has the id \(id)")
      }
      let kind: SentencePieceVocabulary.Kind =
        if text == unknown {
          .unknown
        } else if special.contains(ExactName(text)) {
          .control
        } else if Self.isByte(text) {
          .byte
        } else {
          .normal
        }
      // Pieces that nothing merges into come after all others, as they do in models that were trained.
      let score = scores[id] ?? (kind == .normal ? -Float(scores.count + id) : 0)
      pieces.append(.init(text: text, score: score, kind: kind))
    }
    self.pieces = pieces
  }

  /// `<0x00>` to `<0xFF>`.
  private static func isByte(_ text: String) -> Bool {
    text.wholeMatch(of: /<0x[0-9A-F]{2}>/) != nil
  }

  private static func addsPrefixSpace(_ document: JSONValue) throws(CheckpointError) -> Bool {
    if let step = document["pre_tokenizer"], step != .null {
      guard try step.string("type") == "Metaspace", try step.string("replacement") == space else {
        throw TokenizerFiles.unsupported("the pre-tokenizer \(step.shortText)")
      }
      return try step.string("prepend_scheme") ?? "always" != "never"
    }
    var addsSpace = false
    let normalizer = document["normalizer"]
    let steps = normalizer?["normalizers"]?.elements ?? [normalizer].compactMap { $0 }
    for step in steps where step != .null {
      switch try step.string("type") {
      case "Prepend" where try step.string("prepend") == space: addsSpace = true
      case "Replace"
      where try step.string("content") == space && step["pattern"]?["String"]?.text == " ":
        continue
      default: throw TokenizerFiles.unsupported("the normalizer \(step.shortText)")
      }
    }
    return addsSpace
  }

  /// Minus the place among the results of merges.
  private static func scores(_ vocabulary: Vocabulary) throws(CheckpointError) -> [Int: Float] {
    var scores: [Int: Float] = [:]
    var last: Int?
    for merge in vocabulary.merges where merge.result != last {
      guard scores.updateValue(-Float(scores.count), forKey: merge.result) == nil else {
        throw TokenizerFiles.unsupported("merges of one token with others between them")
      }
      last = merge.result
    }
    return scores
  }

  /// SentencePiece merges any two pieces that make a piece; a list that lacks one would cut texts otherwise.
  private static func requireAllMerges(_ vocabulary: Vocabulary) throws(CheckpointError) {
    struct Pair: Hashable {
      let left: Int
      let right: Int
    }
    let known = Set(vocabulary.merges.map { Pair(left: $0.left, right: $0.right) })
    for case let token? in vocabulary.tokens {
      let scalars = token.text.unicodeScalars
      guard scalars.count <= maximumPieceLength else {
        throw TokenizerFiles.unsupported("a piece that is too long")
      }
      for index in scalars.indices.dropFirst() {
        guard let left = vocabulary.id(of: String(scalars[..<index])),
          let right = vocabulary.id(of: String(scalars[index...])),
          !known.contains(Pair(left: left, right: right))
        else { continue }
        throw TokenizerFiles.unsupported("BPE that doesn't merge '\(scalars)' in every way")
      }
    }
  }

  /// In characters; SentencePiece makes pieces of 16 unless it is told otherwise.
  private static let maximumPieceLength = 128
}
