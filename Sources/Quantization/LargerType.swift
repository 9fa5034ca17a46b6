import TensorModel

extension QuantizationContainer {
  /// Of the container's quantized types the next with more bits: the smallest that has almost a bit more for each weight.
  ///
  /// A type with half a bit more, such as Q4_1 beside Q4_K, needn't be nearer to the weights. Formats with the same coding and groups come first, then those with
  /// scales for groups, then the smaller, and of equal ones that with larger blocks: Q5_K before Q5_0.
  ///
  /// - Parameters:
  ///   - type: what a weight has.
  ///   - columns: of its rows, which must fill the larger type's blocks.
  /// - Returns: the type; nil if there is none but floats.
  public func larger(than type: WeightType, columns: Int) -> WeightType? {
    let candidates = types.filter {
      $0.isQuantized && $0.fits(columns: columns)
        && $0.bitsPerWeight >= type.bitsPerWeight + Self.step
    }
    return candidates.enumerated().min {
      let (a, b) = (Self.rank($0.element, type), Self.rank($1.element, type))
      return a == b ? $0.offset < $1.offset : a.lexicographicallyPrecedes(b)
    }?.element
  }

  /// Almost a bit: Q3_K has 0.8125 more than Q2_K.
  private static let step = 0.8

  private static func rank(_ candidate: WeightType, _ type: WeightType) -> [Double] {
    var rank = [0.0, 0]
    if case .packed(let format) = type, case .packed(let other) = candidate {
      rank = [
        format.coding == other.coding ? 0 : 1, format.groupSize == other.groupSize ? 0 : 1,
      ]
    }
    return rank + [
      candidate.groupSize == nil ? 1 : 0, candidate.bitsPerWeight,
      -Double(candidate.groupSize ?? 0),
    ]
  }
}
