"""Hugging Face bf16 to f16 in files of 500 MB with transformers: `peer_transformers.py SOURCE DESTINATION`."""

import sys

import torch
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float16)
model.save_pretrained(sys.argv[2], max_shard_size="500MB")
