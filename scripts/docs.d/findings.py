"""The page of all findings, made from the registry that the command carries."""
import subprocess

import executable

HEAD = """# Findings

This page is made from the command's own registry by `scripts/docs`; don't edit it.

Every finding has a severity, a message and the id of its kind. The id stands in brackets at the end of its line, and as `check` in JSON.
Ids never change, so scripts can rely on them. `weighbridge checks` lists all of them, and `weighbridge checks ID` explains one.

The group is the check of `verify` that reports the finding ([Verify](../guide/verify.md) has the list), or another name where only
other commands report it. The severity is the usual one; a finding says where it is another.

| severity | meaning |
|---|---|
| error | something is wrong: `verify` exits with 1, other commands stop |
| warning | something may be wrong; `--fail-on warning` and `--strict` make `verify` exit with 1 |
| note | good to know |

## All findings

| id | group | severity | what it says |
|---|---|---|---|
"""


def page():
    groups = {}
    for kind in executable.document("checks", "--json")["checks"]:
        groups.setdefault(kind["group"], []).append(kind)
    order = [group for group in listed() if group in groups]
    kinds = [kind for group in order for kind in groups[group]]
    text = HEAD + "".join(f"| [`{kind['id']}`](#{kind['id']}) | {kind['group']} | {kind['severity']} | {kind['title']} |\n" for kind in kinds)
    for group in order:
        text += f"\n## Group: {group}\n"
        for kind in groups[group]:
            text += f"\n### {kind['id']}\n\n**{kind['title']}.** Severity: {kind['severity']}.\n\n{kind['help']}\n"
    return text


def listed():
    """The groups in the order in which `weighbridge checks` has them."""
    lines = subprocess.run([executable.PATH, "checks"], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if line and not line.startswith(" ")]
