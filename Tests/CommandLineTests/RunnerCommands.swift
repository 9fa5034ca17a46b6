/// What GitHub's runner obeys in the output of a step.
enum RunnerCommands {
  /// The commands in some lines: `::name …::` at the start of one, after white space, and the older `##[name …]` anywhere.
  ///
  /// - Parameter text: of standard output or standard error.
  /// - Returns: their names; `##` for the older form.
  static func names(in text: String) -> [String] {
    text.unicodeScalars.split { $0 == "\n" || $0 == "\r" }.compactMap { line in
      let start = String(String.UnicodeScalarView(line.drop { $0.properties.isWhitespace }))
      if let match = start.prefixMatch(of: /::([a-zA-Z-]+)( [^:]*)?::/) { return String(match.1) }
      return String(line).contains(/##\[[^\]\s]+[^\]]*\]/) ? "##" : nil
    }
  }
}
