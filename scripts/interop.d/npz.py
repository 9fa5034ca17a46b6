"""npz: digests of arrays as numpy computes them (every dtype, both byte orders and layouts, stored and deflated), and numpy reading ours."""
import sys

import numpy as np

from harness import document, expect, run, workdir
from stored import digest

DTYPES = {
    "?": "BOOL", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64", "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64",
    "f2": "F16", "f4": "F32", "f8": "F64", "c8": "C64",
}


def check(report):
    arrays = every_array(np.random.default_rng(7))
    for label, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
        with workdir() as work:
            save(work / "arrays.npz", **{name: array for name, (_, array) in arrays.items()})
            report.row(label, lambda: compare(work / "arrays.npz", arrays))
            report.row(f"{label}, written again", lambda: written(work / "arrays.npz", arrays, work))
    with workdir() as work:
        np.savez(work / "complex.npz", pair=np.zeros(2, "<c16"))
        report.row("complex128 has no dtype here and is refused by name", lambda: refused(work / "complex.npz"))


def every_array(random):
    """{name: (dtype's name, array)}: random bits in C and Fortran order, little and big endian, of 0 to 4 dimensions."""
    out = {}
    for code, dtype in DTYPES.items():
        little = np.dtype(code)
        def bits(shape):
            count = int(np.prod(shape)) * little.itemsize
            raw = random.integers(0, 2 if code == "?" else 256, count, dtype="u1").tobytes()
            return np.frombuffer(raw, little).reshape(shape)
        for order in ("<", ">") if little.itemsize > 1 else ("|",):
            for layout in "CF":
                for shape in ((), (0, 3), (1,), (701,), (37, 53), (3, 5, 7), (2, 3, 4, 5), (300, 400)):
                    array = np.array(bits(shape), order=layout)
                    if order == ">":
                        array = array.byteswap().view(little.newbyteorder(">"))
                    out[f"{dtype}.{order}.{layout}.{'x'.join(map(str, shape))}"] = (dtype, array)
    raw = random.integers(0, 256, 2 * 37 * 53, dtype="u1").tobytes()
    for layout in "CF":
        out[f"BF16.{layout}"] = ("BF16", np.array(np.frombuffer(raw, "V2").reshape(37, 53), order=layout))
    return out


def compare(path, arrays):
    seen = {entry["name"]: entry for entry in document("inspect", path, "--digests")["tensors"]}
    expect(set(seen) == set(arrays), f"names differ: {sorted(set(seen) ^ set(arrays))[:4]}")
    for name, (dtype, array) in arrays.items():
        entry = seen[name]
        expect((entry["dtype"], entry["shape"]) == (dtype, list(array.shape)), f"{name}: {entry['dtype']} {entry['shape']}, expected {dtype} {list(array.shape)}")
        plain = np.ascontiguousarray(array).reshape(array.shape)
        plain = plain.view("<u2") if dtype == "BF16" else plain
        expect(entry["digest"] == digest(plain), f"{name}: {entry['digest']}, numpy's bytes have {digest(plain)}")
    return f"{len(arrays)} arrays of {len(DTYPES) + 1} dtypes"


def written(path, arrays, work):
    """numpy finds the same arrays in the same order in what the tool writes, and writes the same file itself."""
    run("convert", path, work / "ours.npz", "--quiet", check=0)
    plain = {name: np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).reshape(array.shape) for name, (_, array) in arrays.items()}
    with np.load(work / "ours.npz") as ours:
        expect(ours.files == list(arrays), "other names, or in another order")
        for name, array in plain.items():
            read = ours[name]
            expect(read.dtype == array.dtype and read.shape == array.shape and read.tobytes() == array.tobytes(), f"{name}: numpy reads {read.dtype} {read.shape}")
    if sys.version_info >= (3, 11, 4):
        return f"{len(arrays)} arrays; files not compared, this Python writes other zip headers"
    # numpy calls two bytes of anything `|V2` where JAX says `<V2`.
    np.savez(work / "theirs.npz", **{name: array for name, array in plain.items() if array.dtype.kind != "V"})
    run("convert", work / "theirs.npz", work / "again.npz", "--quiet", check=0)
    expect((work / "again.npz").read_bytes() == (work / "theirs.npz").read_bytes(), "numpy wrote other bytes for the same arrays")
    return f"{len(arrays)} arrays; without bfloat16 the same file as numpy's"


def refused(path):
    message = run("inspect", path, check=2).stderr
    expect("pair" in message and "c16" in message, f"the message names neither array nor dtype: {message.strip()[-200:]}")
    return message.splitlines()[0][:120]
