internal import FileContainers
internal import TensorModel

extension TokenizerDefinition {
  /// The files that may hold a SentencePiece model.
  static let sentencePieceNames = [
    SentencePieceVocabulary.fileName, "spiece.model", "sentencepiece.bpe.model",
  ]

  /// The tokenizer of a SentencePiece model, and of the files beside it.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - files: the checkpoint's.
  /// - Throws: `unsupported` for models of words or characters, `malformed`.
  init(
    sentencePiece model: SentencePieceModel, _ files: TokenizerFiles
  ) throws(CheckpointError) {
    let configuration = try files.document("tokenizer_config.json") ?? .object([])
    let normalizer = try model.normalizer(
      addsSpaceEverywhere: try configuration.flag("legacy") ?? false,
      addsSpace: try configuration.flag("add_prefix_space"))
    self.init(
      vocabulary: try Vocabulary(pieces: model.pieces.map(\.text)),
      preTokenizer: PreTokenizer(steps: [.sentencePiece(normalizer)]))
    encoder = try model.encoder()
    let space = normalizer.escapesSpaces ? "\u{2581}" : " "
    decoder = TokenDecoder(steps: [.replace(space, by: " "), .byteFallback, .fuse])
    if normalizer.addsSpace, !normalizer.hasSpaceSuffixes {
      decoder.steps.append(.strip(" ", start: 1, stop: 0))
    }
    let names = try SpecialTokenNames(files, defaults: [])
    try addTokens(of: files, names)
    for (role, text) in model.roles where roles[role] == nil {
      if let id = vocabulary.id(of: text), model.pieces.indices.contains(id),
        model.pieces[id].kind == .control
      {
        roles[role] = id
      }
    }
    roles[.unknown] = roles[.unknown] ?? model.pieces.firstIndex { $0.kind == .unknown }
    if try configuration.flag("add_bos_token") ?? true, let id = roles[.beginning] { prefix = [id] }
    if try configuration.flag("add_eos_token") ?? false, let id = roles[.end] { suffix = [id] }
  }
}

extension SentencePieceModel {
  /// What the model does to texts.
  ///
  /// - Parameters:
  ///   - addsSpaceEverywhere: whether a space is put before each part of a text, not only before the first.
  ///   - addsSpace: whether one is put there at all; nil says what the model does.
  /// - Returns: the steps before its pieces are looked for.
  /// - Throws: `malformed` for a map of characters that is none.
  func normalizer(
    addsSpaceEverywhere: Bool, addsSpace: Bool?
  ) throws(CheckpointError) -> SentencePieceNormalizer {
    var normalizer = SentencePieceNormalizer()
    if !characterMap.isEmpty { normalizer.map = try CharacterMap(parsing: characterMap) }
    var userDefined = PieceTrie()
    for (id, piece) in pieces.enumerated() where piece.kind == .userDefined {
      userDefined.insert(piece.text.utf8, value: Int32(id))
    }
    if !userDefined.isEmpty { normalizer.userDefined = userDefined }
    normalizer.addsSpace = addsSpace ?? addsPrefixSpace
    normalizer.addsSpaceEverywhere = addsSpaceEverywhere
    normalizer.hasSpaceSuffixes = hasSpaceSuffixes
    normalizer.removesSpaces = removesSpaces
    normalizer.escapesSpaces = escapesSpaces
    return normalizer
  }

  /// What cuts texts into its pieces.
  ///
  /// - Throws: `unsupported` for models of words or characters, `malformed` without an unknown piece, or some byte's.
  func encoder() throws(CheckpointError) -> PieceEncoder {
    guard let unknown = pieces.firstIndex(where: { $0.kind == .unknown }) else {
      throw CheckpointError(.malformed, "the SentencePiece model has no unknown piece")
    }
    var ids = PieceIDs(unknown: UInt32(unknown))
    if fallsBackToBytes { ids.bytes = try byteTokens() }
    switch kind {
    case .bpe: return .scoredPairs(ScoredPairEncoder(pieces), ids)
    case .unigram: return .unigram(unigramEncoder(Int32(unknown)), ids)
    case .word, .character:
      throw TokenizerFiles.unsupported("SentencePiece's model of \(kind)s")
    }
  }

  private func byteTokens() throws(CheckpointError) -> [UInt32?] {
    var tokens = [UInt32?](repeating: nil, count: 256)
    for (id, piece) in pieces.enumerated() where piece.kind == .byte {
      if let byte = TokenDecoder.byte(of: piece.text) { tokens[Int(byte)] = UInt32(id) }
    }
    if let byte = tokens.firstIndex(of: nil) {
      throw CheckpointError(
        .malformed,
        "the SentencePiece model falls back to bytes, and has no piece for the byte \(byte)")
    }
    return tokens
  }

  private func unigramEncoder(_ unknown: Int32) -> UnigramEncoder {
    var trie = PieceTrie()
    var scores: [Double] = []
    let ordinary = pieces.filter { $0.kind == .normal }.map(\.score)
    let least = ordinary.min() ?? .greatestFiniteMagnitude
    for (id, piece) in pieces.enumerated() {
      switch piece.kind {
      case .normal:
        trie.insert(piece.text.utf8, value: Int32(id))
        scores.append(Double(piece.score))
      case .userDefined:
        // The score of SentencePiece 0.2.3 (GetUserDefinedScore); up to 0.2.1 it was -0.1 beside models whose best score is 0.
        trie.insert(piece.text.utf8, value: Int32(id))
        scores.append(Double(Float(0.1 * Double(piece.text.utf8.count - 1))))
      case .unknown, .control, .unused, .byte: scores.append(0)
      }
    }
    return UnigramEncoder(
      trie: trie, scores: scores, unknown: unknown,
      unknownScore: Double(least - Float(UnigramEncoder.unknownPenalty)), arithmetic: .single)
  }
}
