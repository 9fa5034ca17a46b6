"""`quantize` to compressed-tensors' formats: transformers loads all of them, with our values and logits."""
import shutil

import numpy as np

from harness import Skipped, every_scheme, expect, run, workdir
from stored import read_checkpoint, widened

INTEGERS = ["w4a16-g128", "w4a16-g32", "w4a16-channel", "w8a16-g128", "w8a16-channel"]
# What these multiply with is quantized at run time: values are compared, and no logits.
DYNAMIC = ["w8a8", "fp8", "fp8-block"]
# They stand for BF16.
FLOATS = ["nvfp4a16", "mxfp4a16", "mxfp8a16"]
TOLERANCE = 1e-4
MIXTURES = ("qwen3_moe", "mixtral")
# What computing in BF16 makes of the largest logit.
BF16_SHARE = 0.1


def source(family, folder):
    """A random model of two layers whose rows are whole groups of 128, in F32 or BF16."""
    import torch
    import transformers
    torch.manual_seed(len(family))
    usual = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
    sizes = {
        "gptj": dict(n_embd=128, n_layer=2, n_head=4, rotary_dim=16, n_positions=64),
        "gpt_neox": dict(hidden_size=128, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64),
        "qwen3_moe": usual | dict(head_dim=32, moe_intermediate_size=128, num_experts=4, num_experts_per_tok=2, decoder_sparse_step=1, mlp_only_layers=[], norm_topk_prob=True),
        "mixtral": usual | dict(num_local_experts=4, num_experts_per_tok=2),
        "phi3": usual | dict(pad_token_id=0),
    }.get(family, usual)
    configuration = transformers.AutoConfig.for_model(family, vocab_size=160, bos_token_id=0, eos_token_id=0, **sizes)
    model = transformers.AutoModelForCausalLM.from_config(configuration, dtype=torch.bfloat16 if family == "llama" else torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.randn(weight.shape) * (0.3 if weight.ndim == 1 else 0.08) + (weight.ndim == 1 and "norm" in name))
    model.save_pretrained(folder)
    return folder


def rounded(values, narrow):
    import torch
    return torch.from_numpy(values).bfloat16().float().numpy() if narrow else values


def expect_same_experts(loaded, values):
    """transformers has the experts of a layer in one tensor, in F32 or BF16."""
    for name, stack in loaded.named_parameters():
        if not name.endswith(".experts.down_proj"):
            continue
        layer = name.split(".")[2]
        for expert, have in enumerate(stack.detach().float().numpy()):
            ours = next(weight for weight in values if weight.startswith(f"model.layers.{layer}.")
                        and weight.endswith((f".experts.{expert}.down_proj.weight", f".experts.{expert}.w2.weight")))
            want = widened(*values[ours])
            expect(any(np.array_equal(have, rounded(want, narrow)) for narrow in (False, True)), f"{ours}: transformers has another expert")


def loads(family, model, scheme, tokens, work):
    """(weights, largest distance of logits)."""
    import torch
    import transformers
    out, narrow = work / f"{family}-{scheme}", scheme in FLOATS
    run("quantize", model, out, "--scheme", scheme, "--quiet", check=0)
    loaded, report = transformers.AutoModelForCausalLM.from_pretrained(
        out, dtype=torch.bfloat16 if narrow else torch.float32, attn_implementation="eager", output_loading_info=True)
    apart = {key: sorted(names)[:3] for key, names in report.items() if names}
    expect(not apart, f"loading: {apart}")
    with torch.no_grad():
        theirs = loaded.eval()(torch.from_numpy(tokens).long()[None]).logits[0].float().numpy()
    quantized = {f"{name}.weight": module.weight for name, module in loaded.named_modules() if getattr(module, "quantization_scheme", None)}
    expect(quantized, "transformers has quantized nothing")
    run("convert", out, work / "values", "--to", "safetensors", "--dtype", "f32", "--quiet", check=0)
    values = read_checkpoint(work / "values")
    for name, weight in quantized.items():
        have, want = weight.detach().float().numpy(), rounded(widened(*values[name]), narrow)
        expect(np.array_equal(have, want), f"{name}: transformers reads {int((have != want).sum())} of {want.size} other values")
    expect_same_experts(loaded, values)
    distance = 0.0
    # Computing in BF16 a mixture chooses other experts now and then.
    if scheme in INTEGERS or scheme in FLOATS and family not in MIXTURES:
        run("forward", out, "--tokens-file", work / "tokens.npy", "--logits", work / "logits.npy", "--quiet", check=0)
        apart = float(np.abs(np.load(work / "logits.npy") - theirs).max())
        limit = TOLERANCE if scheme in INTEGERS else BF16_SHARE * float(np.abs(theirs).max())
        expect(apart <= limit, f"logits differ by {apart:.2g}, of at most {np.abs(theirs).max():.2g}")
        distance = apart if scheme in INTEGERS else 0.0
    shutil.rmtree(out)
    shutil.rmtree(work / "values")
    return len(quantized), distance


def family_row(family, schemes):
    try:
        import accelerate  # noqa: F401
        import compressed_tensors  # noqa: F401
        import transformers
    except ImportError as error:
        raise Skipped(f"{error}")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with workdir() as work:
        model = source(family, work / "source")
        tokens = np.arange(3, 35, dtype="i4") * 5 % 160
        np.save(work / "tokens.npy", tokens)
        return every_scheme(schemes, lambda scheme: loads(family, model, scheme, tokens, work))


def check(report):
    report.row("llama in every scheme", lambda: family_row("llama", [*INTEGERS, *DYNAMIC, *FLOATS]))
    for family in ("mistral", "qwen2", "gptj", "gpt_neox", "phi3", "qwen3"):
        report.row(family, lambda: family_row(family, ["w4a16-g32", "w8a16-channel", "fp8-block", "nvfp4a16"]))
    # Of other formats it makes no experts, or other ones.
    for family in MIXTURES:
        report.row(family, lambda: family_row(family, ["w4a16-g32", "w8a16-channel", "fp8", "mxfp4a16"]))
