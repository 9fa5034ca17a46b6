"""Quantized checkpoints made by the programs' own libraries: quantized_peers.py LIBRARY FOLDER, a process of its own for each.

Writes FOLDER/NAME/{config.json,model.safetensors} and FOLDER/NAME.npz, the values that the library takes its codes for, in F32 with scales widened
first; prints a line of JSON for each, or why there is none.
"""
import importlib.util
import json
import os
import pathlib
import re
import sys
import types

os.environ |= {"LOGURU_LEVEL": "ERROR", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false",
               "TORCHDYNAMO_DISABLE": "1"}
import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

torch.set_num_threads(2)
SHAPES = {"model.layers.0.self_attn.q_proj": (64, 128), "model.layers.0.mlp.down_proj": (96, 384)}
FOLDER = pathlib.Path(sys.argv[2])
ANSWERS = sys.stdout
sys.stdout = sys.stderr  # libraries greet


def say(**answer):
    print(json.dumps(answer), file=ANSWERS, flush=True)


def weight(module, dtype=torch.float32, seed=0):
    """Normal values, and a row of zeros, one with a large value, one of tiny values."""
    generator = torch.Generator().manual_seed(seed + len(module))
    value = torch.randn(SHAPES[module], generator=generator) * 0.02
    value[1], value[2, 3], value[4] = 0, 3, value[4] * 1e-4
    return value.to(dtype)


