import TensorModel

/// Floats of a few bits in groups of a row, which share a scale that is a power of two or a small float itself.
struct FloatCodes {
  private let coding: PackedFormat.Coding
  private let codes: TensorExpression
  private let scales: TensorExpression
  /// What the scales stand for, in F32.
  private let factors: TensorExpression

  /// Takes values apart; nil for anything else, and for groups of another size.
  ///
  /// - Parameters:
  ///   - values: as codes and scales give them, without a cast, or blocks.
  ///   - shape: theirs.
  ///   - size: of groups.
  ///   - type: of stored tensors.
  init?(
    _ values: TensorExpression, _ shape: Shape, _ size: Int, type: (String) -> TensorType?
  ) {
    if case .permuteRows(let operand, let permutation) = values,
      let inner = FloatCodes(operand, shape, size, type: type)
    {
      func permuted(_ rows: TensorExpression) -> TensorExpression {
        .permuteRows(rows, permutation)
      }
      self.init(inner.coding, permuted(inner.codes), permuted(inner.scales), inner.factors)
      return
    }
    if let blocks = (try? values.type(stored: type)).flatMap({ BlockParts($0.dtype) }) {
      guard blocks.dtype == .mxfp4, size == blocks.dtype.blockElementCount else { return nil }
      let scales = TensorExpression.scales(values)
      let groups: Shape = [shape.dimensions[0], shape.dimensions[1] / size]
      self.init(
        .mxfp4, blocks.rows(ofCodesOf: values, shape), scales,
        .decode(scales, .e8m0, groups, axis: 1))
      return
    }
    guard
      case .combine(.product, .decode(let codes, let code, shape, axis: 1), let spread) = values,
      case .spread(let factors, shape, block: [1, size]) = spread,
      case .decode(let scales, let scaleCode, _, axis: 1) = factors
    else { return nil }
    switch (code, scaleCode) {
    case (.fp4, .e8m0): self.init(.mxfp4, codes, scales, factors)
    case (.e4m3, .e8m0): self.init(.mxfp8, codes, scales, factors)
    case (.fp4, .e4m3): self.init(.nvfp4, codes, scales, factors)
    default: return nil
    }
  }

  private init(
    _ coding: PackedFormat.Coding, _ codes: TensorExpression, _ scales: TensorExpression,
    _ factors: TensorExpression
  ) {
    self.coding = coding
    self.codes = codes
    self.scales = scales
    self.factors = factors
  }

  /// Codes and scales for a format; nil where that has others.
  func parts(_ coding: PackedFormat.Coding) -> RepackedParts? {
    self.coding == coding
      ? RepackedParts([.codes: codes, .scales: scales], [factors.ownDifference]) : nil
  }
}
