// GPT-2's own files: vocab.json, an object of token: id, and merges.txt, a line `a b` for each merge. What else is to be known
// stands in tokenizer_config.json (the class, its switches, added_tokens_decoder), or in the older added_tokens.json and
// special_tokens_map.json.

internal import FileContainers
internal import TensorModel

/// A line of `merges.txt`.
enum MergeLine {
  /// The two tokens of a line, nil if there aren't two.
  static func pair(_ line: some Collection<UInt8>) -> (String, String)? {
    let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 2, let left = String(validating: parts[0], as: UTF8.self),
      let right = String(validating: parts[1], as: UTF8.self)
    else { return nil }
    return (left, right)
  }
}

extension TokenizerDefinition {
  /// The tokenizer of `vocab.json` and `merges.txt`.
  ///
  /// - Parameter files: must have both.
  /// - Throws: `unsupported` for another kind of tokenizer, `malformed`.
  init(vocabularyFiles files: TokenizerFiles) throws(CheckpointError) {
    let configuration = try files.document("tokenizer_config.json") ?? .object([])
    let family = try within("tokenizer_config.json") { () throws(CheckpointError) in
      try Family(try configuration.string("tokenizer_class"))
    }
    let members = try files.document("vocab.json")?.members ?? []
    let vocabulary = try within("vocab.json") { () throws(CheckpointError) in
      try Vocabulary(members)
    }
    let addsSpace = try configuration.flag("add_prefix_space") ?? false
    self.init(
      vocabulary: vocabulary,
      preTokenizer: PreTokenizer(
        steps: family.pattern == .gpt2
          ? (addsSpace ? [.prefixSpace] : []) + [.split(.gpt2)]
          : [.split(family.pattern)] + (addsSpace ? [.prefixSpace] : [])))
    if family.composes { normalizer.steps = [.composed] }
    let lines = try files.bytes("merges.txt") ?? []
    try within("merges.txt") { () throws(CheckpointError) in try appendMerges(lines) }
    try prepare(.bytes)

    let names = try SpecialTokenNames(files, defaults: family.endOfTextRoles)
    try addTokens(of: files, names)
    if try configuration.flag("add_bos_token") ?? false, let id = roles[.beginning] {
      prefix = [id]
    }
    if try configuration.flag("add_eos_token") ?? false, let id = roles[.end] { suffix = [id] }
  }

  /// What the classes of transformers that read these files do before BPE.
  private struct Family {
    var pattern = TextPattern.gpt2
    var composes = false
    /// What `<|endoftext|>` is unless a file says otherwise.
    var endOfTextRoles: [Tokenizer.Role] = [.beginning, .end, .unknown]

    init(_ name: String?) throws(CheckpointError) {
      switch name {
      // The general classes say nothing; GPT-2's files are theirs most often.
      case nil, "PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend": break
      case "GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer", "CodeGenTokenizerFast": break
      case "GPTNeoXTokenizer", "GPTNeoXTokenizerFast": composes = true
      case "Qwen2Tokenizer", "Qwen2TokenizerFast":
        (pattern, composes) = (.qwen2, true)
        endOfTextRoles = [.end, .unknown, .padding]
      case .some(let name):
        throw TokenizerFiles.unsupported("vocab.json and merges.txt of a \(name)")
      }
    }
  }

  private mutating func appendMerges(_ bytes: [UInt8]) throws(CheckpointError) {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty ?? false { lines.removeLast() }
    for line in lines {
      let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      if text.starts(with: "#version".utf8) { continue }
      guard let (left, right) = MergeLine.pair(text) else {
        throw CheckpointError(
          .malformed, "a line isn't a merge", byteOffset: line.startIndex,
          expected: "two tokens, a space between them",
          found: "'\(String(decoding: text.prefix(60), as: UTF8.self))'")
      }
      try vocabulary.appendMerge(left, right)
    }
  }
}
