"""The start page: every lesson with its exercise, how far one is, where to go on, and whether the machine is ready."""

from __future__ import annotations

import html
import os
from pathlib import Path

from autograder import doctor
from autograder.jupyter.start_page import SERVER_ROOT, StartPage
from autograder.jupyter.words import inline_html, note, plain, show
from autograder.places import course_root
from autograder.progress import Step, continue_with, steps

__all__ = ["health", "progress"]


def progress() -> None:
    """Show the lessons and exercises with your points, and where to go on."""
    found = steps()
    onward = continue_with(found)
    text, page = _text(found, onward), _table(found, onward)
    if os.environ.get(SERVER_ROOT):  # else nobody can tell what a path means to the page, and links in HTML work anyhow
        show(StartPage(found, text, page))
        return
    show({"text/plain": text, "text/html": page})
    show(StartPage((), "", ""))


def _text(found: tuple[Step, ...], onward: Step | None) -> str:
    lines = [f"{step.exercise.id:32} {step.exercise.title:44} {step.state}" for step in found]
    lines.append(f"Go on with {onward.exercise.id}." if onward else "All is done.")
    return "\n".join(lines)


def _link(path: Path | None, text: str) -> str:
    """Link to a notebook, as seen from the folder in which the kernel was started: that of the notebook."""
    root = course_root()
    if path is None or root is None:
        return html.escape(text)
    return f'<a style="text-decoration:underline" href="{html.escape(os.path.relpath(root / path), quote=True)}">{html.escape(text)}</a>'


def _table(found: tuple[Step, ...], onward: Step | None) -> str:
    rows = []
    for step in found:
        whole = step.exercise.points
        bar = f'<meter min="0" max="{whole}" value="{step.score or 0}" aria-label="{step.score or 0} of {whole} points"></meter>'
        mark = "✓ " if step.done else "→ " if step == onward else ""
        minutes = f"{step.lesson_minutes} min" if step.lesson_minutes else ""
        rows.append(
            f"<tr><td>{step.exercise.number:02}</td><td style='text-align:left'>{_link(step.lesson, step.exercise.title)}</td>"
            f"<td>{minutes}</td><td>{_link(step.notebook, 'Exercise')}</td><td>{step.exercise.minutes} min</td>"
            f"<td>{bar}</td><td style='text-align:left'>{mark}{html.escape(step.state)}</td></tr>"
        )
    next_step = "<p><strong>All is done.</strong> Well done.</p>"
    if onward is not None:
        began = onward.score is not None
        link = _link(onward.notebook if began else onward.lesson, onward.exercise.title)
        next_step = f"<p><strong>{'Continue' if began else 'Begin'} here:</strong> {link}</p>"
    head = "".join(
        f"<th scope='col' style='text-align:left'>{name}</th>"
        for name in ("No.", "Lesson", "takes", "To do", "takes", "Points", "So far")
    )
    return f"{next_step}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


_READ_ALOUD = (
    "<p>Do you use a screen reader? What a terminal shows is a picture until <em>Screen Reader Mode</em> is on. "
    "<button type='button' data-commandlinker-command='settingeditor:open' "
    """data-commandlinker-args='{"query": "Terminal"}'>Settings of the terminal</button></p>"""
)
"""Works in JupyterLab; elsewhere a press does nothing."""


def health() -> None:
    """Show what works on this machine, and what to do about what doesn't."""
    found = tuple(doctor.examine())
    rows = "".join(
        f"<tr><td style='text-align:left;white-space:nowrap'>{'✓ ok' if one.good else '! note'}</td>"
        f"<th scope='row' style='text-align:left'>{inline_html(one.about)}</th>"
        f"<td style='text-align:left'>{inline_html(one.found)}"
        f"{'' if one.good else '<br><strong>' + inline_html(one.next_step) + '</strong>'}</td></tr>"
        for one in found
    )
    text = "\n".join(f"{'ok  ' if one.good else 'note'} {plain(one.about)}: {plain(one.found)}" for one in found)
    show({"text/plain": text, "text/html": f"<table><tbody>{rows}</tbody></table>{_READ_ALOUD}"})
    if all(one.good for one in found):
        note("Everything works here.")
