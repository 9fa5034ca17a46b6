import FileContainers
import TensorModel

extension Architecture {
  /// Falcon: fused queries, keys and values in three orders, attention and feed-forward layer in parallel or not, rotary positions or ALiBi.
  public static let falcon = Architecture(
    name: "falcon", modelClass: "FalconForCausalLM",
    rows: [
      .weight("transformer.word_embeddings.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight(
        "transformer.h.{i}.self_attention.query_key_value.weight", [.queriesKeysValues, .model],
        .weight(.queryKeyValue)),
      .weight(
        "transformer.h.{i}.self_attention.query_key_value.bias", [.queriesKeysValues],
        .bias(.queryKeyValue), if: .attentionBias),
      .weight(
        "transformer.h.{i}.self_attention.dense.weight", [.model, .model], .weight(.output)),
      .weight(
        "transformer.h.{i}.self_attention.dense.bias", [.model], .bias(.output),
        if: .attentionBias),
      .weight("transformer.h.{i}.mlp.dense_h_to_4h.weight", [.inner, .model], .weight(.up)),
      .weight(
        "transformer.h.{i}.mlp.dense_h_to_4h.bias", [.inner], .bias(.up), if: .feedForwardBias),
      .weight("transformer.h.{i}.mlp.dense_4h_to_h.weight", [.model, .inner], .weight(.down)),
      .weight(
        "transformer.h.{i}.mlp.dense_4h_to_h.bias", [.model], .bias(.down), if: .feedForwardBias),
    ]
      + norm("transformer.h.{i}.ln_attn", .attention, if: .parallelNorms)
      + norm("transformer.h.{i}.ln_mlp", .feedForward, if: .parallelNorms)
      + norm("transformer.h.{i}.input_layernorm", .attention, if: .firstNorm)
      + norm("transformer.h.{i}.post_attention_layernorm", .feedForward, if: .secondNorm)
      + norm("transformer.ln_f", .final)
      + [.weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead)],
    settings: ClassSettings(
      [
        "vocab_size": 65024, "hidden_size": 4544, "num_hidden_layers": 32,
        "num_attention_heads": 71, "num_ln_in_parallel_attn": .null, "layer_norm_epsilon": 1e-5,
        "num_kv_heads": .null, "alibi": false, "new_decoder_architecture": false,
        "multi_query": true, "parallel_attn": true, "bias": false,
        "max_position_embeddings": 2048, "ffn_hidden_size": .null, "activation": "gelu",
        "tie_word_embeddings": true,
      ].merging(RotarySpelling().defaults) { own, _ in own },
      optional: ["alibi", "new_decoder_architecture", "multi_query", "parallel_attn", "bias"],
      aliases: ["n_embed": "hidden_size"], silent: ["apply_residual_connection_post_layernorm"]),
    sizes: { (settings: inout SettingsReader) throws(CheckpointError) -> Dimensions in
      let model = try settings.count("hidden_size", below: Dimensions.widthLimit)
      let shape = try FalconShape(&settings)
      var dimensions = Dimensions(
        layers: try settings.count("num_hidden_layers", below: Dimensions.layerLimit), model: model,
        inner: try settings.optionalCount("ffn_hidden_size") ?? 4 * model,
        vocabulary: try settings.count("vocab_size"), queries: model,
        keys: shape.keyHeads * (model / shape.heads), conditions: try settings.untiedHead())
      dimensions.conditions.formUnion(shape.conditions)
      return dimensions
    },
    decoder: {
      (settings: inout SettingsReader, dimensions: Dimensions) throws(CheckpointError)
        -> DecoderConfiguration in
      let shape = try FalconShape(&settings)
      let limit = try settings.count("max_position_embeddings")
      var decoder = DecoderConfiguration(
        family: "falcon", dimensions: dimensions, heads: shape.heads, keyHeads: shape.keyHeads,
        headWidth: dimensions.model / shape.heads,
        norm: .layer(epsilon: try settings.epsilon("layer_norm_epsilon")),
        residual: shape.residual, activation: try .init(&settings, "activation"),
        positionLimit: limit)
      decoder.fusedOrder = shape.fusedOrder
      if try settings.flagOrNull("alibi") {
        decoder.positionSlopes = DecoderConfiguration.slopes(heads: shape.heads)
        decoder.roundsSlopes = true
        settings.passOver(RotarySpelling().defaults.keys)
      } else {
        decoder.rotary = try .init(
          &settings, RotarySpelling(), headWidth: decoder.headWidth, layout: .halves,
          positionLimit: limit)
      }
      return decoder
    },
    meshTable: { nil },
    ggufTable: {
      GGUFTable(
        "falcon",
        keys: [
          GGUFSetting("context_length", "max_position_embeddings", .positions),
          GGUFSetting("embedding_length", "hidden_size", .model),
          GGUFSetting("block_count", "num_hidden_layers", .layers),
          GGUFSetting("feed_forward_length", "ffn_hidden_size", .inner),
          GGUFSetting("attention.head_count", "num_attention_heads", .heads),
          GGUFSetting("attention.head_count_kv", nil, .keyHeads),
          GGUFSetting("vocab_size", nil, .vocabulary),
          GGUFSetting("attention.layer_norm_epsilon", "layer_norm_epsilon", .epsilon),
          GGUFSetting("rope.freq_base", "rope_theta", .rotaryBase),
        ],
        fixedEntries: [("tensor_data_layout", .text("jploski"))],
        constants: [("activation", "gelu")],
        rowOrders: [.queryKeyValue: .consecutive], activations: [.gelu, .geluTanh],
        normNames: (
          .parallelNorms, [.attention: "attn_norm_2", .feedForward: "attn_norm"]
        ),
        completion: { file in
          let keyHeads = file.number("attention.head_count_kv") ?? 1
          let hasTwoNorms = file.hasTensor("attn_norm_2.weight")
          guard keyHeads > 1 || hasTwoNorms else {
            return [.init("multi_query", .bool(true))]
          }
          return [
            .init("new_decoder_architecture", .bool(true)),
            .init("num_kv_heads", .integer(keyHeads)),
            .init("num_ln_in_parallel_attn", .integer(hasTwoNorms ? 2 : 1)),
          ]
        }, rotatesParts: false, exclusions: [.attentionBias, .secondNorm], mixes: .falcon)
    }, linearClass: "FalconLinear")

  private static func norm(
    _ name: String, _ norm: DecoderRole.Norm, if condition: Condition? = nil
  ) -> [Row] {
    [
      .weight("\(name).weight", [.model], .normScale(norm), if: condition),
      .weight("\(name).bias", [.model], .normOffset(norm), if: condition),
    ]
  }
}

