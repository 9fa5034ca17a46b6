public import TensorModel

/// What the codes of a quantized weight are, as reports say it.
public struct StoredCodes: Hashable, Sendable {
  /// Of the tensor that holds them.
  public let dtype: DType
  /// Such as `INT4 (gptq)`.
  public let name: String
  /// The tensor that holds them.
  let tensor: String

  /// Takes values apart; nil for such as no codes give.
  ///
  /// - Parameters:
  ///   - values: as codes and scales give them.
  ///   - method: how they are stored.
  ///   - type: of stored tensors.
  public init?(_ values: TensorExpression, method: String, type: (String) -> TensorType?) {
    let codes = values.decodedCodes
    guard let first = codes.first, let tensor = first.operand.sources.first,
      let dtype = type(tensor)?.dtype
    else { return nil }
    self.dtype = dtype
    self.tensor = tensor
    let scales = codes.dropFirst().map(\.code)
    let kind =
      switch first.code {
      case .fp4: scales.contains(.e8m0) ? "MXFP4" : "NVFP4"
      case .e4m3 where scales.contains(.e8m0) && values.hasGroups(of: 32): "MXFP8"
      case .e4m3, .e5m2, .e8m0: "FP8"
      case .unsigned, .excess, .lessOne, .awq, .int8: "INT\(first.code.bits)"
      // Numbers of a table.
      case .highFirst: "4-bit"
      }
    name = kind.lowercased() == method ? kind : "\(kind) (\(method))"
  }
}

extension TensorExpression {
  /// Whether it is of 4-bit floats with powers of two as scales, whose values BF16 has.
  public var isOfMXFP4: Bool {
    let codes = decodedCodes.map(\.code)
    return codes.contains(.fp4) && codes.contains(.e8m0)
  }

  /// All codes in it that are made numbers, in the order in which it is written.
  fileprivate var decodedCodes: [(code: PackedCode, operand: TensorExpression)] {
    var (pending, found) = ([self], [(code: PackedCode, operand: TensorExpression)]())
    while let next = pending.popLast() {
      if case .decode(let operand, let code, _, _) = next { found.append((code, operand)) }
      pending += next.operands.reversed()
    }
    return found
  }

  /// Whether so many neighbours of a row share something.
  fileprivate func hasGroups(of size: Int) -> Bool {
    var pending = [self]
    while let next = pending.popLast() {
      if case .spread(_, _, block: [1, size]) = next { return true }
      pending += next.operands
    }
    return false
  }
}
