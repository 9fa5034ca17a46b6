public import CheckpointFormats
import FileContainers
import TensorModel
import Tokenization

/// The files of the tokenizer that a GGUF file's keys describe, as Hugging Face's libraries read them.
public enum RestoredTokenizer {
  /// A GGUF source with its tokenizer's files beside it, and its settings for making texts, where these say the same as the keys; any other source as it is.
  ///
  /// Whether they do is tried out: the keys are written of them again. Keys that don't come out the same stay metadata, and a conversion says that it leaves
  /// them out.
  public static func added(to source: Source) -> Source {
    guard let header = source.ggufHeader,
      !source.checkpoint.assets.contains(where: { isTokenizer($0.name) }),
      let tokens = GGUFTokens(header), let files = files(header, tokens)
    else { return source }
    let assets = files.map { file in
      Checkpoint.Asset(name: file.name, byteCount: file.contents.count) {
        () throws(CheckpointError) in file.contents
      }
    }
    guard
      let again = try? GGUFTokenizerKeys(
        assets, configuration: nil, rows: tokens.texts.count,
        name: header["tokenizer.ggml.pre"]?.text, graph: header["general.architecture"]?.text
      ).entries
    else { return source }
    let same = again.filter { header[$0.key] == $0.value }.map(\.key)
    guard tokens.neededKeys.allSatisfy(same.contains) else { return source }
    return source.replacing(same, by: assets)
  }

  private static func isTokenizer(_ name: String) -> Bool {
    Checkpoint.Asset.tokenizerNames.contains(name)
  }

  private static func files(
    _ header: GGUFHeader, _ tokens: GGUFTokens
  ) -> [(name: String, contents: [UInt8])]? {
    var settings = tokens.settings
    var files: [(name: String, contents: [UInt8])]
    switch tokens.model {
    case "gpt2":
      guard let document = ByteLevelDocument(header, tokens) else { return nil }
      files = [("tokenizer.json", Array("\(document.contents.documentText)\n".utf8))]
      settings.append(.init("tokenizer_class", .string("PreTrainedTokenizerFast")))
    case "llama":
      guard let file = SentencePieceFile(header, tokens) else { return nil }
      files = [(SentencePieceVocabulary.fileName, file.contents)]
      settings += [
        .init("added_tokens_decoder", file.addedTokens),
        .init("tokenizer_class", .string("LlamaTokenizer")),
      ]
    default: return nil
    }
    files.append(("tokenizer_config.json", text(settings)))
    let generation = tokens.unnamedIDs + GGUFGenerationKeys.members(header)
    if !generation.isEmpty { files.append((GGUFGenerationKeys.fileName, text(generation))) }
    return files
  }

  private static func text(_ members: [JSONValue.Member]) -> [UInt8] {
    Array("\(JSONValue.object(members).documentText)\n".utf8)
  }
}

/// The keys of a GGUF file that all kinds of tokenizers have.
struct GGUFTokens {
  /// The kind, such as `gpt2` or `llama`.
  let model: String
  /// By id.
  let texts: [String]
  /// What they are for, by id.
  let kinds: [SentencePieceVocabulary.Kind]
  private let header: GGUFHeader

  /// Nil if there are none, or not one kind for each.
  init?(_ header: GGUFHeader) {
    guard let model = header["tokenizer.ggml.model"]?.text,
      let strings = header["tokenizer.ggml.tokens"]?.array?.strings,
      let values = header["tokenizer.ggml.token_type"]?.array?.values, values.count == strings.count
    else { return nil }
    let texts = strings.compactMap { String(validating: $0, as: UTF8.self) }
    let kinds = values.compactMap {
      $0.integer.flatMap(Int32.init(exactly:)).flatMap(SentencePieceVocabulary.Kind.init)
    }
    guard texts.count == strings.count, kinds.count == strings.count else { return nil }
    self.model = model
    self.texts = texts
    self.kinds = kinds
    self.header = header
  }

  /// What has to come out the same if files are to be worth anything; it cuts texts into tokens.
  var neededKeys: [String] {
    let names = model == "llama" ? ["scores", "add_space_prefix"] : ["merges"]
    let keys = (["model", "pre", "tokens", "token_type"] + names).map { "tokenizer.ggml.\($0)" }
    // Of a space before texts, files say nothing if it is there.
    return keys.filter { header[$0] != nil || !$0.hasSuffix("add_space_prefix") }
  }

  /// The token of a role.
  func token(_ role: Tokenizer.Role) -> String? { id(role).map { texts[$0] } }

  private func id(_ role: Tokenizer.Role) -> Int? {
    guard let key = role.ggufKey, let id = header[key]?.integer, texts.indices.contains(id)
    else { return nil }
    return id
  }

  /// Whether calling a token by its text says the same: a text that is called something is a control token to transformers.
  private func isNamed(_ id: Int) -> Bool {
    model == "llama" ? texts.firstIndex(of: texts[id]) == id : kinds[id] == .control
  }

  /// The ids of roles, as `generation_config.json` has them: all that end texts, and of others those whose tokens can't be called by their texts.
  var unnamedIDs: [JSONValue.Member] {
    let otherEnds = [Tokenizer.Role.endOfTurn, .endOfMessage].compactMap(id)
    return Tokenizer.Role.allCases.compactMap { role in
      guard let id = id(role) else { return nil }
      let key = "\(role.rawValue)_token_id"
      if role == .end, otherEnds.contains(where: { $0 != id }) {
        let ids = [id] + otherEnds.filter { $0 != id }
        return .init(key, .array(ids.map { .integer($0) }))
      }
      return isNamed(id) ? nil : .init(key, .integer(id))
    }
  }

  /// Whether a token is put around texts; nil if the file doesn't say.
  func adds(_ role: Tokenizer.Role) -> Bool? {
    header["tokenizer.ggml.add_\(role.rawValue)_token"]?.flag
  }

  /// Members of `tokenizer_config.json`.
  var settings: [JSONValue.Member] {
    var settings: [JSONValue.Member] = []
    for role in [Tokenizer.Role.beginning, .end] {
      if let flag = adds(role) { settings.append(.init("add_\(role.rawValue)_token", .bool(flag))) }
    }
    for role in Tokenizer.Role.allCases {
      guard let id = id(role), isNamed(id) else { continue }
      settings.append(.init("\(role.rawValue)_token", .string(texts[id])))
    }
    if let templates = ChatTemplates.value(header) {
      settings.append(.init("chat_template", templates))
    }
    return settings
  }
}
