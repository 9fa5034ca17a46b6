"""Hugging Face bf16 to f16 in files of 500 MB, a tensor at a time, with safetensors and torch: `peer_streaming.py SOURCE DESTINATION`."""

import json
import os
import shutil
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

LIMIT = 500_000_000


def main():
  source, destination = sys.argv[1], sys.argv[2]
  os.makedirs(destination)
  weight_map, shard, shard_size, total = {}, {}, 0, 0

  def save():
    name = f"model-{len(set(weight_map.values())) + 1:05}.safetensors"
    save_file(shard, f"{destination}/{name}", metadata={"format": "pt"})
    weight_map.update(dict.fromkeys(shard, name))

  for name in sorted(name for name in os.listdir(source) if name.endswith(".safetensors")):
    with safe_open(f"{source}/{name}", framework="pt") as file:
      for key in file.keys():
        tensor = file.get_tensor(key).to(torch.float16)
        if shard and shard_size + tensor.nbytes > LIMIT:
          save()
          shard, shard_size = {}, 0
        shard[key] = tensor
        shard_size += tensor.nbytes
        total += tensor.nbytes
  save()
  with open(f"{destination}/model.safetensors.index.json", "w") as file:
    json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, file)
  shutil.copy(f"{source}/config.json", destination)


main()
