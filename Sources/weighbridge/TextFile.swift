import CheckpointConversion
import CheckpointFormats
import FileContainers
import ModelArchitectures
import ReferenceForward
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
    try tokenizer(source).encode(contents)
  }

  /// Its windows, as llama.cpp's tools cut them.
  ///
  /// - Parameters:
  ///   - source: the checkpoint whose tokenizer it is.
  ///   - length: tokens of a window.
  ///   - stride: from one window to the next; nil lets them follow each other.
  ///   - limit: the most windows; nil for all.
  /// - Returns: at least one.
  /// - Throws: as `tokens`; `usage` if there are none.
  func windows(
    _ source: Source, length: Int, stride: Int? = nil, limit: Int? = nil
  ) throws(CheckpointError) -> TokenWindows {
    let tokenizer = try tokenizer(source)
    let beginning = tokenizer.roles[.beginning].flatMap { tokenizer.prefix.contains($0) ? $0 : nil }
    let tokens = try tokenizer.encode(contents)
    guard !tokens.isEmpty else { throw empty }
    warn(ifFew: tokens.count)
    return TokenWindows(
      text: tokens, length: length, stride: stride, beginning: beginning, limit: limit)
  }

  private func tokenizer(_ source: Source) throws(CheckpointError) -> Tokenizer {
    try Tokenizer(assets: RestoredTokenizer.added(to: source).checkpoint.assets)
  }

  /// Figures of so few tokens are chance.
  private static let fewTokens = 8

  private func warn(ifFew count: Int) {
    guard count < Self.fewTokens else { return }
    Console.error(
      "warning: \(printable(path)) has \(counted(count, "token")), too few to measure anything: give a longer text"
    )
  }

  private var empty: CheckpointError {
    CheckpointError(.usage, "there are no tokens in this text", file: path)
  }

  /// What of it is run where two checkpoints run side by side: its first 512 tokens, or as many as a model has positions, or the windows that were asked
  /// for.
  ///
  /// - Throws: as `windows`.
  func windows(
    _ source: Source, positionLimit: Int?, _ asked: WindowOptions
  ) throws(CheckpointError) -> TokenWindows {
    let length = min(positionLimit ?? .max, Self.standardCount)
    guard asked.areGiven else {
      let row = try Array(tokens(source).prefix(length))
      guard !row.isEmpty else { throw empty }
      warn(ifFew: row.count)
      return TokenWindows(rows: [row], length: row.count)
    }
    return try windows(
      source, length: asked.length(atMost: positionLimit) ?? length, limit: asked.chunks)
  }
}

extension TokenWindows {
  /// Stops at a tokenizer that isn't the model's.
  ///
  /// - Parameters:
  ///   - decoder: the model.
  ///   - checkpoint: its path, for the message.
  /// - Throws: `malformed` where there are tokens that the model doesn't have.
  func requireTokens(of decoder: Decoder, _ checkpoint: String) throws(CheckpointError) {
    let count = decoder.configuration.dimensions.vocabulary
    guard let first = rows.joined().first(where: { !(0..<count).contains($0) }) else { return }
    throw CheckpointError(
      .malformed, "there are tokens that the model doesn't have", file: checkpoint,
      expected: "tokens from 0 to \(count - 1)", found: "\(first)",
      hint: "does the tokenizer belong to the model?")
  }
}
