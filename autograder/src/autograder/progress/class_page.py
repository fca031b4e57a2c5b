"""The overview of many learners as a page: who x task, where people get stuck, what each task took."""

from __future__ import annotations

from collections.abc import Iterator

from autograder.progress.account import Account
from autograder.progress.gathering import Gathered
from autograder.progress.page import cell, inline, page, table, text
from autograder.progress.text import MARKS, count, span

__all__ = ["as_page"]

_WORDS = {"done": "done", "begun": "begun", "open": "not yet"}


def as_page(found: Gathered, when: str) -> str:
    """Give the page, which needs nothing else; `when` is the time of today, as a text."""
    how = (
        "Every record was graded again here."
        if found.again
        else "Points are what the files tell; <code>course report --class FOLDER --again</code> grades their snapshots again."
    )
    notes = (
        f"{how} Whose work it is, when it was done and how long it took is what learners' own machines noted.",
        "A <em>try</em> is a look at the work that found it changed. <em>At work</em> is the time between looks and commands, "
        "without gaps of five minutes and more. Times are in UTC.",
    )
    body = "\n".join(part for part in _parts(found) if part)
    return page(
        count(len(found.accounts), "learner"), f"Progress in Wheelhouse on {text(when)} UTC.", body, notes, wide=True
    )


def _parts(found: Gathered) -> Iterator[str]:
    yield _tiles(found)
    yield _grid(found)
    yield _hurdles(found)
    yield _tasks(found)
    yield _remarks(found)


def _tiles(found: Gathered) -> str:
    size = len(found.accounts)
    done = sum(account.exercises_done == len(account.steps) for account in found.accounts)
    begun = sum(bool(account.begun) for account in found.accounts)
    stuck = sum(any(one.tried for one in account.stuck) for account in found.accounts)
    reached = sum(account.points[0] for account in found.accounts)
    points = sum(account.points[1] for account in found.accounts)
    tiles = [
        ("have begun", f"{begun} <small>of {size}</small>"),
        ("have done all", f"{done} <small>of {size}</small>"),
        ("of all points reached", f"{round(100 * reached / points) if points else 0} %"),
        ("stand before a failure", f"{stuck} <small>of {size}</small>"),
        ("at work, together", span(sum(account.active_seconds for account in found.accounts))),
    ]
    return f'<dl class="tiles">{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in tiles)}</dl>'


def _grid(found: Gathered) -> str:
    groups = '<tr><td></td><td colspan="2"></td>'
    heads = [("Learner", ""), ("Points", "number"), ("At work", "number")]
    for exercise in found.exercises:
        groups += (
            f'<th scope="colgroup" class="first" colspan="{len(exercise.tasks)}">{exercise.number:02}'
            f'<span class="unseen"> {text(exercise.title)}</span></th>'
        )
        for position, task in enumerate(exercise.tasks):
            name = f'{task.number}<span class="unseen"> of {exercise.number:02}: {text(task.title)}</span>'
            heads.append((name, "first" if position == 0 else ""))
    rows = [_row(found, account) for account in found.accounts]
    legend = ", ".join(f"{mark} {_WORDS[name]}" for name, mark in MARKS.items())
    return (
        "<section><h2>Who is where</h2>"
        f"{table('Learners and tasks', heads, rows, kind='grid', groups=groups + '</tr>')}"
        f'<p class="legend">{legend}. A column is a task, under its exercise\'s number.</p></section>'
    )


def _row(found: Gathered, account: Account) -> str:
    reached, points = account.points
    cells = [
        cell(text(found.label(account), 120), head=True),
        cell(f"{reached}<small>of {points}</small>", "sum"),
        cell(span(account.active_seconds), "sum"),
    ]
    for step in account.steps:
        for position, task in enumerate(step.tasks):
            sign = (
                f'<span class="state-{task.state} sign" aria-hidden="true">{MARKS[task.state]}</span>'
                f'<span class="unseen">{_WORDS[task.state]}</span>'
            )
            cells.append(cell(sign, "first" if position == 0 else ""))
    return "".join(cells)


def _hurdles(found: Gathered) -> str:
    if not found.hurdles:
        return ""
    heads = [
        ("Task", ""),
        ("What fails", ""),
        ("Stuck now", "number"),
        ("Failed tries", "number"),
        ("Learners", "number"),
    ]
    rows = [
        cell(f"{one.exercise.number:02}, task {one.task.number}: {inline(one.task.title)}", head=True)
        + cell(inline(one.check.says))
        + cell(f"{one.stuck or '-'}", "number")
        + cell(f"{one.tries or '-'}", "number")
        + cell(f"{one.learners or '-'}", "number")
        for one in found.hurdles[:30]
    ]
    return (
        f"<section><h2>Where people get stuck</h2>{table('Checks that fail, the worst first', heads, rows)}</section>"
    )


def _tasks(found: Gathered) -> str:
    heads = [
        ("Task", ""),
        ("Done", "number"),
        ("Begun", "number"),
        ("Hints", "number"),
        ("Answers shown", "number"),
        ("Median time", "number"),
    ]
    rows = [
        cell(f"{one.exercise.number:02}, task {one.task.number}: {inline(one.task.title)}", head=True)
        + cell(f"{one.done}", "number")
        + cell(f"{one.begun or '-'}", "number")
        + cell(f"{one.hints or '-'}", "number")
        + cell(f"{one.answers or '-'}", "number")
        + cell(span(one.median_seconds), "number")
        for one in found.tasks
        if one.done or one.begun
    ]
    if not rows:
        return ""
    note = '<p class="legend">The time is the median at work of those who have done the task.</p>'
    return f"<section><h2>What each task took</h2>{table('Tasks that anybody began', heads, rows)}{note}</section>"


def _remarks(found: Gathered) -> str:
    said = [f"{text(found.label(account))}: {inline(one)}" for account in found.accounts for one in account.noticed]
    said += [f"More than one file says that it is of {text(name)}." for name in found.same_names]
    said += [f"Set aside: <code>{text(name, 120)}</code>. {inline(why)}" for name, why in found.set_aside]
    if not said:
        return ""
    return f"<section><h2>Remarks</h2><ul>{''.join(f'<li>{one}</li>' for one in said)}</ul></section>"
