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
    normalizer = family.normalizer
    let lines = try files.bytes("merges.txt") ?? []
    try within("merges.txt") { () throws(CheckpointError) in try appendMerges(lines) }
    try prepare()

    let names = try SpecialTokenNames(files, defaults: family.endOfTextRoles)
    try addTokens(files, configuration, names)
    roles = names.roles(in: self.vocabulary)
    if try configuration.flag("add_bos_token") ?? false, let id = roles[.beginning] {
      prefix = [id]
    }
    if try configuration.flag("add_eos_token") ?? false, let id = roles[.end] { suffix = [id] }
  }

  /// What the classes of transformers that read these files do before BPE.
  private struct Family {
    var pattern = TextPattern.gpt2
    var normalizer = Normalizer.none
    /// What `<|endoftext|>` is unless a file says otherwise.
    var endOfTextRoles: [Tokenizer.Role] = [.beginning, .end, .unknown]

    init(_ name: String?) throws(CheckpointError) {
      switch name {
      // The general classes say nothing; GPT-2's files are theirs most often.
      case nil, "PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend": break
      case "GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer", "CodeGenTokenizerFast": break
      case "GPTNeoXTokenizer", "GPTNeoXTokenizerFast": normalizer = .nfc
      case "Qwen2Tokenizer", "Qwen2TokenizerFast":
        (pattern, normalizer) = (.qwen2, .nfc)
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

  private mutating func addTokens(
    _ files: TokenizerFiles, _ configuration: JSONValue, _ names: SpecialTokenNames
  ) throws(CheckpointError) {
    if let members = configuration["added_tokens_decoder"]?.members {
      try within("tokenizer_config.json") { () throws(CheckpointError) in
        try addDecoderTokens(members, names)
      }
    } else if let document = try files.document("added_tokens.json") {
      try within("added_tokens.json") { () throws(CheckpointError) in
        try addListedTokens(document.members ?? [], names)
      }
    }
    let listed = Set(vocabulary.addedTokens.map { ExactName($0.content) })
    for name in names.all where !listed.contains(ExactName(name.content)) {
      guard
        let id = vocabulary.id(of: name.content) ?? (name.isDefault ? nil : vocabulary.tokens.count)
      else { continue }
      try vocabulary.add(try name.token(id: id))
    }
  }

  /// `{"50256": {"content": "<|endoftext|>", "special": true, …}}`.
  private mutating func addDecoderTokens(
    _ members: [JSONValue.Member], _ names: SpecialTokenNames
  ) throws(CheckpointError) {
    for member in members {
      guard let id = Int(member.key), let content = try member.value.string("content") else {
        throw CheckpointError(
          .malformed, "an added token without id and content", found: member.value.shortText)
      }
      if content.isEmpty { continue }
      var token = try AddedToken(id: id, content: content, flags: member.value)
      if names.contains(content) { token.isSpecial = true }
      try vocabulary.add(token)
    }
  }

  /// `{"<|extratoken_1|>": 50257}`.
  private mutating func addListedTokens(
    _ members: [JSONValue.Member], _ names: SpecialTokenNames
  ) throws(CheckpointError) {
    for member in members where !member.key.isEmpty {
      guard let id = member.value.integer else {
        throw CheckpointError(
          .malformed, "the added token '\(member.key)' has no valid id",
          found: member.value.shortText)
      }
      let isSpecial = names.contains(member.key)
      try vocabulary.add(
        AddedToken(
          id: id, content: member.key, isSpecial: isSpecial, isNormalized: !isSpecial))
    }
  }
}

/// The tokens that `tokenizer_config.json` and `special_tokens_map.json` name.
struct SpecialTokenNames {
  /// A token and what it is for.
  struct Name {
    let role: Tokenizer.Role?
    let content: String
    let flags: JSONValue
    /// Whether no file names it, but the class of tokenizer does.
    var isDefault = false

    /// The token, which is special whatever its flags say.
    func token(id: Int) throws(CheckpointError) -> AddedToken {
      var token = try AddedToken(id: id, content: content, flags: flags)
      token.isSpecial = true
      if flags["normalized"] == nil { token.isNormalized = false }
      return token
    }
  }

  /// All of them; those with a role first.
  private(set) var all: [Name] = []
  private let contents: Set<ExactName>

  /// The names that the files have.
  ///
  /// - Parameters:
  ///   - files: with or without the two.
  ///   - defaults: the roles that `<|endoftext|>` has unless a file names another token, or null.
  /// - Throws: `malformed` if one of the files isn't an object.
  init(_ files: TokenizerFiles, defaults: [Tokenizer.Role]) throws(CheckpointError) {
    var documents: [JSONValue] = []
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
      if let document = try files.document(file) { documents.append(document) }
    }
    for role in Tokenizer.Role.allCases {
      let values = documents.compactMap { $0["\(role.rawValue)_token"] }
      if let value = values.first(where: { $0 != .null }) {
        if let name = Self.name(value, role) { all.append(name) }
      } else if values.isEmpty, defaults.contains(role) {
        all.append(Name(role: role, content: "<|endoftext|>", flags: .object([]), isDefault: true))
      }
    }
    for document in documents {
      for key in ["additional_special_tokens", "extra_special_tokens"] {
        all += (document[key]?.elements ?? []).compactMap { Self.name($0, nil) }
      }
    }
    contents = Set(all.map { ExactName($0.content) })
  }

  /// A token written as its text, or as an object with flags.
  private static func name(_ value: JSONValue, _ role: Tokenizer.Role?) -> Name? {
    guard let content = value.text ?? value["content"]?.text, !content.isEmpty else { return nil }
    return Name(role: role, content: content, flags: value)
  }

  /// Whether a text is one of them.
  func contains(_ content: String) -> Bool { contents.contains(ExactName(content)) }

  /// The ids of those that have a role and are tokens.
  func roles(in vocabulary: Vocabulary) -> [Tokenizer.Role: Int] {
    var roles: [Tokenizer.Role: Int] = [:]
    for name in all {
      if let role = name.role, let id = vocabulary.id(of: name.content) { roles[role] = id }
    }
    return roles
  }
}
