"""Measures Weighbridge beside `cp` and other people's programs, and says which of its targets are met.

Every command of a group runs in turn, round after round; medians are compared. The inputs are made once, in a directory named by
BENCHMARK_DIRECTORY or in weighbridge-benchmark below TMPDIR or /var/tmp; they and what is written need about 12 GB, with --large 27 GB.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys

from measurement import Command, Figures, alternate, byte_count, files_below, measure

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = 6
FULL_LAYERS = 28
PEAK_LIMIT = 400e6


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
  parser.add_argument("--only", choices=["mesh", "hf"], help="one of the two tasks")
  parser.add_argument("--rounds", type=int, default=5, help="runs of weighbridge and cp (default: 5)")
  parser.add_argument("--peer-rounds", type=int, default=2, help="runs of the others, 0 to leave them out (default: 2)")
  parser.add_argument("--cores", type=int, default=2, help="processors that everything runs on (default: 2)")
  parser.add_argument("--large", action="store_true", help="instead: memory and time for 6 billion parameters, 12 GB of zeros")
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
    self.scratch = f"{self.directory}/scratch"
    shutil.rmtree(self.scratch, ignore_errors=True)
    os.makedirs(self.scratch)

  def input(self, kind, layers):
    directory = f"{self.directory}/{kind}"
    subprocess.run([self.options.peer_python, f"{HERE}/inputs.py", kind, directory, str(layers)], check=True)
    return directory

  def copy(self, source):
    return Command("cp", ["cp", "--reflink=never", "-r", source, "{destination}"], rounds=self.options.rounds)

  def convert(self, source, *options):
    return Command(
      "weighbridge", [self.options.tool, "convert", source, "{destination}", "--to", "safetensors", "--dtype", "f16",
                      "--memory", "256MB", "--quiet", *options],
      is_synced=False, rounds=self.options.rounds)

  def convert_without_sync(self, command):
    library = f"{self.directory}/without_sync.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, f"{HERE}/without_sync.c"], check=True)
    return dataclasses.replace(command, label="weighbridge without sync", environment={"LD_PRELOAD": library}, runs=[])

  def peer(self, label, script, *arguments):
    return Command(
      label, [self.options.peer_python, f"{HERE}/{script}", *arguments], {"HF_HUB_OFFLINE": "1"},
      rounds=self.options.peer_rounds)

  def run(self, name, source, convert, peers, copy_limit, peer_limits):
    """Measures one task. `peer_limits` has (wall, CPU), either may be None, for every peer."""
    copy, bare = self.copy(source), self.convert_without_sync(convert)
    peers = [peer for peer in peers if peer.rounds > 0]
    progress(f"{name}:")
    alternate([copy, convert, bare, *peers], source, self.scratch, progress)

    ours, ours_bare = Figures.of(convert, with_sync=False), Figures.of(bare, with_sync=False)
    synced = Figures.of(copy, with_sync=True, label="cp + sync")
    unsynced = Figures.of(copy, with_sync=False, label="cp without sync")
    rows = [synced, ours, unsynced, ours_bare]
    targets = [
      Target(f"{name}: {ours.wall / synced.wall:.2f} × cp + sync, both synced (target: at most {copy_limit}; "
             f"the fastest runs: {ours.fastest / synced.fastest:.2f} ×)", ours.wall / synced.wall, copy_limit, True),
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
    targets.append(Target(
      f"{name}: peak {ours.peak / 1e6:.0f} MB (target: below {PEAK_LIMIT / 1e6:.0f})", ours.peak, PEAK_LIMIT, True))
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

  def large(self):
    """The full model's size; holes are read, so there is nothing to compare the time with."""
    for kind in ["mesh-zero", "hf-zero"]:
      directory = self.input(kind, FULL_LAYERS)
      if kind == "mesh-zero":
        source, options = f"{directory}/step_1", ["--config", f"{directory}/mesh.json"]
      else:
        source, options = f"{directory}/model", ["--max-shard-size", "500MB"]
      name = f"{'mesh' if kind == 'mesh-zero' else 'hf bf16'} → hf f16, {FULL_LAYERS} layers of zeros"
      progress(f"{name}:")
      command = self.convert(source, *options)
      command.runs.append(measure(command, source, self.scratch))
      figures = Figures.of(command, with_sync=False)
      yield Task(name, byte_count(source), [figures], [
        Target(f"{name}: peak {figures.peak / 1e6:.0f} MB (target: below {PEAK_LIMIT / 1e6:.0f})",
               figures.peak, PEAK_LIMIT, True)])


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
    options.peer_python, "-c", "from importlib.metadata import version as v\n"
    "print(', '.join(f'{n} {v(n)}' for n in ['numpy', 'safetensors', 'torch', 'transformers']))")
  copy = output_of("cp", "--version").splitlines()[0].split()[-1]
  return f"weighbridge {output_of(options.tool, '--version')}, coreutils {copy}, Python {platform.python_version()}, {packages}"


def show(tasks, machine, used):
  print(machine)
  print(used)
  for task in tasks:
    print(f"\n{task.name} ({task.input_bytes / 1e9:.2f} GB)")
    print(f"  {'':34}{'wall s (fastest–slowest)':>26}{'CPU s':>9}{'peak MB':>9}{'runs':>6}")
    for row in task.rows:
      wall = f"{row.wall:.2f} ({row.fastest:.2f}–{row.slowest:.2f})"
      print(f"  {row.label:34}{wall:>26}{row.cpu:>9.2f}{row.peak / 1e6:>9.0f}{row.runs:>6}")
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
      tasks = [run() for name, run in [("mesh", bench.mesh), ("hf", bench.huggingface)] if options.only in (None, name)]
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
