"""A fork is put together again from a difference by the recipe of docs/guide/differences.md, with h5py and no code of ours."""
import json
import re
import warnings

import numpy as np

from harness import PACKAGE, expect, run, workdir
from stored import NUMPY, read_checkpoint, write_safetensors

PAGE = PACKAGE / "docs/guide/differences.md"


def check(report):
    with workdir() as work:
        report.row("the page's recipe, every dtype", lambda: recipe(work))
    report.row("the page's recipe, a single number", number)
    with workdir() as work:
        report.row("the page's example", lambda: example(work))


def code():
    """The page's recipe: what defines functions, and the lines after it that use them."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    expect(len(blocks) == 1, f"{len(blocks)} blocks of Python on the page")
    definition, use = blocks[0].split("\nfile = ", 1)
    return definition, "file = " + use


def silently(function):
    """The same, where a warning is an error: whoever copies the page's code sees none."""
    def run(*arguments):
        with np.errstate(all="warn"), warnings.catch_warnings():
            warnings.simplefilter("error")
            return function(*arguments)

    return run


def functions():
    names = {}
    exec(code()[0], names)
    return silently(names["restored"]), silently(names["rounded"])


def bits(array):
    return array.view(f"<u{array.itemsize}")


def pair():
    """{name: (dtype, bits)} of a base and a fork: every bit pattern of 16 bits, and random ones of each dtype, moved, cut and grown."""
    rng, base, fork = np.random.default_rng(8), {}, {}
    every = np.arange(65536, dtype="<u2").reshape(256, 256)
    for dtype in ("BF16", "F16"):
        base[f"every.{dtype}"], fork[f"every.{dtype}"] = (dtype, every), (dtype, every + (rng.random(every.shape) < 0.1).astype("<u2"))
    # Rounded first: NaNs, infinities, overflows, halves and subnormals of F32 among them.
    wide = rng.integers(0, 1 << 32, (128, 96), dtype="<u4")
    wide[::4] = wide[::4] & 0x807FFFFF | 0x7F800000
    wide[1::4] = wide[1::4] & 0x80FFE000 | 0x38000000
    for dtype in ("BF16", "F16"):
        near = functions()[1](wide, dtype)
        base[f"rounded.{dtype}"], fork[f"rounded.{dtype}"] = ("F32", wide), (dtype, near + (rng.random(near.shape) < 0.1).astype("<u2"))
    for dtype in NUMPY.keys() - {"BOOL", "C64"}:
        size = np.dtype(NUMPY[dtype]).itemsize
        numpy = f"<u{size}"
        old = rng.integers(0, 256, (96, 96 * size), np.uint8).view(numpy)
        step = rng.integers(0, 3, old.shape).astype(numpy)
        base[f"moved.{dtype}"], fork[f"moved.{dtype}"] = (dtype, old), (dtype, old + step - np.array(1, numpy))
        base[f"grown.{dtype}"], fork[f"grown.{dtype}"] = (dtype, old), (dtype, np.concatenate([old + step, old[:5]]))
        base[f"cut.{dtype}"], fork[f"cut.{dtype}"] = (dtype, old), (dtype, (old + step)[:90])
    return base, fork


def recipe(work):
    import h5py
    import hdf5plugin  # registers the zstd filter

    assert hdf5plugin
    base, fork = pair()
    for name, tensors in {"base": base, "fork": fork}.items():
        (work / name).mkdir()
        write_safetensors(work / name / "model.safetensors", {key: (dtype, bits.view(NUMPY[dtype])) for key, (dtype, bits) in tensors.items()})
    run("convert", work / "fork", work / "x.store", "--base", work / "base", "--quiet", check=0)
    (restored, rounded), manifest, found = functions(), json.loads((work / "x.store/store.json").read_text()), []
    with h5py.File(work / "x.store/weights.h5") as file:
        for entry in manifest["tensors"]:
            if not (entry["dataset"] or "").startswith("/differences/"):
                continue
            dataset = file[entry["dataset"]]
            expect(dataset.attrs["base"] == entry["base"]["name"], f"{entry['name']}: attribute base")
            dtype, expected = fork[entry["name"]]
            old_dtype, old = base[dataset.attrs["base"]]
            result = restored(dataset, old if old_dtype == dtype else rounded(old, dtype))
            expect(result.dtype == expected.dtype, f"{entry['name']}: {result.dtype}")
            expect(np.array_equal(result, expected), f"{entry['name']}: other bits")
            found.append(entry["name"])
    for name in ("every.BF16", "every.F16", "moved.F32", "rounded.BF16", "rounded.F16"):
        expect(name in found, f"{name} is no difference")
    return f"{len(found)} differences bit for bit, of {len({name.split('.')[1] for name in found})} dtypes"


class Single:
    """A dataset of one number without axes, as h5py gives it."""
    shape = ()

    def __init__(self, value, dtype):
        self.value, self.attrs = np.array(value, "<u2"), {"dtype": dtype}

    def __getitem__(self, _):
        return self.value[()]


def number():
    restored, _ = functions()
    # 0 against -0 is a step of one, and a step back wraps around; the integers are 1 and 65535.
    for dtype, value, old, new in (("BF16", 2, 0x8000, 0), ("F16", 1, 0, 0x8000), ("I16", 4, 65535, 1), ("U16", 3, 1, 65535)):
        found = restored(Single(value, dtype), np.array(old, "<u2"))
        expect(found.shape == () and found == new, f"{dtype}: {found}")
    return "bit for bit, without a warning"


def example(work):
    """The lines after the definition, as they stand: the fixtures' Llama and its merged adapter, as the page calls them."""
    import h5py
    import hdf5plugin

    assert hdf5plugin
    fixtures = PACKAGE / "fixtures"
    run("convert", fixtures / "comparison/llama_lora", work / "llama-lora.store", "--base", fixtures / "huggingface/llama", "--quiet", check=0)
    base, fork = (read_checkpoint(fixtures / name) for name in ("huggingface/llama", "comparison/llama_lora"))
    definition, use = code()
    names = {"base_bits": {name: bits(array) for name, (_, array) in base.items()}}
    exec(definition, names)
    with h5py.File(work / "llama-lora.store/weights.h5"):
        exec(use.replace('"llama-lora.store/', f'"{work}/llama-lora.store/'), names)
    name = names["dataset"].name.removeprefix("/differences/")
    expect(np.array_equal(names["bits"], bits(fork[name][1])), f"{name}: other bits")
    return f"{name}, {names['bits'].size} elements"
