"""The tiny model of each family that keys are tried on: three layers, a window that 24 tokens outgrow, no default where one matters."""

import torch

LENGTH = 24

LLAMA_LIKE = dict(
  vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
  hidden_act="silu", max_position_embeddings=64, initializer_range=0.02, rms_norm_eps=1e-5, use_cache=True, pad_token_id=None,
  bos_token_id=1, eos_token_id=2, tie_word_embeddings=False, rope_parameters=dict(rope_type="default", rope_theta=1000.0),
  attention_dropout=0.0)
GPT2_LIKE = dict(
  vocab_size=97, n_positions=64, n_embd=32, n_layer=3, n_head=4, n_inner=48, activation_function="gelu_new", resid_pdrop=0.0, embd_pdrop=0.0,
  attn_pdrop=0.0, layer_norm_epsilon=1e-5, initializer_range=0.02, use_cache=True, bos_token_id=1, eos_token_id=2, pad_token_id=None)

GEMMA_LIKE = dict(
  vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
  hidden_activation="gelu_pytorch_tanh", max_position_embeddings=64, initializer_range=0.02, rms_norm_eps=1e-6, use_cache=True,
  pad_token_id=None, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True, attention_bias=False, attention_dropout=0.0,
  query_pre_attn_scalar=8, sliding_window=5, layer_types=None)

