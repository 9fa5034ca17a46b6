"""Runs the examples of the documentation, and compares what they print.

An example is a fenced block of `console`: lines that begin with `$ ` are commands for bash, which `\\` at the end continues;
the others are what a command prints on both outputs. `...` alone on a line stands for any lines, `…` for any characters of one.
Where a command fails, the page shows the line that says so (`FAILURES`).
The examples of a page run in its order in one folder, where the checkpoints that they name are (`NAMES`).
`<!-- not run: REASON -->` before a block leaves it out, which is counted and said; `<!-- before: COMMAND -->` runs what readers needn't see,
and must print nothing.
"""
import concurrent.futures
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import executable

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"

# What the documentation calls the checkpoints of fixtures/.
NAMES = {
    "gpt-j-6b": "huggingface/gptj",
    "llama": "huggingface/llama",
    "llama-lora": "comparison/llama_lora",
    "gpt2": "huggingface/gpt2",
    "mixtral": "huggingface/mixtral",
    "mixtral-stacked": "huggingface/mixtral_stacked",
    "gptjt": "pytorch/gptjt_prefix",
    "gpt-j-6b-torch": "pytorch/gptj",
    "gpt-j-flax": "foreign/gptj_flax",
    "mistral.Q4_0.gguf": "gguf/mistral_window.Q4_0.gguf",
    "step_383500_slim.tar.zstd": "mesh-transformer/s8_trained_slim/step.tar.zstd",
    "6B.json": "mesh-transformer/s8_trained_slim/config.json",
    "bad_global_os_getcwd.bin": "bad/torchbin/bad_global_os_getcwd.bin",
    "tokens.npy": "huggingface/llama/tokens.npy",
}
# Recorded results of fixtures, which no checkpoint has.
LEFT_OUT = shutil.ignore_patterns("*.npy")

# Figures that depend on the machine: left out on both sides.
MACHINE = [
    (re.compile(r"[\d.,]+ [kMGT]?B free on disk"), "N free on disk"),
    (re.compile(r"up to [\d.,]+ [kMGT]?B of memory, \d+ threads?"), "up to N of memory"),
    (re.compile(r"[\d.,]+ tokens/s"), "N tokens/s"),
    (re.compile(r"\bin [\d.,]+ s\b"), "in N s"),
]
# Lines of what models compute: the last digits depend on the processor's instructions and on the library of matrix products.
COMPUTED = re.compile(r"KL divergence|EXCEEDED: the mean KL|logits: max|mean negative log-likelihood|\s+\d+ +[\d.e-]+$|\d+ +-?\d+\.\d+ +\d\.\d+")
FIGURE = re.compile(r"[+-]?\d+\.\d+(e[+-]?\d+)?|[+-]?\d+e[+-]?\d+")
TIMEOUT = 60
# How lines begin that tell a reader of a page that a command fails.
FAILURES = ("error:", "FAILED", "EXCEEDED", "different", "equal ", "exit code ")


class Example:
    """A command of a page: from line `first` (counted from 0), with what is printed in `lines[start:end]`."""

    def __init__(self, command, first, start, reason):
        self.command, self.first, self.start, self.end, self.reason = command, first, start, start, reason


def parse(lines):
    """The examples of a page, and the numbers of lines where something only looks like one."""
    found, wrong, reason = [], [], None
    fence, current = None, None
    continued = False
    for number, line in enumerate(lines):
        if fence is None:
            mark = re.match(r"<!-- not run: (.+?) -->$", line)
            hidden = re.match(r"<!-- before: (.+) -->$", line)
            opening = re.match(r"```(\w*)", line.lstrip())
            if hidden:
                found.append(Example(hidden[1], number, number + 1, None))
            elif mark:
                reason = mark[1]
            elif opening:
                fence, current, continued = opening[1], None, False
            else:
                if re.match(r"(    |\t)\$ ", line):
                    wrong.append(number)
                reason = reason if not line.strip() else None
        elif line.strip() == "```":
            if fence == "console":
                reason = None
            fence = None
        elif fence != "console":
            if fence in ("sh", "bash", "shell") or line.startswith("$ "):
                wrong.append(number)
        elif continued:
            current.command += "\n" + line
            current.start = current.end = number + 1
            continued = line.endswith("\\")
        elif line.startswith("$ "):
            current = Example(line[2:], number, number + 1, reason)
            found.append(current)
            continued = line.endswith("\\")
        elif current is None:
            wrong.append(number)
        else:
            current.end = number + 1
    return found, wrong


