#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

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
    let (one, other) = (left.text.utf8, right.text.utf8)
    guard one.count == other.count else { return false }
    return withBytes(left, right) { one, other in
      guard let a = one.baseAddress, let b = other.baseAddress else { return true }
      return memcmp(a, b, one.count) == 0
    }
      ?? one.elementsEqual(other)
  }

  /// The order of the UTF-8 bytes.
  public static func < (left: ExactName, right: ExactName) -> Bool {
    withBytes(left, right) { one, other in
      guard let a = one.baseAddress, let b = other.baseAddress else {
        return one.count < other.count
      }
      let order = memcmp(a, b, min(one.count, other.count))
      return order == 0 ? one.count < other.count : order < 0
    }
      ?? left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }

  /// Compares bytes in memory, which is several times as fast as taking them one by one; nil for strings that aren't there as UTF-8.
  private static func withBytes(
    _ left: ExactName, _ right: ExactName,
    _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Bool
  ) -> Bool? {
    left.text.utf8.withContiguousStorageIfAvailable { one in
      right.text.utf8.withContiguousStorageIfAvailable { body(one, $0) }
    } ?? nil
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
