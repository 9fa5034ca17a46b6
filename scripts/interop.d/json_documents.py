"""Every JSON document that the tool writes validates against its schema, and says the same in equal runs."""
import json
import shutil

import numpy as np

from harness import HUGGING_FACE, MESH, PACKAGE, convert, expect, run, workdir


def check(report):
    import jsonschema  # fails the group at once where it is missing

    assert jsonschema
    for case in HUGGING_FACE + MESH:
        with workdir() as work:
            documents_of(report, case, work)
    with workdir() as work:
        np.savez(work / "others.npz", a=np.ones((2, 3), "<f4"), b=np.zeros((2, 0), "<i4"), c=np.array([1, np.inf]), e=np.ones(2, "<i8"))
        np.savez(work / "arrays.npz", a=np.arange(6, dtype="<f4").reshape(2, 3), b=np.zeros((0, 2), "<i4"), c=np.array([np.nan, np.inf]), d=np.ones(2, "<c8"))
        report.row("inspect an npz", lambda: valid(spoken(work, "inspect", work / "arrays.npz", "--digests", "--statistics"), work))
        report.row("compare npz files", lambda: valid(spoken(work, "compare", work / "arrays.npz", work / "others.npz", check=1), work))
        report.row("manifest", lambda: valid(run("manifest", work / "arrays.npz", "--json").stdout, work))
        report.row("checks", lambda: valid(run("checks", "--json").stdout, work))
        report.row("checks nan", lambda: valid(run("checks", "nan", "--json").stdout, work))


def documents_of(report, case, work):
    mesh = case in MESH
    source = case / "step.tar.zstd" if mesh else case
    options = ["--config", case / "config.json"] if mesh else []
    conversion = ["--to", "safetensors", "--dtype", "f16", "--max-shard-size", "300KB", *options]

    def row(label, *arguments, check=0):
        report.row(f"{case.name}: {label}", lambda: valid(spoken(work, *arguments, check=check), work))

    row("inspect", "inspect", source, *options)
    row("inspect --digests --statistics", "inspect", source, "--digests", "--statistics", *options)
    row("convert --dry-run", "convert", source, work / "dry", *conversion, "--dry-run")
    row("convert", "convert", source, work / "out", *conversion)

    def certificate_row():
        convert(source, work / "again", *conversion[2:])
        texts = [(work / name / "weighbridge-certificate.json").read_text() for name in ("out", "again")]
        expect(texts[0] == texts[1], "two equal runs wrote different certificates")
        return valid(texts[0], work)
    report.row(f"{case.name}: certificate", certificate_row)
    row("verify", "verify", work / "out")
    row("verify --against", "verify", work / "out", "--against", work / "again")

    # One of the archives is in f16 already; its sums of shards are rounded by the conversion, and the logits with them.
    differs = 0 if "f16" in case.name else 1
    row("compare", "compare", source, work / "again", *options, check=differs)
    row("compare with itself", "compare", work / "out", work / "again")
    row("compare --forward", "compare", source, work / "again", *options, "--forward", check=differs)
    row("compare --forward --tolerance", "compare", work / "out", work / "again", "--forward", "--tokens", "1,2,3", "--prefix", 2, "--tolerance", 0)
    tokens = ["--tokens-file", case / "tokens.npy"]
    row("forward", "forward", source, *options, *tokens, "--logits", work / "logits.npy")
    row("forward --generate", "forward", source, *options, "--tokens", "1,2,3", "--generate", 4)
    row("forward --perplexity", "forward", source, *options, *tokens, "--perplexity", "--window", 8)
    row("importance", "importance", source, *options, *tokens, "--output", work / "importance.gguf")
    row("quantize --measure", "quantize", source, *options, "--scheme", "mlx-q8-g32,mlx-q4-g32", "--dry-run", "--measure", "--validate")
    if (case / "tokenizer.json").exists():
        (work / "labels.jsonl").write_text('{"prompt": "A weight", "labels": [" a", " b"], "gold": 1}\n{"prompt": "B", "labels": [" a", " b"]}\n')
        (work / "text.txt").write_text("Weights are weighed.\n" * 20)
        row("compare --labels", "compare", source, work / "out", "--labels", work / "labels.jsonl", "--min-agreement", 0)
        row("quantize --measure --labels", "quantize", source, work / "measured", *options, "--scheme", "mlx-q4-g32", "--measure", "--validate", "--labels", work / "labels.jsonl")
        row("forward --perplexity --text", "forward", source, "--text", work / "text.txt", "--perplexity", "--window", 16, "--stride", 5)

    first = next((work / "out").glob("model-00001*.safetensors"), work / "out/model.safetensors")
    sound = first.read_bytes()
    for label, broken in (("a flipped bit", sound[:-9] + bytes([sound[-9] ^ 4]) + sound[-8:]), ("a cut file", sound[:-8]), ("no header", b"\xff" * 40), ("a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n")):
        def body():
            first.write_bytes(broken)
            text = spoken(work, "verify", work / "out", check=1)
            expect(json.loads(text)["findings"], "exit code 1 without a finding")
            return valid(text, work)
        report.row(f"{case.name}: verify with {label}", body)
    first.write_bytes(sound)
    shutil.rmtree(work / "again")


def spoken(work, *arguments, check=0):
    return run(*arguments, "--json", "--quiet", check=check, cwd=work).stdout


def valid(text, work):
    """Raises unless the text is one document that its own schema describes, and only that."""
    import jsonschema

    document = json.loads(text, parse_constant=lambda name: expect(False, f"{name} is no JSON"), object_pairs_hook=sorted_unique)
    name, _, version = document.get("schema", "").partition("/")
    path = PACKAGE / "schemas" / f"{name}.{version}.schema.json"
    expect(path.exists(), f"schema {document.get('schema')!r}: there is no schemas/{path.name}")
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    problem = next(validator.iter_errors(document), None)
    expect(problem is None, f"{path.name}: {problem and problem.json_path}: {problem and problem.message[:160]}")
    for key in document:
        expect(not validator.is_valid({k: v for k, v in document.items() if k != key}) or key not in schema.get("required", []), f"{path.name}: valid without its required key {key!r}")
    expect(not validator.is_valid(document | {"unheard of": 1}), f"{path.name} allows any key")
    expect(not validator.is_valid(document | {"schema": "other/v1"}), f"{path.name} allows another schema's name")
    expect(str(work) not in text, f"the absolute path {work} stands in the document")
    return f"{document['schema']}, {len(text):,} bytes"


def sorted_unique(pairs):
    keys = [key for key, _ in pairs]
    expect(keys == sorted(set(keys)), f"keys not sorted, or twice: {keys[:8]}")
    return dict(pairs)
