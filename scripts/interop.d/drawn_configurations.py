"""Configurations drawn at random, of every family, in which anything may be odd."""


def with_harmless(settings, harmless_keys, random, most):
    names = sorted(harmless_keys)
    for _ in range(int(random.integers(1, most + 1))):
        key = names[random.integers(len(names))]
        settings[key] = pick(random, *harmless_keys[key])
    if random.random() < 0.5:
        settings[f"invented_{random.integers(100)}"] = pick(random, 1, "x", None, [1, 2], {"a": {"b": 0.5}})
    return settings


def pick(random, *values):
    return values[int(random.integers(len(values)))]


def chance(random, share):
    return random.random() < share


ACTIVATIONS = """gelu gelu_10 gelu_accurate gelu_fast gelu_new gelu_python gelu_python_tanh gelu_pytorch_tanh hardswish laplace leaky_relu linear
mish prelu quick_gelu relu relu2 relu6 sigmoid silu sqrtsoftplus swish tanh xielu""".split()
UNKNOWN_ACTIVATIONS = ["swiglu", "gelu_tanh", "GELU", "geglu", ""]


def drawn(family, harmless_keys, random):
    """A configuration of the family, in which anything may be odd."""
    settings = FAMILIES[family](random)
    settings["model_type"] = family
    for key in list(settings):
        if key in DROPPED and chance(random, 0.08):
            del settings[key]
        elif chance(random, 0.1 if key in NULLABLE else 0.008):
            settings[key] = None
    for alias, field in ALIASES.get(family, {}).items():
        if field in settings and chance(random, 0.25):
            # Both, the alias, or both with different values, of which the alias counts.
            value = settings[field]
            if chance(random, 0.7):
                del settings[field]
            settings[alias] = value + 1 if isinstance(value, int) and "max_" in alias and chance(random, 0.2) else value
    if chance(random, 0.6):
        with_harmless(settings, harmless_keys, random, 4)
    if chance(random, 0.05):
        settings["is_causal"] = pick(random, True, False)
    if chance(random, 0.05):
        settings["per_layer_config"] = pick(random, {}, None, {"0": {}}, {"0": {"rms_norm_eps": 0.1}}, {"0": {"unknown": 1}})
    order = random.permutation(len(settings))
    names = list(settings)
    return {names[place]: settings[names[place]] for place in order}


def activation(random, usual):
    if chance(random, 0.5):
        return usual
    return pick(random, *ACTIVATIONS) if chance(random, 0.95) else pick(random, *UNKNOWN_ACTIVATIONS)


def rotary(random, head, is_neox=False):
    """Any spelling of rotary settings: old, new, both, none."""
    base = pick(random, 10000.0, 10000, 500.0, 100, 1e6)
    part = pick(random, 0.25, 0.5, 1.0) if chance(random, 0.5 if is_neox else 0.1) else None
    scaling = rope_scaling(random, head)
    found = {}
    spelling = pick(random, "new", "new", "old", "old", "both", "none")
    if spelling in ("new", "both"):
        found["rope_parameters"] = dict(scaling or {"rope_type": "default"})
        if chance(random, 0.85):
            found["rope_parameters"]["rope_theta"] = base
        if part is not None:
            found["rope_parameters"]["partial_rotary_factor"] = part
    if spelling in ("old", "both"):
        found["rotary_emb_base" if is_neox and chance(random, 0.8) else "rope_theta"] = pick(random, base, base, 2000.0)
        if part is not None:
            found["rotary_pct" if is_neox and chance(random, 0.8) else "partial_rotary_factor"] = part
        if scaling is None or chance(random, 0.7):
            found["rope_scaling"] = scaling and dict(scaling)
    return found


