"""What llama-perplexity and llama-imatrix find with files written here, beside our own figures on the same files and texts."""
import re
import subprocess

import llama_quantize
from harness import expect, run, workdir
from llama_measures import SCHEMES, WINDOW, apart, compared, means_of, perplexity_of, text_of

# Without flash attention, with keys and values in F32, on one thread; nothing is put to another device.
OPTIONS = ("-t", "1", "-fa", "off", "-ctk", "f32", "-ctv", "f32", "-ngl", "0", "-c", WINDOW, "-b", WINDOW, "-ub", WINDOW)


def check(report, label, model):
    report.row(f"{label}, llama-perplexity", lambda: perplexities(model()))
    importances(report, label, model)


def importances(report, label, model):
    report.row(f"{label}, llama-imatrix", lambda: squares(model()))


def call(tool, *arguments):
    """What a tool of llama.cpp prints."""
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, errors="replace", timeout=300)
    spoken = done.stdout + done.stderr
    expect(done.returncode == 0, f"{tool.rsplit('/', 1)[-1]}: {spoken[-300:]}")
    return spoken


def perplexities(model):
    """The largest relative differences, as text."""
    tool = llama_quantize.peers()[2]
    found = []
    with workdir() as work:
        text = text_of(work)
        for scheme in SCHEMES:
            file = model.quantize(work / f"{scheme}.gguf", scheme)
            count, theirs = estimate(call(tool, "-m", file, "-f", text, *OPTIONS))
            mine = perplexity_of(file, text, "--chunks", count)
            expect(mine["window_count"] == int(count), f"{mine['window_count']} windows, expected {count}")
            found.append(f"{scheme} {apart(scheme, mine['perplexity'], theirs):.1e}")
    return f"perplexities differ by {', '.join(found)}"


def estimate(spoken):
    """Of how many windows llama-perplexity has said the perplexity last, and what it is.

    A thread of its own prints what it says, and the process may end before the last lines, the final estimate among them.
    """
    count, value = re.findall(r"\[([0-9]+)\]([0-9.]+),", spoken)[-1]
    windows = int(re.search(r"over ([0-9]+) chunks", spoken).group(1))
    expect(int(count) >= windows / 2, f"the perplexity of {count} windows of {windows} is all that was said")
    return count, float(value)


def squares(model):
    """How far mean squares are apart; each side's quantizer takes the other's file, and makes the same of it."""
    quantizer, _, _, tool = llama_quantize.peers()
    with workdir() as work:
        text, plain = text_of(work), model.convert(work / "plain.gguf")
        call(tool, "-m", plain, "-f", text, "-o", work / "theirs.gguf", *OPTIONS)
        run("importance", plain, "--text", text, "--window", WINDOW, "--output", work / "ours.gguf", "--quiet", check=0)
        detail = compared(means_of(work / "ours.gguf"), means_of(work / "theirs.gguf"))
        for matrix in ("ours.gguf", "theirs.gguf"):
            model.quantize(work / "mine.gguf", "q4_k_m", "--force", "--imatrix", work / matrix)
            call(quantizer, "--imatrix", work / matrix, plain, work / "other.gguf", "q4_k_m", "1")
            found, expected = llama_quantize.tensors(work / "mine.gguf"), llama_quantize.tensors(work / "other.gguf")
            different = [name for name in expected if found.get(name) != expected[name]]
            expect(not different or not llama_quantize.IS_STRICT, f"with {matrix} other tensors: {different[:3]}")
    return f"{detail}; q4_k_m with either file is the same"
