"""Which keys are tried, and with which values.

A value is plain JSON, or `Case` where other keys have to be there or away for it to count. `null` is tried for every key, and for those of
the base what happens without them.
"""

import dataclasses


@dataclasses.dataclass
class Case:
  """A value with other keys beside it, or without some of the base's."""

  value: object
  also: dict = dataclasses.field(default_factory=dict)
  without: tuple = ()


ACTIVATIONS = """gelu gelu_10 gelu_accurate gelu_fast gelu_new gelu_python gelu_python_tanh gelu_pytorch_tanh hardswish laplace leaky_relu linear
mish prelu quick_gelu relu relu2 relu6 sigmoid silu sqrtsoftplus swish tanh xielu""".split()
OF_ACTIVATION = [*ACTIVATIONS, "gelu_tanh", "GELU", "swiglu", ""]

# Fields of the classes: the families', then those of them all.
FIELDS = {
  "vocab_size": [96, 98, 97.0, "97"],
  "hidden_size": [16, 36, 32.0],
  "n_embd": [16, 36],
  "n_positions": [16, 128],
  "max_position_embeddings": [16, 128],
  "n_layer": [2, 4, 0],
  "num_layers": [2, 4],
  "num_hidden_layers": [2, 4, 0],
  "n_head": [2, 3, 8],
  "num_heads": [2, 3, 8],
  "num_attention_heads": [2, 3, 8],
  "num_key_value_heads": [1, 4, 3, 0],
  "head_dim": [16, 4, 5, 0],
  "n_inner": [40, 0],
  "intermediate_size": [40],
  "rotary_dim": [2, 8, 3, 0, 16],
  "activation_function": OF_ACTIVATION,
  "hidden_act": OF_ACTIVATION,
  "resid_pdrop": [0.5], "embd_pdrop": [0.5], "attn_pdrop": [0.5], "resid_dropout": [0.5], "embed_dropout": [0.5], "hidden_dropout": [0.5],
  "attention_dropout": [0.5], "classifier_dropout": [0.5], "summary_first_dropout": [0.5],
  "layer_norm_epsilon": [0.05, 0, "1e-5"], "layer_norm_eps": [0.05, 0, "1e-5"], "rms_norm_eps": [0.05, 0, "1e-5"],
  "initializer_range": [0.5, 2.0],
  "use_cache": [False, 0, "true"],
  "bos_token_id": [5, 500], "eos_token_id": [5, [5, 6], 500], "pad_token_id": [3, -1, 500],
  "tie_word_embeddings": [False, True, 1, "true"],
  "rope_parameters": [],
  "attention_bias": [False, True], "mlp_bias": [True],
  "pretraining_tp": [2],
  "sliding_window": [3, 23, 24, 1, 0, -1],
  "use_sliding_window": [False],
  "max_window_layers": [0, 2, 3, 100, Case(2, also={"layer_types": ["full_attention"] * 3})],
  "layer_types": [
    ["full_attention"] * 3, ["sliding_attention"] * 3, ["sliding_attention", "full_attention", "sliding_attention"],
    ["full_attention"] * 2, ["attention", "full_attention", "full_attention"], ["chunked_attention"] * 3, ["linear_attention"] * 3,
    ["unknown"] * 3, [], Case(["sliding_attention"] * 3, also={"use_sliding_window": False})],
  "use_parallel_residual": [False],
  "is_decoder": [True],
  "window_size": [3, 23, 24, 1, 0, -1],
  "attention_types": [
    [[["global"], 3]], [[["local"], 3]], [[["global"], 2]], [[["sliding"], 3]], [],
    Case([[["global"], 3]], also={"attention_layers": ["local"] * 3})],
  "scale_attn_weights": [False], "scale_attn_by_inverse_layer_idx": [True], "reorder_and_upcast_attn": [True], "add_cross_attention": [True],
  "embedding_multiplier": [1.0, 0, 2, "2"], "logits_scaling": [1.0, 4, "2"], "residual_multiplier": [1.0, 0, 1, "2"],
  "attention_multiplier": [1.0, 0, 1, "2"],
  "no_rope_layers": [
    [1, 1, 1], [0, 0, 0], [1, 0, 2], [1, 0], [True, False, True],
    Case([0, 1, 1], also={"layer_types": ["sliding_attention"] * 3}), Case([0, 1, 1], also={"use_sliding_window": False})],
  "no_rope_layer_interval": [1, 3, 4, Case(3, without=("no_rope_layers",)), Case(1, without=("no_rope_layers",)), Case(4, without=("no_rope_layers",))],
  "original_max_position_embeddings": [16, 128], "ffn_dim": [40], "do_layer_norm_before": [False], "_remove_final_layer_norm": [True],
  "word_embed_proj_dim": [16], "dropout": [0.5], "layerdrop": [0.5], "init_std": [0.5], "enable_bias": [False],
  "layer_norm_elementwise_affine": [False], "apply_residual_connection_post_layernorm": [True], "slow_but_exact": [True], "n_embed": [16],
  "norm_epsilon": [0.05, 0, "1e-5"], "use_bias": [False], "residual_dropout": [0.5], "embedding_dropout": [0.5],
  "hidden_activation": OF_ACTIVATION, "activation": OF_ACTIVATION, "query_pre_attn_scalar": [16, 0, "16"],
  "final_logit_softcapping": [1.0, 0, "5"], "attn_logit_softcapping": [1.0, 0, "5"], "use_bidirectional_attention": [True, False],
  "num_ln_in_parallel_attn": [1, 2, 3, Case(2, also={"new_decoder_architecture": False})], "num_kv_heads": [1, 4, 3, 0],
  "alibi": [], "new_decoder_architecture": [False, Case(False, also={"multi_query": False}), Case(False, also={"num_kv_heads": 4, "multi_query": False})],
  "multi_query": [False], "parallel_attn": [False, Case(False, also={"new_decoder_architecture": False})], "bias": [False],
  "ffn_hidden_size": [40, 0], "use_qkv_bias": [False], "qk_layernorm": [False],
  "num_experts_per_tok": [1, 3, 4, 5, 0], "num_local_experts": [3, 5, 0], "num_experts": [3, 5, 0], "output_router_logits": [True],
  "router_aux_loss_coef": [0.5], "router_jitter_noise": [0.5], "moe_intermediate_size": [24, 0], "decoder_sparse_step": [1, 3, 0],
  "norm_topk_prob": [False], "mlp_only_layers": [[], [1], [0, 1, 2], [7]], "swiglu_alpha": [1.0, 2], "swiglu_limit": [1.0, 7],
  "summary_type": ["mean"], "summary_use_proj": [False], "summary_activation": ["tanh"], "summary_proj_to_labels": [False],
}
OF_ALL = {
  "transformers_version": ["4.0.0", 5], "architectures": [["Unknown"], "LlamaModel", []], "output_hidden_states": [True], "return_dict": [False],
  "dtype": ["float16", "bfloat16", "float64", "unknown"], "chunk_size_feed_forward": [4], "is_encoder_decoder": [True],
  "id2label": [{"0": "A", "1": "B", "2": "C"}, {"a": "b"}], "label2id": [{"A": 0}],
  "problem_type": ["regression", "single_label_classification", "unknown"],
}

