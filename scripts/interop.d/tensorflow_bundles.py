"""TensorFlow checkpoints, converted: transformers loads them with the config.json that was made, and computes what TensorFlow's model did."""
import json
import shutil

import numpy as np

from harness import FIXTURES, convert, expect, run, workdir

TOLERANCE = 2e-5
# The settings of fixtures/tensorflow/gpt_neo in the form that GPT-Neo's own code has them; `gelu` is the one with tanh there.
OWN = {
    "n_head": 5, "n_vocab": 250, "n_embd": 40, "n_layer": 3, "n_ctx": 40, "attention_types": [[["global"], 1], [["local"], 2]],
    "local_attention_radius": 6, "activation_function": "gelu", "res_dropout": 0, "attn_dropout": 0, "embed_dropout": 0, "lr": 0.0002,
}


def check(report):
    for name in ("gpt2", "gpt_neo"):
        report.row(name, lambda: row(FIXTURES / "tensorflow" / name))
    report.row("gpt_neo, its own configuration", own)


def own():
    with workdir() as work:
        shutil.copytree(FIXTURES / "tensorflow/gpt_neo", work / "in")
        (work / "in/config.json").write_text(json.dumps(OWN))
        return row(work / "in")


def row(case):
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tokens, wanted = np.load(case / "tokens.npy").reshape(-1), np.load(case / "logits.npy")
    with workdir() as work:
        convert(case, work / "out")
        run("forward", case, "--tokens-file", case / "tokens.npy", "--logits", work / "logits.npy", "--quiet", check=0)
        ours = np.load(work / "logits.npy")
        model, told = transformers.AutoModelForCausalLM.from_pretrained(
            work / "out", dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        wrong = [f"{what}: {sorted(names)[:3]}" for what, names in told.items() if names]
        expect(not wrong, f"transformers says {'; '.join(wrong)}")
        with torch.no_grad():
            theirs = model.eval()(torch.from_numpy(tokens.astype("i8"))[None]).logits[0].numpy()
    apart = [float(np.abs(logits - wanted).max()) for logits in (theirs, ours)]
    expect(max(apart) <= TOLERANCE, f"{apart[0]:.1e} (transformers) and {apart[1]:.1e} (ours) from the logits that were saved")
    return f"transformers {apart[0]:.1e}, ours {apart[1]:.1e} from the logits that were saved"
