"""Logits of every family against transformers in f32 and in f64, on the fixtures and on random configurations."""
import contextlib
import json

import numpy as np

from harness import FIXTURES, Failure, Skipped, expect, run, workdir

TOLERANCE = 2e-5  # against transformers' f32, which is itself up to 9e-6 away from f64 on models of this size
RANDOM = 3  # configurations per family
PREFIX = 6
# Their classes take positions from the mask, and so none with rows of its own.
WITHOUT_PREFIX = ("bloom", "gemma3", "opt")


def check(report):
    import torch
    import transformers

    torch.manual_seed(0)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for case in sorted(path.parent for path in (FIXTURES / "huggingface").glob("*/logits.npy")):
        report.row(case.name, lambda: row(case, np.load(case / "tokens.npy")))
    random = np.random.default_rng(5)
    for family, settings in FAMILIES.items():
        for number in range(RANDOM):
            with workdir() as work:
                chosen = settings(random)
                report.row(f"random {family} {number}", lambda: made(work, chosen, number))


def made(work, settings, seed):
    """Saves a random model of these settings with transformers, and compares."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**settings)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            scale = 1 if parameter.ndim == 1 and name.endswith("weight") else 0
            parameter.copy_(scale + noise * (0.2 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5))
    model.save_pretrained(work)
    tokens = np.random.default_rng(seed).integers(0, config.vocab_size, 40).astype("<i4")
    brief = {k: v for k, v in settings.items() if k in ("sliding_window", "rope_scaling", "use_parallel_residual", "tie_word_embeddings", "head_dim", "scale_attn_by_inverse_layer_idx")}
    return f"{row(work, tokens)}; {json.dumps(brief)}"


def row(case, tokens):
    """Largest differences of logits, as text; causal and with a prefix."""
    tokens = tokens.reshape(-1)
    details = []
    config = json.loads((case / "config.json").read_text())
    if "quantization_config" in config:
        raise Skipped("transformers needs more packages for these blocks; the fixture's logits are a test's")
    for mode, more in [("causal", ())] + ([] if config["model_type"] in WITHOUT_PREFIX or config.get("alibi") else [("prefix", ("--prefix", PREFIX))]):
        with workdir() as work:
            np.save(work / "tokens.npy", tokens)
            run("forward", case, "--tokens-file", work / "tokens.npy", "--logits", work / "logits.npy", "--quiet", *more, check=0)
            mine = np.load(work / "logits.npy").astype("f8")
        f32, f64 = (peer(case, tokens, kind, mode == "prefix") for kind in ("float32", "float64"))
        expect(mine.shape == f32.shape, f"shape {mine.shape}, expected {f32.shape}")
        (ours, theirs, apart) = (float(np.abs(a - b).max()) for a, b in ((mine, f64), (f32, f64), (mine, f32)))
        if not apart <= TOLERANCE:
            raise Failure(f"{mode}: {apart:.2e} from f32, {ours:.2e} from f64, transformers' f32 {theirs:.2e} from f64")
        nearer = "nearer" if ours <= theirs else "FARTHER"
        details.append(f"{mode}: {apart:.1e} from f32; from f64 {ours:.1e}, transformers {theirs:.1e} ({nearer})")
    return "; ".join(details)


@contextlib.contextmanager
def everything_in(kind):
    """transformers computes norms, softmax and rotary tables in f32 whatever the model's dtype: lets it take f64 for f32."""
    import torch

    saved = torch.float32, torch.float, torch.Tensor.float
    if kind == "float64":
        torch.float32 = torch.float = torch.float64
        torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = saved


