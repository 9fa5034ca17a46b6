import FileContainers
import TensorModel

extension Architecture {
  private static let rotaryOfMixtral = RotarySpelling(standardBase: 1_000_000)

  /// Mixtral: Mistral with a mixture of experts in every layer.
  public static let mixtral = llamaLike(
    name: "mixtral", modelClass: "MixtralForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5, "sliding_window": .null, "num_experts_per_tok": 2,
        "num_local_experts": 8, "tie_word_embeddings": false,
      ].merging(rotaryOfMixtral.defaults) { own, _ in own },
      optional: ["num_key_value_heads"], aliases: ["num_experts": "num_local_experts"],
      silent: silentOfMixtures),
    biases: .none, rotary: rotaryOfMixtral,
    feedForward: [
      .weight(
        "model.layers.{i}.block_sparse_moe.gate.weight", [.experts, .model], .weight(.router),
        in: .separate)
    ] + separateExperts("model.layers.{i}.block_sparse_moe.experts", ["w1", "w3", "w2"]) + [
      .weight(
        "model.layers.{i}.mlp.gate.weight", [.experts, .model], .weight(.router), in: .stacked)
    ] + stackedExperts("model.layers.{i}.mlp.experts"),
    moreSizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      dimensions.experts = try settings.expertCount("num_local_experts", dimensions)
      dimensions.expertInner = try settings.count("intermediate_size", below: Dimensions.widthLimit)
    },
    ggufTable: {
      GGUFTable(
        "llama",
        keys: GGUFSetting.ofLlama + [
          GGUFSetting("attention.sliding_window", "sliding_window", .window),
          GGUFSetting("expert_count", "num_local_experts", .experts),
          GGUFSetting("expert_used_count", "num_experts_per_tok", .chosenExperts),
        ],
        constants: [("hidden_act", "silu")], rowOrders: [.query: .pairs, .key: .pairs],
        activations: [.silu], windows: .ignored, expertWeighting: .normalisedSoftmax,
        rotatesParts: false, hasRotaryDivisors: true, requiredKeys: ["expert_count"])
    }
  ) {
    (settings: inout SettingsReader, decoder: inout DecoderConfiguration) throws(CheckpointError) in
    try settings.windowEverywhere(&decoder)
    decoder.experts = .init(
      chosenCount: try settings.chosenExperts(of: decoder.dimensions),
      weighting: .normalisedSoftmax)
  }

  /// Settings of mixtures that count in training only.
  static let silentOfMixtures: Set<String> = [
    "router_aux_loss_coef", "output_router_logits", "router_jitter_noise",
  ]

  /// Rows of experts with tensors of their own.
  ///
  /// - Parameters:
  ///   - module: what stands before their numbers.
  ///   - names: of gate, up and down.
  ///   - condition: when they are there; nil for always.
  /// - Returns: the rows.
  static func separateExperts(
    _ module: String, _ names: [String], if condition: Condition? = nil
  ) -> [Row] {
    let parts: [(DecoderRole.Projection, [Dimension])] = [
      (.expertGate, [.expertInner, .model]), (.expertUp, [.expertInner, .model]),
      (.expertDown, [.model, .expertInner]),
    ]
    return zip(names, parts).map { name, part in
      .weight(
        "\(module).{n}.\(name).weight", part.1, .weight(part.0), if: condition, each: .experts,
        in: .separate)
    }
  }

  /// Rows of a layer's experts in one tensor, gates and values together.
  static func stackedExperts(_ module: String, if condition: Condition? = nil) -> [Row] {
    [
      .weight(
        "\(module).gate_up_proj", [.experts, .gatesAndExpertInner, .model],
        .weight(.expertGateUp), if: condition, in: .stacked),
      .weight(
        "\(module).down_proj", [.experts, .model, .expertInner], .weight(.expertDown),
        if: condition, in: .stacked),
    ]
  }
}

extension SettingsReader {
  /// The number of a layer's experts.
  ///
  /// - Throws: `usage` for a number that no model has.
  mutating func expertCount(
    _ key: String, _ dimensions: Architecture.Dimensions, atLeast least: Int = 1
  ) throws(CheckpointError) -> Int {
    try count(
      key, atLeast: least,
      below: Architecture.Dimensions.expertLimit / max(1, dimensions.layers))
  }

  /// The number of experts that a token gets.
  ///
  /// - Throws: `usage` for more than there are.
  mutating func chosenExperts(
    of dimensions: Architecture.Dimensions
  ) throws(CheckpointError) -> Int {
    try count("num_experts_per_tok", below: max(2, dimensions.experts + 1))
  }
}
