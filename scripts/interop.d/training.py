"""transformers loads what was made of training checkpoints, and computes the recorded logits; so does the tool before and after."""
import json
import subprocess
import sys

import numpy as np

from harness import FIXTURES, convert, expect, run, workdir
from stored import digest, read_checkpoint

TOLERANCE = 2e-5  # f32 against f32 of the model whose weights were cut


def check(report):
    for case in sorted(path.parent for path in (FIXTURES / "gpt-neox").glob("*/case.json")):
        report.row(f"GPT-NeoX, {case.name}", lambda: neox(case))
    report.row("GPT-NeoX-20B's geometry: 94 files, 20,554,567,680 parameters", plan_of_20b)


def neox(case):
    expected = json.loads((case / "case.json").read_text())["tensors"]
    tokens, recorded = np.load(case / "tokens.npy"), np.load(case / "logits.npy")
    with workdir() as work:
        convert(case / "checkpoint", work / "out")
        written = read_checkpoint(work / "out")
        expect(set(written) == set(expected), f"names differ: {sorted(set(written) ^ set(expected))[:4]}")
        for name, (dtype, array) in written.items():
            expect(digest(array) == expected[name]["digest"], f"{name}: other values than before it was cut")
        worst = 0.0
        for source in (case / "checkpoint", work / "out"):
            run("forward", source, "--tokens-file", case / "tokens.npy", "--logits", work / "logits.npy", check=0)
            worst = max(worst, apart(np.load(work / "logits.npy"), recorded))
            (work / "logits.npy").unlink()
        theirs = apart(transformers_logits(work / "out", tokens), recorded)
    expect(max(worst, theirs) < TOLERANCE, f"logits differ by {worst:.2g}, transformers' by {theirs:.2g}, allowed {TOLERANCE:.0e}")
    return f"{len(expected)} tensors; logits differ by at most {worst:.2g}, transformers' by {theirs:.2g}"


def apart(logits, recorded):
    return float(np.abs(logits.reshape(recorded.shape) - recorded).max())


def transformers_logits(directory, tokens):
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(
        directory, attn_implementation="eager", dtype=torch.float32, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        expect(not loading[kind], f"transformers reports {kind}: {sorted(loading[kind])[:4]}")
    with torch.no_grad():
        return model(torch.tensor(tokens.reshape(1, -1).astype("int64"))).logits[0].numpy()


def plan_of_20b():
    with workdir() as work:
        script = FIXTURES.parent / "scripts/benchmarks/neox_checkpoint.py"
        subprocess.run([sys.executable, script, work / "20b", "44", "6144", "64", "2"], check=True)
        plan = run("convert", work / "20b", work / "out", "--to", "safetensors", "--dry-run", check=0).stdout
        expect("94 layer files of 2 ranks" in plan and "20,554,567,680 parameters" in plan, plan[:300])
        return plan.splitlines()[0].split("gpt-neox, ")[-1]
