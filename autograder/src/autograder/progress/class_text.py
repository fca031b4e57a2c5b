"""The overview of many learners for a terminal, and as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io

from autograder.progress.account import Account
from autograder.progress.gathering import Gathered
from autograder.progress.learner import legible
from autograder.progress.text import LEGEND, MARKS, columns, count, span

__all__ = ["as_csv", "as_text"]

MOST_HURDLES = 12


def as_text(found: Gathered) -> str:
    """Give the overview: who is where, where people get stuck, what each task took."""
    heads = [f"{one.number:02}" for one in found.exercises]
    rows = [["LEARNER", *heads, "POINTS", "TRIES", "HINTS", "AT WORK", "LAST"]]
    rows += [_row(found, account) for account in found.accounts]
    last = len(rows[0])
    lines = [
        f"{count(len(found.accounts), 'learner')}, {'graded again here' if found.again else 'as their records say'}.",
        "",
        *columns(rows, right=(last - 5, last - 4, last - 3, last - 2)),
        f"Tasks: {LEGEND}.",
        *_hurdles(found),
        *_tasks(found),
        *_remarks(found),
    ]
    return "\n".join(lines)


def _row(found: Gathered, account: Account) -> list[str]:
    reached, points = account.points
    moment = found.last_work(account)
    return [
        legible(found.label(account), 40),
        *("".join(MARKS[task.state] for task in step.tasks) for step in account.steps),
        f"{reached} of {points}",
        f"{account.tries or '-'}",
        f"{account.hints or '-'}",
        span(account.active_seconds),
        f"{moment:%Y-%m-%d}" if moment is not None else "-",
    ]


def _hurdles(found: Gathered) -> list[str]:
    if not found.hurdles:
        return []
    rows = [["EX", "TASK", "STUCK NOW", "FAILED TRIES", "LEARNERS", "WHERE PEOPLE GET STUCK"]]
    rows += [
        [
            f"{one.exercise.number:02}",
            f"{one.task.number}",
            f"{one.stuck or '-'}",
            f"{one.tries or '-'}",
            f"{one.learners or '-'}",
            legible(one.check.says, 80),
        ]
        for one in found.hurdles[:MOST_HURDLES]
    ]
    return ["", *columns(rows, right=(2, 3, 4))]


def _tasks(found: Gathered) -> list[str]:
    rows = [["EX", "TASK", "DONE", "BEGUN", "HINTS", "ANSWERS", "TIME", ""]]
    rows += [
        [
            f"{one.exercise.number:02}",
            f"{one.task.number}",
            f"{one.done}",
            f"{one.begun or '-'}",
            f"{one.hints or '-'}",
            f"{one.answers or '-'}",
            span(one.median_seconds),
            one.task.title,
        ]
        for one in found.tasks
        if one.done or one.begun
    ]
    if len(rows) == 1:
        return []
    return ["", *columns(rows, right=(2, 3, 4, 5, 6)), "TIME is the median of those who have done it."]


def _remarks(found: Gathered) -> list[str]:
    lines = [
        f"{legible(found.label(account), 60)}: {legible(said, 300)}"
        for account in found.accounts
        for said in account.noticed
    ]
    lines += [f"More than one file says that it is of {name}." for name in found.same_names]
    lines += [f"Set aside: {legible(name, 80)}. {legible(why, 200)}" for name, why in found.set_aside]
    if not found.again:
        lines.append("Points are what the files tell; --again grades every record's snapshots again.")
    return ["", *lines] if lines else []


_HEAD = (
    *("learner", "file", "exercise", "task", "title", "state", "score", "points", "tries", "failed_looks", "hints"),
    *("answer_shown", "active_seconds", "first_try", "done_at", "stuck_at"),
)


def as_csv(found: Gathered) -> str:
    """Give a row for each learner and task; times in UTC. No cell begins as a formula would: spreadsheets run those."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(_HEAD)
    for account in found.accounts:
        stuck = {
            (one.step.exercise.id, one.task.task.number): one.outcome.check.name for one in account.stuck if one.tried
        }
        for step in account.steps:
            for task in step.tasks:
                told = task.as_json()
                cells = [
                    account.name,
                    account.source,
                    step.exercise.id,
                    *(told[name] for name in _HEAD[3:15]),
                    stuck.get((step.exercise.id, task.task.number), ""),
                ]
                writer.writerow([_harmless(one) for one in cells])
    return buffer.getvalue()


def _harmless(value: object) -> object:
    if value is None:
        return ""
    if not isinstance(value, str):
        return int(value) if isinstance(value, bool) else value
    shown = legible(value, 300)
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@") else shown
