import ModelArchitectures
import Quantization
import TensorModel

/// Which types the weights of a checkpoint for vLLM get: linear layers the scheme's whose rows fill its groups, but not the head, nor what chooses experts.
struct CompressedTensorsTypes {
  private let request: QuantizationRequest

  /// Types for a request.
  init(_ request: QuantizationRequest) { self.request = request }

  /// Whether a weight belongs to a linear layer, which targets of a configuration can mean.
  static func isLinear(_ role: DecoderRole) -> Bool {
    if case .weight(_, .outIn) = role { true } else { false }
  }

  /// The type of a tensor, and why.
  ///
  /// - Parameters:
  ///   - name: its name.
  ///   - role: what it does; nil where that isn't known.
  ///   - type: as it would be without being quantized.
  /// - Returns: the type, and why.
  /// - Throws: `usage` for a pattern that takes too long.
  func choice(
    _ name: String, _ role: DecoderRole?, _ type: TensorType
  ) throws(CheckpointError) -> TypeChoice {
    if let exact = request.exactTypes[ExactName(name)],
      exact.fits(columns: type.shape.dimensions.last ?? 1)
    {
      return TypeChoice(exact, wanted: exact, .requested)
    }
    guard let role, type.shape.rank == 2, type.dtype.isCastable else {
      return .unquantized(type.dtype)
    }
    guard Self.isLinear(role) else {
      // No codes, but floats that have more bits, or fewer.
      if [.tokenEmbedding, .positionEmbedding].contains(role), let asked = try override(name),
        !asked.isQuantized
      {
        return TypeChoice(asked, wanted: asked, .requested)
      }
      return .unquantized(type.dtype)
    }
    guard let (wanted, reason) = try wanted(name, role) else { return .unquantized(type.dtype) }
    let fits = type.shape.dimensions[0] > 0 && wanted.fits(columns: type.shape.dimensions[1])
    return TypeChoice(fits ? wanted : .dtype(type.dtype), wanted: wanted, reason)
  }

  private func wanted(
    _ name: String, _ role: DecoderRole
  ) throws(CheckpointError) -> (WeightType, TypeChoice.Reason)? {
    if role.projection == .head, let type = request.outputType { return (type, .requested) }
    if let type = try override(name) { return (type, .requested) }
    return [.head, .router].contains(role.projection) ? nil : (request.scheme.type, .scheme)
  }

  /// What `--tensor-type` says of a tensor.
  private func override(_ name: String) throws(CheckpointError) -> WeightType? {
    for override in request.overrides where try override.pattern.matches(name) {
      return override.type
    }
    return nil
  }
}
