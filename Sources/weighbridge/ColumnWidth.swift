import TensorModel

/// How wide a column of a table is: as wide as its longest cell, up to a limit that longer cells stand out over.
struct ColumnWidth {
  private let limit: Int
  private var width = 0

  /// What a cell shows at most; JSON has all of it.
  static let longestCell = 120
  /// What cells are padded to at most.
  static let standardLimit = 72

  /// An empty column.
  init(limit: Int = Self.standardLimit) { self.limit = limit }

  /// Takes a cell into account.
  mutating func add(_ text: String) {
    width = min(limit, max(width, displayWidth(Self.shown(text))))
  }

  /// A cell as it is printed, with spaces up to the column's width.
  func padded(_ text: String) -> String {
    let shown = Self.shown(text)
    return shown + String(repeating: " ", count: max(0, width - displayWidth(shown)))
  }

  /// A text as it stands in a table: harmless, and with `…` where it is too long.
  static func shown(_ text: String) -> String {
    clipped(printable(start(of: text)), to: longestCell)
  }

  /// What of a text can be shown at all, so that a name of a megabyte isn't looked through.
  private static func start(of text: String) -> String { clipped(text, to: longestCell + 1) }

}
