import Foundation
import TensorEvaluation
import TensorModel

/// How far a tensor's blocks are from its values, as documents say it.
///
/// Numbers have six digits, so that the order of the additions doesn't show.
public struct QuantizationRecord: Sendable, Codable, Hashable {
  /// ‖x - y‖ / ‖x‖ over values x and what blocks make of them, y.
  public let relativeRmse: Double
  /// 20 log₁₀ of its inverse; absent if nothing changed.
  public let signalToNoiseDb: Double?
  /// The largest |x - y|.
  public let largestError: Double
  /// Where it is.
  public let largestErrorIndex: [Int]
  /// Of the angle between values and what blocks make of them.
  public let cosine: Double
  /// Blocks whose values are all zero.
  public let zeroBlockCount: Int
  /// Those of them that were made of other values.
  public let flushedBlockCount: Int

  /// A record of what was measured.
  init(_ errors: QuantizationErrors, _ shape: Shape) {
    relativeRmse = errors.relativeRMSE.sixDigits
    signalToNoiseDb =
      errors.relativeRMSE > 0 ? (-20 * log10(errors.relativeRMSE)).sixDigits : nil
    largestError = errors.largestError.sixDigits
    largestErrorIndex = shape.index(of: errors.largestErrorPlace)
    cosine = errors.cosine.sixDigits
    zeroBlockCount = errors.zeroBlockCount
    flushedBlockCount = errors.flushedBlockCount
  }
}

extension Double {
  /// Rounded to six significant digits.
  var sixDigits: Double { Double(String(format: "%.5e", self)) ?? self }
}
