/// How much errors in the columns of a weight count when it is quantized.
///
/// Two are equal if they come from the same place; the numbers are not compared.
public struct ColumnImportance: Sendable {
  /// Where it comes from, such as the digest of a file and the name of an entry in it.
  public let origin: String
  /// One number for each column, none negative: the mean square of what the column is multiplied with.
  public let values: [Float]

  /// Importances.
  ///
  /// - Parameters:
  ///   - origin: says which numbers these are.
  ///   - values: one for each column, finite and not negative.
  public init(origin: String, values: [Float]) {
    self.origin = origin
    self.values = values
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
