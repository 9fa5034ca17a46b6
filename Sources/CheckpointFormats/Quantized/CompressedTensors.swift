import FileContainers
import TensorModel

// compressed-tensors (https://github.com/vllm-project/compressed-tensors), as vLLM and transformers load it. `config_groups` says which scheme a
// module has; the formats are told apart by their name there.
enum CompressedTensors: QuantizedContainer {
  static let method = "compressed-tensors"
  static let summary =
    "compressed-tensors: `pack-`, `int-`, `float-`, `naive-`, `nvfp4-pack-`, `mxfp4-pack-`, "
    + "`mxfp8-quantized`, mixed groups"
  static let repacked =
    "mxfp4, mxfp8 and symmetric integers with scales of 16 bits as MLX's, in groups of 32 as GGUF's, bit for bit"
  static let markers = [
    ".weight_packed", ".weight_scale", ".weight_shape", ".weight_zero_point",
    ".weight_global_scale", ".weight_g_idx",
  ]
  static let parts = [
    ".weight", ".input_scale", ".input_zero_point", ".input_global_scale", ".output_scale",
  ]

  static func recognises(_ module: QuantizedModule, _ settings: QuantizationSettings) -> Bool {
    // A scale beside 8-bit floats is also what others write; the configuration decides, where there is one.
    settings.method == method
      || [".weight_packed", ".weight_shape", ".weight_global_scale"].contains {
        module.tensor($0) != nil
      }
  }

  private typealias Scheme = CompressedGroups.Scheme

