"""Rows of the report, and running the tool."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import traceback

WEIGHBRIDGE = pathlib.Path(os.environ["WEIGHBRIDGE"]).resolve()
PACKAGE = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = PACKAGE / "fixtures"
MESH = [FIXTURES / "mesh-transformer" / name for name in ("s8_trained_slim", "s4_perturbed_full", "s4_perturbed_slim_f16")]
HUGGING_FACE = [FIXTURES / "huggingface" / name for name in ("gptj", "gpt2")]


class Failure(Exception):
    """The tool and its peer disagree."""


class Skipped(Exception):
    """The machine can't run this check."""


class Report:
    """Prints a row per check as it ends, and counts them."""

    def __init__(self, group):
        self.group, self.passed, self.failed, self.skipped = group, 0, 0, 0

    def row(self, name, body):
        label = f"{self.group}: {name}"
        try:
            detail = body() or "equal"
        except Skipped as reason:
            self.skipped += 1
            print(f"skip {label}: {reason}", flush=True)
        except Exception as error:
            self.failed += 1
            print(f"FAIL {label}: {describe(error)}", flush=True)
        else:
            self.passed += 1
            print(f"ok {label}: {detail}", flush=True)


def every_scheme(schemes, compare):
    """A line on all schemes; `compare` gives the tensors that are equal in one, and the largest distance of logits."""
    count, distance, wrong = 0, 0.0, []
    for scheme in schemes:
        try:
            tensors, apart = compare(scheme)
            count, distance = count + tensors, max(distance, apart)
        except Failure as failure:
            wrong.append(f"{scheme}: {failure}")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(schemes)} schemes: {'; '.join(wrong[:3])}")
    return f"{len(schemes)} schemes, {count} tensors bit for bit, logits within {distance:.2g}"


def describe(error):
    if isinstance(error, Failure):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = "".join(traceback.format_exception_only(error)).strip().replace("\n", " ")
    return f"{text} ({pathlib.Path(place.filename).name}:{place.lineno})"


@contextlib.contextmanager
def workdir(prefix="weighbridge-interop-"):
    """A temporary directory that others may look into, removed at the end."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run(*arguments, check=None, before=(), timeout=300, **options):
    """Runs the tool; `check` is the exit code that must come, `before` a command that it runs under."""
    command = [*map(str, before), str(WEIGHBRIDGE), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout, **options)
    if check is not None and done.returncode != check:
        raise Failure(f"`{' '.join(map(str, arguments))}` exited {done.returncode}, expected {check}: {complaint(done)}")
    return done


def complaint(done):
    """What the tool said went wrong, in one line."""
    spoken = done.stderr or done.stdout
    start = max(spoken.find("error:"), 0)
    return " | ".join(spoken[start:].strip().splitlines())[-400:]


def document(*arguments, check=0):
    """What the tool prints with --json."""
    return json.loads(run(*arguments, "--json", check=check).stdout)


def convert(source, destination, *arguments, check=0, **options):
    return run("convert", source, destination, "--to", "safetensors", "--quiet", *arguments, check=check, **options)


def certificate(destination):
    return json.loads((destination / "weighbridge-certificate.json").read_text())


def expect(condition, message):
    if not condition:
        raise Failure(message)