def save(name, settings, tensors, values, dtype="F32"):
    folder = FOLDER / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"quantization_config": settings}, default=str))
    save_file({leaf: tensor.contiguous() for leaf, tensor in tensors.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    np.savez(FOLDER / f"{name}.npz", **{leaf: np.ascontiguousarray(np.asarray(value, "f4")) for leaf, value in values.items()})
    say(name=name, count=len(values), dtype=dtype)


def widened(state):
    return {leaf: tensor.float() if leaf in ("weight_scale", "weight_global_scale") and tensor.is_floating_point() and tensor.dtype.itemsize > 1 else tensor
            for leaf, tensor in state.items()}


# MARK: compressed-tensors

def compressed_state(value, scheme, form):
    """A module's tensors as the library compresses them, and what it decompresses them to."""
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
    a = scheme.weights
    if a.strategy in ("group", "tensor_group"):
        parts = value.unflatten(-1, (-1, a.group_size))
        low, high = parts.amin(-1), parts.amax(-1)
    elif a.strategy == "channel":
        low, high = value.amin(-1, keepdim=True), value.amax(-1, keepdim=True)
    elif a.strategy == "tensor":
        low, high = value.amin().reshape(1), value.amax().reshape(1)
    else:
        down, across = a.block_structure
        parts = torch.nn.functional.pad(value, (0, -value.shape[1] % across, 0, -value.shape[0] % down))
        parts = parts.reshape(parts.shape[0] // down, down, -1, across).transpose(1, 2).flatten(2)
        low, high = parts.amin(-1), parts.amax(-1)
    whole = generate_gparam(value.amin(), value.amax()) if a.strategy == "tensor_group" else None
    scale, zero = calculate_qparams(low, high, a, global_scale=whole)
    state = {"weight": value, "weight_scale": scale, "weight_zero_point": zero}
    if whole is not None:
        state["weight_global_scale"] = whole
    kind = BaseCompressor.get_value_from_registry(form)
    stored = kind.compress(state, scheme)
    return stored, kind.decompress(widened(stored), scheme)["weight"].float()


def compressed_tensors():
    from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme
    whole = {
        "pack-quantized": [dict(num_bits=bits, strategy="group", group_size=32) for bits in range(2, 9)]
        + [dict(num_bits=bits, strategy="channel") for bits in range(2, 9)]
        + [dict(num_bits=bits, strategy="group", group_size=64, symmetric=False) for bits in range(2, 9)]
        + [dict(num_bits=4, strategy="channel", symmetric=False), dict(num_bits=4, strategy="tensor"), dict(num_bits=4, strategy="tensor", symmetric=False)],
        "int-quantized": [dict(strategy="channel"), dict(strategy="tensor"), dict(strategy="group", group_size=32), dict(strategy="channel", symmetric=False)],
        "naive-quantized": [dict(strategy="channel", num_bits=4), dict(strategy="tensor", type="float")],
        "float-quantized": [dict(strategy="channel", type="float"), dict(strategy="tensor", type="float"), dict(strategy="block", block_structure=[40, 100], type="float"),
                            dict(strategy="group", group_size=32, type="float")],
        "nvfp4-pack-quantized": [dict(strategy="tensor_group", group_size=16, num_bits=4, type="float", scale_dtype="torch.float8_e4m3fn", zp_dtype="torch.float8_e4m3fn")],
        "mxfp4-pack-quantized": [dict(strategy="group", group_size=32, num_bits=4, type="float", scale_dtype="torch.uint8", zp_dtype="torch.uint8")],
        "mxfp8-quantized": [dict(strategy="group", group_size=32, num_bits=8, type="float", scale_dtype="torch.uint8", zp_dtype="torch.uint8")],
    }
    for form, entries in whole.items():
        for number, entry in enumerate(entries):
            for dtype in (torch.bfloat16, torch.float16, torch.float32)[number % 3:][:1]:
                scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**entry), format=form)
                tensors, values = {}, {}
                for module in SHAPES:
                    stored, value = compressed_state(weight(module, dtype), scheme, form)
                    tensors |= {f"{module}.{leaf}": part for leaf, part in stored.items()}
                    values[f"{module}.weight"] = value
                config = QuantizationConfig(config_groups={"group_0": scheme}, format=form, quantization_status="compressed", ignore=["lm_head"])
                # Its numbers of 4-bit floats are BF16, whatever the scales are.
                save(f"{form}-{number}", config.to_dict(), tensors, values, "BF16" if form.startswith("nvfp4") else "F32")
    compressed_mixtures()


PIECES = ["model", "layers", "mlp", "self_attn", "experts", "gate", "up_proj", "down_proj", "q_proj", "0", "1", "11"]
EXPRESSIONS = [".*{}$", ".*\\.{}\\.", "model\\.layers\\.[01]\\..*{}", "(?!.*{}).*down", ".*({}|gate)$", "^model[.](\\w+[.])*{}", "model\\.layers\\.\\d{{2}}\\.", "(.*\\.)?{}\\.\\w+$", "[^l]*layers\\.1+\\..*{}?"]


def compressed_mixtures():
    """Groups whose targets overlap: which one a module has is the library's answer, and codes of another width don't fit."""
    from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme
    from compressed_tensors.utils.match import is_match, match_targets
    for number in range(12):
        rng = np.random.default_rng(number)
        names = sorted({"model.layers." + ".".join(rng.choice(PIECES, rng.integers(2, 5))) for _ in range(60)})
        modules = {name: torch.nn.Linear(16, 4, bias=False) for name in names} | {"model.embed_tokens": torch.nn.Embedding(4, 16)}
        groups, targets = {}, {}
        for group, bits in enumerate((2, 4, 8)):
            wanted = [str(rng.choice(EXPRESSIONS)).format(rng.choice(PIECES)) for _ in range(rng.integers(0, 3))]
            wanted = ["re:" + text for text in wanted] + [str(name) for name in rng.choice(names, rng.integers(0, 4))]
            wanted += [["Linear"], ["Embedding"], ["Linear", "Embedding"], []][rng.integers(4)]
            groups[f"group_{group}"] = QuantizationScheme(targets=wanted or ["lm_head"], weights=QuantizationArgs(num_bits=bits, strategy="channel"), format="pack-quantized")
            targets |= {target: groups[f"group_{group}"] for target in groups[f"group_{group}"].targets}
        ignored = [str(name) for name in rng.choice(names, 3)] + ["re:.*gate$"]
        tensors, values = {}, {}
        for name, module in modules.items():
            found = match_targets(name, module, targets)
            value = module.weight.detach()
            if found and not is_match(name, module, ignored):
                stored, value = compressed_state(value, targets[found[0]], "pack-quantized")
                tensors |= {f"{name}.{leaf}": part for leaf, part in stored.items()}
            else:
                tensors[f"{name}.weight"] = value
            values[f"{name}.weight"] = value
        config = QuantizationConfig(config_groups=groups, format="mixed-precision", quantization_status="compressed", ignore=ignored)
        save(f"mixture-{number}", config.to_dict(), tensors, values)


# MARK: llmcompressor

# Presets of weights alone, or of weights and what a forward pass quantizes.
PRESETS = ["W2A16", "W3A16", "W4A16", "W4A16_ASYM", "W8A16", "W8A8", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "NVFP4A16", "NVFP4", "MXFP4A16", "MXFP8A16"]
# Found with data: {name: (modifier, its arguments)}.
CALIBRATED = {
    "gptq": ("GPTQModifier", dict(scheme="W4A16")),
    "gptq-static": ("GPTQModifier", dict(scheme="W4A16", actorder="static")),
    "gptq-weight": ("GPTQModifier", dict(scheme="W4A16_ASYM", actorder="weight")),
    "gptq-int8": ("GPTQModifier", dict(scheme="W8A8")),
}


def save_llama(folder):
    import transformers
    torch.manual_seed(0)
    configuration = transformers.LlamaConfig(
        vocab_size=160, hidden_size=256, intermediate_size=384, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, bos_token_id=0, eos_token_id=1)
    transformers.AutoModelForCausalLM.from_config(configuration, dtype=torch.bfloat16).save_pretrained(folder)


def letters():
    """A tokenizer, which the library asks for even where the data are tokens."""
    import tokenizers
    import transformers
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="a", eos_token="b")


