import TensorModel

/// Integers in groups of a row that share a scale and an offset, of which it has to be seen whether they are symmetric: whether half the codes' range
/// stands for 0.
struct AffineCodes {
  /// Scales of rows and groups.
  let scales: TensorExpression
  private let bits: Int
  private let codes: Codes
  private let offset: Offset

  /// Codes of 0 to 2^bits − 1.
  private enum Codes {
    /// As they lie in rows.
    case packed(TensorExpression)
    /// As numbers.
    case numbers(TensorExpression)
  }

  /// What stands for 0.
  private enum Offset {
    /// Half the range.
    case half
    /// These codes.
    case zeroPoints(TensorExpression)
    /// Half the range, with these numbers added.
    case differences(TensorExpression)
    /// What, with this added, is a multiple of the scale.
    case biases(TensorExpression)
  }

  /// Takes values apart; nil for anything else, and for groups of another size.
  ///
  /// - Parameters:
  ///   - values: as codes and scales give them, without a cast.
  ///   - shape: theirs.
  ///   - size: of groups; nil for whole rows.
  init?(_ values: TensorExpression, _ shape: Shape, _ size: Int?) {
    let block = [1, size ?? shape.dimensions[1]]
    let (turned, turnedBlock) = (Shape(shape.dimensions.reversed()), [block[1], 1])
    switch values {
    // compressed-tensors.
    case .combine(
      .product, .decode(let codes, .excess(let bits), shape, axis: 1),
      .spread(let scales, shape, block)):
      self.init(scales, bits, .packed(codes), .half)
    case .combine(
      .product,
      .combine(
        .difference, .decode(let codes, .excess(let bits), shape, axis: 1),
        .spread(let zeros, shape, block)),
      .spread(let scales, shape, block)):
      self.init(scales, bits, .packed(codes), .differences(zeros))
    // MLX.
    case .sum(let terms):
      guard terms.count == 2,
        case .combine(
          .product, .decode(let codes, .unsigned(let bits), shape, axis: 1),
          .spread(let scales, shape, block)) = terms[0],
        case .spread(let biases, shape, block) = terms[1]
      else { return nil }
      self.init(scales, bits, .packed(codes), .biases(biases))
    // GPTQ and AWQ: the whole matrix turned.
    case .transpose(
      .combine(
        .product,
        .combine(
          .difference, let numbers, .spread(let zeros, turned, turnedBlock)),
        .spread(let scales, turned, turnedBlock))):
      guard case .decode(_, let code, _, _) = numbers else { return nil }
      switch code {
      case .unsigned, .awq:
        self.init(
          .transpose(scales), code.bits, .numbers(.transpose(numbers)), .zeroPoints(zeros))
      default: return nil
      }
    default: return nil
    }
  }

  private init(
    _ scales: TensorExpression, _ bits: Int, _ codes: Codes, _ offset: Offset
  ) {
    self.scales = scales
    self.bits = bits
    self.codes = codes
    self.offset = offset
  }

  /// What has to be 0 throughout if half the range is what stands for 0, and all scales are finite.
  ///
  /// - Parameter type: of the scales.
  /// - Returns: floats.
  func remainders(_ type: TensorType) -> [TensorExpression] {
    switch offset {
    case .half: [scales.ownDifference]
    case .differences(let zeros): [zeros, scales.ownDifference]
    case .zeroPoints(let zeros):
      [
        .combine(
          .difference, zeros,
          .fill(FillValue(Double(half)), TensorType(.f32, Shape(type.shape.dimensions.reversed())))),
        scales.ownDifference,
      ]
    case .biases(let biases): [.sum([biases, halves(type, sign: 1)])]
    }
  }

  private var half: Int { 1 << (bits - 1) }

  /// Half the range times the scales, in F32.
  private func halves(_ type: TensorType, sign: Double) -> TensorExpression {
    .combine(
      .product, scales, .fill(FillValue(sign * Double(half)), TensorType(.f32, type.shape)))
  }

  /// Codes, scales and biases for a format, and what has to be 0 besides; nil where that has other numbers.
  ///
  /// - Parameters:
  ///   - format: to be written.
  ///   - type: of the scales.
  /// - Returns: both.
  func parts(
    of format: PackedFormat, _ type: TensorType
  ) -> (parts: [PackedFormat.Part: TensorExpression], remainders: [TensorExpression])? {
    guard bits == format.bits, [.u32, .i32].contains(format.codes) else { return nil }
    let cells: TensorExpression =
      switch codes {
      case .packed(let words): words
      case .numbers(let numbers): .encode(numbers, bits: bits, format.codes)
      }
    switch format.coding {
    case .symmetric: return ([.codes: cells, .scales: scales], [])
    case .affine:
      // Scales of F16 may be so large that the biases have none.
      let exact = halves(type, sign: -1)
      let biases = TensorExpression.cast(exact, type.dtype)
      let isWide = type.dtype == .f16
      return (
        [.codes: cells, .scales: scales, .biases: biases],
        isWide ? [.combine(.difference, .cast(biases, .f32), exact)] : []
      )
    default: return nil
    }
  }
}
