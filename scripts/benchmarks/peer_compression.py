"""Compression with other people's packages: `peer_compression.py METHOD SOURCE DESTINATION`.

METHOD is zipnn or h5py with a .safetensors file as SOURCE, unzipnn or unh5py with what those wrote. DESTINATION is a directory that is made.
zipnn gets the file's bytes, with the dtype that most of them have, and 2 threads; h5py a dataset for each tensor in chunks of rows of about
2 MiB, through shuffle and zstd of level 1.
"""

import json
import math
import os
import sys

WORDS = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
NUMPY = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U8": "u1", "BOOL": "u1"}
CHUNK = 2 << 20


def header(file):
  length = int.from_bytes(file.read(8), "little")
  tensors = json.loads(file.read(length))
  tensors.pop("__metadata__", None)
  return 8 + length, tensors


def main_dtype(tensors):
  sizes = {}
  for tensor in tensors.values():
    begin, end = tensor["data_offsets"]
    sizes[tensor["dtype"]] = sizes.get(tensor["dtype"], 0) + end - begin
  return max(sizes, key=sizes.get)


def zipnn(source, destination):
  from zipnn import ZipNN
  with open(source, "rb") as file:
    _, tensors = header(file)
    file.seek(0)
    contents = bytearray(file.read())
  # Of other dtypes it knows nothing: they are taken as bytes of bf16, as its command does.
  dtype = WORDS.get(main_dtype(tensors), "bfloat16")
  with open(f"{destination}/{dtype}.znn", "wb") as file:
    file.write(ZipNN(bytearray_dtype=dtype, threads=2).compress(contents))


def unzipnn(source, destination):
  from zipnn import ZipNN
  (name,) = os.listdir(source)
  with open(f"{source}/{name}", "rb") as file:
    contents = ZipNN(bytearray_dtype=name.removesuffix(".znn"), threads=2).decompress(file.read())
  with open(f"{destination}/model.safetensors", "wb") as file:
    file.write(contents)


def h5py(source, destination):
  import h5py
  import hdf5plugin
  import numpy
  with open(source, "rb") as file, h5py.File(f"{destination}/model.h5", "w") as output:
    start, tensors = header(file)
    for name, tensor in tensors.items():
      begin, end = tensor["data_offsets"]
      file.seek(start + begin)
      array = numpy.frombuffer(file.read(end - begin), NUMPY[tensor["dtype"]]).reshape(tensor["shape"])
      options = {}
      if array.ndim and array.nbytes >= 4096:
        rows = max(1, CHUNK // (array.itemsize * math.prod(array.shape[1:])))
        options = {"chunks": (min(rows, len(array)), *array.shape[1:]), "shuffle": True, **hdf5plugin.Zstd(clevel=1)}
      output.create_dataset(name, data=array, **options)


def unh5py(source, destination):
  import h5py
  import hdf5plugin  # noqa: F401, registers the filter
  with h5py.File(f"{source}/model.h5") as file, open(f"{destination}/model.bin", "wb") as output:
    for name in file:
      output.write(file[name][()].data)


def main():
  method, source, destination = sys.argv[1:]
  os.makedirs(destination)
  {"zipnn": zipnn, "unzipnn": unzipnn, "h5py": h5py, "unh5py": unh5py}[method](source, destination)


main()
