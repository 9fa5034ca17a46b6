import Foundation
public import TensorEvaluation
public import TensorModel

/// How far a tensor's blocks are from its values, as documents say it.
///
/// The figures lie in a place of their own: all parts of a weight share them, and tensors without blocks have none.
@dynamicMemberLookup
public struct QuantizationRecord: Sendable, Codable, Hashable {
  private let place: Place

  private indirect enum Place: Sendable, Hashable {
    case figures(Figures)
  }

  /// The keys of all figures.
  static let keys = [
    "relative_rmse", "default_relative_rmse", "weighted_relative_rmse",
    "default_weighted_relative_rmse", "output_relative_error", "best_output_relative_error",
    "feedback_row_count", "signal_to_noise_db", "largest_error", "largest_error_index", "cosine",
    "zero_block_count", "flushed_block_count",
  ]

  /// Numbers of six digits, so that the order of the additions doesn't show.
  public struct Figures: Sendable, Codable, Hashable {
    /// ‖x - y‖ / ‖x‖ over values x and what blocks make of them, y.
    public let relativeRmse: Double
    /// The same of what the format's own tool would have made; absent where that was made.
    public let defaultRelativeRmse: Double?
    /// √(Σ w (x - y)² / Σ w x²) with w the importance of a column; absent where the format's own blocks were made, and without importances.
    public let weightedRelativeRmse: Double?
    /// The same of what the format's own tool would have made.
    public let defaultWeightedRelativeRmse: Double?
    /// √(tr (W - Q) H (W - Q)ᵀ / tr W H Wᵀ) with H the second moments of the layer's inputs: how far its outputs are from what they would be; absent where these
    /// weren't used.
    public let outputRelativeError: Double?
    /// The same of what `best` would have made.
    public let bestOutputRelativeError: Double?
    /// Rows whose codes make up for each other's errors; the others are as `best` has them.
    public let feedbackRowCount: Int?
    /// 20 log₁₀ of the inverse of `relativeRmse`; absent if nothing changed.
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

    fileprivate init(_ errors: QuantizationErrors, _ shape: Shape) {
      relativeRmse = errors.relativeRMSE.sixDigits
      defaultRelativeRmse = errors.plainRelativeRMSE?.sixDigits
      let weighted = errors.plainSquaredError == nil ? nil : errors.weighted
      weightedRelativeRmse = weighted?.relativeRMSE.sixDigits
      defaultWeightedRelativeRmse = weighted?.plainRelativeRMSE?.sixDigits
      outputRelativeError = errors.outputs?.relativeError.sixDigits
      bestOutputRelativeError = errors.outputs?.bestRelativeError.sixDigits
      feedbackRowCount = errors.outputs?.improvedRowCount
      signalToNoiseDb =
        errors.relativeRMSE > 0 ? (-20 * log10(errors.relativeRMSE)).sixDigits : nil
      largestError = errors.largestError.sixDigits
      largestErrorIndex = shape.index(of: errors.largestErrorPlace)
      cosine = errors.cosine.sixDigits
      zeroBlockCount = errors.zeroBlockCount
      flushedBlockCount = errors.flushedBlockCount
    }
  }

  /// A record of what was measured of a tensor of that shape.
  public init(_ errors: QuantizationErrors, _ shape: Shape) {
    place = .figures(Figures(errors, shape))
  }

  /// The figures.
  public var figures: Figures {
    switch place {
    case .figures(let figures): figures
    }
  }

  /// One of the figures.
  public subscript<Value>(dynamicMember path: KeyPath<Figures, Value>) -> Value {
    figures[keyPath: path]
  }

  /// Reads the figures.
  public init(from decoder: any Decoder) throws {
    place = .figures(try Figures(from: decoder))
  }

  /// Writes the figures.
  public func encode(to encoder: any Encoder) throws { try figures.encode(to: encoder) }
}

extension Double {
  /// Rounded to six significant digits.
  var sixDigits: Double { Double(String(format: "%.5e", self)) ?? self }
}
