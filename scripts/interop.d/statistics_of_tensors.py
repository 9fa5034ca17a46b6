"""inspect --statistics beside numpy in f64, and what casts would lose beside the values that torch and numpy cast and widen again."""
import numpy as np

import casts
from harness import HUGGING_FACE, document, expect, workdir
from stored import read_checkpoint, rounded, widened, write_safetensors

TOLERANCE = 1e-6  # relative, of mean and standard deviation; the mean also to 1e-9 of the largest magnitude, as it may cancel


def check(report):
    for case in HUGGING_FACE:
        report.row(case.name, lambda: compare(case, read_checkpoint(case)))
    for name, tensors in synthetic(np.random.default_rng(3)).items():
        with workdir() as work:
            write_safetensors(work / "model.safetensors", tensors)
            report.row(name, lambda: compare(work / "model.safetensors", tensors))
    for case in HUGGING_FACE:
        report.row(f"{case.name}: what casts lose", lambda: losses(case, read_checkpoint(case)))
    for name, tensors in precisions(np.random.default_rng(4)).items():
        with workdir() as work:
            write_safetensors(work / "model.safetensors", tensors)
            report.row(f"{name}: what casts lose", lambda: losses(work / "model.safetensors", tensors))


def synthetic(random):
    normal = random.standard_normal((400, 700))
    holes = normal.astype("<f4")
    holes[::7, ::3], holes[1::9, ::5], holes[2::8, 1::4], holes[3::8, 2::4], holes[4::5, 3::6] = 0, -0.0, np.nan, np.inf, -np.inf
    bits = random.integers(0, 1 << 16, (64, 64), dtype="<u2")
    integers = {dtype: (dtype, random.integers(np.iinfo(code).min, np.iinfo(code).max, (99, 31), dtype=code, endpoint=True)) for dtype, code in
                {"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "<u1", "U16": "<u2", "U32": "<u4", "U64": "<u8"}.items()}
    return {
        "zeros, NaN and infinities": {"holes": ("F32", holes), "f64": ("F64", holes.astype("<f8")), "f16": ("F16", holes.astype("<f2")), "nan": ("F32", np.full((3, 4), np.nan, "<f4")), "empty": ("F32", np.zeros((0, 5), "<f4"))},
        "random F16 and BF16 bits": {"f16": ("F16", bits.view("<f2")), "bf16": ("BF16", bits)},
        "integers and BOOL": integers | {"BOOL": ("BOOL", random.integers(0, 2, 500).astype(bool))},
        "small spread on a large mean": {"layer norm": ("F32", (1 + 1e-4 * normal).astype("<f4")), "offset": ("F64", 1000 + 1e-3 * normal), "constant": ("F32", np.full((50, 60), 0.1, "<f4"))},
        "magnitudes near the ends of F32": {"large": ("F32", (3e38 * np.clip(normal, -1, 1)).astype("<f4")), "subnormal": ("F32", (1e-40 * normal).astype("<f4"))},
        "magnitudes near the ends of F64": {"large": ("F64", 1e300 * normal), "small": ("F64", 1e-200 * normal)},
    }


def compare(path, tensors):
    entries = {entry["name"]: entry["statistics"] for entry in document("inspect", path, "--statistics")["tensors"]}
    worst = 0.0
    for name, (dtype, array) in tensors.items():
        found, values = entries[name], widened(dtype, array)
        finite = values[np.isfinite(values)]
        for key, count in (("zero_count", (values == 0).sum()), ("nan_count", np.isnan(values).sum()), ("infinity_count", np.isinf(values).sum())):
            expect(found[key] == count, f"{name} ({dtype}): {key} {found[key]}, numpy {count}")
        if not finite.size:
            expect(all(found.get(key) is None for key in ("minimum", "maximum", "mean", "standard_deviation")), f"{name}: a value of nothing: {found}")
            continue
        with np.errstate(over="ignore"):
            scale = np.abs(finite).max() or 1.0
            expected = {"minimum": finite.min(), "maximum": finite.max(), "mean": (finite / scale).mean() * scale, "standard_deviation": (finite / scale).std() * scale}
        for key, value in expected.items():
            allowed = {"minimum": 0, "maximum": 0, "mean": max(TOLERANCE * abs(value), 1e-9 * scale), "standard_deviation": TOLERANCE * value + 1e-15 * scale}[key]
            ours = found.get(key)
            if key == "standard_deviation" and not 1e-150 < scale < 1e150 and scale != 1.0:  # its square is beyond a double, so none is given
                expect(ours is None, f"{name}: {key} {ours} from squares that a double can't hold")
                continue
            expect(ours is not None and abs(ours - value) <= allowed, f"{name} ({dtype}): {key} {ours}, numpy {value} (allowed difference {allowed:.2g})")
            worst = max(worst, abs(ours - value) / abs(value) if value and key == "standard_deviation" else 0)
    return f"{len(tensors)} tensors; standard deviations within {worst:.1g} relative of {TOLERANCE:.0e}"


TARGETS = {"F64": ("F32", "F16", "BF16"), "F32": ("F16", "BF16"), "F16": ("BF16",), "BF16": ("F16",)}
SMALLEST_NORMAL = {"F32": 2.0**-126, "F16": 2.0**-14, "BF16": 2.0**-126}
NAMES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def precisions(random):
    """Every kind of bits, and weights that were another dtype once."""
    weights = (0.02 * random.standard_normal((300, 500))).astype("<f4")
    of = {dtype: widened(dtype, rounded(dtype, weights.astype("<f8")).view(NAMES[dtype])) for dtype in ("F16", "BF16")}
    return {
        "every kind of bits": casts.synthetic(random),
        "weights": {"f32": ("F32", weights), "f64": ("F64", weights.astype("<f8") * 1.1), "large": ("F32", weights * np.float32(2e6)), "small": ("F32", weights * np.float32(1e-4))},
        "F16 inside": {"f32": ("F32", of["F16"].astype("<f4")), "f64": ("F64", of["F16"]), "ones": ("F32", np.ones(50, "<f4"))},
        "BF16 inside": {"f32": ("F32", of["BF16"].astype("<f4")), "f64": ("F64", of["BF16"])},
        "F32 inside": {"f64": ("F64", weights.astype("<f8"))},
    }


def losses(path, tensors):
    """Counts of each tensor and of all, and the narrowest dtypes, from values cast and widened again."""
    found = document("inspect", path, "--statistics")
    entries = {entry["name"]: entry for entry in found["tensors"]}
    totals, stored, count = {}, 0, 0
    for name, (dtype, array) in tensors.items():
        precision = entries[name]["statistics"].get("effective_precision") if "statistics" in entries[name] else None
        if dtype not in TARGETS:
            expect(precision is None, f"{name}: {dtype} has an effective precision")
            stored += array.nbytes
            continue
        expected = {target: loss(dtype, array, target) for target in TARGETS[dtype]}
        equal_losses(name, precision, expected, {dtype} | {target for target, counts in expected.items() if not counts["changed_count"]})
        count += array.size
        for target, counts in expected.items():
            totals[target] = {key: totals.get(target, {}).get(key, 0) + value for key, value in counts.items()}
    whole = found["effective_precision"]
    holding = {target for target in ("F64", "F32", "F16", "BF16") if not totals.get(target, {}).get("changed_count")}
    equal_losses("the checkpoint", whole, totals, holding)
    size = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}[whole["narrowest"][0]]
    expect(whole["element_count"] == count and whole["narrowest_byte_count"] == stored + size * count, f"sizes of the checkpoint: {whole}")
    expect(sum(group["tensor_count"] for group in whole["groups"]) == sum(dtype in TARGETS for dtype, _ in tensors.values()), f"groups: {whole['groups']}")
    return f"{count:,} values; {' or '.join(whole['narrowest'])} holds all; " + ", ".join(f"{target} changes {totals[target]['changed_count']:,}" for target in totals)


def equal_losses(name, found, expected, holding):
    ours = {entry["dtype"]: {key: value for key, value in entry.items() if key != "dtype"} for entry in found["casts"]}
    expect(ours == expected, f"{name}: {ours}, expected {expected}")
    narrowest = next(dtypes for dtypes in (["F16", "BF16"], ["F32"], ["F64"]) if holding & set(dtypes))
    expect(found["narrowest"] == [dtype for dtype in narrowest if dtype in holding], f"{name}: narrowest {found['narrowest']}, of {sorted(holding)}")


def loss(dtype, array, target):
    values = widened(dtype, array).ravel()
    results = widened(target, rounded(target, values).view(NAMES[target]))
    if dtype != "F64":  # torch rounds F64 twice
        equal = (casted(dtype, array, target) == results) | np.isnan(values)
        expect(equal.all(), f"torch and numpy cast {dtype} to {target} differently")
    changes = (results != values) & ~np.isnan(values)
    small = np.abs(results) < SMALLEST_NORMAL[target]
    return {
        "changed_count": int(changes.sum()), "overflow_count": int((changes & np.isinf(results)).sum()),
        "flushed_count": int((changes & (results == 0)).sum()), "subnormal_count": int((changes & small & (results != 0)).sum()),
    }


def casted(dtype, array, target):
    """By torch: the values after the cast, in f64."""
    import torch

    bits = torch.from_numpy(np.array(array).ravel().view({"F32": "<i4", "F16": "<i2", "BF16": "<i2"}[dtype]))
    kind = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    return bits.view(kind[dtype]).to(kind[target]).to(torch.float64).numpy()
