"""Mesh directory to Hugging Face f16 by the original script's algorithm: `peer_original.py STEP_DIRECTORY DESTINATION LAYERS`.

Every leaf of every shard is loaded with numpy and stacked; by its rule it is summed, joined or taken from shard 0, then cast and
transposed; the whole state dict is saved at the end. Left out in its favour: jax, and the causal masks that it saves too.
"""

import os
import sys

import numpy
import torch
from safetensors.torch import save_file

from geometry import PIECES, Geometry

LAYER_NAMES = {
  "linear": "attn.q_proj", "linear_1": "attn.v_proj", "linear_2": "attn.k_proj", "linear_3": "attn.out_proj",
  "linear_4": "mlp.fc_in", "linear_5": "mlp.fc_out", "replicated_layer_norm": "ln_1",
}
LEAF_NAMES = {"w": "weight", "b": "bias", "scale": "weight", "offset": "bias"}


def huggingface_name(path):
  module, _, rest = path.partition("/~/")
  part, leaf = rest.split("/")
  if module == "embedding_shard":
    return f"transformer.wte.{LEAF_NAMES[leaf]}"
  if module == "projection_shard":
    return f"{'lm_head' if part == 'linear' else 'transformer.ln_f'}.{LEAF_NAMES[leaf]}"
  return f"transformer.h.{module.removeprefix('layer_')}.{LAYER_NAMES[part]}.{LEAF_NAMES[leaf]}"


def combined(stacked, kind):
  """One tensor of the shards' leaves, whose first dimension is the shard."""
  if kind == "shard 0":
    return stacked[0]
  if kind == "sum":
    return stacked.sum(0)
  if kind == "vector":
    return stacked.reshape(-1)
  if kind == "columns":
    return stacked.transpose(0, 1).reshape(stacked.shape[1], -1).T
  whole = stacked.reshape(-1, stacked.shape[-1])
  return whole.T if kind == "rows" else whole


def main():
  source, destination, geometry = sys.argv[1], sys.argv[2], Geometry(int(sys.argv[3]))
  state = {}
  for piece in reversed(range(PIECES)):
    shards = []
    for shard in range(geometry.shards):
      with numpy.load(f"{source}/shard_{shard}/{piece}.npz") as file:
        shards.append([file[name] for name in file.files])
    for (path, _, kind), leaves in zip(geometry.pieces()[piece], zip(*shards)):
      if kind == "step":
        continue
      stacked = torch.from_numpy(numpy.stack([leaf.view("int16") for leaf in leaves])).view(torch.bfloat16)
      state[huggingface_name(path)] = combined(stacked, kind).to(torch.float16).contiguous()
  state["transformer.wte.weight"] += state.pop("transformer.wte.bias")
  os.makedirs(destination)
  save_file(state, f"{destination}/model.safetensors", metadata={"format": "pt"})


main()
