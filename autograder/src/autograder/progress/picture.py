"""Two pictures drawn from the data, as SVG without text: points over the time at work, and tasks as a strip.

What they say stands beside them in words too, so each has a name and a description, and none tells anything by colour alone.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import date, timedelta

from autograder.progress.account import Account
from autograder.progress.steps import Step

__all__ = ["Timeline", "strip", "timeline"]

_PAUSE = timedelta(minutes=10)
"""A longer gap between two looks is drawn as this."""
_WIDE, _HIGH = 1000.0, 200.0
MOST_POINTS = 4_000


@dataclass(frozen=True)
class Timeline:
    """The picture of points over time, and what stands beside it."""

    svg: str
    first: date
    last: date
    days: int
    """On how many days anything was reached or tried."""
    most: int
    """The points at the upper edge."""


def timeline(account: Account) -> Timeline | None:
    """Draw how the points grew; pauses are drawn short, a dashed line is a new day. None where there is too little to draw."""
    looks = sorted(
        ((look.at, step.exercise.id, look.score) for step in account.steps for look in step.history.looks),
        key=lambda one: one[0],
    )[-MOST_POINTS:]
    if len(looks) < 2 or looks[0][0] == looks[-1][0]:
        return None
    scores: dict[str, int] = {}
    at, before = 0.0, looks[0][0]
    seen: list[tuple[float, int]] = []
    days: list[float] = []
    for moment, exercise, score in looks:
        at += min(moment - before, _PAUSE).total_seconds()
        if moment.date() != before.date():
            days.append(at)
        before = moment
        scores[exercise] = min(score, next(s.exercise.points for s in account.steps if s.exercise.id == exercise))
        seen.append((at, sum(scores.values())))
    most = max(account.points[1], 1)
    top = min(most, max(10, -(-max(total for _, total in seen) // 10) * 10))
    right = seen[-1][0] or 1.0

    def place(x: float, total: int) -> tuple[str, str]:
        return f"{x / right * _WIDE:.1f}", f"{_HIGH - min(total, top) / top * _HIGH:.1f}"

    words = []
    for number, (x, total) in enumerate(seen):
        across, up = place(x, total)
        words.append(f"M{across} {up}" if number == 0 else f"H{across} V{up}")
    line = " ".join(words)
    lines = "".join(
        f'<line class="day" x1="{x / right * _WIDE:.1f}" x2="{x / right * _WIDE:.1f}" y1="0" y2="{_HIGH:g}"/>'
        for x in days
    )
    said = f"From {seen[0][1]} to {seen[-1][1]} points in {len(seen)} looks, from {looks[0][0]:%Y-%m-%d} to {looks[-1][0]:%Y-%m-%d}."
    svg = (
        f'<svg class="time" viewBox="0 0 {_WIDE:g} {_HIGH:g}" preserveAspectRatio="none" role="img" aria-label="Points over the time at work. {html.escape(said)}">'
        f'<rect class="frame" width="{_WIDE:g}" height="{_HIGH:g}"/>{lines}'
        f'<path class="below" d="{line} V{_HIGH:g} H0 Z"/><path class="reached" d="{line}"/></svg>'
    )
    return Timeline(svg, looks[0][0].date(), looks[-1][0].date(), len({moment.date() for moment, _, _ in looks}), top)


def strip(step: Step) -> str:
    """Draw an exercise's tasks side by side, each as wide as it has points, and filled as far as it has them."""
    x, parts = 0.0, []
    for task in step.tasks:
        whole = float(task.task.points)
        filled = whole * task.score / task.task.points
        if filled:
            parts.append(f'<rect class="part {task.state}" x="{x:g}" width="{filled:g}" height="10"/>')
        parts.append(f'<rect class="task" x="{x:g}" width="{whole:g}" height="10"/>')
        x += whole
    states = [task.state for task in step.tasks]
    said = f"{states.count('done')} of {len(states)} tasks done, {states.count('begun')} begun"
    return (
        f'<svg class="strip" viewBox="0 0 {x:g} 10" preserveAspectRatio="none" role="img" aria-label="{said}">'
        f"{''.join(parts)}</svg>"
    )
