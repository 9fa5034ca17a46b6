"""Writes the generated pages of the documentation, or checks all pages. `scripts/docs` says how."""
import argparse
import pathlib
import sys

import commands
import examples
import findings
import links

PACKAGE = pathlib.Path(__file__).resolve().parents[2]
GENERATED = {"docs/reference/commands.md": commands.page, "docs/reference/findings.md": findings.page}


def main():
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument("pages", nargs="*", type=pathlib.Path, help="these pages only; by default all")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--record", action="store_true", help="write what examples print into the pages")
    parser.add_argument("--models", type=pathlib.Path, metavar="FOLDER", help="make a folder with the models of the examples")
    options = parser.parse_args()
    if options.models:
        if options.models.exists():
            print(f"{options.models} is there already; name a new folder", file=sys.stderr)
            return 2
        options.models.mkdir(parents=True)
        return examples.copy(options.models, examples.NAMES)
    pages = [page.resolve() for page in options.pages] or links.pages(PACKAGE)
    if options.record:
        return report([line for page in pages for line in examples.record(page)])
    if options.check:
        problems = [] if options.pages else stale() + links.orphans(PACKAGE)
        problems += [line for page in pages for line in links.check(PACKAGE, page)]
        return report(problems + examples.check(PACKAGE, pages))
    for name, make in GENERATED.items():
        (PACKAGE / name).write_text(make(), encoding="utf-8")
    return 0


def stale():
    """The generated pages that aren't what the executable makes of them now."""
    return [f"{name}: not what the executable says now; write it again with scripts/docs"
            for name, make in GENERATED.items()
            if not (PACKAGE / name).exists() or (PACKAGE / name).read_text(encoding="utf-8") != make()]


def report(problems):
    for problem in problems:
        print(f"FAIL {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
