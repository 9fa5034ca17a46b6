import FileContainers
import TensorModel

// GPTQ (https://github.com/ModelCloud/GPTQModel): `qweight` I32 `[in · bits / 32, out]`, codes down the columns; `qzeros` I32 `[groups, out · bits / 32]`,
// along the rows; `scales` `[groups, out]`; `g_idx` I32 `[in]`, the group of each input. The first version stores zero points less one.
enum GPTQ: QuantizedContainer {
  static let method = "gptq"
  static let summary =
    "GPTQ, 2, 3, 4 and 8 bits, both versions of zero points, any order of groups (`desc_act`)"
  static let repacked =
    "symmetric ones in groups of neighbours as MLX's and compressed-tensors', in groups of 32 as GGUF's, bit for bit"
  static let markers = [".qweight", ".qzeros", ".g_idx"]
  static let parts = [".scales"]

  /// 5, 6 and 7 bits lie in planes, which nobody but their writer has.
  private static let widths = [2, 3, 4, 8]

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    let settings = try settings.ofGPTQ(module.name)
    let bits = try bits(settings, module)
    let codes = try module.part(".qweight")
    let zeros = try module.part(".qzeros")
    let scales = try module.part(".scales")
    guard codes.type.shape.rank == 2, scales.type.shape.rank == 2, zeros.type.shape.rank == 2 else {
      throw module.misfit(".qweight", "not a matrix", found: "\(codes.type.shape)")
    }
    let groups = scales.extents[0]
    let rows = codes.extents[0] * 32 / bits
    let index = try index(settings, module, rows: rows, groups: groups)
    guard zeros.extents[0] == groups else {
      throw module.misfit(
        ".qzeros", "not zero points for each group", expected: "\(groups) rows",
        found: "\(zeros.type.shape)")
    }
    let numbers = try codes.decodedDown(.unsigned(bits: bits), rows: rows)
    let code: PackedCode =
      try version(module, settings, bits) == .first ? .lessOne(bits: bits) : .unsigned(bits: bits)
    let offsets = try zeros.decoded(code, columns: scales.extents[1])
    let group = try index == nil ? group(settings, module, rows: rows, groups: groups) : 1
    func each(_ value: PackedValue) throws(CheckpointError) -> PackedValue {
      if let index { return try value.gathered(index) }
      return try value.spread(over: numbers.extents, block: [group, 1])
    }
    return try numbers.combined(.difference, each(offsets)).combined(.product, each(scales))
      .transposed()
  }

  /// The group of each input; nil where groups are of neighbours.
  private static func index(
    _ settings: QuantizationSettings, _ module: QuantizedModule, rows: Int, groups: Int
  ) throws(CheckpointError) -> PackedValue? {
    let isReordered = settings["desc_act"]?.boolean == true && groups > 1
    if module.tensor(".g_idx") == nil, !isReordered { return nil }
    let size = try? group(settings, module, rows: rows, groups: groups)
    return try module.groupIndex(".g_idx", count: rows, groups: groups, size: size)
  }

  /// How many inputs have a group's scale, where they lie one after the other; an index counts more than the configuration.
  private static func group(
    _ settings: QuantizationSettings, _ module: QuantizedModule, rows: Int, groups: Int
  ) throws(CheckpointError) -> Int {
    let said = settings["group_size"]?.integer
    let group = said.map { $0 > 0 ? $0 : rows } ?? (groups > 0 ? rows / groups : 0)
    guard group > 0, group < Int.max / 2, (rows + group - 1) / group == groups,
      said != nil || rows.isMultiple(of: group)
    else {
      if module.tensor(".g_idx") != nil, groups > 0, rows.isMultiple(of: groups) {
        return max(1, rows / groups)
      }
      throw module.otherGroups(".scales", than: said, inputs: rows, groups: groups)
    }
    return group
  }

  private static func bits(
    _ settings: QuantizationSettings, _ module: QuantizedModule
  ) throws(CheckpointError) -> Int {
    guard let bits = settings["bits"]?.integer, widths.contains(bits) else {
      throw CheckpointError(
        .unsupported, "codes of this width can't be read", tensor: module.name + ".qweight",
        expected: "'bits' of \(widths.map(String.init).joined(separator: ", "))",
        found: settings["bits"]?.shortText ?? "no 'bits' in 'quantization_config'",
        hint: "use the model's own config.json")
    }
    if let stored = storedBits(module), stored != bits {
      throw module.otherWidth(".qweight", "bits", than: bits, stored: [stored])
    }
    return bits
  }

  /// The width of codes by the zero points, of which each output has one in each group; nil where shapes don't say it.
  private static func storedBits(_ module: QuantizedModule) -> Int? {
    guard let words = module.tensor(".qzeros")?.shape.dimensions.last,
      let outputs = module.tensor(".scales")?.shape.dimensions.last, outputs > 0,
      words < Int(Int32.max), (words * 32).isMultiple(of: outputs)
    else { return nil }
    let bits = words * 32 / outputs
    return widths.contains(bits) ? bits : nil
  }

  // MARK: Zero points

  private static func said(_ settings: QuantizationSettings) -> ZeroPointVersion {
    (settings["checkpoint_format"]?.text ?? "gptq") == "gptq_v2" ? .second : .first
  }

  /// The version of a module's zero points: what symmetric files have tells it, whatever they say.
  private static func version(
    _ module: QuantizedModule, _ settings: QuantizationSettings, _ bits: Int
  ) throws(CheckpointError) -> ZeroPointVersion {
    let isSymmetric = settings["sym"]?.boolean ?? true
    return try isSymmetric
      ? ZeroPointVersion(symmetric: module, bits: bits) ?? said(settings) : said(settings)
  }

  static func examined(
    _ modules: [QuantizedModule], _ settings: QuantizationSettings
  ) throws(CheckpointError) -> (settings: QuantizationSettings, findings: [Finding]) {
    guard let bits = settings["bits"]?.integer, widths.contains(bits) else { return (settings, []) }
    // Those with settings of their own may have codes of another width.
    let modules = modules.filter { !settings.hasRule($0.name) }
    guard let first = modules.first else { return (settings, []) }
    let said = said(settings)
    var counted = settings
    if let stored = try ZeroPointVersion(asymmetric: modules, bits: bits), stored != said {
      counted["checkpoint_format"] = .string(stored.name)
    }
    var findings = try contradictions(modules, settings)
    let stored = try version(first, counted, bits)
    if said != stored {
      findings.append(
        Finding(
          .warning, "zero-points-of-other-version",
          "the configuration says \(said.name), the zero points are those of \(stored.name): what is stored counts",
          tensor: first.name + ".qzeros"))
    }
    return (counted, findings)
  }

  /// Where an index has groups in another order than the configuration says.
  private static func contradictions(
    _ modules: [QuantizedModule], _ settings: QuantizationSettings
  ) throws(CheckpointError) -> [Finding] {
    guard settings["desc_act"]?.boolean == false else { return [] }
    for module in modules where try isReordered(module, settings) {
      return [ContradictedSettings.order(module.name + ".g_idx")]
    }
    return []
  }

  /// Whether an index has groups in another order than that of the inputs.
  private static func isReordered(
    _ module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> Bool {
    guard let rows = module.tensor(".g_idx")?.shape.dimensions.first,
      let groups = module.tensor(".scales")?.shape.dimensions.first,
      let size = try? group(settings, module, rows: rows, groups: groups)
    else { return false }
    do throws(CheckpointError) {
      return try module.groupIndex(".g_idx", count: rows, groups: groups, size: size) != nil
    } catch {
      // What is wrong with it is said where values are taken.
      if error.code.isTransient { throw error }
      return false
    }
  }
}

