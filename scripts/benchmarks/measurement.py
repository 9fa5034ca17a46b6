"""Running commands in turn, and what each run took.

Only the standard library: a child's peak memory includes this process's own from before its exec, so this process has to stay small.
"""

import dataclasses
import os
import random
import shutil
import statistics
import subprocess
import sys
import time


@dataclasses.dataclass
class Run:
  """One run: seconds of the command itself, of syncing its files afterwards, of processor time, the peak of its memory, and the bytes it wrote."""

  wall: float
  sync: float
  cpu: float
  sync_cpu: float
  peak: float
  size: int


@dataclasses.dataclass
class Command:
  """What is run; `{destination}` in its arguments is where it writes, which doesn't exist."""

  label: str
  arguments: list
  environment: dict = dataclasses.field(default_factory=dict)
  # Whether its files are synced, and the time that takes is kept, after it has ended; Weighbridge does that itself.
  is_synced: bool = True
  rounds: int = 1
  runs: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Figures:
  """Medians, with the extremes of the wall time."""

  label: str
  runs: int
  wall: float
  fastest: float
  slowest: float
  cpu: float
  peak: float
  size: int

  @classmethod
  def of(cls, command, *, with_sync, label=None):
    walls = [run.wall + (run.sync if with_sync else 0) for run in command.runs]
    cpus = [run.cpu + (run.sync_cpu if with_sync else 0) for run in command.runs]
    return cls(
      label or command.label, len(walls), statistics.median(walls), min(walls), max(walls), statistics.median(cpus),
      statistics.median(run.peak for run in command.runs), command.runs[-1].size)


def files_below(directory):
  return sorted(os.path.join(folder, name) for folder, _, names in os.walk(directory) for name in names)


def byte_count(directory):
  return sum(os.path.getsize(path) for path in files_below(directory))


def warm(directory):
  """Reads everything once, into the page cache."""
  buffer = bytearray(8 << 20)
  for path in files_below(directory):
    with open(path, "rb", buffering=0) as file:
      while file.readinto(buffer):
        pass


def spawn(arguments, environment, log):
  """(wall seconds, processor seconds, peak in bytes) of a process that has to succeed."""
  with open(log, "wb") as output:
    began = time.monotonic()
    child = subprocess.Popen(
      arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
  child.returncode = os.waitstatus_to_exitcode(status)
  if child.returncode != 0:
    sys.exit(f"{' '.join(arguments)}\nfailed with {child.returncode}:\n{open(log, errors='replace').read()[-4000:]}")
  return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def measure(command, source, scratch, *, is_warmed=True):
  destination, log = f"{scratch}/{command.label.replace(' ', '-').replace('/', '-')}", f"{scratch}/log"
  shutil.rmtree(destination, ignore_errors=True)
  # Neither what an earlier run left to be written back nor what pushed the input out of the cache is this run's fault.
  os.sync()
  if is_warmed:
    warm(source)
  arguments = [argument.replace("{destination}", destination) for argument in command.arguments]
  wall, cpu, peak = spawn(arguments, command.environment, log)
  sync, sync_cpu = 0.0, 0.0
  if command.is_synced:
    sync, sync_cpu, _ = spawn(["sync", *files_below(destination)], {}, log)
  size = byte_count(destination)
  shutil.rmtree(destination)
  return Run(wall, sync, cpu, sync_cpu, peak, size)


def alternate(commands, source, scratch, progress):
  """Runs the commands in turn; those with fewer rounds sit out the last ones.

  Every round has another order, always the same one: how fast memory can be had depends on what the run before gave back.
  """
  for number in range(max(command.rounds for command in commands)):
    for command in random.Random(number).sample(commands, len(commands)):
      if number >= command.rounds:
        continue
      run = measure(command, source, scratch)
      command.runs.append(run)
      progress(f"round {number + 1}: {command.label}: {run.wall:.2f} s + {run.sync:.2f} s sync, {run.cpu:.2f} s CPU, "
               f"{run.peak / 1e6:.0f} MB")
