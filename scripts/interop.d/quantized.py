"""Quantized checkpoints of the programs' own libraries, read bit for bit as these take them."""
import json
import pathlib
import subprocess
import sys

import numpy as np

from harness import Failure, Skipped, convert, document, workdir
from stored import read_checkpoint, widened

PEERS = pathlib.Path(__file__).resolve().parent / "quantized_peers.py"
# The library, and what its files are said to be.
LIBRARIES = {
    "mlx": "mlx", "compressed_tensors": "compressed-tensors", "llmcompressor": "compressed-tensors",
    "gptqmodel": "gptq", "autoawq": "awq", "bitsandbytes": "bitsandbytes",
}


def differences(folder, name, dtype, work):
    """What of a checkpoint isn't as its library has it in a dtype, in a line; empty if all is."""
    expected = dict(np.load(folder / f"{name}.npz"))
    convert(folder / name, work / name, "--dtype", dtype.lower())
    found = read_checkpoint(work / name)
    if set(found) != set(expected):
        return f"{name}: other weights: {sorted(set(found) ^ set(expected))[:3]}"
    for weight, want in expected.items():
        stored, bits = found[weight]
        if stored != dtype or bits.shape != want.shape:
            return f"{name}: {weight} is {stored} {bits.shape}, expected {dtype} {want.shape}"
        values = widened(stored, bits)
        # A zero of either sign is one: codes of integers have none.
        wrong = (values != want) & ~(np.isnan(values) & np.isnan(want))
        if wrong.any():
            return f"{name}: {int(wrong.sum())} of {want.size} values of {weight} differ, by {np.abs(values - want).max():.3g}"
    return ""


def reads(library, method):
    with workdir() as work:
        folder = work / "theirs"
        folder.mkdir()
        done = subprocess.run([sys.executable, PEERS, library, folder], capture_output=True, text=True, timeout=600)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        reasons = [answer["skipped"] for answer in answers if "skipped" in answer]
        if reasons:
            raise Skipped(f"{reasons[0]}; what it wrote once is in fixtures/quantized")
        if done.returncode or not answers:
            raise Failure(f"{library} wrote nothing more: {' | '.join(done.stderr.strip().splitlines()[-2:])}")
        wrong = [text for text in (differences(folder, answer["name"], answer["dtype"], work) for answer in answers) if text]
        said = {document("inspect", folder / answer["name"])["quantization"]["method"] for answer in answers[:2]}
        if said != {method}:
            wrong.append(f"inspect says {said}")
        if wrong:
            raise Failure(f"{len(wrong)} of {len(answers)} checkpoints: {'; '.join(wrong[:3])}")
        return f"{len(answers)} checkpoints, {sum(answer['count'] for answer in answers)} weights"


def check(report):
    for library, method in LIBRARIES.items():
        report.row(f"read as {library} has it", lambda: reads(library, method))
