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


CHOOSERS = {"largest preset within": budgets.fitting, "nearest in size": budgets.nearest, "at least that size": budgets.at_least}


def counts(results):
    """How often a target is at least as good as presets, chosen by estimate and tried."""
    lines, sums = [], {}
    for row in results["budgets"]:
        cells = []
        for part in ("budgets", "trials"):
            for chooser in CHOOSERS.values():
                held, total = budgets.held(row, chooser, part), sum(chooser(row, b) is not None for b in row[part])
                cells.append(f"{held} of {total}")
                before = sums.get((part, chooser), (0, 0))
                sums[part, chooser] = (before[0] + held, before[1] + total)
        lines.append([TITLES[row["container"]], TITLES[row["model"]], *cells])
    lines.append(["all", "both", *(f"{held} of {total}" for held, total in sums.values())])
    return table(["container", "model", *CHOOSERS, *(f"tried: {name}" for name in CHOOSERS)], lines)


def targets(results):
    """Every budget."""
    lines = []
    for row in results["budgets"]:
        for budget, trial in zip(row["budgets"], row["trials"]):
            cells = [TITLES[row["container"]], TITLES[row["model"]], f"{budget['target']}", number(budget["kl_divergence"]), number(trial["kl_divergence"])]
            for chooser in (budgets.fitting, budgets.nearest):
                name = chooser(row, trial)
                figures = row["presets"][name]
                cells += [f"`{name}`", f"{figures['bits_per_weight']:.2f}", number(figures["kl_divergence"])]
            lines.append(cells)
    return table(["container", "model", "target", "KL, by estimate", "KL, tried", "largest preset within", "bits", "KL", "nearest preset", "bits", "KL"], lines)


PARTS = {"averages": averages, "schemes": schemes, "counts": counts, "targets": targets}


def replaced(text, results):
    """The page with tables between their marks made anew."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = before + begin + "\n" + make(results) + "\n" + end + after
    return text
