"""inspect --statistics beside numpy in f64."""
import numpy as np

from harness import HUGGING_FACE, document, expect, workdir
from stored import read_checkpoint, widened, write_safetensors

TOLERANCE = 1e-6  # relative, of mean and standard deviation; the mean also to 1e-9 of the largest magnitude, as it may cancel


def check(report):
    for case in HUGGING_FACE:
        report.row(case.name, lambda: compare(case, read_checkpoint(case)))
    for name, tensors in synthetic(np.random.default_rng(3)).items():
        with workdir() as work:
            write_safetensors(work / "model.safetensors", tensors)
            report.row(name, lambda: compare(work / "model.safetensors", tensors))


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
