import CheckpointFormats
import FileContainers
import Quantization
import TensorEvaluation
import TensorModel

/// A weight before it has places in a file: the tensors that it is stored as, one or several.
struct StoredWeight {
  /// What the model calls it.
  let name: String
  /// The tensors that it is stored as, at least one.
  let parts: [Planner.Output]
  /// Gives the parts' rows one after the other.
  let expression: TensorExpression
  /// What rows consist of; nil for a tensor that stands for itself.
  let rowParts: RowParts?
  /// Which type it gets and why, where weights are quantized.
  let quantization: ConversionPlan.Quantization?
  /// Tensors that belong to it and are copied on their own.
  private(set) var companions: [Planner.Output] = []

  /// A quantized weight whose codes and scales are those of the format, as the source has them or moved.
  ///
  /// - Parameters:
  ///   - values: what the source's parts stand for, as it is written: without a cast.
  ///   - format: to be written.
  ///   - name: what the model calls it.
  ///   - quantization: which type it gets and why.
  ///   - planner: of the source whose weight it is.
  ///   - partName: what a part is called in the file.
  /// - Returns: nil where it has to be quantized.
  /// - Throws: what reading throws.
  static func reused(
    _ values: TensorExpression, _ format: PackedFormat, named name: String,
    _ quantization: ConversionPlan.Quantization, from planner: Planner,
    partName: (PackedFormat.Part) -> String
  ) throws(CheckpointError) -> StoredWeight? {
    let shape = quantization.values.shape
    let (source, asked) = (planner.source.checkpoint, planner.settings.dtype)
    if let parts = keptParts(values, shape, format, source, as: asked, partName) {
      var weight = StoredWeight(parts[0], named: name, quantization)
      weight.companions = Array(parts.dropFirst())
      return weight
    }
    guard let repacking = Repacking(values, shape, format, as: asked, type: source.type),
      try repacking.condition.holds(planner.source.reader, planner.resources)
    else { return nil }
    return StoredWeight(repacking, format, named: name, quantization, partName: partName)
  }

  /// The parts, where the source has them by the same names and consists of no others.
  private static func keptParts(
    _ values: TensorExpression, _ shape: Shape, _ format: PackedFormat, _ source: Checkpoint,
    as asked: DType?, _ partName: (PackedFormat.Part) -> String
  ) -> [Planner.Output]? {
    switch values {
    case .combine, .sum: break
    // Moved, or no values of parts at all.
    default: return nil
    }
    let names = format.parts.map(partName)
    guard values.sources.allSatisfy(names.contains) else { return nil }
    for dtype in asked.map({ [$0] }) ?? [.f32, .f16, .bf16] {
      let matrix = TensorType(dtype, shape)
      let parts = zip(format.parts, names).compactMap { part, name in
        format.type(of: part, matrix).flatMap { type in
          source.type(of: name) == type
            ? Planner.Output(name: name, type: type, expression: .stored(name)) : nil
        }
      }
      if parts.count == names.count { return parts }
    }
    return nil
  }

  /// A tensor that stands for itself.
  init(_ tensor: Planner.Output, named name: String, _ quantization: ConversionPlan.Quantization?) {
    self.name = name
    parts = [tensor]
    expression = tensor.expression
    rowParts = nil
    self.quantization = quantization
  }

  /// A matrix in a format of several tensors, quantized.
  ///
  /// - Parameters:
  ///   - matrix: its values; rows that the format takes.
  ///   - type: of the matrix.
  ///   - format: of the tensors.
  ///   - name: what the model calls it.
  ///   - quantization: which type it gets and why.
  ///   - method: how codes and scales are chosen.
  ///   - partName: what a part is called in the file.
  init(
    packing matrix: TensorExpression, _ type: TensorType, _ format: PackedFormat,
    named name: String, _ quantization: ConversionPlan.Quantization?,
    _ method: QuantizationMethod, partName: (PackedFormat.Part) -> String
  ) {
    let rows = TensorExpression.pack(matrix, format, method)
    self.name = name
    parts = format.parts.compactMap { part in
      format.type(of: part, type).map {
        Planner.Output(name: partName(part), type: $0, expression: .part(rows, part))
      }
    }
    expression = rows
    rowParts = RowParts(format, type)
    self.quantization = quantization
  }

  /// A matrix in a format of several tensors, whose codes and scales are there.
  private init(
    _ repacking: Repacking, _ format: PackedFormat, named name: String,
    _ quantization: ConversionPlan.Quantization, partName: (PackedFormat.Part) -> String
  ) {
    let matrix = TensorType(repacking.dtype, quantization.values.shape)
    let rowCount = matrix.shape.dimensions[0]
    self.name = name
    var parts: [Planner.Output] = []
    var rows: [TensorExpression] = []
    for (part, moved) in zip(format.parts, repacking.parts) {
      guard let type = format.type(of: part, matrix), let bytes = format.bytes(of: part, matrix)
      else { continue }
      parts.append(Planner.Output(name: partName(part), type: type, expression: moved.expression))
      rows.append(.view(moved.rows, TensorType(.u8, [rowCount, bytes.count])))
    }
    self.parts = parts
    expression = .concatenate(rows, axis: 1)
    rowParts = RowParts(format, matrix)
    self.quantization = quantization
  }

  /// `model.layers.0.mlp.up_proj` of `model.layers.0.mlp.up_proj.weight`.
  static func module(of name: String) -> String {
    name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
  }

  /// All tensors.
  var outputs: [Planner.Output] { parts + companions }

  /// Bytes of all tensors.
  var byteCount: Int { outputs.reduce(0) { $0 + $1.byteCount } }

  /// The weights that it has.
  var elementCount: Int { (quantization?.values ?? parts[0].type).shape.elementCount }

  /// The format, where it is of several parts.
  var format: PackedFormat? {
    if case .packed(let format) = quantization?.choice.type { format } else { nil }
  }
}

extension RowParts {
  /// Those of a matrix's rows in a format.
  fileprivate init(_ format: PackedFormat, _ matrix: TensorType) {
    self.init(
      format.parts.map {
        Part(
          format.bytes(of: $0, matrix)?.count ?? 0,
          sharedRowCount: format.sharedRowCount(of: $0, matrix))
      })
  }
}
