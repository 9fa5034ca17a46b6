import CheckpointFormats
import ModelArchitectures
import Quantization
import TensorEvaluation
import TensorModel

/// How weights of a model are quantized that doesn't go to GGUF: an importance matrix has llama.cpp's names, which are those of the family's GGUF table, or where it
/// has none those of most graphs.
struct ModelImportances {
  private let quality: QuantizationQuality
  private let matrix: ImportanceMatrix?
  private let moments: SecondMomentChoice
  private let table: GGUFTable?
  private let dimensions: Architecture.Dimensions

  /// - Parameters:
  ///   - request: with the quality and the matrix.
  ///   - architecture: of the model.
  ///   - dimensions: of the model.
  ///   - resources: with the memory that factors of second moments must fit into.
  /// - Throws: what `SecondMomentChoice` throws.
  init(
    _ request: QuantizationRequest?, _ architecture: Architecture,
    _ dimensions: Architecture.Dimensions, _ resources: EvaluationResources
  ) throws(CheckpointError) {
    moments = try SecondMomentChoice(request, resources)
    quality = request?.quality ?? .plain
    matrix = quality == .plain ? nil : request?.importance
    table = architecture.gguf
    self.dimensions = dimensions
  }

  /// How a weight is quantized.
  ///
  /// - Parameters:
  ///   - place: what it does, and where.
  ///   - matrix: the values, rows of columns.
  ///   - format: that they are packed in; nil where they stay floats.
  /// - Returns: the method, without importances or second moments where there are none for the weight; single experts have no second moments.
  /// - Throws: `usage` if there are fewer or more than columns, or experts, or second moments that memory has no room for.
  func method(
    _ place: DecoderPlace?, _ matrix: TensorType, _ format: PackedFormat?
  ) throws(CheckpointError) -> QuantizationMethod {
    guard let format else { return QuantizationMethod(quality) }
    let name = place.flatMap { self.name(of: $0) }
    return try moments.method(
      weighted(name, matrix.shape, ofExpert: place?.number), place?.number == nil ? name : nil,
      matrix.shape
    ) { _ in
      format.takesErrorFeedback(matrix)
    }
  }

  /// The name of a weight in a GGUF file of the model, where experts are stacked.
  private func name(of place: DecoderPlace) -> String? {
    place.role.ggufRoles.first.map {
      table?.name(of: $0, layer: place.layer, dimensions) ?? $0.ggufName(layer: place.layer)
    }
  }

  private func weighted(
    _ name: String?, _ shape: Shape, ofExpert expert: Int?
  ) throws(CheckpointError) -> QuantizationMethod {
    guard let matrix, let name else { return QuantizationMethod(quality) }
    return QuantizationMethod(
      quality, importance: try importance(matrix, name, shape, ofExpert: expert))
  }

  /// Of a weight that stands alone, or of one expert; nil where nothing in it matters.
  private func importance(
    _ matrix: ImportanceMatrix, _ name: String, _ shape: Shape, ofExpert expert: Int?
  ) throws(CheckpointError) -> ColumnImportance? {
    if let expert { return try importance(matrix, name, shape, ofExpert: expert) }
    guard let values = try matrix.columns(of: name, shape), values.contains(where: { $0 > 0 })
    else { return nil }
    return ColumnImportance(
      origin: "\(matrix.digest) \(name)", values: values,
      columns: shape.dimensions.last ?? values.count, quality)
  }

  /// Of one expert, by its own part of what the matrix has for all of the layer; nil where no token came to it.
  private func importance(
    _ matrix: ImportanceMatrix, _ name: String, _ shape: Shape, ofExpert expert: Int
  ) throws(CheckpointError) -> ColumnImportance? {
    let columns = shape.dimensions.last ?? 0
    guard expert < dimensions.experts,
      let all = try matrix.columns(of: name, Shape([dimensions.experts] + shape.dimensions)),
      case let values = Array(all[expert * columns..<(expert + 1) * columns]),
      values.contains(where: { $0 > 0 })
    else { return nil }
    return ColumnImportance(
      origin: "\(matrix.digest) \(name) \(expert)", values: values, columns: columns, quality)
  }

  /// Weights that the matrix has nothing for; whether it is of any use.
  ///
  /// - Parameter weights: of the model.
  /// - Returns: findings.
  /// - Throws: `usage` if it has nothing for any weight.
  func findings(_ weights: [StoredWeight]) throws(CheckpointError) -> [Finding] {
    let moments = try moments.findings(weights.map { ($0.name, $0.expression) })
    guard let matrix else { return moments }
    let quantized = weights.compactMap { weight in
      if case .pack(_, _, let method) = weight.expression {
        (name: weight.name, isWeighed: method.importance != nil)
      } else {
        nil
      }
    }
    let missing = quantized.filter { !$0.isWeighed }
    guard let first = missing.first else { return moments }
    guard missing.count < quantized.count else {
      throw CheckpointError(
        .usage, "the importance matrix has nothing for any weight that is quantized",
        file: matrix.fileName, found: matrix.names.first,
        hint: "it must be of the same model: make one with weighbridge importance")
    }
    return moments + [
      Finding(
        .note, "importance-missing",
        "\(missing.count) of \(quantized.count) tensors have no importances and are quantized without",
        tensor: first.name)
    ]
  }
}
