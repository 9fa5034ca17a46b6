import ArgumentParser
import CheckpointConversion
import CheckpointVerification
import TensorModel

/// `weighbridge checks`.
struct ChecksCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checks",
    abstract: "List what findings there are, or explain one.",
    discussion: """
      Every finding ends with its id in brackets, such as [nan]; in JSON it is 'check'. With ID: \
      what it means, what makes it and what to do. The severity is the usual one; a finding says \
      where it is another.

      Examples:
        weighbridge checks
        weighbridge checks nan
        weighbridge checks --json
      """)

  @Argument(
    help: "A finding's id; all are listed without.", completion: .list(FindingKinds.all.map(\.id)))
  var id: String?

  @Flag(help: "Print one JSON document to standard output.")
  var json = false

  @OptionGroup var colors: ColorOption

  func run() throws {
    let kinds = try id.map { [try Self.kind($0)] } ?? FindingKinds.all
    if json {
      Console.output(document: try JSONDocument.bytes(ChecksDocument(checks: kinds)))
    } else if id == nil {
      Console.output(lines: Self.list)
    } else {
      for kind in kinds { Console.output(Self.text(kind)) }
    }
  }

  private static func kind(_ id: String) throws(CheckpointError) -> FindingKind {
    if let kind = FindingKinds[id] { return kind }
    let near = FindingKinds.ids(near: id)
    let question = near.isEmpty ? "" : "did you mean \(alternatives(near))? "
    throw CheckpointError(
      .usage, "no finding has this id", found: "'\(id)'",
      hint: "\(question)weighbridge checks lists all")
  }

  /// All kinds by group: id, severity and title.
  private static func list(_ line: (String) -> Void) {
    var width = ColumnWidth()
    for kind in FindingKinds.all { width.add(kind.id) }
    for (place, group) in FindingKinds.groups.enumerated() {
      if place > 0 { line("") }
      line(Paint.text(group, .name))
      for kind in FindingKinds.kinds(of: group) {
        let severity = kind.severity.rawValue.padding(to: 9)
        line("  \(width.padded(kind.id))  \(severity)\(kind.title)")
      }
    }
  }

  /// One kind with its help, in lines of a terminal's width.
  private static func text(_ kind: FindingKind) -> String {
    """
    \(Paint.text(kind.id, .name)): \(kind.title)
    group     \(kind.group)
    severity  \(kind.severity.rawValue)

    \(wrapped(kind.help, to: Terminal.width).joined(separator: "\n"))
    """
  }
}

/// What `checks --json` prints.
private struct ChecksDocument: Encodable {
  let schema = "checks/v1"
  let tool = Certificate.Tool.current
  let checks: [FindingKind]
}

extension String {
  /// The text with spaces up to a width.
  fileprivate func padding(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
