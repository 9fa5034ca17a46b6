import FileContainers
import TensorModel

/// What the argument parser says of a command line, as all errors are said: arguments escaped, a hint at the end.
struct UsageMessage {
  /// The lines to print.
  let text: String

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
    }
    while lines.last?.isEmpty == true { lines.removeLast() }
    // "  See 'weighbridge convert --help' for more information."
    if let last = lines.last, let quoted = last.firstMatch(of: /See '(.+)' for more information/) {
      lines[lines.count - 1] = "hint: for what can be given: \(quoted.1)"
    } else if !lines.contains(where: { $0.hasPrefix("hint: ") }) {
      lines.append("hint: \(CheckpointError.Code.usage.usualHint)")
    }
    text = lines.joined(separator: "\n")
  }
}
