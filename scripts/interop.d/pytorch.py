"""What torch.save writes, as torch.load reads it: types, views, both formats, sharded sets, and the buffers of older transformers."""
import collections
import json
import warnings

import numpy as np

import pytorch_prefix
import pytorch_traced
from harness import FIXTURES, certificate, convert, document, expect, run, workdir
from stored import digest

DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL", "complex64": "C64", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float4_e2m1fn_x2": "F4",
}
# (zip, protocol of the pickles)
FORMS = [(True, 2), (True, 3), (True, 4), (False, 2), (False, 3), (False, 4)]
VIEWS = 400


def check(report):
    import torch
    import transformers

    torch.manual_seed(7)
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", "torch.quantize_per_tensor")
    for is_zip, protocol in FORMS:
        form = f"{'zip' if is_zip else 'legacy'}, protocol {protocol}"
        for name, make in (("every dtype", lambda: every_dtype(is_zip)), (f"{VIEWS} strided views", lambda: views(is_zip, protocol)), ("shared storages", shared),
                           ("parameters and attributes", parameters), ("nested dicts", nested)):
            report.row(f"{name}, {form}", lambda: saved(make(), is_zip, protocol))
    report.row("views of one storage as several types", several_types)
    report.row("big views, cut into slabs", big_views)
    report.row("what can't be read is named and not converted", unreadable)
    for form in ("zip", "legacy", "both"):
        report.row(f"sharded with an index, {form}", lambda: sharded(form))
    for family in ("gptj", "gpt2", "gpt_neo", "gpt_neox", "llama"):
        report.row(f"buffers of older versions, {family}", lambda: buffers(family))
    pytorch_prefix.check(report)
    pytorch_traced.check(report)


# MARK: State dicts

def values(dtype, *shape):
    """Random bits of a dtype: NaN payloads, infinities and all."""
    import torch

    kind = getattr(torch, dtype)
    if dtype == "bool":
        return torch.rand(shape) < 0.5
    if dtype.startswith("float4"):
        return torch.randint(0, 256, shape, dtype=torch.uint8).view(kind)
    count = int(np.prod(shape)) * torch.empty((), dtype=kind).element_size()
    return torch.randint(0, 256, (count,), dtype=torch.uint8).view(kind).view(shape)


def dtypes(is_zip):
    """torch.save fails on newer dtypes in its old format."""
    import torch

    return [dtype for dtype in DTYPES if is_zip or getattr(torch, dtype) not in torch.storage._new_dtypes()]


def every_dtype(is_zip):
    state = collections.OrderedDict()
    for dtype in dtypes(is_zip):
        state[f"{dtype}.matrix"] = values(dtype, 5, 7)
        state[f"{dtype}.deep"] = values(dtype, 2, 1, 3, 4)
        state[f"{dtype}.empty"] = values(dtype, 0, 3)
        if not dtype.startswith("float4"):
            state[f"{dtype}.scalar"] = values(dtype)
    return state


