"""The import tracer: what really happens at an import, step by step, for each way of starting Python.

The statement is run by a real Python in the sandbox, in this notebook's workspace, with a spy among the finders (static/import_spy.py).
Nothing is told that the spy has not seen; whether bytecode was used or written is as true here as it was for the program.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import traitlets

from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter import session
from autograder.jupyter.import_trace import STARTS, trace
from autograder.jupyter.pictures.picture import Picture, script, style
from autograder.jupyter.words import inline_html, plain, show

__all__ = ["ImportTracer", "import_tracer"]


class ImportTracer(Picture):
    """The picture: the path on the left, the steps on the right."""

    _esm = script("import_tracer")
    _css = style("import_tracer")

    folder = traitlets.Unicode().tag(sync=True)
    trace = traitlets.Dict().tag(sync=True)
    starts = traitlets.Dict(STARTS).tag(sync=True)

    def __init__(self, live: LiveWorkspace, statement: str, start: str, folder: str, pythonpath: str) -> None:
        """Trace a first statement; raises UsageError if that can't be."""
        self._workspace = live
        first = trace(live, statement, start=start, folder=folder, pythonpath=pythonpath)
        super().__init__(folder=folder, trace=asdict(first))

    def answer(self, question: dict[str, Any]) -> None:
        """Trace another statement."""
        statement, start, pythonpath = (question.get(name) for name in ("statement", "start", "pythonpath"))
        if not isinstance(statement, str) or not isinstance(start, str) or not isinstance(pythonpath, str):
            raise UsageError("That is no question this picture knows.")
        found = trace(self._workspace, statement, start=start, folder=self.folder, pythonpath=pythonpath.strip())
        self.trace = asdict(found)

    def recordings(self) -> Iterator[list[dict[str, Any]]]:
        """Start Python in each way for the statement that is shown, asked for twice, and for some that every Python knows."""
        first, pythonpath = self.trace["statement"], self.trace["pythonpath"]
        others = [
            f"{first}, {first.removeprefix('import ')}",
            "import json",
            "import sys",
            "import nothing_of_the_kind",
        ]
        if first.startswith("import ") and self.folder:
            others.append(f"import {self.folder.replace('/', '.')}.{first.removeprefix('import ')}")
        for statement in (first, *others):
            for start in self.starts:
                yield [{"statement": statement, "start": start, "pythonpath": pythonpath}]

    def as_text(self) -> str:
        """Give the steps as plain text."""
        shown = self.trace
        lines = [f"$ {shown['command']}", f">>> {shown['statement']}", "", "sys.path:"]
        for entry in shown["entries"]:
            won = f"   <- {entry['found']} is here" if entry["found"] else ""
            lines.append(f"    {entry['entry']}  ({entry['about']}){won}")
        lines += ["", "What happened:"]
        for number, step in enumerate(shown["steps"], 1):
            sign = {"yes": "+", "no": "-", "bad": "!"}.get(step["mark"], " ")
            lines.append(f"{number:4}. {'    ' * step['depth']}{sign} {plain(step['says'])}")
        return "\n".join([*lines, "", plain(shown["outcome"])])

    def as_html(self) -> str:
        """Give the steps as HTML without script."""
        shown = self.trace
        entries = "".join(
            f"<li><code>{html.escape(one['entry'])}</code> ({html.escape(one['about'])})"
            + (f" <strong>← <code>{html.escape(one['found'])}</code> is here</strong>" if one["found"] else "")
            + "</li>"
            for one in shown["entries"]
        )
        signs = {"yes": "✓ ", "no": "✗ ", "bad": "⚠ "}
        steps = "".join(
            f"<li style='margin-left:{1.6 * one['depth']:g}em'>{signs.get(one['mark'], '')}{inline_html(one['says'])}</li>"
            for one in shown["steps"]
        )
        return (
            "<section aria-label='What happens at an import'>"
            f"<p><code>{html.escape(shown['command'])}</code>, and in it <code>{html.escape(shown['statement'])}</code></p>"
            f"<p><strong>sys.path</strong></p><ol>{entries}</ol>"
            f"<p><strong>What happened, in order</strong></p><ol>{steps}</ol><p>{inline_html(shown['outcome'])}</p></section>"
        )


def import_tracer(
    statement: str = "import json", *, start: str = "script", folder: str = "", pythonpath: str = ""
) -> None:
    """Show what happens at an import in this notebook's workspace, and let others be tried.

    `start` is `script`, `-m`, `-c` or `-P`; `folder` is where the started file lies.

    Raises:
        UsageError: it is no import statement, or there is no such folder.
    """
    if session.grading():
        return
    show(ImportTracer(session.here(), statement, start, folder, pythonpath))
