"""The blocks that ggml makes of the same weights, and the files that llama-quantize makes of the same model."""
import collections
import functools
import platform
import subprocess

import numpy as np

from harness import PACKAGE, Skipped, expect, workdir
from llama_cpp import ask
from llama_models import SCHEMES, TYPES

COUNT = 512  # tokens behind the importances; a power of two, so that dividing by it rounds nothing
# Builds of ggml for other processors may fuse products and sums where it makes blocks; for x86-64 they don't.
IS_STRICT = platform.machine() == "x86_64"
QUANTIZED = [scheme for scheme in SCHEMES if scheme != "f32"]


def check(report, label, model):
    report.row(f"{label}, blocks of ggml", lambda: blocks(model()))
    report.row(f"{label}, llama-quantize", lambda: files(model()))


@functools.cache
def peers():
    """Paths of the two programs of scripts/peers-llama, which take minutes to build."""
    made = subprocess.run([PACKAGE / "scripts/peers-llama", "--check"], capture_output=True, text=True)
    if made.returncode != 0:
        raise Skipped("scripts/peers-llama hasn't been run")
    return made.stdout.splitlines()


def importances(plain, folder):
    """An importance matrix for all matrices but the embedding: the file, and its values as a numpy archive."""
    import gguf

    random, values = np.random.default_rng(11), {}
    writer = gguf.GGUFWriter(folder / "imatrix.gguf", arch="imatrix")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["made.txt"])
    writer.add_uint32("imatrix.chunk_count", 1)
    writer.add_uint32("imatrix.chunk_size", COUNT)
    for tensor in gguf.GGUFReader(plain).tensors:
        if len(tensor.shape) == 2 and "_embd" not in tensor.name:
            values[tensor.name] = (random.standard_normal(tensor.shape[0]) ** 2).astype(np.float32) + np.float32(1e-3)
            writer.add_tensor(tensor.name + ".in_sum2", values[tensor.name][None] * np.float32(COUNT))
            writer.add_tensor(tensor.name + ".counts", np.array([[COUNT]], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    np.savez(folder / "importances.npz", **values)
    return folder / "imatrix.gguf", folder / "importances.npz"


def blocks(model):
    """Every matrix of every scheme's file, in the type that it has there, without and with importances."""
    with workdir() as work:
        plain = model.convert(work / "plain.gguf")
        matrix, values = importances(plain, work)
        requests = []
        for scheme in [*QUANTIZED, *TYPES]:
            requests.append({"plain": plain, "path": model.quantize(work / f"{scheme}.gguf", scheme)})
            weighted = model.quantize(work / f"{scheme}.weighted.gguf", scheme, "--imatrix", matrix)
            requests.append({"plain": plain, "path": weighted, "importance": values})
        answers = ask(requests)
    counts = collections.defaultdict(lambda: np.zeros(2, int))
    for answer in answers:
        for kind, found in answer["blocks"].items():
            counts[kind] += found
    total, different = sum(counts.values())
    where = ", ".join(f"{kind} {other:,} of {count:,}" for kind, (count, other) in counts.items() if other)
    expect(not different or not IS_STRICT, f"other blocks: {where}")
    return f"{total:,} of {len(counts)} types, {f'different: {where}' if different else 'bit for bit'}"


def files(model):
    """Type and bytes of every tensor, without and with importances."""
    tool, tensor_count, different, types = peers()[0], 0, 0, set()
    with workdir() as work:
        plain = model.convert(work / "plain.gguf")
        matrix, _ = importances(plain, work)
        for scheme in QUANTIZED:
            for options in ([], ["--imatrix", matrix]):
                mine = model.quantize(work / "ours.gguf", scheme, "--force", *options)
                done = subprocess.run(
                    [tool, *options, plain, work / "theirs.gguf", scheme, "2"], capture_output=True, text=True, errors="replace", timeout=120)
                expect(done.returncode == 0, f"llama-quantize {scheme}: {(done.stdout + done.stderr)[-300:]}")
                found, expected = tensors(mine), tensors(work / "theirs.gguf")
                expect(found.keys() == expected.keys(), f"{scheme}: {sorted(found.keys() ^ expected.keys())[:4]}")
                for name, (kind, data) in expected.items():
                    where = f"{scheme}{', with importances' if options else ''}: {name}"
                    expect(found[name][0] == kind, f"{where}: {found[name][0]}, expected {kind}")
                    if found[name][1] != data:
                        expect(not IS_STRICT, f"{where}: {kind}, other bytes")
                        different += 1
                    types.add(kind)
                tensor_count += len(expected)
    return f"{2 * len(QUANTIZED)} files, {tensor_count:,} tensors of {len(types)} types, {f'{different} different' if different else 'bit for bit'}"


def tensors(path):
    import gguf

    return {tensor.name: (tensor.tensor_type.name, tensor.data.tobytes()) for tensor in gguf.GGUFReader(path).tensors}
