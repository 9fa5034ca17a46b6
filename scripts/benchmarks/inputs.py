"""Makes the checkpoints that are converted: `inputs.py KIND DIRECTORY LAYERS`, KIND one of mesh, hf, flat, fork, fp8, torch, torch-legacy,
torch-transposed, keras, keras-deflated, llama, mixture, neox, tensorflow.

A directory with the file `complete` in it, which says what it was made of, is left as it is. Weights are random, as trained ones are to
a compressor, and are written piece by piece. Flat is one file with as many matrices as the layers are, fork the same trained on; those called torch are the same as torch.save writes it: a zip, its format from before version 1.6, and a zip of one matrix that lies transposed.
Keras is a file of HDF5 with as many kernels, in one piece each or in shuffled and deflated chunks as h5py chooses them.
Llama is a model in one file, with a SentencePiece tokenizer; mixture one of experts, likewise. TensorFlow is a GPT-Neo in F32.
"""

import json
import math
import os
import shutil
import struct
import sys
import zipfile

from bundle import save_bundle
from geometry import PIECES, Geometry
from llama_geometry import LlamaGeometry, sentencepiece_model
from mixture_geometry import MixtureGeometry
from neox_checkpoint import NeoXGeometry, make_neox

VERSION = 2
CHUNK = 1 << 22  # elements made at a time
HUGGINGFACE_FILES = 2


class RandomWeights:
  """bf16 drawn from a normal distribution of deviation 0.02, rounded to nearest even."""

  def __init__(self):
    import numpy
    self.numpy = numpy
    self.generator = numpy.random.default_rng(6)

  def wide(self, count):
    return self.generator.standard_normal(count, dtype="float32") * self.numpy.float32(0.02)

  def values(self, count, mean=0.0):
    wide = self.wide(count)
    wide += mean
    bits = wide.view("uint32")
    bits += ((bits >> 16) & 1) + 0x7FFF
    return (bits >> 16).astype("<u2")

  def chunks(self, count, mean=0.0):
    for start in range(0, count, CHUNK):
      yield self.values(min(CHUNK, count - start), mean)


class ForkedWeights(RandomWeights):
  """The same, each moved by some hundredth of the deviation."""

  def __init__(self):
    super().__init__()
    self.updates = self.numpy.random.default_rng(7)

  def wide(self, count):
    return super().wide(count) + self.updates.standard_normal(count, dtype="float32") * self.numpy.float32(0.0002)


# MARK: Mesh-Transformer

def npy_header(descriptor, shape):
  text = f"{{'descr': '{descriptor}', 'fortran_order': False, 'shape': {shape}, }}"
  padded = text + " " * (-(10 + len(text) + 1) % 64) + "\n"
  return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode()


def make_mesh(directory, geometry, weights):
  # Leaves that training keeps equal in all shards; a layer norm's are trained in shard 0 only.
  shared = {}

  def contents(path, shape, kind, shard):
    if kind == "step":
      return [struct.pack("<i", 1)]
    count = math.prod(shape)
    is_scale = path.endswith("/scale")
    if kind == "sum":
      return [shared.setdefault(path, weights.values(count).tobytes())]
    if kind == "shard 0" and shard == 0:
      return [weights.values(count, mean=1.0 if is_scale else 0.0).tobytes()]
    if kind == "shard 0":
      return [(b"\x80\x3f" if is_scale else b"\0\0") * count]
    return weights.chunks(count)

  for shard in range(geometry.shards):
    folder = f"{directory}/step_1/shard_{shard}"
    os.makedirs(folder)
    for piece, leaves in enumerate(geometry.pieces()):
      with zipfile.ZipFile(f"{folder}/{piece}.npz", "w", zipfile.ZIP_STORED) as archive:
        for number, (path, shape, kind) in enumerate(leaves):
          with archive.open(f"arr_{number}.npy", "w", force_zip64=True) as member:
            member.write(npy_header("<i4" if kind == "step" else "<V2", shape))
            for chunk in contents(path, shape, kind, shard):
              member.write(chunk)
  with open(f"{directory}/mesh.json", "w") as file:
    file.write(geometry.mesh_configuration())


# MARK: Hugging Face

def tensor_chunks(name, shape, weights):
  is_scale = name.endswith("weight") and ("ln_" in name or "norm" in name)
  return weights.chunks(math.prod(shape), mean=1.0 if is_scale else 0.0)


def random_tensors(tensors, weights):
  import torch
  made = {}
  for name, shape in tensors:
    tensor = torch.empty(math.prod(shape), dtype=torch.bfloat16)
    start = 0
    for values in tensor_chunks(name, shape, weights):
      tensor[start : start + len(values)] = torch.from_numpy(values.view("int16")).view(torch.bfloat16)
      start += len(values)
    made[name] = tensor.view(shape)
  return made


