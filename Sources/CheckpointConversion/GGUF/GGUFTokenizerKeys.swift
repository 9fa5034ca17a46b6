import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel
import Tokenization

/// What a GGUF file says of a tokenizer (gguf.md, `tokenizer.*`), and of how texts are made (`general.sampling.*`).
struct GGUFTokenizerKeys {
  /// In the order of the file.
  let entries: [(key: String, value: GGUFValue)]
  /// What they can't say.
  let findings: [Finding]
  private let fileNames: Set<String>

  /// Whether a sidecar file's contents stand in these keys.
  func contains(_ name: String) -> Bool {
    fileNames.contains(name) || ChatTemplates.isTemplate(name)
  }

  /// Reads the tokenizer of a source's sidecar files, for an embedding of so many rows.
  ///
  /// - Throws: `missing` if there are none, `unsupported` for what llama.cpp's tokenizers can't do, `malformed` if there are more tokens than rows.
  init(_ source: Source, rows: Int) throws(CheckpointError) {
    let bytes = try source.huggingFaceConfiguration()
    let configuration = bytes.flatMap { try? HuggingFaceConfiguration(parsing: $0) }
    let modelType = configuration?.modelType
    // What a file's keys say isn't said by a file of that name.
    let file = source.ggufHeader == nil ? nil : source.checkpoint.files.first?.name
    let name =
      source.ggufHeader?["tokenizer.ggml.pre"]?.text ?? modelType.flatMap { Self.names[$0] }
    do throws(CheckpointError) {
      try self.init(
        source.checkpoint.assets,
        configuration: configuration.map {
          (file ?? HuggingFaceConfiguration.fileName, $0.document)
        }, rows: rows, name: name, graph: configuration?.architecture?.gguf?.architecture)
    } catch {
      guard error.code == .missing else { throw error }
      guard let copy = Self(copying: source, rows: rows) else { throw Self.missing(source) }
      self = copy
    }
  }

  /// What `tokenizer.ggml.pre` is called for families that cut texts as others do (llama.cpp's conversion/base.py).
  private static let names = [
    "granite": "refact", "granitemoe": "refact", "stablelm": "stablelm2",
  ]

  /// The keys of a GGUF source whose tokenizer no files say; nil for other sources, and for tokenizers of another model.
  private init?(copying source: Source, rows: Int) {
    guard let header = source.ggufHeader,
      header["tokenizer.ggml.tokens"]?.array?.count == rows
    else { return nil }
    entries = header.metadata.filter {
      $0.key.hasPrefix("tokenizer.") || $0.key == ComposedTexts.key
    }
    findings = []
    fileNames = []
  }

  /// Reads the tokenizer of these files.
  ///
  /// - Parameters:
  ///   - assets: the files.
  ///   - configuration: `config.json`, which may have ids that they don't say, and where it stands.
  ///   - rows: those of the embedding.
  ///   - name: what `tokenizer.ggml.pre` says, of several names that llama.cpp takes for the same.
  ///   - graph: `general.architecture`; nil if it isn't known.
  /// - Throws: as above.
  init(
    _ assets: [Checkpoint.Asset], configuration: GGUFSpecialTokens.Document?, rows: Int,
    name: String? = nil, graph: String? = nil
  ) throws(CheckpointError) {
    let vocabulary: any GGUFVocabularyKeys
    do throws(CheckpointError) {
      vocabulary = try GGUFBytePairKeys(
        try Tokenizer(assets: assets), rows: rows, name: name, graph: graph)
    } catch {
      // Of a SentencePiece model a GGUF takes the pieces, even if texts can't be encoded by it here.
      guard let pieces = try SentencePieceVocabulary(assets: assets) else { throw error }
      vocabulary = try GGUFSentencePieceKeys(pieces, rows: rows)
    }
    let generation = try GGUFGenerationKeys(assets)
    var documents = generation.document.map { [($0.file, $0.value)] } ?? []
    if let configuration { documents.insert(configuration, at: 0) }
    let special = GGUFSpecialTokens(
      vocabulary.roles, rows: rows, documents, text: vocabulary.text)
    let templates = try ChatTemplates(assets).keys()
    entries =
      vocabulary.entries + special.entries + vocabulary.flags + templates.entries
      + generation.entries
    findings =
      vocabulary.findings + special.findings + templates.findings + generation.findings
    fileNames = Set(
      vocabulary.fileNames + (generation.isWhole ? [GGUFGenerationKeys.fileName] : []))
  }

  /// The error for a source without a tokenizer.
  static func missing(_ source: Source) -> CheckpointError {
    CheckpointError(
      .missing, "a GGUF file needs a tokenizer, and the source has none", file: source.path,
      expected:
        "tokenizer.json, or vocab.json and merges.txt, or \(SentencePieceVocabulary.fileName)",
      hint: "name a directory that has them: --assets DIR")
  }

  /// The error for a tokenizer that doesn't belong to the model.
  static func tooLarge(_ count: Int, _ rows: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "the tokenizer has more tokens than the model", expected: "at most \(rows)",
      found: "\(count)", hint: "does the tokenizer belong to the model?")
  }

  /// What is said of tokens that the embedding has no rows for; nothing if there are none.
  static func leftOut(_ texts: [String]) -> [Finding] {
    guard !texts.isEmpty else { return [] }
    return [
      Finding(
        .warning, "token-left-out",
        "left out: \(counted(texts.count, "added token")) that the embedding has no rows for: \(list(texts))"
      )
    ]
  }

  /// What is said of added tokens that take white space along, or stand alone only; nothing if there are none.
  static func neighbours(_ texts: [String]) -> [Finding] {
    guard !texts.isEmpty else { return [] }
    return [
      Finding(
        .warning, "gguf-token-flags",
        "llama.cpp finds these anywhere and leaves the spaces beside them, the tokenizer doesn't (lstrip, rstrip, single_word): \(list(texts))"
      )
    ]
  }

  private static func list(_ texts: [String]) -> String {
    texts.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
      + (texts.count > 8 ? " and \(texts.count - 8) others" : "")
  }
}

/// The keys of one kind of tokenizer.
protocol GGUFVocabularyKeys {
  /// Those of the tokens, and of how they are merged.
  var entries: [(key: String, value: GGUFValue)] { get }
  /// Those of what is put around texts.
  var flags: [(key: String, value: GGUFValue)] { get }
  /// The tokens of roles, as far as the tokenizer's files say.
  var roles: [Tokenizer.Role: Int] { get }
  /// What they can't say.
  var findings: [Finding] { get }
  /// The files whose contents stand in the keys.
  var fileNames: [String] { get }
  /// The text of a token; nil where no token has the id.
  func text(_ id: Int) -> String?
}
