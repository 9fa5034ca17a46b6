import FileContainers
import TensorModel

/// Codes with scales of the whole tensor, of rows, or of blocks.
enum ScaledCodes {
  /// The codes' numbers, F32; 8-bit floats and signed bytes.
  ///
  /// - Throws: `unsupported` for other dtypes.
  static func numbers(
    _ part: String, of module: QuantizedModule
  ) throws(CheckpointError) -> PackedValue {
    let stored = try module.part(part)
    let code: PackedCode
    switch stored.type.dtype {
    case .f8e4m3: code = .e4m3
    case .f8e5m2: code = .e5m2
    case .i8: code = .int8
    default:
      throw CheckpointError(
        .unsupported, "not codes that can be read", tensor: module.name + part,
        expected: "F8_E4M3, F8_E5M2 or I8", found: stored.type.dtype.rawValue)
    }
    let matrix = try stored.asMatrix()
    return try matrix.decoded(code, columns: matrix.extents[1])
  }

  /// Scales as floats: powers of two may be stored as bytes.
  ///
  /// - Throws: `missing`.
  static func scales(
    _ part: String, of module: QuantizedModule
  ) throws(CheckpointError) -> PackedValue {
    let stored = try module.part(part)
    guard stored.type.dtype == .u8 || stored.type.dtype == .f8e8m0 else { return stored }
    let matrix = try stored.asMatrix()
    return try matrix.decoded(.e8m0, columns: matrix.extents[1]).reshaped(stored.extents)
  }

  /// Scales over a matrix, by their own extents: one, one for each row, or one for each block.
  ///
  /// - Parameters:
  ///   - scales: as they are stored.
  ///   - whole: the matrix's extents.
  ///   - block: rows and columns of a block; nil if there are none.
  /// - Returns: the matrix.
  /// - Throws: `malformed` for other extents.
  static func spread(
    _ scales: PackedValue, over whole: [Int], block: [Int]?
  ) throws(CheckpointError) -> PackedValue {
    let all = [max(1, whole[0]), max(1, whole[1])]
    if let block {
      return try scales.asMatrix().spread(over: whole, block: block)
    }
    if scales.type.shape.elementCount == 1 {
      return try scales.reshaped([1, 1]).spread(over: whole, block: all)
    }
    return try scales.reshaped([scales.type.shape.elementCount, 1])
      .spread(over: whole, block: [1, all[1]])
  }
}

/// 8-bit floats with a scale for each block, as DeepSeek-V3 and Qwen3 have them; the configuration says how large blocks are, the last may be cut.
enum ScaledBlocksFP8: QuantizedContainer {
  static let method = "fp8"
  static let summary = "FP8 with a scale for each block (DeepSeek-V3, Qwen3), ragged blocks too"
  static let markers = [".weight_scale_inv"]
  static let parts = [".weight", ".input_scale", ".activation_scale"]

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    let numbers = try ScaledCodes.numbers(".weight", of: module)
    let scales = try ScaledCodes.scales(".weight_scale_inv", of: module)
    // One scale may be that of a small tensor's only block.
    var block: [Int]?
    if scales.type.shape.elementCount > 1 || settings["weight_block_size"]?.elements != nil {
      let said = settings["weight_block_size"]?.elements?.compactMap(\.integer) ?? []
      guard said.count == 2, said.allSatisfy({ $0 > 0 }) else {
        throw CheckpointError(
          .missing, "the configuration doesn't say how large the blocks are", file: "config.json",
          tensor: module.name + ".weight_scale_inv",
          expected: "'weight_block_size' in 'quantization_config'",
          hint: "use the model's own config.json")
      }
      block = said
    }
    let whole = try module.part(".weight").extents
    return try numbers.combined(
      .product, ScaledCodes.spread(scales, over: numbers.extents, block: block)
    ).reshaped(whole)
  }
}

/// 8-bit floats, or signed bytes, with a scale of the tensor, or of each row.
enum ScaledFP8: QuantizedContainer {
  static let method = "fp8"
  static let summary = "FP8 and int8 with a scale of the tensor or of each row"
  static let markers = [".weight_scale"]
  static let parts = [".weight", ".input_scale", ".output_scale"]

  static func recognises(_ module: QuantizedModule, _ settings: QuantizationSettings) -> Bool {
    guard let codes = module.tensor(".weight") else { return settings.document != nil }
    return [.f8e4m3, .f8e5m2, .i8].contains(codes.dtype)
  }

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    let numbers = try ScaledCodes.numbers(".weight", of: module)
    let scales = try ScaledCodes.scales(".weight_scale", of: module)
    return try numbers.combined(
      .product, ScaledCodes.spread(scales, over: numbers.extents, block: nil)
    ).reshaped(try module.part(".weight").extents)
  }
}

/// ModelOpt's 4-bit floats: groups of 16 with scales of E4M3, which have a scale of the tensor in turn.
enum ModelOptNVFP4: QuantizedContainer {
  static let method = "modelopt"
  static let summary = "NVFP4 of ModelOpt"
  static let markers = [".weight_scale_2"]
  static let parts = [".weight", ".weight_scale", ".input_scale"]

  static func recognises(_ module: QuantizedModule, _ settings: QuantizationSettings) -> Bool {
    module.tensor(".weight")?.dtype == .u8
  }

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    let stored = try module.part(".weight")
    let codes = try stored.asMatrix()
    let scales = try module.part(".weight_scale").asMatrix()
    let columns = codes.extents[1] * 2
    let numbers = try codes.decoded(.fp4, columns: columns)
    let factors = try scales.decoded(.e4m3, columns: scales.extents[1])
    let all = try module.part(".weight_scale_2").reshaped([1, 1])
      .spread(
        over: factors.extents, block: [max(1, factors.extents[0]), max(1, factors.extents[1])])
    return try numbers.combined(
      .product, factors.combined(.product, all).spread(over: numbers.extents, block: [1, 16])
    ).reshaped(stored.extents.dropLast() + [columns])
  }
}