def peer(case, tokens, kind, has_prefix):
    """transformers' logits, computed in that dtype throughout."""
    import torch
    from transformers import AutoModelForCausalLM

    # With eager attention transformers 5.23 adds Falcon's ALiBi twice; by default it doesn't.
    how = dict(attn_implementation="sdpa" if json.loads((case / "config.json").read_text()).get("alibi") else "eager", experts_implementation="eager")
    model = AutoModelForCausalLM.from_pretrained(case, dtype=torch.float32, **how).eval()
    dtype = getattr(torch, kind)
    if kind == "float64":
        weights = model.state_dict()
        with everything_in(kind):
            wide = AutoModelForCausalLM.from_config(model.config, dtype=dtype, **how).double().eval()
        missing = [k for k in wide.load_state_dict(weights, strict=False).missing_keys if not k.startswith(("lm_head", "embed_out"))]
        expect(not missing, f"not loaded: {missing[:3]}")
        model = wide
    count = len(tokens)
    place = torch.arange(count)
    mask = None
    if has_prefix:
        ahead = (place[None, :] > place[:, None]) & (place[None, :] < PREFIX) & (place[:, None] < PREFIX)
        seen = (place[None, :] <= place[:, None]) | ahead
        window = getattr(model.config, "sliding_window", None)
        kinds = set(getattr(model.config, "layer_types", None) or ([] if not window else ["sliding_attention"]))
        near = seen & (place[:, None] - place[None, :] < (window or count))
        masks = {k: torch.zeros(1, 1, count, count, dtype=dtype).masked_fill(~v, torch.finfo(dtype).min)
                 for k, v in (("full_attention", seen), ("sliding_attention", near))}
        mask = masks if len(kinds) > 1 else masks["sliding_attention" if "sliding_attention" in kinds else "full_attention"]
        for module in model.modules():
            # GPT-Neo masks in its layers, too.
            if type(module).__name__ == "GPTNeoSelfAttention":
                module.bias[0, 0, :count, :count] |= ahead
    with torch.no_grad(), everything_in(kind):
        return model(torch.tensor(tokens[None].astype("i8")), attention_mask=mask, use_cache=False).logits[0].double().numpy()


def llama_like(family):
    def settings(random):
        heads = int(random.choice([2, 4, 6]))
        width = int(random.choice([8, 12, 16]))
        chosen = dict(
            model_type=family, vocab_size=int(random.integers(50, 200)), hidden_size=heads * width, num_attention_heads=heads,
            num_key_value_heads=int(random.choice([h for h in (1, 2, heads) if heads % h == 0])), intermediate_size=int(random.integers(20, 150)),
            num_hidden_layers=int(random.integers(1, 5)), max_position_embeddings=128, rms_norm_eps=float(random.choice([1e-5, 1e-6])),
            rope_theta=float(random.choice([1e4, 5e5, 1e6])), tie_word_embeddings=bool(random.integers(2)))
        if family == "llama":
            chosen |= dict(attention_bias=bool(random.integers(2)), mlp_bias=bool(random.integers(2)), head_dim=int(random.choice([8, 14, 16])))
            chosen["rope_scaling"] = [None, dict(rope_type="linear", factor=3.0),
                                      dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32),
                                      dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)][random.integers(4)]
        if family == "mistral":
            chosen |= dict(sliding_window=[None, 5, 16][random.integers(3)])
        if family == "qwen2":
            chosen |= dict(use_sliding_window=bool(random.integers(2)), sliding_window=7, max_window_layers=int(random.integers(0, 3)))
        return chosen
    return settings


def gptj(random):
    heads, width = int(random.choice([2, 4])), int(random.choice([8, 16]))
    return dict(model_type="gptj", vocab_size=int(random.integers(50, 200)), n_embd=heads * width, n_head=heads, n_layer=int(random.integers(1, 5)),
                n_positions=64, rotary_dim=int(random.choice([2, 4, 8])), n_inner=[None, 50][random.integers(2)])


def gpt2(random):
    heads, width = int(random.choice([1, 3, 4])), int(random.choice([8, 10]))
    return dict(model_type="gpt2", vocab_size=int(random.integers(50, 200)), n_embd=heads * width, n_head=heads, n_layer=int(random.integers(1, 5)),
                n_positions=64, n_inner=[None, 50][random.integers(2)], scale_attn_by_inverse_layer_idx=bool(random.integers(2)),
                scale_attn_weights=bool(random.integers(2)), activation_function=str(random.choice(["gelu", "gelu_new", "relu"])))


def gpt_neo(random):
    heads = int(random.choice([2, 4]))
    return dict(model_type="gpt_neo", vocab_size=int(random.integers(50, 200)), hidden_size=heads * 8, num_heads=heads, num_layers=4,
                attention_types=[[["global", "local"], 2]], window_size=int(random.integers(3, 12)), max_position_embeddings=64)


def gpt_neox(random):
    heads = int(random.choice([2, 4]))
    return dict(model_type="gpt_neox", vocab_size=int(random.integers(50, 200)), hidden_size=heads * 16, num_attention_heads=heads,
                num_hidden_layers=int(random.integers(1, 5)), intermediate_size=int(random.integers(20, 150)), max_position_embeddings=64,
                rotary_pct=float(random.choice([0.25, 0.5, 1.0])), use_parallel_residual=bool(random.integers(2)), attention_bias=bool(random.integers(2)))


FAMILIES = {"gptj": gptj, "gpt2": gpt2, "gpt_neo": gpt_neo, "gpt_neox": gpt_neox,
            "llama": llama_like("llama"), "mistral": llama_like("mistral"), "qwen2": llama_like("qwen2")}