def save_random(path, tensors, weights):
  header, offset = {"__metadata__": {"format": "pt"}}, 0
  for name, shape in tensors:
    end = offset + 2 * math.prod(shape)
    header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
    offset = end
  text = json.dumps(header).encode()
  text += b" " * (-len(text) % 8)
  with open(path, "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for name, shape in tensors:
      for values in tensor_chunks(name, shape, weights):
        file.write(values)


def flat_shapes(layers):
  return [(f"layer.{layer}.weight", (4096, 16384)) for layer in range(layers)]


def save_torch(kind, path, layers, weights):
  import torch
  if kind == "torch-transposed":
    state = random_tensors([("weight", (4096 * layers, 16384))], weights)
    state = {name: tensor.T for name, tensor in state.items()}
  else:
    state = random_tensors(flat_shapes(layers), weights)
  torch.save(state, path, _use_new_zipfile_serialization=kind != "torch-legacy")


def save_keras(kind, path, layers, weights):
  import h5py
  options = {"chunks": True, "shuffle": True, "compression": "gzip", "compression_opts": 1} if kind == "keras-deflated" else {}
  with h5py.File(path, "w") as file:
    names = []
    for layer in range(layers):
      rows, columns = 4096, 8192
      names.append(f"transformer/h_._{layer}/mlp/fc_in/kernel:0")
      dataset = file.create_dataset(names[-1], (rows, columns), "<f4", **options)
      # Whole rows of chunks at a time.
      step = 4 * (dataset.chunks[0] if dataset.chunks else 64)
      for start in range(0, rows, step):
        count = min(step, rows - start)
        wide = weights.values(count * columns).astype("<u4") << 16
        dataset[start : start + count] = wide.view("<f4").reshape(count, columns)
    file.attrs["layer_names"] = weights.numpy.array([name.encode() for name in names])


def make_huggingface(directory, geometry, weights):
  os.makedirs(f"{directory}/model")
  files = geometry.files(HUGGINGFACE_FILES)
  index = {"metadata": {"total_size": sum(2 * math.prod(shape) for _, shape in geometry.tensors())}, "weight_map": {}}
  for number, tensors in enumerate(files, 1):
    name = f"model-{number:05}-of-{len(files):05}.safetensors"
    save_random(f"{directory}/model/{name}", tensors, weights)
    index["weight_map"] |= {tensor: name for tensor, _ in tensors}
  with open(f"{directory}/model/model.safetensors.index.json", "w") as file:
    json.dump(index, file, indent=2)
  with open(f"{directory}/model/config.json", "w") as file:
    file.write(geometry.huggingface_configuration("bfloat16"))


def make_llama(directory, geometry, weights):
  os.makedirs(f"{directory}/model")
  save_random(f"{directory}/model/model.safetensors", geometry.tensors(), weights)
  with open(f"{directory}/model/config.json", "w") as file:
    file.write(geometry.configuration())
  with open(f"{directory}/model/tokenizer.model", "wb") as file:
    file.write(sentencepiece_model())


def save_fp8(directory, layers):
  """Random finite codes of E4M3, 8192 times 16384 a layer, with a scale for each block of 128 times 128."""
  import numpy
  generator, shape, block = numpy.random.default_rng(8), (8192, 16384), 128
  scales = [extent // block for extent in shape]
  header, end = {}, 0
  for ending, dtype, extents, width in [("weight_scale_inv", "F32", scales, 4), ("weight", "F8_E4M3", shape, 1)]:
    for layer in range(layers):
      size = math.prod(extents) * width
      header[f"layers.{layer}.{ending}"] = {"dtype": dtype, "shape": extents, "data_offsets": [end, end + size]}
      end += size
  text = json.dumps(header).encode()
  text += b" " * (-len(text) % 8)
  with open(f"{directory}/model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for _ in range(layers):
      file.write(generator.random(scales, dtype="float32").tobytes())
    for _ in range(layers):
      codes = generator.integers(0, 256, shape, dtype="uint8")
      codes[(codes & 0x7F) == 0x7F] = 0
      file.write(codes.tobytes())
  with open(f"{directory}/config.json", "w") as file:
    json.dump({"quantization_config": {"quant_method": "fp8", "weight_block_size": [block, block]}}, file)


def main():
  kind, directory, layers = sys.argv[1], sys.argv[2], int(sys.argv[3])
  geometry = {"llama": LlamaGeometry, "mixture": MixtureGeometry, "neox": NeoXGeometry}.get(kind, Geometry)(layers)
  parameters = f"version {VERSION}, {kind}, {PIECES} pieces, {HUGGINGFACE_FILES} files, {geometry}\n"
  marker = f"{directory}/complete"
  if os.path.exists(marker) and open(marker).read() == parameters:
    return
  print(f"making {directory}", file=sys.stderr)
  shutil.rmtree(directory, ignore_errors=True)
  os.makedirs(directory)
  weights = ForkedWeights() if kind == "fork" else RandomWeights()
  if kind in ("flat", "fork"):
    save_random(f"{directory}/model.safetensors", flat_shapes(layers), weights)
  elif kind == "tensorflow":
    save_bundle(directory, layers, weights)
  elif kind == "fp8":
    save_fp8(directory, layers)
  elif kind.startswith("torch"):
    save_torch(kind, f"{directory}/pytorch_model.bin", layers, weights)
  elif kind.startswith("keras"):
    save_keras(kind, f"{directory}/tf_model.h5", layers, weights)
  elif kind in ("llama", "mixture"):
    make_llama(directory, geometry, weights)
  elif kind == "neox":
    # bfloat16's bits are those of other numbers in f16, which are as good.
    make_neox(f"{directory}/model", geometry, weights)
  elif kind.startswith("mesh"):
    make_mesh(directory, geometry, weights)
  else:
    make_huggingface(directory, geometry, weights)
  os.sync()
  with open(marker, "w") as file:
    file.write(parameters)


main()
