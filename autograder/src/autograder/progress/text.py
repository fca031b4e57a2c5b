"""Progress for a terminal: plain columns without colour, never by a sign alone."""

from __future__ import annotations

from collections.abc import Sequence

from autograder.progress.steps import Step

__all__ = ["MARKS", "columns", "listing"]

MARKS = {"done": "✓", "begun": "◐", "open": "·"}


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Align cells in columns, two spaces apart; the first row is the heading, `right` names columns of numbers."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            f"{cell:>{width}}" if column in right else f"{cell:{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def listing(found: tuple[Step, ...], onward: Step | None) -> str:
    """Give a line for each lesson with its exercise, a sign for each task, and where to go on."""
    rows = [("EX", "LESSON AND EXERCISE", "LESSON", "EXERCISE", "TASKS", "SO FAR")]
    for step in found:
        lesson = f"{step.lesson_minutes} min" if step.lesson_minutes else ""
        rows.append(
            (
                f"{step.exercise.number:02}",
                step.exercise.title,
                f"{lesson} {MARKS['begun'] if step.lesson_opened else ''}".strip(),
                f"{step.exercise.minutes} min",
                "".join(MARKS[task.state] for task in step.tasks),
                step.state,
            )
        )
    lines = [*columns(rows), "", f"Tasks: {', '.join(f'{mark} {name}' for name, mark in MARKS.items())}."]
    if onward is None:
        lines.append("All is done.")
    elif onward.score is None:
        lines.append(f"Go on with `course begin {onward.exercise.number:02}`.")
    else:
        task = onward.next_task
        what = f", task {task.task.number}: {task.task.title}" if task is not None else ""
        lines.append(f"Go on with `course shell {onward.exercise.number:02}`{what}.")
    return "\n".join(lines)
