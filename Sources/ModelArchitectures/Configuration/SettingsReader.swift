import FileContainers
import TensorModel

/// Reads a configuration as transformers' class does, and remembers what was read.
///
/// Reading sizes looks at the keys of sizes alone. Reading the computation looks at all that the class has, and refuses by name and value what isn't
/// computed here.
struct SettingsReader {
  /// All of it.
  let document: JSONValue
  private let settings: ClassSettings?
  private var used: Set<String> = []
  /// Where the document stands in the configuration, for messages.
  private let place: String

  /// A reader of a whole configuration.
  init(_ document: JSONValue, _ settings: ClassSettings) {
    self.document = document
    self.settings = settings
    place = ""
  }

  /// A reader of an object in it, where keys have the defaults that are asked for and `null` is the same as nothing.
  init(_ document: JSONValue, place: String) {
    self.document = document
    settings = nil
    self.place = place
  }

  /// Passes over keys that don't count beside what others say.
  mutating func passOver(_ keys: some Sequence<String>) { used.formUnion(keys) }

  /// Whether the class reads a key at all.
  func reads(_ key: String) -> Bool { settings?.defaults[key] != nil }

  /// What a key says; nil if that is nothing.
  ///
  /// - Throws: `usage` for a `null` where the class wants a value.
  mutating func value(_ key: String) throws(CheckpointError) -> JSONValue? {
    used.insert(key)
    guard let (name, value) = entry(key) else {
      return settings?.defaults[key].flatMap { $0 == .null ? nil : $0 }
    }
    guard value == .null else { return value }
    if let settings, settings.defaults[key] ?? .null != .null, !settings.optional.contains(key) {
      throw misfit(name, "a value")
    }
    return nil
  }

  /// The member that counts for a key: of several spellings the class's last one.
  private func entry(_ key: String) -> (name: String, value: JSONValue)? {
    for (alias, target) in settings?.aliases ?? [:] where target == key {
      if let value = document[alias] { return (alias, value) }
    }
    return document[key].map { (key, $0) }
  }

  /// A positive integer, or one that is at least something else.
  ///
  /// - Throws: `usage` if it is missing and there is no default, or something else.
  mutating func count(
    _ key: String, default standard: Int? = nil, atLeast least: Int = 1,
    below limit: Int = 1 << 31
  ) throws(CheckpointError) -> Int {
    let number = try optionalCount(key, atLeast: least, below: limit) ?? standard
    guard let number else { throw misfit(key, Self.range(least, limit)) }
    return number
  }

  /// The same; nil if there is nothing.
  ///
  /// - Throws: `usage` for something else than such an integer.
  mutating func optionalCount(
    _ key: String, atLeast least: Int = 1, below limit: Int = 1 << 31
  ) throws(CheckpointError) -> Int? {
    guard let value = try value(key) else { return nil }
    guard let number = value.integer, number >= least, number < limit else {
      throw misfit(key, Self.range(least, limit))
    }
    return number
  }

  private static func range(_ least: Int, _ limit: Int) -> String {
    "an integer, at least \(least) and less than \(limit)"
  }

  /// A positive integer, or a list of the same one for every layer.
  ///
  /// - Throws: `usage` for anything else.
  mutating func width(_ key: String) throws(CheckpointError) -> Int {
    guard let list = try value(key)?.elements else { return try count(key) }
    guard let first = list.first?.integer, first > 0, first < 1 << 31,
      list.allSatisfy({ $0.integer == first })
    else { throw unsupported(key, expected: "one number for all layers") }
    return first
  }

  /// A number.
  ///
  /// - Throws: `usage` if it is missing and there is no default, or something else.
  mutating func number(
    _ key: String, default standard: Double? = nil
  ) throws(CheckpointError) -> Double {
    guard let number = try optionalNumber(key) ?? standard else { throw misfit(key, "a number") }
    return number
  }

