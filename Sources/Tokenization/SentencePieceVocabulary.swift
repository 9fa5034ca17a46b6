internal import FileContainers
public import TensorModel

/// A vocabulary of SentencePiece's BPE with byte fallback, as Llama and Mistral have it: what a GGUF carries of it.
///
/// Texts aren't encoded by it here.
public struct SentencePieceVocabulary: Sendable {
  /// What a piece is for, as SentencePiece and `tokenizer.ggml.token_type` number it.
  public enum Kind: Int32, Sendable {
    case normal = 1
    case unknown
    case control
    case userDefined
    case unused
    case byte
  }

  /// A piece of a text, with `▁` for a space.
  public struct Piece: Sendable, Hashable {
    /// Its text.
    public var text: String
    /// How early it is made: of two pairs of neighbours, the one whose piece has the higher score merges first.
    public var score: Float
    /// What it is for.
    public var kind: Kind

    /// A piece.
    public init(text: String, score: Float, kind: Kind) {
      self.text = text
      self.score = score
      self.kind = kind
    }
  }

  /// A token that was added later, over a piece or after all.
  public struct Added: Sendable, Hashable {
    /// Its id.
    public let id: Int
    /// Its text, as texts have it.
    public let text: String
    /// Whether it is no text.
    public let isControl: Bool
    /// Whether it takes white space beside it along, or is one only where no word goes on.
    public var dependsOnNeighbours = false
  }

  /// The file of a SentencePiece model.
  public static let fileName = "tokenizer.model"

  /// By id.
  public let pieces: [Piece]
  /// In the order in which they were added: of two for one id the last counts, and a text has one id.
  public let added: [Added]
  /// The tokens of roles.
  public let roles: [Tokenizer.Role: Int]
  /// Whether a space is put before texts.
  public let addsPrefixSpace: Bool
  /// Whether the beginning's token is put before texts.
  public let addsBeginning: Bool
  /// Whether the end's token is put after texts.
  public let addsEnd: Bool
  /// Whether texts are changed, other than by `▁` for spaces, before they are cut: a charsmap, or spaces that are removed.
  public let changesTexts: Bool
  /// What the files contradict each other in, and what was made of it.
  public let findings: [Finding]

  /// Opens the vocabulary of a checkpoint: `tokenizer.model`, or what `tokenizer.json` has kept of one.
  ///
  /// Nil if there are no such files.
  ///
  /// - Parameter assets: the checkpoint's sidecar files.
  /// - Throws: `unsupported` for models of another kind than BPE with bytes, `malformed`.
  public init?(assets: [Checkpoint.Asset]) throws(CheckpointError) {
    let files = TokenizerFiles(assets)
    let document = try files.document("tokenizer.json")
    if let document {
      guard try document["model"]?.flag("byte_fallback") ?? false else { return nil }
    }
    let names = try SpecialTokenNames(files, defaults: [])
    let configuration = try files.document("tokenizer_config.json") ?? .object([])
    var ownRoles = SentencePieceModel.standardRoles
    if let bytes = try files.bytes(Self.fileName) {
      let model = try within(Self.fileName) { () throws(CheckpointError) in
        let model = try SentencePieceModel(parsing: bytes)
        try Self.requireBPE(model)
        return model
      }
      pieces = model.pieces
      changesTexts = model.mapsCharacters || model.removesSpaces
      addsPrefixSpace = try configuration.flag("add_prefix_space") ?? model.addsPrefixSpace
      ownRoles = model.roles
    } else if let document {
      let kept = try within("tokenizer.json") { () throws(CheckpointError) in
        try SentencePieceDocument(document)
      }
      pieces = kept.pieces
      changesTexts = false
      addsPrefixSpace = kept.addsPrefixSpace
    } else {
      return nil
    }
    guard pieces.contains(where: { $0.kind == .byte }) else {
      throw TokenizerFiles.unsupported("SentencePiece without tokens for bytes")
    }
    let listed = try Self.added(files, configuration, document)
    let placed = Self.placed(listed, pieces)
    added = placed.added
    findings = names.findings + placed.findings
    addsBeginning = try configuration.flag("add_bos_token") ?? true
    addsEnd = try configuration.flag("add_eos_token") ?? false
    roles = Self.roles(pieces, added, names, ownRoles)
  }

  private static func requireBPE(_ model: SentencePieceModel) throws(CheckpointError) {
    guard model.kind == .bpe else {
      throw TokenizerFiles.unsupported("SentencePiece's \(model.kind), not its BPE")
    }
    guard !model.hasSpaceSuffixes else {
      throw TokenizerFiles.unsupported("SentencePiece with spaces at the ends of words")
    }
  }

