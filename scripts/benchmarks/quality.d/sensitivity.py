"""How much each weight counts: the KL divergence where it alone has four bits, over its relative error, squared.

`Sensitivity` in Sources/CheckpointConversion/SizeTargets has what this says of embeddings and heads beside the matrices of layers, and `ResidualShares`
what it says of these beside each other.
"""
import math
import re

import torch
from transformers import AutoModelForCausalLM

GROUP, BITS = 64, 4
LAST = ("out_proj", "fc_out", "o_proj", "down_proj")


def rounded(weight):
    """Every group's weights at sixteen values from its least to its largest."""
    groups = weight.reshape(weight.shape[0], -1, GROUP)
    least, largest = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = (largest - least) / (2**BITS - 1)
    return (torch.round((groups - least) / scale) * scale + least).reshape(weight.shape)


def rows(text, window):
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long().reshape(-1, window)


def importances(model, modules, tokens):
    """The mean square of each input of each linear layer."""
    found = {}
    hooks = [m.register_forward_hook(lambda module, inputs, _, name=name: found.update({name: (inputs[0].flatten(0, -2) ** 2).mean(0)})) for name, m in modules if isinstance(m, torch.nn.Linear)]
    model(tokens)
    for hook in hooks:
        hook.remove()
    return found


def sublayer(name):
    """(layer, whether it is of the feed-forward layer); None for embedding and head."""
    layer = re.search(r"\.(\d+)\.", name)
    return (int(layer[1]), "mlp" in name) if layer else None


def shares(modules, squares):
    """{sublayer: the part of the residual stream that it adds}, as the command reckons it."""
    energies = {sublayer(n): float((m.weight**2 @ squares[n]).sum()) for n, m in modules if n.endswith(LAST)}
    stream = sum(float((m.weight**2).sum()) / len(m.weight) for _, m in modules if isinstance(m, torch.nn.Embedding))
    found = {}
    for layer in sorted({k for k, _ in energies}):
        stream += energies[layer, False] + energies[layer, True]
        found |= {(layer, part): energies[layer, part] / stream for part in (False, True)}
    return found


def measured(folder, text, calibration, window):
    """[(name, KL / relative error², share of the sublayer or None)]"""
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    modules = [(n, m) for n, m in model.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Embedding))]
    found, tokens = [], rows(text, window)
    with torch.no_grad():
        squares = importances(model, modules, rows(calibration, window))
        parts = shares(modules, squares)
        base = model(tokens).logits.log_softmax(-1)
        for name, module in modules:
            weight, columns = module.weight.data, squares.get(name, 1)
            module.weight.data = rounded(weight)
            error = float(((weight - module.weight.data) ** 2 * columns).sum() / (weight**2 * columns).sum())
            other = model(tokens).logits.log_softmax(-1)
            module.weight.data = weight
            found.append((name, float((base.exp() * (base - other)).sum(-1).mean()) / error, parts.get(sublayer(name))))
    return found


def mean(values):
    """The geometric one."""
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values))


def spreads(found):
    """{what: the largest over the smallest}: of all matrices in layers, and of these by what the command takes them for."""
    layers = [(n, value, share) for n, value, share in found if share]
    by_share = {
        "matrices of layers": [value for _, value, _ in layers],
        "last matrices, over the share": [value / share for n, value, share in layers if n.endswith(LAST)],
        "others, over its root": [value / math.sqrt(share) for n, value, share in layers if not n.endswith(LAST)],
        "shares": [share for _, _, share in layers],
    }
    return {what: max(values) / min(values) for what, values in by_share.items()}