def llmcompressor():
    """Whole models as `oneshot` saves them, and what compressed-tensors decompresses each module to."""
    import transformers
    from datasets import Dataset
    from llmcompressor import oneshot
    from llmcompressor.modifiers import gptq, quantization
    save_llama(FOLDER / "source")
    tokens = torch.randint(0, 160, (8, 32), generator=torch.Generator().manual_seed(1))
    texts = Dataset.from_dict({"input_ids": tokens.tolist(), "attention_mask": torch.ones_like(tokens).tolist()})
    recipes = {preset.lower(): quantization.QuantizationModifier(targets="Linear", scheme=preset, ignore=["lm_head"]) for preset in PRESETS}
    recipes |= {name: getattr(gptq, kind)(targets="Linear", ignore=["lm_head"], **settings) for name, (kind, settings) in CALIBRATED.items()}
    for name, recipe in recipes.items():
        model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER / "source", dtype="auto")
        needs_data = name in CALIBRATED or name in ("fp8", "nvfp4")
        data = dict(dataset=texts, num_calibration_samples=8, max_seq_length=32, processor=letters()) if needs_data else {}
        oneshot(model=model, recipe=recipe, **data)
        model.save_pretrained(FOLDER / name, save_compressed=True)
        values = decompressed(FOLDER / name)
        np.savez(FOLDER / f"{name}.npz", **values)
        say(name=name, count=len(values), dtype="BF16" if name.startswith("nvfp4") else "F32")


