// Tokens that were added after training, where tokenizer.json, or vocab.json, doesn't have them:
//   tokenizer_config.json  "added_tokens_decoder": {"50256": {"content": "<|endoftext|>", "special": true, …}}
//   added_tokens.json      {"<|extratoken_1|>": 50257}, read only where the other isn't there
// and tokens that are only named, such as `eos_token`. transformers (TokenizersBackend) adds the listed ones in the order of their
// ids, then the named ones; each gets the next id that is free, whatever id is listed.

internal import FileContainers
internal import TensorModel

/// A token as a file lists it.
private struct ListedToken {
  let file: String
  var token: AddedToken
}

extension TokenizerDefinition {
  private static let decoderFile = "tokenizer_config.json"
  private static let listFile = "added_tokens.json"

  /// Adds the tokens of the files beside the vocabulary, and finds those that have roles.
  ///
  /// - Parameters:
  ///   - files: with or without such files.
  ///   - names: the tokens that they name.
  /// - Throws: `malformed` for lists that aren't any, `unsupported` for files that are too large.
  mutating func addTokens(
    of files: TokenizerFiles, _ names: SpecialTokenNames
  ) throws(CheckpointError) {
    findings += names.findings
    let own = Dictionary(
      vocabulary.addedTokens.map { ($0.id, $0.content) }, uniquingKeysWith: { $1 })
    for listed in try Self.listedTokens(files, names) {
      try within(listed.file) { () throws(CheckpointError) in try add(listed, own) }
    }
    var added = Set(vocabulary.addedTokens.map { ExactName($0.content) })
    for name in names.all where added.insert(ExactName(name.content)).inserted {
      if let id = vocabulary.id(of: name.content) {
        try vocabulary.add(try name.token(id: id))
      } else if name.isAdded {
        let id = nextID
        try vocabulary.add(try name.token(id: id))
        findings.append(
          Finding(
            .note, "added-token",
            "the token '\(name.content)' is only named: it gets the next id, \(id), as transformers gives it",
            file: name.file))
      }
    }
    roles = names.roles(in: vocabulary)
    mentionsEnd = try files.document(Self.decoderFile)?["add_eos_token"]?.boolean != nil
  }

  /// In the order of their ids; of two for one id the last.
  private static func listedTokens(
    _ files: TokenizerFiles, _ names: SpecialTokenNames
  ) throws(CheckpointError) -> [ListedToken] {
    var listed: [Int: ListedToken] = [:]
    let configuration = try files.document(decoderFile) ?? .object([])
    if let members = configuration["added_tokens_decoder"]?.members {
      for member in members {
        guard let id = Int(member.key), id >= 0, let content = member.value["content"]?.text else {
          throw CheckpointError(
            .malformed, "an added token without id and content", file: decoderFile,
            found: "\(member.key): \(member.value.shortText)")
        }
        if content.isEmpty { continue }
        var token = try within(decoderFile) { () throws(CheckpointError) in
          try AddedToken(id: id, content: content, flags: member.value)
        }
        if names.contains(content) { token.isSpecial = true }
        listed[id] = ListedToken(file: decoderFile, token: token)
      }
    } else if let document = try files.document(listFile) {
      for member in document.members ?? [] where !member.key.isEmpty {
        guard let id = member.value.integer, id >= 0 else {
          throw CheckpointError(
            .malformed, "the added token '\(member.key)' has no valid id", file: listFile,
            found: member.value.shortText)
        }
        let isSpecial = names.contains(member.key)
        listed[id] = ListedToken(
          file: listFile,
          token: AddedToken(
            id: id, content: member.key, isSpecial: isSpecial, isNormalized: !isSpecial))
      }
    }
    return listed.sorted { $0.key < $1.key }.map(\.value)
  }

  /// Adds a token, unless `tokenizer.json`, whose own are given by their ids, has it or another one of its id.
  private mutating func add(
    _ listed: ListedToken, _ own: [Int: String]
  ) throws(CheckpointError) {
    let token = listed.token
    // Of tokens that tokenizer.json has added itself, added_tokens.json knows no more than the id.
    let isWeaker = listed.file == Self.listFile
    guard let known = vocabulary.id(of: token.content) else {
      if isWeaker, let other = own[token.id] {
        findings.append(
          Finding(
            .warning, "added-token",
            "left out: the token '\(token.content)' has the id \(token.id), which is '\(other)' in tokenizer.json",
            file: listed.file))
        return
      }
      let id = nextID
      try vocabulary.add(token.numbered(id))
      if id != token.id { findings.append(contradiction(listed, id)) }
      return
    }
    if known != token.id { findings.append(contradiction(listed, known)) }
    if isWeaker, own[known] != nil { return }
    try vocabulary.add(token.numbered(known))
  }

  private func contradiction(_ listed: ListedToken, _ id: Int) -> Finding {
    let token = listed.token
    let tokens = vocabulary.tokens
    let other = tokens.indices.contains(token.id) ? tokens[token.id] : nil
    let owner = other.map { ", which is '\($0.text)'" } ?? ""
    return Finding(
      .warning, "added-token",
      "the token '\(token.content)' has the id \(token.id) there\(owner): here it is \(id), as transformers numbers it",
      file: listed.file)
  }

  /// The id that a new token gets.
  private var nextID: Int {
    var id = vocabulary.count
    while id < vocabulary.tokens.count, vocabulary.tokens[id] != nil { id += 1 }
    return id
  }
}

extension AddedToken {
  /// The same with another id.
  fileprivate func numbered(_ id: Int) -> AddedToken {
    AddedToken(
      id: id, content: content, isSpecial: isSpecial, isNormalized: isNormalized,
      isSingleWord: isSingleWord, stripsLeft: stripsLeft, stripsRight: stripsRight)
  }
}
