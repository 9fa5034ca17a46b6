"""What a configuration does to a tiny model, as transformers computes it."""

import json
import pathlib
import re
import shutil

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from families import randomise, tokens

# Below, in units of the largest logit, another order of the same operations.
ROUNDING = 1e-5


class Measure:
  """Compares configurations with a base, whose weights it makes; works in an empty folder."""

  def __init__(self, base, folder):
    self.base, self.folder = base, pathlib.Path(folder)
    self.weights = self.folder / "weights.safetensors"
    model = build(self.config(base))
    randomise(model)
    self.shapes = shapes(model)
    model.save_pretrained(self.folder, safe_serialization=True)
    shutil.move(self.folder / "model.safetensors", self.weights)
    self.logits = self.loaded_logits(base)

  def config(self, settings):
    write(self.folder, settings)
    return read(self.folder)

  def loaded_logits(self, settings):
    """Logits of the base's weights under these settings."""
    folder = self.folder / "case"
    folder.mkdir(exist_ok=True)
    write(folder, settings)
    if not (folder / "model.safetensors").exists():
      (folder / "model.safetensors").symlink_to(self.weights)
    return logits(AutoModelForCausalLM.from_pretrained(folder, config=read(folder), dtype=torch.float32).eval())

  def effect(self, settings):
    """`effect`, and the message where transformers refuses."""
    try:
      model = build(self.config(settings))
      if shapes(model) != self.shapes:
        randomise(model)
        logits(model)
        return {"effect": "shapes"}
      found = self.loaded_logits(settings)
    except Exception as error:
      return {"effect": "refused", "message": first_line(error, self.folder)}
    if found.shape == self.logits.shape and found.numpy().tobytes() == self.logits.numpy().tobytes():
      return {"effect": "none"}
    difference = float((found - self.logits).abs().max() / self.logits.abs().max())
    return {"effect": "logits", "rounding": True} if difference < ROUNDING else {"effect": "logits"}


def write(folder, settings):
  (folder / "config.json").write_text(json.dumps(settings))


def read(folder):
  """The configuration in a folder, with the plain attention whatever it asks for: the kernel isn't part of the model."""
  config = AutoConfig.from_pretrained(folder)
  config._attn_implementation = "eager"
  return config


def build(config):
  return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def shapes(model):
  """Names and shapes of what a checkpoint of the model holds: tied weights once."""
  seen, listed = set(), {}
  for name, tensor in model.state_dict(keep_vars=True).items():
    if id(tensor) not in seen:
      seen.add(id(tensor))
      listed[name] = list(tensor.shape)
  return listed


def logits(model):
  with torch.no_grad():
    output = model(tokens())
  return (output.logits if hasattr(output, "logits") else output[0])[0].float().contiguous()


def first_line(error, folder):
  """The error's first line, with the second where the first ends in a colon, and no paths."""
  lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [""]
  text = lines[0] + (" " + lines[1] if lines[0].endswith(":") and len(lines) > 1 else "")
  text = re.sub(r"0x[0-9a-f]+", "0x…", text.replace(str(folder / "case"), "…").replace(str(folder), "…"))
  return f"{type(error).__name__}: {text}"[:140]


def read_attributes(measure):
  """Names that transformers asks of the base's configuration, from reading to logits, whether they are there or not."""
  names, original = set(), transformers.PreTrainedConfig.__getattribute__

  def recording(self, name):
    names.add(name)
    return original(self, name)

  transformers.PreTrainedConfig.__getattribute__ = recording
  try:
    logits(build(measure.config(measure.base)))
    measure.loaded_logits(measure.base)
  finally:
    transformers.PreTrainedConfig.__getattribute__ = original
  return names
