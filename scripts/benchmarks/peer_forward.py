"""A model with transformers: `peer_forward.py logits SOURCE DESTINATION TOKENS` in f32, `logits-bf16 …`, or `generate SOURCE DESTINATION TOKENS COUNT` in bf16."""

import os
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM

what, source, destination = sys.argv[1:4]
tokens = torch.tensor([[int(token) for token in sys.argv[4].split(",")]])
torch.set_num_threads(len(os.sched_getaffinity(0)))
os.mkdir(destination)
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32 if what == "logits" else torch.bfloat16).eval()
with torch.no_grad():
  if what.startswith("logits"):
    result = model(tokens).logits[0].float().numpy()
  else:
    count = int(sys.argv[5])
    result = model.generate(tokens, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0)[0].numpy()
np.save(f"{destination}/result.npy", result)
