"""The tables of docs/guide/quality.md, from fixtures/quality/results.json."""
import budgets
import qualities

TITLES = {"gptj": "GPT-J", "llama": "Llama", "gguf": "GGUF", "mlx": "MLX", "compressed-tensors": "compressed-tensors"}
STEP_TITLES = {qualities.PLAIN: "plain", qualities.IMPORTANCE: "plain, importances", qualities.SEARCH: "best", qualities.BEST: "best, importances", qualities.MAX: "max"}


def number(value):
    """Three digits."""
    if value is None:
        return ""
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.8f}".rstrip("0")


def table(header, lines):
    return "\n".join(["| " + " | ".join(header) + " |", "|---" * len(header) + "|", *("| " + " | ".join(line) + " |" for line in lines)])


def steps(results, container):
    return [s for s in qualities.STEPS[container] if any(r["container"] == container and r["qualities"].get(s) for r in results["qualities"])]


def averages(results):
    """A table for each container: means over schemes of so many bits and both models."""
    out = []
    for container in qualities.SCHEMES:
        found = steps(results, container)
        lines = []
        for bits in sorted(qualities.SCHEMES[container]):
            means = qualities.averages(results["qualities"], container, bits=bits)
            lines.append([f"{bits}", *(number(means.get(s)) for s in found)])
        if len(lines) > 1:
            means = qualities.averages(results["qualities"], container)
            lines.append(["all", *(number(means.get(s)) for s in found)])
        out.append(table([f"{TITLES[container]}, bits", *(STEP_TITLES[s] for s in found)], lines))
    return "\n\n".join(out)


def schemes(results):
    """A table for each container: every scheme and model."""
    out = []
    for container in qualities.SCHEMES:
        found = steps(results, container)
        lines = []
        for row in (r for r in results["qualities"] if r["container"] == container):
            cells = [f"{number(q['kl_divergence'])}, {100 * q['same_top_fraction']:.1f} %" if (q := row["qualities"].get(s)) else "" for s in found]
            lines.append([f"`{row['scheme']}`", TITLES[row["model"]], f"{row['bits_per_weight']:.2f}", *cells])
        out.append(table([TITLES[container], "model", "bits", *(STEP_TITLES[s] for s in found)], lines))
    return "\n\n".join(out)


def counts(results):
    """How often a target is at least as good as presets."""
    lines = []
    for row in results["budgets"]:
        total = len(row["budgets"])
        lines.append([TITLES[row["container"]], TITLES[row["model"]], f"{budgets.held(row, budgets.fitting)} of {total}", f"{budgets.held(row, budgets.nearest)} of {total}", f"{budgets.held(row, budgets.at_least)} of {sum(budgets.at_least(row, b) is not None for b in row['budgets'])}"])
    return table(["container", "model", "largest preset within", "nearest in size", "at least that size"], lines)


def targets(results):
    """Every budget."""
    lines = []
    for row in results["budgets"]:
        for budget in row["budgets"]:
            preset = budgets.fitting(row, budget)
            figures = row["presets"][preset]
            lines.append([TITLES[row["container"]], TITLES[row["model"]], f"{budget['target']}", f"{budget['bits_per_weight']:.2f}", number(budget["kl_divergence"]), f"`{preset}`", f"{figures['bits_per_weight']:.2f}", number(figures["kl_divergence"])])
    return table(["container", "model", "target", "bits", "KL", "largest preset within", "bits", "KL"], lines)


PARTS = {"averages": averages, "schemes": schemes, "counts": counts, "targets": targets}


def replaced(text, results):
    """The page with tables between their marks made anew."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = before + begin + "\n" + make(results) + "\n" + end + after
    return text