# Keys that are no fields, but that the code of configurations takes, keeps or asks for.
LEGACY = {
  "torch_dtype": ["float16", "bfloat16", "unknown"],
  "num_labels": [1, 5],
  "partial_rotary_factor": [0.5, 0.25, Case(0.5, without=("rope_parameters",))],
  "rope_theta": [
    500, 500.0, Case(1000.0, without=("rope_parameters",)), Case(500.0, without=("rope_parameters",)), Case(0, without=("rope_parameters",)),
    Case(None, without=("rope_parameters",)), Case("500", without=("rope_parameters",))],
  "rotary_emb_base": [500, Case(1000, without=("rope_parameters",)), Case(500, without=("rope_parameters",)),
                      Case(500, without=("rope_parameters",), also={"rope_theta": 1000})],
  "rotary_pct": [0.25, Case(0.5, without=("rope_parameters",)), Case(1.0, without=("rope_parameters",)),
                 Case(0.5, without=("rope_parameters",), also={"rotary_emb_base": 1000}),
                 Case(0.25, without=("rope_parameters",), also={"rotary_emb_base": 1000}),
                 Case(None, without=("rope_parameters",))],
  "rope_scaling": [], "rope_local_base_freq": [500.0, Case(500.0, without=("rope_parameters",))],
  "sliding_window_pattern": [2, 3, Case(2, without=("layer_types",)), Case(3, without=("layer_types",))],
  "original_max_position_embeddings": [16, Case(16, also={"rope_parameters": {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0}}),
                                       Case(64, also={"rope_parameters": {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0}})],
  "name_or_path": ["x"], "_name_or_path": ["x/y"], "_commit_hash": ["0"],
  "output_attentions": [True],
  "attn_implementation": ["sdpa", "flash_attention_2", "unknown"], "_attn_implementation": ["eager", "unknown"],
  "_attn_implementation_internal": ["unknown"], "_attn_implementation_autoset": [True],
  "experts_implementation": ["eager", "unknown"],
  "per_layer_config": [
    {}, {"0": {}}, {"3": {}}, {"1": {"intermediate_size": 40}}, {"1": {"rms_norm_eps": 0.05}}, {"1": {"layer_norm_epsilon": 0.05}},
    {"1": {"layer_norm_eps": 0.05}}, {"1": {"sliding_window": 3}}, {"1": {"sliding_window": None}}, {"1": {"skip": ["self_attn"]}},
    {"1": {"unknown": 1}}],
  "attention_layers": [
    ["global"] * 3, ["local"] * 3, ["global", "local"], ["unknown"] * 3, Case(["global", "local", "local"], without=("attention_types",)),
    Case(["global"] * 3, without=("attention_types",))],
  "is_causal": [False, True],
  "text_config": [{"hidden_size": 16}, {}], "decoder": [{"hidden_size": 16}], "generator": [{"hidden_size": 16}],
  "text_encoder": [{"hidden_size": 16}], "llm_config": [{"hidden_size": 16}],
  "quantization_config": [
    {}, {"quant_method": "bitsandbytes", "load_in_4bit": True}, {"quant_method": "gptq", "bits": 4}, {"quant_method": "awq", "bits": 4},
    {"quant_method": "fp8"}, {"quant_method": "compressed-tensors"}, {"quant_method": "mxfp4"}, {"quant_method": "unknown"},
    {"group_size": 64, "bits": 4}],
  "compression_config": [{"quant_method": "compressed-tensors"}],
  "quantization": [{"group_size": 64, "bits": 4}],
  "fusion_config": [{"patch_embeddings": True}, {}],
  "transformers_weights": ["other.safetensors"],
  "auto_map": [{"AutoConfig": "configuration_x.XConfig", "AutoModelForCausalLM": "modeling_x.XModel"}],
  "gradient_checkpointing": [True, False],
  "attention_chunk_size": [5],
  "kv_sharing_modes": [["x"]], "mlp_layer_types": [["sparse"] * 3, ["dense"] * 3], "mtp_layer_types": [["full_attention"] * 3],
  "vision_aspect_ratio": ["anyres"], "vision_feature_layer": [-1], "vision_feature_select_strategy": ["default"],
  "output_cross_attentions": [True],
  "default_theta": [500.0], "default_rope_type": ["linear"], "ignore_keys_at_rope_validation": [["factor"]],
  "base_model_tp_plan": [{}], "base_model_pp_plan": [{}], "base_model_ep_plan": [{}], "base_model_fsdp_plan": [{}],
  "sub_configs": [{}], "sub_configs_defaults": [{}], "is_heterogeneous": [True], "use_return_dict": [True],
  "model_type": ["unknown", "Llama", ""],
}

