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
        model, copy, fork = work / "model", work / "copy", work / "fork"
        make(model)
        make(fork, seed=6)
        run("convert", model, copy, "--dtype", "bf16", "--quiet")
        tokens, labels, key = work / "tokens.npy", work / "labels.jsonl", work / "key.pem"
        np.save(tokens, np.arange(POSITIONS, dtype=np.int32) % VOCABULARY)
        labels.write_text("".join(json.dumps({"prompt": f"text {i}", "labels": [" a", " b"]}) + "\n" for i in range(40)))
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True, capture_output=True)
        parts = ["convert", model, work / "out", "--to", "safetensors", "--part"]

        def make_parts():
            for number in (1, 2):
                run(*parts, f"{number}/2", "--quiet")

        commands = {
            "verify": ["verify", copy, "--against", model], "compare": ["compare", model, copy], "inspect": ["inspect", model, "--digests", "--statistics"],
            "forward": ["forward", model, "--tokens-file", tokens, "--logits", work / "logits.npy"],
            "convert": ["convert", model, work / "out", "--to", "store"], "quantize": ["quantize", model, work / "out.gguf", "--scheme", "q4_k_m"],
            "importance": ["importance", model, "--tokens-file", tokens, "--window", "64", "--output", work / "out.gguf"], "manifest": ["manifest", copy, "--sha256sums"],
            "sign": ["sign", copy, "--private-key", key, "--signature", work / "out.sig"], "convert --part": [*parts, "1/2"],
            "verify --part": ["verify", model, "--part", "1/2", "--parts", work / "out"], "merge": ["merge", work / "out"], "status": ["status", work / "out"],
            "convert --base": ["convert", fork, work / "out", "--to", "store", "--base", model],
            "convert --to weight-delta": ["convert", fork, work / "out_000001", "--to", "weight-delta", "--base", model],
            "quantize --measure": ["quantize", model, "--scheme", "q8_0,q4_k_m,mlx-q4-g64", "--dry-run", "--measure"],
            "quantize --quality best": ["quantize", model, work / "out.gguf", "--scheme", "q4_k_m", "--quality", "best"],
            "quantize --target-bits": ["quantize", model, work / "out.gguf", "--target-bits", "5"],
            "compare --labels": ["compare", model, fork, "--labels", labels], "checks": ["checks"],
        }
        for name, command in commands.items():
            report.row(name, lambda: stopped(command, work, make_parts if name in ("merge", "status") else None))


def make(folder, seed=5):
    """A GPT-2 of 76 MB with a tokenizer."""
    fixture = next(f for f in HUGGING_FACE if f.name == "gpt2")
    shutil.copytree(fixture, folder, ignore=shutil.ignore_patterns("*.npy", "*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 8, "vocab_size": VOCABULARY, "n_positions": POSITIONS, "n_inner": None}
    (folder / "config.json").write_text(json.dumps(config))
    bits = np.random.default_rng(seed)
    shapes = {"wte.weight": (VOCABULARY, WIDTH), "wpe.weight": (POSITIONS, WIDTH), "ln_f.weight": (WIDTH,), "ln_f.bias": (WIDTH,)}
    for i in range(LAYERS):
        for part, rows, columns in (("attn.c_attn", WIDTH, 3 * WIDTH), ("attn.c_proj", WIDTH, WIDTH), ("mlp.c_fc", WIDTH, 4 * WIDTH), ("mlp.c_proj", 4 * WIDTH, WIDTH)):
            shapes |= {f"h.{i}.{part}.weight": (rows, columns), f"h.{i}.{part}.bias": (columns,)}
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"h.{i}.{norm}.weight": (WIDTH,), f"h.{i}.{norm}.bias": (WIDTH,)}
    write_safetensors(folder / "model.safetensors", {f"transformer.{name}": ("F32", bits.standard_normal(shape, "<f4") * np.float32(0.05)) for name, shape in shapes.items()})


def start(command):
    return subprocess.Popen([WEIGHBRIDGE, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def made(work):
    """What a run has written, by its name."""
    beside = [path for path in (work / "copy").iterdir() if "manifest" in path.name or path.name.strip(".").startswith("SHA256SUMS")]
    return sorted([path for path in work.iterdir() if path.name.startswith(("out", ".out", "logits", ".logits"))] + beside)


def clear(work):
    for path in made(work):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_resumable(path):
    """Whether it is what --resume takes up, or a merge: a folder with a journal, parts, or an importance matrix that isn't complete."""
    if path.is_file():
        return path.read_bytes()[:4] == b"GGUF"
    return (path / "journal").exists() or (path / "parts").is_dir() or any(path.glob("merging-*"))


def stopped(command, work, prepare):
    def begun():
        if prepare:
            prepare()
        return start(command)

    clear(work)
    process = begun()
    begin = time.time()
    message = process.communicate(timeout=60)[1]
    seconds = time.time() - begin
    expect(process.returncode in (0, 1), f"exit code {process.returncode} without a signal: {message.strip()[-200:]}")
    finished = {path.name for path in made(work)}
    clear(work)
    rng, slowest, late = random.Random(interruption.SEED), 0.0, 0
    for _ in range(interruption.KILLS):
        number = rng.choice(list(CODES))
        process = begun()
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
        left = made(work)
        if code == CODES[number]:
            unknown = [path.name for path in left if not path.name.endswith(".partial") and path.name not in finished]
            expect(not unknown, f"{number.name}: left {unknown}")
        for path in left:
            if path.name.endswith(".partial"):
                expect(is_resumable(path), f"{number.name}: {path.name} can't be taken up")
        clear(work)
    expect(slowest < LIMIT, f"took {slowest:.2f} s to end")
    return f"{interruption.KILLS} signals in runs of {seconds:.2f} s, {late} after the work; the slowest ended after {slowest:.2f} s"
