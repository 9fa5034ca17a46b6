"""Runs the groups of checks named on the command line, all of them without names."""
import argparse
import sys
import time

import casts
import configurations
import differences
import forward
import importance
import interruption
import json_documents
import keras
import limits
import llama
import mesh
import mesh_writing
import mlx_writing
import npz
import packages
import pages
import parts
import pipelines
import pytorch
import quantized
import root
import sharding
import signals
import reports
import signing
import statistics_of_tensors
import store
import tensorflow_bundles
import tokenizer
import training
import vllm_writing
from harness import Report

GROUPS = {
    # What is timed comes before groups that load libraries with threads of their own.
    "limits": limits.check,
    "signals": signals.check,
    "mesh": mesh.check,
    "mesh-writing": mesh_writing.check,
    "casts": casts.check,
    "sharding": sharding.check,
    "npz": npz.check,
    "forward": forward.check,
    "importance": importance.check,
    "configurations": configurations.check,
    "pytorch": pytorch.check,
    "training": training.check,
    "tensorflow": tensorflow_bundles.check,
    "root": root.check,
    "store": store.check,
    "differences": differences.check,
    "json": json_documents.check,
    "statistics": statistics_of_tensors.check,
    "tokenizer": tokenizer.check,
    "quantized": quantized.check,
    "mlx": mlx_writing.check,
    "vllm": vllm_writing.check,
    "llama": llama.check,
    "signing": signing.check,
    "reports": reports.check,
    "pages": pages.check,
    "pipelines": pipelines.check,
    "packages": packages.check,
    "interruption": interruption.check,
    "parts": parts.check,
    "keras": keras.check,
}


def main():
    parser = argparse.ArgumentParser(prog="scripts/interop", description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--kills", type=int, default=20, help="kills per source of the interruption group, and runs of the group parts (default 20)")
    parser.add_argument("--seed", type=int, default=None, help="of the moments of the kills (default: the clock, printed)")
    parser.add_argument("--configurations", type=int, default=configurations.COUNT, help="random ones of the group of that name (default %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the groups")
    options = parser.parse_args()
    if options.list:
        return print("\n".join(GROUPS))
    unknown = [name for name in options.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no group {unknown[0]!r}; the groups are {', '.join(GROUPS)}")
    interruption.KILLS, interruption.SEED = options.kills, time.time_ns() % 1_000_000 if options.seed is None else options.seed
    parts.RUNS, parts.SEED = options.kills, interruption.SEED
    configurations.COUNT = options.configurations
    passed = failed = skipped = 0
    for name in options.groups or GROUPS:
        report, start = Report(name), time.monotonic()
        GROUPS[name](report)
        print(f"-- {name}: {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
        passed, failed, skipped = passed + report.passed, failed + report.failed, skipped + report.skipped
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
