"""What pipelines take: the archive of a release, its man page, and the files for GitHub, GitLab and pre-commit.

They run here as their machines run them: the steps of action.yml with a runner's environment, GitLab's lines under bash with the
options of its runner, the hook with the names of changed files."""
import contextlib
import functools
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import threading

from harness import HUGGING_FACE, PACKAGE, WEIGHBRIDGE, Skipped, complaint, expect, run, workdir

# A step's `run` mustn't have any: what an input says would be read as shell.
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
# Names that somebody could choose to give the runner a command, or the shell one.
NAMES = ["a b", "$(touch owned)", "`touch owned`", "'; touch owned; '", "\n::add-mask::x", "##[error]x", "-v", "--help", "Ünï"]


def check(report):
    with workdir() as work:
        archive = work / "archives"
        report.row("the archive: the same bytes twice, checksums, what is in it", lambda: packed(archive))
        report.row("the man page against the commands' help", lambda: manual(work))
        report.row("action.yml: a step passes, fails and says where its SARIF is", lambda: action(work, archive))
        report.row("action.yml: names are data", lambda: hostile_names(work, archive))
        report.row("action.yml: an archive with another checksum isn't unpacked", lambda: refused(work, archive))
        report.row("action.yml: the release is fetched from the runner's server", lambda: fetched(work, archive))
        report.row("GitLab's job", lambda: gitlab(work, archive))
        report.row("pre-commit's hook on changed files", lambda: hook(work, archive))
        report.row("pre-commit itself", lambda: pre_commit(work, archive))
        report.row("shellcheck", shellcheck)


def package(destination):
    done = subprocess.run([PACKAGE / "scripts/package", "--executable", WEIGHBRIDGE, destination], capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr[-300:])
    return pathlib.Path(done.stdout.strip())


def made(archives):
    return next(archives.glob("weighbridge-*.tar.gz"))


def packed(archives):
    first = package(archives).read_bytes()
    archive = package(archives)
    expect(archive.read_bytes() == first, "packed twice, the bytes differ")
    sums = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=archives, capture_output=True, text=True)
    expect(sums.returncode == 0 and sums.stdout.startswith(archive.name), sums.stderr)
    with tarfile.open(archive) as tar:
        entries = tar.getmembers()
    names = [entry.name.split("/", 1)[1] for entry in entries if entry.isfile()]
    wanted = [
        "bin/weighbridge", "share/man/man1/weighbridge.1", "share/bash-completion/completions/weighbridge", "share/zsh/site-functions/_weighbridge",
        "share/fish/vendor_completions.d/weighbridge.fish", "share/doc/weighbridge/LICENSE", "share/doc/weighbridge/README.md",
        *(f"share/weighbridge/schemas/{path.name}" for path in (PACKAGE / "schemas").glob("*.json")),
    ]
    missing = set(wanted) - set(names)
    expect(not missing, f"not in the archive: {missing}")
    expect({(entry.uid, entry.gid, entry.uname, entry.gname, entry.isfile() or entry.isdir()) for entry in entries} == {(0, 0, "", "", True)}, "owners or kinds")
    expect([entry.name for entry in entries if entry.isfile() and entry.mode & 0o111] == [f"{entries[0].name}/bin/weighbridge"], "what may be run")
    return f"{len(names)} files, {len(first) / 1e6:.1f} MB"


