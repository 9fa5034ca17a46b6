"""Random kills of parts and merges, several workers on each part: nothing is lost, nothing is left, and the bytes are a single run's.

Every run has workers for all parts at once, on folders of their own if a shared file system has several mounts, kills them at random moments
and starts them again, then kills merges until one ends. The moments are random; the seed is printed, and --seed repeats it.
"""
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np

from harness import WEIGHBRIDGE, Failure, expect, run, workdir
from stored import write_safetensors

RUNS, SEED = 20, 0  # set from the command line
WORKERS, PARTS = 3, 3
# Of one file system: with several, such as mounts of one NFS export, workers take turns.
PLACES = [place for place in os.environ.get("WEIGHBRIDGE_SHARED_PLACES", "").split(":") if place]

JOBS = [
    ("files", "convert", "out", ["--to", "safetensors", "--max-shard-size", "1MB"]),
    ("one file", "convert", "one.safetensors", []),
    ("a store", "convert", "out.store", ["--max-shard-size", "1MB"]),
    ("an npz", "convert", "one.npz", []),
    ("MLX, quantized", "quantize", "mlx", ["--scheme", "mlx-q4-g32"]),
    ("a verification", "verify", "report", []),
]


def check(report):
    with workdir() as work:
        source = work / "llama"
        report.row("a model is made", lambda: make(source))
        moments = random.Random(SEED)
        share, rest = divmod(RUNS, len(JOBS))
        for number, (name, command, destination, options) in enumerate(JOBS):
            count = share + (number < rest)
            if count:
                job = Job(work / f"job-{number}", source, command, destination, options)
                report.row(f"{count} runs, {name}", lambda: job.runs(count, moments))


def make(source):
    """A small Llama of about 6 MB; it converts to everything that the jobs write."""
    source.mkdir()
    layers, model, hidden, vocabulary = 4, 256, 512, 1024
    (source / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": %d, "intermediate_size": %d, "num_hidden_layers": %d, "num_attention_heads": 4,'
        ' "num_key_value_heads": 4, "vocab_size": %d, "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "hidden_act": "silu",'
        ' "tie_word_embeddings": false, "torch_dtype": "float16"}' % (model, hidden, layers, vocabulary))
    values = np.random.default_rng(11)
    shapes = {"model.embed_tokens.weight": (vocabulary, model), "lm_head.weight": (vocabulary, model), "model.norm.weight": (model,)}
    for layer in range(layers):
        at = f"model.layers.{layer}."
        shapes |= {f"{at}self_attn.{name}_proj.weight": (model, model) for name in "qkvo"}
        shapes |= {f"{at}mlp.{name}_proj.weight": (hidden, model) for name in ("gate", "up")} | {f"{at}mlp.down_proj.weight": (model, hidden)}
        shapes |= {f"{at}{name}_layernorm.weight": (model,) for name in ("input", "post_attention")}
    write_safetensors(source / "model.safetensors", {name: ("F16", (values.standard_normal(shape) * 0.02).astype("<f2")) for name, shape in sorted(shapes.items())})
    return f"{(source / 'model.safetensors').stat().st_size / 1e6:.1f} MB; seed {SEED}, {WORKERS} workers on each of {PARTS} parts"


