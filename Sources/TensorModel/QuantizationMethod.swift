/// How much work is put into the scales and codes of quantized weights.
public enum QuantizationQuality: String, CaseIterable, Hashable, Sendable, Codable {
  /// Those that the format's own tool has, bit for bit where its arithmetic is known.
  case plain
  /// Scales and offsets are searched for, as they are stored, so that squared errors are small; never worse than `plain`.
  case best
  /// As `best`, and what a code misses of a weight is made up for in the row's later columns, by how the layer's inputs go together; only where the layer's
  /// output is nearer by that.
  case max
}

/// How blocks or codes are made of a matrix's values.
public struct QuantizationMethod: Hashable, Sendable {
  /// How much work is put into them.
  public let quality: QuantizationQuality
  /// How much errors in the columns count; nil if everywhere the same.
  public let importance: ColumnImportance?
  /// How the columns' inputs go together, which `max` needs; nil for the others.
  public let moments: SecondMoments?

  /// A method.
  public init(
    _ quality: QuantizationQuality = .plain, importance: ColumnImportance? = nil,
    moments: SecondMoments? = nil
  ) {
    self.quality = quality
    self.importance = importance
    self.moments = moments
  }

  /// Whether the codes of a row depend on each other, so that rows stay whole.
  public var needsWholeRows: Bool { importance != nil || moments != nil }

  /// The format's own.
  public static let plain = QuantizationMethod()

  /// What follows a format in the printed form: `, best, importance ORIGIN`; nothing for the format's own.
  var suffix: String {
    (quality == .plain ? "" : ", \(quality.rawValue)")
      + (importance.map { ", importance \($0.origin)" } ?? "")
      + (moments.map { ", moments \($0.origin)" } ?? "")
  }

  /// Whether there are as many importances as columns, once or for each of stacked matrices, or none at all, and moments of all columns of a matrix.
  func fits(_ shape: Shape) -> Bool {
    (importance.map { $0.fits(shape) } ?? true)
      && (moments.map { shape.rank == 2 && $0.columnCount == shape.dimensions[1] } ?? true)
  }
}