extension ZeroPointVersion {
  /// As `checkpoint_format` spells it.
  fileprivate var name: String {
    switch self {
    case .first: "gptq"
    case .second: "gptq_v2"
    }
  }
}

// AWQ (https://github.com/casper-hansen/AutoAWQ, awq/modules/linear/gemm.py): `qweight` I32 `[in, out / 8]`, `qzeros` I32 `[groups, out / 8]`, `scales`
// `[groups, out]`; zero points as they are.
enum AWQ: QuantizedContainer {
  static let method = "awq"
  static let summary = "AWQ (`gemm`), 4 bits"
  static let markers = [".qweight", ".qzeros"]
  static let parts = [".scales"]

  static func recognises(_ module: QuantizedModule, _ settings: QuantizationSettings) -> Bool {
    guard let codes = module.tensor(".qweight") ?? module.tensor(".qzeros"),
      let scales = module.tensor(".scales"), codes.shape.rank == 2, scales.shape.rank == 2
    else { return false }
    return scales.shape.dimensions[1].quotientAndRemainder(dividingBy: 8) == (
      codes.shape.dimensions[1], 0
    )
      && module.tensor(".g_idx") == nil
  }

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    if let version = settings["version"]?.text, version.lowercased() != "gemm" {
      throw CheckpointError(
        .unsupported, "another layout of AWQ", file: "config.json", expected: "'version': gemm",
        found: version)
    }
    let scales = try module.part(".scales")
    let (groups, width) = (scales.extents[0], scales.extents[1])
    let numbers = try module.part(".qweight").decoded(.awq, columns: width)
    let offsets = try module.part(".qzeros").decoded(.awq, columns: width)
    let rows = numbers.extents[0]
    let said = settings["group_size"]?.integer
    guard groups > 0, rows.isMultiple(of: groups),
      said.map({ $0 <= 0 || $0 == rows / groups }) ?? true
    else { throw module.otherGroups(".scales", than: said, inputs: rows, groups: groups) }
    let group = rows / groups
    func each(_ value: PackedValue) throws(CheckpointError) -> PackedValue {
      try value.spread(over: numbers.extents, block: [group, 1])
    }
    return try numbers.combined(.difference, each(offsets)).combined(.product, each(scales))
      .transposed()
  }
}
