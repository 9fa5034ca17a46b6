import FileContainers
import Foundation
import TensorModel

extension Architecture {
  /// BLOOM: positions by ALiBi, a norm of the embeddings, fused queries, keys and values, head by head.
  public static let bloom = Architecture(
    name: "bloom", modelClass: "BloomForCausalLM",
    rows: [
      .weight("transformer.word_embeddings.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight(
        "transformer.word_embeddings_layernorm.weight", [.model], .normScale(.embedding)),
      .weight("transformer.word_embeddings_layernorm.bias", [.model], .normOffset(.embedding)),
      .weight("transformer.h.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
      .weight("transformer.h.{i}.input_layernorm.bias", [.model], .normOffset(.attention)),
      .weight(
        "transformer.h.{i}.self_attention.query_key_value.weight", [.queriesKeysValues, .model],
        .weight(.queryKeyValue)),
      .weight(
        "transformer.h.{i}.self_attention.query_key_value.bias", [.queriesKeysValues],
        .bias(.queryKeyValue)),
      .weight(
        "transformer.h.{i}.self_attention.dense.weight", [.model, .model], .weight(.output)),
      .weight("transformer.h.{i}.self_attention.dense.bias", [.model], .bias(.output)),
      .weight(
        "transformer.h.{i}.post_attention_layernorm.weight", [.model], .normScale(.feedForward)),
      .weight(
        "transformer.h.{i}.post_attention_layernorm.bias", [.model], .normOffset(.feedForward)),
      .weight("transformer.h.{i}.mlp.dense_h_to_4h.weight", [.inner, .model], .weight(.up)),
      .weight("transformer.h.{i}.mlp.dense_h_to_4h.bias", [.inner], .bias(.up)),
      .weight("transformer.h.{i}.mlp.dense_4h_to_h.weight", [.model, .inner], .weight(.down)),
      .weight("transformer.h.{i}.mlp.dense_4h_to_h.bias", [.model], .bias(.down)),
      .weight("transformer.ln_f.weight", [.model], .normScale(.final)),
      .weight("transformer.ln_f.bias", [.model], .normOffset(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
    ],
    settings: ClassSettings(
      [
        "vocab_size": 250880, "hidden_size": 64, "n_layer": 2, "n_head": 8,
        "layer_norm_epsilon": 1e-5, "apply_residual_connection_post_layernorm": false,
        "slow_but_exact": false, "pretraining_tp": 1, "tie_word_embeddings": true,
      ],
      aliases: [
        "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "n_embed": "hidden_size",
      ]),
    sizes: { (settings: inout SettingsReader) throws(CheckpointError) -> Dimensions in
      let model = try settings.count("hidden_size", below: Dimensions.widthLimit)
      return Dimensions(
        layers: try settings.count("n_layer", below: Dimensions.layerLimit), model: model,
        inner: 4 * model, vocabulary: try settings.count("vocab_size"),
        conditions: try settings.untiedHead())
    },
    decoder: {
      (settings: inout SettingsReader, dimensions: Dimensions) throws(CheckpointError)
        -> DecoderConfiguration in
      let heads = try settings.count("n_head", below: Dimensions.headLimit)
      var decoder = DecoderConfiguration(
        family: "bloom", dimensions: dimensions, heads: heads,
        headWidth: dimensions.model / heads,
        norm: .layer(epsilon: try settings.epsilon("layer_norm_epsilon")), residual: .sequential,
        activation: .geluTanh, positionLimit: nil)
      // With it the class sums parts of two projections, and leaves their biases out.
      let isInParts = try settings.flag("slow_but_exact")
      if try settings.count("pretraining_tp") > 1, isInParts {
        throw settings.unsupported(
          "slow_but_exact", expected: "false where 'pretraining_tp' is over 1")
      }
      decoder.fusedOrder = .byHead
      decoder.positionSlopes = DecoderConfiguration.slopes(heads: heads)
      return decoder
    },
    meshTable: { nil },
    ggufTable: {
      GGUFTable(
        "bloom",
        keys: [
          GGUFSetting("context_length", nil, .positions),
          GGUFSetting("embedding_length", "hidden_size", .model),
          GGUFSetting("block_count", "n_layer", .layers),
          GGUFSetting("feed_forward_length", nil, .inner),
          GGUFSetting("attention.head_count", "n_head", .heads),
          GGUFSetting("attention.head_count_kv", nil, .keyHeads),
          GGUFSetting("vocab_size", nil, .vocabulary),
          GGUFSetting("attention.layer_norm_epsilon", "layer_norm_epsilon", .epsilon),
        ],
        rowOrders: [.queryKeyValue: .consecutive], activations: [.geluTanh], hasSlopes: true)
    })
}

extension DecoderConfiguration {
  /// ALiBi's slopes: powers of 2^(-8/n) for the largest power of two n among the heads, odd powers of 2^(-4/n) for the others.
  ///
  /// Source: https://arxiv.org/abs/2108.12409, as transformers' `build_alibi_tensor` has it.
  static func slopes(heads: Int) -> [Double] {
    let whole = 1 << (Int.bitWidth - 1 - heads.leadingZeroBitCount)
    let slopes = (1...whole).map { pow(2, -8 * Double($0) / Double(whole)) }
    return slopes
      + (0..<heads - whole).map { pow(2, -4 * Double(2 * $0 + 1) / Double(whole)) }
  }
}
