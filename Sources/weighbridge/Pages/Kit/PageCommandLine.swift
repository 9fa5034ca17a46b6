import CheckpointConversion
import FileContainers
import TensorModel

/// The command that made a page, as a shell takes it.
///
/// What can't change the page is left out (threads, memory, where archives are unpacked, what is said meanwhile), and paths are told as documents do.
struct PageCommandLine {
  let text: String

  private static let flags: Set<String> = [
    "--force", "--resume", "--quiet", "-q", "--verbose", "-v", "--json",
  ]
  private static let options: Set<String> = ["--threads", "--memory", "--spool", "--color"]

  /// A command line.
  ///
  /// - Parameter arguments: without the program's own name.
  init(_ arguments: [String] = Array(ProcessArguments.all.dropFirst())) {
    var words: [String] = []
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--" {
        words += ([argument] + rest).map(Self.word)
        break
      }
      if Self.options.contains(argument) {
        rest = rest.dropFirst()
      } else if !Self.flags.contains(argument)
        && !Self.options.contains(where: { argument.hasPrefix("\($0)=") })
      {
        words.append(Self.word(argument))
      }
    }
    text = (["weighbridge"] + words).joined(separator: " ")
  }

  private static func word(_ argument: String) -> String {
    guard argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") else {
      return shellQuoted(JSONDocument.path(argument))
    }
    let value = JSONDocument.path(String(argument[argument.index(after: equals)...]))
    return shellQuoted("\(argument[...equals])\(value)")
  }
}
