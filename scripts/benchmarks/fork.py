"""Makes a fork of a model in one file, as further training would: `fork.py SOURCE DESTINATION`, both folders.

In every mebibyte of weights 2,048 numbers of bf16 move by one unit in the last place. Where the file system can, the rest shares its blocks
with the source's.
"""

import os
import struct
import subprocess
import sys

STEP, COUNT = 1 << 20, 2048

source, destination = sys.argv[1:]
os.makedirs(destination)
for entry in os.scandir(source):
  subprocess.run(["cp", "--reflink=auto", entry.path, f"{destination}/{entry.name}"], check=True)
with open(f"{destination}/model.safetensors", "r+b") as file:
  begin = 8 + struct.unpack("<Q", file.read(8))[0]
  end = os.fstat(file.fileno()).st_size
  for place in range(begin, end - 2 * COUNT, STEP):
    file.seek(place)
    numbers = bytearray(file.read(2 * COUNT))
    for low in range(0, len(numbers), 2):
      numbers[low] ^= 1
    file.seek(place)
    file.write(numbers)
