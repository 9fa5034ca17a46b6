import FileContainers
import TensorModel

/// What the argument parser says of a command line, as all errors are said: arguments escaped, a hint at the end.
struct UsageMessage {
  /// The lines to print.
  let text: String
  /// What is wrong, without what can be given instead.
  let summary: String
  /// What to do.
  let hint: String

  /// Takes a message of the argument parser.
  ///
  /// - Parameters:
  ///   - message: of several lines.
  ///   - arguments: of the command line, which may stand in it.
  init(_ message: String, arguments: [String] = ProcessArguments.all) {
    var message = message
    // `--option=value` may be shown in two parts.
    let parts = arguments.flatMap { argument in
      [argument] + argument.split(separator: "=", maxSplits: 1).dropFirst().map(String.init)
    }
    for part in parts where printable(part) != part {
      message = message.replacing(part, with: printable(part))
    }
    var lines = printable(message, keepingLines: true)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if let first = lines.first, first.hasPrefix("Error: ") {
      lines[0] = "error: \(first.dropFirst(7))"
      Self.nameNearValues(&lines)
      Self.dropFarOption(&lines)
    }
    while lines.last?.isEmpty == true { lines.removeLast() }
    // "  See 'weighbridge convert --help' for more information."
    if let last = lines.last, let quoted = last.firstMatch(of: /See '(.+)' for more information/) {
      lines[lines.count - 1] = "hint: for what can be given: \(quoted.1)"
    } else if !lines.contains(where: { $0.hasPrefix("hint: ") }) {
      lines.append("hint: \(CheckpointError.Code.usage.usualHint)")
    }
    text = lines.joined(separator: "\n")
    summary = Self.rest(of: lines.first, after: "error: ")
    hint = Self.rest(of: lines.last { $0.hasPrefix("hint: ") }, after: "hint: ")
  }

  private static func rest(of line: String?, after start: String) -> String {
    guard let line, line.hasPrefix(start) else { return line ?? "" }
    return String(line.dropFirst(start.count))
  }

  /// Of the values that an option takes, leaves those that may have been meant, if there are any.
  private static func nameNearValues(_ lines: inout [String]) {
    guard
      let parts = lines[0].wholeMatch(
        of: /(.*value '(.*)' is invalid for .*\.) Please provide one of (.*)/)
    else { return }
    let listed = lines.dropFirst().prefix { $0.hasPrefix("  - ") }
    let values =
      listed.isEmpty
      ? parts.3.matches(of: /'([^']+)'/).map { String($0.1) }
      : listed.map { String($0.dropFirst(4)) }
    let near = nearNames(String(parts.2), among: values)
    if near.isEmpty && listed.isEmpty { return }
    let help =
      near.isEmpty
      ? "There are \(values.joined(separator: ", "))." : "Did you mean \(alternatives(near))?"
    lines.replaceSubrange(...listed.count, with: ["\(parts.1) \(help)"])
  }

  /// Takes away an option that the parser proposes although it is nothing like the one that was written.
  private static func dropFarOption(_ lines: inout [String]) {
    guard
      let parts = lines[0].wholeMatch(of: /(.*Unknown option '(.*)')\. Did you mean '(.*)'\?/),
      nearNames(String(parts.2), among: [String(parts.3)]).isEmpty
    else { return }
    lines[0] = String(parts.1)
  }
}
