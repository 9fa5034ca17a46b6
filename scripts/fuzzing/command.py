"""Runs the whole command on damaged checkpoints: scripts/fuzz --command [--seconds N] [--seed N] [--only RUN,…] [--tool PATH].

Every fixture is copied, one of its files is damaged (bytes flipped, cut, spliced from another file, integers set to their ends; in half of
the cases the checksums of zip and tar members and the seals of stores are repaired), and a command runs on it. It must end with 0, 1 or 2, within 10 s of processor time
(others may be busy on the machine; after a minute it hangs) and 300 MB, with a hint if it is an error; what `convert` writes must pass `verify`, or fail with findings that
`convert` has printed.
"""
import argparse, json, os, random, re, shutil, signal, struct, subprocess, sys, tempfile, time, zlib
from pathlib import Path

import store

ROOT = Path(__file__).resolve().parents[2]
SECONDS, BYTES, HANG = 10, 300 << 20, 60
FIXTURES = [
    "huggingface/gpt2", "huggingface/llama", "huggingface/qwen2_tied", "gguf/gpt2.F16.gguf", "gguf/gptj.Q8_0.gguf", "gguf/qwen2_split",
    "mesh-transformer/s8_trained_slim", "npz", "pytorch", "store", "zip", "bad/tarzst", "bad/gguf", "bad/torchbin",
    "quantized", "bad/quantized", "keras", "flax", "tensorflow", "gpt-neox",
]
COMMANDS = [
    ["inspect", "S"], ["inspect", "S", "--tensors"], ["inspect", "S", "--json"], ["verify", "S"], ["convert", "S", "D", "--to", "safetensors"],
    ["convert", "S", "D", "--to", "store", "--dtype", "bf16"], ["convert", "S", "D", "--dry-run", "--to", "npz"], ["forward", "S", "--tokens", "1,2,3"],
    ["convert", "S", "D.gguf", "--to", "gguf"], ["quantize", "S", "D.gguf", "--scheme", "q8_0"], ["compare", "S", "S"],
    ["inspect", "S", "--digests", "--statistics"], ["manifest", "S"], ["quantize", "S", "D", "--scheme", "mlx-q4-g32"],
    ["quantize", "S", "D", "--scheme", "w4a16-g32", "--quality", "best"], ["quantize", "S", "--scheme", "q4_k_m,mlx-q4-g32", "--dry-run", "--measure"],
    ["quantize", "S", "D.gguf", "--target-bits", "5"], ["importance", "S", "--tokens-file", "T", "--output", "I.gguf"],
    ["convert", "S", "D", "--to", "store", "--base", "B"], ["convert", "S", "weight_v000001", "--to", "weight-delta", "--base", "B"],
    ["compare", "S", "B", "--forward"], ["convert", "S", "D", "--to", "safetensors", "--part", "1/2"], ["verify", "S", "--against", "B"],
]
# Ends of integers, little-endian, and what lies beside them.
INTEGERS = [v & (1 << 64) - 1 for v in (0, 1, -1, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, 1 << 62, 255, 65536)]


def checkpoints(name):
    """Files and directories of a fixture that are opened as one checkpoint, of kilobytes."""
    path = ROOT / "fixtures" / name
    if path.is_file():
        return [path]
    inner = sorted(path.iterdir())
    if any(p.suffix in (".safetensors", ".gguf", ".npz") or p.name == "store.json" for p in inner):
        return [path]
    return [p for p in inner if p.is_dir() or p.suffix not in (".py", ".md", ".json", ".npy")]


def damage(data, other, rng):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not data:
            return data
        # Headers, and what stands at the end, are where formats are.
        spans = (64, 1024, len(data))
        at = min(len(data) - 1, rng.randrange(rng.choice(spans)))
        if rng.random() < 0.2:
            at = len(data) - 1 - at
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            size = rng.choice((1, 2, 4, 8))
            data[at:at + size] = struct.pack("<Q", rng.choice(INTEGERS))[:size]
        elif kind == 4 and other:
            start = rng.randrange(len(other))
            data[at:at + rng.randrange(256)] = other[start:start + rng.randrange(256)]
        else:
            length = rng.randrange(1, 64)
            data[at:at] = data[at:at + length] * rng.choice((1, 1, 50))
    return data


def repaired(data):
    """The same with the checksums of stored zip members and of tar headers made right."""
    for match in re.finditer(rb"PK\x03\x04", bytes(data)):
        at = match.start()
        if at + 30 > len(data):
            break
        method, size = struct.unpack_from("<H", data, at + 8)[0], struct.unpack_from("<I", data, at + 18)[0]
        start = at + 30 + sum(struct.unpack_from("<HH", data, at + 26))
        if method == 0 and start + size <= len(data):
            struct.pack_into("<I", data, at + 14, zlib.crc32(data[start:start + size]))
    if data[257:262] == b"ustar":
        header = bytes(data[:148]) + b" " * 8 + bytes(data[156:512])
        data[148:156] = b"%06o\0 " % sum(header)
    return data