  /// `added_tokens` of `tokenizer.json`, then `added_tokens.json`, then `added_tokens_decoder` of `tokenizer_config.json`.
  private static func added(
    _ files: TokenizerFiles, _ configuration: JSONValue, _ document: JSONValue?
  ) throws(CheckpointError) -> [(file: String, token: Added)] {
    var added: [(file: String, token: Added)] = []
    for token in document?["added_tokens"]?.elements ?? [] {
      let text = try token.string("content")
      added.append(("tokenizer.json", try self.added(token["id"]?.integer, text, flags: token)))
    }
    // What the model is made of counts more than a list of names alone.
    let known = Set(added.map { ExactName($0.token.text) })
    for member in try files.document("added_tokens.json")?.members ?? []
    where !known.contains(ExactName(member.key)) {
      added.append(
        ("added_tokens.json", try self.added(member.value.integer, member.key, flags: .null)))
    }
    for member in configuration["added_tokens_decoder"]?.members ?? [] {
      let text = try member.value.string("content")
      let token = try self.added(Int(member.key), text, flags: member.value)
      added.append(("tokenizer_config.json", token))
    }
    return added
  }

  /// The tokens without those that are pieces elsewhere: a text has one id.
  private static func placed(
    _ listed: [(file: String, token: Added)], _ pieces: [Piece]
  ) -> (added: [Added], findings: [Finding]) {
    var ids: [ExactName: Int] = [:]
    for (id, piece) in pieces.enumerated() where ids[ExactName(piece.text)] == nil {
      ids[ExactName(piece.text)] = id
    }
    var owners: [Int: String] = [:]
    var added: [Added] = []
    var findings: [Finding] = []
    for (file, token) in listed {
      let known = ids[ExactName(token.text)] ?? token.id
      if known != token.id {
        findings.append(
          Finding(
            .warning, "added-token",
            "left out: the token '\(token.text)' has the id \(token.id) there, and \(known) elsewhere",
            file: file))
        continue
      }
      let isPiece = pieces.indices.contains(token.id) && pieces[token.id].kind == .normal
      let owner = owners[token.id] ?? (isPiece ? pieces[token.id].text : nil)
      if let owner, !isSame(owner, token.text) {
        findings.append(
          Finding(
            .warning, "added-token",
            "the token '\(token.text)' has the id \(token.id) there, which is '\(owner)' elsewhere: it takes its place",
            file: file))
      }
      owners[token.id] = token.text
      ids[ExactName(token.text)] = token.id
      added.append(token)
    }
    return (added, findings)
  }

  /// Whether two texts are the same but for how they write spaces.
  private static func isSame(_ one: String, _ other: String) -> Bool {
    func spaced(_ text: String) -> ExactName {
      ExactName(text.replacing("\u{2581}", with: " "))
    }
    return spaced(one) == spaced(other)
  }

  private static func added(
    _ id: Int?, _ text: String?, flags: JSONValue
  ) throws(CheckpointError) -> Added {
    guard let id, id >= 0, let text, !text.isEmpty else {
      throw CheckpointError(
        .malformed, "an added token without id or text", found: text.map { "'\($0)'" })
    }
    let token = try AddedToken(id: id, content: text, flags: flags)
    return Added(
      id: id, text: text, isControl: token.isSpecial,
      dependsOnNeighbours: token.dependsOnNeighbours)
  }

  /// The tokens that the files name; of those that they don't, the model's own.
  private static func roles(
    _ pieces: [Piece], _ added: [Added], _ names: SpecialTokenNames,
    _ ownRoles: [Tokenizer.Role: String]
  ) -> [Tokenizer.Role: Int] {
    var ids: [ExactName: Int] = [:]
    for (id, piece) in pieces.enumerated() where ids[ExactName(piece.text)] == nil {
      ids[ExactName(piece.text)] = id
    }
    var roles: [Tokenizer.Role: Int] = [:]
    for (role, text) in ownRoles {
      if let id = ids[ExactName(text)], pieces[id].kind == .control { roles[role] = id }
    }
    roles[.unknown] = pieces.firstIndex { $0.kind == .unknown }
    for token in added { ids[ExactName(token.text)] = token.id }
    for name in names.all {
      if let role = name.role, let id = ids[ExactName(name.content)] { roles[role] = id }
    }
    return roles
  }
}
