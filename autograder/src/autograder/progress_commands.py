"""`course list`, `course report`, and what carries progress from one machine to another.

Exit status: 0 all is well, 1 something isn't as it should be, 2 the command was used wrongly, 3 something of ours broke.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Protocol

__all__ = ["add_commands"]

# Imports of the package's own modules stand in the functions: `course --help` starts at once.


class _Add(Protocol):
    """How `cli` adds a command: its name, what runs it, what it does, an example."""

    def __call__(
        self, name: str, run: Callable[[argparse.Namespace], int], text: str, example: str, /
    ) -> argparse.ArgumentParser: ...


def add_commands(add: _Add) -> None:
    """Add the commands to `course`."""
    one = add("list", _list, "list lessons and exercises, with your progress", "course list")
    one.add_argument("--json", action="store_true", help="for programs")


def _say(text: str = "") -> None:
    print(text, flush=True)


# --- course list


def _list(arguments: argparse.Namespace) -> int:
    from autograder.progress import continue_with, steps
    from autograder.progress.text import listing

    found = steps()
    onward = continue_with(found)
    if arguments.json:
        _say(
            json.dumps(
                {
                    "format": "wheelhouse-progress",
                    "version": 1,
                    "continue_with": onward.exercise.id if onward else None,
                    "exercises": [step.as_json() for step in found],
                },
                indent=1,
                ensure_ascii=False,
            )
        )
    else:
        _say(listing(found, onward))
    return 0
