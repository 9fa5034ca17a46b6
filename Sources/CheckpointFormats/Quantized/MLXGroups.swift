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

  /// Those of mlx.core.quantize, group sizes and widths.
  private static let affine = [32, 64, 128].flatMap { group in
    [1, 2, 3, 4, 5, 6, 8].map { (mode: "affine", group: group, bits: $0) }
  }
  private static let floats = [
    (mode: "mxfp4", group: 32, bits: 4), (mode: "nvfp4", group: 16, bits: 4),
    (mode: "mxfp8", group: 32, bits: 8),
  ]

  /// The error about codes and scales that can't be what the configuration says; nil where no other settings fit them either.
  ///
  /// Both shapes together tell the product of group and width: every pair that has it is named.
  private static func otherSettings(
    _ module: QuantizedModule, _ mode: String, _ bits: Int, _ group: Int, _ codes: [Int],
    _ scales: PackedValue
  ) -> CheckpointError? {
    let (words, groups) = (codes.last ?? 0, scales.extents.last ?? 0)
    guard groups > 0, words < Int(Int32.max), (words * 32).isMultiple(of: groups) else {
      return nil
    }
    let known = scales.type.dtype == .u8 ? floats : affine
    let fitting = known.filter { $0.group * $0.bits == words * 32 / groups }
    guard !fitting.isEmpty else { return nil }
    let own = fitting.filter { $0.mode == mode }
    let advice =
      own.filter { $0.bits == bits }.map { "'group_size' in config.json to \($0.group)" }
      + own.filter { $0.group == group }.map { "'bits' in config.json to \($0.bits)" }
    let correction = advice.isEmpty ? "" : "correct \(advice.joined(separator: ", or ")), or "
    return CheckpointError(
      .malformed, "codes and scales of other bits or groups than the configuration says",
      tensor: module.name + ".weight",
      expected: "\(mode), 'bits': \(bits), 'group_size': \(group)",
      found: fitting.map { "\($0.mode), \($0.bits) bits in groups of \($0.group)" }
        .joined(separator: "; or "),
      hint: correction + "use the configuration of these weights")
  }

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
    if columns != inputs,
      let error = otherSettings(module, mode, bits, group, stored.extents, scales)
    {
      throw error
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
