"""Signatures beside those of model_signing: each side verifies what the other signed, and refuses what was changed."""
import base64
import json
import random
import shutil
import subprocess

from harness import FIXTURES, HUGGING_FACE, Failure, Skipped, expect, run, workdir

CASES = FIXTURES / "signing"
CURVES = {"P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1"}
# Decided otherwise on purpose: what model_signing's command lets through, or refuses though its specification doesn't.
OTHERWISE = {
    "signatures/dup-names.sig": "a name twice",
    "scratch/duplicate-first-wrong.sig": "a name twice",
    "scratch/ignored-weights.sig": "weights under signed ignore_paths",
    "vectors/releases/v0.2.0-certificate/model.sig": "version 0.2, whose encoding was wrong",
    "scratch/minor-version.sig": "a minor version more, which a verifier of v1 accepts",
}


def check(report):
    try:
        import model_signing  # noqa: F401
    except ImportError as error:
        reason = str(error)
        return report.row("model_signing", lambda: skipped(reason))
    with workdir() as work:
        for name, curve in CURVES.items():
            report.row(f"keys on {name}, SEC 1 and PKCS#8", lambda: keys(work, curve))
        report.row("certificates with EC keys", lambda: certificates(work / "ec", "ec", "digitalSignature", "secp384r1"))
        report.row("certificates with RSA keys, code signing", lambda: certificates(work / "rsa", "rsa", "codeSigning", "secp521r1"))
        report.row("names of any kind, in any order", lambda: names(work))
        report.row("the cases of the fixtures", cases)


def skipped(reason):
    raise Skipped(reason)


def peer(*arguments):
    """Runs model_signing's command, in this process: to load it takes longer than all that it does."""
    from click.testing import CliRunner
    from model_signing._cli import main

    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return subprocess.CompletedProcess(arguments, done.exit_code, done.output, done.output)


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def model(work, name):
    """A checkpoint with files that components and code points sort differently."""
    folder = work / name
    shutil.copytree(HUGGING_FACE[0], folder)
    for extra in ("a/b.txt", "a.txt", "Ünï.txt", "empty.txt"):
        (folder / extra).parent.mkdir(exist_ok=True)
        (folder / extra).write_text("" if extra == "empty.txt" else extra)
    return folder


def both(folder, ours, theirs, trust, peer_method, peer_trust):
    """Both signatures before both verifiers: accepted as they are, refused after a change."""
    for signature in (ours, theirs):
        run("verify", folder, "--signature", signature, *trust, "--checks", "signature", check=0)
        done = peer("verify", peer_method, folder, "--signature", signature, *peer_trust)
        expect(done.returncode == 0, f"model_signing refuses {signature.name}: {(done.stderr or done.stdout)[-200:]}")
    for change in ("config.json", "a.txt"):
        content = (folder / change).read_bytes()
        (folder / change).write_bytes(content + b" ")
        for signature in (ours, theirs):
            run("verify", folder, "--signature", signature, *trust, "--checks", "signature", check=1)
            expect(peer("verify", peer_method, folder, "--signature", signature, *peer_trust).returncode == 1, f"model_signing accepts a changed {change}")
        (folder / change).write_bytes(content)


def keys(work, curve):
    private, pkcs8, public, folder = (work / f"{curve}{ending}" for ending in (".key", ".p8", ".pub", ""))
    openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", private)
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", private, "-out", pkcs8)
    openssl("ec", "-in", private, "-pubout", "-out", public)
    model(work, folder.name)
    for key in (private, pkcs8):
        ours, theirs = work / f"{key.name}.ours", work / f"{key.name}.theirs"
        run("sign", folder, "--private-key", key, "--signature", ours, check=0)
        done = peer("sign", "key", folder, "--signature", theirs, "--private_key", key)
        expect(done.returncode == 0, f"model_signing doesn't sign: {done.stderr[-200:]}")
        both(folder, ours, theirs, ("--public-key", public), "key", ("--public_key", public))
        expect(resources(ours) == resources(theirs), "other resources")
        expect(hint(ours) == hint(theirs), "another hint")
    return f"4 signatures of {len(resources(ours))} files, accepted by both sides, refused by both after 2 changes"


def payload(signature):
    return json.loads(base64.b64decode(json.loads(signature.read_text())["dsseEnvelope"]["payload"], validate=True))


def resources(signature):
    return {entry["name"]: entry["digest"] for entry in payload(signature)["predicate"]["resources"]}


def hint(signature):
    return json.loads(signature.read_text())["verificationMaterial"]["publicKey"]["hint"]


