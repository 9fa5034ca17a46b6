import FileContainers
import TensorModel

// bitsandbytes (https://github.com/bitsandbytes-foundation/bitsandbytes, functional.py: QuantState).

/// Weights of 4 bits: blocks that run over the flattened matrix, values in a table that is in the file.
enum BitsAndBytesBlocks: QuantizedContainer {
  static let method = "bitsandbytes"
  static let summary = "bitsandbytes NF4 and FP4, scales nested or not"
  static let markers =
    [
      ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map",
    ] + states
  static let parts = [".weight"]

  private static let states = ["nf4", "fp4"].map { ".weight.quant_state.bitsandbytes__\($0)" }
  private static let stateLimit = 64 << 10

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    guard let name = states.first(where: { module.tensor($0) != nil }),
      let bytes = try module.bytes(of: name, limit: stateLimit)
    else {
      let isFP4 = settings.document?["bnb_4bit_quant_type"]?.text == "fp4"
      throw CheckpointError(
        .missing, "a part of a quantized weight isn't there",
        tensor: module.name + states[isFP4 ? 1 : 0],
        hint: "the file is incomplete, or was changed: get it again")
    }
    let state: JSONValue
    do throws(CheckpointError) { state = try JSONValue(parsing: bytes) } catch {
      throw module.misfit(name, "not a JSON object", found: error.message)
    }
    let extents = state["shape"]?.elements?.compactMap(\.integer) ?? []
    guard extents.count == 2, extents.allSatisfy({ $0 > 0 }),
      let block = state["blocksize"]?.integer, block > 0
    else {
      throw module.misfit(
        name, "it doesn't say how the weight is quantized", expected: "shape and blocksize",
        found: state.shortText)
    }
    let (count, overflow) = extents[0].multipliedReportingOverflow(by: extents[1])
    let stored = try module.part(".weight")
    // Two codes to a byte.
    let byteCount = count / 2 + count % 2
    guard !overflow, stored.type.dtype == .u8, stored.type.shape.elementCount == byteCount
    else {
      throw module.misfit(
        ".weight", "codes don't fill the shape", expected: "\(extents)",
        found: "\(stored.type.shape)")
    }
    let codes = try stored.reshaped([1, byteCount]).decoded(.highFirst, columns: count)
    let table = try module.part(".weight.quant_map")
    let numbers = try PackedValue.step([table, codes]) { .lookUp($0[0], places: $0[1]) }
    let scales = try scales(of: module, state, (count - 1) / block + 1)
    return try numbers.combined(.product, scales.spread(over: [1, count], block: [1, block]))
      .reshaped(extents)
  }

  /// One row of scales, which may be codes in turn.
  private static func scales(
    of module: QuantizedModule, _ state: JSONValue, _ count: Int
  ) throws(CheckpointError) -> PackedValue {
    let stored = try module.part(".weight.absmax").reshaped([1, count])
    guard stored.type.dtype == .u8 else { return stored }
    guard let offset = state["nested_offset"]?.double,
      let block = state["nested_blocksize"]?.integer, block > 0
    else {
      throw module.misfit(
        ".weight.absmax", "codes of scales without a description",
        expected: "nested_offset and nested_blocksize", found: state.shortText)
    }
    let table = try module.part(".weight.nested_quant_map")
    let places = try stored.decoded(.unsigned(bits: 8), columns: count)
    let numbers = try PackedValue.step([table, places]) { .lookUp($0[0], places: $0[1]) }
    let outer = try module.part(".weight.nested_absmax")
      .reshaped([1, (count - 1) / block + 1])
      .spread(over: [1, count], block: [1, block])
    let (type, fill) = (numbers.type, FillValue(Double(Float(offset))))
    return try .step([numbers.combined(.product, outer)]) { .sum([$0[0], .fill(fill, type)]) }
  }
}

/// Signed bytes with a scale for each row, which belongs to 127.
enum BitsAndBytesRows: QuantizedContainer {
  static let method = "bitsandbytes"
  static let summary = "bitsandbytes int8 (`SCB`)"
  static let markers = [".SCB", ".weight_format"]
  static let parts = [".weight"]

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    if let format = try module.bytes(of: ".weight_format", limit: 16),
      format.contains(where: { $0 != 0 })
    {
      throw CheckpointError(
        .unsupported, "the weight lies in an order that only its GPU knows",
        tensor: module.name + ".weight_format", expected: "0, row by row", found: "\(format)",
        hint: "load the model with bitsandbytes and save it again")
    }
    let stored = try module.part(".weight")
    let rows = try module.part(".SCB")
    guard stored.type.dtype == .i8, stored.type.shape.rank == 2, rows.type.shape.rank == 1 else {
      throw module.misfit(
        ".SCB", "scales that don't fit the codes", expected: "one for each row of I8 codes",
        found: "\(rows.type.shape) for \(stored.type.dtype.rawValue) \(stored.type.shape)")
    }
    let numbers = try stored.decoded(.int8, columns: stored.extents[1])
    let scaled = try numbers.combined(
      .product,
      rows.reshaped([rows.extents[0], 1]).spread(
        over: numbers.extents, block: [1, max(1, numbers.extents[1])]))
    let type = scaled.type
    return try .step([scaled]) {
      .combine(.product, $0[0], .fill(FillValue(Double(Float(1) / 127)), type))
    }
  }
}
