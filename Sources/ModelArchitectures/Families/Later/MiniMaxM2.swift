import FileContainers
import TensorModel

extension Architecture {
  /// MiniMax M2: norms of all queries and keys, experts under Mixtral's names with a bias for choosing.
  static let miniMaxM2 = later(
    name: "minimax_m2", modelClass: "MiniMaxM2ForCausalLM",
    [
      "vocab_size": 200064, "hidden_size": 3072, "intermediate_size": 1536,
      "num_hidden_layers": 62, "num_attention_heads": 48, "num_key_value_heads": 8,
      "head_dim": 128, "num_local_experts": 256, "tie_word_embeddings": false,
    ],
    aliases: ["num_experts": "num_local_experts"],
    rows: attentionInLayer() + [
      inLayer("self_attn.q_norm.weight", [.queries]),
      inLayer("self_attn.k_norm.weight", [.keys]),
    ] + routing("block_sparse_moe", in: .separate)
      + separateExperts("model.layers.{i}.block_sparse_moe.experts", ["w1", "w3", "w2"])
      + routing("mlp", in: .stacked) + stackedExperts("model.layers.{i}.mlp.experts") + [
        inLayer("input_layernorm.weight", [.model]),
        inLayer("post_attention_layernorm.weight", [.model]),
      ],
    sizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      dimensions.experts = try settings.expertCount("num_local_experts", dimensions)
      dimensions.expertInner = try settings.count("intermediate_size", below: Dimensions.widthLimit)
    })

  private static func routing(_ module: String, in spelling: ExpertSpelling) -> [Row] {
    [
      .weight(
        "model.layers.{i}.\(module).gate.weight", [.experts, .model], .weight(.router),
        in: spelling),
      .weight(
        "model.layers.{i}.\(module).e_score_correction_bias", [.experts],
        .other("e_score_correction_bias"), in: spelling),
    ]
  }
}
