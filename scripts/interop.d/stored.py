"""Safetensors as the format says, without its library (numpy has no bfloat16), and rounding done right."""
import hashlib
import json
import pathlib
import struct

import numpy as np

NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "C64": "<c8", "BOOL": "?", "F8_E4M3": "<u1", "F8_E5M2": "<u1", "F8_E8M0": "<u1",
    "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "<u1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
}


def write_safetensors(path, tensors):
    """Writes {name: (dtype, array)}; a BF16 array is its bit patterns."""
    header, offset = {}, 0
    for name, (dtype, array) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for dtype, array in tensors.values():
            file.write(np.ascontiguousarray(array, NUMPY[dtype]).tobytes())
    return path


def read_file(path):
    """{name: (dtype, array)} of one file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    out = {}
    for name, info in header.items():
        a, b = info["data_offsets"]
        out[name] = (info["dtype"], np.frombuffer(data[a:b], NUMPY[info["dtype"]]).reshape(info["shape"]))
    return out


def read_checkpoint(directory):
    """{name: (dtype, array)} of all safetensors files of a directory."""
    out = {}
    for path in sorted(pathlib.Path(directory).glob("*.safetensors")):
        out.update(read_file(path))
    return out


def digest(array):
    """The tensor digest: SHA-256 of little-endian, row-major bytes."""
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return "sha256:" + hashlib.sha256(little.tobytes()).hexdigest()


def widened(dtype, array):
    """The values of a float dtype as f64, exactly."""
    with np.errstate(invalid="ignore"):
        if dtype == "BF16":
            return (array.astype("<u4") << 16).view("<f4").astype("<f8")
        return array.astype("<f8")


def rounded(dtype, values):
    """f64 values as the bits of a dtype, rounded to nearest even once."""
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype == "F32":
            return values.astype("<f4").view("<u4")
        if dtype == "F16":
            return values.astype("<f2").view("<u2")
        single = values.astype("<f4")
        # To odd: an inexact f32 gets its last bit set and so never lies on a tie that the f64 is not on.
        bits = single.view("<u4").copy()
        wide = single.astype("<f8")
        inexact = (wide != values) & ~np.isnan(values)
        bits[inexact & (np.abs(wide) > np.abs(values))] -= 1
        bits[inexact] |= 1
        return np.where(np.isnan(values), 0x7FC0, (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def quiet_nan(source, target, bits):
    """NaN bits of one dtype in another by the tool's rule: sign and top payload bits kept, quiet."""
    width = {"F64": (64, 52), "F32": (32, 23), "F16": (16, 10), "BF16": (16, 7)}
    (size, mantissa), (to_size, to_mantissa) = width[source], width[target]
    bits = bits.astype("<u8")
    payload = bits & np.uint64((1 << mantissa) - 1)
    shift = to_mantissa - mantissa
    payload = payload << np.uint64(shift) if shift > 0 else payload >> np.uint64(-shift)
    sign = (bits >> np.uint64(size - 1)) << np.uint64(to_size - 1)
    exponent = ((1 << (to_size - 1 - to_mantissa)) - 1) << to_mantissa
    quiet = 1 << (to_mantissa - 1)
    return (sign | np.uint64(exponent | quiet) | payload).astype(f"<u{to_size // 8}")
