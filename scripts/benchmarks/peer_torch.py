"""PyTorch's file to safetensors with torch and safetensors: `peer_torch.py SOURCE DESTINATION`. Mapped, where the format allows it."""

import os
import sys
import zipfile

import torch
from safetensors.torch import save_file

source, destination = sys.argv[1:3]
state = torch.load(source, mmap=zipfile.is_zipfile(source))
os.makedirs(destination)
save_file({name: tensor.contiguous() for name, tensor in state.items()}, f"{destination}/model.safetensors", metadata={"format": "pt"})
