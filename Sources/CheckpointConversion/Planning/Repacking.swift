import CheckpointFormats
import TensorEvaluation
import TensorModel

/// A quantized weight whose codes and scales another format has too: its parts are moved, and no value is computed.
struct Repacking {
  /// The other format's parts, in its order.
  let parts: [Part]
  /// The dtype of scales that are floats; F32 where there are none.
  let dtype: DType
  /// What has to be 0 throughout, or the numbers aren't the other format's.
  private let remainders: [TensorExpression]

  /// A part of a weight.
  struct Part {
    /// What it is made of.
    let expression: TensorExpression
    /// The same for each row of the weight: what belongs to the whole matrix stands in every row.
    let rows: TensorExpression
  }

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
    guard format.rowCount == 1, shape.rank == 2 else { return nil }
    let moved: [PackedFormat.Part: TensorExpression]
    if let floats = Self.floats(values, shape, format) {
      (dtype, remainders, moved) = (.f32, [floats.factors.ownDifference], floats.parts)
    } else if let integers = AffineCodes(values, shape, format.groupSize),
      let scales = try? integers.scales.type(stored: type),
      // With scales of 16 bits no product or sum is rounded: codes less half their range are multiples of the scale.
      [.f16, .bf16].contains(scales.dtype), asked == nil || asked == scales.dtype,
      let repacked = integers.parts(of: format, scales)
    {
      (dtype, remainders, moved) = (
        scales.dtype, integers.remainders(scales) + repacked.remainders, repacked.parts
      )
    } else {
      return nil
    }
    let matrix = TensorType(dtype, shape)
    let format = format.hasTensorScale ? format.scaled(by: 1) : format
    var parts: [Part] = []
    for part in format.parts {
      guard let wanted = format.type(of: part, matrix) else { return nil }
      if let constants = format.constants(of: part, matrix) {
        parts.append(Part(constants, wanted.dtype, rowCount: shape.dimensions[0]))
        continue
      }
      guard let expression = moved[part], let own = try? expression.type(stored: type) else {
        return nil
      }
      let cells = own == wanted ? expression : .view(expression, wanted)
      guard (try? cells.type(stored: type)) == wanted else { return nil }
      parts.append(Part(expression: cells, rows: cells))
    }
    self.parts = parts
  }

  /// Whether the numbers are the other format's: what of them has to be 0 is.
  ///
  /// - Throws: what reading throws.
  func holds(_ planner: Planner) throws(CheckpointError) -> Bool {
    guard !remainders.isEmpty else { return true }
    let checkpoint = planner.source.checkpoint
    var tasks: [EvaluationTask] = []
    for remainder in remainders {
      tasks.append(
        EvaluationTask(
          name: remainder.sources[0], expression: try CompiledExpression(remainder, in: checkpoint))
      )
    }
    let values = StatisticsCollector(tasks.map { _ in .f32 })
    try EvaluationPipeline(planner.source.reader, planner.resources).run(
      tasks, DigestCollector(statistics: values))
    return tasks.indices.allSatisfy {
      guard let found = values.statistics(of: $0) else { return false }
      return found.minimum == 0 && found.maximum == 0 && found.nanCount + found.infinityCount == 0
    }
  }

  /// Codes of small floats, with scales that are powers of two or small floats.
  private static func floats(
    _ values: TensorExpression, _ shape: Shape, _ format: PackedFormat
  ) -> (parts: [PackedFormat.Part: TensorExpression], factors: TensorExpression)? {
    guard
      case .combine(.product, .decode(let codes, let code, shape, axis: 1), let factors) = values,
      case .spread(let spread, shape, block: [1, format.groupSize]) = factors
    else { return nil }
    switch (format.coding, code, spread) {
    case (.mxfp4, .fp4, .decode(let scales, .e8m0, _, axis: 1)),
      (.mxfp8, .e4m3, .decode(let scales, .e8m0, _, axis: 1)),
      (.nvfp4, .fp4, .decode(let scales, .e4m3, _, axis: 1)):
      return ([.codes: codes, .scales: scales], spread)
    default: return nil
    }
  }
}

extension TensorExpression {
  /// What is 0 throughout where all elements are finite numbers: scales that are none aren't moved, but looked at as weights are.
  var ownDifference: TensorExpression { .combine(.difference, self, self) }
}

extension Repacking.Part {
  /// Values that a format has of a matrix of so many rows, in a vector.
  fileprivate init(_ values: [FillValue], _ dtype: DType, rowCount: Int) {
    func row(_ shape: Shape, axis: Int) -> TensorExpression {
      let elements = values.map { TensorExpression.fill($0, TensorType(dtype, shape)) }
      return elements.count == 1 ? elements[0] : .concatenate(elements, axis: axis)
    }
    expression = row([1], axis: 0)
    rows = row([rowCount, 1], axis: 1)
  }
}
