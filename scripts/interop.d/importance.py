"""Importance matrices against hooks in transformers, perplexities against llama-perplexity's counting over transformers' logits, labels against scores of both."""
import json
import math

import numpy as np

from harness import FIXTURES, Failure, expect, run, workdir

TOLERANCE = 1e-4
# What llama.cpp calls the linear layers of transformers' classes.
NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "out_proj": "attn_output", "qkv_proj": "attn_qkv",
    "query_key_value": "attn_qkv", "dense": "attn_output", "c_attn": "attn_qkv", "attn.c_proj": "attn_output", "gate_proj": "ffn_gate",
    "up_proj": "ffn_up", "down_proj": "ffn_down", "gate_up_proj": "ffn_up", "dense_h_to_4h": "ffn_up", "dense_4h_to_h": "ffn_down",
    "c_fc": "ffn_up", "mlp.c_proj": "ffn_down", "fc_in": "ffn_up", "fc_out": "ffn_down", "fc1": "ffn_up", "fc2": "ffn_down",
}
MODELS = ("gptj", "gpt2", "gpt_neox", "llama", "llama_biases", "mistral_window", "qwen2_tied", "qwen3", "gemma2", "phi3", "falcon", "olmo2", "starcoder2")
WINDOW, STRIDE = 24, 7


def check(report):
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    for name in MODELS:
        report.row(name, lambda: sums(FIXTURES / "huggingface" / name))
    gptj = FIXTURES / "huggingface/gptj"
    report.row("perplexity of a text", lambda: perplexity(gptj))
    report.row("labels", lambda: labels(gptj))


def model_of(case):
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(case, dtype=torch.float32, attn_implementation="eager").eval()


def sums(case):
    """The largest relative difference of a sum, as text."""
    import torch
    from gguf import GGUFReader

    model = model_of(case)
    vocabulary = json.loads((case / "config.json").read_text())["vocab_size"]
    rows = np.random.default_rng(3).integers(0, vocabulary, (5, 21))
    expected = {}

    def hook(name):
        def add(module, inputs):
            x = inputs[0].detach().double().reshape(-1, inputs[0].shape[-1])
            expected[name] = expected.get(name, 0) + (x * x).sum(0).numpy()
        return add

    for path, module in model.named_modules():
        parts = path.split(".")
        if not type(module).__name__.endswith(("Linear", "Conv1D")) or not any(part.isdigit() for part in parts):
            continue
        layer = next(part for part in parts if part.isdigit())
        kind = NAMES.get(parts[-1]) or NAMES[".".join(parts[-2:])]
        module.register_forward_pre_hook(hook(f"blk.{layer}.{kind}.weight"))
    with torch.no_grad():
        for row in rows:
            model(torch.tensor(row)[None])
    with workdir() as work:
        np.save(work / "tokens.npy", rows)
        run("importance", case, "--tokens-file", work / "tokens.npy", "--output", work / "m.gguf", "--prefix", 0, "--quiet", check=0)
        tensors = {t.name: np.array(t.data).reshape(-1).astype("f8") for t in GGUFReader(str(work / "m.gguf")).tensors}
    found = {name.removesuffix(".in_sum2") for name in tensors if name.endswith(".in_sum2")}
    expect(found == set(expected), f"weights {sorted(found ^ set(expected))[:3]} are in one of both only")
    worst = 0.0
    for name, value in expected.items():
        expect(tensors[f"{name}.counts"].tolist() == [rows.size], f"{name}: counts {tensors[name + '.counts']}")
        worst = max(worst, float((np.abs(tensors[f"{name}.in_sum2"] - value) / np.maximum(value, 1e-6 * value.max())).max()))
    if not worst <= TOLERANCE:
        raise Failure(f"sums differ by {worst:.1e}")
    return f"{len(found)} weights within {worst:.1e}"


def logarithms(model, row):
    import torch

    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor(row)[None]).logits[0].double(), -1).numpy()


def perplexity(case):
    """Means of −log p as tools/perplexity/perplexity.cpp counts them, without and with a stride."""
    from transformers import AutoTokenizer

    model, tokenizer = model_of(case), AutoTokenizer.from_pretrained(case)
    text = "Weights are weighed on a bridge, 1234 of them, and none is lost.\n" * 12
    tokens = tokenizer(text)["input_ids"]
    details = []
    for stride in (None, STRIDE):
        if stride is None:
            starts, first = range(0, len(tokens) // WINDOW * WINDOW, WINDOW), WINDOW // 2
        else:
            starts, first = range(0, -(-(len(tokens) - WINDOW) // stride) * stride, stride), WINDOW - stride - 1
        losses = []
        for start in starts:
            window = tokens[start:start + WINDOW]
            log_p = logarithms(model, window)
            losses += [-log_p[place, window[place + 1]] for place in range(first, WINDOW - 1)]
        with workdir() as work:
            (work / "text.txt").write_text(text)
            more = () if stride is None else ("--stride", stride)
            outcome = run("forward", case, "--text", work / "text.txt", "--perplexity", "--window", WINDOW, *more, "--json", "--quiet", check=0)
            found = json.loads(outcome.stdout)["perplexity"]
        expect(found["token_count"] == len(losses), f"{found['token_count']} tokens, expected {len(losses)}")
        mean = found["mean_negative_log_likelihood"]
        if not math.isclose(mean, float(np.mean(losses)), rel_tol=1e-5):
            raise Failure(f"stride {stride}: {mean}, expected {np.mean(losses)}")
        details.append(f"{abs(mean - np.mean(losses)):.1e}")
    return f"means within {' and '.join(details)} of llama-perplexity's counting"


def labels(case):
    """The largest difference of a label's score, as text."""
    from transformers import AutoTokenizer

    model, tokenizer = model_of(case), AutoTokenizer.from_pretrained(case)
    prompts = [{"prompt": f"Number {k} is", "labels": [" a weight", " no", " heavy, heavier, heaviest"], "gold": k % 3} for k in range(9)]
    with workdir() as work:
        (work / "labels.jsonl").write_text("\n".join(map(json.dumps, prompts)))
        outcome = run("compare", case, case, "--labels", work / "labels.jsonl", "--json", "--quiet", check=0)
        found = json.loads(outcome.stdout)["labels"]["prompts"]
    worst = 0.0
    for prompt, scores in zip(prompts, found):
        context = tokenizer(prompt["prompt"])["input_ids"]
        for label, score in zip(prompt["labels"], scores["first"]):
            row = tokenizer(prompt["prompt"] + label)["input_ids"]
            expect(row[:len(context)] == context, "the label changes how the prompt is cut")
            log_p = logarithms(model, row)
            worst = max(worst, abs(score - sum(log_p[place - 1, row[place]] for place in range(len(context), len(row)))))
    if not worst <= 1e-4:
        raise Failure(f"scores differ by {worst:.1e}")
    return f"{len(prompts)} prompts, scores within {worst:.1e}"
