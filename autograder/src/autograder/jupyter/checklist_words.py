"""A checklist's content: as the page draws it, as text, and as HTML for wherever no kernel lives."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from autograder.jupyter.words import inline_html, plain
from autograder.verdict import Verdict

__all__ = ["SIGN", "WORD", "as_html", "as_items", "as_text"]

SIGN = {"passed": "✓", "failed": "○", "waiting": "·", "running": "…", "error": "!"}
WORD = {
    "passed": "done",
    "failed": "to do",
    "waiting": "waits",
    "running": "not tried yet",
    "error": "our error",
}


def as_items(verdict: Verdict) -> list[dict[str, Any]]:
    """Give a verdict's tasks as the browser wants them.

    To the verdict's states comes `running`: a check that runs something, was not run yet and waits for no other.
    """
    items = []
    for task in verdict.tasks:
        done = {one.check: one.state for one in task.outcomes}
        checks = []
        for one in task.outcomes:
            after = one.check.after
            free = after is None or done.get(after, "passed") == "passed"
            state = "running" if one.check.acts and one.state == "waiting" and free else one.state
            checks.append({**one.as_json(), "state": state})
        states = {check["state"] for check in checks}
        state = task.state if task.state != "failed" or "failed" in states or "running" not in states else "running"
        items.append(
            {
                "task": task.task.number,
                "title": task.task.title,
                "state": state,
                "score": task.score,
                "points": task.task.points,
                "checks": checks,
            }
        )
    return items


def as_text(title: str, tier: str, points: int, tasks: Sequence[dict[str, Any]], notices: Sequence[str]) -> str:
    """Give the list as plain text."""
    score = sum(task["score"] for task in tasks)
    lines = [f"{title}: {score} of {points} points ({tier} sandbox)"]
    for task in tasks:
        lines.append(f"{SIGN[task['state']]} Task {task['task']}: {task['title']} ({WORD[task['state']]})")
        lines += [f"    {SIGN[one['state']]} {plain(one['says'])} ({WORD[one['state']]})" for one in task["checks"]]
    return "\n".join([*lines, *map(plain, notices)])


def as_html(title: str, points: int, tasks: Sequence[dict[str, Any]], notices: Sequence[str]) -> str:
    """Give the list as HTML without script, as it was at this moment."""
    score = sum(task["score"] for task in tasks)
    rows = "".join(
        f"<li>{SIGN[task['state']]} <strong>Task {task['task']}: {html.escape(task['title'])}</strong> "
        f"({WORD[task['state']]}, {task['score']} of {task['points']} points)<ul style='list-style:none'>"
        + "".join(
            f"<li>{SIGN[one['state']]} {inline_html(one['says'])} ({WORD[one['state']]})</li>" for one in task["checks"]
        )
        + "</ul></li>"
        for task in tasks
    )
    return (
        f"<section aria-label='{html.escape(title, quote=True)}'><p><strong>{html.escape(title)}</strong>: "
        f"{score} of {points} points, as it was when this cell was run.</p>"
        f"<ul style='list-style:none;padding-left:0'>{rows}</ul>"
        + "".join(f"<p>{inline_html(one)}</p>" for one in notices)
        + "</section>"
    )
