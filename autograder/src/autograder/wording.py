"""Put what a learner's files say into a sentence.

Names and texts come from the learner (or from an attacker), and end up in terminals, in HTML and in JSON:
they are shown as Markdown code, cut, and without anything that steers a terminal or can't be encoded.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from autograder.tree import Outside, Tree

__all__ = ["code", "command", "listing", "seen", "unseen"]

LONGEST = 160


def code(text: str) -> str:
    """Show `text` as Markdown code: one line, at most 160 characters, whatever is in it."""
    shown = "".join(
        "?" if not letter.isprintable() or letter == "\N{REPLACEMENT CHARACTER}" else letter for letter in text
    ).replace("`", "'")
    if len(shown) > LONGEST:
        shown = shown[: LONGEST - 1] + "…"
    return f"`{shown.strip() or ' '}`"


def command(*words: str) -> str:
    """Show a command that can be pasted into a shell, as Markdown code; words are quoted where a shell needs it."""
    return code(shlex.join(words))


def listing(names: Iterable[str], *, most: int = 8) -> str:
    """Show names in sorted order, as `a`, `b` and 3 more; "nothing" if there are none."""
    ordered = sorted(set(names))
    shown = [code(name) for name in ordered[:most]]
    if len(ordered) > most:
        shown.append(f"{len(ordered) - most} more")
    if not shown:
        return "nothing"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def seen(text: str) -> str:
    """Give a regular expression which the text matches where a command prints it."""
    return re.escape(text)


def unseen(text: str) -> str:
    """Give a regular expression which matches what a command prints if none of its words is `text`."""
    return rf"\A(?![\s\S]*(?<!\S){re.escape(text)}(?!\S))"


def leaving(tree: Tree, where: Outside) -> str:
    """Say of a link that it leads out of the workspace, and where to, as it is written in the link."""
    entry = tree.entry(where.link)
    target = entry.target if entry is not None and entry.kind == "link" else where.target
    return f"{code(where.link)} is a link that leaves the workspace: it leads to {code(target)}."
