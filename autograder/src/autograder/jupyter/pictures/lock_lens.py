"""The lock lens: the same wishes in five locks side by side, what each of them tells, and what comes of each when something happens.

All are made by their own tools in the sandbox when the cell runs, and installed from, with the results that are shown.
"""

from __future__ import annotations

import html
from typing import Any

import traitlets

from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter import session
from autograder.jupyter.lock_forms import MARKS, read_forms
from autograder.jupyter.pictures.picture import Picture, script, style
from autograder.jupyter.words import inline_html, plain, show

__all__ = ["LockLens", "lock_lens"]

SIGNS = {"yes": "✓", "no": "✗", "remark": "~"}
TRIALS = {"later": "On Wednesday netcore 2.0 is out", "exchanged": "A file was exchanged"}


class LockLens(Picture):
    """The picture: a table of what each tells, and the files themselves."""

    _esm = script("lock_lens")
    _css = style("lock_lens")

    forms: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    marks: traitlets.Dict[str, str] = traitlets.Dict(MARKS).tag(sync=True)
    trials: traitlets.Dict[str, str] = traitlets.Dict(TRIALS).tag(sync=True)

    def __init__(self, live: LiveWorkspace) -> None:
        """Make the locks and try them; raises CourseError if they can't be made."""
        self._workspace = live
        super().__init__(forms=read_forms(live))

    def answer(self, question: dict[str, Any]) -> None:
        """Make them all anew."""
        if question.keys() != {"again"} or question["again"] is not True:
            raise UsageError("That is no question this picture knows.")
        self.forms = read_forms(self._workspace)

    def as_text(self) -> str:
        """Give the table, and then each file, as plain text."""
        wide = max(len(words) for words in (*MARKS.values(), *TRIALS.values()))
        titles = [one["title"] for one in self.forms]
        rows = [(words, [SIGNS[one["marks"][name]["has"]] for one in self.forms]) for name, words in MARKS.items()]
        rows += [(words, [one[name]["short"] for one in self.forms]) for name, words in TRIALS.items()]
        lines = ["".join([" " * wide, *(f"  {title:13}" for title in titles)]).rstrip()]
        lines += ["".join([f"{words:{wide}}", *(f"  {cell:13}" for cell in cells)]).rstrip() for words, cells in rows]
        for one in self.forms:
            lines += ["", f"--- {one['title']}: {one['file']}, made by {one['command']}", *one["lines"]]
            lines += [f"{words}: {plain(one[name]['says'])}" for name, words in TRIALS.items()]
        return "\n".join(lines)

    def as_html(self) -> str:
        """Give the table and the files as HTML without script."""
        head = "".join(f"<th scope='col'>{html.escape(one['title'])}</th>" for one in self.forms)
        body = ""
        for name, words in MARKS.items():
            cells = "".join(
                f"<td>{SIGNS[one['marks'][name]['has']]} {one['marks'][name]['has']}</td>" for one in self.forms
            )
            body += f"<tr><th scope='row'>{html.escape(words)}</th>{cells}</tr>"
        for name, words in TRIALS.items():
            cells = "".join(
                f"<td>{'✓' if one[name]['good'] else '✗'} {html.escape(one[name]['short'])}</td>" for one in self.forms
            )
            body += f"<tr><th scope='row'>{html.escape(words)}</th>{cells}</tr>"
        files = "".join(
            f"<details><summary>{html.escape(one['title'])}: <code>{html.escape(one['file'])}</code>, "
            f"made by <code>{html.escape(one['command'])}</code></summary><pre>{html.escape(chr(10).join(one['lines']))}</pre>"
            + "".join(
                f"<p>{html.escape(words)}: {inline_html(one[name]['says'])}</p>" for name, words in TRIALS.items()
            )
            + "</details>"
            for one in self.forms
        )
        return f"<section aria-label='Lock lens'><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>{files}</section>"


def lock_lens() -> None:
    """Show the same wishes in five locks, each made now by its tool, and what comes of each.

    Raises:
        CourseError: the locks can't be made here.
    """
    if session.grading():
        return
    show(LockLens(session.here()))
