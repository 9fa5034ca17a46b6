"""fixtures/configuration/public: a tiny model for each public config.json in `published.py`, with transformers' logits.

Sizes are shrunk, consistently, and every other key is left as it is. The weights are random, in the dtype that the file names (f16 where it
names f32, so that something is widened), saved by transformers. `logits.npy` is f32 [tokens, vocabulary]: eager attention in f32 on the
weights as stored.
"""

import json
import pathlib
import tempfile

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

from families import randomise
from measure import build, read
from published import PUBLISHED

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "fixtures/configuration/public"
LENGTH = 16
LAYERS = 2
VOCABULARY = 51
HEAD = 8
TOLERANCE = 2e-5
# In whose places the table of names is written.
README = """# Configurations of public models

Each folder has the keys and values of a `config.json` that somebody published, its sizes shrunk (width, heads, layers, vocabulary, ids of
tokens that wouldn't fit) and everything else as it was; random weights; 16 tokens; the logits that transformers 5.23 computes of them.
`scripts/goldens/configuration public` writes all of it, `--check` compares the logits; the values are in
`scripts/goldens/configuration.d/published.py`. What is taken is names and numbers of settings, no text and no code.

| folder | model | where its configuration was read |
|---|---|---|
"""


def main(names, check):
  torch.set_num_threads(1)
  transformers.utils.logging.disable_progress_bar()
  chosen = [name for name in PUBLISHED if not names or name in names]
  if check:
    return sum(not is_same(name) for name in chosen)
  for seed, name in enumerate(PUBLISHED):
    if name in chosen:
      make(FOLDER / name, *PUBLISHED[name], seed)
  rows = [f"| `{name}` | {model} | {source} |" for name, (model, source, _) in PUBLISHED.items()]
  (FOLDER / "README.md").write_text(README + "\n".join(rows) + "\n")
  return 0


def make(folder, model, source, published, seed):
  folder.mkdir(parents=True, exist_ok=True)
  settings = shrunk(published)
  text = json.dumps(settings, indent=2) + "\n"
  (folder / "config.json").write_text(text)
  config = read(folder)
  network = build(config)
  # Small enough that tied heads, too, give logits around one.
  randomise(network, seed, embeddings=0.2)
  network.tie_weights()
  dtype = torch.bfloat16 if (settings.get("torch_dtype") or settings.get("dtype")) == "bfloat16" else torch.float16
  with tempfile.TemporaryDirectory() as scratch:
    # transformers would write its own form of the configuration, too.
    network.to(dtype).save_pretrained(scratch)
    (folder / "model.safetensors").write_bytes((pathlib.Path(scratch) / "model.safetensors").read_bytes())
  tokens = np.random.default_rng(seed).integers(0, config.vocab_size, LENGTH).astype("<i8")
  np.save(folder / "tokens.npy", tokens)
  np.save(folder / "logits.npy", logits(folder, tokens))
  size = (folder / "model.safetensors").stat().st_size
  assert size < 60_000, f"{folder.name}: {size} bytes of weights"
  print(folder.name, size, "bytes", flush=True)


def logits(folder, tokens):
  network = AutoModelForCausalLM.from_pretrained(folder, config=read(folder), dtype=torch.float32).eval()
  with torch.no_grad():
    return network(torch.tensor(tokens[None])).logits[0].float().numpy()


def is_same(name):
  folder = FOLDER / name
  found, stored = logits(folder, np.load(folder / "tokens.npy")), np.load(folder / "logits.npy")
  apart = float(np.abs(found - stored).max())
  same = apart <= TOLERANCE * max(1, float(np.abs(stored).max()))
  print(f"{'ok' if same else 'FAIL'} {name}: {apart:.1e} apart", flush=True)
  return same


def shrunk(published):
  """The configuration with small sizes: the ratio of key-value heads, of the head to the width and of the inner width stay what they can."""
  small = dict(published)
  width = first(published, "hidden_size", "n_embd")
  heads = first(published, "num_attention_heads", "n_head", "num_heads")
  groups = heads // (published.get("num_key_value_heads") or heads)
  small_heads = min(heads, 4 if 4 % groups == 0 else groups)
  head = HEAD // 2 if groups > 4 else HEAD
  if published.get("rotary_pct") == 0.25:
    # A quarter of the head is to have more than one frequency.
    small_heads, head = 2, 2 * HEAD
  # A head that isn't width / heads stays so.
  small_width = small_heads * head if published.get("head_dim", width // heads) == width // heads else small_heads * head * 5 // 4
  for key, value in {
      "hidden_size": small_width, "n_embd": small_width, "num_attention_heads": small_heads, "n_head": small_heads, "num_heads": small_heads,
      "num_key_value_heads": small_heads // groups, "head_dim": head, "intermediate_size": small_width * 3 // 2, "n_inner": small_width * 3 // 2,
      "num_hidden_layers": LAYERS, "n_layer": LAYERS, "num_layers": LAYERS, "vocab_size": VOCABULARY, "rotary_dim": head // 2}.items():
    if published.get(key) is not None:
      small[key] = value
  layers = first(published, "num_hidden_layers", "n_layer", "num_layers")
  if "max_window_layers" in published:
    small["max_window_layers"] = round(published["max_window_layers"] * LAYERS / layers)
  if "attention_layers" in published:
    small["attention_layers"] = published["attention_layers"][:LAYERS]
    small["attention_types"] = [[published["attention_types"][0][0], LAYERS // len(published["attention_types"][0][0])]]
  if published["model_type"] in ("gpt2", "gpt_neo"):
    # The table of positions is a weight.
    for key in ("n_positions", "n_ctx", "max_position_embeddings"):
      if key in published:
        small[key] = 32
  if published["model_type"] == "gpt_neo":
    small["window_size"] = 5
  for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
    if isinstance(published.get(key), list):
      small[key] = [VOCABULARY - 1 - place for place in range(len(published[key]))]
    elif (published.get(key) or 0) >= VOCABULARY:
      small[key] = VOCABULARY - 1
  return small


def first(settings, *keys):
  return next(settings[key] for key in keys if settings.get(key) is not None)
