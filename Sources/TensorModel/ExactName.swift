/// A name compared byte by byte.
///
/// Swift's strings are equal when they are canonically equivalent: `é` as one scalar and as two. Names in files are not.
public struct ExactName: Hashable, Sendable, Comparable {
  /// The name.
  public let text: String

  /// A name.
  public init(_ text: String) { self.text = text }

  /// Whether the UTF-8 bytes are the same.
  public static func == (left: ExactName, right: ExactName) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  /// The order of the UTF-8 bytes.
  public static func < (left: ExactName, right: ExactName) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }

  /// Hashes the UTF-8 bytes.
  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    hasher.combine(UInt8(0xff))
  }
}

extension ExactName: ExpressibleByStringLiteral {
  /// A name written out in code.
  public init(stringLiteral text: String) { self.init(text) }
}
