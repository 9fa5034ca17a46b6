import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorModel
import Tokenization

/// What `--text` names: a file in UTF-8, which the checkpoint's own tokenizer cuts into tokens.
struct TextFile: Sendable {
  let path: String
  private let contents: String

  /// How many tokens of it are run where two checkpoints run side by side.
  static let standardCount = 512

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - inputs: takes it in.
  /// - Throws: `missing` or `inputOutput`; `usage` for what is no text.
  init(_ path: String, _ inputs: ReadFiles) throws(CheckpointError) {
    self.path = path
    let bytes = try InputFile.contents(
      of: path, limit: Tokenizer.maximumTextByteCount, recordedIn: inputs)
    guard let contents = String(validating: bytes, as: UTF8.self) else {
      throw CheckpointError(
        .usage, "the file isn't a text", file: path, expected: "UTF-8",
        found: "bytes that aren't",
        hint: "pass arrays of token ids with --tokens-file")
    }
    self.contents = contents
  }

  /// All its tokens, with those that the tokenizer puts around a text.
  ///
  /// - Parameter source: the checkpoint whose tokenizer it is.
  /// - Returns: their ids.
  /// - Throws: `missing` without a tokenizer, `unsupported` for one of another kind.
  func tokens(_ source: Source) throws(CheckpointError) -> [Int] {
    try Tokenizer(assets: RestoredTokenizer.added(to: source).checkpoint.assets).encode(contents)
  }

  /// Its first tokens: 512, or as many as a model has positions.
  ///
  /// - Throws: as `tokens`; `usage` if there are none.
  func row(_ source: Source, positionLimit: Int?) throws(CheckpointError) -> [Int] {
    let row = try tokens(source).prefix(min(positionLimit ?? .max, Self.standardCount))
    guard !row.isEmpty else {
      throw CheckpointError(.usage, "there are no tokens in this text", file: path)
    }
    return Array(row)
  }
}
