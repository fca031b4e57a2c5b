"""One learner's report as a page: for themselves, for who teaches them, for who brings them on board."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autograder.progress.account import Account, Stuck
from autograder.progress.page import cell, inline, page, table, text
from autograder.progress.picture import strip, timeline
from autograder.progress.record import Regraded
from autograder.progress.steps import Step
from autograder.progress.text import MARKS, count, day, span

__all__ = ["as_page"]

NOTES = (
    "A <em>try</em> is a look at the work that found it changed. <em>At work</em> is the time between looks and commands, "
    "without gaps of five minutes and more; reading a lesson isn't counted. Times are in UTC.",
    "Names, times and tries are what this learner's own machine noted: they help a conversation, and prove nothing. "
    "What was reached can be shown by a completion record, which <code>course report --verify</code> grades again.",
)


def as_page(account: Account, regraded: Sequence[Regraded] = ()) -> str:
    """Give the page, which needs nothing else; `regraded` says what came of grading a record again."""
    source = f" From {text(account.source)}." if account.source else ""
    body = "\n".join(part for part in (*_parts(account), _regraded(account, regraded)) if part)
    return page(account.name, f"Progress in Wheelhouse on {day(account.made)} UTC.{source}", body, NOTES)


def _parts(account: Account) -> Iterator[str]:
    yield _tiles(account)
    yield _onward(account)
    yield _over_time(account)
    yield _exercises(account)
    yield _stuck(account)
    yield _tasks(account)
    yield "".join(f"<p>{inline(one)}</p>" for one in account.noticed)


def _tiles(account: Account) -> str:
    reached, points = account.points
    tiles = [
        ("exercises done", f"{account.exercises_done} <small>of {len(account.steps)}</small>"),
        ("tasks done", f"{account.tasks_done} <small>of {len(account.tasks)}</small>"),
        ("points", f"{reached} <small>of {points}</small>"),
        ("at work", span(account.active_seconds)),
        ("tries", f"{account.tries}"),
        ("hints", f"{account.hints}"),
    ]
    if account.minutes_left:
        left = account.minutes_left
        about = f"{round(left / 60)} h" if left >= 90 else f"{left} min"
        tiles.append(("to do, as estimated", f"<small>about</small> {about}"))
    return f'<dl class="tiles">{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in tiles)}</dl>'


def _onward(account: Account) -> str:
    if account.source:
        return ""
    onward = account.onward
    if onward is None:
        return "<section><h2>All is done</h2><p>Every task of every exercise is there. Well done.</p></section>"
    number = f"{onward.exercise.number:02}"
    title = text(onward.exercise.title)
    if onward.score is None:
        said = (
            f"<p><strong>{number}, {title}</strong>: read the lesson, then type <code>course begin {number}</code>.</p>"
        )
    else:
        task = onward.next_task
        what = f", task {task.task.number}: {inline(task.task.title)}" if task is not None else ""
        said = f"<p><strong>{number}, {title}</strong>{what}. Type <code>course shell {number}</code>.</p>"
    return f'<section><h2>Go on here</h2><div class="card onward">{said}</div></section>'


def _over_time(account: Account) -> str:
    drawn = timeline(account)
    if drawn is None:
        return ""
    days = f"<span>{drawn.first:%d %B %Y}</span>" + (f"<span>{drawn.last:%d %B %Y}</span>" if drawn.days > 1 else "")
    dashed = " A dashed line is a new day." if drawn.days > 1 else ""
    return (
        '<section><h2>Points over time</h2><figure><div class="plot">'
        f'<div class="scale" aria-hidden="true"><span>{drawn.most}</span><span>0</span></div>{drawn.svg}'
        f'<div class="days">{days}</div></div>'
        f"<figcaption>Points reached at each look, on {count(drawn.days, 'day')}. Pauses are drawn short.{dashed}</figcaption>"
        "</figure></section>"
    )


def _state(step: Step) -> str:
    if step.trouble:
        return f'<span class="state-begun">! {text(step.trouble, 200)}</span>'
    kind = "open" if step.score is None else "done" if step.done else "begun"
    word = {"open": "not begun", "done": "done", "begun": "begun"}[kind]
    return f'<span class="state-{kind}">{MARKS[kind]} {word}</span>'


def _exercises(account: Account) -> str:
    heads = [
        ("Exercise", ""),
        ("Tasks", ""),
        ("Points", "number"),
        ("Tries", "number wide-only"),
        ("Hints", "number wide-only"),
        ("At work", "number wide-only"),
        ("So far", ""),
    ]
    rows = [
        cell(f"{step.exercise.number:02} {text(step.exercise.title)}", head=True)
        + cell(strip(step), "bar")
        + cell(f"{step.score or 0} of {step.exercise.points}", "number")
        + cell(f"{step.history.attempts or '-'}", "number wide-only")
        + cell(f"{step.history.hints or '-'}", "number wide-only")
        + cell(span(step.history.active_seconds), "number wide-only")
        + cell(_state(step))
        for step in account.steps
    ]
    legend = (
        '<p class="legend">Each box in a strip is a task, as wide as it has points: filled as far as they are reached, '
        "framed only where none is.</p>"
    )
    return f"<section><h2>Exercises</h2>{table('The exercises and how far each is', heads, rows)}{legend}</section>"


def _stuck(account: Account) -> str:
    if not account.stuck:
        return ""
    cards = "".join(_card(one) for one in account.stuck)
    return f"<section><h2>Where it is stuck, and what comes next</h2>{cards}</section>"


def _card(stuck: Stuck) -> str:
    task, outcome = stuck.task, stuck.outcome
    head = f"{stuck.step.exercise.number:02}, task {task.task.number}: {inline(task.task.title)}"
    past = task.history
    hints = f", with {count(past.hints, 'hint')}" if past.hints else ""
    if stuck.tried:
        tries = f"Stuck, after {count(past.failed_looks, 'try')} that failed{hints}."
    else:
        tries = f"{'Begun' if task.state == 'begun' else 'Not begun yet'}{hints}; this comes next."
    said = (("missing", outcome.check.says), *stuck.details)
    details = "".join(f"<dt>{name}</dt><dd>{inline(words)}</dd>" for name, words in said)
    return f'<div class="card"><h3>{head}</h3><p class="quiet">{tries}</p><dl>{details}</dl></div>'


def _tasks(account: Account) -> str:
    if not account.begun:
        return ""
    heads = [
        ("Task", ""),
        ("Points", "number"),
        ("Tries", "number"),
        ("Hints", "number"),
        ("At work", "number"),
        ("So far", ""),
    ]
    parts = []
    for step in account.begun:
        rows = []
        for task in step.tasks:
            past = task.history
            when = f"done {past.done_at:%Y-%m-%d}" if past.done_at is not None else "done"
            words = {"done": when, "begun": "begun", "open": "not yet"}
            mark = f'<span class="state-{task.state}">{MARKS[task.state]} {words[task.state]}</span>'
            hints = f"{past.hints or '-'}{', answer' if past.answer_shown else ''}"
            rows.append(
                cell(f"{task.task.number} {inline(task.task.title)}", head=True)
                + cell(f"{task.score} of {task.task.points}", "number")
                + cell(f"{past.tries or '-'}", "number")
                + cell(hints, "number")
                + cell(span(past.active_seconds), "number")
                + cell(mark)
            )
        parts.append(table(f"{step.exercise.number:02} {step.exercise.title}", heads, rows))
    return f"<section><h2>Task by task</h2>{''.join(parts)}</section>"


def _regraded(account: Account, found: Sequence[Regraded]) -> str:
    if not found:
        return ""
    words = {"equal": "= equal", "differs": "≠ not equal", "refused": "! refused", "error": "! not graded"}
    kinds = {"equal": "state-done", "differs": "state-begun", "refused": "state-begun", "error": "state-begun"}
    rows = [
        cell(text(one.exercise), head=True)
        + cell("-" if one.recorded is None else f"{one.recorded}", "number")
        + cell("-" if one.verdict is None else f"{one.verdict.score}", "number")
        + cell(f'<span class="{kinds[one.result]}">{words[one.result]}</span>')
        + cell(inline(one.says))
        for one in found
    ]
    heads = [("Exercise", ""), ("Recorded", "number"), ("Now", "number"), ("Result", ""), ("In words", "")]
    return (
        "<section><h2>Graded again</h2><p>The points on this page are those of grading the record's snapshots again, here. "
        f"The record's SHA-256: <code>{text(account.digest)}</code></p>"
        f"{table('What grading the record again came to', heads, rows)}</section>"
    )
