"""What is made of a release's archive: the wheel and its module, SwiftPM's artifact bundle, Homebrew's formula."""
import base64
import csv
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import numpy as np

from harness import FIXTURES, HUGGING_FACE, PACKAGE, WEIGHBRIDGE, Skipped, expect, workdir
from store import convert_to_store, every_dtype

sys.path.insert(0, str(PACKAGE / "packaging/python"))
import weighbridge  # noqa: E402

SCRIPTS = PACKAGE / "scripts/packaging"


def check(report):
    with workdir() as work:
        tensors = every_dtype(work / "all.safetensors")
        for compression in ("zstd", "zstd:9", "none"):
            report.row(f"open_store, every dtype, {compression}", lambda: compare(work, tensors, compression))
        report.row("open_store: packed elements, a store of the first version", packed_elements)
        report.row("open_store: ml_dtypes", lambda: small_floats(work, tensors))
        report.row("open_store: damage, other folders, links", lambda: refused(work))
        report.row("the wheel", lambda: wheel(work))
        report.row("auditwheel agrees with the wheel's tag", lambda: audited(work))
        report.row("pip installs it", lambda: installed(work))
        report.row("SwiftPM runs the artifact bundle", lambda: bundle(work))
        report.row("Homebrew's formula", lambda: formula(work))
        report.row("the bill of materials", lambda: bill(work))


def archive(work):
    folder = work / "archives"
    if not folder.is_dir():
        done = subprocess.run([PACKAGE / "scripts/package", "--executable", WEIGHBRIDGE, folder], capture_output=True, text=True)
        expect(done.returncode == 0, done.stderr[-300:])
    return next(folder.glob("weighbridge-*.tar.gz"))


def made(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr[-300:])
    return done.stdout


def bits(array):
    return np.ascontiguousarray(array).reshape(-1).view("u1").tobytes()


def compare(work, tensors, compression):
    place = work / f"{compression.replace(':', '-')}.store"
    convert_to_store(work / "all.safetensors", place, "--compression", compression)
    with weighbridge.open_store(place, check=True, raw=True) as store:
        expect(set(store) == set(tensors) and len(store) == len(tensors), "other names")
        for name, (dtype, array) in tensors.items():
            found = store[name]
            expect((store.dtype(name), store.shape(name), found.shape) == (dtype, array.shape, array.shape), f"{name!r}: dtype or shape")
            expect(found.dtype == array.dtype and bits(found) == bits(array), f"{name!r} ({dtype}): other values")
    return f"{len(tensors)} tensors"


def packed_elements():
    with weighbridge.open_store(FIXTURES / "store/small.store", check=True) as store:
        packed = store["packed"]
        expect((packed.tobytes(), store.shape("packed"), store.dtype("packed")) == (b"\x12\x34\x56\x78", (2, 4), "F4"), f"F4: {packed}")
        expect(store["scalar"].shape == () and store["scalar"] == -7 and store["empty"].shape == (0, 3), "scalar or empty")
        return f"{len(store)} tensors"


