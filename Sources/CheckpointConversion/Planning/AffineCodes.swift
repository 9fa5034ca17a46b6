import TensorModel

/// Integers in groups of a row that share a scale and an offset, of which it has to be seen whether they are symmetric: whether half the codes' range
/// stands for 0.
struct AffineCodes {
  /// The type of the scales of rows and groups.
  let scaleType: TensorType
  private let scales: TensorExpression
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
  ///   - values: as codes and scales give them, without a cast, or blocks.
  ///   - shape: theirs.
  ///   - size: of groups; nil for whole rows.
  ///   - type: of stored tensors.
  init?(
    _ values: TensorExpression, _ shape: Shape, _ size: Int?, type: (String) -> TensorType?
  ) {
    if case .permuteRows(let operand, let permutation) = values,
      let codes = AffineCodes(operand, shape, size, type: type)
    {
      self = codes.permuted(permutation)
      return
    }
    if let blocks = (try? values.type(stored: type)).flatMap({ BlockParts($0.dtype) }) {
      guard blocks.isOfIntegers, size == blocks.dtype.blockElementCount else { return nil }
      self.init(
        .scales(values), blocks.bits, .packed(blocks.rows(ofCodesOf: values, shape)),
        blocks.hasBiases ? .biases(.biases(values)) : .half, type)
      return
    }
    let block = [1, size ?? shape.dimensions[1]]
    let (turned, turnedBlock) = (Shape(shape.dimensions.reversed()), [block[1], 1])
    switch values {
    // compressed-tensors.
    case .combine(
      .product, .decode(let codes, .excess(let bits), shape, axis: 1),
      .spread(let scales, shape, block)):
      self.init(scales, bits, .packed(codes), .half, type)
    case .combine(
      .product,
      .combine(
        .difference, .decode(let codes, .excess(let bits), shape, axis: 1),
        .spread(let zeros, shape, block)),
      .spread(let scales, shape, block)):
      self.init(scales, bits, .packed(codes), .differences(zeros), type)
    // MLX.
    case .sum(let terms):
      guard terms.count == 2,
        case .combine(
          .product, .decode(let codes, .unsigned(let bits), shape, axis: 1),
          .spread(let scales, shape, block)) = terms[0],
        case .spread(let biases, shape, block) = terms[1]
      else { return nil }
      self.init(scales, bits, .packed(codes), .biases(biases), type)
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
          .transpose(scales), code.bits, .numbers(.transpose(numbers)), .zeroPoints(zeros), type)
      default: return nil
      }
    default: return nil
    }
  }

  private init?(
    _ scales: TensorExpression, _ bits: Int, _ codes: Codes, _ offset: Offset,
    _ type: (String) -> TensorType?
  ) {
    guard let scaleType = try? scales.type(stored: type) else { return nil }
    self.init(scaleType, scales, bits, codes, offset)
  }

  private init(
    _ scaleType: TensorType, _ scales: TensorExpression, _ bits: Int, _ codes: Codes,
    _ offset: Offset
  ) {
    self.scaleType = scaleType
    self.scales = scales
    self.bits = bits
    self.codes = codes
    self.offset = offset
  }

  /// The same with rows in another order.
  private func permuted(_ permutation: RowPermutation) -> AffineCodes {
    func permuted(_ rows: TensorExpression) -> TensorExpression { .permuteRows(rows, permutation) }
    let codes: Codes =
      switch codes {
      case .packed(let words): .packed(permuted(words))
      case .numbers(let numbers): .numbers(permuted(numbers))
      }
    let offset: Offset =
      switch offset {
      case .biases(let biases): .biases(permuted(biases))
      // Looked at as a whole, in any order.
      case .half, .zeroPoints, .differences: offset
      }
    return AffineCodes(scaleType, permuted(scales), bits, codes, offset)
  }

  /// Codes, scales and biases for a format.
  ///
  /// - Parameters:
  ///   - bits: of the format's codes.
  ///   - words: that rows of codes are put into where they aren't packed yet.
  ///   - dtype: of the format's scales and biases.
  ///   - hasBiases: whether it has any; otherwise half the range stands for 0.
  /// - Returns: the parts, with what has to be 0 throughout, or they are other numbers; nil for codes of other bits.
  func parts(
    bits: Int, in words: DType, scales dtype: DType, hasBiases: Bool
  ) -> RepackedParts? {
    guard self.bits == bits else { return nil }
    let cells: TensorExpression =
      switch codes {
      case .packed(let words): words
      case .numbers(let numbers): .encode(numbers, bits: bits, words)
      }
    let factors = scales.exactly(as: dtype, from: scaleType.dtype)
    var repacked = RepackedParts([.codes: cells, .scales: factors.value], factors.remainders)
    guard hasBiases else {
      repacked.remainders += asymmetries
      return repacked
    }
    let added: Exactly
    if case .biases(let biases) = offset {
      added = biases.exactly(as: dtype, from: scaleType.dtype)
      repacked.remainders += [scales.ownDifference, biases.ownDifference]
    } else {
      // Scales may be so large that the biases have no place in the dtype.
      added = halves(sign: -1).exactly(as: dtype, from: .f32)
      repacked.remainders += asymmetries
    }
    repacked.parts[.biases] = added.value
    repacked.remainders += added.remainders
    return repacked
  }

  /// What has to be 0 throughout if half the range is what stands for 0, and all scales are finite.
  private var asymmetries: [TensorExpression] {
    switch offset {
    case .half: [scales.ownDifference]
    case .differences(let zeros): [zeros, scales.ownDifference]
    case .zeroPoints(let zeros):
      [
        .combine(
          .difference, zeros,
          .fill(
            FillValue(Double(half)),
            TensorType(.f32, Shape(scaleType.shape.dimensions.reversed())))),
        scales.ownDifference,
      ]
    case .biases(let biases): [.sum([biases, halves(sign: 1)])]
    }
  }

  private var half: Int { 1 << (bits - 1) }

  /// Half the range times the scales, in F32.
  private func halves(sign: Double) -> TensorExpression {
    .combine(
      .product, scales, .fill(FillValue(sign * Double(half)), TensorType(.f32, scaleType.shape)))
  }
}

/// Parts of a format, made of another's.
struct RepackedParts {
  /// Those that are made; others are constants.
  var parts: [PackedFormat.Part: TensorExpression]
  /// What has to be 0 throughout, or the parts stand for other numbers.
  var remainders: [TensorExpression]

  init(_ parts: [PackedFormat.Part: TensorExpression], _ remainders: [TensorExpression]) {
    self.parts = parts
    self.remainders = remainders
  }
}

/// Floats in another dtype, and what has to be 0 throughout if all have a place there.
typealias Exactly = (value: TensorExpression, remainders: [TensorExpression])

extension TensorExpression {
  /// Floats in another dtype.
  fileprivate func exactly(as dtype: DType, from own: DType) -> Exactly {
    guard dtype != own else { return (self, []) }
    let cast = TensorExpression.cast(self, dtype)
    return (cast, [.combine(.difference, .cast(cast, .f32), self)])
  }

  /// What is 0 throughout where all elements are finite numbers: scales that are none aren't moved, but looked at as weights are.
  var ownDifference: TensorExpression { .combine(.difference, self, self) }
}

extension BlockParts {
  /// The codes of a matrix of such blocks, U8, row by row.
  func rows(ofCodesOf blocks: TensorExpression, _ shape: Shape) -> TensorExpression {
    .reshape(
      .codes(blocks),
      [shape.dimensions[0], shape.dimensions[1] / dtype.blockElementCount * codeByteCount])
  }
}
