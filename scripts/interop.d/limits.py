"""The demo's commands where little is allowed: 256 MB of memory, 8 or 4 threads and processes, no home, a user who owns nothing."""
import subprocess
from pathlib import Path

from harness import FIXTURES, MESH, WEIGHBRIDGE, Failure, Skipped, workdir

MEMORY = 256 << 20
SECONDS = 120
GROUPS = Path("/sys/fs/cgroup")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def check(report):
    for count in (8, 4):
        with workdir() as work:
            work.chmod(0o777)
            report.row(f"{count} threads and processes, {MEMORY >> 20} MB", lambda: within(count, work))


def within(count, work):
    groups = control_groups(count)
    enter = "".join(f"echo $$ > {group}/cgroup.procs && " for group in groups)
    user = NOBODY if works([*NOBODY, str(WEIGHBRIDGE), "--version"]) else []
    steps = commands(work)
    try:
        for arguments in steps:
            command = ["sh", "-c", enter + 'exec "$@"', "sh", *user, "env", "-i", str(WEIGHBRIDGE), *map(str, arguments)]
            try:
                done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise Failure(f"{arguments[0]} hangs")
            if done.returncode != 0:
                raise Failure(f"{arguments[0]} ends with {done.returncode}: {done.stderr[-300:]}")
    finally:
        for group in groups:
            group.rmdir()
    return f"{len(steps)} commands, as {'nobody' if user else 'this user'}, without a home"


def control_groups(count):
    """Groups with the limits, of version 1 or 2 of the kernel's interface."""
    name = "weighbridge-interop"
    if (GROUPS / "cgroup.controllers").exists():
        limits = {GROUPS / name: {"memory.max": MEMORY, "pids.max": count}}
    else:
        limits = {GROUPS / "memory" / name: {"memory.limit_in_bytes": MEMORY}, GROUPS / "pids" / name: {"pids.max": count}}
    try:
        for group, files in limits.items():
            group.mkdir(exist_ok=True)
            for file, value in files.items():
                (group / file).write_text(str(value))
    except OSError as error:
        raise Skipped(f"no control group can be made: {error}")
    return list(limits)


def works(command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def commands(work):
    case = MESH[0]
    archive, configuration = case / "step.tar.zstd", ["--config", case / "config.json"]
    return [
        ["convert", archive, work / "model", "--to", "safetensors", "--dtype", "f16", *configuration],
        ["verify", work / "model", "--against", archive, *configuration],
        ["convert", work / "model", work / "model.store"],
        ["verify", work / "model.store"],
        ["convert", work / "model.store", work / "mesh", "--to", "mesh-transformer", "--shards", "4", "--validate"],
        ["compare", work / "model", work / "mesh", "--forward"],
        ["forward", work / "model.store", "--tokens", "17,4,42", "--generate", "8"],
        ["quantize", archive, work / "model.gguf", "--scheme", "q8_0", *configuration, "--assets", FIXTURES / "gguf" / "tokenizer"],
        ["convert", FIXTURES / "pytorch" / "gptjt_prefix", work / "gptjt.store"],
    ]
