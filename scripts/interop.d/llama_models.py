"""The models of the group `llama`: fixtures, and wider ones whose rows fill blocks of 256."""
import dataclasses
import json
import pathlib

import numpy as np

from harness import FIXTURES, run

FAMILIES = ("gptj", "gpt2", "gpt_neox", "llama")
# What no graph of llama.cpp computes.
WITHOUT_GRAPH = (
    "falcon_alibi", "gemma2_scaled", "gpt2_inverse_layer", "gpt_neo", "opt", "opt_post_norm", "phi3_longrope", "qwen2_window", "qwen3_moe_dense", "qwen3_window", "smollm3_window", "starcoder2_window")
TOKENS = 24
# Graphs that have the windows of their family.
WITH_WINDOWS = ("gemma2", "gemma3", "gemma3_text", "gpt_oss")
# So few tokens are hardly turned: yarn's range, which llama.cpp rounds always, doesn't show.
WITHIN_ROUNDED_YARN = 3
SMALL_TOKENIZER = FIXTURES / "gguf/tokenizer"

SCHEMES = ("f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m q6_k iq4_nl iq4_xs").split()
# Types that no scheme has, and that all matrices in the layers are given here.
TYPES = ("mxfp4", "nvfp4")

WIDE = {
    "gptj": (dict(n_embd=256, n_head=4, n_layer=2, n_positions=64, rotary_dim=32, bos_token_id=0, eos_token_id=0), "gpt2"),
    "gpt2": (dict(n_embd=256, n_head=4, n_layer=2, n_positions=64, bos_token_id=0, eos_token_id=0), "gpt2"),
    "gpt_neox": (dict(hidden_size=256, num_attention_heads=4, num_hidden_layers=2, intermediate_size=1024, max_position_embeddings=64,
                      rotary_pct=0.25), "gpt_neox"),
    "llama": (dict(hidden_size=256, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=2, intermediate_size=512,
                   max_position_embeddings=64, tie_word_embeddings=False), "llama3"),
}
VOCABULARY = 384


@dataclasses.dataclass
class Model:
    """A checkpoint, its tokenizer, and 24 tokens."""

    name: str
    checkpoint: pathlib.Path
    assets: pathlib.Path
    tokens: list

    @property
    def window(self):
        """How many tokens llama.cpp may be asked for: those of a window that its graph doesn't have; None for all."""
        config = self.config
        if config["model_type"] == "gpt_oss" and not config["rope_parameters"]["truncate"]:
            return WITHIN_ROUNDED_YARN
        return None if config["model_type"] in WITH_WINDOWS else config.get("sliding_window")

    @property
    def config(self):
        return json.loads((self.checkpoint / "config.json").read_text())

    @property
    def dtype(self):
        """Of its weights, as --dtype spells it."""
        config = self.config
        return {"bfloat16": "bf16"}.get(config.get("dtype") or config.get("torch_dtype"), "f32")

    def convert(self, destination):
        run("convert", self.checkpoint, destination, "--dtype", "f32", "--assets", self.assets, "--quiet", check=0)
        return destination

    def quantize(self, destination, scheme, *options):
        if scheme in TYPES:
            scheme, options = "q8_0", [*options, "--tensor-type", rf"blk\.\d+\.(attn|ffn).*\.weight={scheme}"]
        run("quantize", self.checkpoint, destination, "--scheme", scheme, "--assets", self.assets, "--quiet", *options, check=0)
        return destination


def tokens_of(vocabulary):
    return np.random.default_rng(24).integers(0, vocabulary, TOKENS).tolist()


def fixtures():
    return sorted(path.parent.name for path in (FIXTURES / "huggingface").glob("*/config.json"))


def fixture(name):
    checkpoint = FIXTURES / "huggingface" / name
    assets = checkpoint if (checkpoint / "tokenizer.json").exists() else SMALL_TOKENIZER
    vocabulary = np.load(checkpoint / "logits.npy", mmap_mode="r").shape[-1]
    return Model(name, checkpoint, assets, tokens_of(vocabulary))


def wide(family, folder):
    """A model of random weights, saved by transformers."""
    import torch
    import transformers
    from transformers import AutoConfig, AutoModelForCausalLM

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    settings, tokenizer = WIDE[family]
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, vocab_size=VOCABULARY, **settings)).float()
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            scale = 1 if parameter.ndim == 1 and name.endswith("weight") else 0
            parameter.copy_(scale + noise * (0.2 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5))
    model.save_pretrained(folder)
    return Model(f"wide {family}", folder, FIXTURES / "tokenizer" / tokenizer, tokens_of(VOCABULARY))
