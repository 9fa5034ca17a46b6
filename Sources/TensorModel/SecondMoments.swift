/// How the inputs of a linear layer go together: H[i, j], the mean over tokens of x[i] · x[j].
///
/// Two are equal if they come from the same place; the numbers, which aren't in memory, are not compared.
public struct SecondMoments: Sendable {
  /// Where they come from: the digest of a file and the name of the matrix in it.
  public let origin: String
  /// How many inputs there are.
  public let columnCount: Int
  /// Reads them.
  public let rows: any SecondMomentRows

  /// Second moments that are read when they are needed.
  ///
  /// - Parameters:
  ///   - origin: says which numbers these are.
  ///   - columnCount: of the square matrix.
  ///   - rows: reads it.
  public init(origin: String, columnCount: Int, rows: any SecondMomentRows) {
    self.origin = origin
    self.columnCount = columnCount
    self.rows = rows
  }
}

/// Reads the rows of a matrix of second moments.
public protocol SecondMomentRows: Sendable {
  /// Calls a body with each row, in order.
  ///
  /// - Parameter body: is given the row's number and as many numbers as there are columns; they are valid during the call, and may be anything.
  /// - Throws: what reading throws, and the body.
  func forEach(
    _ body: (_ row: Int, _ values: UnsafePointer<Float>) throws(CheckpointError) -> Void
  ) throws(CheckpointError)
}

extension SecondMoments: Hashable {
  /// Whether both come from the same place.
  public static func == (a: SecondMoments, b: SecondMoments) -> Bool { a.origin == b.origin }

  /// Takes in where they come from.
  public func hash(into hasher: inout Hasher) { hasher.combine(origin) }
}
