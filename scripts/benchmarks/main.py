"""Measures Weighbridge beside `cp` and other people's programs, and says which of its targets are met.

Every command of a group runs in turn, round after round; medians are compared. The inputs are made once, in a directory named by
BENCHMARK_DIRECTORY or in weighbridge-benchmark below TMPDIR or /var/tmp; they and what is written need about 20 GB. BENCHMARK_SCRATCH is another
place for what is written. Those of --large are removed after it, and need 50 GB; on a file system that shares blocks 25 GB.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys

from geometry import Geometry
from measurement import Command, Figures, alternate, byte_count, files_below, spawn

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = 6
# A gigabyte and twelve, of TinyLlama's layers and of GPT-J's.
LARGE_LAYERS = {"llama": (11, 134), "hf": (1, 28)}
LARGE_MEMORY = 256e6
LARGE_MARGIN = 128e6
LARGE_GROWTH = 1.1
COMPARE_LIMIT = 1.5
FLAT_MATRICES = 8
BUNDLE_LAYERS = 3
FORWARD_TOKENS = ",".join(str(7919 * place % 50000) for place in range(128))
GENERATED_TOKENS = 32
FORWARD_PEAK_LIMIT = 6e8
PEAK_LIMIT = 400e6
LLAMA_LAYERS = 22
NEOX_LAYERS = 3
NEOX_20B = ["44", "6144", "64", "2"]
PLAN_LIMIT = 2
MIXTURE_LAYERS = 12
PEERS_LLAMA = os.path.join(HERE, "../peers-llama")
# How many times as fast as llama-quantize, in wall and CPU time.
QUANTIZE_LIMITS = {"q8_0": 1.5, "q4_0": 1.5, "q6_k": 2, "q4_k_m": 3}
# Of mlx-lm and llmcompressor: the scheme, their script and its arguments, and how many times as fast, in wall and CPU time.
PARTS_LIMITS = [
  ("mlx-q4-g64", "mlx-lm", ["peer_mlx.py", "{source}", "{destination}", "64"], 3, 2),
  ("w4a16-g128", "llmcompressor", ["peer_llmcompressor.py", "{source}", "{destination}", "W4A16"], None, 5),
  ("fp8", "llmcompressor", ["peer_llmcompressor.py", "{source}", "{destination}", "FP8_DYNAMIC"], None, 5),
]
PARTS_PEAK = 200e6
# Of a difference to a full store, and GB/s of the kernels on one core.
DIFFERENCE_LIMIT = 1.7
KERNEL_LIMIT = 8
GGUF_LIMIT = 5


@dataclasses.dataclass
class Target:
  """A ratio and what it shall be; `limit` is None for those that are only told."""

  text: str
  ratio: float
  limit: float | None = None
  at_most: bool = False

  @property
  def is_met(self):
    return self.limit is None or (self.ratio <= self.limit if self.at_most else self.ratio >= self.limit)

  def line(self):
    if self.limit is None:
      return f"        {self.text}"
    return f"  {'PASS' if self.is_met else 'MISS'}  {self.text}"


@dataclasses.dataclass
class Task:
  name: str
  input_bytes: int
  rows: list
  targets: list


def arguments():
  parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--only", choices=["mesh", "hf", "torch", "store", "forward", "quantize", "parts", "dequantize", "integrity", "differences",
                                           "keras", "neox", "tensorflow"],
                      help="some of the tasks; quantize has those of parts, for MLX and vLLM, too")
  parser.add_argument("--rounds", type=int, default=5, help="runs of weighbridge and cp (default: 5)")
  parser.add_argument("--peer-rounds", type=int, default=2, help="runs of the others, 0 to leave them out (default: 2)")
  parser.add_argument("--cores", type=int, default=2, help="processors that everything runs on (default: 2)")
  parser.add_argument("--large", action="store_true", help="instead: memory and time of every command for 6 billion parameters, 12 GB, beside 1 GB")
  parser.add_argument("--kind", choices=list(LARGE_LAYERS), help="of --large: one model alone, GPT-J's layers (hf) or TinyLlama's")
  parser.add_argument("--json", metavar="FILE", help="write the figures to a file, too")
  parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
  parser.add_argument("--no-build", action="store_true", help="take the release build that is there")
  parser.add_argument("--tool", help=argparse.SUPPRESS)
  parser.add_argument("--peer-python", help=argparse.SUPPRESS)
  return parser.parse_args()


def progress(text):
  print(text, file=sys.stderr, flush=True)


# MARK: Commands

class Bench:
  def __init__(self, options):
    self.options = options
    self.directory = os.environ.get("BENCHMARK_DIRECTORY") or os.path.join(
      os.environ.get("TMPDIR") or "/var/tmp", "weighbridge-benchmark")
    self.scratch = os.environ.get("BENCHMARK_SCRATCH") or f"{self.directory}/scratch"
    shutil.rmtree(self.scratch, ignore_errors=True)
    os.makedirs(self.scratch)

  def input(self, kind, layers, name=None):
    directory = f"{self.directory}/{name or kind}"
    subprocess.run([self.options.peer_python, f"{HERE}/inputs.py", kind, directory, str(layers)], check=True)
    return directory

  def copy(self, source):
    return Command("cp", ["cp", "--reflink=never", "-r", source, "{destination}"], rounds=self.options.rounds)

  def convert(self, source, *options):
    return Command(
      "weighbridge", [self.options.tool, "convert", source, "{destination}", "--to", "safetensors", "--dtype", "f16",
                      "--memory", "256MB", "--quiet", *options],
      is_synced=False, rounds=self.options.rounds)

  def convert_without_sync(self, command, label="weighbridge without sync"):
    library = f"{self.directory}/without_sync.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, f"{HERE}/without_sync.c"], check=True)
    return dataclasses.replace(command, label=label, environment={"LD_PRELOAD": library}, runs=[])

  def peer(self, label, script, *arguments):
    return Command(
      label, [self.options.peer_python, f"{HERE}/{script}", *arguments], {"HF_HUB_OFFLINE": "1"},
      rounds=self.options.peer_rounds)

  def run(self, name, source, convert, peers, copy_limit, peer_limits, copied=None):
    """Measures one task, beside `cp` of the source or of `copied`. `peer_limits` has (wall, CPU) for every peer; any limit may be None."""
    copy, bare = self.copy(copied or source), self.convert_without_sync(convert)
    peers = [peer for peer in peers if peer.rounds > 0]
    progress(f"{name}:")
    alternate([copy, convert, bare, *peers], source, self.scratch, progress)

    ours, ours_bare = Figures.of(convert, with_sync=False), Figures.of(bare, with_sync=False)
    synced = Figures.of(copy, with_sync=True, label="cp + sync")
    unsynced = Figures.of(copy, with_sync=False, label="cp without sync")
    rows = [synced, ours, unsynced, ours_bare]
    targets = [
      Target(f"{name}: {ours.wall / synced.wall:.2f} × cp + sync, both synced "
             f"({f'target: at most {copy_limit}; ' if copy_limit else ''}the fastest runs: {ours.fastest / synced.fastest:.2f} ×)",
             ours.wall / synced.wall, copy_limit, True),
      Target(f"{name}: {ours_bare.wall / unsynced.wall:.2f} × cp without sync "
             f"(the fastest runs: {ours_bare.fastest / unsynced.fastest:.2f} ×)", ours_bare.wall / unsynced.wall),
    ]
    for peer, (wall_limit, cpu_limit) in zip(peers, peer_limits):
      alone = Figures.of(peer, with_sync=False, label=peer.label)
      rows += [Figures.of(peer, with_sync=True, label=f"{peer.label} + sync"), alone]
      # Against us: we sync and they don't.
      for what, ratio, limit in [("faster", alone.wall / ours.wall, wall_limit), ("less CPU", alone.cpu / ours.cpu, cpu_limit)]:
        wish = f" (target: at least {limit:g})" if limit else ""
        targets.append(Target(f"{name}: {ratio:.2f} × {what} than {alone.label}, which doesn't sync{wish}", ratio, limit))
      targets.append(Target(
        f"{name}: {rows[-2].wall / ours.wall:.2f} × faster than {alone.label}, both synced; "
        f"{alone.wall / ours_bare.wall:.2f} ×, neither synced", alone.wall / ours_bare.wall))
    targets.append(self.peak(name, ours))
    return Task(name, sum(os.path.getsize(path) for path in files_below(source)), rows, targets)

  def mesh(self):
    directory = self.input("mesh", LAYERS)
    source = f"{directory}/step_1"
    return self.run(
      "mesh → hf f16", source, self.convert(source, "--config", f"{directory}/mesh.json"),
      [self.peer("the original's algorithm", "peer_original.py", source, "{destination}", str(LAYERS))], 1.6, [(4, 4)])

  def huggingface(self):
    source = f"{self.input('hf', LAYERS)}/model"
    return self.run(
      "hf bf16 → f16", source, self.convert(source, "--max-shard-size", "500MB"),
      [self.peer("transformers", "peer_transformers.py", source, "{destination}"),
       self.peer("safetensors + torch", "peer_streaming.py", source, "{destination}")], 1.4, [(4, None), (2.5, None)])

  def dequantize(self):
    """A gigabyte of FP8 with a scale for each block, to bf16: twice as much, of which a copy is made."""
    source, made = self.input("fp8", FLAT_MATRICES), f"{self.scratch}/made"
    command = [self.options.tool, "convert", source, "{destination}", "--to", "safetensors", "--dtype", "bf16", "--memory", "256MB", "--quiet"]
    subprocess.run([made if part == "{destination}" else part for part in command], check=True, stdout=subprocess.DEVNULL)
    convert = Command("weighbridge", command, is_synced=False, rounds=self.options.rounds)
    task = self.run("FP8 in blocks → bf16, beside cp of the output", source, convert, [], 1.6, [], copied=made)
    shutil.rmtree(made)
    return task

  def neox(self):
    """Two gigabytes of f16 in two ranks, merged; and how long a plan for GPT-NeoX-20B's geometry takes."""
    source = f"{self.input('neox', NEOX_LAYERS)}/model"
    convert = Command(
      "weighbridge", [self.options.tool, "convert", source, "{destination}", "--to", "safetensors", "--memory", "256MB", "--quiet"],
      is_synced=False, rounds=self.options.rounds)
    yield self.run("GPT-NeoX, two ranks → safetensors", source, convert, [], 1.6, [])

    sparse = f"{self.scratch}/20b"
    subprocess.run([self.options.peer_python, f"{HERE}/neox_checkpoint.py", sparse, *NEOX_20B], check=True)
    plan = self.without_output("weighbridge convert --dry-run", self.options.tool, "convert", sparse, "{destination}/out", "--to", "safetensors", "--dry-run")
    progress("GPT-NeoX-20B, plan:")
    alternate([plan], sparse, self.scratch, progress)
    figures = Figures.of(plan, with_sync=False)
    yield Task("GPT-NeoX-20B, plan", byte_count(sparse), [figures], [
      Target(f"plan of 94 layer files: {figures.wall:.2f} s (target: at most {PLAN_LIMIT})", figures.wall, PLAN_LIMIT, True)])

  def torch(self):
    """A gigabyte of bf16 as torch.save writes it, and how long a look at such a file takes."""
    for name, kind, copy_limit, peer_limit in [("torch zip → safetensors", "torch", 1.5, 2.5),
                                               ("torch legacy → safetensors", "torch-legacy", None, None),
                                               ("torch zip, transposed → safetensors", "torch-transposed", None, None)]:
      directory = self.input(kind, FLAT_MATRICES)
      source = f"{directory}/pytorch_model.bin"
      convert = Command(
        "weighbridge", [self.options.tool, "convert", source, "{destination}", "--to", "safetensors", "--memory", "256MB", "--quiet"],
        is_synced=False, rounds=self.options.rounds)
      peer = self.peer("torch + safetensors", "peer_torch.py", source, "{destination}")
      yield self.run(name, directory, convert, [peer], copy_limit, [(peer_limit, None)])

    source = f"{self.input('torch', FLAT_MATRICES)}/pytorch_model.bin"
    inspect = self.without_output("weighbridge inspect", self.options.tool, "inspect", source)
    progress("torch, inspect:")
    alternate([inspect], os.path.dirname(source), self.scratch, progress)
    figures = Figures.of(inspect, with_sync=False)
    yield Task("torch, inspect", os.path.getsize(source), [figures], [
      Target(f"inspect: {figures.wall * 1000:.0f} ms, processes of the shell included", figures.wall)])

  def keras(self):
    """A gigabyte of f32 kernels, which are transposed: in one piece each, and in deflated chunks, which all cores inflate."""
    for kind, copy_limit in [("keras", 1.6), ("keras-deflated", None)]:
      directory = self.input(kind, FLAT_MATRICES)
      source = f"{directory}/tf_model.h5"
      convert = Command(
        "weighbridge", [self.options.tool, "convert", source, "{destination}", "--to", "safetensors", "--memory", "256MB", "--quiet"],
        is_synced=False, rounds=self.options.rounds)
      task = self.run(f"{kind} → safetensors", directory, convert, [], copy_limit, [])
      if kind == "keras-deflated":
        figures, cores = Figures.of(convert, with_sync=False), len(os.sched_getaffinity(0))
        share = figures.cpu / figures.wall / cores
        task.targets.append(Target(f"{kind}: {100 * share:.0f} % of {cores} cores busy (target: at least 75)", share, 0.75))
      yield task

  def tensorflow(self):
    """A gigabyte of F32, of which every matrix but the embeddings is transposed; checksums are checked."""
    source = self.input("tensorflow", BUNDLE_LAYERS)
    convert = Command(
      "weighbridge", [self.options.tool, "convert", source, "{destination}", "--to", "safetensors", "--memory", "256MB", "--quiet"],
      is_synced=False, rounds=self.options.rounds)
    return self.run("TensorFlow bundle → safetensors", source, convert, [], 1.6, [])

  def without_output(self, label, *arguments):
    """A command that writes no files but what it finds room for in a directory that is made for it."""
    return Command(
      label, ["sh", "-c", 'mkdir "$0" && exec "$@"', "{destination}", *arguments], is_synced=False, rounds=self.options.rounds)

  # MARK: The forward pass

  def forward(self):
    """128 tokens in f32, 32 tokens one after the other, and 64 through a mixture of experts; loading included."""
    source, mixture = f"{self.input('hf', LAYERS)}/model", f"{self.input('mixture', MIXTURE_LAYERS)}/model"

    def ours(source, *arguments):
      return self.without_output("weighbridge", self.options.tool, "forward", source, "--quiet", *arguments)

    first, of_mixture = FORWARD_TOKENS.split(",")[0], ",".join(str(499 * place % 32000) for place in range(64))
    for name, source, command, arguments, wish in [
      ("forward, 128 tokens", source, ours(source, "--tokens", FORWARD_TOKENS, "--logits", "{destination}/logits.npy"),
       ["logits", source, "{destination}", FORWARD_TOKENS], 2),
      ("forward of a mixture, 64 tokens", mixture, ours(mixture, "--tokens", of_mixture, "--logits", "{destination}/logits.npy"),
       ["logits-bf16", mixture, "{destination}", of_mixture], 1.5),
      (f"generate, {GENERATED_TOKENS} tokens", source, ours(source, "--tokens", first, "--generate", str(GENERATED_TOKENS)),
       ["generate", source, "{destination}", first, str(GENERATED_TOKENS)], 1),
    ]:
      peer = dataclasses.replace(self.peer("transformers", "peer_forward.py", *arguments), is_synced=False)
      progress(f"{name}:")
      alternate([command, *([peer] if peer.rounds else [])], source, self.scratch, progress)
      figures, targets = Figures.of(command, with_sync=False), []
      rows = [figures]
      if peer.runs:
        theirs = Figures.of(peer, with_sync=False)
        rows.append(theirs)
        targets.append(Target(
          f"{name}: {theirs.wall / figures.wall:.2f} × faster than transformers, loading included (target: at least {wish:g})",
          theirs.wall / figures.wall, wish))
      if wish > 1:
        targets.append(Target(
          f"{name}: peak {figures.peak / 1e6:.0f} MB (target: below {FORWARD_PEAK_LIMIT / 1e6:.0f})", figures.peak, FORWARD_PEAK_LIMIT, True))
      yield Task(name, sum(os.path.getsize(path) for path in files_below(source)), rows, targets)

  # MARK: Integrity

  def integrity(self):
    """A manifest of 3.24 GB in shards (every byte is hashed for its file and for its tensor), and verifying values, beside a hash of the files alone."""
    source = f"{self.input('hf', LAYERS)}/model"
    key, public, signature = (f"{self.scratch}/{name}" for name in ["key.pem", "key.pub.pem", "model.sig"])
    for command in [["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
                    ["openssl", "ec", "-in", key, "-pubout", "-out", public],
                    [self.options.tool, "sign", source, "--private-key", key, "--signature", signature, "--quiet"]]:
      subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # The manifest goes beside the weights: beside links to them, made for each run.
    manifest = Command(
      "weighbridge manifest", ["sh", "-c", 'mkdir "$0" && cp -rl "$1" "$0/model" && exec "$2" manifest "$0/model" --quiet', "{destination}", source,
                               self.options.tool], is_synced=False, rounds=self.options.rounds)
    verify = self.without_output("weighbridge verify, with values", self.options.tool, "verify", source, "--quiet")
    files = [path for path in files_below(source) if path.endswith(".safetensors")]
    openssl = dataclasses.replace(
      self.without_output("openssl dgst -sha256", "openssl", "dgst", "-sha256", *files), rounds=max(self.options.peer_rounds, self.options.rounds))
    peer = dataclasses.replace(
      self.without_output("model_signing verify", self.options.peer_python, "-m", "model_signing", "verify", "key", source, "--signature", signature,
                          "--public_key", public), rounds=self.options.peer_rounds)
    commands = [command for command in [manifest, verify, openssl, peer] if command.rounds]
    progress("integrity:")
    alternate(commands, source, self.scratch, progress)
    rows = [Figures.of(command, with_sync=False) for command in commands]
    ours, values, alone, *peers = rows
    targets = [
      Target(f"manifest: {alone.wall / ours.wall:.2f} × faster than openssl dgst on one core (target: at least 2; files and tensors are hashed, "
             f"so that twice the bytes are)", alone.wall / ours.wall, 2),
      Target(f"verify with values: {values.wall / ours.wall:.2f} × the time of manifest (target: at most 1.3)", values.wall / ours.wall, 1.3, True),
      self.peak("manifest", ours, 200e6), self.peak("verify", values, 200e6)]
    for theirs in peers:
      targets.append(Target(
        f"manifest: {theirs.wall / ours.wall:.2f} × faster than model_signing verify (target: at least 1.5)", theirs.wall / ours.wall, 1.5))
    return Task("integrity", byte_count(source), rows, targets)

  # MARK: Stores

  def store(self):
    """A gigabyte of bf16 into a store and back.

    Times are compared with neither side syncing; the copy of an uncompressed import, as everywhere, with both.
    """
    directory = self.input("flat", FLAT_MATRICES)
    source = f"{directory}/model.safetensors"
    size = os.path.getsize(source)
    memory = ["--memory", "256MB", "--quiet"]

    def ours(label, *arguments):
      return Command(f"weighbridge {label}", [self.options.tool, "convert", *arguments, *memory], is_synced=False, rounds=self.options.rounds)

    def shell(label, script, *arguments):
      return Command(label, ["sh", "-c", f'mkdir "$0" && {script}', "{destination}", *arguments], rounds=self.options.peer_rounds)

    def python(label, package, method, *arguments):
      installed = subprocess.run([self.options.peer_python, "-c", f"import {package}"], capture_output=True).returncode == 0
      if not installed:
        progress(f"{package} isn't installed: left out")
      return [self.peer(label, "peer_compression.py", method, *arguments)] if installed else []

    # Import.
    convert = ours("import", source, "{destination}", "--to", "store")
    plain = ours("import, uncompressed", source, "{destination}", "--to", "store", "--compression", "none")
    bare, plain_bare = (self.convert_without_sync(command, f"{command.label} without sync") for command in (convert, plain))
    copy = dataclasses.replace(self.copy(directory), label="cp")
    zstd = shell("zstd -3 -T2", 'exec zstd -q -3 -T2 "$1" -o "$0/model.zst"', source)
    zipnn = python("zipnn", "zipnn", "zipnn", source, "{destination}")
    h5py = python("h5py", "h5py, hdf5plugin", "h5py", source, "{destination}")
    peers = [peer for peer in [zstd, *zipnn, *h5py] if peer.rounds > 0]
    progress("bf16 → store:")
    alternate([copy, convert, bare, plain, plain_bare, *peers], directory, self.scratch, progress)
    rows = [Figures.of(command, with_sync=False) for command in [convert, bare, plain, plain_bare]]
    synced = Figures.of(copy, with_sync=True, label="cp + sync")
    rows += [synced, Figures.of(copy, with_sync=False, label="cp without sync")]
    ours_synced, ours_bare, plain_synced, plain_unsynced, _, unsynced = rows
    targets = [
      Target(f"import: {ours_bare.size / size:.4f} of the size (target: at most 0.672)", ours_bare.size / size, 0.672, True),
      *self.against(zstd, ours_bare, ours_synced, "import", 1.5, size, rows),
      *(target for peer in zipnn for target in self.against(peer, ours_bare, ours_synced, "import", 2.5, size, rows)),
      *(target for peer in h5py for target in self.against(peer, ours_bare, ours_synced, "import", None, size, rows)),
      Target(f"uncompressed import: {plain_synced.wall / synced.wall:.2f} × cp + sync, both synced (target: at most 1.4; "
             f"the fastest runs: {plain_synced.fastest / synced.fastest:.2f} ×)", plain_synced.wall / synced.wall, 1.4, True),
      Target(f"uncompressed import: {plain_unsynced.wall / unsynced.wall:.2f} × cp, neither synced "
             f"(the fastest runs: {plain_unsynced.fastest / unsynced.fastest:.2f} ×)", plain_unsynced.wall / unsynced.wall),
      self.peak("import", ours_synced), self.peak("uncompressed import", plain_synced)]
    yield Task("bf16 → store", size, rows, targets)

    # Export, of what is made here.
    made = f"{self.scratch}/made"
    for command in [bare, *peers]:
      destination = f"{made}/{command.label.split()[0]}"
      os.makedirs(made, exist_ok=True)
      subprocess.run(
        [argument.replace("{destination}", destination) for argument in command.arguments], check=True, stdout=subprocess.DEVNULL)
    export = ours("export", f"{made}/weighbridge", "{destination}", "--to", "safetensors")
    bare = self.convert_without_sync(export, "weighbridge export without sync")
    zstd = shell("zstd -d", 'exec zstd -q -d "$1" -o "$0/model.safetensors"', f"{made}/zstd/model.zst")
    zipnn = zipnn and python("zipnn, decompression", "zipnn", "unzipnn", f"{made}/zipnn", "{destination}")
    h5py = h5py and python("h5py, reading", "h5py", "unh5py", f"{made}/h5py", "{destination}")
    peers = [peer for peer in [zstd, *zipnn, *h5py] if peer.rounds > 0]
    progress("store → bf16:")
    alternate([export, bare, *peers], made, self.scratch, progress)
    rows = [Figures.of(command, with_sync=False) for command in [export, bare]]
    ours_synced, ours_bare = rows
    targets = [
      *self.against(zstd, ours_bare, ours_synced, "export", 1.5, size, rows),
      *(target for peer in [*zipnn, *h5py] for target in self.against(peer, ours_bare, ours_synced, "export", None, size, rows)),
      self.peak("export", ours_synced)]
    yield Task("store → bf16", size, rows, targets)
    shutil.rmtree(made)

  def differences(self):
    """A gigabyte of bf16 and the same with updates of 1 %: a difference written and exported, beside the full store; and the kernels."""
    base, fork = (f"{self.input(kind, FLAT_MATRICES)}/model.safetensors" for kind in ("flat", "fork"))
    size, made = os.path.getsize(fork), f"{self.scratch}/made"

    def ours(label, *arguments):
      command = Command(
        label, [self.options.tool, "convert", *arguments, "--memory", "256MB", "--threads", "2", "--quiet"], is_synced=False, rounds=self.options.rounds)
      return self.convert_without_sync(command, label)

    writing = [ours("full store", fork, "{destination}", "--to", "store"),
               ours("difference", fork, "{destination}", "--to", "store", "--base", base)]
    os.makedirs(made)
    for command in writing:
      subprocess.run([argument.replace("{destination}", f"{made}/{command.label}.store") for argument in command.arguments], check=True,
                     stdout=subprocess.DEVNULL)
    exporting = [ours("full store", f"{made}/full store.store", "{destination}", "--to", "safetensors"),
                 ours("difference", f"{made}/difference.store", "{destination}", "--to", "safetensors", "--base", base)]
    for name, commands, source in [("a difference, written", writing, os.path.dirname(fork)), ("a difference, exported", exporting, made)]:
      progress(f"{name}:")
      alternate(commands, source, self.scratch, progress)
      full, difference = rows = [Figures.of(command, with_sync=False) for command in commands]
      targets = [
        Target(f"{name}: {difference.wall / full.wall:.2f} × the time of the full store (target: at most {DIFFERENCE_LIMIT}); "
               f"{difference.cpu / full.cpu:.2f} × the CPU time", difference.wall / full.wall, DIFFERENCE_LIMIT, True),
        self.peak(name, difference)]
      if commands is writing:
        targets.append(Target(f"{name}: {difference.size / size:.3f} of the size, the full store {full.size / size:.3f}", difference.size / size))
      yield Task(name, size, rows, targets)
    shutil.rmtree(made)
    yield self.kernels()

  def kernels(self):
    """Differences in units in the last place on one core, in cache."""
    sources, program = os.path.join(HERE, "../../Sources/CTensorKernels"), f"{self.directory}/ulp"
    names = ["ulp.c", "ulp_avx2.c", "ulp_neon.c", "level.c"]
    subprocess.run(["clang", "-O2", "-I", f"{sources}/include", "-o", program, f"{HERE}/ulp.c", *(f"{sources}/{name}" for name in names)], check=True)
    progress("kernels:")
    targets = []
    for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
      name, rate = line.rsplit(" ", 1)
      targets.append(Target(f"{name}: {float(rate):.1f} GB/s of CPU time on one core (target: at least {KERNEL_LIMIT})", float(rate), KERNEL_LIMIT))
    return Task("kernels of differences", 0, [], targets)

  def against(self, peer, ours, ours_synced, name, limit, size, rows):
    """Targets and rows of a peer; `size` is that of the tensors."""
    if not peer.runs:
      return []
    alone, synced = Figures.of(peer, with_sync=False), Figures.of(peer, with_sync=True, label=f"{peer.label} + sync")
    rows += [alone, synced]
    wish = f" (target: at least {limit:g})" if limit else ""
    text = f"{name}: {alone.wall / ours.wall:.2f} × faster than {peer.label}, neither synced{wish}; " \
      f"{synced.wall / ours_synced.wall:.2f} ×, both synced; {alone.cpu / ours.cpu:.2f} × less CPU"
    return [Target(text if name == "export" else f"{text}; its size is {alone.size / size:.4f}", alone.wall / ours.wall, limit)]

  def peak(self, name, figures, limit=PEAK_LIMIT):
    return Target(f"{name}: peak {figures.peak / 1e6:.0f} MB (target: below {limit / 1e6:.0f})", figures.peak, limit, True)

  # MARK: Quantization

  def quantize(self):
    """A Llama with 1.1 billion parameters, safetensors of bf16 to GGUF; each side has two threads.

    llama-quantize reads the GGUF file of bf16 that Weighbridge wrote, which it can map and whose tensors have its names; Weighbridge reads
    the safetensors, and also permutes the rows of Q and K. llama.cpp's converter has as many threads as torch gives it.
    Times are compared with neither side syncing, and with both. Hashing is left as it is: Weighbridge digests every tensor for its
    certificate and measures how far the blocks are from the weights; the others do neither.
    """
    directory = self.input("llama", LLAMA_LAYERS)
    source = f"{directory}/model"
    size = os.path.getsize(f"{source}/model.safetensors")
    quantize, converter = output_of(PEERS_LLAMA).splitlines()[:2] if self.options.peer_rounds else ("", "")

    def ours(name, command, *arguments):
      return self.without_output(
        f"weighbridge {name}", self.options.tool, command, source, "{destination}/model.gguf", *arguments, "--threads", "2", "--memory",
        "256MB", "--quiet")

    def theirs(label, *arguments):
      return dataclasses.replace(self.without_output(label, *arguments), is_synced=True, rounds=self.options.peer_rounds)

    convert = ours("bf16", "convert", "--to", "gguf")
    convert_peer = theirs(
      "convert_hf_to_gguf", converter, source, "--outtype", "bf16", "--outfile", "{destination}/model.gguf")
    yield self.beside("bf16 → GGUF bf16", source, size, convert, convert_peer, GGUF_LIMIT, None)

    # Where both inputs are read into the cache before each run.
    made = f"{self.scratch}/inputs"
    os.makedirs(made)
    os.link(f"{source}/model.safetensors", f"{made}/model.safetensors")
    subprocess.run(
      [self.options.tool, "convert", source, f"{made}/model.gguf", "--threads", "2", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    for scheme, limit in QUANTIZE_LIMITS.items():
      peer = theirs(f"llama-quantize {scheme}", quantize, f"{made}/model.gguf", "{destination}/model.gguf", scheme, "2")
      yield self.beside(f"bf16 → {scheme}", made, size, ours(scheme, "quantize", "--scheme", scheme), peer, limit, limit)
    shutil.rmtree(made)

  def quantize_to_parts(self):
    """The same model for MLX and for vLLM, beside mlx-lm and llmcompressor without data, which load the model first."""
    source = f"{self.input('llama', LLAMA_LAYERS)}/model"
    for scheme, label, script, wall_limit, cpu_limit in PARTS_LIMITS:
      convert = Command(
        f"weighbridge {scheme}",
        [self.options.tool, "quantize", source, "{destination}", "--scheme", scheme, "--threads", "2", "--memory", "256MB", "--quiet"],
        is_synced=False, rounds=self.options.rounds)
      peer = self.peer(f"{label} {scheme}", *(source if part == "{source}" else part for part in script))
      size = os.path.getsize(f"{source}/model.safetensors")
      yield self.beside(f"bf16 → {scheme}", source, size, convert, peer, wall_limit, cpu_limit, PARTS_PEAK)

  def beside(self, name, source, size, command, peer, wall_limit, cpu_limit, peak_limit=PEAK_LIMIT):
    """Measures a command and its peer, and ours without sync."""
    bare = self.convert_without_sync(command, f"{command.label} without sync")
    progress(f"{name}:")
    alternate([command, bare, *([peer] if peer.rounds else [])], source, self.scratch, progress)
    ours_synced, ours = (Figures.of(each, with_sync=False) for each in (command, bare))
    rows, targets = [ours_synced, ours], []
    if peer.runs:
      alone, synced = Figures.of(peer, with_sync=False), Figures.of(peer, with_sync=True, label=f"{peer.label} + sync")
      rows += [synced, alone]

      def wish(limit):
        return f" (target: at least {limit:g})" if limit else ""

      targets += [
        Target(f"{name}: {alone.wall / ours.wall:.2f} × faster than {peer.label}, neither synced{wish(wall_limit)}; "
               f"{synced.wall / ours_synced.wall:.2f} ×, both synced", alone.wall / ours.wall, wall_limit),
        Target(f"{name}: {alone.cpu / ours.cpu:.2f} × less CPU{wish(cpu_limit)}", alone.cpu / ours.cpu, cpu_limit),
        Target(f"{name}: its file has {alone.size:,} bytes, ours {ours.size:,} with its certificate", alone.size / ours.size),
      ]
    return Task(name, size, rows, [*targets, self.peak(name, ours_synced, peak_limit)])

  # MARK: A full model

  def large(self):
    """Every command that reads or writes a checkpoint, on a model of full size and on a small one of the same kind, once each."""
    for kind, (small, full) in LARGE_LAYERS.items():
      if self.options.kind not in (None, kind):
        continue
      source = {layers: self.input(kind, layers, f"{kind}-{layers}") for layers in (small, full)}
      runs = {layers: self.large_runs(kind, f"{source[layers]}/model", layers) for layers in (small, full)}
      below_bytes, full_bytes = byte_count(source[small]), byte_count(source[full])
      for directory in source.values():
        shutil.rmtree(directory)
      for label, figures in runs[full].items():
        below, limit = runs[small][label], LARGE_MEMORY + LARGE_MARGIN
        yield Task(label, full_bytes, [below, figures], [
          Target(f"{label}: peak {figures.peak / 1e6:.0f} MB (target: below {limit / 1e6:.0f})", figures.peak, limit, True),
          Target(f"{label}: {figures.peak / below.peak:.2f} × the peak on {below_bytes / 1e9:.1f} GB "
                 f"(target: at most {LARGE_GROWTH})", figures.peak / below.peak, LARGE_GROWTH, True)])
      if kind == "hf":
        ratio = runs[full]["compare with Mesh-Transformer"].wall / runs[full]["Mesh-Transformer → hf"].wall
        yield Task("compare beside the conversion", full_bytes, [], [
          Target(f"compare with Mesh-Transformer: {ratio:.2f} × the conversion (target: at most {COMPARE_LIMIT})", ratio, COMPARE_LIMIT, True)])

  def large_runs(self, kind, source, layers):
    """Figures of one run of each command, by what it is called; each is given what those before it wrote."""
    made = f"{self.scratch}/made"
    os.makedirs(made)
    with open(f"{made}/mesh.json", "w") as file:
      file.write(Geometry(layers).mesh_configuration())
    store, mesh, hf, npz, gguf = (f"{made}/{name}" for name in ("store", "mesh", "hf", "model.npz", "model.gguf"))
    configuration = ["--config", f"{made}/mesh.json"]
    key, tokens, fork = f"{made}/key.pem", f"{made}/tokens.json", f"{made}/fork"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True, stderr=subprocess.DEVNULL)
    with open(tokens, "w") as file:
      json.dump([[499 * place % 32000 for place in range(64)]], file)
    if kind == "llama":
      subprocess.run([self.options.peer_python, f"{HERE}/fork.py", source, fork], check=True)
    steps = {
      # What is called, what it is given, and what isn't needed any more after it.
      "hf": [
        ("hf → store", ["convert", source, store, "--to", "store", "--max-shard-size", "16GB"], []),
        ("store → hf f16", ["convert", store, hf, "--to", "safetensors", "--dtype", "f16"], [hf]),
        ("verify a store", ["verify", store], []),
        ("compare with a store", ["compare", source, store], [store]),
        ("hf → hf f16", ["convert", source, hf, "--to", "safetensors", "--dtype", "f16"], []),
        ("verify", ["verify", hf], []),
        ("verify --against", ["verify", hf, "--against", source], [hf]),
        ("hf → Mesh-Transformer", ["convert", source, mesh, "--to", "mesh-transformer"], []),
        ("Mesh-Transformer → hf", ["convert", f"{mesh}/step_0", hf, "--to", "safetensors", *configuration], [hf]),
        ("compare with Mesh-Transformer", ["compare", source, mesh], [mesh]),
        ("hf → safetensors, part 1 of 2", ["convert", source, hf, "--to", "safetensors", "--part", "1/2"], []),
        ("hf → safetensors, part 2 of 2", ["convert", source, hf, "--to", "safetensors", "--part", "2/2"], []),
        ("merge", ["merge", hf], [hf]),
        ("hf → npz", ["convert", source, npz, "--to", "npz"], []),
        ("verify an npz", ["verify", npz], [npz]),
        ("inspect --statistics --digests", ["inspect", source, "--statistics", "--digests"], []),
        ("manifest", ["manifest", source, "--sha256sums"], ["manifest"]),
        ("sign", ["sign", source, "--private-key", key, "--signature", f"{made}/model.sig"], []),
        ("forward", ["forward", source, "--tokens", "1,2,3,4,5,6,7,8"], []),
        ("compare --forward", ["compare", source, source, "--forward", "--tokens", "1,2,3,4,5,6,7,8"], []),
      ],
      "llama": [
        ("llama → GGUF", ["convert", source, gguf], []),
        ("verify a GGUF --against", ["verify", gguf, "--against", source], [gguf]),
        ("quantize", ["quantize", source, gguf, "--scheme", "q4_k_m"], []),
        ("verify a quantized GGUF", ["verify", gguf], []),
        ("GGUF → hf", ["convert", gguf, hf, "--to", "safetensors", "--dtype", "bf16"], [hf, gguf]),
        ("quantize to MLX", ["quantize", source, hf, "--scheme", "mlx-q4-g64"], []),
        ("verify MLX", ["verify", hf], []),
        ("verify MLX --against", ["verify", hf, "--against", source], [hf]),
        ("importance", ["importance", source, "--tokens-file", tokens, "--output", f"{made}/imatrix.gguf"], []),
        ("quantize --quality best", ["quantize", source, gguf, "--scheme", "q4_0", "--quality", "best", "--imatrix", f"{made}/imatrix.gguf"], [gguf]),
        ("quantize --target-bits", ["quantize", source, hf, "--target-bits", "4.8", "--to", "mlx"], [hf]),
        ("quantize --dry-run --measure", ["quantize", source, "--scheme", "q8_0,mlx-q4-g64,w8a16-channel", "--dry-run", "--measure"], []),
        ("difference → store", ["convert", fork, store, "--to", "store", "--base", source], []),
        ("verify a difference", ["verify", store, "--base", source], []),
        ("difference → hf", ["convert", store, hf, "--to", "safetensors", "--base", source], [hf, store]),
        ("difference → weight-delta", ["convert", fork, f"{made}/weight_v000001", "--to", "weight-delta", "--base", source], []),
        ("weight-delta → hf", ["convert", f"{made}/weight_v000001", hf, "--to", "safetensors", "--base", source], [hf]),
        ("quantize to compressed-tensors", ["quantize", source, hf, "--scheme", "w4a16-g128"], []),
        ("verify compressed-tensors --against", ["verify", hf, "--against", source], [hf]),
      ],
    }[kind]
    figures = {}
    for label, arguments, leftovers in steps:
      os.sync()
      memory = [] if arguments[0] == "merge" else ["--memory", f"{LARGE_MEMORY / 1e6:.0f}MB"]
      wall, cpu, peak = spawn([self.options.tool, *arguments, *memory, "--quiet"], {}, f"{self.scratch}/log")
      progress(f"{layers} layers: {label}: {wall:.2f} s, {cpu:.2f} s CPU, {peak / 1e6:.0f} MB")
      figures[label] = Figures(f"{layers} layers", 1, wall, wall, wall, cpu, peak, 0)
      for path in leftovers:
        if path == "manifest":
          os.remove(f"{source}/weighbridge-manifest.json")
          os.remove(f"{source}/SHA256SUMS")
        elif os.path.isdir(path):
          shutil.rmtree(path)
        else:
          os.remove(path)
          os.remove(f"{os.path.splitext(path)[0]}.certificate.json")
    shutil.rmtree(made)
    return figures


# MARK: Report

def processor():
  try:
    with open("/proc/cpuinfo") as file:
      return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
  except (OSError, StopIteration):
    return platform.processor()


def output_of(*arguments):
  return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.strip()


def versions(options):
  packages = output_of(
    options.peer_python, "-c", "from importlib.metadata import distributions\n"
    "all = {d.name: d.version for d in distributions()}\n"
    "print(', '.join(f'{n} {all[n]}' for n in ['numpy', 'safetensors', 'torch', 'transformers', 'zipnn', 'h5py', 'hdf5plugin'] if n in all))")
  complete = os.path.join(HERE, "../../.build-peers-llama/complete")
  if os.path.exists(complete):
    with open(complete) as file:
      packages += f", llama.cpp of {file.read().split()[0].replace('==', ' ')}"
  copy = output_of("cp", "--version").splitlines()[0].split()[-1]
  zstd = next(word for word in output_of("zstd", "--version").split() if word.startswith("v")).strip("v,")
  return f"weighbridge {output_of(options.tool, '--version')}, coreutils {copy}, zstd {zstd}, Python {platform.python_version()}, {packages}"


def show(tasks, machine, used):
  print(machine)
  print(used)
  for task in tasks:
    print(f"\n{task.name} ({task.input_bytes / 1e9:.2f} GB)")
    print(f"  {'':46}{'wall s (fastest–slowest)':>26}{'CPU s':>9}{'peak MB':>9}{'runs':>6}")
    for row in task.rows:
      wall = f"{row.wall:.2f} ({row.fastest:.2f}–{row.slowest:.2f})"
      print(f"  {row.label:46}{wall:>26}{row.cpu:>9.2f}{row.peak / 1e6:>9.0f}{row.runs:>6}")
    for target in task.targets:
      print(target.line())


def main():
  options = arguments()
  cores = sorted(os.sched_getaffinity(0))[: options.cores]
  os.sched_setaffinity(0, cores)
  load = os.getloadavg()[0]
  bench = Bench(options)
  try:
    if options.large:
      tasks = list(bench.large())
    else:
      groups = [("mesh", lambda: [bench.mesh()]), ("hf", lambda: [bench.huggingface()]), ("torch", bench.torch),
                ("tensorflow", lambda: [bench.tensorflow()]),
                ("store", bench.store),
                ("forward", lambda: list(bench.forward())), ("quantize", lambda: list(bench.quantize())),
                ("parts", lambda: list(bench.quantize_to_parts())),
                ("differences", bench.differences),
                ("dequantize", lambda: [bench.dequantize()]), ("integrity", lambda: [bench.integrity()]), ("keras", bench.keras),
               ("neox", lambda: list(bench.neox()))]
      wanted = {"quantize": ["quantize", "parts"], None: [name for name, _ in groups]}.get(options.only, [options.only])
      tasks = [task for name, run in groups if name in wanted for task in run()]
  finally:
    shutil.rmtree(bench.scratch, ignore_errors=True)
  machine = f"{len(cores)} of {os.cpu_count()} cores, {processor()}, {platform.system()} {platform.release()}, load {load:.1f} at the start"
  used = versions(options)
  show(tasks, machine, used)
  if options.json:
    with open(options.json, "w") as file:
      json.dump({
        "machine": machine, "versions": used,
        "tasks": [dataclasses.asdict(task) | {
          "targets": [dataclasses.asdict(target) | {"met": target.is_met} for target in task.targets]} for task in tasks],
      }, file, indent=2, ensure_ascii=False)
      file.write("\n")
  if options.check and not all(target.is_met for task in tasks for target in task.targets):
    sys.exit(1)


main()
