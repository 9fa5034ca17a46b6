/// Configurations as they were published with the weights.
enum Published {
  /// EleutherAI/gpt-j-6b.
  static let gptJ = """
    {"activation_function": "gelu_new", "architectures": ["GPTJForCausalLM"], "attn_pdrop": 0.0,
     "bos_token_id": 50256, "embd_pdrop": 0.0, "eos_token_id": 50256,
     "gradient_checkpointing": false, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05,
     "model_type": "gptj", "n_embd": 4096, "n_head": 16, "n_inner": null, "n_layer": 28,
     "n_positions": 2048, "resid_pdrop": 0.0, "rotary": true, "rotary_dim": 64,
     "scale_attn_weights": true, "summary_activation": null, "summary_first_dropout": 0.1,
     "summary_proj_to_labels": true, "summary_type": "cls_index", "summary_use_proj": true,
     "task_specific_params": {"text-generation":
       {"do_sample": true, "max_length": 50, "temperature": 1.0}},
     "tie_word_embeddings": false, "tokenizer_class": "GPT2Tokenizer",
     "transformers_version": "4.18.0.dev0", "use_cache": true, "vocab_size": 50400}
    """

  /// EleutherAI/pythia-160m.
  static let pythia = """
    {"architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0,
     "hidden_act": "gelu", "hidden_size": 768, "initializer_range": 0.02,
     "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 2048,
     "model_type": "gpt_neox", "num_attention_heads": 12, "num_hidden_layers": 12,
     "rotary_emb_base": 10000, "rotary_pct": 0.25, "tie_word_embeddings": false,
     "torch_dtype": "float16", "transformers_version": "4.24.0", "use_cache": true,
     "use_parallel_residual": true, "vocab_size": 50304}
    """

  /// EleutherAI/gpt-neox-20b.
  static let gptNeoX20B = """
    {"architectures": ["GPTNeoXForCausalLM"], "attention_probs_dropout_prob": 0,
     "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "gelu_fast", "hidden_dropout_prob": 0,
     "hidden_size": 6144, "initializer_range": 0.02, "intermediate_size": 24576,
     "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "model_type": "gpt_neox",
     "num_attention_heads": 64, "num_hidden_layers": 44, "rotary_emb_base": 10000,
     "rotary_pct": 0.25, "tie_word_embeddings": false, "torch_dtype": "float16",
     "transformers_version": "4.19.0.dev0", "use_cache": true, "vocab_size": 50432}
    """

  /// meta-llama/Meta-Llama-3-8B.
  static let llama3 = """
    {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
     "bos_token_id": 128000, "eos_token_id": 128001, "hidden_act": "silu", "hidden_size": 4096,
     "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 8192,
     "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
     "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null,
     "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
     "transformers_version": "4.40.0.dev0", "use_cache": true, "vocab_size": 128256}
    """

  /// meta-llama/Llama-3.1-8B-Instruct.
  static let llama31 = """
    {"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
     "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu",
     "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
     "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
     "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
     "pretraining_tp": 1, "rms_norm_eps": 1e-05,
     "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
       "original_max_position_embeddings": 8192, "rope_type": "llama3"},
     "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
     "transformers_version": "4.42.3", "use_cache": true, "vocab_size": 128256}
    """

  /// mistralai/Mistral-7B-v0.1.
  static let mistral = """
    {"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
     "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
     "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
     "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
     "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096,
     "tie_word_embeddings": false, "torch_dtype": "bfloat16",
     "transformers_version": "4.34.0.dev0", "use_cache": true, "vocab_size": 32000}
    """

  /// Qwen/Qwen2-0.5B; its window begins after 21 layers here.
  static let qwen2 = """
    {"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
     "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 896,
     "initializer_range": 0.02, "intermediate_size": 4864, "max_position_embeddings": 131072,
     "max_window_layers": 21, "model_type": "qwen2", "num_attention_heads": 14,
     "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
     "rope_theta": 1000000.0, "sliding_window": 131072, "tie_word_embeddings": true,
     "torch_dtype": "bfloat16", "transformers_version": "4.40.1", "use_cache": true,
     "use_sliding_window": false, "vocab_size": 151936}
    """
}