def chain(folder, root_type, usage, curve):
    """A root, an intermediate and a leaf."""
    folder.mkdir()
    for name, kind in (("root", root_type), ("int", root_type), ("leaf", "ec")):
        if kind == "rsa":
            openssl("genrsa", "-out", folder / f"{name}.key", "2048")
        else:
            openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", folder / f"{name}.key")
    openssl("req", "-x509", "-new", "-key", folder / "root.key", "-subj", "/CN=root", "-days", "60", "-out", folder / "root.pem",
            "-addext", "keyUsage=critical,keyCertSign", "-addext", "basicConstraints=critical,CA:TRUE")
    leaf = "extendedKeyUsage=codeSigning" if usage == "codeSigning" else f"keyUsage=critical,{usage}"
    for child, parent, extensions in (("int", "root", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"),
                                      ("leaf", "int", f"basicConstraints=critical,CA:FALSE\n{leaf}\n")):
        (folder / "extensions").write_text(extensions)
        openssl("req", "-new", "-key", folder / f"{child}.key", "-subj", f"/CN={child}", "-out", folder / f"{child}.csr")
        openssl("x509", "-req", "-in", folder / f"{child}.csr", "-CA", folder / f"{parent}.pem", "-CAkey", folder / f"{parent}.key",
                "-CAcreateserial", "-days", "30", "-extfile", folder / "extensions", "-out", folder / f"{child}.pem")
    (folder / "chain.pem").write_bytes((folder / "leaf.pem").read_bytes() + (folder / "int.pem").read_bytes())
    return folder


def certificates(work, root_type, usage, curve):
    own = chain(work, root_type, usage, curve)
    other = chain(work / "other", root_type, usage, curve)
    folder = model(work, "model")
    ours, theirs = work / "ours.sig", work / "theirs.sig"
    run("sign", folder, "--private-key", own / "leaf.key", "--certificate-chain", own / "chain.pem", "--signature", ours, check=0)
    done = peer("sign", "certificate", folder, "--signature", theirs, "--private_key", own / "leaf.key",
                "--signing_certificate", own / "leaf.pem", "--certificate_chain", own / "int.pem")
    expect(done.returncode == 0, f"model_signing doesn't sign: {done.stderr[-200:]}")
    both(folder, ours, theirs, ("--certificate-roots", own / "root.pem"), "certificate", ("--certificate_chain", own / "root.pem"))
    for wrong in (other / "root.pem", own / "int.pem"):
        for signature in (ours, theirs):
            run("verify", folder, "--signature", signature, "--certificate-roots", wrong, "--checks", "signature", check=1)
            expect(peer("verify", "certificate", folder, "--signature", signature, "--certificate_chain", wrong).returncode == 1, f"model_signing trusts {wrong.name}")
    return "accepted by both sides; another root, and the intermediate alone, refused by both"


def names(work):
    """Random names: both sides must see the same files, in whatever order."""
    randomness = random.Random(1)
    key, public = work / "names.key", work / "names.pub"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    openssl("ec", "-in", key, "-pubout", "-out", public)
    folder = work / "names"
    for _ in range(200):
        parts = ["".join(randomness.choices("ab.-_ é\u0301Ω漢𝄞~\"'\\%", k=randomness.randint(1, 6))) for _ in range(randomness.randint(1, 3))]
        path = folder.joinpath(*parts)
        if any(part in (".", "..") for part in parts) or path.is_dir():
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            continue
        path.write_bytes(randomness.randbytes(randomness.randint(0, 40)))
    ours, theirs = work / "names.ours", work / "names.theirs"
    run("sign", folder, "--private-key", key, "--signature", ours, check=0)
    done = peer("sign", "key", folder, "--signature", theirs, "--private_key", key)
    expect(done.returncode == 0, f"model_signing doesn't sign: {done.stderr[-200:]}")
    expect(resources(ours) == resources(theirs), "other resources")
    expect(list(resources(ours)) == sorted(resources(ours)), "not in the order of code points")
    for signature in (ours, theirs):
        run("verify", folder, "--signature", signature, "--public-key", public, "--checks", "signature", check=0)
        expect(peer("verify", "key", folder, "--signature", signature, "--public_key", public).returncode == 0, "model_signing refuses")
    return f"{len(resources(ours))} files"


def cases():
    """Every signature of the fixtures before both verifiers."""
    entries = json.loads((CASES / "cases.json").read_text())
    same, wrong, otherwise = 0, [], {}
    for entry in entries:
        if entry["verdict"] in ("unverified", "accept-or-say"):
            continue
        signature, folder, arguments = CASES / entry["signature"], CASES / entry["model"], entry.get("arguments", [])
        if "public_key" in entry:
            method, trust, peer_trust = "key", ("--public-key", CASES / entry["public_key"]), ("--public_key", CASES / entry["public_key"])
        else:
            method, trust, peer_trust = "certificate", ("--certificate-roots", CASES / entry["certificate_roots"]), ("--certificate_chain", CASES / entry["certificate_roots"])
        expected = 0 if entry["verdict"] == "accept" else 1
        found = run("verify", folder, "--signature", signature, *trust, *arguments, "--checks", "signature").returncode
        if found != expected:
            wrong.append(f"{entry['signature']} ({entry['why']}): exit {found}, expected {expected}")
        theirs = peer("verify", method, folder, "--signature", signature, *peer_trust, *(peer_argument(argument, folder) for argument in arguments)).returncode
        if theirs == expected:
            same += 1
        elif entry["signature"] in OTHERWISE:
            otherwise[entry["signature"]] = OTHERWISE[entry["signature"]]
        else:
            wrong.append(f"{entry['signature']} ({entry['why']}): model_signing exits {theirs}, and no reason is known")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(entries)}: {'; '.join(wrong[:3])}")
    return f"{same} alike; decided otherwise: {', '.join(sorted(set(otherwise.values())))}"


def peer_argument(argument, folder):
    """Our option as model_signing spells it, and paths as it wants them."""
    spelled = {"--ignore-path": "--ignore-paths", "--ignore-unsigned-files": "--ignore_unsigned_files"}
    return spelled.get(argument) or folder / argument