def small_floats(work, tensors):
    """The same bits as elements of ml_dtypes, and without it as integers."""
    place = work / "none.store"
    script = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        if sys.argv[3] == "without":
            sys.modules["ml_dtypes"] = None
        import weighbridge
        with weighbridge.open_store(sys.argv[2]) as store:
            print(*(f"{store.dtype(name)}={store[name].dtype}" for name in ("t.BF16", "t.F8_E4M3", "t.F8_E5M2", "t.F16", "t.BOOL")))
    """

    def said(how):
        return made(sys.executable, "-c", script, PACKAGE / "packaging/python", place, how).split()

    expect(said("without") == ["BF16=uint16", "F8_E4M3=uint8", "F8_E5M2=uint8", "F16=float16", "BOOL=bool"], said("without"))
    try:
        import ml_dtypes
    except ImportError:
        raise Skipped("no ml_dtypes")
    expect(said("with") == ["BF16=bfloat16", "F8_E4M3=float8_e4m3fn", "F8_E5M2=float8_e5m2", "F16=float16", "BOOL=bool"], said("with"))
    with weighbridge.open_store(place) as store:
        values = store["large"].astype("f4")
        expect(store["large"].dtype == ml_dtypes.bfloat16 and np.array_equal(values, (tensors["large"][1].astype("u4") << 16).view("f4")), "BF16's values")
    return f"ml_dtypes {ml_dtypes.__version__}"


def refused(work):
    def error(place, **options):
        try:
            with weighbridge.open_store(place, **options) as store:
                for name in store:
                    store[name]
        except weighbridge.StoreError as error:
            return str(error)
        return ""

    def copy(name):
        shutil.rmtree(work / name, ignore_errors=True)
        return pathlib.Path(shutil.copytree(work / "none.store", work / name))

    damaged = copy("damaged.store")
    with open(damaged / "weights-00001.h5", "r+b") as file:
        file.seek(-5000, os.SEEK_END)
        byte = file.read(1)
        file.seek(-5000, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    expect("is not what was stored" in error(damaged, check=True), "a flipped bit passes")
    for name, edit in (
        ("later", lambda manifest: manifest | {"schema": "store/v2"}),
        ("difference", lambda manifest: manifest | {"base": {}}),
        ("elsewhere", lambda manifest: manifest | {"tensors": [manifest["tensors"][0] | {"volume": "../none.store/weights-00001.h5"}]}),
        ("other shape", lambda manifest: manifest | {"tensors": [entry | {"shape": [1, *entry["shape"]]} for entry in manifest["tensors"]]}),
    ):
        place = copy(f"{name}.store")
        manifest = json.loads((place / "store.json").read_text())
        (place / "store.json").write_text(json.dumps(edit(manifest)))
        expect(error(place), f"{name}: no error")
    linked = copy("linked.store")
    # The file of links, as a volume: each leads to another file.
    (linked / "weights-00001.h5").write_bytes((linked / "weights.h5").read_bytes())
    expect("it is a link" in error(linked), "links are followed")
    (work / "empty.store").mkdir()
    expect("a store is a directory" in error(work / "empty.store"), "an empty folder")
    return "named in a StoreError"


def wheel(work):
    place = archive(work)
    first = pathlib.Path(made(SCRIPTS / "wheel", place, work).strip())
    content = first.read_bytes()
    made(SCRIPTS / "wheel", place, work)
    expect(first.read_bytes() == content, "packed twice, the bytes differ")
    with zipfile.ZipFile(first) as file:
        names = file.namelist()
        record = next(name for name in names if name.endswith(".dist-info/RECORD"))
        rows = {row[0]: row[1:] for row in csv.reader(file.read(record).decode().splitlines())}
        expect(set(rows) == set(names), "RECORD lists other files")
        for name in set(names) - {record}:
            data = file.read(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            expect(rows[name] == [f"sha256={digest}", str(len(data))], f"RECORD: {name}")
        metadata = file.read(record.replace("RECORD", "METADATA")).decode()
        for line in metadata.split("\n\n")[0].splitlines():
            if line.startswith("License-File: "):
                expect(record.replace("RECORD", f"licenses/{line[14:]}") in names, line)
    return f"{first.name}, {len(names)} files, {len(content) / 1e6:.1f} MB"


def audited(work):
    """Which systems the wheel runs on, as the symbols say that its executable asks of glibc."""
    if sys.platform != "linux":
        raise Skipped("only Linux has manylinux tags")
    file = next(work.glob("weighbridge-*.whl"))
    try:
        import auditwheel  # noqa: F401
    except ImportError as error:
        raise Skipped(str(error))
    tag = file.stem.split("-")[-1]
    said = " ".join(made(sys.executable, "-m", "auditwheel", "show", file).split())
    expect(f'consistent with the following platform tag: "{tag}"' in said, said[:300])
    return tag


def installed(work):
    file = next(work.glob("weighbridge-*.whl"))
    environment = work / "environment"
    made(sys.executable, "-m", "venv", environment)
    made(environment / "bin/pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", file)
    version = made(WEIGHBRIDGE, "--version")
    expect(made(environment / "bin/weighbridge", "--version") == version, "the script")
    expect(made(environment / "bin/python", "-m", "weighbridge", "--version") == version, "python -m weighbridge")
    done = subprocess.run([environment / "bin/python", "-m", "weighbridge", "verify", work / "nothing"], capture_output=True, text=True)
    expect(done.returncode == 2, f"exit code {done.returncode} through python -m")
    done = subprocess.run([environment / "bin/python", "-c", "import weighbridge; weighbridge.open_store('x')"], capture_output=True, text=True)
    expect("pip install 'weighbridge[store]'" in done.stderr, done.stderr[-300:])
    expect((environment / "share/man/man1/weighbridge.1").is_file(), "no man page")
    path = f"{environment / 'bin'}:{os.environ['PATH']}"
    hook = subprocess.run(["weighbridge-pre-commit", HUGGING_FACE[0] / "model.safetensors"], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    expect(hook.returncode == 0, hook.stdout[-300:])
    made(environment / "bin/pip", "uninstall", "--quiet", "--yes", "--disable-pip-version-check", "weighbridge")
    expect(not list(environment.rglob("*weighbridge*")), "something is left after uninstalling")
    return version.strip()


def bundle(work):
    if not shutil.which("swift"):
        raise Skipped("no swift on the PATH")
    package = shutil.copytree(PACKAGE / "packaging/artifact-bundle", work / "plugin", ignore=shutil.ignore_patterns(".build", "*.artifactbundle"))
    place = pathlib.Path(made(SCRIPTS / "artifact-bundle", work, archive(work)).strip())
    content = place.read_bytes()
    made(SCRIPTS / "artifact-bundle", work, archive(work))
    expect(place.read_bytes() == content, "packed twice, the bytes differ")
    made(sys.executable, "-c", UNZIP, place, package)
    command = ["swift", "package", "--package-path", package, "verify-checkpoints"]
    good = subprocess.run([*command, HUGGING_FACE[0]], capture_output=True, text=True)
    expect(good.returncode == 0 and "structure" in good.stdout, (good.stdout + good.stderr)[-300:])
    bad = subprocess.run([*command, work / "nothing"], capture_output=True, text=True)
    expect(bad.returncode != 0 and "doesn't pass" in bad.stderr, (bad.stdout + bad.stderr)[-300:])
    return f"{place.name}, {len(content) / 1e6:.1f} MB"


# As SwiftPM unpacks: zipfile itself forgets which files may be run.
UNZIP = """if True:
    import os, sys, zipfile
    with zipfile.ZipFile(sys.argv[1]) as file:
        for entry in file.infolist():
            os.chmod(file.extract(entry, sys.argv[2]), entry.external_attr >> 16)
