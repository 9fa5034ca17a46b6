import ArgumentParser
import Foundation
import TensorModel

/// What the argument parser lets pass, or says less well: a command that there isn't, and options given twice of which it would
/// take the last.
struct CommandLineCheck {
  /// After the program's name.
  private let arguments: [String]

  /// A check of a command line.
  init(_ arguments: [String]) { self.arguments = arguments }

  /// Looks at all of it.
  ///
  /// - Throws: `usage` for the first thing that is wrong.
  func run() throws(CheckpointError) {
    guard let name = arguments.first, !name.hasPrefix("-"), name != "help" else { return }
    guard let command = Self.commands.first(where: { $0._commandName == name }) else {
      throw Self.unknown(name)
    }
    try refuseRepetitions(command)
  }

  private static let commands = Weighbridge.configuration.subcommands

  private static func unknown(_ name: String) -> CheckpointError {
    let names = commands.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
    let near = nearNames(name, among: names)
    let question = near.isEmpty ? "" : "did you mean \(alternatives(near))? "
    return CheckpointError(
      .usage, "there is no such command", found: "'\(name)'",
      hint: "\(question)weighbridge --help lists all")
  }

  /// Refuses an option that is given twice and counts once.
  private func refuseRepetitions(
    _ command: any ParsableCommand.Type
  ) throws(CheckpointError) {
    let given = self.given
    // Mostly none is, and then nothing need be known of the command.
    guard Set(given.map(\.name)).count < given.count else { return }
    var values: [String: String] = [:]
    for (name, value) in given {
      guard let option = Self.singleOptions(command)[name] else { continue }
      if let earlier = values[option] {
        throw CheckpointError(
          .usage, "\(option) is given twice", expected: "one value",
          found: "'\(clipped(earlier, to: 100))' and '\(clipped(value, to: 100))'",
          hint: "leave out one of them")
      }
      values[option] = value
    }
  }

  /// The words that begin with a dash, up to `--`, and what is given them.
  private var given: [(name: String, value: String)] {
    var given: [(String, String)] = []
    let words = arguments.prefix { $0 != "--" }
    for (place, word) in words.enumerated() where word.hasPrefix("-") && word != "-" {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let next = place + 1 < words.count ? words[place + 1] : ""
      given.append((String(parts[0]), parts.count > 1 ? String(parts[1]) : next))
    }
    return given
  }

  /// Of each option of a command that takes one value once: its name, by all of its names.
  private static func singleOptions(_ command: any ParsableCommand.Type) -> [String: String] {
    let dump = try? JSONDecoder().decode(Dump.self, from: Data(command._dumpHelp().utf8))
    var options: [String: String] = [:]
    for argument in dump?.command.arguments ?? []
    where argument.kind == "option" && !argument.isRepeating {
      let names = (argument.names ?? []).map { ($0.kind == "short" ? "-" : "--") + $0.name }
      for name in names { options[name] = names.first { $0.hasPrefix("--") } ?? name }
    }
    return options
  }

  /// As much as is needed of what the parser says of a command.
  private struct Dump: Decodable {
    let command: Command

    struct Command: Decodable { let arguments: [Argument]? }

    struct Argument: Decodable {
      let kind: String
      let isRepeating: Bool
      let names: [Name]?
    }

    struct Name: Decodable {
      let kind: String
      let name: String
    }
  }
}
