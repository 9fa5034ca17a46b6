"""The checkpoint's root by four lines of Python, and names that make sorting and escaping matter."""
import hashlib

import numpy as np

from harness import HUGGING_FACE, MESH, certificate, convert, document, expect, workdir
from stored import digest, read_checkpoint, write_safetensors

NAMES = [
    "plain", "back\\slash", "line\nfeed", "carriage\rreturn", "back\\nslash", " ", "a.b", "a-b", "a/b", "A", "ä", "é", "e\u0301",
    "\ufffd", "\uff5e", "\U00010000", "\U0001f69b", "tab\there", "w.10", "w.2", "\u2028", "\ufb01", "fi",
]


def root_of(tensors):
    escaped = lambda name: name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    lines = [f"{digest(array)[7:]}  {dtype}  [{','.join(map(str, array.shape))}]  {escaped(name)}\n"
             for name, (dtype, array) in sorted(tensors.items(), key=lambda item: item[0].encode())]
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def check(report):
    for case in HUGGING_FACE + MESH:
        with workdir() as work:
            source = case if case in HUGGING_FACE else case / "step.tar.zstd"
            configuration = [] if case in HUGGING_FACE else ["--config", case / "config.json"]
            for dtype in ("keep", "bf16"):
                def body():
                    convert(source, work / dtype, "--dtype", dtype, "--max-shard-size", "200KB", *configuration)
                    return compare(work / dtype, work / dtype)
                report.row(f"{case.name} as {dtype}", body)
    with workdir() as work:
        random = np.random.default_rng(1)
        tensors = {name: ("U8", random.integers(0, 256, (i % 3, 2), dtype="u1")) for i, name in enumerate(NAMES)}
        (work / "in").mkdir()
        write_safetensors(work / "in/model.safetensors", tensors)
        report.row("names: inspect", lambda: compare(work / "in", None))
        def body():
            convert(work / "in", work / "out")
            expect(set(read_checkpoint(work / "out")) == set(tensors), "the converted file has other names")
            return compare(work / "out", work / "out")
        report.row("names: converted", body)


def compare(directory, certified):
    expected = root_of(read_checkpoint(directory))
    found = document("inspect", directory, "--digests")["root"]
    expect(found == expected, f"inspect says {found}, expected {expected}")
    if certified:
        found = certificate(certified)["root"]
        expect(found == expected, f"the certificate says {found}, expected {expected}")
    return expected[:19] + "…"
