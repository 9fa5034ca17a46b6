"""What llama.cpp computes with the GGUF files written here, beside our own forward pass on the same files.

Each file is compared with llama.cpp twice. With the file itself llama.cpp also rounds what is multiplied with its weights: to F16 or BF16
with such weights, to 8 bits in groups of 32 or 256 with blocks; a product is then off by about half a percent, and what comes out of the
layers by two or three. So the same weights are given to it in F32, too, and there both must agree.
"""
import functools

import numpy as np

import llama_converter
import llama_measures
import llama_mesh
import llama_quantize
import llama_tokens
import llama_tools
from harness import Skipped, complaint, convert, document, expect, run, workdir
from llama_likelihoods import TOLERANCE, ours, theirs
from llama_models import FAMILIES, SCHEMES, TOKENS, TYPES, WITHOUT_GRAPH, fixture, fixtures, wide

# With files of other types: the largest difference, and the root of the mean square. Measured: F16 0.007 and 0.001, BF16 0.046 and 0.009,
# blocks 0.22 and 0.031; logits have a standard deviation of 1.
LIMITS = {"f32": (TOLERANCE, TOLERANCE), "f16": (0.015, 0.002), "bf16": (0.1, 0.02)}
LIMITS_OF_BLOCKS = (0.4, 0.06)
# Positions whose likeliest token may be another; those where it is have likelihoods nearer to each other than the largest difference.
OTHER_TOKENS = 4
MIXTURES = ("mixtral", "qwen3_moe")
EVERY = [*SCHEMES, *TYPES]


def check(report):
    for family in FAMILIES:
        with workdir() as work:
            for label, model in ((family, lambda: fixture(family)), (f"wide {family}", functools.cache(lambda: wide(family, work)))):
                report.row(f"{label}, every scheme", lambda: every_scheme(model()))
                report.row(f"{label}, split set", lambda: split(model()))
                llama_quantize.check(report, label, model)
                llama_measures.check(report, label, model)
                llama_tools.check(report, label, model)
    for name in fixtures():
        report.row(f"{name}, F32 and back", lambda: refused(fixture(name)) if name in WITHOUT_GRAPH else plain(fixture(name)))
    for name in MIXTURES:
        llama_measures.importances(report, name, lambda: fixture(name))
        llama_tools.importances(report, name, lambda: fixture(name))
    llama_mesh.check(report)
    llama_tokens.check(report)
    llama_converter.check(report)


# MARK: Rows

def every_scheme(model):
    with workdir() as work:
        files = [model.quantize(work / f"{scheme}.gguf", scheme) for scheme in EVERY]
        wide = [work / f"{scheme}.as-f32.gguf" for scheme in EVERY]
        for file, widened in zip(files, wide):
            run("convert", file, widened, "--dtype", "f32", "--assets", model.assets, "--quiet", check=0)
        mine = [ours(file, model.tokens) for file in files]
        with_file, with_widened = theirs(files, model.tokens), theirs(wide, model.tokens)
    worst, of_widened = {}, []
    agreeing = total = 0
    for scheme, here, there, there_widened in zip(EVERY, mine, with_file, with_widened, strict=True):
        apart = float(np.abs(here - there_widened).max())
        expect(apart <= TOLERANCE, f"{scheme}: {apart:.1e} with the weights in F32, expected at most {TOLERANCE:g}")
        of_widened.append(apart)

        largest, mean = float(np.abs(here - there).max()), float(np.sqrt(np.mean((here - there) ** 2)))
        limit, limit_of_mean = LIMITS.get(scheme, LIMITS_OF_BLOCKS)
        expect(largest <= limit and mean <= limit_of_mean,
               f"{scheme}: at most {largest:.3f}, in the mean {mean:.4f}; expected {limit:g} and {limit_of_mean:g}")
        kind = scheme if scheme in LIMITS else "blocks"
        worst[kind] = max(worst.get(kind, (0, "")), (largest, scheme))

        other = np.flatnonzero(here.argmax(axis=-1) != there.argmax(axis=-1))
        ordered = np.sort(here[other], axis=-1)
        margins = ordered[:, -1] - ordered[:, -2]
        expect(len(other) <= OTHER_TOKENS, f"{scheme}: {len(other)} of {TOKENS} positions have another likeliest token")
        expect(all(margins <= 2 * largest), f"{scheme}: another likeliest token, {max(margins, default=0):.3f} likelier")
        agreeing, total = agreeing + TOKENS - len(other), total + TOKENS
    found = ", ".join(f"{kind} {largest:.1e}" + (f" ({scheme})" if scheme != kind else "") for kind, (largest, scheme) in worst.items())
    return f"{len(EVERY)} files; log-probabilities differ by {found}; by {max(of_widened):.1e} as F32; likeliest token {agreeing} of {total}"


def split(model):
    """A file cut into three: llama.cpp finds the others by the name of the first, and computes the same bits."""
    with workdir() as work:
        whole = model.quantize(work / "whole.gguf", "q4_k_m")
        parts = sorted(model.quantize(work / "parts", "q4_k_m", "--shards", "3").glob("*.gguf"))
        expect(len(parts) == 3, f"{len(parts)} files, expected 3")
        one, many = theirs([whole, parts[0]], model.tokens)
        expect((one == many).all(), "the split set computes something else")
    return "3 files, the same log-probabilities"


def plain(model):
    """Log-probabilities, and the way back to safetensors: names, shapes and bits as they were.

    Only as many tokens as a sliding window has that llama.cpp's graph doesn't know. Of models with other parts the language model alone comes back.
    """
    tokens = model.tokens[:model.window]
    with workdir() as work:
        file = work / "model.gguf"
        done = run("convert", model.checkpoint, file, "--dtype", "f32", "--assets", model.assets, "--quiet")
        if "to GGUF yet" in done.stderr:
            raise Skipped(complaint(done))
        expect(done.returncode == 0, complaint(done))
        apart = float(np.abs(ours(file, tokens) - theirs([file], tokens)[0]).max())
        expect(apart <= TOLERANCE, f"{apart:.1e}, expected at most {TOLERANCE:g}")
        run("convert", file, work / "back", "--to", "hf", "--dtype", model.dtype, "--quiet", check=0)
        if "text_config" in model.config:
            return f"log-probabilities of {len(tokens)} tokens differ by {apart:.1e}"
        done = run("compare", model.checkpoint, work / "back", "--quiet")
        # Blocks come back as the values that they stand for.
        expect(done.returncode == 0 or "mxfp4" in model.name, f"back from GGUF: {done.stdout[-300:]}")
    return f"log-probabilities of {len(tokens)} tokens differ by {apart:.1e}; the same model comes back"


def refused(model):
    with workdir() as work:
        done = run("convert", model.checkpoint, work / "model.gguf", "--dtype", "f32", "--assets", model.assets, "--quiet", check=2)
        expect("llama.cpp" in done.stderr, f"another refusal: {complaint(done)}")
        expect(not list(work.iterdir()), "the refused conversion left files")
    return "refused: no graph of llama.cpp computes it"
