import CheckpointFormats
import ModelArchitectures
import Quantization
import TensorModel

/// How weights of a model are quantized that doesn't go to GGUF: an importance matrix has llama.cpp's names, which are those of the family's GGUF table.
struct ModelImportances {
  private let quality: QuantizationQuality
  private let matrix: ImportanceMatrix?
  private let table: GGUFTable?
  private let dimensions: Architecture.Dimensions

  /// - Parameters:
  ///   - request: with the quality and the matrix.
  ///   - architecture: of the model.
  ///   - dimensions: of the model.
  /// - Throws: `unsupported` for a matrix where the family has no names in GGUF files.
  init(
    _ request: QuantizationRequest?, _ architecture: Architecture,
    _ dimensions: Architecture.Dimensions
  ) throws(CheckpointError) {
    quality = request?.quality ?? .plain
    matrix = quality == .plain ? nil : request?.importance
    table = architecture.gguf
    self.dimensions = dimensions
    guard matrix == nil || table != nil else {
      throw CheckpointError(
        .unsupported, "an importance matrix has llama.cpp's names, and it has none for this family",
        found: architecture.name, hint: "leave out --imatrix")
    }
  }

  /// How a weight is quantized.
  ///
  /// - Parameters:
  ///   - place: what it does, and where.
  ///   - shape: rows of columns.
  /// - Returns: the method, without importances where the matrix has none for the weight, as for single experts.
  /// - Throws: `usage` if there are fewer or more than columns.
  func method(_ place: DecoderPlace?, _ shape: Shape) throws(CheckpointError) -> QuantizationMethod
  {
    guard let matrix, let table, let place, place.number == nil,
      let role = place.role.ggufRoles.first
    else { return QuantizationMethod(quality) }
    let name = table.name(of: role, layer: place.layer, dimensions)
    guard let values = try matrix.columns(of: name, shape),
      values.contains(where: { $0 > 0 })
    else { return QuantizationMethod(quality) }
    return QuantizationMethod(
      quality, importance: ColumnImportance(origin: "\(matrix.digest) \(name)", values: values))
  }

  /// Weights that the matrix has nothing for; whether it is of any use.
  ///
  /// - Parameter weights: of the model.
  /// - Returns: findings.
  /// - Throws: `usage` if it has nothing for any weight.
  func findings(_ weights: [StoredWeight]) throws(CheckpointError) -> [Finding] {
    guard let matrix else { return [] }
    let quantized = weights.compactMap { weight in
      if case .pack(_, _, let method) = weight.expression {
        (name: weight.name, isWeighed: method.importance != nil)
      } else {
        nil
      }
    }
    let missing = quantized.filter { !$0.isWeighed }
    guard let first = missing.first else { return [] }
    guard missing.count < quantized.count else {
      throw CheckpointError(
        .usage, "the importance matrix has nothing for any weight that is quantized",
        file: matrix.fileName, found: matrix.names.first,
        hint: "it must be of the same model: make one with weighbridge importance")
    }
    return [
      Finding(
        .note, "importance-missing",
        "\(missing.count) of \(quantized.count) tensors have no importances and are quantized without",
        tensor: first.name)
    ]
  }
}