def view(random, tensor):
    """A few random steps away from a tensor."""
    for _ in range(random.integers(1, 5)):
        rank = tensor.ndim
        step = random.integers(9)
        if step == 0 and rank > 1:
            tensor = tensor.permute(*random.permutation(rank).tolist())
        elif step == 1 and rank:
            axis = int(random.integers(rank))
            tensor = tensor[(slice(None),) * axis + (slice(int(random.integers(3)), None, int(random.integers(1, 4))),)]
        elif step == 2 and rank > 1 and tensor.shape[0]:
            tensor = tensor.select(0, int(random.integers(tensor.shape[0])))
        elif step == 3 and rank < 6:
            tensor = tensor.unsqueeze(int(random.integers(rank + 1))).expand(*expanded(random, tensor))
        elif step == 4 and rank > 1:
            tensor = tensor.diagonal(dim1=0, dim2=rank - 1)
        elif step == 5 and rank and rank < 6 and tensor.shape[-1] > 4:
            tensor = tensor.unfold(-1, int(random.integers(1, 4)), int(random.integers(1, 4)))
        elif step == 6 and rank and min(tensor.shape) > 1:
            axis = int(random.integers(rank))
            start = int(random.integers(tensor.shape[axis]))
            tensor = tensor.narrow(axis, start, int(random.integers(0, tensor.shape[axis] - start + 1)))
        elif step == 7:
            tensor = tensor.squeeze()
        elif step == 8:
            room = tensor.untyped_storage().nbytes() // tensor.element_size()
            shape = random.integers(1, 6, random.integers(1, 5)).tolist()
            strides = random.integers(0, max(2, room // 40), len(shape)).tolist()
            reach = sum((extent - 1) * stride for extent, stride in zip(shape, strides))
            if reach < room:
                tensor = tensor.as_strided(shape, strides, int(random.integers(room - reach)))
    return tensor


def expanded(random, tensor):
    """A shape to which a dimension of 1 at the front of a tensor can grow, wherever the 1 was put."""
    return [-1] * (tensor.ndim + 1) if random.integers(2) else [int(random.integers(1, 4)), *([-1] * tensor.ndim)]


def views(is_zip, seed):
    random, state = np.random.default_rng(seed), {}
    bases = [values(dtype, *shape) for dtype in dtypes(is_zip) if not dtype.startswith("float4")
             for shape in ((23, 31), (4, 5, 6, 7), (3000,), (2, 2, 2, 2, 2, 9))]
    while len(state) < VIEWS:
        base = bases[random.integers(len(bases))]
        try:
            tensor = view(random, base)
        except RuntimeError:
            continue  # not every expansion fits
        if tensor.numel() <= 200_000:
            state[f"view.{len(state)}"] = tensor
    expect(sum(not tensor.is_contiguous() for tensor in state.values()) > VIEWS / 2, "too few of the views are strided")
    return state


def shared():
    import torch

    whole = values("bfloat16", 60, 40)
    twice = torch.nn.Parameter(values("float32", 8, 8))
    return {"whole": whole, "same": whole, "rows": whole[10:20], "columns": whole[:, 5:9], "transposed": whole.T, "one": whole[3, 4], "none": whole[:0],
            "embedding": twice, "head": twice, "apart": whole.clone(), "äöü.重み": whole.reshape(-1)[::7]}


def parameters():
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(5, 3)
            self.norm = torch.nn.BatchNorm1d(3)
            self.free = torch.nn.Parameter(torch.randn(3, 4).T)
            self.register_buffer("table", torch.arange(12).reshape(3, 4)[:, ::2])

    model = Model()
    state = model.state_dict()  # an OrderedDict with metadata of its own
    state.update({f"kept.{name}": parameter for name, parameter in model.named_parameters()})
    state["frozen"] = torch.nn.Parameter(torch.randn(2, 2), requires_grad=False)
    state["noted"] = torch.nn.Parameter(torch.randn(2, 3))
    state["noted"].note = "an attribute"
    state["differentiable"] = torch.randn(3, requires_grad=True)
    return state


def nested():
    return {"encoder": {"layers": {0: {"weight": values("float32", 3, 3)}, 1: {"weight": values("float16", 2)}}},
            "decoder": collections.OrderedDict(bias=values("int32", 4)), "step": 17, "note": "text", "nothing": None, "list": [1, 2.5, (True, b"x")]}


def flat(state, prefix=""):
    """Tensors by name: those of inner dicts under the names of both."""
    import torch

    out = {}
    for key, value in state.items():
        if isinstance(value, dict):
            out |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, torch.Tensor):
            out[f"{prefix}{key}"] = value.detach()
    return out


# MARK: Comparing

def raw(tensor):
    """A tensor's bytes, row-major."""
    import torch

    packed = tensor.reshape(-1).clone(memory_format=torch.contiguous_format)  # one element alone keeps its strides else
    return packed.view(torch.uint8).numpy()


def identity(tensor):
    """dtype, shape and digest as the tool tells them."""
    dtype = DTYPES[str(tensor.dtype).removeprefix("torch.")]
    shape = list(tensor.shape)
    if dtype == "F4":
        shape[-1] *= 2  # torch counts pairs
    return dtype, shape, digest(raw(tensor))


def written(path):
    """{name: (dtype, shape, bytes)} of a safetensors file, from its header: its library has not all of the dtypes."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {name: (info["dtype"], info["shape"], data[start:][slice(*info["data_offsets"])]) for name, info in header.items()}


def compare(source, expected, out, *options):
    """Inspects and converts; `expected` has the tensors that must come, all that are stored unless buffers are left out."""
    from safetensors import safe_open

    listed = {entry["name"]: entry for entry in document("inspect", source, "--digests")["tensors"]}
    expect(set(expected) <= set(listed), f"inspect lacks {sorted(set(expected) - set(listed))[:4]}")
    for name, tensor in expected.items():
        found = tuple(listed[name][key] for key in ("dtype", "shape", "digest"))
        expect(found == identity(tensor), f"inspect: {name!r} is {found}, expected {identity(tensor)}; strides {tensor.stride()}")
    convert(source, out, *options)
    mine = {}
    for path in sorted(out.glob("*.safetensors")):
        mine |= written(path)
    expect(set(mine) == set(expected), f"converted: other names: {sorted(set(mine) ^ set(expected))[:4]}")
    for name, tensor in expected.items():
        dtype, shape, _ = identity(tensor)
        expect(mine[name] == (dtype, shape, raw(tensor).tobytes()), f"converted: {name!r} differs ({mine[name][:2]}, expected {dtype} {shape})")
    # And as others read it, where they can.
    theirs = 0
    for path in sorted(out.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():
                if mine[name][0] in ("F4", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"):
                    continue
                tensor = file.get_tensor(name)
                expect(tensor.dtype == expected[name].dtype and np.array_equal(raw(tensor), raw(expected[name])), f"safetensors reads another {name!r}")
                theirs += 1
    return theirs


def saved(state, is_zip, protocol):
    import torch

    with workdir() as work:
        path = work / "pytorch_model.bin"
        torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
        loaded = flat(torch.load(path, map_location="cpu", weights_only=False))
        count = compare(path, loaded, work / "out")
        strided = sum(not tensor.is_contiguous() for tensor in loaded.values())
        return f"{len(loaded)} tensors, {strided} of them strided; {count} by the safetensors library too"


def several_types():
    """Newer dtypes lie in storages of plain bytes, which views of several types may share."""
    import torch

    with workdir() as work:
        storage = torch.randint(0, 256, (1 << 12,), dtype=torch.uint8)
        state = {dtype: storage[offset:].view(getattr(torch, dtype))[1:] for offset, dtype in ((0, "uint16"), (64, "uint32"), (512, "uint64"), (8, "float8_e8m0fnu"))}
        torch.save(state, work / "m.bin")
        loaded = torch.load(work / "m.bin")
        compare(work / "m.bin", loaded, work / "out")
        return f"{len(state)} tensors of one storage"


def big_views():
    """Views larger than what is evaluated at once, in 64 MB of memory: slabs of rows and of columns."""
    import torch

    with workdir() as work:
        square, deep = values("bfloat16", 5000, 5001), values("float32", 40, 50, 60, 70)
        state = {"transposed": square.T, "inner": square[7:-3, 100:4100], "strided": square[::3, ::2], "row": square[:1].T, "permuted": deep.permute(3, 1, 0, 2),
                 "expanded": square[0].expand(3000, -1), "windows": deep.reshape(-1)[:2_000_000].unfold(0, 9, 2), "cut": deep[:, ::3, 5:, 1::2]}
        for is_zip in (True, False):
            torch.save(state, work / "m.bin", _use_new_zipfile_serialization=is_zip)
            compare(work / "m.bin", torch.load(work / "m.bin"), work / f"out-{is_zip}", "--memory", "64MB")
        return f"{len(state)} tensors, {sum(tensor.nbytes for tensor in state.values()) / 1e6:.0f} MB, zip and legacy"


def unreadable():
    """Tensors of other kinds, and those whose flags change what their bytes mean."""
    import torch

    kinds = {
        "quantized": torch.quantize_per_tensor(torch.randn(4), 0.1, 0, torch.qint8), "sparse": torch.eye(4).to_sparse(),
        "complex128": torch.zeros(3, dtype=torch.complex128), "conjugated": torch.randn(3, dtype=torch.complex64).conj(),
        "negated": torch.randn(3, dtype=torch.complex64).conj().imag,
    }
    for name, tensor in kinds.items():
        with workdir() as work:
            torch.save({"plain": torch.randn(2, 2), name: tensor}, work / "m.bin")
            findings = document("inspect", work / "m.bin")["findings"]
            expect(any(f["check"] == "unreadable-tensor" and f["tensor"] == name for f in findings), f"{name}: inspect doesn't say that it can't be read")
            done = run("convert", work / "m.bin", work / "out", "--to", "safetensors", check=2)
            expect(name in done.stderr and not (work / "out").exists(), f"{name}: the refusal doesn't name it: {done.stderr[-200:]}")
    for name, thing in {"a module": torch.nn.Linear(2, 2), "an array": {"a": np.zeros(3)}, "a tensor": torch.zeros(3), "a list": [torch.zeros(3)]}.items():
        with workdir() as work:
            torch.save(thing, work / "m.bin")
            run("inspect", work / "m.bin", check=2)
    return f"{', '.join(kinds)}; and files of other things than state dicts"


def sharded(form):
    """By hand: transformers 5 doesn't write these any more, but huggingface_hub still says how tensors fall into shards."""
    import torch
    from huggingface_hub import split_torch_state_dict_into_shards

    with workdir() as work:
        source = work / "model"
        source.mkdir()
        state = {f"layer.{number}.{name}": values("float16", *shape) for number in range(12) for name, shape in (("weight", (64, 48)), ("bias", (64,)))}
        state |= {f"view.{number}": tensor for number, tensor in enumerate(values("bfloat16", 6, 50, 60).transpose(1, 2))}
        split = split_torch_state_dict_into_shards(state, filename_pattern="pytorch_model{suffix}.bin", max_shard_size="12KB")
        loaded = {}
        for number, (name, keys) in enumerate(split.filename_to_tensors.items()):
            is_zip = form == "zip" or form == "both" and number % 2 == 0
            torch.save({key: state[key] for key in keys}, source / name, _use_new_zipfile_serialization=is_zip)
            loaded |= torch.load(source / name)
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (source / "pytorch_model.bin.index.json").write_text(json.dumps(index))
        expect(set(loaded) == set(state) and len(split.filename_to_tensors) > 4, "not the shards that were meant")
        compare(source, loaded, work / "out")
        compare(source, loaded, work / "shards", "--max-shard-size", "40KB")
        first = next(iter(split.filename_to_tensors))
        (source / first).unlink()
        done = run("convert", source, work / "none", "--to", "safetensors", check=2)
        expect(first in done.stderr, f"the message doesn't name the missing shard: {done.stderr[-200:]}")
        return f"{len(state)} tensors in {len(split.filename_to_tensors)} shards"


# MARK: Buffers

def masks(family, config, layer, dtype):
    """The buffers that transformers before 4.31 kept in a layer."""
    import torch

    prefix = {"gptj": f"transformer.h.{layer}.attn", "gpt2": f"transformer.h.{layer}.attn", "gpt_neo": f"transformer.h.{layer}.attn.attention",
              "gpt_neox": f"gpt_neox.layers.{layer}.attention", "llama": f"model.layers.{layer}.self_attn"}[family]
    size = min(config.max_position_embeddings, 256)
    mask = torch.tril(torch.ones(size, size))
    if family == "gpt_neo" and config.attention_layers[layer] == "local":
        mask = torch.bitwise_xor(mask.bool(), torch.tril(mask, -config.window_size).bool())
    frequencies = rotary(family, config)
    out = {}
    if family != "llama":
        out |= {f"{prefix}.bias": mask.to(dtype).view(1, 1, size, size), f"{prefix}.masked_bias": torch.tensor(-1e9 if family != "gpt2" else -1e4)}
    if frequencies is not None:
        out[f"{prefix}.rotary_emb.inv_freq"] = frequencies
    return out


def rotary(family, config):
    import torch

    width = config.hidden_size // config.num_attention_heads
    if family == "gpt_neox":
        width = int(width * config.rope_parameters.get("partial_rotary_factor", 1))
    if family not in ("gpt_neox", "llama"):
        return None
    return 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, width, 2).float() / width)


