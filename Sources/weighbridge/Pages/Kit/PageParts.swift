import CheckpointConversion
import Synchronization
import TensorModel

/// What a page says first: whether all is well, and what was done, in a sentence.
struct Verdict {
  /// `good`, `bad` or `plain`: the class, which gives colour and symbol.
  let level: String
  /// A word or two.
  let title: String
  let text: String
}

/// Something that a reader must see before the rest.
struct PageAlert {
  /// `bad`, `warning` or `good`.
  let level: String
  let title: String
  let text: String
}

/// A number, and what it is.
struct PageFigure {
  let name: String
  let value: String
  let note: String
}

/// A finding, as pages list it.
struct FindingRow {
  let severity: String
  let check: String
  let place: String
  let message: String

  init(_ finding: Finding) {
    severity = finding.severity.rawValue
    check = finding.check
    place = finding.tensor ?? finding.file ?? ""
    message = finding.message
  }
}

/// What a page was made by and of: its last part.
struct Provenance {
  /// A line of it.
  struct Line {
    let name: String
    let text: String
    /// Whether it is something to copy: a command, a digest.
    let isCode: Bool
    /// The words of it, within which lines break only where one is longer than a line.
    let words: [String]

    init(name: String, text: String, isCode: Bool) {
      (self.name, self.text, self.isCode) = (name, text, isCode)
      words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    }
  }

  let lines: [Line]
  /// The ids of the tokens that both models ran on; nil if none did.
  let tokens: String?
  let tokenTitle: String

  /// A last part.
  ///
  /// - Parameters:
  ///   - lines: names and texts.
  ///   - tokens: that models ran on.
  init(_ lines: [Line], tokens: [Int]?) {
    self.lines = lines
    self.tokens = tokens.map { $0.map(String.init).joined(separator: ",") }
    tokenTitle = counted(tokens?.count ?? 0, "token")
  }

  /// The program, and what it was built of.
  ///
  /// - Parameter hasRun: whether models ran, so that their figures depend on what multiplies matrices.
  /// - Returns: a line for each.
  static func versions(hasRun: Bool) -> [Line] {
    let tool = Certificate.Tool.current
    let version = ["\(tool.name) \(tool.version)", VersionText.commit].compactMap(\.self)
    var lines = [
      Line(name: "Version", text: version.joined(separator: ", "), isCode: false),
      Line(
        name: "Libraries", text: VersionText.libraries.joined(separator: ", "), isCode: false),
    ]
    if hasRun {
      lines.append(Line(name: "Matrix products", text: VersionText.products, isCode: false))
    }
    return lines
  }
}

/// The tokens that two models ran on, kept for a page.
final class RecordedTokens: Sendable {
  private let row = Mutex<[Int]?>(nil)

  /// Keeps them.
  @Sendable func record(_ tokens: [Int]) { row.withLock { $0 = tokens } }

  /// Their ids; nil if nothing ran.
  var ids: [Int]? { row.withLock { $0 } }
}
