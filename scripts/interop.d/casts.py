"""Casts of F64, F32, F16 and BF16, bit for bit as torch and numpy round them."""
import numpy as np

from harness import HUGGING_FACE, certificate, convert, expect, workdir
from stored import quiet_nan, read_checkpoint, rounded, widened, write_safetensors

TARGETS = {"f32": "F32", "f16": "F16", "bf16": "BF16"}
FLOATS = ("F64", "F32", "F16", "BF16")


def check(report):
    for case in HUGGING_FACE:
        for option, target in TARGETS.items():
            with workdir() as work:
                def body():
                    convert(case, work / "out", "--dtype", option, "--allow-overflow")
                    return against_torch(case / "model.safetensors", work / "out", target)
                report.row(f"{case.name} to {option}", body)
    with workdir() as work:
        tensors = synthetic(np.random.default_rng(20250711))
        write_safetensors(work / "bits.safetensors", tensors)
        for option, target in TARGETS.items():
            done = []
            def converted():
                convert(work / "bits.safetensors", work / option, "--dtype", option, "--allow-overflow")
                done.append(read_checkpoint(work / option))
                return f"{sum(array.size for _, array in tensors.values()):,} values"
            report.row(f"every kind of bits to {option}: runs", converted)
            if not done:
                continue
            report.row(f"every kind of bits to {option}: torch", lambda: against_torch(work / "bits.safetensors", work / option, target))
            report.row(f"every kind of bits to {option}: numpy, rounded once", lambda: against_numpy(tensors, done[0], target))
            report.row(f"every kind of bits to {option}: NaN keeps sign and payload", lambda: nan_rule(tensors, done[0], target))
            report.row(f"every kind of bits to {option}: other dtypes stay", lambda: others_stay(tensors, done[0]))
            report.row(f"every kind of bits to {option}: certificate", lambda: certified(tensors, done[0], certificate(work / option), target))


def synthetic(random):
    """All 16-bit patterns; for wider dtypes random bits, and every target's values and ties with both neighbours."""
    all16 = np.arange(1 << 16, dtype="<u2")
    halves = all16.view("<f2")[np.isfinite(all16.view("<f2"))].astype("<f8")
    brains = (all16.astype("<u4") << 16).view("<f4")
    brains = brains[np.isfinite(brains)].astype("<f8")
    singles = random.integers(0, 1 << 32, 1 << 16, dtype="<u4").view("<f4")
    edges = np.array([0x00000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0x80000000, 0xFF800000], "<u4").view("<f4")
    singles = np.concatenate([singles[np.isfinite(singles)], edges]).astype("<f8")

    def with_ties(values):
        values = np.unique(values[np.isfinite(values)])
        return np.concatenate([values, (values[:-1] + values[1:]) / 2, [-65520, 65520, 65519.99, np.inf, -np.inf, -0.0]])

    def with_neighbours(values):
        return np.concatenate([values, np.nextafter(values, values.dtype.type(-np.inf)), np.nextafter(values, values.dtype.type(np.inf))])

    specials32 = np.array([0x7F800001, 0x7FBFFFFF, 0x7FC00000, 0x7FFFFFFF, 0xFF800001, 0xFFC12345, 0x7F801FFF, 0x7F80FFFF], "<u4").view("<f4")
    specials64 = np.array([0x7FF0000000000001, 0x7FF7FFFFFFFFFFFF, 0x7FF8000000000000, 0xFFF0000000000001, 0xFFFABCDEF0123456], "<u8").view("<f8")
    f32 = with_neighbours(np.concatenate([with_ties(halves), with_ties(brains)]).astype("<f4"))
    f64 = with_neighbours(np.concatenate([with_ties(halves), with_ties(brains), with_ties(singles)]))
    f32 = np.concatenate([f32, specials32, random.integers(0, 1 << 32, 1 << 18, dtype="<u4").view("<f4")])
    f64 = np.concatenate([f64, specials64, random.integers(0, 1 << 63, 1 << 17, dtype="<u8").view("<f8"), random.standard_normal(1 << 16) * 2.0 ** random.integers(-160, 130, 1 << 16)])
    return {
        "double": ("F64", f64), "single": ("F32", f32), "half": ("F16", all16.view("<f2").reshape(256, 256)), "brain": ("BF16", all16.reshape(2, 128, 256)),
        "scalar": ("F32", np.array(0.1, "<f4")), "empty": ("F32", np.zeros((0, 3), "<f4")), "odd": ("F64", f64[:999].reshape(27, 37)),
        "integers": ("I64", random.integers(-9, 9, 7)), "truth": ("BOOL", np.array([True, False])), "eight": ("F8_E4M3", np.arange(256, dtype="<u1")),
    }


def patterns(array):
    return np.ascontiguousarray(array).view(f"<u{array.dtype.itemsize}").ravel()


