"""KL divergence by bits and quality: plain, with importances, --quality best, --quality max."""
import math

import runs

# What each container has at so many bits for a weight; compressed-tensors' integers that vLLM reads have 4 or 8.
SCHEMES = {
    "gguf": {2: ["q2_k"], 3: ["q3_k_s"], 4: ["q4_0", "q4_k_s"], 5: ["q5_0", "q5_k_s"]},
    "mlx": {bits: [f"mlx-q{bits}-g64"] for bits in (2, 3, 4, 5)},
    "compressed-tensors": {4: ["w4a16-g32", "w4a16-g128", "nvfp4a16"]},
}
PLAIN, IMPORTANCE, SEARCH, BEST, MAX = "plain", "importance", "search", "best", "max"
# MLX's and compressed-tensors' own tools know no importances: there the second step is the search for scales without them.
STEPS = {"gguf": [PLAIN, IMPORTANCE, BEST, MAX], "mlx": [PLAIN, SEARCH, BEST, MAX], "compressed-tensors": [PLAIN, SEARCH, BEST, MAX]}


def options(model, quality):
    return {
        PLAIN: [],
        IMPORTANCE: ["--imatrix", model.importances],
        SEARCH: ["--quality", "best"],
        BEST: ["--quality", "best", "--imatrix", model.importances],
        MAX: ["--quality", "max", "--imatrix", model.importances, "--hessian", model.moments],
    }[quality]


def measured(models):
    """[{"model", "container", "bits", "scheme", "bits_per_weight", "qualities": {quality: {kl_divergence, same_top_fraction} or None}}]"""
    rows, jobs = [], []
    for model in models:
        for container, by_bits in SCHEMES.items():
            for bits, schemes in by_bits.items():
                for scheme in schemes:
                    rows.append({"model": model.name, "container": container, "bits": bits, "scheme": scheme, "qualities": {}})
                    for quality in STEPS[container]:
                        given = ["--scheme", scheme, *options(model, quality)]
                        jobs.append((rows[-1], quality, lambda m=model, c=container, o=given, q=quality: runs.quantized(m, c, o, may_fail=q == MAX)))
    for (row, quality, _), result in zip(jobs, runs.several([job for _, _, job in jobs])):
        if result:
            row["bits_per_weight"] = result["bits_per_weight"]
        row["qualities"][quality] = result and {k: result[k] for k in ("kl_divergence", "same_top_fraction")}
    return rows


def mean(values):
    """The geometric mean: every scheme counts alike, whatever its bits."""
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def averages(rows, container, **also):
    """{quality: the mean KL divergence} over the rows of a container, of those schemes that have every quality."""
    chosen = [r for r in rows if r["container"] == container and all(r[k] == v for k, v in also.items())]
    steps = [s for s in STEPS[container] if any(r["qualities"].get(s) for r in chosen)]
    chosen = [r for r in chosen if all(r["qualities"].get(s) for s in steps)]
    return {step: mean(r["qualities"][step]["kl_divergence"] for r in chosen) for step in steps}
