"""The page of all commands and options, made from the parser's own description."""
import re

import executable

HEAD = """# Commands and options

This page is made from the command's own parser by `scripts/docs`; don't edit it.
`weighbridge help COMMAND` prints the same, with examples. `weighbridge --generate-completion-script bash` (or `zsh`, `fish`) prints completions for
a shell. [Exit codes](exit-codes.md) has a page of its own.

"""
COMMON = """## Common options

Commands that read a checkpoint take these. [Memory and threads](memory-and-threads.md) says more about some of them.

"""
# An option that this many commands describe in the same words is listed once.
SHARED_BY = 6


def page():
    commands = [command for command in executable.document("--experimental-dump-help")["command"]["subcommands"]
                if command.get("shouldDisplay", True) and command["commandName"] != "help"]
    rows = {command["commandName"]: options(command) for command in commands}
    count = {}
    for described in rows.values():
        for row in dict.fromkeys(described):
            count[row] = count.get(row, 0) + 1
    shared = [row for row in count if count[row] >= SHARED_BY]
    text = HEAD + "".join(f"- [`{name}`](#{name}): {command['abstract']}\n" for name, command in zip(rows, commands)) + "\n"
    for name, command in zip(rows, commands):
        text += section(command, [row for row in rows[name] if row not in shared],
                        [row for row in rows[name] if row in shared])
    return (text + COMMON + table(shared)).rstrip() + "\n"


def section(command, own, shared):
    text = f"## {command['commandName']}\n\n{command['abstract']}\n\n```text\n{usage(command)}\n```\n\n"
    text += discussion(command.get("discussion", ""))
    arguments = [(f"`{argument['valueName'].upper()}`", argument.get("abstract", ""))
                 for argument in command["arguments"] if argument["kind"] == "positional"]
    text += table(arguments + own)
    if shared:
        names = ", ".join(name.split(" ")[0].strip("`") for name, _ in shared)
        text += "It also takes the [common options](#common-options) " + ", ".join(f"`{name}`" for name in names.split(", ")) + ".\n\n"
    return text


def usage(command):
    words = []
    for argument in command["arguments"]:
        if argument["kind"] == "positional":
            name = argument["valueName"].upper()
            words.append(f"[{name}]" if argument["isOptional"] else name)
    required = [f"--{argument['preferredName']['name']} {argument['valueName'].upper()}"
                for argument in command["arguments"] if argument["kind"] == "option" and not argument["isOptional"]]
    return " ".join(["weighbridge", command["commandName"], *words, *required, "[OPTIONS]"])


def discussion(text):
    """The help's text without its examples: paragraphs as they are, lists and tables of it set apart."""
    parts = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("Examples:"):
            continue
        first, *rest = paragraph.split("\n")
        if rest and all(line.startswith("  ") for line in rest):
            parts.append(f"{first}\n\n```text\n" + "\n".join(line[2:] for line in rest) + "\n```")
        else:
            parts.append(escaped(paragraph))
    return "\n\n".join(parts) + "\n\n" if parts else ""


def options(command):
    """A pair for each option: how it is written, and what it means."""
    pairs = []
    for argument in command["arguments"]:
        if argument["kind"] == "positional" or not argument.get("shouldDisplay", True):
            continue
        name = argument["preferredName"]["name"]
        if name in ("help", "version"):
            continue
        written = f"`--{name}`" if argument["kind"] == "flag" else f"`--{name} {argument['valueName'].upper()}`"
        pairs.append((written, meaning(argument)))
    return pairs


def meaning(argument):
    text = argument.get("abstract", "")
    values = argument.get("allValues") or []
    if values:
        text += " Values: " + ", ".join(f"`{value}`" for value in values) + "."
    if argument.get("defaultValue") and argument["kind"] == "option":
        text += f" Default: `{argument['defaultValue']}`."
    if argument["isRepeating"] and "repeated" not in text and "several times" not in text:
        text += " Can be given several times."
    if not argument["isOptional"]:
        text += " Required."
    return text


def table(rows):
    if not rows:
        return ""
    return "| | |\n|---|---|\n" + "".join(f"| {name.replace('|', chr(92) + '|')} | {escaped(text)} |\n" for name, text in rows) + "\n"


def escaped(text):
    """Text of the help as Markdown: what stands for a value, a pattern or a column is no markup."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*<|])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
