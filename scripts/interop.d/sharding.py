"""Sharded safetensors beside what transformers' save_pretrained writes for the same model and limit."""
import json
import re

from harness import HUGGING_FACE, convert, expect, workdir

LIMIT = "100KB"
NAME = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")


def check(report):
    import transformers

    transformers.utils.logging.disable_progress_bar()
    for case in HUGGING_FACE:
        with workdir() as work:
            model = transformers.AutoModelForCausalLM.from_pretrained(case)
            model.save_pretrained(work / "theirs", max_shard_size=LIMIT)
            ours, theirs = work / "ours", work / "theirs"
            report.row(f"{case.name} converts to shards of {LIMIT}", lambda: convert(case, ours, "--max-shard-size", LIMIT) and "converted")
            if ours.exists():
                report.row(f"{case.name} index", lambda: index(ours, theirs, model))
                report.row(f"{case.name} files", lambda: files(ours, theirs))
                report.row(f"{case.name} loads", lambda: loads(ours, model))


def read_index(directory):
    return json.loads((directory / "model.safetensors.index.json").read_text())


def index(ours, theirs, model):
    mine, other = read_index(ours), read_index(theirs)
    expect(set(mine) == set(other), f"keys {sorted(mine)}, transformers' {sorted(other)}")
    # Names that only the source stores are buffers or tied copies; transformers leaves those out when it saves.
    extra = set(mine["weight_map"]) - set(other["weight_map"])
    expect(set(other["weight_map"]) <= set(mine["weight_map"]) and not extra, f"names differ: {sorted(extra ^ (set(other['weight_map']) - set(mine['weight_map'])))[:4]}")
    expect(mine["metadata"]["total_size"] == other["metadata"]["total_size"], f"total_size {mine['metadata']['total_size']}, transformers' {other['metadata']['total_size']}")
    lacking = sorted(set(other["metadata"]) - set(mine["metadata"]))
    same = mine["weight_map"] == other["weight_map"]
    return (f"{len(mine['weight_map'])} names, total_size {mine['metadata']['total_size']:,}; weight_map {'equal' if same else 'cut elsewhere'}"
            + (f"; metadata without transformers' {', '.join(lacking)}" if lacking else ""))


def files(ours, theirs):
    import safetensors

    entries = read_index(ours)["weight_map"]
    names = sorted(set(entries.values()))
    present = sorted(path.name for path in ours.glob("*.safetensors"))
    expect(present == names, f"files {present}, index {names}")
    expect(all(NAME.fullmatch(path.name) for path in theirs.glob("*.safetensors")), "transformers names its files differently now")
    for number, name in enumerate(names, 1):
        match = NAME.fullmatch(name)
        expect(match and (int(match[1]), int(match[2])) == (number, len(names)), f"file {name}, expected model-{number:05d}-of-{len(names):05d}.safetensors")
        with safetensors.safe_open(ours / name, "pt") as file:
            expect(file.metadata() == {"format": "pt"}, f"{name}: metadata {file.metadata()}")
            expect(set(file.keys()) == {key for key, value in entries.items() if value == name}, f"{name}: its names aren't those of the index")
            sizes = [file.get_tensor(key).nbytes for key in file.keys()]
        expect(sum(sizes) <= 100_000 or len(sizes) == 1, f"{name}: {sum(sizes):,} bytes in {len(sizes)} tensors")
    return f"{len(names)} files open, format pt, at most {LIMIT} (transformers: {len(list(theirs.glob('*.safetensors')))} files)"


def loads(ours, model):
    import torch
    import transformers

    loaded, loading = transformers.AutoModelForCausalLM.from_pretrained(ours, output_loading_info=True)
    expect(not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"], f"loading: {loading}")
    mine, original = dict(loaded.named_parameters()), dict(model.named_parameters())
    expect(set(mine) == set(original), "other parameters")
    different = [name for name in original if mine[name].dtype != original[name].dtype or not torch.equal(mine[name], original[name])]
    expect(not different, f"parameters differ: {different[:4]}")
    return f"{len(mine)} parameters equal"
