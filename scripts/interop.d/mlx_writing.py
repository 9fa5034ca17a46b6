"""`quantize --scheme mlx-…`: codes, scales and biases as mlx_lm's own conversion makes them, and logits as it computes them.
(Not `mlx.py`: a module of that name would hide the package.)"""
import contextlib
import io
import json
import shutil

import numpy as np

from harness import FIXTURES, Skipped, every_scheme, expect, run, workdir
from stored import read_checkpoint, write_safetensors

MODES = {"mlx-mxfp4": ("mxfp4", 32, 4), "mlx-nvfp4": ("nvfp4", 16, 4), "mlx-mxfp8": ("mxfp8", 32, 8)}
BLOCKS = {"q4_0": "mlx-q4-g32", "q4_1": "mlx-q4-g32", "q5_0": "mlx-q5-g32", "q5_1": "mlx-q5-g32", "q8_0": "mlx-q8-g32"}
WIDTHS = [f"mlx-q{bits}-g{group}" for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)]
TOLERANCE = 1e-4


def settings(scheme):
    """Mode, group size, bits."""
    if scheme in MODES:
        return MODES[scheme]
    bits, group = scheme.removeprefix("mlx-q").split("-g")
    return "affine", int(group), int(bits)


def source(family, folder):
    """A random model of two layers whose rows are whole groups of 128."""
    import torch
    import transformers
    torch.manual_seed(len(family))
    sizes = {
        "llama": dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2),
        "qwen2": dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True),
        "gptj": dict(n_embd=128, n_layer=2, n_head=4, rotary_dim=16, n_positions=64),
        "gpt2": dict(n_embd=128, n_layer=2, n_head=4, n_positions=64),
        "gpt_neox": dict(hidden_size=128, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, hidden_act="gelu_pytorch_tanh", max_position_embeddings=64),
    }[family]
    configuration = transformers.AutoConfig.for_model(family, vocab_size=160, bos_token_id=0, eos_token_id=0, **sizes)
    model = transformers.AutoModelForCausalLM.from_config(configuration, dtype=torch.bfloat16 if family == "llama" else torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.randn(weight.shape) * (0.3 if weight.ndim == 1 else 0.08) + (weight.ndim == 1 and "norm" in name))
    model.save_pretrained(folder)
    return folder


def prepared(folder, into):
    """The same as mlx_lm loads it: with the keys of transformers before 5, GPT-2 under its first names."""
    into.mkdir()
    configuration = json.loads((folder / "config.json").read_text())
    rotary = configuration.get("rope_parameters") or {}
    configuration |= {"rope_theta": rotary.get("rope_theta", 10000.0), "rotary_emb_base": rotary.get("rope_theta", 10000), "rotary_pct": rotary.get("partial_rotary_factor", 0.25)}
    tensors = read_checkpoint(folder)
    if configuration["model_type"] == "gpt2":
        configuration["n_ctx"] = configuration["n_positions"]
        tensors = {name.removeprefix("transformer."): value for name, value in tensors.items()}
    (into / "config.json").write_text(json.dumps(configuration))
    write_safetensors(into / "model.safetensors", tensors)
    return into


def stored_form(value):
    import mlx.core as mx
    dtype = {mx.float32: "F32", mx.float16: "F16", mx.bfloat16: "BF16", mx.uint32: "U32", mx.uint8: "U8"}[value.dtype]
    return dtype, np.array(value.view(mx.uint16) if dtype == "BF16" else value)


def theirs(folder, scheme):
    """{name: (dtype, array)} as mlx_lm's conversion makes them."""
    from mlx.utils import tree_flatten
    from mlx_lm.utils import load_model, quantize_model
    mode, group, bits = settings(scheme)
    with contextlib.redirect_stdout(io.StringIO()):
        model, configuration = load_model(folder)
        model, _ = quantize_model(model, configuration, group, bits, mode=mode)
    return {name: stored_form(value) for name, value in tree_flatten(model.parameters())}


def their_logits(folder, tokens):
    """What mlx_lm computes, floats widened to F32."""
    import mlx.core as mx
    from mlx.utils import tree_map
    from mlx_lm.utils import load_model
    model, _ = load_model(folder)
    model.update(tree_map(lambda a: a.astype(mx.float32) if mx.issubdtype(a.dtype, mx.floating) else a, model.parameters()))
    return np.array(model(mx.array(tokens)[None])[0].astype(mx.float32))