  private static func scheme(
    _ settings: QuantizationSettings, _ module: QuantizedModule
  ) throws(CheckpointError) -> Scheme {
    if let place = settings.transformedPlace {
      throw CheckpointError(
        .unsupported, "a model that turns what its layers are given can't be read",
        file: "config.json", tensor: module.name + ".weight",
        expected: "no 'location' but weight_input and weight_output in 'transform_config'",
        found: place, hint: "have it quantized without transforms, or with those of weights only")
    }
    guard let scheme = try settings.groups?.get().scheme(of: module.name) else {
      throw CheckpointError(
        .malformed, "the configuration doesn't say how the weight is quantized",
        file: "config.json", tensor: module.name + ".weight",
        expected: "a group in 'config_groups' whose targets it is one of",
        hint: "use the model's own config.json")
    }
    return scheme
  }

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    let scheme = try scheme(settings, module)
    switch scheme.format {
    case "pack-quantized": return try packed(module, scheme)
    case "nvfp4-pack-quantized", "mxfp4-pack-quantized": return try floats(module, scheme)
    case "int-quantized", "float-quantized", "naive-quantized", "mxfp8-quantized":
      return try plain(module, scheme)
    default:
      throw CheckpointError(
        .unsupported, "a format of compressed-tensors that can't be read", file: "config.json",
        tensor: module.name + ".weight",
        expected:
          "pack-, int-, float-, naive-, nvfp4-pack-, mxfp4-pack- or mxfp8-quantized",
        found: scheme.format)
    }
  }

  /// Values of a group's scales for every column; `index` names the group of each.
  private static func spread(
    _ values: PackedValue, _ scheme: Scheme, over whole: [Int], index: PackedValue?,
    of module: QuantizedModule
  ) throws(CheckpointError) -> PackedValue {
    if let index {
      return try values.asMatrix().transposed().gathered(index).transposed()
    }
    switch scheme.strategy {
    case "group", "tensor_group":
      guard let group = scheme.group, group > 0 else {
        throw CheckpointError(
          .malformed, "groups without a size", file: "config.json",
          expected: "'group_size' in 'config_groups'", hint: "use the model's own config.json")
      }
      if let columns = whole.last, let groups = values.extents.last, groups > 0,
        (columns - 1) / group + 1 != groups
      {
        throw module.otherGroups(".weight_scale", than: group, inputs: columns, groups: groups)
      }
      return try values.asMatrix().spread(over: whole, block: [1, group])
    case "block":
      guard let block = scheme.block else {
        throw CheckpointError(
          .malformed, "blocks without a size", file: "config.json",
          expected: "'block_structure' in 'config_groups'", hint: "use the model's own config.json")
      }
      return try ScaledCodes.spread(values, over: whole, block: block)
    default: return try ScaledCodes.spread(values, over: whole, block: nil)
    }
  }

  /// Integers packed in 32-bit words along the rows; zero points likewise down the columns.
  private static func packed(
    _ module: QuantizedModule, _ scheme: Scheme
  ) throws(CheckpointError) -> PackedValue {
    let codes = try module.part(".weight_packed")
    guard let bytes = try module.bytes(of: ".weight_shape", limit: 64),
      let extents = Self.extents(bytes, module.tensor(".weight_shape")?.dtype),
      codes.type.shape.rank == 2, codes.extents[0] == extents[0]
    else {
      throw module.misfit(
        ".weight_shape", "not the shape of the codes", expected: "two extents",
        found: "\(codes.type.shape)")
    }
    // Larger extents can't be right, and are told below.
    let columns = min(max(0, extents[1]), Int(Int32.max))
    let fitting = (1...8).filter { (columns * $0 + 31) / 32 == codes.extents[1] }
    if !fitting.isEmpty, !fitting.contains(scheme.bits) {
      throw module.otherWidth(".weight_packed", "num_bits", than: scheme.bits, stored: fitting)
    }
    var numbers = try codes.decoded(.excess(bits: scheme.bits), columns: extents[1])
    let scales = try module.part(".weight_scale")
    let index = try index(module, scheme, of: extents[1], groups: scales.extents.last ?? 1)
    if !scheme.isSymmetric {
      // Those of a whole tensor aren't packed.
      let zeros =
        try module.tensor(".weight_zero_point")?.dtype == .i8
        ? ScaledCodes.numbers(".weight_zero_point", of: module)
        : module.part(".weight_zero_point").asMatrix()
          .decodedDown(.excess(bits: scheme.bits), rows: extents[0])
      numbers = try numbers.combined(
        .difference, spread(zeros, scheme, over: extents, index: index, of: module))
    }
    return try numbers.combined(
      .product, spread(scales, scheme, over: extents, index: index, of: module))
  }

  // MARK: What contradicts itself

  static func examined(
    _ modules: [QuantizedModule], _ settings: QuantizationSettings
  ) throws(CheckpointError) -> (settings: QuantizationSettings, findings: [Finding]) {
    var ignored: [QuantizedModule] = []
    for module in modules where module.tensor(".weight_zero_point") != nil {
      // What is wrong with the groups is said where values are taken.
      guard let groups = try? settings.groups?.get(),
        let scheme = try? groups.scheme(of: module.name), scheme.isSymmetric,
        try hasZeroPoints(module, bits: scheme.bits)
      else { continue }
      ignored.append(module)
    }
    guard let first = ignored.first else { return (settings, []) }
    let finding = Finding(
      .warning, "zero-points-ignored",
      "\(counted(ignored.count, "weight")) \(ignored.count == 1 ? "has" : "have") zero points beside them, and the configuration says that codes are symmetric: they aren't subtracted, as compressed-tensors and vLLM don't",
      tensor: first.name + ".weight_zero_point")
    return (settings, [finding])
  }

  /// Whether the first zero points of a module are others than 0, which stands as half the range where they are packed.
  private static func hasZeroPoints(
    _ module: QuantizedModule, bits: Int
  ) throws(CheckpointError) -> Bool {
    let part = ".weight_zero_point"
    let bytes = try module.head(of: part, byteCount: 3 << 10)
    guard let tensor = module.tensor(part), tensor.dtype == .i32 else {
      return bytes.contains { $0 != 0 }
    }
    let columns = max(1, tensor.shape.dimensions.last ?? 1)
    return (0..<columns).contains { column in
      let fields = CodeFields(bytes, bits: bits, column: column, of: columns)
      // The last word of a column is filled up with 0.
      return (0..<fields.count).contains { fields[$0] != 0 && fields[$0] != 1 << (bits - 1) }
    }
  }

  /// The group of each column; nil where groups are of neighbours, and where the library left all of them unset.
  private static func index(
    _ module: QuantizedModule, _ scheme: Scheme, of columns: Int, groups: Int
  ) throws(CheckpointError) -> PackedValue? {
    let part = ".weight_g_idx"
    if module.tensor(part) == nil, !scheme.isReordered { return nil }
    return try module.groupIndex(
      part, count: columns, groups: groups, size: scheme.strategy == "group" ? scheme.group : nil,
      unset: -1)
  }

  private static func extents(_ bytes: [UInt8], _ dtype: DType?) -> [Int]? {
    guard dtype == .i64 || dtype == .i32, let width = dtype?.blockByteCount,
      bytes.count == 2 * width
    else { return nil }
    let extents = [0, 1].map { place in
      let value = (0..<width).reduce(into: UInt64(0)) {
        $0 |= UInt64(bytes[place * width + $1]) << (8 * UInt64($1))
      }
      return width == 8
        ? Int(Int64(bitPattern: value)) : Int(Int32(truncatingIfNeeded: value))
    }
    return extents.allSatisfy { $0 > 0 } ? extents : nil
  }

  /// 4-bit floats, two to a byte: with powers of two, or with scales of E4M3 that are first divided by the tensor's.
  private static func floats(
    _ module: QuantizedModule, _ scheme: Scheme
  ) throws(CheckpointError) -> PackedValue {
    let codes = try module.part(".weight_packed")
    guard codes.type.shape.rank == 2 else {
      throw module.misfit(".weight_packed", "not a matrix", found: "\(codes.type.shape)")
    }
    let numbers = try codes.decoded(.fp4, columns: codes.extents[1] * 2)
    let stored = try module.part(".weight_scale").asMatrix()
    let isMX = scheme.format.hasPrefix("mx")
    var scales = try stored.decoded(isMX ? .e8m0 : .e4m3, columns: stored.extents[1])
    if !isMX {
      let all = try module.part(".weight_global_scale").reshaped([1, 1])
        .spread(over: scales.extents, block: scales.extents.map { max(1, $0) })
      scales = try scales.combined(.quotient, all)
    }
    return try numbers.combined(
      .product, spread(scales, scheme, over: numbers.extents, index: nil, of: module))
  }

  /// Codes of a byte in their own tensor.
  private static func plain(
    _ module: QuantizedModule, _ scheme: Scheme
  ) throws(CheckpointError) -> PackedValue {
    var numbers = try ScaledCodes.numbers(".weight", of: module)
    if !scheme.isSymmetric {
      let zeros = try ScaledCodes.numbers(".weight_zero_point", of: module)
      numbers = try numbers.combined(
        .difference, spread(zeros, scheme, over: numbers.extents, index: nil, of: module))
    }
    let scales = try ScaledCodes.scales(".weight_scale", of: module)
    return try numbers.combined(
      .product, spread(scales, scheme, over: numbers.extents, index: nil, of: module)
    ).reshaped(try module.part(".weight").extents)
  }
}