def buffers(family):
    """Left out if they are what every model of the family has; refused if they say anything else."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    case = FIXTURES / "huggingface" / family
    model = AutoModelForCausalLM.from_pretrained(case, dtype=torch.float32)
    kept = load_file(case / "model.safetensors")
    heads = {"lm_head.weight": kept["transformer.wte.weight"]} if family == "gpt2" else {}  # tied, and stored all the same
    tokens = torch.tensor(np.load(case / "tokens.npy").reshape(1, -1).astype("i8"))
    with torch.no_grad():
        logits = model(tokens).logits
    with workdir() as work:
        for dtype in (torch.bool, torch.uint8, torch.float32):
            source = work / str(dtype)
            source.mkdir()
            (source / "config.json").write_bytes((case / "config.json").read_bytes())
            stored = kept | heads
            for layer in range(model.config.num_hidden_layers):
                stored |= masks(family, model.config, layer, dtype)
            torch.save(stored, source / "pytorch_model.bin")
            out = work / f"out-{dtype}"
            compare(source, kept, out)
            expect(certificate(out).get("attention", "causal") == "causal", "the attention isn't causal")
            again, loading = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, output_loading_info=True)
            expect(not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), f"transformers loads it with {loading}")
            with torch.no_grad():
                expect(torch.equal(again(tokens).logits, logits), "other logits")
            expect(run("verify", out, "--against", source).returncode == 0, "verify finds a difference")
        mask = next((name for name in stored if name.endswith(".bias") and stored[name].ndim == 4), None)
        changed = mask or next(name for name in stored if name.endswith("inv_freq"))
        stored[changed] = stored[changed].clone()
        stored[changed].view(-1)[1] += 1
        torch.save(stored, source / "pytorch_model.bin")
        done = run("convert", source, work / "changed", "--to", "safetensors", check=2)
        expect(changed in done.stderr, f"the refusal doesn't name the changed buffer: {done.stderr[-300:]}")
        return f"{len(stored) - len(kept)} of {len(stored)} tensors left out, in bool, uint8 and float32; a changed {changed.rpartition('.')[2]} is refused"
