"""A verdict in words: for a terminal, for a notebook, for nbgrader's feedback.

All faces say the same: each check's state as a word and a sign (never by colour alone), and where it isn't passed what was expected,
what was found and one next step. Texts may hold what a learner chose (names of files, lines of them), so nothing of them is taken as
HTML and no control character reaches a terminal.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.verdict import Outcome, Verdict

__all__ = [
    "as_bundle",
    "as_text",
    "colours",
    "notice_bundle",
    "read_aloud",
    "task_as_html",
    "task_as_text",
    "width",
    "wrapped",
]

SIGNS = {"passed": "✓", "failed": "✗", "waiting": "…", "error": "!"}

_NARROWEST = 20
_HEAD = re.compile(r" *\S (?:passed|failed|waiting|error) +|(?:ok|note) +")
"""What stands before the text of a line."""
_SIGNED = re.compile(r"^( +)\S (passed|failed|waiting|error)\b *", re.MULTILINE)
_DETAIL = re.compile(r" +(?:expected|found|next step|waits for): ")
_NARROW = 60
"""Columns; a telephone's terminal, or a page enlarged four times."""
_TIE = "\0"

_SPANS = re.compile(r"`([^`\n]+)`|\*\*([^*\n]+)\*\*")


def _plain(text: str) -> str:
    """Take out what would steer a terminal or turn the writing direction."""
    return "".join(
        one
        if one == "\n" or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else "\N{REPLACEMENT CHARACTER}"
        for one in text
    )


def width() -> int | None:
    """Say how many columns there are to write in: the terminal's, or `COLUMNS`; None where neither is there, as in a file."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return None
    return max(shutil.get_terminal_size().columns, _NARROWEST)


def colours() -> bool:
    """Say whether colours may be used: on a terminal that has them, unless `NO_COLOR` is set, or where `FORCE_COLOR` is."""
    if os.environ.get("NO_COLOR") or read_aloud():
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def read_aloud() -> bool:
    """Say whether somebody listens to what is written: then signs beside words that say the same are left out."""
    return bool(os.environ.get("WHEELHOUSE_SCREEN_READER"))


def wrapped(text: str, columns: int | None) -> str:
    """Break lines that are too long between words, further lines under the beginning of the first one's text.

    What stands between backticks stays in one line, and so does a long word such as a path: both are there to be copied.
    """
    if columns is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _parts(line, columns))


def _parts(line: str, columns: int) -> list[str]:
    if len(line) <= columns:
        return [line]
    indent = len(line) - len(line.lstrip())
    head = _HEAD.match(line)
    first = head[0] if head is not None else ""
    further = len(first) or indent
    if columns < _NARROW:  # a deep indentation would leave little to read
        indent, further = min(indent, _NARROW // 10), min(further, _NARROW // 10)
    if _DETAIL.match(line):
        further += 2
    tied = re.sub(
        r"`[^`]+`", lambda match: match[0].replace(" ", _TIE), line.lstrip() if not first else line[len(first) :]
    )
    lines = textwrap.wrap(
        tied,
        columns,
        initial_indent=first or " " * indent,
        subsequent_indent=" " * further,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [one.replace(_TIE, " ") for one in lines] or [line]


def _marked(text: str) -> str:
    """Give the little Markdown that checks use (`code` and **strong**) as HTML; everything else is text."""

    def span(match: re.Match[str]) -> str:
        code, strong = match.groups()
        return f"<code>{code}</code>" if code is not None else f"<strong>{strong}</strong>"

    return _SPANS.sub(span, html.escape(_plain(text))).replace("\n", "<br>")


def _points(score: float, points: float) -> str:
    return f"{score:g} of {points:g} {'point' if points == 1 else 'points'}"


def _details(one: Outcome) -> list[tuple[str, str]]:
    """Name what there is to say about a check that has not passed."""
    if one.state == "waiting":
        before = one.check.after.says if one.check.after else ""
        return [("waits for", before or "a check that runs something, when you check next")]
    if one.state == "passed":
        return []
    found = [("expected", one.expected), ("found", one.found), ("next step", one.next_step)]
    return [(name, text) for name, text in found if text]


def task_as_text(verdict: Verdict, number: int) -> str:
    """Give one task for a terminal: a heading, a line for each check, and under it what is missing."""
    task = verdict.task(number)
    lines = [_plain(f"Task {task.task.number}: {task.task.title} ({_points(task.score, task.task.points)})")]
    for one in task.outcomes:
        lines.append(f"  {SIGNS[one.state]} {one.state:<7} {_plain(one.check.says)}".replace("\n", "\n" + " " * 12))
        for name, text in _details(one):
            lines.append(f"{'':12}{name}: {_plain(text)}".replace("\n", "\n" + " " * 14))
    return "\n".join(lines)


def task_as_html(verdict: Verdict, number: int) -> str:
    """Give one task as HTML that needs no style sheet, no script and no network."""
    task = verdict.task(number)
    rows = []
    for one in task.outcomes:
        details = "".join(f"<li>{name}: {_marked(text)}</li>" for name, text in _details(one))
        rows.append(
            f'<li class="{one.state}">{SIGNS[one.state]} <strong>{one.state}</strong>: {_marked(one.check.says)}'
            + (f"<ul>{details}</ul>" if details else "")
            + "</li>"
        )
    return (
        '<div class="wheelhouse-report">'
        f"<p><strong>Task {task.task.number}: {_marked(task.task.title)}</strong> ({_points(task.score, task.task.points)})</p>"
        f'<ul style="list-style: none">{"".join(rows)}</ul></div>'
    )


def as_bundle(verdict: Verdict, number: int) -> dict[str, str]:
    """Give one task as a notebook's output: text, and HTML for where it is shown."""
    return {"text/plain": task_as_text(verdict, number), "text/html": task_as_html(verdict, number)}


def notice_bundle(heading: str, notice: str) -> dict[str, str]:
    """Give a sentence in place of a verdict, where there is none: nothing submitted, a damaged file."""
    return {
        "text/plain": f"{_plain(heading)}\n  {SIGNS['error']} {_plain(notice)}",
        "text/html": f'<div class="wheelhouse-report"><p><strong>{_marked(heading)}</strong></p>'
        f"<p>{SIGNS['error']} {_marked(notice)}</p></div>",
    }


def as_text(verdict: Verdict, columns: int | None = None) -> str:
    """Give a whole verdict for a terminal of so many columns; None: one line for each text, however long."""
    parts = [task_as_text(verdict, one.task.number) for one in verdict.tasks]
    total = _points(verdict.score, verdict.exercise.points)
    text = "\n\n".join([*parts, f"{_plain(verdict.exercise.title)}: {total}."])
    if read_aloud():
        text = _SIGNED.sub(r"\1\2: ", text)
    return wrapped(text, columns)
