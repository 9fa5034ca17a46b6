// `tokenizer.ggml.*_token_id`. What the tokenizer's files say counts, then config.json, then generation_config.json, as in gguf-py's
// SpecialVocab; what they say differently is a finding. A list of ids that end a text, which SpecialVocab doesn't read, gives the
// end's token and the end of turn's, where llama.cpp wouldn't know the token by its text.

import FileContainers
import TensorModel
import Tokenization

/// The tokens of roles as a GGUF file has them.
struct GGUFSpecialTokens {
  /// Their ids.
  private(set) var roles: [Tokenizer.Role: Int]
  /// What is said differently, or isn't there.
  private(set) var findings: [Finding] = []
  private let rows: Int
  private let text: (Int) -> String?
  /// Which file an id is from; the tokenizer's have no entry.
  private var origins: [Tokenizer.Role: String] = [:]

  /// A file that may have ids, such as `config.json`.
  typealias Document = (file: String, value: JSONValue)

  /// Tokens at which llama.cpp ends a text whatever the keys say (llama-vocab.cpp, `special_eog_ids`).
  private static let knownEnds: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
    "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>", "[e~[",
  ]

  /// The tokens that some files say.
  ///
  /// - Parameters:
  ///   - roles: what the tokenizer's files say.
  ///   - rows: those of the embedding.
  ///   - documents: what else may say it, the first counting most.
  ///   - text: a token's text; nil where no token has the id.
  init(
    _ roles: [Tokenizer.Role: Int], rows: Int, _ documents: [Document],
    text: @escaping (Int) -> String?
  ) {
    self.roles = roles
    self.rows = rows
    self.text = text
    for (role, id) in roles where id >= rows {
      self.roles[role] = nil
      findings.append(outside(role, id, "\(id)", in: nil))
    }
    // As gguf-py has it: what begins and separates texts that are classified begins and ends others.
    for (role, other) in [
      (Tokenizer.Role.beginning, Tokenizer.Role.classification), (.end, .separator),
    ] where self.roles[role] == nil {
      self.roles[role] = self.roles[other]
    }
    var ends: [(file: String, ids: [Int])] = []
    var said: [Tokenizer.Role: [JSONValue]] = [:]
    for (file, document) in documents {
      for role in Tokenizer.Role.allCases {
        let key = "\(role.rawValue)_token_id"
        guard let value = document[key] ?? document["text_config"]?[key], value != .null else {
          continue
        }
        // What two files say is said of once.
        guard !said[role, default: []].contains(value) else { continue }
        said[role, default: []].append(value)
        let ids = ids(value, role, file)
        if value.elements != nil, role == .end { ends.append((file, ids)) }
        take(ids, role, file)
      }
    }
    for (file, ids) in ends { takeOtherEnds(ids, file) }
    findings.sort { ($0.file ?? "", $0.message) < ($1.file ?? "", $1.message) }
  }

  /// The ids of a value that are rows of the embedding.
  private mutating func ids(_ value: JSONValue, _ role: Tokenizer.Role, _ file: String) -> [Int] {
    var ids: [Int] = []
    for element in value.elements ?? [value] {
      guard let id = element.integer, (0..<rows).contains(id) else {
        findings.append(outside(role, element.integer, element.shortText, in: file))
        continue
      }
      if !ids.contains(id) { ids.append(id) }
    }
    return ids
  }

  private func outside(
    _ role: Tokenizer.Role, _ id: Int?, _ text: String, in file: String?
  ) -> Finding {
    // Before there was null, -1 said that there is no such token.
    Finding(
      role.matters && id != -1 ? .warning : .note, "special-token",
      "left out: \(role.rawValue)_token_id is \(text), which is outside the embedding's \(rows) rows",
      file: file)
  }

  private mutating func take(_ ids: [Int], _ role: Tokenizer.Role, _ file: String) {
    guard let first = ids.first else { return }
    guard let known = roles[role] else {
      roles[role] = first
      origins[role] = file
      if text(first) == nil {
        findings.append(
          Finding(
            .warning, "special-token",
            "\(role.rawValue)_token_id is \(first), and the tokenizer has no token of that id",
            file: file))
      }
      return
    }
    guard !ids.contains(known) else { return }
    findings.append(
      Finding(
        role.matters ? .warning : .note, "special-token",
        "not used: \(role.rawValue)_token_id is \(name(first)), but \(origins[role] ?? "the tokenizer's files") says \(name(known))",
        file: file))
  }

  /// What else ends a text.
  private mutating func takeOtherEnds(_ ids: [Int], _ file: String) {
    for id in ids where id != roles[.end] && id != roles[.endOfMessage] {
      if let text = text(id), Self.knownEnds.contains(text) { continue }
      if let other = roles[.endOfTurn] {
        guard other != id else { continue }
        findings.append(
          Finding(
            .warning, "special-token",
            "\(name(id)) ends a text, too, and a GGUF file has no key for it: llama.cpp goes on there",
            file: file))
        continue
      }
      roles[.endOfTurn] = id
      findings.append(
        Finding(
          .note, "special-token",
          "\(name(id)) ends a text, too: it is written as the end of a turn (eot_token_id)",
          file: file))
    }
  }

  private func name(_ id: Int) -> String { text(id).map { "\(id) ('\($0)')" } ?? "\(id)" }

  /// The keys.
  var entries: [(key: String, value: GGUFValue)] {
    Tokenizer.Role.allCases.compactMap { role in
      guard let key = role.ggufKey, let id = roles[role] else { return nil }
      return (key, .count(id))
    }
  }
}

extension Tokenizer.Role {
  /// The key of a GGUF file; nil for roles that have none.
  var ggufKey: String? {
    let name: String? =
      switch self {
      case .unknown: "unknown"
      // So it is spelled.
      case .separator: "seperator"
      case .padding: "padding"
      case .classification: nil
      default: rawValue
      }
    return name.map { "tokenizer.ggml.\($0)_token_id" }
  }

  /// Whether texts change with it that llama.cpp makes or cuts.
  fileprivate var matters: Bool {
    switch self {
    case .beginning, .end, .endOfTurn, .endOfMessage: true
    default: false
    }
  }
}
