"""Kills, full disks, read errors and forbidden directories: a destination is complete or absent, and --resume goes on.

The moments of the kills are random; the seed is printed, and --seed repeats it.
"""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import tarfile
import time

import numpy as np

import mesh
from harness import FIXTURES, HUGGING_FACE, MESH, WEIGHBRIDGE, Failure, Skipped, complaint, expect, run, workdir
from stored import write_safetensors

KILLS, SEED = 20, 0  # set from the command line


def check(report):
    with workdir() as work:
        checkpoint = work / "checkpoint.safetensors"
        archive, config, base = work / "step.tar.zst", work / "mesh.json", work / "base.safetensors"
        report.row("a checkpoint, its base and a Mesh-Transformer archive are made", lambda: make(checkpoint, base, archive, config))
        shards = ["--to", "safetensors", "--dtype", "bf16", "--max-shard-size", "8MB"]
        store = ["--to", "store", "--max-shard-size", "16MB"]
        difference, update = [*store, "--base", base], ["--to", "weight-delta", "--base", base, "--max-shard-size", "16MB"]
        one_file = ["--to", "safetensors", "--dtype", "f16"]
        mesh_shards = ["--to", "safetensors", "--dtype", "f16", "--max-shard-size", "8MB", "--config", config]
        report.row(f"{KILLS} kills, safetensors", lambda: killed(checkpoint, work / "kills", shards))
        report.row(f"{KILLS} kills, .tar.zst", lambda: killed(archive, work / "kills-archive", mesh_shards))
        report.row(f"{KILLS} kills, into an existing empty directory", lambda: killed(checkpoint, work / "kills-mounted", shards, "mounted"))
        report.row(f"{KILLS} kills, store", lambda: killed(checkpoint, work / "kills-store", store))
        report.row(f"{KILLS} kills, store, uncompressed and filled in place", lambda: killed(checkpoint, work / "kills-store-mounted", [*store, "--compression", "none"], "mounted"))
        report.row(f"{KILLS} kills, store of differences", lambda: killed(checkpoint, work / "kills-difference", difference))
        report.row(f"{KILLS} kills, a trainer's update", lambda: killed(checkpoint, work / "kills-update", update))
        report.row(f"{KILLS} kills, to one file", lambda: killed(checkpoint, work / "kills-file", one_file, "file"))
        report.row("SIGINT, SIGTERM and SIGHUP", lambda: asked_to_stop(checkpoint, work / "signals", shards))
        report.row("another plan is not resumed", lambda: other_plan(checkpoint, work / "plans", shards))
        report.row("changed inputs are not resumed", lambda: other_input(checkpoint, work / "inputs", shards))
        for kind, source, options, calls in (
            ("directory", checkpoint, shards, SAFETENSORS_CALLS), ("directory", checkpoint, store, STORE_CALLS), ("mounted", checkpoint, store, STORE_CALLS), ("directory", archive, mesh_shards, ARCHIVE_CALLS),
            ("mounted", checkpoint, shards, MOUNTED_CALLS), ("file", checkpoint, one_file, FILE_CALLS)):
            for call, error, when in calls:
                report.row(f"{error} from {call} number {when}, {source.name} to {'store ' if 'store' in options else ''}{kind}", lambda: injected(source, work / "calls", options, call, error, when, kind))
        small, step, fork = HUGGING_FACE[0] / "model.safetensors", MESH[0] / "step.tar.zstd", FIXTURES / "comparison/llama_lora"
        based = ["--base", FIXTURES / "huggingface/llama", "--max-shard-size", "40KB"]
        for kind, source, options in (
            ("directory", small, ["--max-shard-size", "300KB"]), ("directory", small, ["--to", "store", "--max-shard-size", "300KB"]), ("mounted", small, ["--to", "store", "--max-shard-size", "300KB"]), ("mounted", small, ["--max-shard-size", "300KB"]), ("file", small, ["--dtype", "f16"]),
            ("directory", fork, ["--to", "store", *based]), ("directory", fork, ["--to", "weight-delta", *based]),
            ("directory", step, ["--config", MESH[0] / "config.json"])):
            for call in ("mkdir", "pwrite64", "fallocate", "ftruncate", "fsync", "renameat2", "unlink", "rmdir"):
                report.row(f"killed at every {call}, {source.name} to {f'{options[1]} ' if '--to' in options else ''}{kind}", lambda: killed_at(work / f"points-{kind}-{call}-{source.name}{f'-{options[1]}' if '--to' in options else ''}", source, options if "--to" in options else ["--to", "safetensors", *options], kind, call))
        report.row("a disk too small from the start", lambda: small_disk(checkpoint, work, shards))
        report.row("a disk that fills up", lambda: filling_disk(checkpoint, work, shards))
        report.row("a disk without inodes", lambda: no_inodes(checkpoint, work, shards))
        report.row("a directory that can't be written", lambda: forbidden(checkpoint, shards))


