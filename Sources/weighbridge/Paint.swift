import ArgumentParser
import CheckpointVerification
import Foundation
import Synchronization

/// Colours, by what a text is; only words of ours are painted, never what comes from files.
enum Paint {
  /// What `--color` takes.
  enum Choice: String, ExpressibleByArgument, CaseIterable {
    case auto, always, never
  }

  /// What a text is.
  enum Role: String {
    case error = "1;31"
    case warning = "1;33"
    case success = "32"
    case remark = "36"
    case name = "1"
  }

  /// Where it goes.
  enum Stream {
    case output, errors
  }

  private static let choice = Mutex(Choice.auto)

  /// Takes the choice from a command line, so that it holds for what is wrong with that, too.
  ///
  /// - Parameter arguments: after the program's name.
  static func choose(from arguments: [String]) {
    let words = arguments.prefix { $0 != "--" }
    for (place, word) in words.enumerated() {
      let value =
        word == "--color" && place + 1 < words.count
        ? words[place + 1]
        : word.hasPrefix("--color=") ? String(word.dropFirst("--color=".count)) : ""
      if let chosen = Choice(rawValue: value) { choice.withLock { $0 = chosen } }
    }
  }

  /// Whether there are colours: as was chosen, else on a terminal that has them, unless `NO_COLOR` is set.
  static func isOn(_ stream: Stream) -> Bool {
    switch choice.withLock({ $0 }) {
    case .always: return true
    case .never: return false
    case .auto:
      let environment = ProcessInfo.processInfo.environment
      return (stream == .output ? Terminal.showsOutput : Terminal.showsErrors)
        && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }
  }

  /// A text in its colour.
  static func text(_ text: String, _ role: Role, on stream: Stream = .output) -> String {
    isOn(stream) ? "\u{1b}[\(role.rawValue)m\(text)\u{1b}[0m" : text
  }

  private static let labels: [(start: String, role: Role)] = [
    ("error:", .error), ("warning:", .warning), ("note:", .remark), ("hint:", .remark),
    ("stopped by", .warning),
  ]

  /// A message of ours, in which no line begins with what comes from a file.
  ///
  /// - Parameters:
  ///   - message: of any number of lines.
  ///   - stream: where it goes.
  /// - Returns: the same with the words painted that say what a line is; messages on a terminal in its width, but for hints, which
  ///   end with commands.
  static func message(_ message: String, on stream: Stream = .errors) -> String {
    let isWrapped = stream == .errors && Terminal.showsErrors
    guard isOn(stream) || isWrapped else { return message }
    return message.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      guard let label = labels.first(where: { line.hasPrefix($0.start) }) else {
        return String(line)
      }
      let lines =
        isWrapped && label.start != "hint:"
        ? wrapped(String(line), to: Terminal.width, indent: 2) : [String(line)]
      return text(label.start, label.role, on: stream)
        + lines.joined(separator: "\n").dropFirst(label.start.count)
    }.joined(separator: "\n")
  }

  /// The text of a verification for standard output: on a terminal in its width, and in colours.
  ///
  /// - Parameter report: as `ReportFormat.text` has it.
  /// - Returns: the same in a pipe.
  static func report(_ report: [UInt8]) -> [UInt8] {
    let text = String(decoding: report, as: UTF8.self)
    guard isOn(.output) || Terminal.showsOutput else { return report }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
      let name = line.prefix(statusColumn).trimmingCharacters(in: .whitespaces)
      let isCheck = VerificationReport.Name(rawValue: name) != nil
      let status =
        isCheck
        ? statuses.first { line.dropFirst(statusColumn).hasPrefix($0.key) } : nil
      let indent = status == nil ? 2 : detailColumn
      var lines =
        Terminal.showsOutput
        ? wrapped(String(line), to: Terminal.width, indent: indent) : [String(line)]
      if let status {
        let start = lines[0].prefix(statusColumn)
        let rest = lines[0].dropFirst(statusColumn + status.key.count)
        lines[0] = start + Self.text(status.key, status.value) + rest
      } else if let verdict = verdicts.first(where: { lines[0].hasPrefix($0.start) }) {
        lines[0] =
          Self.text(verdict.start, verdict.role) + lines[0].dropFirst(verdict.start.count)
      }
      return lines.map { message($0, on: .output) }
    }
    return Array(lines.joined(separator: "\n").utf8)
  }

  private static let (statusColumn, detailColumn) = (14, 22)
  private static let statuses: KeyValuePairs<String, Role> = [
    "passed": .success, "failed": .error, "skipped": .remark,
  ]
  private static let verdicts: [(start: String, role: Role)] = [
    ("FAILED", .error), ("ok", .success), ("not complete", .warning),
  ]
}

/// What `Paint` looks for in the arguments itself: declared for the help, and to refuse values that there aren't.
struct ColorOption: ParsableArguments {
  @Option(help: "Colours: on a terminal unless NO_COLOR is set (auto), always or never.")
  var color = Paint.Choice.auto
}
