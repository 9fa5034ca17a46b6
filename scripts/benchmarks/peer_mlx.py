"""Quantizes a checkpoint with mlx-lm, affine with 4 bits: peer_mlx.py SOURCE DESTINATION GROUP"""

import pathlib
import sys

import mlx.core
from mlx_lm.utils import compute_bits_per_weight, load_model, quantize_model, save_model

source, destination, group = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
mlx.core.set_default_device(mlx.core.cpu)
model, configuration = load_model(source, lazy=True)
model, configuration = quantize_model(model, configuration, group, 4)
destination.mkdir()
save_model(destination, model, donate_model=True)
