public import Quantization
import TensorModel

/// A tensor that is worth more bits, or several that get one type together: what the next larger type costs, and what it takes off the error.
public struct TensorRaise: Sendable, Encodable {
  /// Names in the file: one, or those of what a program makes one layer of.
  public let tensors: [String]
  /// Their type.
  public let dtype: WeightType
  /// The next larger type.
  public let raised: WeightType
  /// Bytes that it costs.
  public let addedByteCount: Int
  /// Their relative error: √(Σ n e² / Σ n) over numbers of weights n and relative errors e.
  public let relativeRmse: Double
  /// What it is in the larger type, measured or estimated.
  public let raisedRelativeRmse: Double
  /// By how much the relative error of all quantized tensors together is less then.
  public let reduction: Double
  /// What the error in the larger type is known from.
  public let basis: ErrorBudget.Basis
  /// The option that does it; nil if no short one does.
  public let option: String?
  /// Σ n e² that is taken off, for each byte that it costs.
  let gain: Double
}

extension TensorRaise {
  private enum CodingKeys: String, CodingKey {
    case tensors, dtype, raised, addedByteCount, relativeRmse, raisedRelativeRmse, reduction,
      basis, option
  }

  /// What is ranked by isn't written: it is in the figures.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(tensors, forKey: .tensors)
    try container.encode(dtype, forKey: .dtype)
    try container.encode(raised, forKey: .raised)
    try container.encode(addedByteCount, forKey: .addedByteCount)
    try container.encode(relativeRmse, forKey: .relativeRmse)
    try container.encode(raisedRelativeRmse, forKey: .raisedRelativeRmse)
    try container.encode(reduction, forKey: .reduction)
    try container.encode(basis, forKey: .basis)
    try container.encodeIfPresent(option, forKey: .option)
  }
}

extension ErrorBudget {
  /// How many single tensors are named.
  public static let raiseCount = 10

  /// The tensors of which the next larger type takes off most for each byte, the best first.
  ///
  /// What has to be of one type is raised together.
  ///
  /// - Parameter report: that the budget is of.
  /// - Returns: at most `raiseCount` of them.
  public func bestRaises(_ report: QuantizationReport) -> [TensorRaise] {
    var units: [[Int]] = []
    var layers: [FusedLayer: Int] = [:]
    for (place, tensor) in report.tensors.enumerated() where hasRaise(place) {
      if let layer = tensor.fused {
        if let unit = layers[layer] {
          units[unit].append(place)
          continue
        }
        layers[layer] = units.count
      }
      units.append([place])
    }
    let raises = units.compactMap { raise($0, report) }.enumerated().sorted {
      let (a, b) = ($0.element.gain, $1.element.gain)
      return a == b ? $0.offset < $1.offset : a > b
    }
    return raises.prefix(Self.raiseCount).map(\.element)
  }

  private func raise(_ places: [Int], _ report: QuantizationReport) -> TensorRaise? {
    let tensors = places.map { report.tensors[$0] }
    // Of what is one layer all have to be raised, and to one type.
    if let layer = tensors[0].fused {
      guard report.tensors.count(where: { $0.fused == layer }) == places.count else { return nil }
    }
    guard Set(tensors.map(\.dtype)).count == 1, let (raise, reduction) = raising(places),
      raise.types.count == 1, raise.byteCount > 0
    else { return nil }
    let squared = squaredError(of: places)
    guard squared > raise.squaredError else { return nil }
    let count = Double(tensors.reduce(0) { $0 + $1.shape.elementCount })
    let names = tensors.map(\.name)
    return TensorRaise(
      tensors: names, dtype: tensors[0].dtype, raised: raise.types[0],
      addedByteCount: raise.byteCount, relativeRmse: (squared / count).squareRoot().sixDigits,
      raisedRelativeRmse: (raise.squaredError / count).squareRoot().sixDigits,
      reduction: reduction.sixDigits, basis: raise.basis,
      option: TypeOption(each: names, raise.types[0])?.text,
      gain: (squared - raise.squaredError) / Double(raise.byteCount))
  }
}

extension ErrorBudget.Basis: Encodable {
  /// As documents name it.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    let name =
      switch self {
      case .measured: "measured"
      case .sameKind: "same_kind"
      case .sameType: "same_type"
      case .rule: "rule"
      }
    try container.encode(name)
  }
}
