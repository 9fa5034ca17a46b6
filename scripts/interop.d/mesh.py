"""transformers loads what was made of Mesh-Transformer checkpoints, and computes the recorded logits."""
import json
import tarfile

import numpy as np

from harness import MESH, convert, expect, workdir
from stored import read_checkpoint

TOLERANCE = 5e-6  # f32 against the f32 logits of the original repository; measured: at most 1.5e-6
PIECES = 16


def check(report):
    for case in MESH:
        with workdir() as work:
            step = unpack(case / "step.tar.zstd", work / "unpacked")
            with tarfile.open(work / "step.tar", "w", format=tarfile.PAX_FORMAT) as archive:
                archive.add(step, step.name)
            for label, source in (("archive", case / "step.tar.zstd"), ("directory", step), ("plain tar", work / "step.tar")):
                report.row(f"{case.name} {label}", lambda: compare(case, source, work / label, step, True))
            for ways in (2, 16):
                def body():
                    target, lossless = resplit(step, layers_of(case), ways, work / f"split-{ways}")
                    return compare(case, target, work / f"out-{ways}", target, lossless, ways)
                report.row(f"{case.name} cut into {ways} shards", body)


def compare(case, source, destination, step, lossless, ways=None):
    """Converts to f32; names and logits by transformers, and every bit by this file's own evaluation."""
    config = json.loads((case / "config.json").read_text())
    if ways:
        config["cores_per_replica"] = ways
        config["n_vocab"] += -config["n_vocab"] % ways
    config_file = destination.with_suffix(".json")
    config_file.write_text(json.dumps(config))
    convert(source, destination, "--dtype", "f32", "--config", config_file)
    written, expected = read_checkpoint(destination), evaluate(read_step(step), config["layers"])
    expect(set(written) == set(expected), f"names differ: {sorted(set(written) ^ set(expected))[:4]}")
    for name, (dtype, array) in written.items():
        expect(dtype == "F32" and array.shape == expected[name].shape, f"{name}: {dtype} {array.shape}, expected F32 {expected[name].shape}")
        different = int((array.view("<u4") != expected[name].view("<u4")).sum())
        expect(different == 0, f"{name}: {different} of {array.size} values differ from numpy's f32 evaluation")
    recorded = np.load(case / "logits.npy")
    logits = transformers_logits(destination, np.load(case / "tokens.npy"))[:, :recorded.shape[-1]]
    if not lossless:
        return f"{len(written)} tensors equal numpy's f32 evaluation; logits not compared, the re-cut biases were rounded to the stored dtype"
    difference = float(np.abs(logits - recorded.reshape(logits.shape)).max())
    expect(difference < TOLERANCE, f"logits differ by {difference:.2g}, allowed {TOLERANCE:.0e}")
    return f"{len(written)} tensors equal numpy's f32 evaluation; largest logit difference {difference:.2g} of {TOLERANCE:.0e}"


