public import TensorModel

/// Weights that stand for others: codes with scales beside them, as other programs quantize.
///
/// They are told by dtypes and companions, whatever the configuration says.
/// Such tensors are copied as they are, or not at all: a cast scale or a code taken for a weight makes a model that talks nonsense.
public struct QuantizedWeights: Sendable {
  /// Names of the weights that stand for values, as the model has them: `model.layers.0.mlp.down_proj.weight`.
  public let weights: Set<ExactName>
  /// All tensors that belong to them: codes, scales, zero points, tables.
  public let parts: Set<ExactName>
  /// A companion that shows it, for messages.
  public let example: String
  /// What people call it, as far as the companions tell.
  public let method: String

  /// A kind of companion: how its name ends, after that of the weight or of its module.
  private struct Companion {
    let ending: String
    /// What replaces the ending to make the name of the weight.
    let weight: String
    let method: String
  }

  private static let companions: [Companion] = [
    Companion(ending: ".weight_scale_inv", weight: ".weight", method: "FP8 with block scales"),
    Companion(ending: ".SCB", weight: ".weight", method: "bitsandbytes (int8)"),
    Companion(ending: ".weight.absmax", weight: ".weight", method: "bitsandbytes (4 bits)"),
    Companion(ending: ".weight_packed", weight: ".weight", method: "compressed-tensors"),
    Companion(ending: ".weight_scale", weight: ".weight", method: "compressed-tensors or FP8"),
    Companion(ending: ".qweight", weight: ".weight", method: "GPTQ or AWQ"),
    Companion(ending: ".scales", weight: ".weight", method: "MLX"),
    Companion(ending: "_blocks", weight: "", method: "MXFP4"),
  ]

  /// How names of parts end, after that of the weight's module.
  private static let endings = [
    ".weight", ".weight_scale_inv", ".weight_scale", ".weight_scale_2", ".weight_zero_point",
    ".weight_global_scale", ".weight_packed", ".weight_shape", ".weight_g_idx", ".weight_format",
    ".input_scale", ".input_zero_point", ".input_global_scale", ".output_scale", ".SCB",
    ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map",
    ".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4",
    ".qweight", ".qzeros", ".scales", ".g_idx", ".biases", ".k_scale", ".v_scale",
  ]

  /// Looks through the names and dtypes of a checkpoint's tensors; nil if there is nothing of the kind.
  ///
  /// - Parameters:
  ///   - tensors: of the checkpoint.
  ///   - besidesMXFP4: whether blocks of MXFP4 are something that the model's family has anyway.
  init?(_ tensors: [TensorInfo], besidesMXFP4: Bool) {
    // Few checkpoints have any: all names are looked at closely only where one has a companion's ending.
    func companion(_ name: String) -> Companion? {
      Self.companions.first {
        name.hasSuffix($0.ending) && !(besidesMXFP4 && $0.method == "MXFP4")
      }
    }
    guard tensors.contains(where: { companion($0.name) != nil }) else { return nil }
    let types = Dictionary(
      tensors.map { (ExactName($0.name), $0.dtype) }, uniquingKeysWith: { first, _ in first })
    var weights: Set<ExactName> = []
    var parts: Set<ExactName> = []
    var first: (name: String, method: String)?
    for tensor in tensors {
      guard let companion = companion(tensor.name) else { continue }
      let stem = String(tensor.name.dropLast(companion.ending.count))
      let partNames =
        companion.weight.isEmpty
        ? ["_blocks", "_scales"].map { stem + $0 } : Self.endings.map { stem + $0 }
      let found = partNames.map { ExactName($0) }.filter { types[$0] != nil }
      guard found.count > 1,
        companion.method != "MLX" || types[ExactName("\(stem).weight")] == .u32
      else { continue }
      weights.insert(ExactName(stem + companion.weight))
      parts.formUnion(found)
      first = first ?? (tensor.name, companion.method)
    }
    guard let first else { return nil }
    self.weights = weights
    self.parts = parts
    example = first.name
    method = first.method
  }

  /// What is said of them.
  var finding: Finding {
    Finding(
      .note, "quantized-weights",
      "\(counted(weights.count, "weight")) quantized by \(method): codes and scales stay as they are",
      tensor: example)
  }

  /// The error where values are needed.
  ///
  /// - Parameter hint: what can be done instead.
  /// - Returns: the error.
  public func refusal(hint: String) -> CheckpointError {
    CheckpointError(
      .unsupported,
      "the values of \(counted(weights.count, "weight")) quantized by \(method) can't be taken yet",
      tensor: example, expected: "float weights", found: "codes with scales beside them",
      hint: hint)
  }
}
