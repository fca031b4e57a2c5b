"""Progress for a terminal: plain columns without colour, and nothing said by a sign alone."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from autograder import report
from autograder.progress.account import Account, Stuck
from autograder.progress.learner import legible
from autograder.progress.record import Regraded
from autograder.progress.steps import Step

__all__ = ["MARKS", "columns", "listing", "regraded_as_text", "report_as_text", "span", "summary", "width"]

MARKS = {"done": "✓", "begun": "◐", "open": "·"}
LEGEND = ", ".join(f"{mark} {name}" for name, mark in MARKS.items())
_WIDEST = 100


def width(text: str) -> int:
    """Give the columns that a text takes in a terminal: Chinese letters take two, accents that stand on others none."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Align cells in columns, two spaces apart; the first row is the heading, `right` names columns of numbers."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]

    def cell(text: str, column: int) -> str:
        room = " " * (widths[column] - width(text))
        return room + text if column in right else text + room

    return ["  ".join(cell(text, column) for column, text in enumerate(row)).rstrip() for row in rows]


def span(seconds: float) -> str:
    """Give a length of time as people say it: `1 h 05 min`, `12 min`, `1 min` for anything less; `-` for none."""
    minutes = round(seconds / 60)
    if seconds <= 0:
        return "-"
    if minutes < 60:
        return f"{max(1, minutes)} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def day(moment: datetime) -> str:
    """Give a day and a time, in UTC, as `2026-11-21 20:31`."""
    return f"{moment:%Y-%m-%d %H:%M}"


def count(number: int, word: str) -> str:
    """Give a number with its word: `1 try`, `2 tries`, `2 days`."""
    many = f"{word[:-1]}ies" if re.search("[^aeiou]y$", word) else f"{word}s"
    return f"{number} {word if number == 1 else many}"


def listing(found: tuple[Step, ...], onward: Step | None) -> str:
    """Give a line for each lesson with its exercise, a sign for each task, and where to go on."""
    rows = [("EX", "LESSON AND EXERCISE", "LESSON", "EXERCISE", "TASKS", "SO FAR")]
    for step in found:
        lesson = f"{step.lesson_minutes} min" if step.lesson_minutes else ""
        rows.append(
            (
                f"{step.exercise.number:02}",
                step.exercise.title,
                f"{lesson} {'opened' if step.lesson_opened else ''}".strip(),
                f"{step.exercise.minutes} min",
                "".join(MARKS[task.state] for task in step.tasks),
                step.state,
            )
        )
    table, room = columns(rows), report.width()
    if report.read_aloud() or (room is not None and max(map(width, table)) > room):
        return report.wrapped("\n".join([*_one_below_another(found), "", onward_in_words(onward)]), room)
    return "\n".join([*table, "", f"Tasks: {LEGEND}.", onward_in_words(onward)])


def _one_below_another(found: tuple[Step, ...]) -> list[str]:
    """Give the same in words, for a window too narrow for a table, and for who listens."""
    lines = []
    for step in found:
        lesson = f"lesson {step.lesson_minutes} min, " if step.lesson_minutes else ""
        done = sum(task.state == "done" for task in step.tasks)
        tasks = "" if step.score is None else f"; {done} of {count(len(step.tasks), 'task')} done"
        lines.append(f"{step.exercise.number:02}  {step.exercise.title}")
        lines.append(f"    {lesson}exercise {step.exercise.minutes} min; {step.state}{tasks}")
    return lines


def onward_in_words(onward: Step | None) -> str:
    """Say where to go on, with what to type."""
    if onward is None:
        return "All is done."
    if onward.score is None:
        return f"Go on with `course begin {onward.exercise.number:02}`."
    task = onward.next_task
    what = f", task {task.task.number}: {task.task.title}" if task is not None else ""
    return f"Go on with `course shell {onward.exercise.number:02}`{what}."


def summary(account: Account) -> list[str]:
    """Say in a few short texts how far somebody is."""
    reached, points = account.points
    return [
        f"{account.exercises_done} of {len(account.steps)} exercises done",
        f"{account.tasks_done} of {len(account.tasks)} tasks",
        f"{reached} of {points} points",
        *([f"{span(account.active_seconds)} at work"] if account.active_seconds > 0 else []),
        *([count(account.tries, "try")] if account.tries else []),
        *([count(account.hints, "hint")] if account.hints else []),
    ]


