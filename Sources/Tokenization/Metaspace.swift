/// SentencePiece's way with spaces, as `tokenizers` has it: a mark stands for each, and before words.
struct Metaspace: Sendable, Hashable {
  /// Where a mark is put that no space stands for.
  enum PrependScheme: String, Sendable {
    /// Before each piece between added tokens that has none.
    case always
    /// Before the text, if it begins with no added token.
    case first
    /// Nowhere.
    case never
  }

  /// What stands for a space; `▁`.
  let mark: Unicode.Scalar
  /// Where a mark is put that no space stands for.
  let scheme: PrependScheme
  /// Whether each mark begins a word.
  let splits: Bool

  /// The words of a piece.
  func pieces(of piece: PreTokenizer.Piece) -> [PreTokenizer.Piece] {
    guard let first = piece.text.first else { return [] }
    var text: [Unicode.Scalar] = []
    text.reserveCapacity(piece.text.count + 1)
    let begins = first == mark || first == " "
    if !begins, scheme == .always || scheme == .first && piece.isStart { text.append(mark) }
    for scalar in piece.text { text.append(scalar == " " ? mark : scalar) }
    guard splits else { return [.init(text: text[...], isStart: piece.isStart)] }
    return Segments(of: text[...], matching: { $0 == mark }).pieces(.mergedWithNext).map { range in
      .init(text: text[range], isStart: piece.isStart && range.lowerBound == 0)
    }
  }
}
