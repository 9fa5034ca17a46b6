"""Training checkpoints as GPT-NeoX and DeepSpeed leave them, a file for each module and tensor-parallel rank, in f16.

`neox_checkpoint.py DIRECTORY LAYERS WIDTH HEADS RANKS` makes one of zeros whose files are sparse: GPT-NeoX-20B's is
`DIRECTORY 44 6144 64 2`. It has 94 files and 20,554,567,680 parameters, and takes no room on the disk.
"""

import collections
import dataclasses
import io
import json
import math
import os
import pickle
import struct
import sys
import zlib

ZEROS = bytes(1 << 24)


@dataclasses.dataclass(frozen=True)
class NeoXGeometry:
  layers: int
  width: int = 4096
  heads: int = 32
  ranks: int = 2
  vocabulary: int = 50432
  step: int = 150000

  def modules(self):
    """(number, [(name, shape on a rank)]) of every module that has a file."""
    width, inner, ranks = self.width, 4 * self.width, self.ranks
    rows = self.vocabulary // ranks
    yield 0, [("word_embeddings.weight", (rows, width))]
    for layer in range(self.layers):
      yield layer + 2, [
        ("input_layernorm.weight", (width,)), ("input_layernorm.bias", (width,)),
        ("attention.query_key_value.weight", (3 * width // ranks, width)), ("attention.query_key_value.bias", (3 * width // ranks,)),
        ("attention.dense.weight", (width, width // ranks)), ("attention.dense.bias", (width,)),
        ("post_attention_layernorm.weight", (width,)), ("post_attention_layernorm.bias", (width,)),
        ("mlp.dense_h_to_4h.weight", (inner // ranks, width)), ("mlp.dense_h_to_4h.bias", (inner // ranks,)),
        ("mlp.dense_4h_to_h.weight", (width, inner // ranks)), ("mlp.dense_4h_to_h.bias", (width,)),
      ]
    yield self.layers + 3, [("norm.weight", (width,)), ("norm.bias", (width,))]
    yield self.layers + 4, [("final_linear.weight", (rows, width))]

  def configuration(self):
    return {
      "pipe-parallel-size": 4, "model-parallel-size": self.ranks, "num-layers": self.layers, "hidden-size": self.width,
      "num-attention-heads": self.heads, "seq-length": 2048, "max-position-embeddings": 2048, "norm": "layernorm", "pos-emb": "rotary",
      "rotary-pct": 0.25, "no-weight-tying": True, "gpt-j-residual": True, "output-layer-parallelism": "column",
    }


class Storage:
  """A place of a pickle that refers to a storage of the file."""

  def __init__(self, key, count):
    self.key, self.count = key, count


class View:
  """A contiguous tensor over a storage, pickled as torch.save does it."""

  def __init__(self, storage, shape):
    self.storage, self.shape = storage, shape

  def __reduce__(self):
    from torch._utils import _rebuild_tensor_v2
    strides = tuple(math.prod(self.shape[place + 1:]) for place in range(len(self.shape)))
    return _rebuild_tensor_v2, (self.storage, 0, self.shape, strides, False, collections.OrderedDict())


class Pickler(pickle.Pickler):
  def persistent_id(self, object):
    if isinstance(object, Storage):
      import torch
      return ("storage", torch.HalfStorage, object.key, "cpu", object.count)
    return None


def pickled(tensors):
  buffer = io.BytesIO()
  Pickler(buffer, 2).dump(collections.OrderedDict(
    (name, View(Storage(str(number), math.prod(shape)), shape)) for number, (name, shape) in enumerate(tensors)))
  return buffer.getvalue()


class Archive:
  """A zip of stored members; those of zeros are holes in the file."""

  checksums = {}

  def __init__(self, path):
    self.file, self.directory, self.count = open(path, "wb"), b"", 0

  def add(self, name, size, checksum, write):
    place = self.file.tell()
    fields = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, checksum, size, size, len(name), 0)
    self.file.write(b"PK\3\4" + fields + name.encode())
    write(self.file)
    self.directory += b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, place) + name.encode()
    self.count += 1

  def add_bytes(self, name, contents):
    self.add(name, len(contents), zlib.crc32(contents), lambda file: file.write(contents))

  def add_zeros(self, name, size):
    if size not in self.checksums:
      checksum, left = 0, size
      while left > 0:
        checksum = zlib.crc32(ZEROS[:min(left, len(ZEROS))], checksum)
        left -= len(ZEROS)
      self.checksums[size] = checksum
    self.add(name, size, self.checksums[size], lambda file: file.seek(size, os.SEEK_CUR))

  def close(self):
    start = self.file.tell()
    self.file.write(self.directory)
    self.file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, self.count, self.count, len(self.directory), start, 0))
    self.file.close()


def make_neox(directory, geometry, weights=None):
  """Without weights everything is zero, and sparse."""
  step = f"{directory}/global_step{geometry.step}"
  os.makedirs(f"{step}/configs")
  with open(f"{directory}/latest", "w") as file:
    file.write(os.path.basename(step))
  with open(f"{step}/configs/model.yml", "w") as file:
    json.dump(geometry.configuration(), file, indent=2)
  for number, tensors in geometry.modules():
    for rank in range(geometry.ranks):
      name = f"layer_{number:02}-model_{rank:02}-model_states"
      archive = Archive(f"{step}/{name}.pt")
      archive.add_bytes(f"{name}/data.pkl", pickled(tensors))
      for place, (tensor, shape) in enumerate(tensors):
        path, size = f"{name}/data/{place}", 2 * math.prod(shape)
        # Copies are equal on all ranks.
        if weights is None or "norm" in tensor:
          archive.add_zeros(path, size)
        else:
          archive.add_bytes(path, weights.values(size // 2).tobytes())
      archive.add_bytes(f"{name}/version", b"3\n")
      archive.close()


if __name__ == "__main__":
  target, layers, width, heads, ranks = sys.argv[1], *map(int, sys.argv[2:6])
  make_neox(target, NeoXGeometry(layers, width, heads, ranks))