def transformers_logits(directory, tokens):
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model, loading = transformers.GPTJForCausalLM.from_pretrained(
        directory, attn_implementation="eager", dtype=torch.float32, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        expect(not loading[kind], f"{kind}: {sorted(loading[kind])[:4]}")
    expect(not loading.get("error_msgs"), f"errors while loading: {loading.get('error_msgs')}")
    with torch.no_grad():
        return model.eval()(torch.from_numpy(tokens.astype("int64"))[None]).logits[0].numpy()


def layers_of(case):
    return json.loads((case / "config.json").read_text())["layers"]


def unpack(archive, into):
    import zstandard

    into.mkdir()
    with open(archive, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain, tarfile.open(fileobj=plain, mode="r|") as members:
        members.extractall(into, filter="data")
    return next(into.glob("step_*"))


# A leaf's rule: how the shards' arrays make the whole one.
COLUMNS, ROWS, SUMMED, FIRST = "columns", "rows", "summed", "first"
LAYER_LEAVES = [
    ("linear/w", COLUMNS, "attn.q_proj.weight"), ("linear_1/w", COLUMNS, "attn.v_proj.weight"), ("linear_2/w", COLUMNS, "attn.k_proj.weight"),
    ("linear_3/w", ROWS, "attn.out_proj.weight"), ("linear_4/b", ROWS, "mlp.fc_in.bias"), ("linear_4/w", COLUMNS, "mlp.fc_in.weight"),
    ("linear_5/b", SUMMED, "mlp.fc_out.bias"), ("linear_5/w", ROWS, "mlp.fc_out.weight"),
    ("replicated_layer_norm/offset", FIRST, "ln_1.bias"), ("replicated_layer_norm/scale", FIRST, "ln_1.weight"),
]


def rules(layers):
    """(rule, Hugging Face name) per parameter in the stored order: names sorted as strings, layer_10 before layer_2."""
    out = [(SUMMED, "embedding bias"), (ROWS, "transformer.wte.weight")]
    for layer in sorted(range(layers), key=lambda i: f"layer_{i}/"):
        out += [(rule, f"transformer.h.{layer}.{name}") for _, rule, name in LAYER_LEAVES]
    return out + [(ROWS, "lm_head.bias"), (COLUMNS, "lm_head.weight"), (FIRST, "transformer.ln_f.bias"), (FIRST, "transformer.ln_f.weight")]


def read_step(step):
    """[shard][leaf] as numpy loads them; bf16 stays a two-byte void."""
    shards = []
    while (step / f"shard_{len(shards)}").is_dir():
        leaves = []
        for piece in range(PIECES):
            with np.load(step / f"shard_{len(shards)}" / f"{piece}.npz") as archive:
                leaves += [archive[f"arr_{k}"] for k in range(len(archive.files))]
        shards.append(leaves)
    return shards


def f32(leaf):
    return (leaf.view("<u2").astype("<u4") << 16).view("<f4") if leaf.dtype.kind == "V" else leaf.astype("<f4")


def summed(parts):
    total = f32(parts[0]).copy()
    for part in parts[1:]:
        total += f32(part)
    return total


def evaluate(shards, layers):
    """The Hugging Face tensors in f32, sums in shard order from shard 0's value."""
    table = rules(layers)
    first = len(shards[0]) - 1 - len(table)
    out = {}
    for k, (rule, name) in enumerate(table):
        parts = [shard[first + k] for shard in shards]
        if rule == SUMMED:
            out[name] = summed(parts)
        elif rule == FIRST:
            out[name] = f32(parts[0])
        else:
            whole = np.concatenate([f32(part) for part in parts], 1 if rule == COLUMNS else 0)
            out[name] = whole.T if whole.ndim == 2 and name != "transformer.wte.weight" else whole
    out["transformer.wte.weight"] = out["transformer.wte.weight"] + out.pop("embedding bias")
    return {name: np.ascontiguousarray(array) for name, array in out.items()}


def resplit(step, layers, ways, into):
    """The parameters cut into another number of shards; and whether that lost nothing.

    More shards: the summed biases stay in the first ones, zeros follow. Fewer: neighbours are added in f32.
    A vocabulary that doesn't divide gets rows of zeros at its end, as GPT-J's did.
    """
    shards, table = read_step(step), rules(layers)
    first, lossless = len(shards[0]) - 1 - len(table), True
    new = [[] for _ in range(ways)]
    for k, (rule, name) in enumerate(table):
        parts = [shard[first + k] for shard in shards]
        if rule == FIRST:
            cut = [parts[0]] * ways
        elif rule != SUMMED:
            axis = 1 if rule == COLUMNS else 0
            whole = np.concatenate(parts, axis)
            padding = [(0, 0)] * whole.ndim
            padding[axis] = (0, -whole.shape[axis] % ways)
            cut = np.split(np.pad(whole, padding), ways, axis)
        elif ways >= len(parts):
            cut = parts + [np.zeros_like(parts[0])] * (ways - len(parts))
        else:
            group = len(parts) // ways
            sums = [summed(parts[i * group:(i + 1) * group]) for i in range(ways)]
            cut = [narrowed(total, parts[0].dtype) for total in sums]
            lossless &= all(np.array_equal(f32(a), b) for a, b in zip(cut, sums))
        for leaves, part in zip(new, cut):
            leaves.append(np.ascontiguousarray(part))
    counter = shards[0][-1]
    return write_step(into / step.name, [[*leaves, counter] for leaves in new]), lossless


def narrowed(values, dtype):
    if dtype.kind != "V":
        return values.astype(dtype)
    bits = values.view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").view(dtype)


def write_step(step, shards):
    """shard_I/K.npz as Mesh-Transformer writes them: the leaf list in 16 pieces, the first ones a leaf longer."""
    for index, leaves in enumerate(shards):
        folder = step / f"shard_{index}"
        folder.mkdir(parents=True)
        size, longer = divmod(len(leaves), PIECES)
        for piece in range(PIECES):
            start = piece * size + min(piece, longer)
            np.savez(folder / f"{piece}.npz", *leaves[start:start + size + (piece < longer)])
    return step
