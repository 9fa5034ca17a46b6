import TensorModel

/// A quantized weight whose codes and scales another format has too: its parts are moved, and no value is computed.
struct Repacking {
  /// What the other format's parts are made of, in its order.
  let parts: [TensorExpression]
  /// The dtype of scales that are floats; F32 where there are none.
  let dtype: DType

  /// Repacks values for a format; nil where that has other numbers, or groups.
  ///
  /// - Parameters:
  ///   - values: as codes and scales give them, without a cast.
  ///   - shape: theirs.
  ///   - format: to be written.
  ///   - asked: the dtype that values are to have; nil keeps it.
  ///   - type: of stored tensors.
  init?(
    _ values: TensorExpression, _ shape: Shape, _ format: PackedFormat, as asked: DType?,
    type: (String) -> TensorType?
  ) {
    guard format.rowCount == 1, shape.rank == 2,
      case .combine(.product, .decode(let codes, let code, shape, axis: 1), let factors) = values,
      case .spread(let spread, shape, block: [1, format.groupSize]) = factors
    else { return nil }
    func view(
      _ part: PackedFormat.Part, _ operand: TensorExpression, _ dtype: DType
    ) -> TensorExpression? {
      guard case .stored(let name) = operand, let own = type(name),
        let wanted = format.type(of: part, TensorType(dtype, shape))
      else { return nil }
      return own == wanted ? operand : .view(operand, wanted)
    }
    let expressions: [TensorExpression?]
    switch (format.coding, code, spread) {
    case (.mxfp4, .fp4, .decode(let scales, .e8m0, _, axis: 1)),
      (.mxfp8, .e4m3, .decode(let scales, .e8m0, _, axis: 1)),
      (.nvfp4, .fp4, .decode(let scales, .e4m3, _, axis: 1)):
      dtype = .f32
      expressions =
        [view(.codes, codes, dtype), view(.scales, scales, dtype)]
        + (format.hasTensorScale ? [.fill(1, TensorType(.f32, [1]))] : [])
    case (.affine, .excess(let bits), .stored(let name)):
      // With scales of 16 bits no product or sum is rounded: codes less half their range are multiples of the scale.
      guard bits == format.bits, let own = type(name), [.f16, .bf16].contains(own.dtype),
        asked == nil || asked == own.dtype,
        let biases = format.type(of: .biases, TensorType(own.dtype, shape))
      else { return nil }
      dtype = own.dtype
      let half = FillValue(-Double(1 << (bits - 1)))
      expressions = [
        view(.codes, codes, dtype), view(.scales, spread, dtype),
        .cast(
          .combine(.product, spread, .fill(half, TensorType(.f32, biases.shape))), own.dtype),
      ]
    default: return nil
    }
    let found = expressions.compactMap { $0 }
    guard found.count == format.parts.count else { return nil }
    parts = found
  }
}
