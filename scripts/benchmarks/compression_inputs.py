"""Makes the tensors for `scripts/benchmarks/compression`: `compression_inputs.py DIRECTORY`, files called NAME.WIDTH.bin by the element's bytes.

Weights are drawn from a normal distribution of deviation 0.02; the rest is what else checkpoints hold.
"""

import os
import sys

import numpy
import torch

COUNT = 8 << 20  # elements of the weights


def bf16(values):
  return torch.from_numpy(values).to(torch.bfloat16).view(torch.int16).numpy()


def float8(values, dtype):
  return torch.from_numpy(values).to(dtype).view(torch.uint8).numpy()


def tensors():
  random = numpy.random.default_rng(6)
  values = random.standard_normal(COUNT, dtype="float32") * numpy.float32(0.02)
  short = values[: COUNT // 2]
  rows = values.reshape(-1, 4096)
  scaled = rows / numpy.abs(rows).max(1, keepdims=True)
  yield "bf16", bf16(values)
  yield "f16", values.astype("f2")
  yield "f32", short
  yield "f64", random.standard_normal(COUNT // 4) * 0.02
  yield "i8", numpy.round(scaled * 127).astype("i1")
  yield "f8_e4m3", float8(scaled * 448, torch.float8_e4m3fn)
  yield "f8_e5m2", float8(rows, torch.float8_e5m2)

  # Four bits a weight, eight in a word, as GPTQ packs them, and as random bits.
  codes = numpy.clip(numpy.round(values / 0.008) + 8, 0, 15).astype("u4").reshape(-1, 8)
  yield "i32_gptq", (codes << numpy.arange(0, 32, 4, dtype="u4")).sum(1).astype("u4")
  yield "i32_gptq_uniform", random.integers(0, 1 << 32, COUNT // 4, dtype="u4")
  yield "u8_zero_points", numpy.clip(random.normal(8, 1.2, COUNT).round(), 0, 15).astype("u1")

  yield "i64_positions", numpy.tile(numpy.arange(2048, dtype="i8"), 1024)
  yield "i64_zipf", random.zipf(1.3, COUNT // 4).clip(0, 50000).astype("i8")
  yield "bool_causal_mask", numpy.tril(numpy.ones((2048, 2048), "u1"))
  yield "bool_random_mask", (random.random(COUNT // 2) < 0.5).astype("u1")
  yield "bf16_zeros", numpy.zeros(COUNT // 2, "u2")

  # Weights with something to find.
  table = bf16(values).reshape(-1, 1024).copy()
  table[random.random(len(table)) < 0.3] = 0
  yield "bf16_30%_zero_rows", table
  table = bf16(values).reshape(-1, 1024).copy()
  table[1::4] = table[0::4]
  yield "bf16_25%_copied_rows", table
  table = bf16(values)
  yield "bf16_50%_sparse", numpy.where(random.random(COUNT) < 0.5, 0, table)
  angles = numpy.arange(2048)[:, None] / 10000 ** (numpy.arange(0, 1024, 2) / 1024)
  sines = numpy.concatenate([numpy.sin(angles), numpy.cos(angles)], 1).astype("f4")
  yield "f32_sines", sines
  yield "bf16_sines", bf16(sines)
  yield "f32_of_bf16", bf16(values).view("u2")[: COUNT // 2].astype("u4") << 16


def main():
  directory = sys.argv[1]
  os.makedirs(directory, exist_ok=True)
  for name, array in tensors():
    numpy.ascontiguousarray(array).tofile(f"{directory}/{name}.{array.itemsize}.bin")


main()