def run(tool, arguments, folder):
    errors = open(folder / "errors", "w+b")
    output = open(folder / "output", "w+b")
    start = time.time()
    process = subprocess.Popen([tool, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=folder)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.time() - start > HANG:
            process.kill()
            _, status, usage = os.wait4(process.pid, 0)
            break
        time.sleep(0.002)
    process.returncode = 0
    texts = []
    for file in (output, errors):
        file.seek(0)
        texts.append(file.read(1 << 20).decode(errors="replace"))
        file.close()
    return os.waitstatus_to_exitcode(status), *texts, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10


def checks(text):
    return set(re.findall(r"\[([a-z0-9-]+)\]", text))


def trouble(tool, command, folder):
    """What is wrong with what a command did, None if nothing is; how long it took, and how much memory."""
    names = {"S": "source", "D": "out", "D.gguf": "out.gguf", "B": "base", "T": "tokens.json", "I.gguf": "imatrix.gguf"}
    code, output, errors, seconds, memory = run(tool, [names.get(a, a) for a in command], folder)
    message = None
    if code == -signal.SIGKILL:
        message = f"no end after {HANG} s"
    elif code not in (0, 1, 2):
        message = f"exit {code}: {errors[-200:]}"
    elif seconds > SECONDS:
        message = f"{seconds:.1f} s"
    elif memory > BYTES:
        message = f"{memory >> 20} MB"
    elif code == 2 and "hint:" not in errors:
        message = f"no hint: {errors[-200:]}"
    elif command[0] in ("convert", "quantize") and code == 0 and not {"--dry-run", "--part"} & set(command):
        message = unsaid(tool, command, names.get(command[2], command[2]), checks(errors), folder)
    return message, seconds, memory


def unsaid(tool, command, result, said, folder):
    """What `verify` finds wrong with a result that the command hasn't said; None if there is nothing."""
    if "weight-delta" in command:
        # An update has its base's configuration, and what is wrong with that.
        _, output, *_ = run(tool, ["verify", "base", "--json"], folder)
        said |= {f["check"] for f in json.loads(output or "{}").get("findings", [])}
    base = ["--base", "base"] if "--base" in command else []
    code, output, *_ = run(tool, ["verify", result, "--json", *base], folder)
    findings = {f["check"] for f in json.loads(output or "{}").get("findings", []) if f["severity"] == "error"}
    if code != 0 and not findings <= said:
        return f"verify of the output ends with {code}: {sorted(findings - said)}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--only", type=lambda text: {int(part) for part in text.split(",")}, help="only these runs of the seed, such as one that was busy")
    parser.add_argument("--tool", default=str(ROOT / ".build/release/weighbridge"))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    # A format with many fixtures isn't taken more often than others.
    fixtures = [checkpoints(name) for name in FIXTURES]
    end, runs, made, found = time.time() + options.seconds, 0, 0, []
    slowest, largest = (0, ""), (0, "")
    kept = ROOT / ".build-fuzz-data" / "command"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "f"
        while made < max(options.only) if options.only else time.time() < end:
            folder.mkdir()
            source = rng.choice(rng.choice(fixtures))
            target = folder / "source"
            if source.is_dir():
                shutil.copytree(source, target)
                files = [p for p in target.rglob("*") if p.is_file() and p.stat().st_size < 4 << 20]
            else:
                target = folder / ("source" + "".join(source.suffixes))
                shutil.copy(source, target)
                target.rename(folder / "source")
                files = [folder / "source"]
            # What the source is told apart from, and what models run on.
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / "base")
            (folder / "tokens.json").write_text("[1, 2, 3, 4, 5, 6]")
            victim = rng.choice(files)
            other = rng.choice([p for p in rng.choice(rng.choice(fixtures)).parent.rglob("*") if p.is_file()]).read_bytes()[:1 << 16]
            data = damage(victim.read_bytes(), other, rng)
            if rng.random() < 0.5:
                victim.write_bytes(data)
            else:
                victim.write_bytes(repaired(data))
                store.repair(target, victim)
            command = rng.choice(COMMANDS)
            made += 1
            if options.only and made not in options.only:
                shutil.rmtree(folder)
                continue
            message, seconds, memory = trouble(options.tool, command, folder)
            runs += 1
            name = f"{options.seed}-{made} {' '.join(command)} ({source.relative_to(ROOT / 'fixtures')})"
            slowest, largest = max(slowest, (seconds, name)), max(largest, (memory, name))
            if message:
                place = kept / f"{options.seed}-{made}"
                shutil.rmtree(place, ignore_errors=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(folder, place)
                found.append(f"{' '.join(command)} ({source.relative_to(ROOT / 'fixtures')}, {victim.name}): {message}; kept in {place.relative_to(ROOT)}")
                print("FAIL", found[-1], flush=True)
            shutil.rmtree(folder)
    print(f"command: {runs} runs, {len(found)} findings, seed {options.seed}")
    print(f"slowest: {slowest[0]:.2f} s of processor time, {slowest[1]}")
    print(f"largest: {largest[0] / 1e6:.0f} MB, {largest[1]}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
