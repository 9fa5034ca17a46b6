"""Trains a GPT-J and a Llama of some million parameters on bytes, with transformers' own classes.

A token is a byte. 256 tokens of context, BF16 products; the order of the text and the first weights follow from a seed.
The weights differ a little between machines and versions of PyTorch, whose sums are in another order.
"""
import json
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from transformers import GPTJConfig, GPTJForCausalLM, LlamaConfig, LlamaForCausalLM

CONTEXT = 256
ROWS = 4
SEED = 19


def gptj():
    return GPTJForCausalLM(GPTJConfig(vocab_size=256, n_positions=CONTEXT, n_embd=256, n_layer=4, n_head=4, rotary_dim=32, n_inner=1024, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False))


def llama():
    return LlamaForCausalLM(LlamaConfig(vocab_size=256, max_position_embeddings=CONTEXT, initializer_range=0.05, hidden_size=256, intermediate_size=768, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False))


def adamw(model):
    """Decay for matrices only."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim != 2]
    return [torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=2e-3, betas=(0.9, 0.95))]


def muon(model):
    """For the matrices of layers; AdamW for embedding, head and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layers." in n]
    chosen = set(map(id, matrices))
    return [torch.optim.Muon(matrices, lr=6e-3, weight_decay=0.05, momentum=0.9, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW([p for p in model.parameters() if id(p) not in chosen], lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0)]


class Recipe(NamedTuple):
    """How a model is made: both ways of training are in use, and leave other weights."""
    model: Callable
    optimizers: Callable
    steps: int
    warm_up: int


RECIPES = {"gptj": Recipe(gptj, adamw, 500, 50), "llama": Recipe(llama, muon, 310, 30)}


def batch(text, generator):
    starts = torch.randint(len(text) - CONTEXT - 1, (ROWS,), generator=generator)
    return torch.stack([text[s:s + CONTEXT + 1] for s in starts]).long()


def loss(model, rows):
    """The mean negative log-likelihood of a byte, in nats."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=rows[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())


def held_out_loss(model, text, count=64):
    """Of `count` windows that are spread over the text."""
    model.eval()
    with torch.no_grad():
        starts = np.linspace(0, len(text) - CONTEXT - 1, count).astype(int)
        values = [float(loss(model, torch.stack([text[s:s + CONTEXT + 1] for s in some]).long())) for some in starts.reshape(-1, 8)]
    model.train()
    return sum(values) / len(values)


def rate(step, recipe):
    """Rises linearly, stays, and falls linearly in the last fifth."""
    return min(1, (step + 1) / recipe.warm_up, (recipe.steps - step) / (recipe.steps / 5))


def trained(name, train, held_out, say=print):
    """The model, and its loss on the held-out text."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    recipe = RECIPES[name]
    model = recipe.model()
    model.train()
    generator = torch.Generator().manual_seed(SEED)
    text, other = (torch.frombuffer(bytearray(t), dtype=torch.uint8) for t in (train, held_out))
    optimizers = recipe.optimizers(model)
    begin = time.process_time()
    mean = None
    for step in range(recipe.steps):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("peak", group["lr"]) * rate(step, recipe)
        value = loss(model, batch(text, generator))
        model.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        mean = value.item() if mean is None else 0.98 * mean + 0.02 * value.item()
        if step % 100 == 99:
            say(f"{name}: step {step + 1} of {recipe.steps}, loss {mean:.3f}, {time.process_time() - begin:.0f} s of CPU time")
    return model, held_out_loss(model, other)


def save(model, folder):
    """In BF16, as models are published, with a tokenizer whose tokens are bytes."""
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(), ensure_ascii=False, indent=1))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": CONTEXT, "add_bos_token": False}))


def tokenizer():
    """A byte-level BPE without merges: token b is the byte b."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256))
    letters = {b: chr(b) if b in printable else chr(256 + next(others)) for b in range(256)}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": {letters[b]: b for b in range(256)}, "merges": []}}
