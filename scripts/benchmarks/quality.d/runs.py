"""Runs the real command, and keeps what it says: a run that was made isn't made again."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import threading

PACKAGE = pathlib.Path(__file__).resolve().parents[3]
WEIGHBRIDGE = os.environ.get("WEIGHBRIDGE", PACKAGE / ".build/release/weighbridge")
SUFFIX = {"gguf": ".gguf"}
WINDOW = 256
CALIBRATION_WINDOWS, MEASURED_WINDOWS = 128, 24


class Model:
    """A trained model in the work folder, with its texts, importances and second moments."""

    def __init__(self, work, name):
        self.work, self.name, self.folder = work, name, work / name
        self.calibration, self.measured = work / "calibration.txt", work / "held-out.txt"
        self.importances, self.moments = work / f"{name}.imatrix.gguf", work / f"{name}.hessian.safetensors"

    def calibrate(self):
        """Makes importances and, where the command can, second moments."""
        if not self.importances.exists():
            called("importance", self.folder, "--text", self.calibration, "--window", WINDOW, "--output", self.importances, "--quiet")
        if not self.moments.exists():
            spare = self.work / f"{self.name}.spare.gguf"
            called("importance", self.folder, "--text", self.calibration, "--window", WINDOW, "--output", spare, "--hessian", self.moments, "--force", "--quiet", may_fail=True)


def called(*arguments, may_fail=False):
    """What the command prints; None where it refuses and may."""
    done = subprocess.run([WEIGHBRIDGE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode and not may_fail:
        raise SystemExit(f"{' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout if done.returncode == 0 else None


def remembered(model, container, parts, measure):
    """What `measure` makes of a destination of its own, which is removed again; kept below the working directory, so that it is made once."""
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    kept = model.work / "runs" / f"{model.name}-{key}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    kept.parent.mkdir(exist_ok=True)
    destination = model.work / f"out-{model.name}-{key}-{os.getpid()}{SUFFIX.get(container, '')}"
    try:
        short = measure(destination)
    finally:
        for left in model.work.glob(f"*{destination.name.removesuffix('.gguf')}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    kept.write_text(json.dumps(short))
    return short


def quantized(model, container, options, may_fail=False):
    """What a quantization costs on the held-out rows, in short; None where it is refused."""
    def measure(destination):
        text = called("quantize", model.folder, destination, *options, "--validate", "--text", model.measured, "--window", WINDOW, "--threads", "1", "--quiet", "--force", "--json", may_fail=may_fail)
        return shortened(json.loads(text)) if text else None

    return remembered(model, container, [container, [str(o) for o in options]], measure)


def chosen(model, container, options):
    """What a choice of types costs on the held-out rows that is made by --validate on other text, the first windows of the calibration text."""
    def measure(destination):
        report = json.loads(called("quantize", model.folder, destination, *options, "--validate", "--text", model.calibration, "--window", WINDOW, "--chunks", MEASURED_WINDOWS, "--threads", "1", "--quiet", "--force", "--json"))
        # Exit 1 where they differ, as they do.
        compared = subprocess.run([WEIGHBRIDGE, "compare", model.folder, destination, "--forward", "--text", model.measured, "--window", str(WINDOW), "--threads", "1", "--quiet", "--json"], capture_output=True, text=True)
        divergence = json.loads(compared.stdout)["kl_divergence"]["mean"]
        return {"bits_per_weight": round(report["bits_per_weight"], 4), "byte_count": report["byte_count"], "kl_divergence": float(f"{divergence:.6g}")}

    return remembered(model, container, ["chosen", container, [str(o) for o in options]], measure)


def shortened(report):
    """The figures of a report that tables are made of."""
    return {"bits_per_weight": round(report["bits_per_weight"], 4), "byte_count": report["byte_count"], "kl_divergence": float(f"{report['kl_divergence']['mean']:.6g}"),
            "same_top_fraction": round(report["same_top_fraction"], 4)}


def several(jobs, workers=2):
    """The results of functions, in order."""
    done, lock = 0, threading.Lock()

    def one(job):
        nonlocal done
        result = job()
        with lock:
            done += 1
            print(f"{done} of {len(jobs)}", end="\r", flush=True)
        return result

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, jobs))