def writes(family, model, ready, scheme, work):
    out = work / f"{family}-{scheme}"
    run("quantize", model, out, "--scheme", scheme, "--quiet", check=0)
    ours, want = read_checkpoint(out), theirs(ready, scheme)
    expect(set(ours) == set(want), f"names: {sorted(set(ours) ^ set(want))[:3]}")
    for name, (dtype, values) in want.items():
        found, have = ours[name]
        expect(found == dtype and have.shape == values.shape, f"{name}: {found} {have.shape}, mlx_lm has {dtype} {values.shape}")
        expect(have.tobytes() == values.tobytes(), f"{name}: {int((have != values).sum())} of {values.size} elements differ from mlx_lm's")
    mode, group, bits = settings(scheme)
    written = json.loads((out / "config.json").read_text())["quantization"]
    expect((written["mode"], written["group_size"], written["bits"]) == (mode, group, bits), f"config.json says {written}")
    # There mlx_lm adds GPT-2's two embeddings in BF16.
    if family == "gpt2" and mode != "affine":
        return len(want), 0.0
    tokens = np.arange(3, 35, dtype="i4") * 5 % 160
    np.save(work / "tokens.npy", tokens)
    run("forward", out, "--tokens-file", work / "tokens.npy", "--logits", work / "logits.npy", "--quiet", check=0)
    distance = float(np.abs(np.load(work / "logits.npy") - their_logits(out, tokens)).max())
    expect(distance <= TOLERANCE, f"logits differ by {distance:.2g}")
    shutil.rmtree(out)
    return len(want), distance


def family_row(family, schemes):
    try:
        import mlx_lm  # noqa: F401
    except ImportError as error:
        raise Skipped(f"{error}")
    with workdir() as work:
        model = source(family, work / "source")
        ready = prepared(model, work / "ready")
        return every_scheme(schemes, lambda scheme: writes(family, model, ready, scheme, work))


def repacked():
    """Blocks of GGUF in MLX's parts: mlx's values of these are gguf's of those, and the blocks come back byte by byte."""
    try:
        import gguf
        import mlx.core as mx
        from gguf.quants import dequantize
    except ImportError as error:
        raise Skipped(f"{error}")
    count = 0
    with workdir() as work:
        model = source("llama", work / "source")
        assets = ["--assets", FIXTURES / "gguf/tokenizer", "--quiet"]
        for blocks, scheme in BLOCKS.items():
            file, out, back = work / f"{blocks}.gguf", work / blocks, work / f"{blocks}-back.gguf"
            # All of one type, the embedding and the head too.
            run("quantize", model, file, "--scheme", blocks, "--tensor-type", f"token_embd={blocks}", "--tensor-type", f"output={blocks}", *assets, check=0)
            run("quantize", file, out, "--scheme", scheme, "--quiet", check=0)
            run("quantize", out, back, "--scheme", blocks, "--tensor-type", f"token_embd={blocks}", "--tensor-type", f"output={blocks}", *assets, check=0)
            run("verify", out, "--against", file, "--quiet", check=0)
            _, group, bits = settings(scheme)
            packed = read_checkpoint(out)
            records = {t["name"]: t for t in json.loads((out / "weighbridge-certificate.json").read_text())["tensors"]}
            ours, again = gguf.GGUFReader(file).tensors, {t.name: t for t in gguf.GGUFReader(back).tensors}
            for tensor in ours:
                if tensor.tensor_type.name.lower() != blocks:
                    continue
                name = hugging_face_name(tensor.name)
                expect(records[f"{name}.weight"]["exactness"] == "repacked", f"{name} is {records[f'{name}.weight']['exactness']}")
                parts = [mx.array(packed[f"{name}.{part}"][1]) for part in ("weight", "scales", "biases")]
                # In F32: with scales of F16 mlx rounds products.
                values = np.array(mx.dequantize(parts[0], *(part.astype(mx.float32) for part in parts[1:]), group_size=group, bits=bits))
                want = dequantize(tensor.data, tensor.tensor_type)
                heads = {"attn_q": 4, "attn_k": 2}.get(tensor.name.split(".")[-2])
                if heads:
                    want = want.reshape(heads, -1, 2, want.shape[1]).swapaxes(1, 2).reshape(want.shape)
                expect(np.array_equal(values, want), f"{blocks} {name}: {int((values != want).sum())} of {want.size} values differ")
                expect(again[tensor.name].data.tobytes() == tensor.data.tobytes(), f"{blocks} {name}: other blocks came back")
                count += 1
    expect(count == len(BLOCKS) * 16, f"{count} weights")
    return f"{len(BLOCKS)} types, {count} weights, there and back"


def hugging_face_name(name):
    """`model.layers.0.self_attn.q_proj` of `blk.0.attn_q.weight`."""
    parts = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    whole = {"token_embd.weight": "model.embed_tokens", "output.weight": "lm_head"}
    if name in whole:
        return whole[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{parts[part]}"


def check(report):
    report.row("blocks of GGUF repacked", repacked)
    report.row("llama in every scheme", lambda: family_row("llama", [*WIDTHS, *MODES]))
    for family in ("qwen2", "gptj", "gpt2", "gpt_neox"):
        report.row(family, lambda: family_row(family, ["mlx-q4-g64", "mlx-q3-g32", *MODES]))
