/// Cuts a text into the words within which tokens are merged.
struct PreTokenizer: Sendable {
  /// One step, on each piece that the steps before made.
  enum Step: Sendable, Hashable {
    /// Cut at what the pattern matches.
    case split(TextPattern)
    /// Cut where another text stands.
    case splitText([Unicode.Scalar], SplitBehavior)
    /// Cut at numbers of any script.
    case digits(SplitBehavior)
    /// Cut at punctuation.
    case punctuation(SplitBehavior)
    /// Cut at white space, which is dropped.
    case whitespace
    /// Put a space before a piece that doesn't begin with one.
    case prefixSpace
    /// Write each byte as a character of the byte alphabet.
    case bytes
    /// Write spaces as `▁`.
    case metaspace(Metaspace)
    /// Do what a SentencePiece model does before it encodes.
    case sentencePiece(SentencePieceNormalizer)
  }

  /// A piece, and whether it begins where the text begins.
  struct Piece {
    var text: ArraySlice<Unicode.Scalar>
    var isStart: Bool
  }

  /// In the order in which they run.
  var steps: [Step]

  /// Whether the words are written in the byte alphabet.
  var writesBytes: Bool { steps.contains(.bytes) }

  /// The words of a text that has no added tokens in it.
  ///
  /// - Parameters:
  ///   - text: the text.
  ///   - isStart: whether nothing stands before it.
  /// - Returns: the words, none of which is empty.
  func words(of text: ArraySlice<Unicode.Scalar>, isStart: Bool) -> [ArraySlice<Unicode.Scalar>] {
    var pieces = text.isEmpty ? [] : [Piece(text: text, isStart: isStart)]
    for step in steps { pieces = Self.pieces(pieces, step) }
    return pieces.map(\.text)
  }

  private static func pieces(_ pieces: [Piece], _ step: Step) -> [Piece] {
    switch step {
    case .split(let pattern): return cut(pieces) { pattern.words(of: $0) }
    case .splitText(let other, let behavior):
      return cut(pieces) { text in
        Segments(of: text, matching: other).pieces(behavior).map { text[$0] }
      }
    case .digits(let behavior):
      return cut(pieces) { cut($0, behavior) { CharacterClass.isNumeric($0) } }
    case .punctuation(let behavior):
      return cut(pieces) { cut($0, behavior) { CharacterClass.isPunctuation($0) } }
    case .whitespace:
      return cut(pieces) { cut($0, .removed) { CharacterClass($0).isSpace } }
    case .prefixSpace:
      return pieces.map { piece in
        piece.text.first == " "
          ? piece : Piece(text: [" "] + piece.text, isStart: piece.isStart)
      }
    case .bytes:
      return pieces.map { Piece(text: ByteAlphabet.written($0.text)[...], isStart: $0.isStart) }
    case .metaspace(let metaspace): return pieces.flatMap { metaspace.pieces(of: $0) }
    case .sentencePiece(let normalizer):
      return pieces.compactMap { piece in
        let text = normalizer.normalized(piece.text, isStart: piece.isStart)
        return text.isEmpty ? nil : Piece(text: text[...], isStart: piece.isStart)
      }
    }
  }

  private static func cut(
    _ pieces: [Piece], _ words: (ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>]
  ) -> [Piece] {
    var result: [Piece] = []
    for piece in pieces {
      for word in words(piece.text) {
        let isStart = piece.isStart && word.startIndex == piece.text.startIndex
        result.append(Piece(text: word, isStart: isStart))
      }
    }
    return result
  }

  private static func cut(
    _ text: ArraySlice<Unicode.Scalar>, _ behavior: SplitBehavior,
    _ isMatch: (Unicode.Scalar) -> Bool
  ) -> [ArraySlice<Unicode.Scalar>] {
    Segments(of: text, matching: isMatch).pieces(behavior).map { text[$0] }
  }
}
