internal import FileContainers
internal import TensorModel

/// The tokenizer's files among the sidecar files of a checkpoint.
struct TokenizerFiles {
  private let assets: [Checkpoint.Asset]

  /// What a file may have at most; Llama 3's `tokenizer.json` has 17 MB, Gemma's 33.
  static let maximumByteCount = 48 << 20

  /// Files of tokenizers that can't be run here, and what those are called.
  private static let otherKinds: KeyValuePairs = [
    "vocab.txt": "WordPiece", "tiktoken.model": "tiktoken", "qwen.tiktoken": "tiktoken",
  ]

  /// The files among these.
  init(_ assets: [Checkpoint.Asset]) { self.assets = assets }

  private func asset(_ name: String) -> Checkpoint.Asset? {
    assets.first { ExactName($0.name) == ExactName(name) }
  }

  /// Whether there is such a file.
  func has(_ name: String) -> Bool { asset(name) != nil }

  /// The contents of a file, nil if there is none.
  ///
  /// - Throws: `unsupported` if it is too large.
  func bytes(_ name: String) throws(CheckpointError) -> [UInt8]? {
    guard let asset = asset(name) else { return nil }
    let tooLarge = CheckpointError(
      .unsupported, "a tokenizer's file is too large", file: name,
      expected: "at most \(Self.maximumByteCount) bytes", found: "\(asset.byteCount)",
      hint: Self.tokensHint)
    guard asset.byteCount <= Self.maximumByteCount else { throw tooLarge }
    let contents = try asset.contents()
    guard contents.count <= Self.maximumByteCount else { throw tooLarge }
    return contents
  }

  /// The JSON object in a file, nil if there is no file.
  ///
  /// - Throws: `malformed`, `unsupported` if it is too large.
  func document(_ name: String) throws(CheckpointError) -> JSONValue? {
    guard let bytes = try bytes(name) else { return nil }
    let document = try JSONFile.parse(bytes, name)
    guard document.members != nil else {
      throw CheckpointError(
        .malformed, "the file should hold a JSON object", file: name, found: document.shortText,
        hint: "get the tokenizer's files again")
    }
    return document
  }

  /// The tokenizer that the files describe.
  ///
  /// - Throws: `missing`, `unsupported`, `malformed`.
  func definition() throws(CheckpointError) -> TokenizerDefinition {
    if let document = try document("tokenizer.json") {
      var definition = try within("tokenizer.json") { () throws(CheckpointError) in
        try TokenizerDefinition(tokenizerDocument: document)
      }
      try definition.addTokens(of: self, try SpecialTokenNames(self, defaults: []))
      return definition
    }
    if !(has("vocab.json") && has("merges.txt")), let definition = try sentencePiece() {
      return definition
    }
    switch (has("vocab.json"), has("merges.txt")) {
    case (true, true): return try TokenizerDefinition(vocabularyFiles: self)
    case (true, false), (false, true):
      throw CheckpointError(
        .missing, "half a tokenizer: \(has("vocab.json") ? "vocab.json" : "merges.txt") alone",
        expected: "both vocab.json and merges.txt, or tokenizer.json", hint: Self.tokensHint)
    case (false, false):
      for (name, kind) in Self.otherKinds where has(name) {
        throw Self.unsupported("\(kind) (\(name))")
      }
      throw CheckpointError(
        .missing, "there are no tokenizer files",
        expected: "tokenizer.json, or vocab.json and merges.txt, or tokenizer.model",
        hint: Self.tokensHint)
    }
  }

  private func sentencePiece() throws(CheckpointError) -> TokenizerDefinition? {
    for name in TokenizerDefinition.sentencePieceNames {
      guard let bytes = try bytes(name) else { continue }
      return try within(name) { () throws(CheckpointError) in
        try TokenizerDefinition(sentencePiece: SentencePieceModel(parsing: bytes), self)
      }
    }
    return nil
  }

  private static let tokensHint = "token ids can be passed with --tokens"

  /// The error for a tokenizer of another kind.
  ///
  /// - Parameters:
  ///   - found: what it is.
  ///   - file: which file says so.
  /// - Returns: the error.
  static func unsupported(_ found: String, file: String? = nil) -> CheckpointError {
    CheckpointError(
      .unsupported, "this tokenizer can't be run", file: file,
      expected: "BPE of bytes or characters, or Unigram",
      found: found, hint: tokensHint)
  }
}

/// Runs the body, and adds the file to its errors.
///
/// - Parameters:
///   - file: the file's name.
///   - body: what may throw.
/// - Returns: what the body returns.
/// - Throws: what the body throws.
func within<Result>(
  _ file: String, _ body: () throws(CheckpointError) -> Result
) throws(CheckpointError) -> Result {
  do { return try body() } catch { throw error.in(file: file) }
}
