"""GGUF files that llama.cpp's own converter makes of the same models: tensors, metadata, vocabularies.

As a program it is that converter in its own environment: `llama_converter.py FOLDER SOURCE DESTINATION...`, FOLDER the one that
scripts/peers-llama makes, each SOURCE a model directory.
"""
import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys

# Parts of keys that only one side writes: where a model is from; what other keys say already, or llama.cpp takes to be so without them;
# what we read ourselves.
THEIRS = ("general.", ".attention.key_length", ".attention.value_length")
OURS = ("general.", "weighbridge.", ".vocab_size", ".attention.head_count_kv", ".attention.sliding_window", ".rope.freq_base", ".rope.dimension_count",
        ".rope.scaling.yarn_", "tokenizer.ggml.add_bos_token")


NOT_CONVERTED = ("gptj", "bloom", "falcon", "gemma", "gpt_oss", "mixtral", "phi3", "qwen3_moe", "stablelm")


def check(report):
    from llama_models import WITHOUT_GRAPH, fixtures

    # GPT-J has no converter; that of others leaves keys out, takes BLOOM's width for its context, fails at what transformers 5 saves, or needs the tokenizer of the published model.
    names = [name for name in fixtures() if name not in WITHOUT_GRAPH and not name.startswith(NOT_CONVERTED)]
    report.row("llama.cpp's converter", lambda: "; ".join(every(names)))


def every(names):
    from harness import FIXTURES, complaint, expect, run, workdir
    from llama_quantize import peers

    folder = pathlib.Path(peers()[1]).parent
    with workdir() as work:
        made = {}
        for name in names:
            source = work / name
            source.mkdir()
            add_tokenizer(source)
            shutil.copy(FIXTURES / "huggingface" / name / "model.safetensors", source)
            settings = json.loads((FIXTURES / "huggingface" / name / "config.json").read_text())
            if settings["model_type"] == "gpt2":
                settings["n_ctx"] = settings["n_positions"]  # as older versions of transformers have it, and the converter wants it
            (source / "config.json").write_text(json.dumps(settings))
            done = run("convert", source, work / f"{name}.gguf", "--dtype", "f32", "--quiet")
            if "to GGUF yet" in done.stderr:
                yield f"{name} can't be written yet"
                continue
            expect(done.returncode == 0, f"{name}: {complaint(done)}")
            made[source] = work / f"{name}.theirs.gguf"
        arguments = [argument for pair in made.items() for argument in pair]
        done = subprocess.run(
            [sys.executable, __file__, folder, *arguments], capture_output=True, text=True, errors="replace", timeout=300,
            env=os.environ | {"PYTHONPATH": str(folder / "packages")})
        expect(done.returncode == 0, f"the converter: {done.stderr.strip()[-300:]}")
        for source, theirs in made.items():
            yield f"{source.name} {equal(source.name, source.with_suffix('.gguf'), theirs)}"


def add_tokenizer(folder):
    """The small tokenizer, with what transformers asks for besides."""
    from llama_models import SMALL_TOKENIZER

    settings = json.loads((SMALL_TOKENIZER / "tokenizer.json").read_text())
    settings["pre_tokenizer"]["trim_offsets"] = True
    settings["decoder"] |= {"add_prefix_space": True, "trim_offsets": True}
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|end|>", "eos_token": "<|end|>"}))


def equal(name, mine, theirs):
    import gguf

    from harness import expect

    mine, theirs = gguf.GGUFReader(mine), gguf.GGUFReader(theirs)
    found, expected = ({tensor.name: (tensor.tensor_type.name, tensor.shape.tolist(), tensor.data.tobytes()) for tensor in reader.tensors}
                       for reader in (mine, theirs))
    expect(found.keys() == expected.keys(), f"{name}: tensors {sorted(found.keys() ^ expected.keys())[:4]}")
    different = [tensor for tensor in expected if found[tensor] != expected[tensor]]
    expect(not different, f"{name}: {different[:4]} are others")
    found, expected = ({key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")} for reader in (mine, theirs))
    missing = [key for key in expected.keys() - found.keys() if not any(part in key for part in THEIRS)]
    more = [key for key in found.keys() - expected.keys() if not any(part in key for part in OURS)]
    other = [f"{key}: {str(found[key])[:60]}, expected {str(expected[key])[:60]}" for key in found.keys() & expected.keys()
             if found[key] != expected[key] and not key.startswith("general.name")]
    expect(not missing and not more and not other, f"{name}: keys missing {missing}, more {more}, others {other}")
    return f"{len(theirs.tensors)} tensors and {len(found.keys() & expected.keys())} keys"


def main():
    folder, pairs = pathlib.Path(sys.argv[1]), sys.argv[2:]
    (program,) = folder.glob("*/vendor/llama.cpp/convert_hf_to_gguf.py")
    sys.path[0] = str(program.parent)
    from conversion.base import TextModel

    # It knows tokenizers by what they make of a text, and none of these.
    TextModel.get_vocab_base_pre = lambda self, tokenizer: "gpt-2"
    for source, destination in zip(pairs[::2], pairs[1::2], strict=True):
        sys.argv = [str(program), source, "--outtype", "f32", "--outfile", destination]
        runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main()
