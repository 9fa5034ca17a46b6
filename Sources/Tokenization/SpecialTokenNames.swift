// Which tokens are special, by their texts: `eos_token`, `additional_special_tokens` and such of tokenizer_config.json, and of
// special_tokens_map.json, which transformers reads only where the other has no added_tokens_decoder, and which then counts.

internal import FileContainers
internal import TensorModel

/// The tokens that `tokenizer_config.json` and `special_tokens_map.json` name.
struct SpecialTokenNames {
  /// A token and what it is for.
  struct Name {
    let role: Tokenizer.Role?
    let content: String
    let flags: JSONValue
    /// The file that names it; nil if only the class of tokenizer does.
    let file: String?
    /// Whether it becomes a token if it is none.
    var isAdded = true

    /// The token, which is special whatever its flags say.
    func token(id: Int) throws(CheckpointError) -> AddedToken {
      var token = try AddedToken(id: id, content: content, flags: flags)
      token.isSpecial = true
      if flags["normalized"] == nil { token.isNormalized = false }
      return token
    }
  }

  private static let configurationFile = "tokenizer_config.json"
  private static let mapFile = "special_tokens_map.json"

  /// All of them, in the order in which they are added.
  private(set) var all: [Name] = []
  /// What the two files say differently.
  private(set) var findings: [Finding] = []
  private let contents: Set<ExactName>

  /// The names that the files have.
  ///
  /// - Parameters:
  ///   - files: with or without the two.
  ///   - defaults: the roles that `<|endoftext|>` has unless a file names another token, or null.
  /// - Throws: `malformed` if one of the files isn't an object.
  init(_ files: TokenizerFiles, defaults: [Tokenizer.Role]) throws(CheckpointError) {
    let configuration = try files.document(Self.configurationFile)
    let map = try files.document(Self.mapFile)
    var documents: [(file: String, value: JSONValue)] = []
    if let configuration { documents.append((Self.configurationFile, configuration)) }
    // A map that isn't read by transformers still says what tokens are for.
    let ignoresMap = configuration?["added_tokens_decoder"]?.members != nil
    if let map { documents.insert((Self.mapFile, map), at: ignoresMap ? documents.count : 0) }

    var named: Set<String> = []
    for role in Tokenizer.Role.allCases {
      let key = "\(role.rawValue)_token"
      named.insert(key)
      let values = documents.filter { $0.value[key] != nil }
      let names = values.compactMap { Self.name($0.value[key], role, $0.file) }
      if var name = names.first {
        name.isAdded = !(ignoresMap && name.file == Self.mapFile)
        all.append(name)
        if let other = names.dropFirst().first, ExactName(other.content) != ExactName(name.content)
        {
          findings.append(Self.contradiction(key, name, other, counts: !ignoresMap))
        }
      } else if values.isEmpty, defaults.contains(role) {
        all.append(
          Name(role: role, content: "<|endoftext|>", flags: .object([]), file: nil, isAdded: false))
      }
    }
    for (file, document) in documents where !(ignoresMap && file == Self.mapFile) {
      // Names of a model's own, such as `image_token`.
      for member in document.members ?? []
      where member.key.hasSuffix("_token") && !named.contains(member.key) {
        guard member.value.text != nil || member.value["content"] != nil else { continue }
        if let name = Self.name(member.value, nil, file) { all.append(name) }
      }
      for member in document["extra_special_tokens"]?.members ?? [] {
        if let name = Self.name(member.value, nil, file) { all.append(name) }
      }
    }
    for (file, document) in documents where !(ignoresMap && file == Self.mapFile) {
      // The newer key counts where both are there.
      let lists = ["extra_special_tokens", "additional_special_tokens"]
        .compactMap { document[$0]?.elements }.filter { !$0.isEmpty }
      all += (lists.first ?? []).compactMap { Self.name($0, nil, file) }
    }
    contents = Set(all.map { ExactName($0.content) })
  }

  private static func contradiction(
    _ key: String, _ name: Name, _ other: Name, counts: Bool
  ) -> Finding {
    Finding(
      counts ? .warning : .note, "special-token",
      "\(name.file ?? "") says that \(key) is '\(name.content)', \(other.file ?? "") says '\(other.content)': the first counts",
      file: other.file)
  }

  /// A token written as its text, or as an object with flags.
  private static func name(_ value: JSONValue?, _ role: Tokenizer.Role?, _ file: String) -> Name? {
    guard let value, let content = value.text ?? value["content"]?.text, !content.isEmpty
    else { return nil }
    return Name(role: role, content: content, flags: value, file: file)
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
