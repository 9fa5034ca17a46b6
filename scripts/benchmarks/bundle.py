"""A GPT-Neo as a TensorFlow checkpoint: variables in F32 and their checksums, which the kernel of this project takes."""

import ctypes
import json
import os
import struct
import subprocess

KERNELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../Sources/CTensorKernels")
WIDTH, HEADS, VOCABULARY, POSITIONS = 2048, 16, 50257, 2048


def variables(layers):
  """(name, shape) in the order of the index."""
  shapes = [("gpt2/wte", (VOCABULARY, WIDTH)), ("gpt2/wpe", (POSITIONS, WIDTH)), ("gpt2/ln_f/g", (WIDTH,)), ("gpt2/ln_f/b", (WIDTH,))]
  for layer in range(layers):
    scope = f"gpt2/h{layer}/"
    shapes += [(f"{scope}attn/{name}", (WIDTH, WIDTH)) for name in "qkvo"]
    shapes += [(f"{scope}attn/compute_output_bias/o_b", (WIDTH,))]
    shapes += [(f"{scope}{norm}/{leaf}", (WIDTH,)) for norm in ("norm_1", "norm_2") for leaf in "gb"]
    for name, extents in (("c_fc", (WIDTH, 4 * WIDTH)), ("c_proj", (4 * WIDTH, WIDTH))):
      shapes += [(f"{scope}mlp/conv1d_main/{name}/kernel", extents), (f"{scope}mlp/conv1d_main/{name}/bias", extents[1:])]
  return sorted(shapes)


def varint(number):
  parts = bytearray()
  while number > 0x7F:
    parts.append(number & 0x7F | 0x80)
    number >>= 7
  return bytes(parts + bytes([number]))


def field(number, contents):
  return bytes([number << 3 | 2]) + varint(len(contents)) + contents


def save_bundle(directory, layers, weights):
  library = f"{directory}/crc32c.so"
  subprocess.run(["cc", "-O2", "-shared", "-fPIC", f"-I{KERNELS}/include", "-o", library, f"{KERNELS}/crc32c.c", f"{KERNELS}/level.c"], check=True)
  kernel = ctypes.CDLL(library).wb_crc32c
  kernel.argtypes, kernel.restype = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t], ctypes.c_uint32
  os.remove(library)

  def masked(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

  def block(rows):
    """Entries with whole keys, their places, and the checksum."""
    contents, places = b"", []
    for key, value in rows:
      places.append(len(contents))
      contents += b"\0" + varint(len(key)) + varint(len(value)) + key + value
    places = places or [0]
    contents += struct.pack(f"<{len(places) + 1}I", *places, len(places)) + b"\0"
    return contents + struct.pack("<I", masked(kernel(0, contents, len(contents))))

  rows, offset = [(b"", b"\x08\x01\x1a\x02\x08\x01")], 0
  with open(f"{directory}/model.ckpt.data-00000-of-00001", "wb") as file:
    for name, shape in variables(layers):
      crc, count, elements = 0, 0, 1
      for extent in shape:
        elements *= extent
      for chunk in weights.chunks(elements):
        # The values are those of bf16, in F32.
        data = (chunk.astype("<u4") << 16).tobytes()
        crc, count = kernel(crc, data, len(data)), count + len(data)
        file.write(data)
      extents = b"".join(field(2, b"\x08" + varint(extent)) for extent in shape)
      place = b"" if offset == 0 else b"\x20" + varint(offset)
      rows.append((name.encode(), b"\x08\x01" + field(2, extents) + place + b"\x28" + varint(count) + b"\x35" + struct.pack("<I", masked(crc))))
      offset += count
  entries, others = block(rows), block([])
  index = block([(rows[-1][0], varint(0) + varint(len(entries) - 5))])
  footer = varint(len(entries)) + varint(len(others) - 5) + varint(len(entries) + len(others)) + varint(len(index) - 5)
  with open(f"{directory}/model.ckpt.index", "wb") as file:
    file.write(entries + others + index + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"))
  with open(f"{directory}/config.json", "w") as file:
    json.dump({
      "n_vocab": VOCABULARY, "n_ctx": POSITIONS, "n_embd": WIDTH, "n_head": HEADS, "n_layer": layers,
      "attention_types": [[["global"], layers]], "activation_function": "gelu"}, file)