def rope_scaling(random, head):
    """One of transformers' kinds with some of its sub-keys, sometimes with one that it needs missing, an odd one or an unknown kind."""
    kind = pick(random, None, "default", "linear", "dynamic", "llama3", "llama3", "yarn", "yarn", "longrope", "proportional")
    if chance(random, 0.05):
        kind = pick(random, "unknown", "mrope", "su", "ntk")
    if kind is None:
        return None
    half = max(head // 2, 1)
    needed = {"linear": ["factor"], "dynamic": ["factor"], "yarn": ["factor"], "longrope": ["short_factor", "long_factor"],
              "llama3": ["factor", "low_freq_factor", "high_freq_factor"]}.get(kind, [])
    optional = {"yarn": ["attention_factor", "beta_fast", "beta_slow", "truncate", "mscale", "mscale_all_dim", "original_max_position_embeddings"],
                "longrope": ["factor", "attention_factor", "original_max_position_embeddings"], "llama3": ["original_max_position_embeddings"] * 3,
                "dynamic": ["original_max_position_embeddings"]}.get(kind, [])
    drawn = {
        "factor": pick(random, 2.0, 4, 8.0, 1.0), "low_freq_factor": pick(random, 1.0, 0.3), "high_freq_factor": pick(random, 4.0, 2),
        "original_max_position_embeddings": pick(random, 8, 16, 32, 512), "attention_factor": pick(random, 1.0, 0.7, None),
        "beta_fast": pick(random, 32, 8.0), "beta_slow": pick(random, 1, 4.0), "truncate": pick(random, True, False), "mscale": pick(random, 1.0, 0.7),
        "mscale_all_dim": pick(random, 1.0, 0.5, 0), "short_factor": [round(1 + 0.1 * i, 2) for i in range(half)],
        "long_factor": [round(2 + 0.3 * i, 2) for i in range(half)]}
    keys = [key for key in needed if chance(random, 0.95)] + [key for key in optional if chance(random, 0.55)]
    if chance(random, 0.1):
        keys.append(pick(random, *drawn))
    spelling = pick(random, "rope_type", "rope_type", "type", "both")
    found = {"type" if spelling == "type" else "rope_type": kind} | ({"type": kind} if spelling == "both" else {})
    return found | {key: drawn[key] for key in keys}


def llama_like(family):
    def settings(random):
        heads = pick(random, 1, 2, 3, 4, 6)
        head = pick(random, 4, 8, 8, 12)
        own = pick(random, 4, 8, 10, 16) if chance(random, 0.3) else head
        layers = pick(random, 1, 2, 3)
        found = dict(
            vocab_size=int(random.integers(24, 60)), hidden_size=heads * head, num_attention_heads=heads, intermediate_size=int(random.integers(8, 40)),
            num_key_value_heads=pick(random, *[h for h in (1, 2, 3, heads) if heads % h == 0]), num_hidden_layers=layers,
            max_position_embeddings=pick(random, 16, 32, 64, 4096), rms_norm_eps=pick(random, 1e-5, 1e-6, 0.01), hidden_act=activation(random, "silu"),
            tie_word_embeddings=chance(random, 0.4), bos_token_id=1, eos_token_id=pick(random, 2, [2, 3]), pad_token_id=pick(random, None, 0, 5))
        if own != head or chance(random, 0.3):
            found["head_dim"] = own
        found |= rotary(random, own)
        if family in ("llama", "granite", "smollm3"):
            found |= dict(attention_bias=chance(random, 0.3), mlp_bias=chance(random, 0.3), pretraining_tp=pick(random, 1, 2))
        elif chance(random, 0.2):
            found |= dict(attention_bias=chance(random, 0.5), mlp_bias=chance(random, 0.5))
        found |= OWN.get(family, lambda _, __: {})(random, layers)
        if family == "starcoder2":
            found["norm_epsilon"] = found.pop("rms_norm_eps")
        if family == "stablelm":
            found.pop("rms_norm_eps")
        if family == "gpt_oss":
            found |= dict(attention_bias=chance(random, 0.7), sliding_window=pick(random, 3, 5, 128), head_dim=own)
        if family == "gemma3_text":
            found = two_bases(random, found)
        if family == "phi3" and chance(random, 0.5):
            found["partial_rotary_factor"] = pick(random, 0.5, 1.0)
        if family in ("mistral", "starcoder2", "phi3", "mixtral") or family not in SLIDING and chance(random, 0.2):
            found["sliding_window"] = pick(random, None, 1, 3, 5, 27, 28, 4096)
        if family in ("qwen2", "qwen3", "smollm3", "qwen3_moe") or family not in SLIDING and chance(random, 0.2):
            found |= dict(use_sliding_window=chance(random, 0.6), sliding_window=pick(random, 3, 5, 4096, None),
                          max_window_layers=pick(random, 0, 1, 2, 28))
        if family not in SLIDING and chance(random, 0.3 if family in ("qwen2", "qwen3", "smollm3") else 0.08):
            kinds = pick(random, ["full_attention"], ["sliding_attention"], ["sliding_attention", "full_attention"])
            if chance(random, 0.1):
                kinds = pick(random, ["chunked_attention"], ["x"])
            found["layer_types"] = (kinds * (layers + 1))[: layers + chance(random, 0.05)]
        return found
    return settings


# Those with windows in some layers always.
SLIDING = ("gemma2", "gemma3_text", "gpt_oss")


def factors(random, _):
    """Granite's, some of which are left out."""
    drawn = dict(embedding_multiplier=pick(random, 1.0, 3.0, 12), attention_multiplier=pick(random, 0.25, 1.0, 0.015625),
                 residual_multiplier=pick(random, 0.22, 1.0, 1), logits_scaling=pick(random, 1.0, 8.0, 0.5))
    return {key: value for key, value in drawn.items() if chance(random, 0.9)}


def unrotated(random, layers):
    """SmolLM3's layers without positions: a list, a period, both, neither."""
    found = {}
    if chance(random, 0.5):
        found["no_rope_layers"] = [pick(random, 0, 1) for _ in range(layers + chance(random, 0.05))]
    if chance(random, 0.5):
        found["no_rope_layer_interval"] = pick(random, 1, 2, 3, 4)
    return found


def gemma(random, layers):
    """What both Gemmas have beside Llama's settings; sizes of heads are theirs always."""
    found = dict(
        hidden_activation=activation(random, "gelu_pytorch_tanh"), query_pre_attn_scalar=pick(random, 4, 8, 16, 10), sliding_window=pick(random, 3, 5, 4096),
        head_dim=pick(random, 4, 8, 10), attention_bias=chance(random, 0.2), tie_word_embeddings=chance(random, 0.8))
    if chance(random, 0.6):
        found["final_logit_softcapping"] = pick(random, 2.0, 30.0, None)
    if chance(random, 0.3):
        found["attn_logit_softcapping"] = pick(random, 1.0, 50.0, None)
    if chance(random, 0.5):
        found["layer_types"] = [pick(random, "sliding_attention", "full_attention") for _ in range(layers)]
    if chance(random, 0.05):
        found["use_bidirectional_attention"] = pick(random, True, False, None)
    return found


def two_bases(random, found):
    """Gemma 3's rotary settings: of both kinds of layers, in either spelling."""
    for key in ("rope_parameters", "rope_scaling", "rope_theta", "partial_rotary_factor"):
        found.pop(key, None)
    if chance(random, 0.5):
        found["rope_parameters"] = {
            "full_attention": {"rope_type": "default", "rope_theta": pick(random, 1e6, 500.0)}, "sliding_attention": {"rope_type": "default", "rope_theta": 300.0}}
        if chance(random, 0.3):
            found["rope_parameters"]["full_attention"] = {"rope_type": "linear", "factor": pick(random, 2.0, 8.0), "rope_theta": 1000.0}
        if chance(random, 0.2):
            del found["rope_parameters"][pick(random, "full_attention", "sliding_attention")]
    else:
        if chance(random, 0.7):
            found["rope_theta"] = pick(random, 1e6, 500.0)
        if chance(random, 0.7):
            found["rope_local_base_freq"] = pick(random, 10000.0, 300.0)
        if chance(random, 0.4):
            found["rope_scaling"] = pick(random, None, {"rope_type": "linear", "factor": 4.0})
        if chance(random, 0.5):
            found["sliding_window_pattern"] = pick(random, 2, 3, 6)
    return found


def stablelm(random, _):
    return dict(
        layer_norm_eps=pick(random, 1e-5, 0.01), use_qkv_bias=chance(random, 0.5), qk_layernorm=chance(random, 0.5),
        use_parallel_residual=chance(random, 0.5))


def mixture(random, layers):
    """Experts of three families; what one doesn't read is a stranger to it."""
    experts = pick(random, 2, 3, 4, 5)
    found = dict(num_experts_per_tok=pick(random, *range(1, experts + 1)), router_aux_loss_coef=0.001, output_router_logits=chance(random, 0.2))
    found["num_local_experts" if chance(random, 0.7) else "num_experts"] = experts
    if chance(random, 0.7):
        found |= dict(moe_intermediate_size=int(random.integers(4, 30)), norm_topk_prob=chance(random, 0.6))
        found |= dict(decoder_sparse_step=pick(random, 1, 1, 2), mlp_only_layers=pick(random, [], [], None, [0], [layers - 1]))
    else:
        found["moe_intermediate_size"] = 12
    if chance(random, 0.3):
        found["router_jitter_noise"] = pick(random, 0.0, 0.1)
    if chance(random, 0.5):
        found |= dict(swiglu_alpha=pick(random, 1.702, 1.0), swiglu_limit=pick(random, 7.0, 1.0))
    return found


OWN = {
    "granite": factors, "smollm3": unrotated, "qwen3": lambda random, _: dict(attention_bias=chance(random, 0.3)),
    "olmo2": lambda random, _: dict(attention_bias=chance(random, 0.3)), "starcoder2": lambda random, _: dict(use_bias=chance(random, 0.7)),
    "phi3": lambda random, _: dict(original_max_position_embeddings=pick(random, 16, 32, 4096)) if chance(random, 0.6) else {},
    "gemma2": gemma, "gemma3_text": gemma, "stablelm": stablelm, "mixtral": mixture, "qwen3_moe": mixture, "gpt_oss": mixture,
}


def opt(random):
    heads, head = pick(random, 1, 2, 3, 4), pick(random, 4, 8)
    width = heads * head
    found = dict(
        vocab_size=int(random.integers(24, 60)), hidden_size=width, num_attention_heads=heads, num_hidden_layers=pick(random, 1, 2, 3),
        ffn_dim=int(random.integers(8, 40)), max_position_embeddings=pick(random, 27, 28, 64), activation_function=activation(random, "relu"),
        do_layer_norm_before=chance(random, 0.6), enable_bias=chance(random, 0.7), tie_word_embeddings=chance(random, 0.7), bos_token_id=1,
        eos_token_id=2, pad_token_id=1, word_embed_proj_dim=pick(random, width, width, 12))
    if chance(random, 0.2):
        found["_remove_final_layer_norm"] = True
    if chance(random, 0.1):
        found["layer_norm_elementwise_affine"] = chance(random, 0.5)
    return found


def falcon(random):
    heads, head = pick(random, 1, 2, 3, 4, 6), pick(random, 4, 8)
    found = dict(
        vocab_size=int(random.integers(24, 60)), num_attention_heads=heads, num_hidden_layers=pick(random, 1, 2, 3),
        layer_norm_epsilon=pick(random, 1e-5, 1e-3), activation=activation(random, "gelu"), tie_word_embeddings=chance(random, 0.7),
        new_decoder_architecture=chance(random, 0.4), multi_query=chance(random, 0.6), parallel_attn=chance(random, 0.7), bias=chance(random, 0.4),
        num_kv_heads=pick(random, None, heads, *[h for h in (1, 2, 3) if heads % h == 0]), max_position_embeddings=pick(random, 32, 64), bos_token_id=1,
        eos_token_id=2, pad_token_id=None)
    found["n_embed" if chance(random, 0.1) else "hidden_size"] = heads * head
    if chance(random, 0.4):
        found["num_ln_in_parallel_attn"] = pick(random, None, 1, 2, 3)
    if chance(random, 0.4):
        found["ffn_hidden_size"] = pick(random, None, 20, 40)
    # With eager attention transformers 5.23 adds ALiBi twice: not compared.
    return found | rotary(random, head)


def bloom(random):
    heads, head = pick(random, 1, 2, 3, 4, 5, 6), pick(random, 4, 8)
    sizes = dict(n_layer=pick(random, 1, 2, 3), n_head=heads)
    if chance(random, 0.3):
        sizes = dict(num_hidden_layers=sizes["n_layer"], num_attention_heads=heads)
    found = dict(
        vocab_size=int(random.integers(24, 60)), layer_norm_epsilon=pick(random, 1e-5, 1e-3), tie_word_embeddings=chance(random, 0.7), bos_token_id=1,
        eos_token_id=2, pad_token_id=3, slow_but_exact=chance(random, 0.3), pretraining_tp=pick(random, 1, 2)) | sizes
    found["n_embed" if chance(random, 0.2) else "hidden_size"] = heads * head
    if chance(random, 0.1):
        found["apply_residual_connection_post_layernorm"] = True
    return found


def gptj(random):
    heads, head = pick(random, 1, 2, 3, 4), pick(random, 4, 8, 12)
    return dict(
        vocab_size=int(random.integers(24, 60)), n_embd=heads * head, n_head=heads, n_layer=pick(random, 1, 2, 3), n_positions=pick(random, 28, 29, 64, 64),
        rotary_dim=3 if chance(random, 0.05) else pick(random, 2, 4, 4, head), n_inner=pick(random, None, 20, 33), activation_function=activation(random, "gelu_new"),
        layer_norm_epsilon=pick(random, 1e-5, 1e-3), tie_word_embeddings=chance(random, 0.3), bos_token_id=1, eos_token_id=2, attn_pdrop=0.1,
        resid_pdrop=0.0, embd_pdrop=0.0) | (rotary(random, head) if chance(random, 0.15) else {})


def gpt2(random):
    heads, head = pick(random, 1, 2, 3, 4), pick(random, 4, 8, 10)
    found = dict(
        vocab_size=int(random.integers(24, 60)), n_embd=heads * head, n_head=heads, n_layer=pick(random, 1, 2, 3), n_positions=pick(random, 28, 29, 64, 64),
        n_inner=pick(random, None, 20, 33), activation_function=activation(random, "gelu_new"), layer_norm_epsilon=pick(random, 1e-5, 1e-3),
        scale_attn_weights=chance(random, 0.7), scale_attn_by_inverse_layer_idx=chance(random, 0.3), reorder_and_upcast_attn=chance(random, 0.3),
        tie_word_embeddings=chance(random, 0.7), bos_token_id=1, eos_token_id=2, attn_pdrop=0.1)
    if chance(random, 0.07):
        found["add_cross_attention"] = True
    return found


def gpt_neo(random):
    heads, head, layers = pick(random, 1, 2, 4), pick(random, 4, 8), pick(random, 1, 2, 3, 4)
    kinds = [pick(random, "global", "local") for _ in range(layers)]
    found = dict(
        vocab_size=int(random.integers(24, 60)), hidden_size=heads * head, num_heads=heads, num_layers=layers, window_size=pick(random, 1, 3, 5, 27, 28, 256),
        max_position_embeddings=pick(random, 28, 29, 64, 64), intermediate_size=pick(random, None, 20), activation_function=activation(random, "gelu_new"),
        layer_norm_epsilon=pick(random, 1e-5, 1e-3), tie_word_embeddings=chance(random, 0.7), bos_token_id=1, eos_token_id=2, attention_dropout=0)
    spelling = pick(random, "types", "types", "both", "layers", "against") if chance(random, 0.97) else "none"
    if spelling in ("types", "both", "against"):
        found["attention_types"] = pick(random, [[kinds, 1]], [[[kind], 1] for kind in kinds], [[["global"], layers]])
    if spelling in ("layers", "both"):
        found["attention_layers"] = kinds
    if spelling == "against":
        found["attention_layers"] = pick(random, ["local"] * layers, ["global"] * layers, kinds[:-1], ["x"] * layers)
    return found


def gpt_neox(random):
    heads, head = pick(random, 1, 2, 3), pick(random, 8, 8, 12, 16, 16)
    found = dict(
        vocab_size=int(random.integers(24, 60)), hidden_size=heads * head, num_attention_heads=heads, num_hidden_layers=pick(random, 1, 2, 3),
        intermediate_size=int(random.integers(8, 40)), hidden_act=activation(random, "gelu"), max_position_embeddings=pick(random, 16, 32, 64),
        layer_norm_eps=pick(random, 1e-5, 1e-3), use_parallel_residual=chance(random, 0.6), attention_bias=chance(random, 0.7),
        tie_word_embeddings=chance(random, 0.3), bos_token_id=0, eos_token_id=2)
    if chance(random, 0.1):
        found["head_dim"] = pick(random, head, 8)
    return found | rotary(random, head, is_neox=True)


FAMILIES = {"gptj": gptj, "gpt2": gpt2, "gpt_neo": gpt_neo, "gpt_neox": gpt_neox,
            "llama": llama_like("llama"), "mistral": llama_like("mistral"), "qwen2": llama_like("qwen2"), "opt": opt,
            "bloom": bloom, "falcon": falcon} | {family: llama_like(family) for family in OWN}
SIZES = {"n_embd": "hidden_size", "n_positions": "max_position_embeddings", "n_head": "num_attention_heads", "n_layer": "num_hidden_layers"}
ALIASES = {"gptj": {alias: field for field, alias in SIZES.items()}, "gpt2": {alias: field for field, alias in SIZES.items()},
           "gpt_neo": {"num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"}}
# Those whose defaults don't make a tiny model large.
DROPPED = set("""rms_norm_eps layer_norm_eps layer_norm_epsilon hidden_act activation_function num_key_value_heads max_position_embeddings n_positions
head_dim tie_word_embeddings attention_bias mlp_bias sliding_window use_sliding_window max_window_layers layer_types use_parallel_residual rotary_dim
n_inner window_size attention_types scale_attn_weights scale_attn_by_inverse_layer_idx rope_theta rope_parameters rope_scaling rotary_pct
rotary_emb_base bos_token_id eos_token_id pad_token_id""".split())
NULLABLE = set("""n_inner head_dim num_key_value_heads sliding_window layer_types rope_parameters rope_scaling attention_types bos_token_id
eos_token_id pad_token_id pretraining_tp""".split())
