"""Whole .safetensors files as a store and with the peers: `compression_files.py TOOL ROUNDS DIRECTORY FILE …`, called by `compression`.

All take turns; nothing is synced. Times are medians, and include starting the program; peers that aren't installed are left out.
"""

import importlib.util
import os
import shutil
import statistics
import subprocess
import sys

from measurement import Command, measure

HERE = os.path.dirname(os.path.abspath(__file__))


def commands(tool, source):
  """The command of ours that the others are compared with comes first."""
  yield Command("store", [tool, "convert", source, "{destination}", "--to", "store", "--quiet"])
  yield Command("zstd -3 -T2", ["sh", "-c", 'mkdir "$0" && exec zstd -q -3 -T2 "$1" -o "$0/model.zst"', "{destination}", source])
  for package in ["zipnn", "h5py"]:
    if importlib.util.find_spec(package):
      yield Command(package, [sys.executable, f"{HERE}/peer_compression.py", package, source, "{destination}"])


def main():
  tool, rounds, directory, *files = sys.argv[1:]
  library = f"{directory}/without_sync.so"
  subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, f"{HERE}/without_sync.c"], check=True)
  scratch = f"{directory}/scratch"
  for file in files:
    turn = list(commands(tool, file))
    turn[0].environment = {"LD_PRELOAD": library}
    for command in turn:
      command.is_synced = False
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    for _ in range(int(rounds)):
      for command in turn:
        command.runs.append(measure(command, os.path.dirname(os.path.abspath(file)), scratch, is_warmed=False))
    shutil.rmtree(scratch)
    size = os.path.getsize(file)
    print(f"{os.path.basename(file)}, {size / 1e6:.2f} MB")
    for command in turn:
      wall = statistics.median(run.wall for run in command.runs)
      print(f"  {command.label:12} {command.runs[0].size / size:7.4f} {wall:8.2f} s {statistics.median(run.cpu for run in command.runs):8.2f} s CPU")


main()