def manual(work):
    page = work / "weighbridge.1"
    page.write_bytes(subprocess.run([PACKAGE / "scripts/packaging/manual", WEIGHBRIDGE], check=True, capture_output=True).stdout)
    plain = re.sub(r"\\f[BRI]|\\&", "", page.read_text()).replace("\\-", "-").replace("\\e", "\\")
    commands = re.findall(r"^  (\w+)  +\S", run("--help", check=0).stdout.split("SUBCOMMANDS:")[1], re.M)
    options = 0
    for command in commands:
        section = plain.split(f"\n.SS weighbridge {command}\n")
        expect(len(section) == 2, f"no section on {command}")
        section = section[1].split("\n.SS ")[0].split("\n.SH ")[0] + plain.split("\n.SH COMMON OPTIONS\n")[1].split("\n.SH ")[0]
        for option in re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", run(command, "--help", check=0).stdout, re.M):
            expect(re.search(rf"^\S*(-\w, )?{option}( |$)", section, re.M), f"{command} {option} isn't described")
            options += 1
    for title in ("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "EXIT STATUS", "FILES", "ENVIRONMENT"):
        expect(f"\n.SH {title}\n" in plain, f"no section {title}")
    lint = "no mandoc"
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
        expect(done.returncode == 0, done.stdout[:300])
        lint = "mandoc has no warning"
    return f"{len(commands)} commands, {options} options; {lint}"


class Runner:
    """As much of GitHub's runner as the steps of a composite action see."""

    def __init__(self, work, name="runner", **environment):
        self.folder = work / name
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "temp").mkdir(parents=True)
        self.workspace = self.folder / "workspace"
        self.workspace.mkdir()
        self.action_path, self.context = PACKAGE, {"github.action_repository": ""}
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "http://127.0.0.1:9",
            "RUNNER_OS": "Linux", "RUNNER_ARCH": {"aarch64": "ARM64"}.get(os.uname().machine, "X64"), "RUNNER_TEMP": str(self.folder / "temp"), **environment,
        }

    def value(self, expression):
        """`a || b` over contexts: the first that isn't empty."""
        return next((value for value in (self.context[term.strip()] for term in expression.split("||")) if value), "")

    def evaluated(self, text):
        return EXPRESSION.sub(lambda match: self.value(match[1]), text)

    def run(self, **inputs):
        """Runs the steps. The exit code, all that was printed, the outputs, the summary."""
        import yaml
        action = yaml.safe_load((self.action_path / "action.yml").read_text())
        given = {name.replace("_", "-"): str(value) for name, value in inputs.items()}
        expect(not set(given) - set(action["inputs"]), "an input that isn't there")
        for name, entry in action["inputs"].items():
            expect(isinstance(entry.get("default", ""), str), f"the default of {name} isn't a string")
            self.context[f"inputs.{name}"] = given.get(name, entry.get("default", ""))
        printed, code, summary = "", 0, self.folder / "summary.md"
        for step in action["runs"]["steps"]:
            expect(not EXPRESSION.search(step["run"]), f"an expression in the shell of {step['id']}")
            script, output = self.folder / "step.sh", self.folder / "output"
            script.write_text(step["run"])
            output.write_text("")
            environment = self.environment | {name: self.evaluated(value) for name, value in step["env"].items()}
            environment |= {"GITHUB_ACTION_PATH": str(self.action_path), "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)], cwd=self.workspace, env=environment,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
            for line in output.read_text().splitlines():
                key, _, value = line.partition("=")
                self.context[f"steps.{step['id']}.outputs.{key}"] = value
            printed, code = printed + done.stdout + done.stderr, done.returncode
            if code:
                break
        for name in re.findall(r"steps\.\w+\.outputs\.[\w-]+", json.dumps(action["outputs"])):
            self.context.setdefault(name, "")
        outputs = {name: self.evaluated(entry["value"]) for name, entry in action["outputs"].items()}
        return code, printed, outputs, summary.read_text() if summary.exists() else ""


def checkpoints(folder):
    """A good checkpoint, and one whose file ends too early."""
    shutil.copytree(HUGGING_FACE[1], folder / "good")
    shutil.copytree(HUGGING_FACE[1], folder / "bad")
    weights = folder / "bad/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-16])


def results(path):
    return json.loads(pathlib.Path(path).read_text())["runs"][0]["results"]


def action(work, archives):
    runner = Runner(work)
    checkpoints(runner.workspace)
    code, printed, outputs, summary = runner.run(path="good", archive=made(archives))
    expect(code == 0, printed[-400:])
    expect(not [each for each in results(outputs["sarif-file"]) if each["level"] == "error"], "errors in a good one")
    expect("good" in summary, "no summary")
    runner.context.clear()
    runner.context["github.action_repository"] = ""
    code, printed, outputs, summary = runner.run(path="bad", archive=made(archives), checks="structure", arguments="--memory=500MB\n--quiet\n")
    expect(code == 1, f"exit code {code}: {printed[-400:]}")
    expect(re.search(r"^::error file=bad/model\.safetensors,", printed, re.M), "no annotation")
    expect([each for each in results(outputs["sarif-file"]) if each["level"] == "error"], "no error in the SARIF file")
    code, printed, outputs, summary = runner.run(path="good", archive=made(archives), checks="nonsense")
    expect(code == 2, f"exit code {code} for an unknown check")
    version = run("--version", check=0).stdout.splitlines()[0]
    expect(runner.context["inputs.version"] == version, f"action.yml installs {runner.context['inputs.version']}, this is {version}")
    return "exit codes 0, 1 and 2"


def commands_to_runner(printed):
    """What GitHub's runner would take for commands, but annotations of ours."""
    for line in printed.splitlines():
        if line.strip().startswith("::") and not re.match(r"::(error|warning|notice) ", line):
            yield line
        elif "##[" in line and not line.startswith("::"):
            yield line


def hostile_names(work, archives):
    runner = Runner(work)
    for name in NAMES:
        (runner.workspace / name).mkdir()
        (runner.workspace / name / "model.safetensors").write_text("no checkpoint")
        for inputs in ({"path": name}, {"path": name, "against": name, "config": name, "public_key": name, "checks": name, "arguments": name}, {"path": ".", "archive": name}, {"path": ".", "sha256": name}):
            code, printed, *_ = runner.run(**{"archive": made(archives)} | inputs)
            # --help among the arguments is somebody's own wish, and the only way to pass.
            expect(code in (1, 2) or inputs.get("arguments") == "--help", f"{name!r} passed: {printed[-300:]}")
            strange = list(commands_to_runner(printed))
            expect(not strange, f"{name!r} gives the runner {strange[:1]}")
    expect(not list(runner.folder.rglob("owned")), "a name ran as a command")
    return f"{len(NAMES)} names in four places"


def refused(work, archives):
    damaged = work / "damaged"
    shutil.copytree(archives, damaged)
    archive = made(damaged)
    archive.write_bytes(archive.read_bytes()[:-1])
    good = hashlib.sha256(made(archives).read_bytes()).hexdigest()
    for inputs in ({"archive": archive}, {"archive": archive, "sha256": good}, {"archive": made(archives), "sha256": "0" * 64}):
        runner = Runner(work)
        code, printed, *_ = runner.run(path=HUGGING_FACE[0], **inputs)
        expect(code == 2 and "isn't the one that was asked for" in printed, printed[-300:])
        expect(not list(runner.folder.rglob("bin/weighbridge")), "it was unpacked")
    code, printed, *_ = Runner(work).run(path=HUGGING_FACE[0], archive=made(archives), sha256=good.upper())
    expect(code == 0, printed[-300:])
    (damaged / "SHA256SUMS").unlink()
    code, printed, *_ = Runner(work).run(path=HUGGING_FACE[0], archive=archive)
    expect(code == 2 and "set 'sha256'" in printed, printed[-300:])
    return "by the list beside it and by the input"


@contextlib.contextmanager
def server(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def fetched(work, archives):
    version = run("--version", check=0).stdout.splitlines()[0]
    site = work / "site"
    shutil.copytree(archives, site / "some/where/releases/download" / f"v{version}")
    with server(site) as address:
        runner = Runner(work, GITHUB_SERVER_URL=address, no_proxy="127.0.0.1")
        runner.context["github.action_repository"] = "some/where"
        code, printed, *_ = runner.run(path=HUGGING_FACE[0])
        expect(code == 0, printed[-300:])
        # Where the runner doesn't say whose action it is, the folder does that it fetched the action to.
        runner = Runner(work, "other", GITHUB_SERVER_URL=address, no_proxy="127.0.0.1")
        runner.action_path = runner.folder / "_actions/some/where/v1"
        (runner.action_path / "scripts").mkdir(parents=True)
        shutil.copy(PACKAGE / "action.yml", runner.action_path)
        shutil.copytree(PACKAGE / "scripts/pipelines", runner.action_path / "scripts/pipelines")
        code, printed, *_ = runner.run(path=HUGGING_FACE[0])
        expect(code == 0, printed[-300:])
        for inputs, words in (({"version": "9.9.9"}, "can't be fetched"), ({"version": "../x"}, "must be a number"), ({"repository": "a/b/c"}, "OWNER/NAME")):
            code, printed, *_ = Runner(work, GITHUB_SERVER_URL=address, no_proxy="127.0.0.1").run(path=HUGGING_FACE[0], **{"repository": "some/where"} | inputs)
            expect(code == 2 and words in printed, printed[-300:])
    code, printed, *_ = Runner(work).run(path=HUGGING_FACE[0])
    expect(code == 2 and "whose releases" in printed, printed[-300:])
    return "with the repository's name and without; other versions are missing"


def gitlab(work, archives):
    import yaml
    jobs = yaml.safe_load((PACKAGE / "scripts/pipelines/gitlab.yml").read_text())
    job = jobs[jobs["weighbridge-verify"]["extends"]]
    folder = work / "gitlab"
    folder.mkdir()
    checkpoints(folder)
    # The machine that runs this has curl; the job's own asks for it.
    tools = folder / "tools"
    tools.mkdir()
    (tools / "apt-get").write_text('#!/bin/sh\necho "$@" >>"$(dirname "$0")/asked"\n')
    (tools / "apt-get").chmod(0o755)
    archive = made(archives)
    sum = hashlib.sha256(archive.read_bytes()).hexdigest()

    def outcome(**variables):
        script = "set -eo pipefail\n" + "\n".join([*job["before_script"], *job["script"]])
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "no_proxy": "127.0.0.1", **variables}
        return subprocess.run(["bash"], input=script, cwd=folder, env=environment, capture_output=True, text=True)

    reports = [folder / job["artifacts"]["reports"][kind] for kind in ("codequality", "junit")]
    right = {"WEIGHBRIDGE_ARCHIVE": str(archive), "WEIGHBRIDGE_SHA256": sum}
    done = outcome(**right, WEIGHBRIDGE_CHECKPOINT="good")
    expect(done.returncode == 0 and all(path.exists() for path in reports), complaint(done))
    with server(archives) as address:
        done = outcome(**right | {"WEIGHBRIDGE_ARCHIVE": f"{address}/{archive.name}"}, WEIGHBRIDGE_CHECKPOINT="bad")
    expect(done.returncode == 1, complaint(done))
    issues = json.loads(reports[0].read_text())
    expect(issues and issues[0]["location"]["path"] == "bad/model.safetensors", str(issues)[:300])
    expect(re.search(r"^install .* ca-certificates curl$", (tools / "asked").read_text(), re.M), "another package than curl is asked for")
    for wrong in ({"WEIGHBRIDGE_SHA256": "0" * 64}, {"WEIGHBRIDGE_SHA256": ""}, {"WEIGHBRIDGE_ARCHIVE": ""}):
        done = outcome(**right | wrong, WEIGHBRIDGE_CHECKPOINT="good")
        expect(done.returncode != 0 and "structure" not in done.stdout, f"{wrong} passes")
    return "passes, fails, and stops at another checksum"


def repository(work, archives, name):
    """A Git repository with checkpoints, whose PATH has the command."""
    folder = work / name
    folder.mkdir()
    checkpoints(folder)
    installed = work / f"{name}-installed"
    installed.mkdir()
    subprocess.run(["tar", "-xzf", made(archives), "-C", installed, "--strip-components=1"], check=True)
    environment = {"PATH": f"{installed}/bin:{os.environ['PATH']}", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    for arguments in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return folder, environment


def hook(work, archives):
    import yaml
    (entry,) = yaml.safe_load((PACKAGE / ".pre-commit-hooks.yaml").read_text())
    folder, environment = repository(work, archives, "hook")
    run("convert", folder / "good", folder / "shards", "--shards", "2", "--quiet", check=0)
    (folder / "-x.safetensors").write_bytes((folder / "good/model.safetensors").read_bytes())

    def outcome(*files, options=entry["args"]):
        chosen = [name for name in files if re.search(entry["files"], name)]
        return subprocess.run([PACKAGE / entry["entry"], *options, *chosen], cwd=folder, env=environment, capture_output=True, text=True)

    run("convert", folder / "good", folder / "good.store", "--quiet", check=0)
    run("convert", folder / "good", folder / "set", "--to", "gguf", "--max-shard-size", "300KB", "--quiet", check=0)
    run("convert", HUGGING_FACE[0], folder / "mesh", "--to", "mesh-transformer", "--shards", "2", "--quiet", check=0)

    def files(name):
        return sorted(str(path.relative_to(folder)) for path in (folder / name).rglob("*") if path.is_file())

    shards = files("shards")
    chosen = [name for name in shards if re.search(entry["files"], name)]
    expect(len(chosen) == 4, f"of {shards}: {chosen}")
    done = outcome("good/model.safetensors", "good/config.json", "README.md", *shards, "-x.safetensors")
    expect(done.returncode == 0, complaint(done))
    expect(done.stdout.count("structure") == 3, "a folder isn't verified once")
    for name in ("good.store", "set", "mesh"):
        done = outcome(*(each for each in files(name) if not each.endswith("certificate.json")))
        expect(done.returncode == 0 and done.stdout.count("structure") == 1, f"{name}: {complaint(done)}")
    done = outcome("good/model.safetensors", "bad/model.safetensors", *shards)
    expect(done.returncode == 1 and done.stdout.count("structure") == 3, complaint(done))
    (folder / "shards/model-00002-of-00002.safetensors").unlink()
    done = outcome("shards/model-00001-of-00002.safetensors")
    expect(done.returncode == 1, f"a shard without the other passes: {done.stdout}")
    (folder / "good/model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n")
    done = outcome("good/model.safetensors")
    expect(done.returncode != 0 and "git lfs pull" in done.stdout + done.stderr, complaint(done))
    done = outcome("-x.safetensors", options=["--checks=nonsense", "--"])
    expect(done.returncode == 2, "options don't reach verify")
    done = outcome("-x.safetensors", options=["--checks=structure"])
    expect(done.returncode == 2 and "--" in done.stderr, complaint(done))
    environment["PATH"] = "/usr/bin:/bin"
    done = outcome("-x.safetensors")
    expect(done.returncode == 2 and "hint:" in done.stderr, complaint(done))
    return "a folder once: shards, stores, sets of GGUF, pieces; pointers named"


def pre_commit(work, archives):
    command = shutil.which("pre-commit")
    if not command:
        raise Skipped("no pre-commit on the PATH")
    folder, environment = repository(work, archives, "repository")
    source = work / "source"
    source.mkdir()
    shutil.copy(PACKAGE / ".pre-commit-hooks.yaml", source)
    shutil.copytree(PACKAGE / "scripts/pipelines", source / "scripts/pipelines")
    author = ["-c", "user.name=n", "-c", "user.email=e"]
    for arguments in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "hooks"]):
        subprocess.run(["git", *arguments], cwd=source, env=environment, check=True, capture_output=True)
    for files, code in ((["good/model.safetensors"], 0), (["bad/model.safetensors", "good/model.safetensors"], 1), (["good/config.json"], 0)):
        done = subprocess.run(
            [command, "try-repo", source, "weighbridge-verify", "--verbose", "--files", *files], cwd=folder, env=environment, capture_output=True, text=True)
        expect(done.returncode == code, f"{files}: {done.returncode}: {(done.stdout + done.stderr)[-400:]}")
    return subprocess.run([command, "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def shellcheck():
    command = shutil.which("shellcheck")
    if not command:
        raise Skipped("no shellcheck on the PATH")
    scripts = [PACKAGE / "scripts/package", PACKAGE / "scripts/build", *(PACKAGE / "scripts/packaging" / name for name in ("bare-system", "static-libraries")), *(path for path in (PACKAGE / "scripts/pipelines").iterdir() if path.suffix != ".yml")]
    done = subprocess.run([command, *scripts], capture_output=True, text=True)
    expect(done.returncode == 0, done.stdout[:400])
    return f"{len(scripts)} scripts"
