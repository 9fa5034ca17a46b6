import FileContainers
import TensorModel

extension Architecture {
  private static let rotaryOfGemma3 = RotarySpelling(
    standardBase: 1_000_000, slidingBase: ("rope_local_base_freq", 10000))

  /// Gemma 3: Gemma 2 with norms of each head's queries and keys, and another rotary base in layers with a window.
  public static let gemma3Text = llamaLike(
    name: "gemma3_text", modelClass: "Gemma3ForCausalLM",
    settings: ClassSettings(
      settingsOfGemma.merging([
        "vocab_size": 262208, "max_position_embeddings": 131072,
        "final_logit_softcapping": .null, "attn_logit_softcapping": .null,
        "use_bidirectional_attention": false, "sliding_window_pattern": 6,
      ]) { _, own in own }.merging(rotaryOfGemma3.defaults) { own, _ in own },
      optional: optionalOfGemma),
    biases: .ofAttentionAsConfigured, norms: .beforeAndAfterAndOfHeads, rotary: rotaryOfGemma3,
    activationKey: "hidden_activation",
    ggufTable: {
      GGUFTable(
        "gemma3",
        keys: GGUFSetting.ofGemma + [
          GGUFSetting("rope.freq_base_swa", "rope_local_base_freq", .slidingBase),
          GGUFSetting("final_logit_softcapping", "final_logit_softcapping", .logitCap),
        ],
        constants: [("hidden_activation", "gelu_pytorch_tanh")], activations: [.geluTanh],
        windows: .patterned(period: 6), sharedScaleLayerCount: 62,
        completion: scaleOfGemma(sharedBy: 62), scalesEmbeddings: true, rotatesParts: false,
        exclusions: [.attentionBias, .untiedHead])
    }
  ) {
    (settings: inout SettingsReader, decoder: inout DecoderConfiguration) throws(CheckpointError) in
    // The class has a cap of scores and doesn't apply it.
    if try settings.optionalNumber("attn_logit_softcapping") != nil {
      throw settings.unsupported("attn_logit_softcapping", expected: "null for this family")
    }
    try readGemma(&settings, &decoder, period: try settings.count("sliding_window_pattern"))
  }

  /// Gemma 3 with a vision tower, which is left aside: its language model.
  public static let gemma3: Architecture = {
    let text = gemma3Text
    var whole = Architecture(
      name: "gemma3", modelClass: "Gemma3ForConditionalGeneration",
      rows: text.rows.map { row in
        // In memory transformers 5 has the parts the other way round.
        let isHead = row.role.projection == .head
        let rest = String(row.name.dropFirst("model.".count))
        return .weight(
          "language_model.\(row.name)", row.shape, row.role, if: row.condition,
          aliases: [isHead ? row.name : "model.language_model.\(rest)"])
      },
      settings: text.settings, sizes: text.sizes, decoder: text.decoder, meshTable: { nil },
      ggufTable: text.ggufTable)
    whole.nested = Nested(
      key: "text_config", family: text.name,
      others: [
        "model.vision_tower.", "model.multi_modal_projector.", "vision_tower.",
        "multi_modal_projector.",
      ])
    return whole
  }()
}