# Keys of other families and of other tools, which public configurations have.
FOREIGN = {
  "hidden_size": [16], "num_attention_heads": [2], "num_hidden_layers": [2], "intermediate_size": [40], "head_dim": [16, 4],
  "num_key_value_heads": [1], "n_embd": [16], "n_head": [2], "n_layer": [2], "n_positions": [16], "n_inner": [40], "n_ctx": [16], "num_heads": [2],
  "num_layers": [2], "max_position_embeddings": [16], "activation_function": ["relu"], "hidden_act": ["relu"], "hidden_activation": ["relu"],
  "layer_norm_epsilon": [0.05], "layer_norm_eps": [0.05], "rms_norm_eps": [0.05], "norm_epsilon": [0.05],
  "sliding_window": [5], "use_sliding_window": [True, False], "max_window_layers": [1], "window_size": [3],
  "layer_types": [["full_attention"] * 3, ["sliding_attention"] * 3, ["unknown"] * 3, ["full_attention"] * 2],
  "attention_types": [[[["local"], 3]]], "attention_layers": [["local"] * 3],
  "rotary": [False, True], "rotary_dim": [2], "rotary_pct": [0.25], "rotary_emb_base": [500], "rope_interleaved": [True, False],
  "rope_traditional": [True], "rope_ratio": [2.0], "use_mrope": [True, False], "mrope_section": [[1, 1, 2]], "no_rope_layers": [[0, 1, 1]],
  "no_rope_layer_interval": [2], "original_max_position_embeddings": [16], "rope_parameters": [],
  "attention_bias": [True], "mlp_bias": [True], "qkv_bias": [True], "bias": [True], "use_bias": [True], "no_bias": [True],
  "attention_out_bias": [True], "use_qkv_bias": [True], "lm_head_bias": [True], "scale_attn_weights": [False],
  "scale_attn_by_inverse_layer_idx": [True], "reorder_and_upcast_attn": [True], "add_cross_attention": [True], "use_parallel_residual": [True, False],
  "parallel_attn": [True], "parallel_residual": [True], "qk_norm": [True], "use_qk_norm": [True], "qk_layernorm": [True], "clip_qkv": [1.0],
  "alibi": [True], "attention_multiplier": [2.0], "embedding_multiplier": [2.0], "residual_multiplier": [2.0], "logits_scaling": [2.0],
  "logit_scale": [2.0], "final_logit_softcapping": [1.0], "attn_logit_softcapping": [1.0], "query_pre_attn_scalar": [16], "softmax_scale": [0.5],
  "scale_depth": [2.0], "scale_emb": [2.0], "dim_model_base": [16], "scale_embeddings": [True], "embed_scale": [2.0], "normalize_embedding": [True],
  "use_bidirectional_attention": [True], "bidirectional": [True], "is_decoder": [True, False], "is_llama_config": [True], "is_prefix_lm": [True],
  "prefix_attention": [True], "num_experts": [4], "num_local_experts": [4], "num_experts_per_tok": [2], "moe_intermediate_size": [16],
  "tie_encoder_decoder": [True], "tie_last_hidden_states": [False], "untie_embeddings": [True], "weight_tying": [True], "word_embed_proj_dim": [16],
  "pruned_heads": [{"0": [1]}], "cross_attention_hidden_size": [16], "finetuning_task": ["x"], "prefix": ["x"], "tokenizer_class": ["GPT2Tokenizer"],
  "task_specific_params": [{"text-generation": {"do_sample": True}}], "torchscript": [True], "tf_legacy_loss": [True], "use_bfloat16": [True],
  "gradient_checkpointing": [True], "unsloth_fixed": [True], "unsloth_version": ["2024.9"], "transformers.js_config": [{"kv_cache_dtype": {"fp16": "float16"}}],
  "model_max_length": [16], "max_sequence_length": [16], "max_seq_len": [16], "seq_length": [16], "use_flash_attn": [True], "_flash_attn_2_enabled": [True],
  "pretraining_tp": [2], "architecture": ["x"], "neftune_noise_alpha": [5.0], "rescale_every": [1], "layerdrop": [0.5], "vocab_size_padded": [128],
  "padding_side": ["left"], "sep_token_id": [5], "cls_token_id": [5], "mask_token_id": [5], "decoder_start_token_id": [5],
  "summary_type": ["mean"], "attention_dropout": [0.5], "attn_pdrop": [0.5], "classifier_dropout": [0.5], "hidden_dropout": [0.5],
  "initializer_range": [0.5], "invented_key": [1, "x", {"a": [1]}], "initializer_factor": [2.0], "use_rms_norm": [True], "normalization_type": ["rmsnorm"], "ln_eps": [0.05],
  "multi_query": [True], "fused_bias_fc": [True], "quantization_bit": [4], "feed_forward_proj": ["gated-gelu"], "ffn_dim": [40], "d_model": [16],
}

