"""The shapes of a GPT-J, as Mesh-Transformer's shards and as Hugging Face's tensors."""

import dataclasses
import json
import math

PIECES = 16  # npz files in a shard's directory, whatever the model


@dataclasses.dataclass(frozen=True)
class Geometry:
  layers: int
  width: int = 4096
  heads: int = 16
  vocabulary: int = 50400
  positions: int = 2048
  rotary: int = 64
  shards: int = 8

  @property
  def inner(self):
    return 4 * self.width

  def leaves(self):
    """(path, shape in one shard, kind) of every leaf, in the order of the files. Layers are sorted as strings."""
    width, inner, vocabulary, shards = self.width, self.inner, self.vocabulary, self.shards
    norm = [("offset", (width,), "shard 0"), ("scale", (width,), "shard 0")]
    modules = {
      "embedding_shard/~/linear": [("b", (width,), "sum"), ("w", (vocabulary // shards, width), "embedding")],
      "projection_shard/~/linear": [("b", (vocabulary // shards,), "vector"), ("w", (width, vocabulary // shards), "columns")],
      "projection_shard/~/replicated_layer_norm": norm,
    }
    for layer in range(self.layers):
      module = f"layer_{layer}/~/"
      for name in ("linear", "linear_1", "linear_2"):
        modules[module + name] = [("w", (width, width // shards), "columns")]
      modules[module + "linear_3"] = [("w", (width // shards, width), "rows")]
      modules[module + "linear_4"] = [("b", (inner // shards,), "vector"), ("w", (width, inner // shards), "columns")]
      modules[module + "linear_5"] = [("b", (width,), "sum"), ("w", (inner // shards, width), "rows")]
      modules[module + "replicated_layer_norm"] = norm
    leaves = [(f"{module}/{leaf}", shape, kind) for module in sorted(modules) for leaf, shape, kind in modules[module]]
    return leaves + [("step", (), "step")]

  def pieces(self):
    """The leaves of each of the npz files: as many in each, the first ones with one more."""
    leaves = self.leaves()
    count, longer = divmod(len(leaves), PIECES)
    starts = [piece * count + min(piece, longer) for piece in range(PIECES + 1)]
    return [leaves[start:end] for start, end in zip(starts, starts[1:])]

  def tensors(self):
    """(name, shape) of every tensor under Hugging Face's names."""
    width, inner = self.width, self.inner
    tensors = [("transformer.wte.weight", (self.vocabulary, width))]
    for layer in range(self.layers):
      prefix = f"transformer.h.{layer}."
      tensors += [(f"{prefix}ln_1.{leaf}", (width,)) for leaf in ("weight", "bias")]
      tensors += [(f"{prefix}attn.{name}_proj.weight", (width, width)) for name in ("k", "v", "q", "out")]
      tensors += [
        (f"{prefix}mlp.fc_in.weight", (inner, width)),
        (f"{prefix}mlp.fc_in.bias", (inner,)),
        (f"{prefix}mlp.fc_out.weight", (width, inner)),
        (f"{prefix}mlp.fc_out.bias", (width,)),
      ]
    tensors += [(f"transformer.ln_f.{leaf}", (width,)) for leaf in ("weight", "bias")]
    return tensors + [("lm_head.weight", (self.vocabulary, width)), ("lm_head.bias", (self.vocabulary,))]

  def files(self, count):
    """The tensors in so many files of about the same size."""
    total = sum(math.prod(shape) for _, shape in self.tensors())
    files, done = [[] for _ in range(count)], 0
    for name, shape in self.tensors():
      files[min(count - 1, done * count // total)].append((name, shape))
      done += math.prod(shape)
    return files

  def mesh_configuration(self):
    return json.dumps({
      "layers": self.layers, "d_model": self.width, "n_heads": self.heads, "n_vocab": self.vocabulary, "norm": "layernorm",
      "pe": "rotary", "pe_rotary_dims": self.rotary, "seq": self.positions, "cores_per_replica": self.shards,
    }, indent=2)

  def huggingface_configuration(self, dtype):
    return json.dumps({
      "architectures": ["GPTJForCausalLM"], "model_type": "gptj", "activation_function": "gelu_new", "attn_pdrop": 0.0,
      "bos_token_id": 50256, "embd_pdrop": 0.0, "eos_token_id": 50256, "initializer_range": 0.02,
      "layer_norm_epsilon": 1e-05, "n_embd": self.width, "n_head": self.heads, "n_inner": None, "n_layer": self.layers,
      "n_positions": self.positions, "resid_pdrop": 0.0, "rotary_dim": self.rotary, "tie_word_embeddings": False,
      "torch_dtype": dtype, "use_cache": True, "vocab_size": self.vocabulary,
    }, indent=2)
