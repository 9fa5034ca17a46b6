import FileContainers
import TensorModel

/// What a configuration says of a layer's codes, against their shapes and dtypes, where values can be taken all the same.
///
/// What keeps values from being taken is said where they are taken.
enum StoredClaims {
  enum Kind: CaseIterable { case width, group, strategy, type, activation }

  /// - Parameters:
  ///   - container: what the codes are of.
  ///   - module: with codes.
  ///   - settings: what the configuration says of quantization.
  /// - Returns: an error for each claim that isn't so.
  static func errors(
    _ container: any QuantizedContainer.Type, _ module: QuantizedModule,
    _ settings: QuantizationSettings
  ) -> [(Kind, CheckpointError)] {
    if container == GPTQ.self {
      guard let own = try? settings.ofGPTQ(module.name) else { return [] }
      return [
        groups(
          own["group_size"]?.integer, module.tensor(".g_idx"), module.tensor(".scales"),
          groupAxis: 0, module)
      ].compactMap { $0 }
    }
    if container == AWQ.self {
      guard let bits = settings["bits"]?.integer, bits != 4 else { return [] }
      return [(.width, module.otherWidth(".qweight", "bits", than: bits, stored: [4]))]
    }
    if container == BitsAndBytesBlocks.self || container == BitsAndBytesRows.self {
      return bitsAndBytes(container == BitsAndBytesBlocks.self ? 4 : 8, module, settings)
    }
    guard container == CompressedTensors.self, let groups = try? settings.groups?.get(),
      let scheme = try? groups.scheme(of: module.name)
    else { return [] }
    return compressed(module, scheme)
  }

  /// Groups of another size than there are scales for, where an index says which input is of which.
  private static func groups(
    _ said: Int?, _ index: TensorInfo?, _ scales: TensorInfo?, groupAxis: Int,
    _ module: QuantizedModule
  ) -> (Kind, CheckpointError)? {
    guard let said, let inputs = index?.shape.dimensions.first, let scales,
      scales.shape.rank == 2, inputs > 0
    else { return nil }
    let groups = scales.shape.dimensions[groupAxis]
    let size = said > 0 ? said : inputs
    guard groups > 0, (inputs - 1) / size + 1 != groups else { return nil }
    let part = String(scales.name.dropFirst(module.name.count))
    return (.group, module.otherGroups(part, than: said, inputs: inputs, groups: groups))
  }

  private static func bitsAndBytes(
    _ bits: Int, _ module: QuantizedModule, _ settings: QuantizationSettings
  ) -> [(Kind, CheckpointError)] {
    let key = "load_in_\(bits)bit"
    let other = "load_in_\(12 - bits)bit"
    if settings[other]?.boolean == true, settings[key]?.boolean != true {
      return [
        (
          .width,
          error(
            "codes of another width than the configuration says", module, ".weight",
            expected: "'\(other)': true", found: "codes of \(bits) bits")
        )
      ]
    }
    let said = settings["bnb_4bit_quant_type"]?.text
    guard bits == 4, let said, ["nf4", "fp4"].contains(said),
      let state = ["nf4", "fp4"].first(where: {
        module.tensor(".weight.quant_state.bitsandbytes__\($0)") != nil
      }), state != said
    else { return [] }
    return [
      (
        .type,
        error(
          "codes of another type than the configuration says", module, ".weight",
          expected: "'bnb_4bit_quant_type': \"\(said)\"", found: state)
      )
    ]
  }

  private static func compressed(
    _ module: QuantizedModule, _ scheme: CompressedGroups.Scheme
  ) -> [(Kind, CheckpointError)] {
    [codes(module, scheme), strategy(module, scheme)].compactMap { $0 }
      + (scheme.strategy == "group"
        ? [
          groups(
            scheme.group, module.tensor(".weight_g_idx"), module.tensor(".weight_scale"),
            groupAxis: 1, module)
        ].compactMap { $0 } : [])
  }

  /// `type` and `num_bits` against the dtype of the codes; packed integers' width is told by their shape.
  private static func codes(
    _ module: QuantizedModule, _ scheme: CompressedGroups.Scheme
  ) -> (Kind, CheckpointError)? {
    let packed = module.tensor(".weight_packed")
    guard let tensor = packed ?? module.tensor(".weight") else { return nil }
    let (isFloat, bits): (Bool, Int?)
    switch (tensor.dtype, packed != nil) {
    case (.i32, true): (isFloat, bits) = (false, nil)
    case (.u8, true): (isFloat, bits) = (true, 4)
    // As such they hold whatever fits.
    case (.i8, false): (isFloat, bits) = (false, scheme.format == "naive-quantized" ? nil : 8)
    case (.f8e4m3, false), (.f8e5m2, false): (isFloat, bits) = (true, 8)
    default: return nil
    }
    let part = String(tensor.name.dropFirst(module.name.count))
    if let said = scheme.isFloat, said != isFloat {
      return (
        .type,
        error(
          "codes of another type than the configuration says", module, part,
          expected: "'type': \"\(said ? "float" : "int")\"",
          found: "\(isFloat ? "float" : "int"), \(tensor.dtype.rawValue)")
      )
    }
    guard let bits, bits != scheme.bits else { return nil }
    return (.width, module.otherWidth(part, "num_bits", than: scheme.bits, stored: [bits]))
  }

  /// `tensor` and `channel` against the number of scales; those of groups and blocks are compared where they are spread.
  private static func strategy(
    _ module: QuantizedModule, _ scheme: CompressedGroups.Scheme
  ) -> (Kind, CheckpointError)? {
    guard let scales = module.tensor(".weight_scale"),
      let codes = module.tensor(".weight_packed") ?? module.tensor(".weight"),
      codes.shape.rank > 1
    else { return nil }
    let rows = codes.shape.dimensions.dropLast()
    let (count, all) = (scales.shape.elementCount, rows.reduce(1, *))
    let stored: String
    switch scheme.strategy {
    // A stack of experts has one for each.
    case "tensor" where count == all && all > 1 && !(rows.count > 1 && count == rows.first):
      stored = "channel"
    case "channel" where count == 1 && all > 1: stored = "tensor"
    default: return nil
    }
    return (
      .strategy,
      error(
        "scales of another strategy than the configuration says", module, ".weight_scale",
        expected: "'strategy': \"\(scheme.strategy)\"",
        found: "\(stored), \(counted(count, "scale")) of \(counted(all, "row"))")
    )
  }

  private static func error(
    _ message: String, _ module: QuantizedModule, _ part: String, expected: String, found: String
  ) -> CheckpointError {
    CheckpointError(
      .malformed, message, tensor: module.name + part, expected: expected, found: found,
      hint: "correct that in config.json, or use the configuration of these weights")
  }
}
