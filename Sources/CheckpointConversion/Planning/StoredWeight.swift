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

  /// A matrix whose parts the source has as they are to be written.
  ///
  /// - Parameters:
  ///   - tensor: a weight of the source.
  ///   - shape: as it is written.
  ///   - format: to be written.
  ///   - source: whose weight it is.
  ///   - asked: the dtype that values are to have; nil keeps it.
  ///   - quantization: which type it gets and why.
  ///   - partName: what a part is called, there and here.
  /// - Returns: nil where it consists of other parts.
  static func kept(
    _ tensor: CanonicalTensor, _ shape: Shape, _ format: PackedFormat, in source: Checkpoint,
    as asked: DType?, _ quantization: ConversionPlan.Quantization,
    partName: (PackedFormat.Part) -> String
  ) -> StoredWeight? {
    let names = format.parts.map(partName)
    let sources = tensor.expression.sources
    guard sources.count > 1, sources.allSatisfy(names.contains) else { return nil }
    for dtype in asked.map({ [$0] }) ?? [.f32, .f16, .bf16] {
      let matrix = TensorType(dtype, shape)
      let parts = zip(format.parts, names).compactMap { part, name in
        format.type(of: part, matrix).flatMap { type in
          source.type(of: name) == type
            ? Planner.Output(name: name, type: type, expression: .stored(name)) : nil
        }
      }
      guard parts.count == names.count else { continue }
      var weight = StoredWeight(parts[0], named: tensor.name, quantization)
      weight.companions = Array(parts.dropFirst())
      return weight
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
  ///   - partName: what a part is called in the file.
  init(
    packing matrix: TensorExpression, _ type: TensorType, _ format: PackedFormat,
    named name: String, _ quantization: ConversionPlan.Quantization?,
    partName: (PackedFormat.Part) -> String
  ) {
    let rows = TensorExpression.pack(matrix, format)
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
  ///
  /// - Parameters:
  ///   - repacking: gives the parts.
  ///   - format: of the tensors.
  ///   - name: what the model calls it.
  ///   - quantization: which type it gets and why.
  ///   - partName: what a part is called in the file.
  init(
    _ repacking: Repacking, _ format: PackedFormat, named name: String,
    _ quantization: ConversionPlan.Quantization, partName: (PackedFormat.Part) -> String
  ) {
    let matrix = TensorType(repacking.dtype, quantization.values.shape)
    let rowCount = matrix.shape.dimensions[0]
    self.name = name
    var parts: [Planner.Output] = []
    var rows: [TensorExpression] = []
    for (part, expression) in zip(format.parts, repacking.parts) {
      guard let type = format.type(of: part, matrix), let bytes = format.bytes(of: part, matrix)
      else { continue }
      parts.append(Planner.Output(name: partName(part), type: type, expression: expression))
      // What belongs to the whole matrix stands in every row.
      let row =
        if case .fill(let value, let one) = expression {
          TensorExpression.fill(value, TensorType(one.dtype, [rowCount, 1]))
        } else { expression }
      rows.append(.view(row, TensorType(.u8, [rowCount, bytes.count])))
    }
    self.parts = parts
    expression = .concatenate(rows, axis: 1)
    rowParts = RowParts(format, matrix)
    self.quantization = quantization
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

/// Safetensors files of weights of which some are several tensors; parts of a weight stand in one file.
struct WeightFiles {
  /// The files.
  private(set) var files: [ConversionPlan.WeightFile] = []
  /// The weights in the order of the files.
  private(set) var groups: [ConversionPlan.OutputGroup] = []
  /// The file of all tensors, `model.safetensors.index.json`.
  let index: ConversionPlan.Sidecar

  /// Lays files out.
  ///
  /// - Parameters:
  ///   - weights: in order.
  ///   - sharding: how large files may become.
  ///   - metadata: of each file.
  /// - Throws: `usage` for a sharding that can't be.
  init(
    _ weights: [StoredWeight], _ sharding: ConversionPlan.Sharding,
    metadata: [ExactName: String]
  ) throws(CheckpointError) {
    let shards = try Sharder(weights.map(\.byteCount)).shards(sharding)
    for (number, members) in shards.enumerated() {
      let outputs = members.flatMap { weights[$0].outputs }
      let layout = SafetensorsLayout.layout(
        outputs.map { ($0.name, $0.type) }, metadata: metadata)
      files.append(
        ConversionPlan.WeightFile(
          name: SafetensorsTarget.shardName(number, of: shards.count), layout: layout,
          byteCount: layout.byteCount))
      var places = layout.places[...]
      for weight in members.map({ weights[$0] }) {
        let tensors = zip(weight.outputs, places).map { output, place in
          ConversionPlan.PlannedTensor(
            name: output.name, type: output.type, expression: output.expression, file: number,
            place: place)
        }
        places = places.dropFirst(tensors.count)
        let parts = Array(tensors.prefix(weight.parts.count))
        groups.append(
          ConversionPlan.OutputGroup(
            name: weight.name, expression: weight.expression, parts: parts,
            rowParts: weight.rowParts, quantization: weight.quantization))
        groups += tensors.dropFirst(parts.count).map { .init(companion: $0) }
      }
    }
    let names = files.map(\.name)
    let file = SafetensorsFormat.indexFile(
      groups.flatMap(\.parts).map { ($0.name, names[$0.file]) },
      totalByteCount: weights.reduce(0) { $0 + $1.byteCount },
      parameterCount: weights.reduce(0) { $0 + $1.elementCount })
    index = ConversionPlan.Sidecar(name: file.name, contents: file.contents)
  }
}
