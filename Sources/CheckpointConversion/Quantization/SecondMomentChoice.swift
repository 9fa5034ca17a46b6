import Quantization
import Synchronization
import TensorEvaluation
import TensorModel

/// Which weights are quantized with second moments of their inputs, where `--quality max` is asked for: those that have some, in formats whose codes are free.
final class SecondMomentChoice: Sendable {
  private let file: SecondMomentFile?
  private let resources: EvaluationResources
  /// Whether the file has been found to have moments of some weight.
  private let isOfModel = Mutex(false)

  /// - Parameters:
  ///   - request: with the quality and the file.
  ///   - resources: with the memory that factors must fit into.
  /// - Throws: `usage` where the quality needs a file that isn't given.
  init(
    _ request: QuantizationRequest?, _ resources: EvaluationResources
  ) throws(CheckpointError) {
    self.resources = resources
    guard let request, request.quality == .max else {
      file = nil
      return
    }
    guard let moments = request.moments else {
      throw CheckpointError(
        .usage, "--quality max needs the second moments of layers' inputs",
        hint: "make them with weighbridge importance --hessian, and name the file by --hessian")
    }
    file = moments
  }

  /// A method with second moments in the stead of one without.
  ///
  /// - Parameters:
  ///   - method: of the quality that is asked for.
  ///   - name: of the weight in a GGUF file of the model; nil where it has none.
  ///   - shape: of the weight.
  ///   - takes: whether the format's codes are free, for rows of so many columns.
  /// - Returns: the method, of quality `best` where the weight has no moments or the format doesn't take them.
  /// - Throws: `usage` for moments of another number of columns, and for more than memory has room for.
  func method(
    _ method: QuantizationMethod, _ name: String?, _ shape: Shape, takes: (Int) -> Bool
  ) throws(CheckpointError) -> QuantizationMethod {
    guard method.quality == .max else { return method }
    let columns = shape.dimensions.last ?? 0
    let best = QuantizationMethod(.best, importance: method.importance)
    guard let file, let name, shape.rank == 2,
      let moments = try file.moments(of: name, columns: columns)
    else { return best }
    isOfModel.withLock { $0 = true }
    guard takes(columns) else { return best }
    let limit = resources.factorByteCount
    guard MomentFactors.byteCount(columns: columns) <= limit else {
      throw MomentFactors.tooLarge(columns: columns, limit: limit).in(tensor: name)
    }
    return QuantizationMethod(.max, importance: method.importance, moments: moments)
  }

  /// Weights that are quantized without; whether the file is of any use.
  ///
  /// - Parameter weights: names and expressions of all that are quantized.
  /// - Returns: findings.
  /// - Throws: `usage` if it has nothing for any weight.
  func findings(
    _ weights: [(name: String, expression: TensorExpression)]
  ) throws(CheckpointError) -> [Finding] {
    guard let file else { return [] }
    let methods = weights.compactMap { weight in
      weight.expression.method.map { (weight.name, $0) }
    }
    let without = methods.filter { $0.1.moments == nil }
    guard let first = without.first else { return [] }
    guard isOfModel.withLock({ $0 }) else {
      throw CheckpointError(
        .usage, "the file has second moments for no weight that is quantized",
        file: file.fileName, expected: "some for the inputs of \(first.0)",
        found: file.names.first.map { "those of \($0)" } ?? "none",
        hint: "it must be of the same model: make one with weighbridge importance --hessian")
    }
    return [
      Finding(
        without.count < methods.count ? .note : .warning, "moments-missing",
        "\(without.count) of \(methods.count) tensors are quantized as by --quality best: they have no second moments, or a type whose codes aren't free",
        tensor: first.0)
    ]
  }
}

extension ConversionPlan {
  /// Bytes of the factors of all second moments that weights are quantized with; memory may hold some of them at a time.
  public var factorByteCount: Int {
    var origins: Set<String> = []
    return groups.reduce(0) { sum, group in
      guard let moments = group.expression.method?.moments,
        origins.insert(moments.origin).inserted
      else { return sum }
      return sum + MomentFactors.byteCount(columns: moments.columnCount)
    }
  }
}

extension TensorExpression {
  /// How blocks or codes are made, where some are, other than the format's own way.
  fileprivate var method: QuantizationMethod? {
    switch self {
    case .quantize(_, _, let method), .pack(_, _, let method): method
    default: nil
    }
  }
}
