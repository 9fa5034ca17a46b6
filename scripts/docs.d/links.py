"""Links within the documentation: the file is there, and so is the heading."""
import re
import subprocess

# Made pages of other people's words, and texts of fixtures.
LEFT_OUT = ("fixtures/",)
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")


def pages(package):
    """All Markdown files of the repository, but those of fixtures."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=package, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    return [package / name for name in sorted(listed) if name and not name.startswith(LEFT_OUT) and (package / name).exists()]


def check(package, page):
    name = page.relative_to(package)
    problems = []
    for number, line in prose(page):
        for target in LINK.findall(re.sub(r"`[^`]*`", "``", line)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                problems.append(f"{name}:{number}: no such file: {target}")
            elif anchor and (file.is_dir() or anchor not in anchors(file)):
                problems.append(f"{name}:{number}: no such heading: {target}")
    return problems


def orphans(package):
    """Pages of docs/ that its index doesn't link to."""
    index = package / "docs" / "README.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for _, line in prose(index) for target in LINK.findall(line)}
    return [f"{page.relative_to(package)}: docs/README.md doesn't link to it"
            for page in sorted((package / "docs").rglob("*.md")) if page != index and page.resolve() not in linked]


def prose(page):
    """The lines outside of fenced blocks, with their numbers."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(page):
    """The names under which GitHub has a page's headings."""
    found, count = set(), {}
    for _, line in prose(page):
        heading = re.match(r"#{1,6} +(.*?) *#*$", line)
        if heading:
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "").lower()
            slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            found.add(slug if slug not in count else f"{slug}-{count[slug]}")
            count[slug] = count.get(slug, 0) + 1
    return found
