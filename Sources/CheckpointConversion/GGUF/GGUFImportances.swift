import FileContainers
import Quantization
import TensorEvaluation
import TensorModel

/// What an importance matrix means for the tensors of a GGUF file.
struct GGUFImportances {
  private let matrix: ImportanceMatrix
  private let quality: QuantizationQuality

  /// For a matrix.
  init(_ matrix: ImportanceMatrix, _ quality: QuantizationQuality) {
    self.matrix = matrix
    self.quality = quality
  }

  /// Whether importances change the blocks of a type.
  private func isHeeded(by dtype: DType) -> Bool {
    quality == .plain ? dtype.heedsImportance : dtype.isBlockQuantized
  }

  /// A cast to blocks with importances, if there are any for the tensor and the format heeds them.
  ///
  /// - Throws: `usage` if there are fewer or more than columns, `malformed` if no column is said to matter.
  func weighted(
    _ expression: TensorExpression, _ name: String, _ shape: Shape
  ) throws(CheckpointError) -> TensorExpression {
    guard case .cast(let operand, let dtype) = expression, isHeeded(by: dtype),
      let count = shape.dimensions.last, let values = try matrix.columns(of: name, shape)
    else { return expression }
    let experts = stride(from: 0, to: values.count, by: max(1, count))
    guard experts.allSatisfy({ values[$0..<$0 + count].contains { $0 > 0 } }) else {
      throw CheckpointError(
        .malformed, "an importance matrix by which nothing in a weight matters",
        file: matrix.fileName, tensor: name,
        hint: "was it computed on texts? quantizing by it would make the weight zero")
    }
    return .quantize(
      operand, dtype,
      QuantizationMethod(
        importance: ColumnImportance(
          origin: "\(matrix.digest) \(name)", values: values, columns: count, quality)))
  }

  /// Tensors that the matrix has nothing for, and the other way round; whether it is of any use.
  ///
  /// - Throws: `usage` if it has nothing for any tensor.
  func findings(_ outputs: [Planner.Output]) throws(CheckpointError) -> [Finding] {
    let heeding = outputs.filter { isHeeded(by: $0.type.dtype) }
    let names = Set(outputs.map { ExactName($0.name) })
    let strangers = matrix.names.filter { !names.contains(ExactName($0)) }
    guard strangers.count < matrix.names.count else {
      throw CheckpointError(
        .usage, "the importance matrix is of another model: none of its names is in this one",
        file: matrix.fileName, expected: heeding.first.map { "such as \($0.name)" },
        found: strangers.first)
    }
    var findings: [Finding] = []
    if heeding.isEmpty {
      let types = Set(outputs.map(\.type.dtype).filter(\.isBlockQuantized).map(\.rawValue)).sorted()
      findings.append(
        Finding(
          .warning, "importance-ignored",
          "the importance matrix changes nothing: \(types.isEmpty ? "no tensor is quantized to blocks" : "\(types.joined(separator: ", ")) doesn't heed it")"
        ))
    }
    if let first = strangers.first {
      findings.append(
        Finding(
          .warning, "importance-unused",
          "the importance matrix has \(strangers.count) entries that belong to no tensor of the model",
          tensor: first))
    }
    let missing = heeding.filter {
      switch $0.expression {
      case .cast: true
      case .quantize(_, _, let method): method.importance == nil
      default: false
      }
    }
    // Matrices seldom have the embedding, and by default not the head.
    let isUsual = missing.allSatisfy { !$0.name.hasPrefix("blk.") }
    if let first = missing.first {
      findings.append(
        Finding(
          isUsual ? .note : .warning, "importance-missing",
          "\(missing.count) of \(heeding.count) tensors have no importances and are quantized without",
          tensor: first.name))
    }
    return findings
  }

  /// What llama.cpp's quantization says of it in the file (tools/quantize, `quantize.imatrix.*`).
  var entries: [(key: String, value: GGUFValue)] {
    var entries = [("quantize.imatrix.file", GGUFValue.text(matrix.fileName))]
    if let dataset = matrix.datasets.first {
      entries.append(("quantize.imatrix.dataset", .text(dataset)))
    }
    entries.append(("quantize.imatrix.entries_count", .count(matrix.names.count)))
    if let chunkCount = matrix.chunkCount, chunkCount > 0 {
      entries.append(("quantize.imatrix.chunks_count", .count(chunkCount)))
    }
    return entries
  }
}

extension DType {
  /// Whether importances change its blocks.
  var heedsImportance: Bool {
    isBlockQuantized && ![.q8_0, .mxfp4, .nvfp4].contains(self)
  }
}

extension TensorExpression {
  /// Blocks made with more work, where blocks are made.
  ///
  /// - Parameters:
  ///   - quality: how much work.
  ///   - moments: which weights have second moments.
  ///   - name: of the tensor.
  ///   - shape: of the tensor.
  /// - Returns: what makes blocks so; anything else as it is.
  /// - Throws: what `SecondMomentChoice.method` throws.
  func made(
    with quality: QuantizationQuality, _ moments: SecondMomentChoice, _ name: String, _ shape: Shape
  ) throws(CheckpointError) -> TensorExpression {
    guard quality != .plain else { return self }
    let (operand, dtype, importance): (TensorExpression, DType, ColumnImportance?)
    switch self {
    case .cast(let values, let blocks) where blocks.isBlockQuantized:
      (operand, dtype, importance) = (values, blocks, nil)
    case .quantize(let values, let blocks, let method):
      (operand, dtype, importance) = (values, blocks, method.importance)
    default: return self
    }
    let method = try moments.method(
      QuantizationMethod(quality, importance: importance), name, shape,
      takes: dtype.takesErrorFeedback)
    return .quantize(operand, dtype, method)
  }
}