def report_as_text(account: Account) -> str:
    """Give the whole report: how far, each exercise, each task of those begun, where it is stuck, where to go on."""
    reached, points = account.points
    filled = round(40 * reached / points) if points else 0
    lines = [
        f"{account.name}: progress on {day(account.made)} UTC",
        "",
        ", ".join(summary(account)) + ".",
        f"[{'#' * filled}{'.' * (40 - filled)}] {round(100 * reached / points) if points else 0} %",
        "",
        *_exercises(account),
        f"Tasks: {LEGEND}.",
    ]
    for step in account.begun:
        lines += ["", *_tasks(step)]
    for stuck in account.stuck:
        lines += ["", *_stuck(stuck)]
    lines += ["", *([*account.noticed] or [])]
    if not account.source:
        lines.append(onward_in_words(account.onward))
    return "\n".join(line.rstrip() for line in lines).rstrip()


def _exercises(account: Account) -> list[str]:
    rows = [("EX", "EXERCISE", "POINTS", "TASKS", "TRIES", "HINTS", "AT WORK", "SO FAR")]
    for step in account.steps:
        past, untouched = step.history, step.score is None
        rows.append(
            (
                f"{step.exercise.number:02}",
                step.exercise.title,
                f"{'-' if untouched else step.score} of {step.exercise.points}",
                "".join(MARKS[task.state] for task in step.tasks),
                f"{past.attempts or '-'}",
                f"{past.hints or '-'}",
                span(past.active_seconds),
                "done" if step.done else step.trouble or ("not begun" if untouched else "begun"),
            )
        )
    return columns(rows, right=(2, 4, 5, 6))


def _tasks(step: Step) -> list[str]:
    rows = [("", f"{step.exercise.number:02}, TASK BY TASK", "POINTS", "TRIES", "HINTS", "AT WORK", "DONE (UTC)")]
    for task in step.tasks:
        past = task.history
        rows.append(
            (
                MARKS[task.state],
                f"{task.task.number} {task.task.title}",
                f"{task.score} of {task.task.points}",
                f"{past.tries or '-'}",
                f"{past.hints or '-'}{' + answer' if past.answer_shown else ''}",
                span(past.active_seconds),
                (day(past.done_at) if past.done_at else "yes") if task.state == "done" else "",
            )
        )
    return columns(rows, right=(2, 3, 5))


def _stuck(stuck: Stuck) -> list[str]:
    task, outcome = stuck.task, stuck.outcome
    head = "Stuck in" if stuck.tried else "Next in"
    tries = f" after {count(task.history.failed_looks, 'try')} that failed" if stuck.tried else ""
    lines = [f"{head} {stuck.step.exercise.number:02}, task {task.task.number} ({task.task.title}){tries}:"]
    lines += _wrapped(f"{report.SIGNS[outcome.state]} {outcome.state}: {outcome.check.says}", 2)
    for name, text in stuck.details:
        lines += _wrapped(f"{name}: {text}", 6)
    return lines


def _wrapped(text: str, indent: int) -> list[str]:
    """Break a text that may be a learner's into lines; nothing of it steers a terminal."""
    pad = " " * indent
    whole = legible(" ".join(text.split()), 2_000)
    return textwrap.wrap(whole, _WIDEST, initial_indent=pad, subsequent_indent=f"{pad}  ", break_on_hyphens=False) or [
        pad
    ]


def regraded_as_text(account: Account, found: Sequence[Regraded], digest: str) -> str:
    """Say of each exercise of a record whether grading it again came to what is recorded."""
    words = {"equal": "equal", "differs": "NOT EQUAL", "refused": "REFUSED", "error": "not graded"}
    rows = [("EXERCISE", "RECORDED", "NOW", "RESULT", "")]
    for one in found:
        rows.append(
            (
                one.exercise,
                "-" if one.recorded is None else f"{one.recorded}",
                "-" if one.verdict is None else f"{one.verdict.score} of {one.verdict.exercise.points}",
                words[one.result],
                legible(one.says, 300),
            )
        )
    lines = [
        f"Record of {account.name}, written {day(account.made)} UTC by course {account.course}.",
        f"SHA-256 {digest}",
        "",
        *columns(rows, right=(1, 2)),
        "",
    ]
    counts = {kind: sum(one.result == kind for one in found) for kind in words}
    said = [f"{number} {words[kind]}" for kind, number in counts.items() if number]
    lines.append(f"{count(len(found), 'exercise')} graded again: {', '.join(said)}.")
    unsafe = next((one.verdict.unsafe for one in found if one.verdict is not None and one.verdict.unsafe), "")
    if unsafe:
        lines.append(unsafe)
    lines.append("This shows what state was reached, not who reached it, nor when.")
    return "\n".join(lines)
