"""Perplexities and importances of files written here, beside what llama.cpp computes with them, counted as its tools count."""
import json

import numpy as np

from harness import expect, run, workdir
from llama_cpp import ask

# Of perplexities, relative. With weights in F32 both compute in f32, but for GELU, which llama.cpp takes from a table in F16; with others llama.cpp rounds
# what is multiplied with them.
LIMITS = {"f32": 1e-3}
LIMIT = 1e-2
SCHEMES = ("f32", "f16", "q8_0", "q4_k_m")
# Of mean squares, relative to themselves, but at least to a thousandth of the largest of the weight.
LIMIT_OF_SQUARES = 1e-2
WINDOW = 32
TEXT = "\n".join(f"Weights are weighed on a bridge: {k} tons at {k * k % 97} miles, {'and none is lost' if k % 3 else 'or so they say'}." for k in range(40))


def check(report, label, model):
    report.row(f"{label}, perplexity", lambda: perplexities(model()))
    importances(report, label, model)


def importances(report, label, model):
    report.row(f"{label}, importances", lambda: squares(model()))


def text_of(folder):
    (folder / "text.txt").write_text(TEXT)
    return folder / "text.txt"


def perplexity_of(file, text, *options):
    done = run("forward", file, "--text", text, "--perplexity", "--window", WINDOW, *options, "--json", "--quiet", check=0)
    return json.loads(done.stdout)["perplexity"]


def perplexities(model):
    """The largest relative differences, as text."""
    found = []
    with workdir() as work:
        text = text_of(work)
        files = [model.quantize(work / f"{scheme}.gguf", scheme) for scheme in SCHEMES]
        answers = ask([{"path": file, "text": TEXT, "window": WINDOW} for file in files])
        for scheme, file, answer in zip(SCHEMES, files, answers):
            mine = perplexity_of(file, text)
            expect(mine["token_count"] == answer["count"], f"{mine['token_count']} tokens, expected {answer['count']}")
            found.append(f"{scheme} {apart(scheme, mine['perplexity'], answer['perplexity']):.1e}")
    return f"perplexities of {answers[0]['count']} tokens differ by {', '.join(found)}"


def apart(scheme, mine, theirs):
    difference, limit = abs(mine - theirs) / theirs, LIMITS.get(scheme, LIMIT)
    expect(difference <= limit, f"{scheme}: {mine:.4f}, expected {theirs:.4f} within {limit:g}")
    return difference


def squares(model):
    with workdir() as work:
        plain = model.convert(work / "plain.gguf")
        ask([{"path": plain, "text": TEXT, "window": WINDOW, "squares": work / "theirs.npz"}])
        run("importance", plain, "--text", text_of(work), "--window", WINDOW, "--output", work / "ours.gguf", "--quiet", check=0)
        archive = np.load(work / "theirs.npz")
        return compared(means_of(work / "ours.gguf"), means({name: archive[name] for name in archive.files}))


def means_of(path):
    """The importance matrix in a file."""
    from gguf import GGUFReader

    return means({tensor.name: np.array(tensor.data, "f8") for tensor in GGUFReader(str(path)).tensors})


def means(tensors):
    """Of each weight mean squares, `[experts, columns]`, and the counts; of experts what was really met."""
    found = {}
    for name in [name.removesuffix(".in_sum2") for name in tensors if name.endswith(".in_sum2")]:
        kind = ("met_sum2", "met_counts") if f"{name}.met_counts" in tensors else ("in_sum2", "counts")
        sums, counts = (tensors[f"{name}.{key}"] for key in kind)
        counts = counts.reshape(-1, 1)
        found[name] = (sums.reshape(len(counts), -1) / np.maximum(counts, 1), counts)
    return found


def compared(mine, theirs):
    """How far mean squares are apart, as text."""
    expect(mine.keys() == theirs.keys(), f"weights {sorted(mine.keys() ^ theirs.keys())[:3]} are in one of both only")
    worst, moved, total = 0.0, 0.0, 0.0
    for name, (expected, counts) in theirs.items():
        found, own = mine[name]
        total, moved = total + counts.sum(), moved + np.abs(own - counts).sum() / 2
        # Of experts only those are compared that as many tokens came to: which ones, rounding can decide.
        same = (own == counts).repeat(expected.shape[1], axis=1)
        scale = np.maximum(expected, 1e-3 * expected.max())
        worst = max(worst, float((np.abs(found - expected) / scale)[same].max(initial=0)))
    expect(moved <= total / 1000, f"{moved:.0f} of {total:.0f} rows are counted elsewhere")
    expect(worst <= LIMIT_OF_SQUARES, f"mean squares differ by {worst:.1e}, expected at most {LIMIT_OF_SQUARES:g}")
    return f"{len(theirs)} weights, mean squares within {worst:.1e}" + (f", {moved:.0f} of {total:.0f} rows counted elsewhere" if moved else "")
