"""The demo's commands, and one of each kind, where little is allowed: 256 MB of memory, 8 or 4 threads and processes, no home, a user who owns nothing."""
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
    tokens, key = work / "tokens.json", work / "key.pem"
    tokens.write_text(str(list(range(24))))
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True, capture_output=True)
    key.chmod(0o644)
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
        ["importance", work / "model", "--tokens-file", tokens, "--output", work / "imatrix.gguf"],
        ["quantize", work / "model", work / "best.gguf", "--scheme", "q4_0", "--quality", "best", "--imatrix", work / "imatrix.gguf", "--assets", FIXTURES / "gguf" / "tokenizer"],
        ["importance", work / "model", "--tokens-file", tokens, "--output", work / "sums.gguf", "--hessian", work / "moments"],
        ["quantize", work / "model", work / "max.gguf", "--scheme", "q4_0", "--quality", "max", "--imatrix", work / "sums.gguf", "--hessian", work / "moments", "--assets", FIXTURES / "gguf" / "tokenizer"],
        ["quantize", work / "model", "--scheme", "q8_0,q4_0,mlx-q4-g32", "--dry-run", "--measure", "--assets", FIXTURES / "gguf" / "tokenizer"],
        ["quantize", work / "model", work / "budget", "--target-bits", "9", "--to", "mlx"],
        ["manifest", work / "model", "--sha256sums"],
        ["verify", work / "model"],
        ["convert", work / "model", work / "parts", "--to", "safetensors", "--part", "1/2"],
        ["convert", work / "model", work / "parts", "--to", "safetensors", "--part", "2/2"],
        ["status", work / "parts"],
        ["merge", work / "parts"],
        ["convert", work / "model", work / "difference", "--to", "store", "--base", work / "parts"],
        ["convert", work / "difference", work / "again", "--to", "safetensors", "--base", work / "parts"],
        ["convert", work / "model", work / "weight_v000001", "--to", "weight-delta", "--base", work / "parts"],
        ["verify", work / "difference", "--base", work / "parts"],
        ["convert", work / "weight_v000001", work / "updated", "--to", "safetensors", "--base", work / "parts"],
        ["verify", work / "model", "--part", "1/2", "--parts", work / "checks"],
        ["verify", work / "model", "--part", "2/2", "--parts", work / "checks"],
        ["merge", work / "checks"],
        ["sign", work / "model", "--private-key", key, "--signature", work / "model.sig"],
        ["checks", "nan"],
    ]