  /// The same; nil if there is nothing.
  ///
  /// - Throws: `usage` for something else than a finite number.
  mutating func optionalNumber(_ key: String) throws(CheckpointError) -> Double? {
    guard let value = try value(key) else { return nil }
    guard let number = value.double, number.isFinite else { throw misfit(key, "a number") }
    return number
  }

  /// A number that is added under a root.
  ///
  /// - Throws: `usage` if it is missing, negative or something else.
  mutating func epsilon(_ key: String) throws(CheckpointError) -> Double {
    let number = try number(key)
    guard number >= 0 else { throw misfit(key, "a number, at least 0") }
    return number
  }

  /// A number that something is divided by.
  ///
  /// - Throws: `usage` if it is missing and there is no default, 0 or something else.
  mutating func divisor(
    _ key: String, default standard: Double? = nil
  ) throws(CheckpointError) -> Double {
    let number = try number(key, default: standard)
    guard number != 0 else { throw misfit(key, "a number other than 0") }
    return number
  }

  /// A truth value.
  ///
  /// - Throws: `usage` if it is missing and there is no default, or something else.
  mutating func flag(
    _ key: String, default standard: Bool? = nil
  ) throws(CheckpointError) -> Bool {
    try needed(key, standard, "true or false", \.boolean)
  }

  /// A truth value; `null` is false.
  ///
  /// - Throws: `usage` for something else.
  mutating func flagOrNull(_ key: String) throws(CheckpointError) -> Bool {
    guard let value = try value(key) else { return false }
    guard let flag = value.boolean else { throw misfit(key, "true or false") }
    return flag
  }

  /// A text.
  ///
  /// - Throws: `usage` if it is missing and there is no default, or something else.
  mutating func text(
    _ key: String, default standard: String? = nil
  ) throws(CheckpointError) -> String {
    try needed(key, standard, "a text", \.text)
  }

  private mutating func needed<Value>(
    _ key: String, _ standard: Value?, _ expected: String, _ form: (JSONValue) -> Value?
  ) throws(CheckpointError) -> Value {
    let value = try value(key)
    guard let result = value.map(form) ?? standard else { throw misfit(key, expected) }
    return result
  }

  /// Whether the head has weights of its own.
  mutating func untiedHead() throws(CheckpointError) -> Set<Architecture.Condition> {
    try flag("tie_word_embeddings") ? [] : [.untiedHead]
  }

  /// A key with what it stands in.
  func path(_ key: String) -> String { place + key }

  /// The error for a value that can't be right.
  func misfit(_ key: String, _ expected: String) -> CheckpointError {
    CheckpointError(
      .usage, "the setting '\(place)\(key)' can't be used", file: "config.json",
      expected: expected, found: entry(key)?.value.shortText ?? "no such key",
      hint: "compare it with the config.json that was published with the model")
  }

  /// The error for a value that transformers knows and that isn't computed here.
  func unsupported(_ key: String, expected: String) -> CheckpointError {
    let found = entry(key)?.value ?? settings?.defaults[key] ?? .null
    return CheckpointError(
      .unsupported, "a setting that isn't computed here", file: "config.json",
      expected: "'\(place)\(key)': \(expected)", found: found.shortText,
      hint: "conversions that keep names and shapes (--to safetensors, store, npz) don't need it")
  }

  /// Makes sure that every key that the class reads was read here too, or says the class's default.
  ///
  /// - Throws: `unsupported` with the first other one.
  func expectNothingElse() throws(CheckpointError) {
    guard let settings else { return }
    for member in document.members ?? [] {
      let key = settings.aliases[member.key] ?? member.key
      guard let standard = settings.defaults[key], !used.contains(key),
        !member.value.isSame(as: standard)
      else { continue }
      if member.value.isNothing, standard == .null || !settings.optional.contains(key) { continue }
      throw unsupported(key, expected: standard == .null ? "nothing" : standard.shortText)
    }
  }
}
