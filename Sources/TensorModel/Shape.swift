/// The extents of a tensor, outermost first; its elements are row-major.
///
/// A scalar has none.
public struct Shape: Hashable, Sendable, CustomStringConvertible {
  /// The most dimensions that a file may declare.
  public static let maximumRank = 32

  /// The extents, outermost first, none negative.
  public let dimensions: [Int]
  /// The product of the extents: 1 for a scalar.
  public let elementCount: Int

  /// Checks extents that came from a file.
  ///
  /// - Parameter dimensions: outermost first.
  /// - Throws: `malformed` for a negative extent, a rank over 32 or a product over 2^63−1 (of the extents that
  ///   aren't 0, too).
  public init(checking dimensions: [Int]) throws(CheckpointError) {
    guard dimensions.count <= Self.maximumRank else {
      throw CheckpointError(
        .malformed, "too many dimensions", expected: "at most \(Self.maximumRank)",
        found: "\(dimensions.count)")
    }
    // A 0 doesn't hide an overflow: products of some of the extents are taken, too.
    var product = 1
    for extent in dimensions {
      let (next, overflow) = product.multipliedReportingOverflow(by: max(extent, 1))
      guard extent >= 0, !overflow else {
        throw CheckpointError(
          .malformed, extent < 0 ? "negative dimension in a shape" : "a shape's product overflows",
          found: "[\(dimensions.map(String.init).joined(separator: ", "))]")
      }
      product = next
    }
    self.dimensions = dimensions
    self.elementCount = dimensions.contains(0) ? 0 : product
  }

  /// A shape that our own code computed; extents must be non-negative and their product must fit.
  public init(_ dimensions: [Int]) {
    precondition(dimensions.allSatisfy { $0 >= 0 })
    self.dimensions = dimensions
    self.elementCount = dimensions.reduce(1, *)
  }

  /// The number of dimensions.
  public var rank: Int { dimensions.count }

  /// `[2, 3]`, as people write it.
  public var description: String {
    "[\(dimensions.map(String.init).joined(separator: ", "))]"
  }

  /// `[2,3]`, as the root's lines spell it.
  public var canonicalText: String {
    "[\(dimensions.map(String.init).joined(separator: ","))]"
  }
}

extension Shape: ExpressibleByArrayLiteral {
  /// A shape written out in code.
  public init(arrayLiteral elements: Int...) { self.init(elements) }
}

extension Shape: Codable {
  /// Reads a JSON array of extents.
  public init(from decoder: any Decoder) throws {
    try self.init(checking: decoder.singleValueContainer().decode([Int].self))
  }

  /// Writes a JSON array of extents.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(dimensions)
  }
}

extension Shape {
  /// The indices of the element at a place in row-major order.
  public func index(of place: Int) -> [Int] {
    var rest = place
    var index: [Int] = []
    for extent in dimensions.reversed() {
      index.append(rest % extent)
      rest /= extent
    }
    return index.reversed()
  }

  /// The same as text, such as `[3, 17]`.
  public func indexText(of place: Int) -> String {
    "[\(index(of: place).map(String.init).joined(separator: ", "))]"
  }
}
