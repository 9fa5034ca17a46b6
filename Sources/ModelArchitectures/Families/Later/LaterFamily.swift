import FileContainers
import TensorModel

extension Architecture {
  /// A family whose tensors are known and that isn't run.
  ///
  /// - Parameters:
  ///   - name: `model_type`.
  ///   - modelClass: of transformers.
  ///   - defaults: the settings of sizes, with the class's defaults.
  ///   - aliases: other names of settings.
  ///   - rows: of a layer, under `model.layers.{i}.`; embedding, last norm and head are added.
  ///   - others: rows of no layer.
  ///   - sizes: reads the sizes beside Llama's.
  /// - Returns: the table.
  static func later(
    name: String, modelClass: String, _ defaults: [String: JSONValue],
    aliases: [String: String] = [:], rows: [Row], others: [Row] = [],
    sizes:
      @escaping @Sendable (
        inout SettingsReader, inout Dimensions
      ) throws(CheckpointError) -> Void
  ) -> Architecture {
    var settings = ClassSettings(
      defaults, optional: ["num_key_value_heads"], aliases: aliases)
    settings.isOfSizesOnly = true
    return Architecture(
      name: name, modelClass: modelClass,
      rows: [.weight("model.embed_tokens.weight", [.vocabulary, .model], .tokenEmbedding)]
        + others + rows + [
          .weight("model.norm.weight", [.model], .normScale(.final)),
          .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
        ],
      settings: settings,
      sizes: { (settings: inout SettingsReader) throws(CheckpointError) -> Dimensions in
        var dimensions = try sizesOfLlama(&settings)
        try sizes(&settings, &dimensions)
        return dimensions
      },
      decoder: {
        (settings: inout SettingsReader, _: Dimensions) throws(CheckpointError)
          -> DecoderConfiguration in
        throw CheckpointError(
          .unsupported, "models of this family aren't run here", file: "config.json",
          expected: "'model_type': \(Architectures.all.map(\.name).joined(separator: ", "))",
          found: name,
          hint: "inspect, verify, convert, compare and stores know its tensors by name")
      },
      meshTable: { nil }, ggufTable: { nil })
  }

  /// A weight of each layer that isn't run.
  static func inLayer(
    _ name: String, _ shape: [Dimension], if condition: Condition? = nil
  ) -> Row {
    .weight("model.layers.{i}.\(name)", shape, .other(name), if: condition)
  }

  /// Gate, up and down of a feed-forward layer.
  static func gatedInLayer(
    _ module: String, _ inner: Dimension, if condition: Condition? = nil
  ) -> [Row] {
    [
      inLayer("\(module).gate_proj.weight", [inner, .model], if: condition),
      inLayer("\(module).up_proj.weight", [inner, .model], if: condition),
      inLayer("\(module).down_proj.weight", [.model, inner], if: condition),
    ]
  }

  /// Queries, keys, values and the way back, with biases if the configuration says so.
  static func attentionInLayer(
    queries: Dimension = .queries, biases: Bool = false, outputBias: Bool = false,
    if condition: Condition? = nil
  ) -> [Row] {
    let parts: [(String, [Dimension])] = [
      ("q_proj", [queries, .model]), ("k_proj", [.keys, .model]), ("v_proj", [.keys, .model]),
      ("o_proj", [.model, .queries]),
    ]
    return parts.flatMap { name, shape in
      let weight = inLayer("self_attn.\(name).weight", shape, if: condition)
      guard biases, name != "o_proj" || outputBias else { return [weight] }
      return [weight, inLayer("self_attn.\(name).bias", [shape[0]], if: .attentionBias)]
    }
  }
}

extension SettingsReader {
  /// Reads the numbers that say which layers are dense: the first so many.
  mutating func denseLayers(
    _ key: String, of dimensions: Architecture.Dimensions
  ) throws(CheckpointError) -> Set<Int> {
    let count = try count(key, atLeast: 0)
    return Set(0..<min(count, dimensions.layers))
  }
}