def check(package, pages):
    """Runs the examples of all pages, and prints how many there were.

    - Returns: a line for each that prints something else.
    """
    problems, passed, skipped = [], 0, []
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for page, (wrong, outcomes) in zip(pages, pool.map(lambda page: run(page), pages)):
            name, lines = page.relative_to(package), page.read_text(encoding="utf-8").split("\n")
            problems += [f"{name}:{number + 1}: not an example that runs; write it as ```console and `$ `" for number in wrong]
            for example, printed in outcomes:
                if printed is None:
                    skipped.append(f"{name}:{example.first + 1}: {example.reason}")
                    continue
                expected = lines[example.start:example.end]
                if matches(expected, printed):
                    passed += 1
                else:
                    problems.append(f"{name}:{example.first + 1}: $ {example.command}\n" + difference(expected, printed))
    for line in skipped:
        print(f"not run {line}")
    print(f"{passed} examples print what the pages say, {len(skipped)} are not run")
    return problems


def run(page):
    """Runs a page's examples in a folder of their own."""
    found, wrong = parse(page.read_text(encoding="utf-8").split("\n"))
    outcomes = []
    if not any(example.reason is None for example in found):
        return wrong, [(example, None) for example in found]
    with tempfile.TemporaryDirectory(prefix="weighbridge-docs-") as folder:
        work = pathlib.Path(folder, "work")
        (work / ".bin").mkdir(parents=True)
        (work / ".bin" / "weighbridge").symlink_to(executable.PATH)
        copy(work, [name for name in NAMES if any(names(example.command, name) for example in found)])
        environment = {"PATH": f"{work / '.bin'}:{os.environ['PATH']}", "HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8",
                       "NO_COLOR": "1", "COLUMNS": "80"}
        for example in found:
            outcomes.append((example, None if example.reason else printed(example.command, work, environment)))
    return wrong, outcomes


def names(command, name):
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", command)


def copy(folder, chosen):
    """Puts checkpoints into a folder, under the names that the documentation has for them."""
    for name in chosen:
        source = FIXTURES / NAMES[name]
        shutil.copytree(source, folder / name, ignore=LEFT_OUT) if source.is_dir() else shutil.copy(source, folder / name)


def printed(command, folder, environment):
    try:
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return [f"(stopped after {TIMEOUT} seconds)"]
    text = done.stdout.decode("utf-8", "replace").replace(str(folder), "/…")
    lines = [line.rstrip() for line in text.splitlines()]
    return lines + [f"exit code {done.returncode}"] if done.returncode and not any(line.startswith(FAILURES) for line in lines) else lines


def matches(expected, lines):
    """Whether lines are what is expected, with `...` for any lines but those that tell of a failure."""
    if any(line.startswith(FAILURES) for line in lines) and not any(line.startswith(FAILURES) for line in expected):
        return False
    text = "\n".join(steady(line) for line in lines) + "\n"
    pattern = ""
    for line in trimmed(expected):
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in steady(line).split("…")) + r"\n"
    return re.fullmatch(pattern or r"\n", text) is not None


def steady(line):
    if COMPUTED.match(line):
        return FIGURE.sub("N", line)
    for pattern, words in MACHINE:
        line = pattern.sub(words, line)
    return line


def trimmed(lines):
    """Lines without the empty ones at the end, which part a block's examples."""
    lines = [line.rstrip() for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def difference(expected, printed):
    return "\n".join(["  expected:", *(f"    {line}" for line in trimmed(expected)), "  printed:", *(f"    {line}" for line in printed)])


def record(page):
    """Writes what a page's examples print into it, where that isn't what stands there. `...` stays where it was.

    - Returns: a line for each place that isn't an example.
    """
    lines = page.read_text(encoding="utf-8").split("\n")
    wrong, outcomes = run(page)
    for example, printed in reversed(outcomes):
        expected = lines[example.start:example.end]
        if printed is not None and not matches(expected, printed):
            blank = expected[len(trimmed(expected)):]
            lines[example.start:example.end] = shortened(trimmed(expected), printed) + blank
    page.write_text("\n".join(lines), encoding="utf-8")
    return [f"{page.name}:{number + 1}: not an example" for number in wrong]


def shortened(expected, printed):
    """What is printed, with `...` where the page has it: between the lines that are most like those around it."""
    if "..." not in expected:
        return printed
    result, place, skipping = [], 0, False
    for line in expected:
        if line == "...":
            skipping = True
            continue
        like = max(range(place, len(printed)), key=lambda index: likeness(line, printed[index]), default=None)
        if like is None or likeness(line, printed[like]) < 0.5:
            continue
        result += (["..."] if skipping and like > place else [] if skipping else printed[place:like]) + [printed[like]]
        place, skipping = like + 1, False
    return result + (["..."] if skipping and place < len(printed) else [] if skipping else printed[place:])


def likeness(line, other):
    """How alike two lines are, from 0 to 1; the beginning of a line is like all of it."""
    if line and other.startswith(line):
        return 1
    return difflib.SequenceMatcher(None, line, other).ratio()