# Which system call fails, how, and at which of its calls in a thread (strace counts per thread), for one run each.
SAFETENSORS_CALLS = [
    ("pread64", "EIO", 3), ("pread64", "EIO", 12), ("pwrite64", "ENOSPC", 2), ("pwrite64", "ENOSPC", 20), ("pwrite64", "EIO", 9),
    ("fallocate", "ENOSPC", 1), ("ftruncate", "EIO", 1), ("fsync", "EIO", 1), ("fsync", "EIO", 3), ("renameat2", "EIO", 1), ("mkdir", "EACCES", 1), ("mkdir", "EROFS", 1),
]
ARCHIVE_CALLS = [("pread64", "EIO", 1), ("pread64", "EIO", 5), ("pwrite64", "ENOSPC", 5), ("pwrite64", "ENOSPC", 70), ("fsync", "EIO", 2), ("renameat2", "EIO", 1)]
MOUNTED_CALLS = [("renameat2", "EIO", 1), ("renameat2", "EIO", 4), ("renameat2", "EIO", 10), ("renameat2", "EIO", 11), ("fsync", "EIO", 12), ("unlink", "EIO", 1), ("rmdir", "EIO", 1)]
STORE_CALLS = [("pread64", "EIO", 9), ("pwrite64", "ENOSPC", 3), ("pwrite64", "ENOSPC", 40), ("pwrite64", "EIO", 21), ("fsync", "EIO", 2), ("fsync", "EIO", 7), ("renameat2", "EIO", 1), ("mkdir", "EACCES", 1)]
FILE_CALLS = [("pwrite64", "ENOSPC", 5), ("fsync", "EIO", 2), ("renameat2", "EIO", 1), ("renameat2", "EIO", 2)]


