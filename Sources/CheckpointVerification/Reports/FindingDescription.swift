/// What is known of a kind of findings by its id: its name, and what to do about it; nil for ids that aren't known.
public typealias FindingDescription = @Sendable (_ id: String) -> (title: String, help: String)?

/// What reports say of a kind of findings.
struct FindingText {
  /// Its name.
  let title: String
  /// What it means, and what to do about it.
  let help: String

  /// The text of an id; made from the id itself where nothing is known of it.
  init(_ id: String, _ describe: FindingDescription) {
    if let known = describe(id) {
      (title, help) = known
    } else {
      title = id.split(separator: "-").joined(separator: " ")
      help = "The message of each finding says what was expected and what was found."
    }
  }
}