/// The variants of the family: how heads share keys, and which norms a layer has.
private struct FalconShape {
  let heads: Int
  let keyHeads: Int
  let fusedOrder: DecoderConfiguration.FusedOrder
  let residual: DecoderConfiguration.Residual
  var conditions: Set<Architecture.Condition> = []

  /// Reads the settings, some of which count only where others say so.
  ///
  /// - Throws: `unsupported` for combinations that transformers fails at.
  init(_ settings: inout SettingsReader) throws(CheckpointError) {
    heads = try settings.count("num_attention_heads", below: Architecture.Dimensions.headLimit)
    let keyHeads = try settings.optionalCount(
      "num_kv_heads", below: Architecture.Dimensions.headLimit)
    let isNew = try settings.flagOrNull("new_decoder_architecture")
    let sharesAll = try settings.flagOrNull("multi_query")
    let isParallel = try settings.flagOrNull("parallel_attn")
    let norms = try settings.optionalCount("num_ln_in_parallel_attn")
    if isNew {
      self.keyHeads = keyHeads ?? heads
      guard isParallel else { throw settings.unsupported("parallel_attn", expected: "true") }
      guard (1...2).contains(norms ?? 2) else {
        throw settings.unsupported("num_ln_in_parallel_attn", expected: "1 or 2")
      }
      residual = norms == 1 ? .parallel : .parallelWithTwoNorms
      conditions = norms == 1 ? [.firstNorm] : [.parallelNorms]
    } else {
      self.keyHeads = sharesAll ? 1 : heads
      guard sharesAll || keyHeads ?? heads == heads else {
        throw settings.unsupported(
          "num_kv_heads", expected: "\(heads) without 'multi_query' and 'new_decoder_architecture'")
      }
      guard !isParallel || norms != 2 else {
        throw settings.unsupported(
          "num_ln_in_parallel_attn", expected: "1 without 'new_decoder_architecture'")
      }
      residual = isParallel ? .parallel : .sequential
      conditions = isParallel ? [.firstNorm] : [.firstNorm, .secondNorm]
    }
    fusedOrder = !isNew && sharesAll ? .consecutive : .byHead
    if try settings.flagOrNull("bias") { conditions.formUnion([.attentionBias, .feedForwardBias]) }
  }
}
