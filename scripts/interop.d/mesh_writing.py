"""Mesh-Transformer shards as they are written: read by numpy, by the original's rules, and back in transformers."""
import numpy as np

from harness import FIXTURES, MESH, complaint, convert, expect, run, workdir
from mesh import COLUMNS, FIRST, ROWS, SUMMED, evaluate, f32, layers_of, read_step, rules, transformers_logits, unpack
from stored import read_checkpoint

GPTJ = FIXTURES / "huggingface" / "gptj"
GPTJ_LAYERS = 3
WAYS = (1, 2, 4, 8)
INITIAL = {"bias": 0.0, "weight": 1.0}  # of layer norms that training never touches


def check(report):
    with workdir() as work:
        written(report, "gptj", GPTJ, GPTJ_LAYERS, np.load(GPTJ / "tokens.npy").ravel(), work)
    for case in MESH:
        with workdir() as work:
            convert(case / "step.tar.zstd", work / "model", "--dtype", "f32", "--config", case / "config.json")
            written(report, case.name, work / "model", layers_of(case), np.load(case / "tokens.npy").ravel(), work)
            step = unpack(case / "step.tar.zstd", work / "unpacked")
            report.row(f"{case.name} npz files", lambda: rewritten(step, work))


def written(report, label, model, layers, tokens, work):
    """Rows for every number of shards that can be made of a model in f32."""
    before = transformers_logits(model, tokens)
    for ways in WAYS:
        target = work / f"mesh-{ways}"
        done = run("convert", model, target, "--to", "mesh-transformer", "--shards", ways, "--quiet")
        if done.returncode:
            report.row(f"{label} in {ways} shards is refused", lambda: refused(done, ways))
            continue
        report.row(f"{label} in {ways} shards, numpy", lambda: read_by_numpy(target, ways, layers, model))
        report.row(f"{label} in {ways} shards, the original's reshard", lambda: restored(target, ways, layers, model, work))
        report.row(f"{label} in {ways} shards, transformers", lambda: back(target, before, tokens, model, work / f"back-{ways}"))


def refused(done, ways):
    message = complaint(done)
    expect(done.returncode == 2 and "divide the model's heads and vocabulary" in message, f"exit {done.returncode}: {message}")
    return f"exit 2: {message[:100]}"


def only_step(target):
    return next(target.glob("step_*"))


def read_by_numpy(target, ways, layers, model):
    """Every leaf of every shard has the bits that its rule asks for."""
    shards, table = read_step(only_step(target)), rules(layers)
    expect(len(shards) == ways, f"{len(shards)} shards")
    tensors = {name: array for name, (_, array) in read_checkpoint(model).items()}
    for number, leaves in enumerate(shards):
        expect(len(leaves) == len(table) + 1, f"shard {number} has {len(leaves)} leaves, expected {len(table) + 1}")
        expect(leaves[-1].dtype == np.dtype("<i4") and leaves[-1].shape == (), f"the step is {leaves[-1].dtype} {leaves[-1].shape}")
        for leaf, (rule, name) in zip(leaves, table):
            wanted = part(tensors, rule, name, number, ways)
            equal = leaf.shape == wanted.shape and np.array_equal(leaf.view("<u4"), np.ascontiguousarray(wanted).view("<u4"))
            expect(equal and leaf.flags.c_contiguous, f"shard {number}, {name}: {leaf.dtype} {leaf.shape} isn't what the table says")
    return f"{ways * len(shards[0])} leaves"


def part(tensors, rule, name, number, ways):
    if name == "embedding bias":
        return np.full(tensors["transformer.wte.weight"].shape[1], -0.0, "<f4")
    whole = tensors[name]
    if whole.ndim == 2 and name != "transformer.wte.weight":
        whole = whole.T
    if rule == SUMMED:
        return whole if number == 0 else np.full(whole.shape, -0.0, "<f4")
    if rule == FIRST:
        return whole if number == 0 else np.full(whole.shape, INITIAL[name.rsplit(".", 1)[1]], "<f4")
    return np.split(whole, ways, {ROWS: 0, COLUMNS: 1}[rule])[number]


def guessed(stack, shape):
    """One shard's leaf from those of all shards, by values and shapes alone, as mesh-transformer-jax's checkpoint.py goes about it; None where it fails.

    - scalars are shard 0's
    - vectors whose copies after the first are all equal to the last: a layer norm if those are all 0 or all 1, then shard 0's; else a
      bias that every shard adds, then shard 0's times the number of shards
    - other vectors are joined
    - matrices are joined along the axis that makes the shape right, columns first
    """
    count = len(stack)
    if stack.ndim == 1:
        return stack[0]
    if stack.ndim == 2:
        if (stack[1:] == stack[-1]).all():
            is_norm = (stack[1:] == 0).all() or (stack[1:] == 1).all()
            out = stack[0] if is_norm else stack[0] * count
        else:
            out = stack.reshape(-1)
    elif count * stack.shape[2] == shape[1]:
        out = stack.transpose(1, 0, 2).reshape(shape)
    elif count * stack.shape[1] == shape[0]:
        out = stack.reshape(shape)
    else:
        return None
    return out if out.shape == shape else None


def restored(target, ways, layers, model, work):
    """From 4 and 8 shards the original makes the one shard that is written as one; from 2 it can't."""
    whole = read_step(only_step(work / "mesh-1"))[0]
    shards, names = read_step(only_step(target)), [name for _, name in rules(layers)] + ["step"]
    wrong = []
    for place, name in enumerate(names):
        leaf = guessed(np.stack([f32(shard[place]) for shard in shards]), whole[place].shape)
        # Comparison of numbers would take −0 for 0.
        if leaf is None or leaf.astype("<f4").tobytes() != f32(whole[place]).astype("<f4").tobytes():
            wrong.append(name)
    if ways == 2:
        expect(wrong, "it does restore two shards: the note in the certificate is wrong")
        return f"as the note says, it can't: {len(wrong)} of {len(names)} leaves, such as {wrong[0]}"
    expect(not wrong, f"{len(wrong)} of {len(names)} leaves are restored wrongly: {wrong[:3]}")
    return f"{len(names)} leaves bit for bit"


def back(target, before, tokens, model, destination):
    """Tensors and logits are the same bits as before, and nothing but the shards is needed for that."""
    convert(target, destination)
    old, new = read_checkpoint(model), read_checkpoint(destination)
    expect(set(old) == set(new), f"names differ: {sorted(set(old) ^ set(new))[:4]}")
    for name, (dtype, array) in old.items():
        same = new[name][0] == dtype and new[name][1].tobytes() == array.tobytes()
        expect(same, f"{name} changed")
    expect((destination / "config.json").read_bytes() == (model / "config.json").read_bytes(), "config.json changed")
    after = transformers_logits(destination, tokens)
    expect(after.tobytes() == before.tobytes(), f"logits differ by up to {np.abs(after - before).max():.2g}")
    return f"{len(new)} tensors, config.json and {before.size} logits bit for bit"


def rewritten(step, work):
    """The original's own files, read and written again as npz, are the same files: headers, order, padding."""
    files = sorted((step / "shard_0").glob("*.npz"))
    for file in files:
        run("convert", file, work / file.name, "--to", "npz", "--quiet", check=0)
        expect((work / file.name).read_bytes() == file.read_bytes(), f"{file.name} differs")
    return f"{len(files)} files byte for byte"
