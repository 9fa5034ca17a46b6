import FileContainers

/// What transformers' class of a family reads from `config.json`, as far as a forward pass depends on it.
///
/// A key that isn't here can't change what the model computes. The keys, their defaults and what each changes are measured in
/// `fixtures/configuration/class-keys.json`.
public struct ClassSettings: Sendable {
  /// The keys with the class's defaults; `null` where the default follows from other keys, or is nothing.
  let defaults: [String: JSONValue]
  /// Keys that may be `null`, which then counts instead of the default.
  let optional: Set<String>
  /// Other names of keys (the class's `attribute_map`), which win over these.
  let aliases: [String: String]
  /// Keys of the class, or of all classes, that don't change what this one computes.
  let silent: Set<String>

  /// Whether only the keys of sizes are known, so that no others can be called strangers.
  var isOfSizesOnly = false

  /// Keys that count for nearly every class: `is_causal` (masking_utils.py; `null` is false) and `per_layer_config` (configuration_utils.py).
  private static let ofAllClasses: [String: JSONValue] = [
    "is_causal": true, "per_layer_config": .null, "tie_word_embeddings": true,
  ]

  init(
    _ defaults: [String: JSONValue], optional: Set<String> = [], aliases: [String: String] = [:],
    silent: Set<String> = []
  ) {
    self.defaults = Self.ofAllClasses.filter { !silent.contains($0.key) }
      .merging(defaults) { _, own in own }
    self.optional = optional.union(["is_causal"])
    self.aliases = aliases
    self.silent = silent
  }

  /// The keys of a configuration that the class doesn't read and nobody is known to write for bookkeeping.
  func unknownKeys(in document: JSONValue) -> [String] {
    guard !isOfSizesOnly else { return [] }
    return (document.members ?? []).filter { member in
      let key = member.key
      return member.value != .null && defaults[key] == nil && aliases[key] == nil
        && !silent.contains(key) && !Bookkeeping.contains(key)
    }.map(\.key)
  }
}

/// Keys that no model's computation depends on: what training, generation, quantization and other programs keep in `config.json`.
enum Bookkeeping {
  static func contains(_ key: String) -> Bool {
    keys.contains(key) || prefixes.contains(where: key.hasPrefix)
      || key.hasSuffix("_token_id") || key.hasSuffix("dropout") || key.hasSuffix("_pdrop")
  }

  private static let prefixes = ["_", "unsloth", "transformers.js", "summary_", "onnx"]

  private static let keys: Set<String> = [
    // What it is and where it comes from.
    "architectures", "auto_map", "custom_pipelines", "dtype", "finetuning_task", "model_type",
    "name_or_path", "tokenizer_class", "torch_dtype", "transformers_version",
    "transformers_weights", "language", "license",
    // How it is run.
    "attn_implementation", "chunk_size_feed_forward", "experts_implementation",
    "gradient_checkpointing",
    "output_attentions", "output_hidden_states", "return_dict", "torchscript", "use_bfloat16",
    "use_cache", "use_return_dict", "pretraining_tp", "tie_last_hidden_states",
    "is_decoder", "is_encoder_decoder", "tie_encoder_decoder", "cross_attention_hidden_size",
    "reorder_and_upcast_attn",
    // Training and other tasks.
    "attention_probs_dropout_prob", "hidden_dropout_prob", "id2label", "initializer_range",
    "init_std", "initializer_factor", "label2id", "num_labels", "predict_special_tokens",
    "problem_type", "pruned_heads", "task_specific_params", "prefix",
    // Quantization, described where the weights are.
    "quantization", "quantization_config", "compression_config",
    // Generation (`GenerationConfig`).
    "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "forced_bos_token_id",
    "forced_decoder_ids", "forced_eos_token_id", "length_penalty", "max_length", "max_new_tokens",
    "min_length", "min_new_tokens", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_return_sequences", "output_scores", "remove_invalid_values", "repetition_penalty",
    "return_dict_in_generate", "sequence_bias", "suppress_tokens", "temperature", "top_k", "top_p",
    "typical_p", "renormalize_logits", "penalty_alpha",
  ]
}