BASES = {
  "gptj": dict(GPT2_LIKE, model_type="gptj", rotary_dim=4, tie_word_embeddings=False),
  "gpt2": dict(
    GPT2_LIKE, model_type="gpt2", summary_type="cls_index", summary_use_proj=True, summary_activation=None, summary_proj_to_labels=True,
    summary_first_dropout=0.1, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False, reorder_and_upcast_attn=False,
    add_cross_attention=False, tie_word_embeddings=True),
  "gpt_neo": dict(
    model_type="gpt_neo", vocab_size=97, max_position_embeddings=64, hidden_size=32, num_layers=3,
    attention_types=[[["global", "local"], 1], [["local"], 1]], num_heads=4, intermediate_size=48, window_size=5,
    activation_function="gelu_new", resid_dropout=0.0, embed_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.1,
    layer_norm_epsilon=1e-5, initializer_range=0.02, use_cache=True, bos_token_id=1, eos_token_id=2, pad_token_id=None,
    tie_word_embeddings=True),
  "gpt_neox": dict(
    model_type="gpt_neox", vocab_size=97, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48, hidden_act="gelu",
    attention_dropout=0.0, hidden_dropout=0.0, classifier_dropout=0.1, max_position_embeddings=64, initializer_range=0.02,
    layer_norm_eps=1e-5, use_cache=True, bos_token_id=0, eos_token_id=2, pad_token_id=None, tie_word_embeddings=False,
    use_parallel_residual=True, rope_parameters=dict(rope_type="default", rope_theta=1000.0, partial_rotary_factor=0.5), attention_bias=True,
    is_decoder=False),
  "llama": dict(LLAMA_LIKE, model_type="llama", pretraining_tp=1, attention_bias=False, mlp_bias=False, head_dim=8),
  "mistral": dict(LLAMA_LIKE, model_type="mistral", head_dim=8, sliding_window=5),
  "qwen2": dict(LLAMA_LIKE, model_type="qwen2", use_sliding_window=True, sliding_window=5, max_window_layers=1, layer_types=None),
  "qwen3": dict(
    LLAMA_LIKE, model_type="qwen3", head_dim=8, attention_bias=False, use_sliding_window=True, sliding_window=5, max_window_layers=1,
    layer_types=None),
  "granite": dict(
    LLAMA_LIKE, model_type="granite", attention_bias=False, mlp_bias=False, embedding_multiplier=3.0, logits_scaling=2.0,
    residual_multiplier=0.5, attention_multiplier=0.3),
  "olmo2": dict(LLAMA_LIKE, model_type="olmo2", attention_bias=False),
  "smollm3": dict(
    LLAMA_LIKE, model_type="smollm3", use_sliding_window=True, sliding_window=5, no_rope_layers=[1, 0, 1], no_rope_layer_interval=2,
    layer_types=None, attention_bias=False, mlp_bias=False),
  "starcoder2": dict(
    {key: value for key, value in LLAMA_LIKE.items() if key != "rms_norm_eps"}, model_type="starcoder2", hidden_act="gelu_pytorch_tanh",
    norm_epsilon=1e-5, use_bias=True, sliding_window=5, residual_dropout=0.0, embedding_dropout=0.0),
  "phi3": dict(
    LLAMA_LIKE, model_type="phi3", original_max_position_embeddings=64, resid_pdrop=0.0, embd_pdrop=0.0, sliding_window=5,
    rope_parameters=dict(rope_type="default", rope_theta=1000.0, partial_rotary_factor=0.5)),
  "opt": dict(
    model_type="opt", vocab_size=97, hidden_size=32, num_hidden_layers=3, ffn_dim=48, max_position_embeddings=64, do_layer_norm_before=True,
    _remove_final_layer_norm=False, word_embed_proj_dim=32, dropout=0.0, attention_dropout=0.0, num_attention_heads=4,
    activation_function="relu", layerdrop=0.0, init_std=0.02, use_cache=True, pad_token_id=None, bos_token_id=1, eos_token_id=2,
    enable_bias=True, layer_norm_elementwise_affine=True, tie_word_embeddings=True),
  "bloom": dict(
    model_type="bloom", vocab_size=97, hidden_size=32, n_layer=3, n_head=4, layer_norm_epsilon=1e-5, initializer_range=0.02, use_cache=True,
    bos_token_id=1, eos_token_id=2, pad_token_id=None, apply_residual_connection_post_layernorm=False, hidden_dropout=0.0,
    attention_dropout=0.0, pretraining_tp=1, slow_but_exact=False, tie_word_embeddings=True),
  "gemma2": dict(
    GEMMA_LIKE, model_type="gemma2", rope_parameters=dict(rope_type="default", rope_theta=1000.0), final_logit_softcapping=5.0,
    attn_logit_softcapping=5.0, use_bidirectional_attention=None),
  "gemma3_text": dict(
    GEMMA_LIKE, model_type="gemma3_text", sliding_window_pattern=2, final_logit_softcapping=None, attn_logit_softcapping=None, use_bidirectional_attention=False,
    rope_parameters=dict(full_attention=dict(rope_type="default", rope_theta=1000.0),
                         sliding_attention=dict(rope_type="default", rope_theta=300.0))),
  "falcon": dict(
    model_type="falcon", vocab_size=97, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_ln_in_parallel_attn=None,
    layer_norm_epsilon=1e-5, initializer_range=0.02, use_cache=True, hidden_dropout=0.0, attention_dropout=0.0, num_kv_heads=2, alibi=False,
    new_decoder_architecture=True, multi_query=True, parallel_attn=True, bias=True, max_position_embeddings=64,
    rope_parameters=dict(rope_type="default", rope_theta=1000.0), bos_token_id=1, eos_token_id=2, pad_token_id=None, ffn_hidden_size=48,
    activation="gelu", tie_word_embeddings=True),
  "stablelm": dict(
    {key: value for key, value in LLAMA_LIKE.items() if key != "rms_norm_eps"}, model_type="stablelm", layer_norm_eps=1e-5,
    use_qkv_bias=True, qk_layernorm=True, use_parallel_residual=False, hidden_dropout=0.0,
    rope_parameters=dict(rope_type="default", rope_theta=1000.0, partial_rotary_factor=0.5)),
  "mixtral": dict(
    LLAMA_LIKE, model_type="mixtral", head_dim=8, sliding_window=5, num_experts_per_tok=2, num_local_experts=4, output_router_logits=False,
    router_aux_loss_coef=0.001, router_jitter_noise=0.0),
  "qwen3_moe": dict(
    LLAMA_LIKE, model_type="qwen3_moe", head_dim=8, attention_bias=False, use_sliding_window=True, sliding_window=5, decoder_sparse_step=2,
    moe_intermediate_size=20, num_experts_per_tok=2, num_local_experts=4, norm_topk_prob=True, output_router_logits=False,
    router_aux_loss_coef=0.001, mlp_only_layers=None),
  "gpt_oss": dict(
    LLAMA_LIKE, model_type="gpt_oss", head_dim=8, num_local_experts=4, num_experts_per_tok=2, sliding_window=5, swiglu_alpha=1.702,
    swiglu_limit=2.0, router_aux_loss_coef=0.001, output_router_logits=False, layer_types=None, attention_bias=True),
}


def tokens():
  """Every position another token; 3 is among them, which is tried as the padding."""
  return torch.tensor([[(3 + 29 * i) % 97 for i in range(LENGTH)]])


def randomise(model, seed=0, embeddings=1):
  """Weights at which attention is neither flat nor one-hot, norms around one, biases that matter; embeddings of the size given."""
  random = torch.Generator().manual_seed(seed)
  with torch.no_grad():
    for name, parameter in model.named_parameters():
      noise = torch.randn(parameter.shape, generator=random)
      if parameter.ndim < 2:
        parameter.copy_((1 if name.endswith("weight") else 0) + 0.3 * noise)
      else:
        parameter.copy_(noise * (embeddings if "emb" in name or "wte" in name or "wpe" in name else 0.35))
