"""How much each weight counts: the KL divergence where it alone has three bits, over its relative error, squared.

`Sensitivity` in Sources/CheckpointConversion/SizeTargets has what this says of embeddings and heads beside the matrices of layers.
"""
import math

import torch
from transformers import AutoModelForCausalLM

GROUP, BITS = 64, 3


def rounded(weight):
    """Every group's weights at eight values from its least to its largest."""
    groups = weight.reshape(weight.shape[0], -1, GROUP)
    least, largest = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = (largest - least) / (2**BITS - 1)
    return (torch.round((groups - least) / scale) * scale + least).reshape(weight.shape)


def measured(folder, text, window):
    """[(name, KL / relative error²)], and the geometric mean over all matrices of layers."""
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    rows = torch.frombuffer(bytearray(text), dtype=torch.uint8).long().reshape(-1, window)
    found = []
    with torch.no_grad():
        base = model(rows).logits.log_softmax(-1)
        for name, module in model.named_modules():
            if not isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
                continue
            weight = module.weight.data
            module.weight.data = rounded(weight)
            error = float(((weight - module.weight.data) ** 2).sum() / (weight**2).sum())
            other = model(rows).logits.log_softmax(-1)
            module.weight.data = weight
            found.append((name, float((base.exp() * (base - other)).sum(-1).mean()) / error))
    layers = [value for name, value in found if any(part.isdigit() for part in name.split("."))]
    return found, math.exp(sum(map(math.log, layers)) / len(layers))