def decompressed(folder):
    """{weight: values} of a folder's tensors, quantized modules as compressed-tensors has them with widened scales."""
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationConfig
    settings = json.loads((folder / "config.json").read_text())["quantization_config"]
    (scheme,) = QuantizationConfig.model_validate(settings).config_groups.values()
    kind = BaseCompressor.get_value_from_registry(scheme.format or settings["format"])
    modules, values = {}, {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        module, leaf = name.rsplit(".", 1)
        modules.setdefault(module, {})[leaf] = tensor
    for module, state in modules.items():
        if "weight_scale" in state:
            state = {"weight": kind.decompress(widened(state), scheme)["weight"]}
        values |= {f"{module}.{leaf}": tensor.float().numpy() for leaf, tensor in state.items()}
    return values


# MARK: GPTQ and AWQ

def grouped(value, group, bits, symmetric):
    """Scales and zero points of [out, in / group], any that fit the weights."""
    parts = value.float().unflatten(-1, (-1, group))
    low, high = parts.amin(-1).clamp(max=0), parts.amax(-1).clamp(min=0)
    steps = 2 ** bits - 1
    if symmetric:
        scale = torch.maximum(high, -low) * 2 / steps
        zero = torch.full_like(scale, 2 ** (bits - 1))
    else:
        scale = (high - low) / steps
        zero = torch.round(-low / scale.clamp(min=1e-6)).clamp(0, steps)
    return scale.clamp(min=1e-6).half().float(), zero


def gptqmodel():
    from gptqmodel.nn_modules.qlinear.torch import TorchLinear
    from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module
    from gptqmodel.quantization import QuantizeConfig
    for bits in (2, 3, 4, 8):
        for symmetric in (True, False):
            for order in (False, True):
                for version in ("gptq", "gptq_v2"):
                    name = f"gptq-{bits}bit-{'sym' if symmetric else 'asym'}-{'act' if order else 'plain'}-{version}"
                    tensors, values = {}, {}
                    for module in SHAPES:
                        value = weight(module, torch.float16).float()
                        rows, columns = value.shape
                        linear = torch.nn.Linear(columns, rows, bias=False)
                        linear.weight.data = value
                        scale, zero = grouped(value, 32, bits, symmetric)
                        index = torch.arange(columns) // 32
                        if order:
                            index = index[torch.randperm(columns, generator=torch.Generator().manual_seed(bits))]
                        packed = TorchLinear(bits=bits, group_size=32, sym=symmetric, desc_act=order, in_features=columns, out_features=rows)
                        packed.pack_original(linear, scale, zero, index.to(torch.int32))
                        packed.post_init()
                        packed.dequant_dtype = torch.int32 if bits == 8 else packed.dequant_dtype
                        packed.scales = packed.scales.float()
                        values[f"{module}.weight"] = packed.dequantize_weight().T
                        packed.scales = packed.scales.half()
                        if version == "gptq":
                            config = QuantizeConfig(bits=bits, group_size=32, sym=symmetric, desc_act=order)
                            convert_gptq_v2_to_v1_format_module(module=packed, quantize_config=config)
                        tensors |= {f"{module}.{leaf}": getattr(packed, leaf).clone() for leaf in ("qweight", "qzeros", "scales", "g_idx")}
                    save(name, {"quant_method": "gptq", "bits": bits, "group_size": 32, "desc_act": order, "sym": symmetric, "checkpoint_format": version}, tensors, values)


def autoawq():
    spec = importlib.util.find_spec("awq")
    if spec is None:
        raise ModuleNotFoundError("No module named 'awq'")
    # Its own beginning loads models and data sets that aren't needed to pack.
    package = types.ModuleType("awq")
    package.__path__, package.__spec__ = list(spec.submodule_search_locations), spec
    sys.modules["awq"] = package
    from awq.modules.linear.gemm import WQLinear_GEMM
    from awq.utils.packing_utils import dequantize_gemm
    for group in (32, 64, 128):
        tensors, values = {}, {}
        for module in SHAPES:
            value = weight(module, torch.float16)
            linear = torch.nn.Linear(value.shape[1], value.shape[0], bias=False)
            linear.weight.data = value
            scale, zero = grouped(value, group, 4, False)
            packed = WQLinear_GEMM.from_linear(linear, 4, group, scales=scale.T.contiguous().half(), zeros=zero.T.contiguous())
            tensors |= {f"{module}.{leaf}": getattr(packed, leaf) for leaf in ("qweight", "qzeros", "scales")}
            values[f"{module}.weight"] = dequantize_gemm(packed.qweight, packed.qzeros, packed.scales.float(), 4, group).T
        save(f"awq-g{group}", {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": "gemm"}, tensors, values)


# MARK: bitsandbytes

def bitsandbytes():
    from bitsandbytes import functional
    for kind in ("nf4", "fp4"):
        # On the CPU, 0.50.2 takes blocks that are larger than a row for others' (its error is three times that of the right scales).
        for block in (64, 128):
            for nested in (False, True):
                tensors, values = {}, {}
                for module in SHAPES:
                    packed, state = functional.quantize_4bit(weight(module, torch.float32), blocksize=block, compress_statistics=nested, quant_type=kind)
                    tensors |= {f"{module}.weight": packed} | {f"{module}.weight.{leaf}": part for leaf, part in state.as_dict(packed=True).items()}
                    values[f"{module}.weight"] = functional.dequantize_4bit(packed, state)
                save(f"{kind}-{block}{'-nested' if nested else ''}", {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": kind, "bnb_4bit_use_double_quant": nested}, tensors, values)
    tensors, values = {}, {}
    for module in SHAPES:
        codes, scales, _ = functional.int8_vectorwise_quant(weight(module, torch.float16))
        tensors |= {f"{module}.weight": codes, f"{module}.SCB": scales, f"{module}.weight_format": torch.tensor(0, dtype=torch.uint8)}
        values[f"{module}.weight"] = functional.int8_vectorwise_dequant(codes, scales)
    save("int8", {"quant_method": "bitsandbytes", "load_in_8bit": True}, tensors, values)


# MARK: MLX

def mlx():
    import mlx.core as mx
    modes = [("affine", group, bits) for bits in (1, 2, 3, 4, 5, 6, 8) for group in (32, 64, 128)] + [("mxfp4", 32, 4), ("nvfp4", 16, 4), ("mxfp8", 32, 8)]
    for mode, group, bits in modes:
        folder, tensors, values = FOLDER / f"mlx-{mode}-{bits}bit-g{group}", {}, {}
        folder.mkdir()
        for module in SHAPES:
            value = mx.array(weight(module).numpy()).astype(mx.bfloat16)
            parts = mx.quantize(value, group_size=group, bits=bits, mode=mode)
            tensors |= {f"{module}.{leaf}": part for leaf, part in zip(("weight", "scales", "biases"), parts)}
            wide = [part.astype(mx.float32) if part.dtype == mx.bfloat16 else part for part in parts]
            values[f"{module}.weight"] = np.array(mx.dequantize(*wide, group_size=group, bits=bits, mode=mode, dtype=mx.float32))
        (folder / "config.json").write_text(json.dumps({"quantization": {"group_size": group, "bits": bits, "mode": mode}}))
        mx.save_safetensors(str(folder / "model.safetensors"), tensors, {"format": "mlx"})
        np.savez(FOLDER / f"{folder.name}.npz", **values)
        say(name=folder.name, count=len(values), dtype="F32")


LIBRARIES = {build.__name__: build for build in (mlx, compressed_tensors, llmcompressor, gptqmodel, autoawq, bitsandbytes)}
if __name__ == "__main__":
    try:
        LIBRARIES[sys.argv[1]]()
    except ImportError as error:
        say(skipped=re.sub(r"\s+", " ", str(error))[:200])
