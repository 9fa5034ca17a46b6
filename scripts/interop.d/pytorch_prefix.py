"""Prefix attention, which GPT-JT keeps in masks of ones: logits and generated tokens as transformers computes them with explicit masks."""
import functools

import numpy as np

from harness import FIXTURES, document, expect, run, workdir

CASE = FIXTURES / "pytorch" / "gptjt_prefix"
TOLERANCE = 2e-5  # against transformers in f32, as in the group `forward`
LENGTHS = (1, 2, 5, 17, 40, 64)
GENERATED = 20


def check(report):
    with workdir() as work:
        store, causal = work / "m.store", work / "causal"
        report.row("a store and causal safetensors are made of GPT-JT", lambda: make(store, causal))
        for label, source in (("the file", CASE), ("the store", store)):
            report.row(f"prefix attention: logits of {label}", lambda: whole_prompts(source))
            report.row(f"prefix attention: --prefix on {label}", lambda: given_prefixes(source))
            report.row(f"prefix attention: the last token counts at the first, {label}", lambda: looks_ahead(source, True))
            report.row(f"prefix attention: greedy generation, {label}", lambda: generation(source))
        report.row("prefix attention given up: logits", lambda: given_up(causal))
        report.row("prefix attention given up: the last token doesn't count at the first", lambda: looks_ahead(causal, False))


def make(store, causal):
    expect(document("inspect", CASE)["attention"] == "prefix", "inspect doesn't say that it has prefix attention")
    done = run("convert", CASE, causal, "--to", "safetensors", check=2)
    expect("--attention causal" in done.stderr and not causal.exists(), "converting without --attention causal is not refused as it should be")
    run("convert", CASE, causal, "--to", "safetensors", "--attention", "causal", "--quiet", check=0)
    run("convert", CASE, store, "--to", "store", "--quiet", check=0)
    expect(document("inspect", store)["attention"] == "prefix" and document("inspect", causal)["attention"] == "causal", "the results say something else")
    return "the store keeps it, safetensors only without it"


def random_tokens(count):
    return np.random.default_rng(count).integers(0, 400, count).astype("<i4")


def ours(source, tokens, *options):
    with workdir() as work:
        np.save(work / "tokens.npy", tokens)
        run("forward", source, "--tokens-file", work / "tokens.npy", "--logits", work / "logits.npy", "--quiet", *options, check=0)
        return np.load(work / "logits.npy")


@functools.cache
def model():
    """The weights as torch reads them, and nothing of the buffers."""
    import torch
    from transformers import AutoConfig, GPTJForCausalLM

    peer = GPTJForCausalLM._from_config(AutoConfig.from_pretrained(CASE), attn_implementation="eager").float().eval()
    weights = torch.load(CASE / "pytorch_model.bin")
    loading = peer.load_state_dict({name: weight.float() for name, weight in weights.items()}, strict=False)
    expect(not loading.missing_keys, f"not loaded: {loading.missing_keys[:3]}")
    expect(all(name.endswith((".attn.bias", ".attn.masked_bias")) for name in loading.unexpected_keys), f"not known: {loading.unexpected_keys[:3]}")
    return peer


def mask(count, prefix):
    """What is added to scores: nothing where a token sees another, its own past or the whole of the prefix it lies in."""
    import torch

    place = torch.arange(count)
    seen = (place[None, :] <= place[:, None]) | (place[None, :] < prefix) & (place[:, None] < prefix)
    return torch.zeros(1, 1, count, count).masked_fill(~seen, torch.finfo(torch.float32).min)


def theirs(tokens, prefix):
    import torch

    with torch.no_grad():
        return model()(torch.tensor(tokens[None].astype("i8")), attention_mask=mask(len(tokens), prefix), use_cache=False).logits[0].numpy()


def apart(mine, reference, what):
    expect(mine.shape == reference.shape, f"{what}: shape {mine.shape}, expected {reference.shape}")
    difference = float(np.abs(mine.astype("f8") - reference).max())
    expect(difference <= TOLERANCE, f"{what}: logits differ by {difference:.2e}, allowed {TOLERANCE:.0e}")
    return difference


def whole_prompts(source):
    largest = max(apart(ours(source, tokens), theirs(tokens, len(tokens)), f"{len(tokens)} tokens") for tokens in map(random_tokens, LENGTHS))
    return f"prompts of {', '.join(map(str, LENGTHS))} tokens, largest difference {largest:.1e} of {TOLERANCE:.0e}"


def given_prefixes(source):
    tokens = random_tokens(33)
    prefixes = (0, 1, 2, 9, 32, 33)
    largest = max(apart(ours(source, tokens, "--prefix", prefix), theirs(tokens, prefix), f"--prefix {prefix}") for prefix in prefixes)
    return f"--prefix {', '.join(map(str, prefixes))} of 33 tokens, largest difference {largest:.1e} of {TOLERANCE:.0e}"


def given_up(source):
    tokens = random_tokens(40)
    causal = apart(ours(source, tokens), theirs(tokens, 0), "causal")
    declared = apart(ours(source, tokens, "--prefix", 40), theirs(tokens, 40), "--prefix 40")
    return f"causal, largest difference {causal:.1e}; prefix again when it is asked for, {declared:.1e}"


def looks_ahead(source, does):
    tokens = random_tokens(24)
    other = tokens.copy()
    other[-1] = (other[-1] + 1) % 400
    moved = np.abs(ours(source, tokens) - ours(source, other)).max(axis=1)
    if does:
        expect((moved > 1e-3).all(), f"another last token moves the logits by {moved.min():.1e} only, at place {moved.argmin()}")
        return f"it moves the first place's logits by {moved[0]:.2f}"
    expect((moved[:-1] == 0).all() and moved[-1] > 1e-3, f"another last token moves earlier logits by {moved[:-1].max():.1e}")
    return "not one bit of any logits before the last moves"


def generation(source):
    """Greedy with transformers' cache, the prompt seen as a whole; and computing everything anew for each token."""
    import torch

    margins, others = [], 0
    for length in (1, 4, 19, 40):
        prompt = random_tokens(length)
        mine = document("forward", source, "--tokens", ",".join(map(str, prompt)), "--generate", GENERATED)["generated"]
        cached, anew = [], prompt
        with torch.no_grad():
            step = model()(torch.tensor(prompt[None].astype("i8")), attention_mask=torch.zeros(1, 1, length, length), use_cache=True)
            for number in range(GENERATED):
                cached.append(int(step.logits[0, -1].argmax()))
                seen = torch.zeros(1, 1, 1, length + number + 1)
                step = model()(torch.tensor([cached[-1:]]), attention_mask=seen, past_key_values=step.past_key_values, use_cache=True)
        for _ in range(GENERATED):
            first, second = np.sort(theirs(anew, length)[-1])[:-3:-1]
            margins.append(first - second)
            anew = np.append(anew, np.int32(theirs(anew, length)[-1].argmax()))
        expect(cached == anew[length:].tolist(), f"{length} tokens: transformers disagrees with itself")
        expect(mine == cached, f"{length} tokens: generated {mine}, transformers {cached}")
        causal = document("forward", source, "--tokens", ",".join(map(str, prompt)), "--generate", GENERATED, "--prefix", 0)["generated"]
        others += causal != mine
    expect(others >= 2, "the same as causally, which shows nothing")
    return f"{GENERATED} tokens after prompts of 1, 4, 19 and 40, nearest decision {min(margins):.1e}"
