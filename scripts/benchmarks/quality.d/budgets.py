"""--target-bits beside presets: is a choice of types at least as good as the nearest preset?"""
import qualities
import runs

# All schemes of a container that leave activations as they are, but for those near 16 bits.
PRESETS = {
    "gguf": ["q2_k_s", "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "iq4_xs", "iq4_nl", "q4_0", "q4_k_s", "q4_k_m", "q4_1", "q5_0", "q5_k_s", "q5_k_m", "q5_1", "q6_k", "q8_0"],
    "mlx": [f"mlx-q{bits}-g{group}" for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)] + ["mlx-mxfp4", "mlx-nvfp4", "mlx-mxfp8"],
    "compressed-tensors": ["w4a16-channel", "w4a16-g128", "w4a16-g32", "mxfp4a16", "nvfp4a16", "w8a16-channel", "w8a16-g128", "mxfp8a16"],
}
ENDING = {"gguf": [], "mlx": ["--to", "mlx"], "compressed-tensors": ["--to", "compressed-tensors"]}
# 2.5 to 6.5 bits where types go so low.
BUDGETS = {
    "gguf": [3.0, 3.3, 3.6, 4.0, 4.3, 4.7, 5.0, 5.5, 6.0, 6.5],
    "mlx": [2.5, 2.9, 3.3, 3.7, 4.1, 4.6, 5.0, 5.5, 6.0, 6.5],
    "compressed-tensors": [4.57, 4.6, 4.65, 4.7, 4.75, 4.8, 4.9, 5.0, 5.5, 6.0],
}


def measured(models):
    """[{"model", "container", "presets": {scheme: figures}, "budgets": [{"target", figures}]}]"""
    rows, jobs = [], []
    for model in models:
        for container in PRESETS:
            row = {"model": model.name, "container": container, "presets": {}, "budgets": []}
            rows.append(row)
            extra = qualities.options(model, qualities.BEST)
            for scheme in PRESETS[container]:
                jobs.append((row, scheme, lambda m=model, c=container, o=["--scheme", scheme, *extra]: runs.quantized(m, c, o)))
            for bits in BUDGETS[container]:
                jobs.append((row, bits, lambda m=model, c=container, o=["--target-bits", bits, *ENDING[container], *extra]: runs.quantized(m, c, o)))
    for (row, what, _), result in zip(jobs, runs.several([job for _, _, job in jobs])):
        if isinstance(what, str):
            if result:
                row["presets"][what] = result
        else:
            row["budgets"].append({"target": what, **result})
    return rows


def tried(row, models):
    """[{"target", figures}]: a row's budgets with choices that --validate has tried on other text; none for a model that isn't asked for."""
    container, model = row["container"], next((m for m in models if m.name == row["model"]), None)
    asked = BUDGETS[container] if model else []
    jobs = [lambda bits=bits: runs.chosen(model, container, ["--target-bits", bits, *ENDING[container], *qualities.options(model, qualities.BEST)]) for bits in asked]
    return [{"target": bits, **result} for bits, result in zip(asked, runs.several(jobs))]


def nearest(row, budget):
    """The preset whose size is nearest to the budget's."""
    return min(row["presets"], key=lambda s: (abs(row["presets"][s]["bits_per_weight"] - budget["target"]), s))


def fitting(row, budget):
    """The largest preset within the budget: what would be taken otherwise. The smallest one where none is."""
    smaller = [s for s, p in row["presets"].items() if p["bits_per_weight"] <= budget["target"]]
    smallest = min(row["presets"], key=lambda s: (row["presets"][s]["bits_per_weight"], s))
    return max(smaller, key=lambda s: (row["presets"][s]["bits_per_weight"], s), default=smallest)


def at_least(row, budget):
    """The smallest preset that is at least as large as the result: what the command itself names. None where there is none."""
    larger = [s for s, p in row["presets"].items() if p["byte_count"] >= budget["byte_count"]]
    return min(larger, key=lambda s: (row["presets"][s]["byte_count"], row["presets"][s]["kl_divergence"]), default=None)


def held(row, preset, part="budgets"):
    """How many choices of a part of a row are at least as good as the preset that `preset` chooses."""
    return sum(b["kl_divergence"] <= row["presets"][s]["kl_divergence"] for b in row[part] if (s := preset(row, b)))
