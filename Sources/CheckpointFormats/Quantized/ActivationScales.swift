import FileContainers
import TensorModel

/// Scales of what a quantized layer is given: programs that round activations need them, and weights can be read without.
public enum ActivationScales {
  /// What they are called, by what they belong to.
  static let endings = [
    ".input_scale", ".input_global_scale", ".activation_scale", ".output_scale",
  ]

  /// Whether a tensor of that name is one, if it belongs to quantized weights.
  public static func isOne(_ name: String) -> Bool { endings.contains(where: name.hasSuffix) }

  /// What is wrong with those of a layer.
  ///
  /// - Parameters:
  ///   - container: what its codes are of.
  ///   - module: the layer.
  ///   - settings: what the configuration says of quantization.
  ///   - isUsual: whether other layers with such codes have them, where the configuration doesn't say.
  /// - Returns: an error with the code `missing` for one that isn't there, `malformed` for one that can't be one; nil if they are right.
  static func error(
    _ container: any QuantizedContainer.Type, _ module: QuantizedModule,
    _ settings: QuantizationSettings, isUsual: Bool
  ) -> CheckpointError? {
    let (names, reason) = wanted(container, module, settings, isUsual: isUsual)
    if let first = names.first, !names.contains(where: { module.tensor($0) != nil }) {
      return CheckpointError(
        .missing, "the scale of a layer's activations isn't there, and \(reason)",
        tensor: module.name + first,
        hint: "the file is incomplete, or was changed: get it again")
    }
    for ending in endings {
      guard let tensor = module.tensor(ending) else { continue }
      if !tensor.dtype.isCastable, tensor.dtype != .f8e4m3 {
        return module.misfit(
          ending, "not a scale of activations", expected: "a float",
          found: "\(tensor.dtype.rawValue) \(tensor.shape)")
      }
      if tensor.shape.elementCount == 0 {
        return module.misfit(
          ending, "not a scale of activations", expected: "one scale", found: "\(tensor.shape)")
      }
    }
    return nil
  }

  /// The names of which a layer must have one, and why.
  private static func wanted(
    _ container: any QuantizedContainer.Type, _ module: QuantizedModule,
    _ settings: QuantizationSettings, isUsual: Bool
  ) -> (names: [String], reason: String) {
    if container == CompressedTensors.self {
      switch try? settings.groups?.get().scheme(of: module.name)?.activations {
      case .global: return ([".input_global_scale"], "the configuration says that there is one")
      case .fixed: return ([".input_scale"], "the configuration says that it is fixed")
      case nil: return ([], "")
      }
    }
    guard
      container == ScaledFP8.self || container == ScaledBlocksFP8.self
        || container == ModelOptNVFP4.self
    else { return ([], "") }
    let names = [".input_scale", ".activation_scale"]
    if settings["activation_scheme"]?.text == "static" {
      return (names, "'activation_scheme' is \"static\"")
    }
    let isSaid = settings["activation_scheme"] != nil
    return isUsual && !isSaid ? (names, "other layers have one") : ([], "")
  }
}
