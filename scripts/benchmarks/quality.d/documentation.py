"""The text that the models of `quality` learn and are measured on: Python's documentation, as Debian's package python3.11-doc has it.

The package holds the sources of every page (reStructuredText, 11 MB). Every sixteenth page, in the order of their names, is held out:
half of these are for calibration (importances, second moments), half for measuring. No model has seen either.
"""
import hashlib
import pathlib
import subprocess

PACKAGE = "python3.11-doc"
HELD_OUT = 16


def unpacked(work):
    """The folder of sources, from the system's package manager; nothing is installed."""
    folder = work / PACKAGE
    if not folder.exists():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=work, check=True)
        archive = next(work.glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True)
    return folder


def pages(folder):
    """All pages below a folder, sorted by their paths."""
    found = sorted((p for p in pathlib.Path(folder).rglob("*.rst.txt")), key=lambda p: p.relative_to(folder).as_posix())
    if len(found) < 100:
        raise SystemExit(f"{folder}: {len(found)} pages (*.rst.txt), expected some hundred: give the folder of {PACKAGE}'s files by --documentation")
    return found


def parts(folder):
    """{"train", "calibration", "held-out": bytes}"""
    out = {"train": b"", "calibration": b"", "held-out": b""}
    for k, page in enumerate(pages(folder)):
        part = "train" if k % HELD_OUT else "calibration" if k // HELD_OUT % 2 else "held-out"
        out[part] += page.read_bytes() + b"\n"
    return out


def windows(data, count, length):
    """`count` pieces of `length` ASCII characters, spread over a text, one after the other: cut into windows they are these again."""
    pieces = []
    for k in range(count):
        start = (len(data) - length) * k // count
        while not (piece := data[start:start + length]).isascii():
            start += 1
        pieces.append(piece)
    return b"".join(pieces)


def digests(texts):
    """How long the parts are, and their SHA-256."""
    return {name: {"byte_count": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in texts.items()}