# Each kind of rotary scaling: settings under which every sub-key counts, and the sub-keys' values.
# With these the ramp between the bounds lies inside the four frequencies of the head, and its ends aren't whole numbers.
YARN = {"rope_type": "yarn", "rope_theta": 100.0, "factor": 4.0, "original_max_position_embeddings": 512}
LONG = {"rope_type": "longrope", "rope_theta": 1000.0, "short_factor": [1.0, 1.5, 2.0, 2.5], "long_factor": [2.0, 3.0, 4.0, 5.0]}
EVERY = {"rope_theta": [500.0, 500], "partial_rotary_factor": [0.5, 1.0]}
OF_YARN = {
  "factor": [2.0, 4, 0.5, 1.0], "original_max_position_embeddings": [64, 4096, 512.0], "attention_factor": [1.0, 0.5, 0, 2],
  "beta_fast": [4.0, 8, 0], "beta_slow": [4.0, 8, 0], "truncate": [False], "mscale": [0.7, Case(0.7, also={"mscale_all_dim": 0.5}),
  Case(0.7, also={"mscale_all_dim": 0.7}), Case(0, also={"mscale_all_dim": 0.5})], "mscale_all_dim": [0.5],
  "low_freq_factor": [1.0], "extrapolation_factor": [2.0], "attn_factor": [2.0], "finetuned": [True]}