"""


def formula(work):
    url = "https://example.org/OWNER/weighbridge/releases/download/v0"
    text = made(SCRIPTS / "homebrew-formula", url, archive(work))
    digest = hashlib.sha256(archive(work).read_bytes()).hexdigest()
    expect(f'url "{url}/{archive(work).name}"\n      sha256 "{digest}"' in text and "@" not in text, text[:500])
    if not shutil.which("ruby"):
        return "no ruby to read it"
    (work / "weighbridge.rb").write_text(text)
    return made("ruby", "-c", work / "weighbridge.rb").strip()


def bill(work):
    import tarfile

    with tarfile.open(archive(work)) as tar:
        entry = next(entry for entry in tar if entry.name.endswith(".cdx.json"))
        contents = json.load(tar.extractfile(entry))
        executable = tar.extractfile(next(entry for entry in tar if entry.name.endswith("/bin/weighbridge"))).read()
        licences = [pathlib.PurePath(entry.name).name for entry in tar if "/licences/" in entry.name]
    expect((contents["bomFormat"], contents["specVersion"]) == ("CycloneDX", "1.6"), "its format")
    expect(contents["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(executable).hexdigest(), "another executable's digest")
    references = [each["bom-ref"] for each in [contents["metadata"]["component"], *contents["components"]]]
    expect(len(set(references)) == len(references), "two components with one name")
    expect({each["ref"] for each in contents["dependencies"]} == set(references), "dependencies of something else")
    names = {each["name"] for each in contents["components"]}
    wanted = {"HDF5", "Zstandard", "zlib", "BoringSSL", "ICU"} | {pin["identity"] for pin in json.loads((PACKAGE / "Package.resolved").read_text())["pins"]}
    expect(wanted <= names, f"not in it: {wanted - names}")
    return f"{len(names)} components, {len(licences)} licences"
