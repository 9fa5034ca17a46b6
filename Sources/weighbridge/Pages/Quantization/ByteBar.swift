import TensorModel

/// A bar of bytes, cut into types; places are percent of its width.
struct ByteBar {
  /// A type's part.
  struct Part {
    let start: String
    let extent: String
    /// What stands above it, where there is room on a narrow page too.
    let label: String
    /// What is said about it.
    let text: String
    /// The class that gives the colour.
    let color: String
  }

  let parts: [Part]

  /// A part of less has no label.
  private static let labelledShare = 0.25

  /// A bar; nil if there are no bytes.
  init?(_ types: [(style: SeriesStyle, byteCount: Int)]) {
    let total = Double(types.reduce(0) { $0 + $1.byteCount })
    guard total > 0 else { return nil }
    var end = 0.0
    parts = types.map { type in
      let share = Double(type.byteCount) / total
      let start = end
      end += share
      let text = "\(type.style.name) \(percent(share))"
      return Part(
        start: percentPlace(100 * start), extent: percentPlace(100 * share),
        label: share < Self.labelledShare ? "" : text,
        text: "\(text), \(humanSize(type.byteCount))", color: type.style.color)
    }
  }
}
