import TensorModel

/// A bar of bytes, cut into types.
struct ByteBar {
  /// A type's part.
  struct Part {
    let start: String
    let extent: String
    /// What stands above it, where there is room.
    let label: String
    /// What is said about it.
    let text: String
    /// The class that gives the colour.
    let color: String
  }

  let width = Int(Self.length)
  let parts: [Part]

  private static let length = 1080.0
  /// A label's character needs so much, in pixels.
  private static let characterWidth = 7.2

  /// A bar; nil if there are no bytes.
  init?(_ types: [(name: String, color: String, byteCount: Int)]) {
    let total = Double(types.reduce(0) { $0 + $1.byteCount })
    guard total > 0 else { return nil }
    var end = 0.0
    parts = types.map { type in
      let share = Double(type.byteCount) / total
      let start = end
      end += share * Self.length
      let text = "\(type.name) \(percent(share))"
      return Part(
        start: pixels(start), extent: pixels(max(0.5, end - start - 1)),
        label: end - start < Self.characterWidth * Double(text.count) ? "" : text,
        text: "\(text), \(humanSize(type.byteCount))", color: type.color)
    }
  }
}
