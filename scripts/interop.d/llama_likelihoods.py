"""Log-probabilities of tokens by both sides."""
import numpy as np

from harness import run
from llama_cpp import ask

# Of logarithms of probabilities, with weights in F32. llama.cpp takes GELU from a table in F16, which is nearly all of the difference:
# measured at most 2.6e-3 with it and 1e-5 without.
TOLERANCE = 5e-3


def log_probabilities(file):
    logits = np.load(file).astype("f8")
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def ours(path, tokens):
    logits = path.with_suffix(".ours.npy")
    run("forward", path, "--tokens", ",".join(map(str, tokens)), "--logits", logits, "--quiet", check=0)
    return log_probabilities(logits)


def theirs(paths, tokens):
    requests = [{"path": path, "tokens": tokens, "logits": path.with_suffix(".theirs.npy")} for path in paths]
    ask(requests)
    return [log_probabilities(request["logits"]) for request in requests]
