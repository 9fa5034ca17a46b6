// How texts are cut for perplexities and importance matrices: as llama-perplexity and llama-imatrix do it (tools/perplexity/perplexity.cpp).
//
//   Without a stride windows of W tokens follow each other, and what is left of the text isn't read. In each the tokens in its second half are predicted:
//   those at W / 2 + 1 to W - 1.
//   With a stride of S windows begin every S tokens, one for each S that the text has beyond the first W, and of each the last S tokens are predicted.
//   Where the tokenizer puts a token before texts, every window's first token is replaced by that.

/// Rows of tokens that are run, each seeing only itself, and which of their tokens are predicted.
public struct TokenWindows: Sendable, Hashable {
  /// The rows.
  public let rows: [[Int]]
  /// How many tokens of each come before the first that counts as predicted, at least 1.
  public let contextCount: Int
  /// Tokens of a whole window.
  public let length: Int
  /// From one window to the next; nil where they follow each other.
  public let stride: Int?
  /// Tokens of the text that are in no window.
  public let leftOutCount: Int

  /// All rows as they are, cut where they are longer than a window; each token but the first of a window is predicted.
  ///
  /// - Parameters:
  ///   - rows: of tokens.
  ///   - length: of a window, at least 1.
  public init(rows: [[Int]], length: Int) {
    precondition(length > 0)
    self.rows = rows.flatMap { row in
      Swift.stride(from: 0, to: row.count, by: length).map {
        Array(row[$0..<min(row.count, $0 + length)])
      }
    }
    self.length = length
    contextCount = 1
    stride = nil
    leftOutCount = 0
  }

  /// A text, cut as llama.cpp's tools do it.
  ///
  /// A text of fewer tokens than two windows is one window, of which all tokens but the first are predicted.
  ///
  /// - Parameters:
  ///   - tokens: of the text, with what the tokenizer puts before it.
  ///   - length: of a window, at least 2.
  ///   - stride: from one window to the next, below `length`; nil lets them follow each other.
  ///   - beginning: what the tokenizer puts before texts, which replaces each window's first token; nil for none.
  ///   - limit: the most windows; nil for all.
  public init(
    text tokens: [Int], length: Int, stride: Int? = nil, beginning: Int?, limit: Int? = nil
  ) {
    precondition(length > 1 && stride.map { 0 < $0 && $0 < length } ?? true)
    let hasWindows = stride == nil ? tokens.count / 2 >= length : tokens.count > length
    guard hasWindows else {
      let row = Array(tokens.prefix(length))
      self.rows = row.isEmpty ? [] : [row]
      self.length = min(length, tokens.count)
      contextCount = 1
      self.stride = nil
      leftOutCount = tokens.count - row.count
      return
    }
    let count: Int
    if let stride {
      count = (tokens.count - length + stride - 1) / stride
      contextCount = length - stride
    } else {
      count = tokens.count / length
      contextCount = length / 2 + 1
    }
    let step = stride ?? length
    let starts = (0..<min(count, limit ?? count)).map { $0 * step }
    rows = starts.map { start in
      var row = Array(tokens[start..<start + length])
      if let beginning { row[0] = beginning }
      return row
    }
    self.length = length
    self.stride = stride
    leftOutCount = tokens.count - (starts.last.map { $0 + length } ?? 0)
  }

  /// Tokens of all rows.
  public var tokenCount: Int { rows.reduce(0) { $0 + $1.count } }

  /// Rows that go through the decoder together: always the same ones, whatever memory there is, so that nothing rounds otherwise.
  public var batches: [Range<Int>] {
    var batches: [Range<Int>] = []
    var (first, count) = (0, 0)
    for (place, row) in rows.enumerated() {
      if place > first, count + row.count > Self.batchTokenCount {
        batches.append(first..<place)
        (first, count) = (place, 0)
      }
      count += row.count
    }
    if first < rows.count { batches.append(first..<rows.count) }
    return batches
  }

  /// Tokens of a batch, unless a row has more.
  private static let batchTokenCount = 2048
}
