import FileContainers
import TensorModel

// MLX (https://github.com/ml-explore/mlx, mlx/ops.cpp: quantize): groups of 32, 64 or 128 in a row share a scale and an offset, of 32 or 16 a scale.
// `weight` U32 `[…, out, in · bits / 32]`, `scales` and `biases` `[…, out, in / group]`; scales of the float modes are U8 and have no offsets.
enum MLXGroups: QuantizedContainer {
  static let method = "mlx"
  static let summary = "MLX: affine of 1 to 8 bits, mxfp4, nvfp4, mxfp8, a setting for each layer"
  static let repacked =
    "mxfp4, mxfp8, nvfp4 and affine codes that are symmetric as compressed-tensors', mxfp4 and affine codes in groups of 32 as GGUF's, bit for bit"
  // As mlx-lm looks for it (mlx_lm/utils.py: load_model).
  static let configurationKeys = [MLXFormat.quantizationKey, "quantization_config"]
  static let markers = [".scales", ".biases"]
  static let parts = [".weight"]

  /// Those of mlx.core.quantize.
  private static let groupSizes = [16, 32, 64, 128]

  static func recognises(_ module: QuantizedModule, _ settings: QuantizationSettings) -> Bool {
    // GPTQ and AWQ have scales of the same name, beside other codes.
    module.tensor(".weight").map { $0.dtype == .u32 }
      ?? (settings["group_size"] != nil && module.tensor(".qweight") == nil
        && module.tensor(".qzeros") == nil)
  }

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    // A module's own entry counts, then the model's.
    let own = settings[module.name].flatMap { $0.members == nil ? nil : $0 }
    let mode = own?["mode"]?.text ?? settings["mode"]?.text ?? "affine"
    guard let group = (own ?? settings.document)?["group_size"]?.integer,
      let bits = (own ?? settings.document)?["bits"]?.integer, (1...1024).contains(group)
    else {
      throw CheckpointError(
        .missing, "the configuration doesn't say how the weight is quantized",
        tensor: module.name + ".weight", expected: "'quantization': group_size and bits",
        hint: "use the model's own config.json")
    }
    let stored = try module.part(".weight")
    let scales = try module.part(".scales")
    guard let groupCount = scales.extents.last, stored.type.dtype == .u32,
      scales.type.shape.rank == stored.type.shape.rank, stored.type.shape.rank > 1
    else {
      throw module.misfit(
        ".scales", "scales that don't fit the codes", expected: "as many extents, U32 codes",
        found: "\(scales.type.shape) for \(stored.type.dtype.rawValue) \(stored.type.shape)")
    }
    let (columns, overflow) = groupCount.multipliedReportingOverflow(by: group)
    if overflow {
      throw module.misfit(
        ".scales", "more groups than there are codes", found: "\(scales.type.shape)")
    }
    let inputs = (stored.extents.last ?? 0) * 32 / max(1, bits)
    if columns != inputs, groupCount > 0, inputs.isMultiple(of: groupCount),
      groupSizes.contains(inputs / groupCount)
    {
      throw module.otherGroups(".scales", than: group, inputs: inputs, groups: groupCount)
    }
    let code: PackedCode
    switch (mode, bits) {
    case ("affine", 1...8): code = .unsigned(bits: bits)
    case ("mxfp4", 4), ("nvfp4", 4): code = .fp4
    case ("mxfp8", 8): code = .e4m3
    default:
      throw CheckpointError(
        .unsupported, "no such mode of MLX is known", tensor: module.name + ".weight",
        expected: "affine, mxfp4, nvfp4 or mxfp8", found: "\(mode) of \(bits) bits")
    }
    let numbers = try stored.asMatrix().decoded(code, columns: columns)
    func spread(_ value: PackedValue) throws(CheckpointError) -> PackedValue {
      try value.spread(over: numbers.extents, block: [1, group])
    }
    let factors = try scales.asMatrix()
    let whole = stored.extents.dropLast() + [columns]
    if mode == "affine" {
      let offsets = try module.part(".biases").asMatrix()
      let scaled = try numbers.combined(.product, spread(factors))
      let sum = try PackedValue.step([scaled, spread(offsets)]) { .sum($0) }
      return try sum.reshaped(Array(whole))
    }
    let exponents = try factors.decoded(mode == "nvfp4" ? .e4m3 : .e8m0, columns: groupCount)
    return try numbers.combined(.product, spread(exponents)).reshaped(Array(whole))
  }
}
