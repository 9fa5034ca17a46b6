import FileContainers
import TensorModel

extension Architecture {
  /// OPT: learned positions from the third row on, norms before or after, an embedding that may be narrower than the model.
  public static let opt = Architecture(
    name: "opt", modelClass: "OPTForCausalLM",
    rows: [
      .weight("model.decoder.embed_tokens.weight", [.vocabulary, .embedding], .tokenEmbedding),
      .weight(
        "model.decoder.embed_positions.weight", [.positions, .model], .positionEmbedding),
      .weight(
        "model.decoder.project_out.weight", [.embedding, .model], .weight(.embeddingOut),
        if: .projectedEmbedding),
      .weight(
        "model.decoder.project_in.weight", [.model, .embedding], .weight(.embeddingIn),
        if: .projectedEmbedding),
      .weight(
        "model.decoder.final_layer_norm.weight", [.model], .normScale(.final), if: .finalNorm),
      .weight(
        "model.decoder.final_layer_norm.bias", [.model], .normOffset(.final), if: .finalNorm),
    ]
      + projection("self_attn.k_proj", [.model, .model], .key)
      + projection("self_attn.v_proj", [.model, .model], .value)
      + projection("self_attn.q_proj", [.model, .model], .query)
      + projection("self_attn.out_proj", [.model, .model], .output)
      + norm("self_attn_layer_norm", .attention)
      + projection("fc1", [.inner, .model], .up) + projection("fc2", [.model, .inner], .down)
      + norm("final_layer_norm", .feedForward)
      + [.weight("lm_head.weight", [.vocabulary, .embedding], .weight(.head), if: .untiedHead)],
    settings: ClassSettings(
      [
        "vocab_size": 50272, "hidden_size": 768, "num_hidden_layers": 12, "ffn_dim": 3072,
        "max_position_embeddings": 2048, "do_layer_norm_before": true,
        "_remove_final_layer_norm": false, "word_embed_proj_dim": .null,
        "num_attention_heads": 12, "activation_function": "relu", "enable_bias": true,
        "layer_norm_elementwise_affine": true, "tie_word_embeddings": true,
      ], silent: ["layerdrop"]),
    sizes: sizes, decoder: decoder, meshTable: { nil }, ggufTable: { nil },
    missingFromGGUF: "OPT adds learned positions from the third row on")

  private static func projection(
    _ name: String, _ shape: [Dimension], _ projection: DecoderRole.Projection
  ) -> [Row] {
    [
      .weight("model.decoder.layers.{i}.\(name).weight", shape, .weight(projection)),
      .weight(
        "model.decoder.layers.{i}.\(name).bias", [shape[0]], .bias(projection),
        if: .attentionBias),
    ]
  }

  private static func norm(_ name: String, _ norm: DecoderRole.Norm) -> [Row] {
    [
      .weight(
        "model.decoder.layers.{i}.\(name).weight", [.model], .normScale(norm), if: .weightedNorms),
      .weight(
        "model.decoder.layers.{i}.\(name).bias", [.model], .normOffset(norm), if: .weightedNorms),
    ]
  }

  /// Rows of the embedding of positions that no token gets.
  private static let firstPosition = 2

  @Sendable private static func sizes(
    _ settings: inout SettingsReader
  ) throws(CheckpointError) -> Dimensions {
    let model = try settings.count("hidden_size", below: Dimensions.widthLimit)
    let embedding =
      try settings.optionalCount("word_embed_proj_dim", below: Dimensions.widthLimit) ?? model
    var conditions = try settings.untiedHead()
    if try settings.flag("enable_bias") { conditions.insert(.attentionBias) }
    if embedding != model { conditions.insert(.projectedEmbedding) }
    let isBefore = try settings.flag("do_layer_norm_before")
    let isWeighted = try settings.flag("layer_norm_elementwise_affine")
    if isWeighted { conditions.insert(.weightedNorms) }
    if try !settings.flag("_remove_final_layer_norm"), isBefore, isWeighted {
      conditions.insert(.finalNorm)
    }
    return Dimensions(
      layers: try settings.count("num_hidden_layers", below: Dimensions.layerLimit), model: model,
      inner: try settings.count("ffn_dim"), vocabulary: try settings.count("vocab_size"),
      positions: try settings.count("max_position_embeddings") + firstPosition,
      embedding: embedding, conditions: conditions)
  }

  @Sendable private static func decoder(
    _ settings: inout SettingsReader, _ dimensions: Dimensions
  ) throws(CheckpointError) -> DecoderConfiguration {
    guard try settings.flag("layer_norm_elementwise_affine") else {
      throw settings.unsupported("layer_norm_elementwise_affine", expected: "true")
    }
    let heads = try settings.count("num_attention_heads", below: Dimensions.headLimit)
    var decoder = DecoderConfiguration(
      family: "opt", dimensions: dimensions, heads: heads, headWidth: dimensions.model / heads,
      norm: .layer(epsilon: 1e-5),
      residual: try settings.flag("do_layer_norm_before") ? .sequential : .normedAfterwards,
      activation: try .init(&settings, "activation_function"),
      positionLimit: dimensions.positions - firstPosition)
    decoder.firstPosition = firstPosition
    return decoder
  }
}
