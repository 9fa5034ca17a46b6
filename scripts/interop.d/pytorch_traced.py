"""Opening hostile files starts no process, opens no socket and reads no other file: seen under strace."""
import os
import re
import shutil
import subprocess
import tempfile

from harness import FIXTURES, Skipped, expect, run, workdir

FILES = sorted((FIXTURES / "bad" / "torchbin").glob("*.bin"))
# io_uring can do what is looked for without any of the other calls.
CALLS = "%process,%network,open,openat,openat2,creat,open_by_handle_at,memfd_create,io_uring_setup,pidfd_open,ptrace"
# Before the named file is opened: the dynamic loader's files; and what glibc and Swift's runtime look up.
LOADER = re.compile(r"(/[^\"]*/)?lib[\w.+-]*\.so(\.\d+)*|/etc/ld\.so\.(cache|preload)")
START = {"/proc/self/maps", "/sys/devices/system/cpu/possible"}
# What compressed members are unpacked into.
SCRATCH = re.compile(r"\.weighbridge-\w+")
# At any time: how many processors and how much memory there are.
ANY_TIME = {"/sys/devices/system/cpu/online", "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max"}


def check(report):
    report.row("hostile files, inspected under strace", lambda: every("inspect"))
    report.row("hostile files, converted under strace", lambda: every("convert"))


def every(what):
    if not shutil.which("strace"):
        raise Skipped("there is no strace (Debian's package strace)")
    if subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode:
        raise Skipped("strace may not trace here")
    expect(len(FILES) > 40, f"only {len(FILES)} files")
    threads, codes, others = 0, [], set()
    for file in FILES:
        with workdir() as work:
            out = work / "out"
            arguments = ["inspect", file, "--digests"] if what == "inspect" else ["convert", file, out, "--to", "safetensors", "--quiet"]
            done = run(*arguments, before=["strace", "-f", "-qq", "-y", "-s", "4096", "-o", work / "trace", "-e", f"trace={CALLS}"])
            expect(done.returncode in (0, 2), f"{file.name}: exit code {done.returncode}")
            found = judged((work / "trace").read_text(), file, [out, work / ".out.partial"] if what == "convert" else [], work)
            expect(not isinstance(found, str), f"{file.name}: {found}")
            threads, codes, others = threads + found[0], [*codes, done.returncode], others | found[1]
    return f"{len(FILES)} files, {codes.count(2)} refused; {threads} threads, no process, no socket; other files: {', '.join(sorted(others))}"


def judged(trace, file, destinations, work):
    """The number of threads and the files opened beside the named one and libraries; or what is wrong, as text."""
    calls = [line for line in (re.sub(r"^\d+ +", "", line) for line in trace.splitlines()) if not line.startswith(("+++", "---", "<...", "???("))]
    if not calls or not calls[0].startswith("execve("):
        return f"not a trace: {calls[:1]}"
    threads, others, is_open = 0, set(), False
    for line in calls[1:]:
        call = line.partition("(")[0]
        if call in ("exit", "exit_group"):
            continue
        if call in ("clone", "clone3") and "CLONE_THREAD" in line:
            threads += 1
        elif call in ("open", "openat", "openat2", "creat"):
            path = re.search(r'"([^"]*)"', line)[1]
            if path == str(file):
                if "O_RDONLY" not in line:
                    return f"the named file is opened for writing: {line}"
                is_open = True
            elif any(path == str(place) or path.startswith(f"{place}/") for place in destinations):
                continue
            elif os.path.dirname(path) in ("/tmp", "/var/tmp", tempfile.gettempdir(), str(work)) and SCRATCH.fullmatch(os.path.basename(path)) and "O_CREAT|O_EXCL" in line:
                continue  # what a compressed member is unpacked into
            elif destinations and path == str(work) and "O_DIRECTORY" in line:
                continue  # to sync the name
            elif path in ANY_TIME or path in START and not is_open:
                others.add(path)
            elif not (LOADER.fullmatch(path) and "O_RDONLY" in line and not is_open):
                return f"another file is opened{' after the named one' if is_open else ''}: {line}"
        else:
            return f"a call that shouldn't be: {line}"
    return (threads, others) if is_open else "the named file is never opened"
