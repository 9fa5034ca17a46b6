import CheckpointFormats
import FileContainers
import TensorModel

/// `general.sampling.*` of a GGUF file: how tokens are chosen, from `generation_config.json`, as gguf-py writes it.
struct GGUFGenerationKeys {
  /// The keys.
  private(set) var entries: [(key: String, value: GGUFValue)] = []
  /// What they can't say.
  private(set) var findings: [Finding] = []
  /// The file, which may have the ids of special tokens, too; nil if there is none.
  let document: GGUFSpecialTokens.Document?
  /// Whether nothing of the file is lost.
  private(set) var isWhole = true

  /// The file.
  static let fileName = "generation_config.json"
  private static let maximumByteCount = 1 << 20

  private enum Kind {
    case integer
    case number
  }

  /// Settings, and the ends of their keys.
  private static let settings: [(name: String, key: String, kind: Kind)] = [
    ("top_k", "top_k", .integer), ("top_p", "top_p", .number), ("min_p", "min_p", .number),
    ("xtc_probability", "xtc_probability", .number), ("xtc_threshold", "xtc_threshold", .number),
    ("temperature", "temp", .number), ("penalty_last_n", "penalty_last_n", .integer),
    ("penalty_repeat", "penalty_repeat", .number), ("mirostat", "mirostat", .integer),
    ("mirostat_tau", "mirostat_tau", .number), ("mirostat_eta", "mirostat_eta", .number),
  ]

  /// Say who wrote the file, or how a program keeps and returns results, which every file of transformers 5 has.
  private static let silent: Set<String> = [
    "_from_model_config", "transformers_version", "output_attentions", "output_hidden_states",
    "use_cache",
  ]

  /// The keys of a checkpoint's file.
  ///
  /// - Throws: `inputOutput`.
  init(_ assets: [Checkpoint.Asset]) throws(CheckpointError) {
    guard let asset = assets.first(where: { $0.name == Self.fileName }) else {
      document = nil
      return
    }
    let value =
      try ifUsable { () throws(CheckpointError) in
        asset.byteCount <= Self.maximumByteCount
          ? try JSONFile.parse(asset.contents(), Self.fileName) : .null
      } ?? .null
    guard let members = value.members else {
      document = nil
      isWhole = false
      findings = [
        Finding(
          .warning, "generation-settings", "can't be read: its settings and ids are left out",
          file: Self.fileName)
      ]
      return
    }
    document = (Self.fileName, value)
    var lost: [String] = []
    for member in members where member.value != .null && !Self.silent.contains(member.key) {
      if member.key.hasSuffix("_token_id") { continue }
      if let entry = Self.entry(member) {
        entries.append(entry)
      } else {
        lost.append("\(member.key) \(member.value.shortText)")
      }
    }
    guard !lost.isEmpty else { return }
    isWhole = false
    findings = [
      Finding(
        .note, "generation-settings",
        "a GGUF file has no keys for these: \(lost.joined(separator: ", "))", file: Self.fileName)
    ]
  }

  private static func entry(_ member: JSONValue.Member) -> (key: String, value: GGUFValue)? {
    guard let setting = settings.first(where: { $0.name == member.key }) else { return nil }
    let key = "general.sampling.\(setting.key)"
    switch setting.kind {
    case .integer:
      guard let number = member.value.integer, Int32(exactly: number) != nil else { return nil }
      return (key, .signed(Int64(number), .int32))
    case .number:
      guard let number = member.value.double, Float(number).isFinite else { return nil }
      return (key, .number(Double(Float(number))))
    }
  }

  /// `generation_config.json`'s members, from the keys of a GGUF file.
  static func members(_ header: GGUFHeader) -> [JSONValue.Member] {
    settings.compactMap { name, key, kind in
      guard let value = header["general.sampling.\(key)"] else { return nil }
      switch kind {
      case .integer: return value.integer.map { .init(name, .integer($0)) }
      case .number:
        return value.number.flatMap { $0.isFinite ? .init(name, .number("\(Float($0))")) : nil }
      }
    }
  }
}
