"""Read the commands in an environment's `bin`: which program each one starts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from autograder.tree import Tree

__all__ = ["Script", "read_scripts"]

LARGEST_HEAD = 4_096


@dataclass(frozen=True)
class Script:
    """One command in an environment's `bin`."""

    name: str
    path: str
    """Relative to the workspace."""
    interpreter: str
    """The absolute path of the program which its first line names; empty if it names none."""
    executable: bool


def read_scripts(tree: Tree, folder: str, shown: str, root: PurePosixPath) -> Iterator[Script]:
    """Read the files of a folder that name an interpreter in their first line, sorted by name.

    `folder` is where it really is in the tree, `shown` how the learner calls it, `root` where they saw the top of the workspace.
    """
    for name in tree.names(folder):
        path = f"{folder}/{name}"
        entry = tree.entry(path)
        if entry is None or entry.kind != "file":
            continue
        try:
            head = tree.read(path, LARGEST_HEAD)
        except FileNotFoundError:
            continue
        if head.startswith(b"#!"):
            text = head.decode("utf-8", "surrogateescape")
            yield Script(name, f"{shown}/{name}", _interpreter(text, str(root / folder)), entry.executable)


def _interpreter(text: str, beside: str) -> str:
    """Read which program a script's first lines start.

    Installers write `#!/path/python`; where that is too long, or has a space in it, `#!/bin/sh` and `'''exec' /path/python "$0" "$@"`;
    for a relocatable environment the latter with an expression that leads to the folder of the script, `beside`.
    """
    lines = text.split("\n", 2)
    words = lines[0][2:].split()
    if not words:
        return ""
    if words[0] != "/bin/sh" or len(lines) < 2 or not lines[1].startswith("'''exec'"):
        return words[0]
    rest = lines[1][len("'''exec'") :].strip()
    relative = re.match(r"\"\$\(dirname -- \"\$\(realpath -- \"\$0\"\)\"\)\"/'?([^'/\s]+)'?\s", rest)
    if relative:
        return f"{beside}/{relative[1]}"
    try:
        return shlex.split(rest)[0]
    except (ValueError, IndexError):
        return "/bin/sh"
