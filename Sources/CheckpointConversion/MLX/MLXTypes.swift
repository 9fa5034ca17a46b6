import ModelArchitectures
import Quantization
import TensorModel

/// Which types the weights of a checkpoint for MLX get: all matrices the scheme's whose rows fill its groups, as mlx-lm has it.
struct MLXTypes {
  private let request: QuantizationRequest
  private let hasHead: Bool

  /// Types for a model.
  ///
  /// - Parameters:
  ///   - request: the scheme and what is to be different.
  ///   - hasHead: whether the head has weights of its own in the file.
  init(_ request: QuantizationRequest, hasHead: Bool) {
    self.request = request
    self.hasHead = hasHead
  }

  /// The type of a tensor, and why.
  ///
  /// - Parameters:
  ///   - name: what the family calls it.
  ///   - written: its name in the file.
  ///   - role: what it does.
  ///   - type: as it would be without being quantized.
  /// - Returns: the type, and why.
  /// - Throws: `usage` for a pattern that takes too long.
  func choice(
    _ name: String, _ written: String, _ role: DecoderRole, _ type: TensorType
  ) throws(CheckpointError) -> TypeChoice {
    if let exact = request.exactTypes[ExactName(written)] {
      return TypeChoice(exact, wanted: exact, .requested)
    }
    guard type.shape.rank == 2, Self.isModule(role), type.dtype.isCastable else {
      return .unquantized(type.dtype)
    }
    let (wanted, reason) = try wanted(name, written, role)
    guard case .packed(let format) = wanted else {
      return TypeChoice(wanted, wanted: wanted, reason)
    }
    let fits = format.type(ofRows: type) != nil
    return TypeChoice(fits ? wanted : .dtype(type.dtype), wanted: wanted, reason)
  }

  /// Linear layers and embeddings, those of positions too.
  private static func isModule(_ role: DecoderRole) -> Bool {
    switch role {
    case .tokenEmbedding, .positionEmbedding, .weight: true
    default: false
    }
  }

  private func wanted(
    _ name: String, _ written: String, _ role: DecoderRole
  ) throws(CheckpointError) -> (WeightType, TypeChoice.Reason) {
    let isHead = role.projection == .head || role == .tokenEmbedding && !hasHead
    if isHead, let type = request.outputType { return (type, .requested) }
    // Reports list what the family calls a tensor.
    let names = name == written ? [name] : [name, written]
    for override in request.overrides {
      for name in names where try override.pattern.matches(name) {
        return (override.type, .requested)
      }
    }
    return (request.scheme.type, .scheme)
  }
}
