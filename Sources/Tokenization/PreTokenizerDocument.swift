// "pre_tokenizer" of tokenizer.json: null, or {"type": …}
//   ByteLevel        "add_prefix_space", "use_regex"
//   Split            "pattern": {"Regex": …} or {"String": …}, "behavior", "invert"
//   Digits           "individual_digits"
//   Punctuation      "behavior"
//   Metaspace        "replacement", "prepend_scheme", "split"
//   WhitespaceSplit
//   Sequence         "pretokenizers": […]

internal import FileContainers
internal import TensorModel

extension PreTokenizer {
  /// How many steps a pre-tokenizer may have; known ones have up to four.
  private static let maximumStepCount = 8

  /// The pre-tokenizer of a `tokenizer.json`.
  ///
  /// - Parameter document: the file's.
  /// - Returns: its steps, and whether they write the byte alphabet.
  /// - Throws: `unsupported` for steps of other kinds, `malformed`.
  static func steps(
    of document: JSONValue?
  ) throws(CheckpointError) -> (steps: [Step], isByteLevel: Bool) {
    guard let document, document != .null else { return ([], false) }
    let parts =
      try document.string("type") == "Sequence"
      ? document["pretokenizers"]?.elements ?? [] : [document]
    guard parts.count <= maximumStepCount else {
      throw TokenizerFiles.unsupported("a pre-tokenizer of \(parts.count) steps")
    }
    var steps: [Step] = []
    var isByteLevel = false
    for (index, part) in parts.enumerated() {
      if try part.string("type") == "ByteLevel" {
        guard !isByteLevel else { throw TokenizerFiles.unsupported("ByteLevel twice") }
        isByteLevel = true
        steps += try byteLevel(part)
        // At the end words are written as bytes anyway.
        if index < parts.count - 1 { steps.append(.bytes) }
      } else {
        steps.append(try step(part))
      }
    }
    return (steps, isByteLevel)
  }

  private static func byteLevel(_ value: JSONValue) throws(CheckpointError) -> [Step] {
    guard let addsSpace = try value.flag("add_prefix_space") else {
      throw CheckpointError(.malformed, "ByteLevel without 'add_prefix_space'")
    }
    let usesPattern = try value.flag("use_regex") ?? true
    return (addsSpace ? [.prefixSpace] : []) + (usesPattern ? [.split(.gpt2)] : [])
  }

  private static func step(_ value: JSONValue) throws(CheckpointError) -> Step {
    switch try value.string("type") {
    case "Split": return try split(value)
    case "Digits":
      return .digits(try value.flag("individual_digits") ?? false ? .isolated : .contiguous)
    case "Punctuation": return .punctuation(try behavior(value) ?? .isolated)
    case "Metaspace": return .metaspace(try Metaspace(document: value))
    case "WhitespaceSplit": return .whitespace
    case let type: throw TokenizerFiles.unsupported("the pre-tokenizer \(type ?? value.shortText)")
    }
  }

  private static func behavior(_ value: JSONValue) throws(CheckpointError) -> SplitBehavior? {
    guard let name = try value.string("behavior") else { return nil }
    guard let behavior = SplitBehavior(rawValue: name) else {
      throw TokenizerFiles.unsupported("text cut with behavior \(name)")
    }
    return behavior
  }

  private static func split(_ value: JSONValue) throws(CheckpointError) -> Step {
    let behavior = try behavior(value)
    let inverts = try value.flag("invert") ?? false
    let refusal = TokenizerFiles.unsupported(
      "text cut with behavior \(behavior?.rawValue ?? "unnamed"), invert \(inverts)")
    if let text = value["pattern"]?["String"]?.text, !text.isEmpty {
      guard let behavior, !inverts else { throw refusal }
      return .splitText(Array(text.unicodeScalars), behavior)
    }
    guard let expression = value["pattern"]?["Regex"]?.text else {
      throw TokenizerFiles.unsupported("text cut at \(value["pattern"]?.shortText ?? "nothing")")
    }
    guard let pattern = TextPattern(expression: expression) else {
      throw TokenizerFiles.unsupported("text cut by the pattern \(expression.prefix(400))")
    }
    // Where a pattern matches every character, dropping what lies between matches is the same as isolating them.
    let isKnown =
      behavior == .isolated && (!inverts || pattern.matchesEverything)
      || behavior == .removed && inverts && pattern.matchesEverything
    guard isKnown else { throw refusal }
    return .split(pattern)
  }
}
