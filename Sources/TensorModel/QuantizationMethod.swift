/// How much work is put into the scales and codes of quantized weights.
public enum QuantizationQuality: String, CaseIterable, Hashable, Sendable, Codable {
  /// Those that the format's own tool has, bit for bit where its arithmetic is known.
  case plain
  /// Scales and offsets are searched for, as they are stored, so that squared errors are small; never worse than `plain`.
  case best
}

/// How blocks or codes are made of a matrix's values.
public struct QuantizationMethod: Hashable, Sendable {
  /// How much work is put into them.
  public let quality: QuantizationQuality
  /// How much errors in the columns count; nil if everywhere the same.
  public let importance: ColumnImportance?

  /// A method.
  public init(
    _ quality: QuantizationQuality = .plain, importance: ColumnImportance? = nil
  ) {
    self.quality = quality
    self.importance = importance
  }

  /// The format's own.
  public static let plain = QuantizationMethod()

  /// What follows a format in the printed form: `, best, importance ORIGIN`; nothing for the format's own.
  var suffix: String {
    (quality == .plain ? "" : ", \(quality.rawValue)")
      + (importance.map { ", importance \($0.origin)" } ?? "")
  }

  /// Whether there are as many importances as columns, once or for each of stacked matrices, or none at all.
  func fits(_ shape: Shape) -> Bool { importance.map { $0.fits(shape) } ?? true }
}
