"""The script of the HTML pages, run by a browser's engine (V8): tables sort and filter, links lead to folded rows, print shows all."""
import json
import pathlib
import xml.etree.ElementTree as ElementTree

from harness import HUGGING_FACE, expect, run, workdir

MODEL = next(folder for folder in HUGGING_FACE if folder.name == "gptj")
NAMESPACE = "{http://www.w3.org/1999/xhtml}"


def check(report):
    with workdir() as work:
        run("quantize", MODEL, work / "q.gguf", "--scheme", "q4_k_m", "--validate", "--report", work / "quantize.html", "--quiet", check=0)
        run("convert", MODEL, work / "half", "--to", "hf", "--dtype", "f16", "--quiet", check=0)
        run("compare", MODEL, work / "half", "--forward", "--report", work / "compare.html", check=1)
        for command, section, number in (("quantize", "tensors", "Relative error"), ("compare", "differences", "Relative change")):
            path = work / f"{command}.html"
            report.row(f"{command}: columns sort up, down and back", lambda: sorts(Browser(path), section, number))
            report.row(f"{command}: rows are found by words and choices", lambda: filters(Browser(path), section))
            report.row(f"{command}: what is folded opens for print", lambda: prints(Browser(path)))
        report.row("quantize: a link shows the row that it leads to", lambda: links(Browser(work / "quantize.html")))


class Browser:
    """A page with its script run."""

    def __init__(self, path):
        from py_mini_racer import MiniRacer
        self.engine = MiniRacer()
        self.engine.eval(pathlib.Path(__file__).with_name("page_dom.js").read_text())
        page = ElementTree.parse(path).getroot()
        script = next(page.iter(f"{NAMESPACE}script"))
        self.engine.eval(f"document.root = build({json.dumps(tree(page))}); null")
        self.engine.eval(f"{script.text}; null")

    def __call__(self, expression):
        return json.loads(self.engine.eval(f"JSON.stringify({expression})"))


def tree(element):
    children = [element.text] if element.text else []
    for child in element:
        children.append(tree(child))
        if child.tail:
            children.append(child.tail)
    return [element.tag.removeprefix(NAMESPACE), element.attrib, children]


def sorts(page, section, number):
    def numbers():
        return [float(cell) for cell in page(f"cells('{section}', '{number}')") if cell.replace(".", "").replace("e-", "").isdigit()]

    before = page(f"cells('{section}', 'Tensor')")
    expect(len(before) >= 25, f"{len(before)} rows")
    for order, wanted in (("descending", True), ("ascending", False)):
        page(f"press('{section}', '{number}') || null")
        expect(page(f"direction('{section}', '{number}')") == order, "the heading doesn't say so")
        found = numbers()
        expect(len(set(found)) > 3 and found == sorted(found, reverse=wanted), f"not {order}: {found[:5]}")
        expect(sorted(page(f"cells('{section}', 'Tensor')")) == sorted(before), "rows got lost")
    page(f"press('{section}', '{number}') || null")
    expect(page(f"direction('{section}', '{number}')") is None and page(f"cells('{section}', 'Tensor')") == before, "the third press doesn't restore the order")
    page(f"press('{section}', 'Tensor') || null")
    names = page(f"cells('{section}', 'Tensor')")
    expect(page(f"direction('{section}', 'Tensor')") == "ascending" and names != sorted(names, reverse=True), "names aren't sorted")
    return f"{len(before)} rows"


def filters(page, section):
    every = page(f"cells('{section}', 'Tensor')")
    word = next(name for name in every if ".1." in name)
    said = page(f"enter('{section}', 'input', '{word.upper()}')")
    expect(page(f"cells('{section}', 'Tensor')") == [word] and said == f"1 of {len(every)} rows", f"{word}: {said}")
    page(f"enter('{section}', 'input', 'attn .2.')")
    found = page(f"cells('{section}', 'Tensor')")
    expect(found == [name for name in every if "attn" in name and ".2." in name] and found, f"{found}")
    said = page(f"enter('{section}', 'input', 'nothing like it')")
    expect(said == f"0 of {len(every)} rows", said)
    expect(page(f"enter('{section}', 'input', '')") == f"{len(every)} rows", "not all rows come back")
    if section == "tensors":
        page(f"enter('{section}', 'select', '=Q6_K') || null")
        types = page(f"cells('{section}', 'Type')")
        expect(set(types) <= {"Q6_K"}, f"{types}")
    return f"{len(every)} rows, {len(found)} with two words"


def prints(page):
    folded = "document.querySelectorAll('details:not([open])').length"
    before = page(folded)
    expect(before > 0, "nothing is folded")
    page("window.dispatch('beforeprint') || null")
    expect(page(folded) == 0, "something stays folded")
    page("window.dispatch('afterprint') || null")
    expect(page(folded) == before, "it isn't folded again")
    return f"{before} folded"


def links(page):
    target = page("document.root.all.map((e) => e.getAttribute('id')).find((id) => /^t[0-9]+$/.test(id || ''))")
    page("enter('tensors', 'input', 'nothing like it')")
    expect(page(f"document.getElementById('{target}').hidden"), "the row isn't hidden")
    page(f"(location.hash = '#{target}', window.dispatch('hashchange')) || null")
    expect(not page(f"document.getElementById('{target}').hidden") and page(f"document.shown.getAttribute('id')") == target, "the row isn't shown")
    return f"row {target}"
