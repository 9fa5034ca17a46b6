import FileContainers
import TensorModel

extension Architecture {
  /// Command R7B and its kin.
  static let cohere2 = later(
    name: "cohere2", modelClass: "Cohere2ForCausalLM",
    [
      "vocab_size": 256000, "hidden_size": 8192, "intermediate_size": 22528,
      "num_hidden_layers": 40, "num_attention_heads": 64, "num_key_value_heads": .null,
      "head_dim": .null, "attention_bias": false, "tie_word_embeddings": true,
    ],
    rows: attentionInLayer(biases: true, outputBias: true) + gatedInLayer("mlp", .inner) + [
      inLayer("input_layernorm.weight", [.model])
    ],
    sizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      if try settings.flag("attention_bias") { dimensions.conditions.insert(.attentionBias) }
    })
}