OF_LONG = {
  "short_factor": [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0], 2.0], "long_factor": [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0], 2.0], "factor": [4.0, 2.0, 1.0],
  "attention_factor": [1.5, 1.0], "original_max_position_embeddings": [8, 64], "short_mscale": [2.0], "long_mscale": [2.0]}
ROPE = {
  "default": ({"rope_type": "default", "rope_theta": 1000.0}, {}, {"factor": [4.0], "attention_factor": [2.0], "mrope_section": [[1, 1, 2]]}),
  "linear": ({"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0}, {}, {"factor": [2.0, 2, 0.5, 0, "4"], "attention_factor": [2.0]}),
  "dynamic": ({"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 4.0}, {"max_position_embeddings": 16},
              {"factor": [2.0, 2, 0.5], "original_max_position_embeddings": [8], "attention_factor": [2.0], "alpha": [1000.0]}),
  "dynamic_short": ({"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 4.0}, {"max_position_embeddings": 24}, {"factor": [2.0]}),
  "llama3": ({"rope_type": "llama3", "rope_theta": 1000.0, "factor": 8.0, "low_freq_factor": 0.3, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 16}, {},
             {"factor": [4.0, 4, 0.5], "low_freq_factor": [0.2, 1, 4.0], "high_freq_factor": [2.0, 8, 0.3], "attention_factor": [2.0],
              "original_max_position_embeddings": [8, 16.0, 64]}),
  "yarn": (YARN, {"max_position_embeddings": 1024}, OF_YARN),
  "longrope": (LONG | {"original_max_position_embeddings": 16}, {}, OF_LONG),
  "longrope_short": (LONG | {"original_max_position_embeddings": 24}, {}, OF_LONG),
  "proportional": ({"rope_type": "proportional", "rope_theta": 1000.0}, {}, {"factor": [4.0]}),
}

# Whole dictionaries: spellings, and what is left out.
DICTIONARIES = [
  {}, [], "linear", {"rope_theta": 500.0}, {"rope_theta": 1000.0}, {"rope_type": "default"}, {"rope_type": "default", "rope_theta": None},
  {"rope_type": None, "rope_theta": 1000.0}, {"rope_type": "unknown", "rope_theta": 1000.0}, {"rope_type": "ntk", "rope_theta": 1000.0, "factor": 4.0},
  {"rope_type": "su", "rope_theta": 1000.0, "factor": 4.0}, {"rope_type": "mrope", "rope_theta": 1000.0, "mrope_section": [1, 1, 2]},
  {"type": "mrope", "rope_type": "default", "rope_theta": 1000.0, "mrope_section": [1, 1, 2]}, {"rope_type": "axial", "rope_theta": 1000.0},
  {"type": "default", "rope_theta": 1000.0}, {"type": "linear", "factor": 4.0}, {"type": "linear", "factor": 4.0, "rope_theta": 1000.0},
  {"type": "linear", "rope_type": "default", "factor": 4.0, "rope_theta": 1000.0},
  {"type": "default", "rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0}, {"type": "yarn", "factor": 4.0, "rope_theta": 1000.0},
  {"rope_type": "linear"}, {"factor": 4.0, "rope_theta": 1000.0}, {"rope_type": "linear", "factor": 1.0, "rope_theta": 1000.0},
  {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0}, {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1000.0},
  {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1000.0},
  {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 1000.0},
  {"full_attention": {"rope_type": "default", "rope_theta": 500.0}}, {"full_attention": {"rope_type": "default", "rope_theta": 500.0}, "rope_theta": 1000.0},
  {"rope_type": "default", "rope_theta": 1000.0, "unknown": 1},
]
