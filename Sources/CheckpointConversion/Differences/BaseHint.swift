public import TensorModel

/// What a difference calls its base, for people.
public enum BaseHint {
  /// The longest that is written, in bytes: as long as a file's name can be.
  public static let maximumByteCount = 255

  /// A name as it is written: without white space around it.
  ///
  /// - Parameter text: what the user wants.
  /// - Returns: the name.
  /// - Throws: `usage` for one that names nothing, and for one that is too long.
  public static func checked(_ text: String) throws(CheckpointError) -> String {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: isShown),
      let last = scalars.lastIndex(where: isShown),
      scalars.contains(where: { isShown($0) && $0 != "." && $0 != "/" })
    else {
      throw CheckpointError(
        .usage, "--base-hint names nothing", found: "'\(text)'",
        hint: "say what people call the base, or leave it out: the last component of its path")
    }
    let name = String(scalars[first...last])
    guard name.utf8.count <= maximumByteCount else {
      throw CheckpointError(
        .usage, "--base-hint is too long", expected: "at most \(maximumByteCount) bytes",
        found: "\(name.utf8.count)",
        hint: "say in a few words what people call the base; its root tells which it is")
    }
    return name
  }

  private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
    !scalar.properties.isWhitespace && !scalar.properties.isDefaultIgnorableCodePoint
      && ![.control, .format].contains(scalar.properties.generalCategory)
  }
}
