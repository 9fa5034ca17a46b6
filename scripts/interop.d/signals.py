"""SIGINT, SIGTERM and SIGHUP at random moments of every command: it ends within a second, with the code that says so, and leaves nothing but what --resume takes up."""
import json
import random
import shutil
import signal
import subprocess
import time

import numpy as np

import interruption
from harness import HUGGING_FACE, WEIGHBRIDGE, Failure, expect, run, workdir
from stored import write_safetensors

CODES = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}
WIDTH, LAYERS, VOCABULARY, POSITIONS = 512, 6, 512, 512
# Seconds.
LIMIT = 1.0


def check(report):
    with workdir() as work:
        model, copy = work / "model", work / "copy"
        make(model)
        run("convert", model, copy, "--dtype", "bf16", "--quiet")
        tokens = work / "tokens.npy"
        np.save(tokens, np.arange(POSITIONS, dtype=np.int32) % VOCABULARY)
        commands = {
            "verify": ["verify", copy, "--against", model], "compare": ["compare", model, copy], "inspect": ["inspect", model, "--digests", "--statistics"],
            "forward": ["forward", model, "--tokens-file", tokens, "--logits", work / "logits.npy"],
            "convert": ["convert", model, work / "out", "--to", "store"], "quantize": ["quantize", model, work / "out.gguf", "--scheme", "q4_k_m"],
        }
        for name, command in commands.items():
            report.row(name, lambda: stopped(command, work))


def make(folder):
    """A GPT-2 of 76 MB with a tokenizer."""
    fixture = next(f for f in HUGGING_FACE if f.name == "gpt2")
    shutil.copytree(fixture, folder, ignore=shutil.ignore_patterns("*.npy", "*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 8, "vocab_size": VOCABULARY, "n_positions": POSITIONS, "n_inner": None}
    (folder / "config.json").write_text(json.dumps(config))
    bits = np.random.default_rng(5)
    shapes = {"wte.weight": (VOCABULARY, WIDTH), "wpe.weight": (POSITIONS, WIDTH), "ln_f.weight": (WIDTH,), "ln_f.bias": (WIDTH,)}
    for i in range(LAYERS):
        for part, rows, columns in (("attn.c_attn", WIDTH, 3 * WIDTH), ("attn.c_proj", WIDTH, WIDTH), ("mlp.c_fc", WIDTH, 4 * WIDTH), ("mlp.c_proj", 4 * WIDTH, WIDTH)):
            shapes |= {f"h.{i}.{part}.weight": (rows, columns), f"h.{i}.{part}.bias": (columns,)}
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"h.{i}.{norm}.weight": (WIDTH,), f"h.{i}.{norm}.bias": (WIDTH,)}
    write_safetensors(folder / "model.safetensors", {f"transformer.{name}": ("F32", bits.standard_normal(shape, "<f4") * np.float32(0.05)) for name, shape in shapes.items()})


def start(command):
    return subprocess.Popen([WEIGHBRIDGE, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def clear(work):
    for path in work.iterdir():
        if path.name.startswith(("out", ".out", "logits", ".logits")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def stopped(command, work):
    begin = time.time()
    process = start(command)
    process.communicate(timeout=60)
    seconds = time.time() - begin
    expect(process.returncode in (0, 1), f"exit code {process.returncode} without a signal")
    clear(work)
    rng, slowest, late = random.Random(interruption.SEED), 0.0, 0
    for _ in range(interruption.KILLS):
        number = rng.choice(list(CODES))
        process = start(command)
        time.sleep(rng.random() * seconds)
        sent = time.time()
        process.send_signal(number)
        try:
            message = process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure(f"{number.name}: it hangs")
        slowest = max(slowest, time.time() - sent)
        code = process.returncode
        # Before its handlers are there the system ends it; after the work nothing is stopped.
        expect(code in (CODES[number], -number, 0, 1), f"{number.name}: exit code {code}: {message.strip()[-200:]}")
        late += code in (0, 1)
        left = sorted(path.name for path in work.iterdir() if path.name.startswith(("out", ".out", "logits", ".logits")))
        if code == CODES[number]:
            expect(all(name in (".out.partial", ".out.gguf.partial") for name in left), f"{number.name}: left {left}")
        for name in left:
            if name.endswith(".partial"):
                expect((work / name / "journal").exists(), f"{number.name}: {name} has no journal")
        clear(work)
    expect(slowest < LIMIT, f"took {slowest:.2f} s to end")
    return f"{interruption.KILLS} signals in runs of {seconds:.2f} s, {late} after the work; the slowest ended after {slowest:.2f} s"
