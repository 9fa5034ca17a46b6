"""Random configurations of every family: the logits that transformers' AutoModelForCausalLM computes, or a refusal that names the key."""
import json
import re
import shutil
import warnings

import numpy as np

from drawn_configurations import FAMILIES, drawn, with_harmless
from forward import everything_in
from harness import FIXTURES, Failure, complaint, run, workdir

COUNT = 440
SEED = 11
TOLERANCE = 2e-5  # of the larger of one and the logit
KEYS = FIXTURES / "configuration/class-keys.json"
# Words that a refusal may name though the configuration doesn't have them: what it lacks, or what a default says.
NAMES = """rope_type rope_parameters rope_scaling rope_theta partial_rotary_factor rotary_pct hidden_act activation_function layer_types sliding_window
attention_types attention_layers num_key_value_heads head_dim rotary_dim per_layer_config is_causal""".split()


def check(report):
    import torch
    import transformers

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity(transformers.logging.CRITICAL)
    transformers.utils.logging.disable_progress_bar()
    known = harmless(json.loads(KEYS.read_text()))
    families = list(FAMILIES)
    for place, family in enumerate(families):
        numbers = range(place, COUNT, len(families))
        report.row(f"{family}, {len(numbers)} configurations", lambda: row(family, numbers, *known[family]))


def row(family, numbers, plain, harmless_keys):
    """Tries so many configurations; counts what became of them, and lists those that went wrong."""
    counts, worst, failures = dict.fromkeys(("equal", "refused by name", "refused by both", "computed where transformers refuses"), 0), 0.0, []
    for number in numbers:
        random = np.random.default_rng([SEED, number])
        # Every fifth differs from a plain one by keys alone that have no effect: those may not be refused.
        is_plain = number // len(FAMILIES) % 5 == 0
        settings = with_harmless(dict(plain), harmless_keys, random, 6) if is_plain else drawn(family, harmless_keys, random)
        with workdir() as work:
            try:
                outcome, apart = tried(work, settings, plain, number, is_plain)
                counts[outcome] += 1
                worst = max(worst, apart)
            except Failure as failure:
                failures.append(f"{failure}: {json.dumps(settings)}")
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) + f", worst {worst:.1e}"
    if failures:
        raise Failure(f"{len(failures)} wrong ({summary})" + "".join(f"\n  {failure}" for failure in failures))
    return summary


def tried(work, settings, plain, seed, is_plain):
    """What came of it, and the largest difference in units of the tolerance's logits."""
    tokens = np.random.default_rng(seed).integers(0, min(settings.get("vocab_size") or 20, 20), 28).astype("<i4")
    model, expected = transformers_logits(work, settings, tokens, seed)
    if model is None:
        # Weights of a plain model: whatever the tool thinks of them, it may not crash.
        transformers_logits(work, plain, tokens, seed)
        (work / "config.json").write_text(json.dumps(settings))
    np.save(work / "tokens.npy", tokens)
    done = run("forward", work, "--tokens-file", work / "tokens.npy", "--logits", work / "logits.npy", "--quiet")
    if done.returncode not in (0, 2):
        raise Failure(f"exit {done.returncode}: {complaint(done)}")
    if expected is None:
        return ("refused by both" if done.returncode else "computed where transformers refuses"), 0.0
    if done.returncode:
        said = complaint(done)
        if is_plain:
            raise Failure(f"refused for keys without effect: {said}")
        if not names_a_key(said, settings):
            raise Failure(f"refused without a key's name: {said}")
        return "refused by name", 0.0
    return "equal", distance(np.load(work / "logits.npy").astype("f8"), expected, model, tokens)


def distance(mine, expected, model, tokens):
    if mine.shape != expected.shape:
        raise Failure(f"logits of shape {mine.shape}, expected {expected.shape}")
    apart = relative(mine, expected)
    # Deep or steep models lose more than the tolerance in transformers' own f32; then it goes by f64.
    if not apart <= TOLERANCE:
        apart = relative(mine, double_logits(model, tokens))
    if not apart <= TOLERANCE:
        raise Failure(f"other logits, {relative(mine, expected):.1e} from f32, {apart:.1e} from f64")
    return apart


def relative(mine, expected):
    return float((np.abs(mine - expected) / np.maximum(1, np.abs(expected))).max())


def names_a_key(said, settings):
    """Whether a message has the name of a key that is there, or could be, as a word of its own."""
    inner = [key for value in settings.values() if isinstance(value, dict) for key in value]
    return any(re.search(rf"(?<!\w){re.escape(key)}(?!\w)", said) for key in {*settings, *inner, *NAMES} - {"model_type", "type"})


def transformers_logits(work, settings, tokens, seed):
    """The model and its logits; saves its weights. None for what transformers refuses, or gives no numbers for."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    (work / "config.json").write_text(json.dumps(settings))
    try:
        config = AutoConfig.from_pretrained(work)
        config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    except Exception:
        return None, None
    randomise(model, seed)
    save(work, model, settings)
    try:
        logits = computed(model, tokens).double().numpy()
    except Exception:
        return model, None
    return model, logits if np.isfinite(logits).all() else None


def computed(model, tokens):
    import torch

    with torch.no_grad():
        output = model(torch.tensor(tokens[None].astype("i8")), use_cache=False)
    return (output.logits if hasattr(output, "logits") else output[0])[0]


def double_logits(model, tokens):
    import torch
    from transformers import AutoModelForCausalLM

    with everything_in("float64"):
        wide = AutoModelForCausalLM.from_config(model.config, dtype=torch.float64).double().eval()
        wide.load_state_dict(model.state_dict(), strict=False)
        return computed(wide, tokens).numpy()


def randomise(model, seed):
    import torch

    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            # Gemma's norms multiply with 1 + weight.
            scale = 1 if parameter.ndim < 2 and name.endswith("weight") and "gemma" not in model.config.model_type else 0
            parameter.copy_(scale + noise * (0.2 if parameter.ndim < 2 else 1.2 * max(parameter.shape[-1], 1) ** -0.5))


def save(work, model, settings):
    """With transformers' names, whether it would save this configuration or not."""
    from safetensors.torch import save_file

    scratch = work / "saved"
    try:
        model.save_pretrained(scratch)
        shutil.move(scratch / "model.safetensors", work / "model.safetensors")
    except Exception:
        seen, kept = set(), {}
        for name, tensor in model.state_dict(keep_vars=True).items():
            if id(tensor) not in seen:
                seen.add(id(tensor))
                kept[name] = tensor.detach().contiguous().clone()
        save_file(kept, work / "model.safetensors", metadata={"format": "pt"})
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def harmless(fixture):
    """Of each family: the plain configuration, and the keys beside it that changed nothing, whatever was tried, with what was."""
    found = {}
    for family, entry in fixture["families"].items():
        keys = fixture["everywhere"] | entry["keys"]
        found[family] = entry["base"], {
            key: [tried["value"] for tried in what["tried"]] for key, what in keys.items()
            if key not in entry["base"] and all(tried["effect"] == "none" for tried in what["tried"])}
    return found
