"""The resolver board: distributions as columns, releases as cells, and a search that crosses them out step by step.

What the releases need is the METADATA of the course's own index. The search is a *model*: pip's own library, asked by a provider of ours;
beside it stands what the real pip did in the sandbox.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import traitlets

from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter import session
from autograder.jupyter.pictures.picture import Picture, script, style
from autograder.jupyter.resolver_search import search
from autograder.jupyter.words import inline_html, plain, show

__all__ = ["EXAMPLES", "ResolverBoard", "resolver_board"]

EXAMPLES = [
    "webfw stock-count",
    "shelf-planner shelf-gauge",
    "moderntool legacytool==1.0",
    "moderntool legacytool~=1.0",
    "loyalty-web loyalty-till",
    "till-wants2 gift-wrap",
]
SIGNS = {"yes": "✓", "no": "✗", "back": "↩", "bad": "⚠"}


class ResolverBoard(Picture):
    """The picture: the board, the steps, and what the real pip did."""

    _esm = script("resolver_board")
    _css = style("resolver_board")

    board: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    examples: traitlets.List[str] = traitlets.List(EXAMPLES).tag(sync=True)

    def __init__(self, live: LiveWorkspace, text: str, *, two: bool) -> None:
        """Search for a first time; raises UsageError if that can't be."""
        self._workspace = live
        super().__init__(board=search(live, text, two=two))

    def answer(self, question: dict[str, Any]) -> None:
        """Search for something else."""
        text, two = question.get("text"), question.get("two")
        if not isinstance(text, str) or not isinstance(two, bool):
            raise UsageError("That is no question this picture knows.")
        self.board = search(self._workspace, text, two=two)

    def recordings(self) -> Iterator[list[dict[str, Any]]]:
        """Search for every example, in one command and in one each."""
        for text in dict.fromkeys((self.board["text"], *self.examples)):
            for two in (False, True):
                yield [{"text": text, "two": two}]

    def as_text(self) -> str:
        """Give commands, steps and outcome as plain text."""
        shown = self.board
        lines = [*(f"$ {one}" for one in shown["commands"]), "", f"The search (a model, by {shown['tools']}):"]
        for number, step in enumerate(shown["steps"], 1):
            lines.append(f"{number:4}. {SIGNS.get(step['mark'], ' ')} {plain(step['says'])}")
        lines += ["", plain(shown["outcome"]), "", f"What the real pip did: {plain(shown['pip']['says'])}"]
        return "\n".join([*lines, *(f"    {line}" for line in shown["pip"]["lines"])])

    def as_html(self) -> str:
        """Give the last state of the board, the steps and the outcome as HTML without script."""
        shown = self.board
        commands = "<br>".join(f"<code>{html.escape(one)}</code>" for one in shown["commands"])
        steps = "".join(
            f"<li>{SIGNS.get(step['mark'], '')} {inline_html(step['says'])}</li>" for step in shown["steps"]
        )
        lines = "".join(f"<br><code>{html.escape(line)}</code>" for line in shown["pip"]["lines"])
        return (
            f"<section aria-label='Resolver board'><p>{commands}</p>{self._table(shown)}"
            f"<p><strong>The search</strong> (a model, by {html.escape(shown['tools'])})</p><ol>{steps}</ol>"
            f"<p><strong>{inline_html(shown['outcome'])}</strong></p>"
            f"<p><strong>What the real pip did</strong>: {inline_html(shown['pip']['says'])}{lines}</p></section>"
        )

    @staticmethod
    def _table(shown: dict[str, Any]) -> str:
        last = shown["steps"][-1]
        rows = ""
        for column in shown["columns"]:
            cells = []
            for version in column["releases"]:
                reason = last["crossed"].get(column["name"], {}).get(version, "")
                if version in (last["pins"].get(column["name"]), last["installed"].get(column["name"])):
                    cells.append(f"<strong>✓ {html.escape(version)}</strong>")
                elif reason:
                    cells.append(f"<del>{html.escape(version)}</del> ({html.escape(reason)})")
                else:
                    cells.append(html.escape(version))
            rows += f"<tr><th scope='row'>{html.escape(column['name'])}</th><td>{', '.join(cells)}</td></tr>"
        return f"<table><thead><tr><th>Distribution</th><th>Releases at the end, newest first</th></tr></thead><tbody>{rows}</tbody></table>"


def resolver_board(text: str = EXAMPLES[0], *, two: bool = False) -> None:
    """Show how releases are found for what stands after `pip install`; with `two`, for one command each.

    Raises:
        UsageError: it is nothing that the board can show.
    """
    if session.grading():
        return
    show(ResolverBoard(session.here(), text, two=two))
