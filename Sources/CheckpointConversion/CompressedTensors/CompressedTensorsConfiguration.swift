import FileContainers
import TensorModel

/// `quantization_config` as compressed-tensors has it: which linear layers are in which format.
///
/// Keys and values are those that llmcompressor 0.14 writes for its schemes.
enum CompressedTensorsConfiguration {
  /// The key of `config.json`.
  static let key = "quantization_config"

  /// The version of the library whose keys these are.
  private static let version = "0.20.0"

  /// The value.
  ///
  /// - Parameters:
  ///   - standard: the format of linear layers that aren't named.
  ///   - others: modules in other formats.
  ///   - ignored: modules that aren't quantized.
  /// - Returns: an object, keys sorted.
  static func value(
    _ standard: PackedFormat, _ others: [(module: String, format: PackedFormat)],
    ignored: [String]
  ) -> JSONValue {
    var formats: [PackedFormat] = []
    for other in others where !formats.contains(other.format) { formats.append(other.format) }
    // A module's own name counts before its class, and so does what stands first.
    var groups = formats.map { format in
      group(format, others.filter { $0.format == format }.map(\.module))
    }
    groups.append(group(standard, ["Linear"]))
    let layouts = Set((formats + [standard]).map(\.layout))
    return object([
      "config_groups": .object(
        groups.enumerated().map { JSONValue.Member("group_\($0.offset)", $0.element) }),
      "format": .string(layouts.count == 1 ? standard.layout : "mixed-precision"),
      "global_compression_ratio": .null, "ignore": .array(ignored.map { .string($0) }),
      "kv_cache_scheme": .null, "moe_sparsity_config": .null,
      "quant_method": .string("compressed-tensors"),
      "quantization_status": .string("compressed"), "sparsity_config": .object([]),
      "transform_config": .object([]), "version": .string(version),
    ])
  }

  private static func group(_ format: PackedFormat, _ targets: [String]) -> JSONValue {
    object([
      "format": .string(format.layout), "input_activations": activations(format),
      "output_activations": .null, "targets": .array(targets.map { .string($0) }),
      "weights": weights(format),
    ])
  }

  /// How codes and scales belong together.
  private static func weights(_ format: PackedFormat) -> JSONValue {
    var members: [String: JSONValue] = [
      "dynamic": .bool(false), "num_bits": .integer(format.bits),
      "group_size": format.rowCount > 1 ? .null : format.groupSize.map { .integer($0) } ?? .null,
      "observer": .string("memoryless_minmax"), "strategy": .string(format.strategy),
      "symmetric": .bool(true), "type": .string(format.coding == .symmetric ? "int" : "float"),
    ]
    if let scales = format.scales {
      members["scale_dtype"] = .string(scales == .u8 ? "torch.uint8" : "torch.float8_e4m3fn")
    }
    if format.rowCount > 1, let group = format.groupSize {
      members["block_structure"] = .array([.integer(format.rowCount), .integer(group)])
    }
    return object(members)
  }

  /// How what is multiplied with the weights is quantized at run time; null where it isn't.
  private static func activations(_ format: PackedFormat) -> JSONValue {
    guard let type = format.activationType else { return .null }
    let isOfBlocks = format.rowCount > 1
    return object([
      "dynamic": .bool(true), "num_bits": .integer(8), "symmetric": .bool(true),
      "group_size": isOfBlocks ? format.groupSize.map { .integer($0) } ?? .null : .null,
      "strategy": .string(isOfBlocks ? "group" : "token"), "type": .string(type),
    ])
  }

  private static func object(_ members: [String: JSONValue]) -> JSONValue {
    .object(members.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, $0.value) })
  }
}

extension PackedFormat {
  /// compressed-tensors' name for how parts lie.
  fileprivate var layout: String {
    switch coding {
    case .symmetric, .affine: codes == .i8 ? "int-quantized" : "pack-quantized"
    case .fp8: "float-quantized"
    case .nvfp4: "nvfp4-pack-quantized"
    case .mxfp4: "mxfp4-pack-quantized"
    case .mxfp8: "mxfp8-quantized"
    }
  }

  /// Which weights share a scale.
  fileprivate var strategy: String {
    if groupSize == nil { return "channel" }
    if rowCount > 1 { return "block" }
    return hasTensorScale ? "tensor_group" : "group"
  }

  /// What kernels quantize activations to; nil where they take them as they are.
  fileprivate var activationType: String? {
    switch (coding, codes) {
    case (.symmetric, .i8): "int"
    case (.fp8, _): "float"
    default: nil
    }
  }

  /// The format that a group of a configuration names; nil if none that is written is meant.
  ///
  /// - Parameters:
  ///   - group: of `config_groups`.
  ///   - layout: of all groups that don't say theirs.
  init?(compressedTensors group: JSONValue, layout: String?) {
    guard let weights = group["weights"], weights["symmetric"]?.boolean ?? true,
      let layout = group["format"]?.text ?? layout
    else { return nil }
    let strategy = weights["strategy"]?.text ?? "tensor"
    let found = Self.compressedTensors.first { format in
      format.layout == layout && format.strategy == strategy
        && format.bits == weights["num_bits"]?.integer
        && (["block", "channel"].contains(strategy)
          || format.groupSize == weights["group_size"]?.integer)
    }
    guard let found else { return nil }
    self = found
  }
}
