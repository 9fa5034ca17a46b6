import FileContainers
import TensorModel

/// Reads a configuration and remembers what was read, so that nothing in it is ignored by accident.
struct SettingsReader {
  private let document: JSONValue
  private var used: Set<String> = []
  /// Where the document stands in the configuration, for messages.
  private let place: String

  init(_ document: JSONValue, place: String = "") {
    self.document = document
    self.place = place
  }

  /// The value of a key; nil if there is none or it is null.
  mutating func value(_ key: String) -> JSONValue? {
    used.insert(key)
    switch document[key] {
    case nil, .null: return nil
    case let value: return value
    }
  }

  /// A positive integer, or one that is at least something else.
  ///
  /// - Throws: `usage` if it is missing and there is no default, or something else.
  mutating func count(
    _ key: String, default standard: Int? = nil, atLeast least: Int = 1,
    below limit: Int = 1 << 31
  ) throws(CheckpointError) -> Int {
    let expected = "an integer, at least \(least) and less than \(limit)"
    guard let value = value(key) else {
      if let standard { return standard }
      throw misfit(key, expected)
    }
    guard let number = value.integer, number >= least, number < limit else {
      throw misfit(key, expected)
    }
    return number
  }

  /// A number.
  ///
  /// - Throws: `usage` if it is missing and there is no default, or something else.
  mutating func number(
    _ key: String, default standard: Double? = nil
  ) throws(CheckpointError) -> Double {
    guard let value = value(key) else {
      if let standard { return standard }
      throw misfit(key, "a number")
    }
    guard let number = value.double, number.isFinite else { throw misfit(key, "a number") }
    return number
  }

  /// A truth value.
  ///
  /// - Throws: `usage` if it is something else.
  mutating func flag(_ key: String, default standard: Bool) throws(CheckpointError) -> Bool {
    guard let value = value(key) else { return standard }
    guard let flag = value.boolean else { throw misfit(key, "true or false") }
    return flag
  }

  /// A text.
  ///
  /// - Throws: `usage` if it is something else.
  mutating func text(_ key: String, default standard: String) throws(CheckpointError) -> String {
    guard let value = value(key) else { return standard }
    guard let text = value.text else { throw misfit(key, "a text") }
    return text
  }

  private func misfit(_ key: String, _ expected: String) -> CheckpointError {
    CheckpointError(
      .usage, "the configuration's '\(place)\(key)' can't be used", file: "config.json",
      expected: expected, found: document[key]?.shortText ?? "no such key")
  }

  /// The error for a value that is understood but not computed here.
  func unsupported(_ key: String, expected: String) -> CheckpointError {
    CheckpointError(
      .unsupported, "the forward pass doesn't know this setting", file: "config.json",
      expected: "'\(place)\(key)': \(expected)", found: document[key]?.shortText ?? "nothing")
  }

  /// Throws for the first key that was neither read nor is known to have no influence.
  ///
  /// - Parameter harmless: keys that only training, generation or other software looks at.
  /// - Throws: `unsupported`.
  func expectNothingElse(harmless: Set<String>) throws(CheckpointError) {
    for member in document.members ?? []
    where !used.contains(member.key) && !harmless.contains(member.key) && member.value != .null {
      throw CheckpointError(
        .unsupported, "the configuration has a setting that the forward pass doesn't know",
        file: "config.json", found: "'\(place)\(member.key)': \(member.value.shortText)",
        hint: "if it changes nothing, pass a copy without it by --config")
    }
  }
}