def make(checkpoint, base, archive, config):
    """100 MB of safetensors, and what they were trained from; and 4 shards of a small GPT-J in F16, about 60 MB, which zstd can't make smaller."""
    import zstandard

    bits = np.random.default_rng(11)
    fork = {f"layer.{i}.weight": ("F32", bits.standard_normal((1024, 1024), "<f4")) for i in range(25)}
    write_safetensors(checkpoint, fork)
    write_safetensors(base, {name: (dtype, values * np.float32(1.0001)) for name, (dtype, values) in fork.items()})
    shards, layers, model, vocabulary = 4, 6, 576, 5120
    config.write_text(json.dumps({"layers": layers, "d_model": model, "n_heads": 8, "n_vocab": vocabulary, "norm": "layernorm", "pe": "rotary", "pe_rotary_dims": 16, "seq": 64, "cores_per_replica": shards}))
    shapes = {"linear/w": (model, model // shards), "linear_3/w": (model // shards, model), "linear_4/b": (4 * model // shards,), "linear_4/w": (model, 4 * model // shards), "linear_5/w": (4 * model // shards, model)}
    shapes |= {"linear_1/w": shapes["linear/w"], "linear_2/w": shapes["linear/w"]}
    layer = [shapes.get(leaf, (model,)) for leaf, _, _ in mesh.LAYER_LEAVES]
    every = [(model,), (vocabulary // shards, model)] + layer * layers + [(vocabulary // shards,), (model, vocabulary // shards), (model,), (model,)]
    step = mesh.write_step(archive.parent / "step_9", [[bits.standard_normal(shape, "<f4").astype("<f2") for shape in every] + [np.array(9, "<i4")] for _ in range(shards)])
    with open(archive, "wb") as file, zstandard.ZstdCompressor(level=1, threads=-1).stream_writer(file) as packed, tarfile.open(fileobj=packed, mode="w|") as members:
        members.add(step, step.name)
    shutil.rmtree(step)
    return f"{checkpoint.stat().st_size / 1e6:.0f} MB and {archive.stat().st_size / 1e6:.0f} MB; seed {SEED}"


def contents(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


class Place:
    """A directory for one destination, and what an uninterrupted run writes there.

    `kind` is `directory` (a new one), `mounted` (an existing empty one, filled in place) or `file`.
    """

    def __init__(self, source, room, options, kind="directory"):
        self.source, self.options, self.kind = source, options, kind
        self.seconds, self.whole = 0, None
        self.enter(room.with_name(room.name + ".whole"))
        for _ in range(2):  # the second time in a warm cache; and both the same
            start = time.monotonic()
            self.convert()
            self.seconds = time.monotonic() - start
            self.whole = self.whole or self.files()
            self.complete_or_absent("an uninterrupted run")
            self.clear()
        shutil.rmtree(self.room)
        self.enter(room)

    def enter(self, room):
        self.room = room
        self.target = room / ("out.safetensors" if self.kind == "file" else "out")
        partial = f".{self.target.name}.partial"
        self.partial = self.target / partial if self.kind == "mounted" else room / partial
        room.mkdir(parents=True)
        if self.kind == "mounted":
            self.target.mkdir()

    def command(self, *more):
        return ["convert", self.source, self.target, *self.options, *more]

    def convert(self, *more, check=0, **options):
        return run(*self.command(*more), check=check, **options)

    def start(self, *more):
        command = [str(part) for part in (WEIGHBRIDGE, *self.command(*more))]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def files(self):
        """Digests of what stands under final names."""
        paths = (path for path in self.room.rglob("*") if path.is_file() and self.partial not in path.parents)
        return {str(path.relative_to(self.room)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    def complete_or_absent(self, when):
        """Whether the destination looks complete; fails if it does and isn't.

        A new directory looks complete as soon as it is there, a file too (its certificate comes first), and an
        existing directory once it holds the index or the certificate, which come last.
        """
        found = self.files()
        wrong = [name for name in found if found[name] != self.whole.get(name)]
        expect(not wrong, f"{when}: under a final name, but other than in an uninterrupted run: {wrong[:4]}")
        if self.kind == "mounted":
            looks = (self.target / ("store.json" if "store" in self.options else "weighbridge-certificate.json")).exists()
            files = {name for name in self.whole if name.endswith(".safetensors")}
            looks_like_model = any(self.target.glob("*.index.json"))
            expect(not looks_like_model or files <= set(found), f"{when}: an index before its files: {sorted(files - set(found))[:4]}")
        else:
            looks = self.target.exists()
        expect(not looks or found == self.whole, f"{when}: looks complete, but lacks {sorted(set(self.whole) - set(found))[:4]}")
        expect(looks or self.kind != "directory" or not found, f"{when}: files outside the partial: {sorted(found)[:4]}")
        return looks

    def finish(self, when):
        """--resume gives the bytes of the uninterrupted run and leaves nothing behind; says how many tensors it took over."""
        done = run(*self.command("--resume", "--json"))
        expect(done.returncode == 0, f"{when}: --resume exited {done.returncode}: {complaint(done)}")
        expect(self.complete_or_absent(when), f"{when}: --resume exited 0 without a destination")
        self.nothing_else(when)
        return json.loads(done.stdout)["resumed_tensors"]

    def nothing_else(self, when):
        known = {self.room / name for name in self.whole} | {self.target}
        known |= {folder for path in known for folder in path.parents}
        rest = sorted(str(path.relative_to(self.room)) for path in self.room.rglob("*") if path not in known)
        expect(not rest, f"{when}: left behind: {rest[:4]}")

    def clear(self):
        shutil.rmtree(self.room)
        self.enter(self.room)


def killed(source, room, options, kind="directory"):
    place, moments = Place(source, room, options, kind), random.Random(SEED)
    late = early = resumed = again = 0
    span, wrong = place.seconds, []
    for number in range(KILLS):
        when, more = f"kill {number}", []
        try:
            # A third of the runs that resume are killed too, so that partials of partials are seen.
            while True:
                process = place.start(*more)
                time.sleep(moments.random() * span)
                process.kill()
                process.communicate()
                complete = place.complete_or_absent(when)
                span *= 0.96 if complete else 1.01  # so that about one kill in five comes too late
                if complete or moments.random() > 0.33:
                    break
                more, again = ["--resume"], again + 1
            if complete and not place.partial.exists():
                late += 1
                place.nothing_else(when)
            else:
                early += not place.partial.exists()
                resumed = max(resumed, place.finish(when))
        except Failure as failure:
            wrong.append(str(failure).replace(f"{place.room}/", ""))
        place.clear()
    expect(not wrong, f"{len(wrong)} of {KILLS}: {'; '.join(wrong[:2])}")
    return f"runs of {place.seconds:.2f} s, {again} resumed runs killed too; {early} before a partial, {late} after the end; at most {resumed} tensors taken over"


def asked_to_stop(source, room, options):
    place = Place(source, room, options)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        for attempt in range(8):
            process = place.start()
            while process.poll() is None and not place.partial.exists():
                time.sleep(0.001)
            time.sleep(place.seconds * 0.2 / (attempt + 1))
            process.send_signal(number)
            message = process.communicate(timeout=60)[1]
            if not place.complete_or_absent(number.name):
                break
            place.clear()
        else:
            raise Skipped("every run ended before the signal came")
        expect(process.returncode == code, f"{number.name}: exit code {process.returncode}, expected {code}")
        expect("--resume" in message, f"{number.name}: the message doesn't say how to go on: {message.strip()[-200:]}")
        place.finish(number.name)
        place.clear()
    return "exit codes 130, 143 and 129, all taken up by --resume"


def begun(place):
    """Whether the journal says of which plan the work is."""
    journal = place.partial / "journal"
    return journal.exists() and journal.stat().st_size > 0


def stopped_half_way(place):
    """Kills one run so that a partial with a journal stays."""
    for attempt in range(50):
        process = place.start()
        while process.poll() is None and not begun(place):
            time.sleep(0.001)
        time.sleep(place.seconds * 0.4 * (attempt + 1) / 50)
        process.kill()
        process.communicate()
        if not place.target.exists() and begun(place):
            return
        if place.target.exists():
            place.clear()
    raise Skipped("no run could be killed half-way")


def other_plan(source, room, options):
    place = Place(source, room, options)
    stopped_half_way(place)
    changed = [{"bf16": "f32"}.get(option, option) for option in options]
    done = run("convert", source, place.target, *changed, "--resume", check=2)
    expect(not place.target.exists() and place.partial.exists(), "refusing another plan changed the destination or the partial")
    done_plain = place.convert(check=2)
    expect("--resume" in done_plain.stderr, f"without --resume the message doesn't name it: {complaint(done_plain)}")
    place.finish("after a refused plan")
    return complaint(done).split(" | ")[0][:120]


def other_input(source, room, options):
    copy = room.with_name("copy.safetensors")
    shutil.copy2(source, copy)
    place = Place(copy, room, options)
    stopped_half_way(place)
    with open(copy, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x55")
    done = place.convert("--resume", check=2)
    expect(not place.target.exists(), "a changed input was converted")
    copy.unlink()
    return complaint(done).split(" | ")[0][:120]


def injected(source, room, options, call, error, when, kind="directory"):
    """One system call fails: of those that name or read the source if it is a read, else of the whole process."""
    traceable()
    place = Place(source, room.with_name(f"{room.name}-{call}-{error}-{when}-{kind}-{source.name}"), options, kind)
    narrowed = []
    if call == "pread64":
        narrowed = ["-P", source]  # or else the loader's reads of libraries would be meant
    done = run(*place.command(), before=[*TRACER, *narrowed, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"])
    if done.returncode == 0:
        expect(place.complete_or_absent(call), "exit code 0 without a destination")
        raise Skipped(f"{call} isn't called {when} times, or the tool does without it: exit code 0, destination complete")
    return explained(place, done, error, f"{call} {error}")


def killed_at(room, source, options, kind, call):
    """Kills a small conversion as it enters each of its calls of one kind, one run per call (every 7th after 24)."""
    traceable()
    place, points, complete, wrong = Place(source, room, [*options, "--threads", "1"], kind), 0, 0, []
    for number in (*range(1, 25), *range(25, 2000, 7)):
        when = f"killed at {call} number {number}"
        done = run(*place.command(), before=[*TRACER, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"])
        if done.returncode == 0:
            break
        expect(done.returncode in (-9, 137), f"{when}: exit code {done.returncode}: {complaint(done)}")
        points += 1
        try:
            if place.complete_or_absent(when) and not place.partial.exists():
                complete += 1
                place.nothing_else(when)
            else:
                place.finish(when)
        except Failure as failure:
            wrong.append(str(failure).replace(f"{place.room}/", ""))
        place.clear()
    expect(not wrong, f"{len(wrong)} of {points} points; {'; '.join(wrong[:2])}")
    if not points:
        raise Skipped(f"{call} is never called")
    return f"{points} points, {complete} after which the destination was complete"


TRACER = ["strace", "-f", "-qq", "-o", "/dev/null"]


def traceable():
    if not shutil.which("strace"):
        raise Skipped("there is no strace")
    if subprocess.run([*TRACER, "true"], capture_output=True).returncode:
        raise Skipped("strace may not trace here")


EXPLANATIONS = {"EIO": "Input/output error", "ENOSPC": "No space left", "EACCES": "Permission denied", "EROFS": "Read-only file system"}


def explained(place, done, error, when):
    """Exit 2, a message with the cause, no destination, at most the named partial; and --resume ends the work."""
    expect(done.returncode == 2, f"exit code {done.returncode}, expected 2: {complaint(done)}")
    expect(EXPLANATIONS[error].lower() in done.stderr.lower(), f"the message doesn't say {EXPLANATIONS[error]!r}: {complaint(done)}")
    expect(not place.complete_or_absent(when), "the destination is complete, though the exit code is 2")
    allowed = {place.room / name for name in place.whole} | {place.target, place.partial, *place.partial.rglob("*")}
    rest = sorted(path.name for path in place.room.rglob("*") if path not in allowed)
    expect(not rest, f"left behind beside the partial: {rest[:4]}")
    if place.partial.exists():
        expect(place.partial.name in done.stderr and "--resume" in done.stderr, f"the message doesn't name the partial and --resume: {complaint(done)}")
    resumed = place.finish(f"after {when}")
    shutil.rmtree(place.room)
    line = next(line for line in done.stderr.splitlines() if line.startswith("error:"))
    return f"{line.replace(str(place.room) + '/', '')[:110]}; {resumed} tensors taken over"


class Disk:
    """A tmpfs of its own; skipped where this process may not mount one."""

    def __init__(self, work, *options):
        self.path = work / "disk"
        self.path.mkdir(exist_ok=True)
        if os.geteuid() != 0 or not shutil.which("mount"):
            raise Skipped("only root can mount a small disk")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", self.path], capture_output=True, text=True)
        if done.returncode:
            raise Skipped(f"mount: {done.stderr.strip()}")

    def remount(self, *options):
        subprocess.run(["mount", "-o", ",".join(["remount", *options]), self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)


def place_on(disk, source, options):
    """A place whose uninterrupted run happens on another disk."""
    elsewhere = disk.path.with_name("elsewhere")
    place = Place(source, elsewhere / "room", options)
    shutil.rmtree(elsewhere)
    place.enter(disk.path / "room")
    return place


def small_disk(source, work, options):
    with Disk(work, "size=8m") as disk:
        place = place_on(disk, source, options)
        done = run(*place.command())
        expect(done.returncode == 2 and "space" in done.stderr, f"exit code {done.returncode}: {complaint(done)}")
        expect(not place.target.exists(), "there is a destination")
        used = sum(path.stat().st_size for path in place.room.rglob("*") if path.is_file())
        disk.remount("size=200m")
        place.finish("after the disk grew")
        line = next(line for line in done.stderr.splitlines() if line.startswith("error:"))
        return f"{line.replace(str(place.room) + '/', '')[:110]}; {used:,} bytes had been written"


def filling_disk(source, work, options):
    """Something else fills the disk while the tool is at work: it is stopped, the disk filled, and it goes on."""
    with Disk(work, "size=80m") as disk:
        place, filler = place_on(disk, source, options), disk.path / "filler"
        for _ in range(20):
            process = place.start("--threads", "1")
            while process.poll() is None and not any(place.partial.glob("*.safetensors")):
                time.sleep(0.0005)
            process.send_signal(signal.SIGSTOP)
            try:
                with open(filler, "wb", buffering=0) as file:
                    while True:
                        file.write(bytes(1 << 16))
            except OSError:
                pass
            process.send_signal(signal.SIGCONT)
            message = process.communicate(timeout=120)[1]
            filler.unlink()
            if process.returncode:
                done = subprocess.CompletedProcess([], process.returncode, "", message)
                return explained(place, done, "ENOSPC", "a full disk")
            expect(place.complete_or_absent("a full disk"), "exit code 0 without a destination")
            place.clear()
        raise Skipped("every run ended before the disk was full")


def no_inodes(source, work, options):
    with Disk(work, "size=200m", "nr_inodes=7") as disk:
        place = place_on(disk, source, options)
        done = run(*place.command())
        disk.remount("nr_inodes=1000")
        return explained(place, done, "ENOSPC", "missing inodes")


def forbidden(source, options):
    """As a user who may not write there; root drops its rights for it."""
    with workdir() as work:
        copy = work / "source.safetensors"
        shutil.copy(source, copy)
        place = Place(copy, work / "room", options)
        place.room.chmod(0o555)
        identity = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        if identity and subprocess.run([WEIGHBRIDGE, "--version"], capture_output=True, **identity).returncode:
            raise Skipped("another user can't run the executable")
        environment = os.environ | {"HOME": "/nonexistent"}
        done = run(*place.command(), env=environment, **identity)
        place.room.chmod(0o755)
        return explained(place, done, "EACCES", "a forbidden directory")
