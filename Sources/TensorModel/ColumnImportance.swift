/// How much errors in the columns of a weight count when it is quantized.
///
/// Two are equal if they come from the same place; the numbers are not compared.
public struct ColumnImportance: Sendable {
  /// Where it comes from, such as the digest of a file and the name of an entry in it.
  public let origin: String
  /// One number for each column, none negative: the mean square of what the column is multiplied with; of a stack of experts `[experts, columns]`.
  public let values: [Float]

  /// Importances.
  ///
  /// - Parameters:
  ///   - origin: says which numbers these are.
  ///   - values: one for each column, or for each of each expert; finite and not negative.
  public init(origin: String, values: [Float]) {
    self.origin = origin
    self.values = values
  }

  /// Whether there is one for each column of such a tensor, or of each expert in a stack of them.
  func fits(_ shape: Shape) -> Bool {
    guard let columns = shape.dimensions.last else { return false }
    return values.count == columns
      || (shape.rank == 3 && values.count == columns * shape.dimensions[0])
  }
}

extension ColumnImportance: Hashable {
  /// Whether both come from the same place.
  public static func == (a: ColumnImportance, b: ColumnImportance) -> Bool {
    a.origin == b.origin && a.values.count == b.values.count
  }

  /// Takes in where it comes from.
  public func hash(into hasher: inout Hasher) { hasher.combine(origin) }
}
