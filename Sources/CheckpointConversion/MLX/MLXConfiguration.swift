import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel

/// `config.json` as mlx-lm reads it: the source's, with what its model is built from and how modules are quantized.
struct MLXConfiguration {
  private let graph: MLXGraph

  /// For a model.
  init(_ graph: MLXGraph) { self.graph = graph }

  /// The text, keys sorted.
  ///
  /// - Parameters:
  ///   - dtype: PyTorch's name of the weights' dtype; nil keeps what the source says.
  ///   - standard: the format of most modules; nil where nothing is quantized.
  ///   - modules: those that are quantized, with their formats.
  /// - Returns: the file's contents.
  func text(
    dtype: String?, standard: PackedFormat?, _ modules: [(name: String, format: PackedFormat)]
  ) -> [UInt8] {
    var members: [String: JSONValue] = [:]
    for member in graph.document.document.members ?? [] { members[member.key] = member.value }
    for key in QuantizedWeights.configurationKeys { members[key] = nil }
    for (key, meaning) in graph.model.keys {
      guard let value = value(of: meaning) else { continue }
      members[key] = value
    }
    if graph.model.modelType != graph.architecture.name {
      members["model_type"] = .string(graph.model.modelType)
      members["architectures"] = .array([.string("PhiForCausalLM")])
    }
    if graph.model.scales, let scaling = scaling(members) { members["rope_scaling"] = scaling }
    if let dtype {
      for key in ["dtype", "torch_dtype"] where members[key] != nil || key == "dtype" {
        members[key] = .string(dtype)
      }
    }
    if let standard {
      let own = modules.filter { $0.format != standard }
        .map { JSONValue.Member($0.name, .object(Self.entry($0.format))) }
      let quantization = JSONValue.object(Self.entry(standard) + own)
      members[MLXFormat.quantizationKey] = quantization
      members["quantization_config"] = quantization
    }
    let sorted = members.sorted { ExactName($0.key) < ExactName($1.key) }
      .map { JSONValue.Member($0.key, $0.value) }
    return Array((JSONValue.object(sorted).documentText + "\n").utf8)
  }

  private static func entry(_ format: PackedFormat) -> [JSONValue.Member] {
    [
      .init("group_size", .integer(format.groupSize ?? 0)), .init("bits", .integer(format.bits)),
      .init("mode", .string(format.mode)),
    ]
  }

  /// What mlx-lm reads as `rope_scaling`, where transformers has it elsewhere.
  private func scaling(_ members: [String: JSONValue]) -> JSONValue? {
    guard let rotary = graph.configuration.rotary, rotary.scaling != .none,
      members["rope_scaling"]?.members == nil,
      let parameters = members["rope_parameters"]?.members
    else { return nil }
    return .object(parameters.filter { $0.key != "rope_theta" })
  }

  private func value(of meaning: MLXModel.Meaning) -> JSONValue? {
    let configuration = graph.configuration
    let dimensions = configuration.dimensions
    switch meaning {
    case .layers: return .integer(dimensions.layers)
    case .model: return .integer(dimensions.model)
    case .inner: return .integer(dimensions.inner)
    case .vocabulary: return .integer(dimensions.vocabulary)
    case .positions: return configuration.positionLimit.map { .integer($0) }
    case .heads: return .integer(configuration.heads)
    case .keyHeads: return .integer(configuration.keyHeads)
    case .headWidth: return .integer(configuration.headWidth)
    case .epsilon:
      switch configuration.norm {
      case .layer(let epsilon), .rootMeanSquare(let epsilon): return .number("\(epsilon)")
      }
    case .rotaryBase: return configuration.rotary.map { .number("\($0.base)") }
    case .rotaryDimensions: return configuration.rotary.map { .integer($0.dimensions) }
    case .rotaryFraction: return configuration.rotary.map { .number("\(fraction($0.dimensions))") }
    case .parallelResidual: return .bool(configuration.residual != .sequential)
    case .isTied: return .bool(!dimensions.conditions.contains(.untiedHead))
    case .hasAttentionBias: return .bool(dimensions.conditions.contains(.attentionBias))
    case .hasFeedForwardBias: return .bool(dimensions.conditions.contains(.feedForwardBias))
    }
  }

  /// The part of a head that is rotated, such that its product with the head's width, cut to an integer, is right.
  private func fraction(_ rotated: Int) -> Double {
    let width = Double(graph.configuration.headWidth)
    let fraction = Double(rotated) / width
    return Int(fraction * width) == rotated ? fraction : fraction.nextUp
  }
}

extension PackedFormat {
  /// MLX's name for what codes stand for.
  fileprivate var mode: String { coding.rawValue }

  /// The format that an entry of `quantization` names; nil if there is none such.
  init?(mlx entry: JSONValue?) {
    guard let entry, let bits = entry["bits"]?.integer, let group = entry["group_size"]?.integer
    else { return nil }
    let mode = entry["mode"]?.text ?? "affine"
    guard
      let format = Self.mlx.first(where: {
        $0.mode == mode && $0.bits == bits && $0.groupSize == group
      })
    else { return nil }
    self = format
  }
}