class Job:
    """Work that is done in parts, and what a single run of it makes."""

    def __init__(self, room, source, command, name, options):
        self.room, self.source, self.command, self.name, self.options = room, source, command, name, options
        room.mkdir()
        self.places = [room]
        if PLACES:
            folder = f"parts-{os.getpid()}-{room.name}"
            self.places = [room.__class__(place) / folder for place in PLACES]
            self.places[0].mkdir()
        alone = room / "alone"
        alone.mkdir()
        start = time.monotonic()
        if command == "verify":
            self.whole = run("verify", source, "--json", check=0).stdout
        else:
            run(command, source, alone / name, *options, check=0)
            self.whole = files(alone)
        self.seconds = time.monotonic() - start

    def part(self, place, number):
        if self.command == "verify":
            return ["verify", self.source, "--part", f"{number}/{PARTS}", "--parts", place / self.name]
        return [self.command, self.source, place / self.name, *self.options, "--part", f"{number}/{PARTS}", "--resume"]

    def merge(self, place):
        return ["merge", place / self.name, *(["--json"] if self.command == "verify" else ["--wait", "30s"])]

    def runs(self, count, moments):
        killed = merges = 0
        for number in range(count):
            done = self.run(moments)
            killed, merges = killed + done[0], merges + done[1]
        return f"{killed} parts and {merges} merges killed; same bytes, nothing left"

    def run(self, moments):
        killed = 0
        for attempt in range(8):
            # The last time all of them are let go on to their end.
            isLast = attempt == 7
            workers = [self.start(self.part(self.places[w % len(self.places)], n)) for n in range(1, PARTS + 1) for w in range(WORKERS)]
            begin = time.monotonic()
            deaths = sorted((moments.uniform(0, self.seconds * len(workers) / 4), place) for place in range(len(workers)) if not isLast and moments.random() < 0.8)
            for moment, place in deaths:
                time.sleep(max(0, begin + moment - time.monotonic()))
                killed += kill(workers[place])
            codes = [self.end(worker) for worker in workers]
            expect(set(codes) <= {0, 2, -signal.SIGKILL}, f"exit codes {sorted(set(codes))}")
            expect(not self.results(), f"{self.results()} at the destination before the merge")
            if self.isComplete():
                break
        else:
            # Of several that go on with a part, one is at work: whose it was says so and leaves it. Somebody is last.
            for number in range(1, PARTS + 1):
                run(*self.part(self.places[0], number), check=0)
        return killed, self.merged(moments)

    def isComplete(self):
        if self.command == "verify":
            return all((self.places[0] / self.name / f"{n:05}-of-{PARTS:05}.json").exists() for n in range(1, PARTS + 1))
        return run("status", self.places[0] / self.name).returncode == 0

    def results(self):
        """What stands under final names; a verification has none but in its folder."""
        return [] if self.command == "verify" else [path.name for path in self.places[0].iterdir() if not path.name.startswith(".") and path.name != "alone"]

    def merged(self, moments):
        killed = 0
        for _ in range(12):
            worker = self.start(self.merge(self.places[killed % len(self.places)]))
            try:
                worker.wait(moments.uniform(0.0, self.seconds + 0.1))
                break
            except subprocess.TimeoutExpired:
                killed += kill(worker)
        place = self.places[0]
        if self.command == "verify":
            together = run(*self.merge(place), check=0).stdout
            expect(together == self.whole, "the report isn't a single run's")
            shutil.rmtree(place / self.name)
            return killed
        if run("status", place / self.name).returncode != 2 or not self.results():
            done = run(*self.merge(place), check=0)
            expect(self.results(), f"nothing at the destination: {done.stdout}")
        found = {name: digest for name, digest in files(place).items() if name.split("/")[0] != "alone"}
        expect(found == self.whole, f"{sorted(set(found.items()) ^ set(self.whole.items()))[:4]} aren't a single run's")
        left = [path.name for path in place.iterdir() if path.name.startswith(".")]
        expect(not left, f"left behind: {left}")
        for path in list(place.iterdir()):
            if path.name != "alone":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return killed

    def start(self, command):
        return subprocess.Popen([str(part) for part in (WEIGHBRIDGE, *command)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def end(self, worker):
        try:
            spoken = worker.communicate(timeout=300)[1]
        except subprocess.TimeoutExpired:
            worker.kill()
            raise Failure("a part never ends")
        # Whose part was taken over, or who lost a race, says so; all else is an error.
        if worker.returncode == 2:
            expect("taken part" in spoken or "taken over" in spoken, f"exit 2: {spoken.strip()[-300:]}")
        return worker.returncode


def kill(worker):
    """Whether it was still running."""
    if worker.poll() is not None:
        return 0
    worker.kill()
    worker.wait()
    return 1


def files(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
