import FileContainers
import ModelArchitectures
import Quantization
import TensorModel

/// Which types the weights of a GGUF file get where they are quantized.
struct GGUFTypes {
  private let request: QuantizationRequest
  private let rules: QuantizationRules

  /// Types for a model.
  ///
  /// - Parameters:
  ///   - request: the scheme and what it is to leave to others.
  ///   - graph: of the model.
  ///   - hasHead: whether the head has weights of its own in the file.
  /// - Throws: `usage` for a scheme that needs importances where there are none.
  init(
    _ request: QuantizationRequest, _ graph: GGUFGraph, hasHead: Bool
  ) throws(CheckpointError) {
    if request.scheme == .q2KS && request.importance == nil {
      throw CheckpointError(
        .usage, "\(request.scheme.name) is of no use without an importance matrix",
        hint: "name one by --imatrix, or choose --scheme q2_k")
    }
    self.request = request
    let configuration = graph.configuration
    rules = QuantizationRules(
      request,
      QuantizationRules.Model(
        graph.table, layers: configuration.dimensions.layers,
        queriesPerKey: configuration.heads / max(1, configuration.keyHeads), hasHead: hasHead,
        experts: configuration.dimensions.experts))
  }

  /// The type of a tensor, and why.
  ///
  /// - Throws: `usage` for a pattern that takes too long.
  func choice(
    _ name: String, _ role: DecoderRole, layer: Int?, _ shape: Shape
  ) throws(CheckpointError) -> TypeChoice {
    try rules.choice(name, role, layer: layer, shape)
  }
}
