"""Quantizes a checkpoint with llmcompressor, without data: peer_llmcompressor.py SOURCE DESTINATION SCHEME"""

import os
import sys

os.environ["LOGURU_LEVEL"] = "ERROR"
import torch
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import QuantizationModifier
from transformers import AutoModelForCausalLM

source, destination, scheme = sys.argv[1:]
torch.set_num_threads(2)
model = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
oneshot(model=model, recipe=QuantizationModifier(targets="Linear", scheme=scheme, ignore=["lm_head"]))
model.save_pretrained(destination, save_compressed=True)