def unequal(ours, theirs, dtype):
    """How many values differ, NaN counting as NaN, and the first."""
    nan = np.isnan(widened(dtype, ours.view(theirs.dtype) if dtype == "BF16" else ours.view({4: "<f4", 2: "<f2"}[ours.itemsize])))
    other = np.isnan(widened(dtype, theirs if dtype == "BF16" else theirs.view({4: "<f4", 2: "<f2"}[theirs.itemsize])))
    return ((ours != theirs) & ~(nan & other)) | (nan != other)


def against_torch(source, destination, target):
    import safetensors.torch
    import torch

    dtype = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[target]
    theirs, ours, compared, twice = safetensors.torch.load_file(source), read_checkpoint(destination), 0, 0
    expect(set(theirs) == set(ours), f"names differ: {sorted(set(theirs) ^ set(ours))[:4]}")
    for name, tensor in theirs.items():
        if tensor.dtype not in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
            continue
        stored, array = ours[name]
        expect(stored == target and list(array.shape) == list(tensor.shape), f"{name}: {stored} {array.shape}, expected {target} {tuple(tensor.shape)}")
        cast = patterns(tensor.to(dtype).contiguous().view(torch.int32 if target == "F32" else torch.int16).numpy()).astype(f"<u{array.itemsize}")
        wrong = unequal(patterns(array), cast, target)
        if tensor.dtype == torch.float64 and target != "F32":
            # torch goes through f32 and so rounds twice: only values that f32 holds exactly are compared with it.
            inexact = (tensor.double() != tensor.float().double()).numpy().ravel() & ~np.isnan(tensor.numpy().ravel())
            twice, wrong = twice + int((wrong & inexact).sum()), wrong & ~inexact
            compared -= int(inexact.sum())
        compared += array.size
        if wrong.any():
            i = int(wrong.argmax())
            expect(False, f"{name}: {int(wrong.sum())} of {array.size} values differ, the first at {i}: {tensor.reshape(-1)[i].item()!r} gives {int(patterns(array)[i]):#x}, torch {int(cast[i]):#x}")
    return f"{compared:,} values, NaN as NaN" + (f"; F64 not exact in f32 left to numpy (torch rounds twice: {twice:,} differ)" if twice else "")


def against_numpy(tensors, ours, target):
    compared = 0
    for name, (dtype, array) in tensors.items():
        if dtype not in FLOATS:
            continue
        expected, got = rounded(target, widened(dtype, array).ravel()), patterns(ours[name][1])
        wrong = unequal(got, expected, target)
        if wrong.any():
            i = int(wrong.argmax())
            expect(False, f"{name} ({dtype}): {int(wrong.sum())} of {array.size} differ, the first at {i}: {patterns(array)[i]:#x} gives {got[i]:#x}, expected {expected[i]:#x}")
        compared += array.size
    return f"{compared:,} values"


def nan_rule(tensors, ours, target):
    compared = 0
    for name, (dtype, array) in tensors.items():
        if dtype not in FLOATS or dtype == target:
            continue
        bits = patterns(array)
        nan = np.isnan(widened(dtype, array)).ravel()
        expected, got = quiet_nan(dtype, target, bits[nan]), patterns(ours[name][1])[nan]
        wrong = expected != got
        if wrong.any():
            i = int(wrong.argmax())
            expect(False, f"{name} ({dtype}): {int(wrong.sum())} of {len(wrong)} NaNs: {bits[nan][i]:#x} gives {got[i]:#x}, expected {expected[i]:#x}")
        compared += len(wrong)
    return f"{compared:,} NaNs"


def others_stay(tensors, ours):
    for name, (dtype, array) in tensors.items():
        if dtype not in FLOATS:
            expect(ours[name][0] == dtype and ours[name][1].tobytes() == array.tobytes(), f"{name} ({dtype}) changed to {ours[name][0]}")
    return "I64, BOOL, F8_E4M3 unchanged"


def certified(tensors, ours, document, target):
    """Exactness and overflow count of each tensor, counted by numpy."""
    overflowed = 0
    for entry in document["tensors"]:
        dtype, array = tensors[entry["name"]]
        if dtype not in FLOATS:
            continue
        before, after = widened(dtype, array), widened(*ours[entry["name"]]).reshape(array.shape)
        finite = np.isfinite(before)
        count = int((finite & np.isinf(after)).sum())
        exactness = "exact" if np.array_equal(before[finite], after[finite]) else "rounded"
        expect(entry["overflow_count"] == count, f"{entry['name']}: overflow_count {entry['overflow_count']}, counted {count}")
        expect(entry["exactness"] == exactness, f"{entry['name']}: {entry['exactness']}, but the values are {exactness}")
        expect((entry["largest_error_ulp"] > 0) == (exactness == "rounded"), f"{entry['name']}: {exactness} with {entry['largest_error_ulp']} ulp")
        overflowed += count
    return f"exactness of {len(document['tensors'])} tensors, {overflowed:,} overflows"
