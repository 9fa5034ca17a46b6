import FileContainers

/// The words of the command line.
enum CommandWords {
  /// The words without some options.
  ///
  /// - Parameters:
  ///   - options: with their values, as `--name value` or `--name=value`.
  ///   - flags: that have none.
  /// - Returns: what is left, without the program's own name.
  static func without(options: [String], flags: [String] = []) -> [String] {
    var words: [String] = []
    var given = ProcessArguments.all.dropFirst()[...]
    while let word = given.popFirst() {
      if options.contains(word) {
        _ = given.popFirst()
      } else if !flags.contains(word), !options.contains(where: { word.hasPrefix("\($0)=") }) {
        words.append(word)
      }
    }
    return words
  }

  /// Some options with their values, as they were given.
  static func only(options: [String]) -> [String] {
    var words: [String] = []
    var given = ProcessArguments.all.dropFirst()[...]
    while let word = given.popFirst() {
      if options.contains(word) {
        words += [word] + (given.popFirst().map { [$0] } ?? [])
      } else if options.contains(where: { word.hasPrefix("\($0)=") }) {
        words.append(word)
      }
    }
    return words
  }

  /// The words that all parts have in common.
  static var ofAllParts: [String] { without(options: ["--part"]) }
}
