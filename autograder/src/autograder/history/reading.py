"""Read a workspace's history, which may be a stranger's: nothing of it is believed before it is looked at."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from autograder.exercise import Check
from autograder.verdict import Outcome, State, Verdict

__all__ = [
    "MOST_READ",
    "NAME",
    "History",
    "Look",
    "TaskHistory",
    "lines_of",
    "looks_in",
    "moment_of",
    "number_of",
    "parse",
    "read",
    "remembered",
    "written",
]

NAME = "history.jsonl"
MOST_READ = 2_000_000
"""In bytes; what lies behind is not looked at."""
MOST_TASKS = 99


@dataclass(frozen=True)
class Look:
    """One look at a workspace that found something else than the one before."""

    at: datetime
    score: int
    tasks: Mapping[int, Mapping[str, State]]
    """By task: the state of each check, by its name."""
    commands: int = 0
    """How many commands had been typed by then, as far as that is known."""
    found: Mapping[int, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """By task: a mark of what was said of each check that failed."""

    def of(self, task: int, check: str) -> tuple[State | None, str]:
        """Give what is known of one check: its state, and the mark of what was said."""
        return self.tasks.get(task, {}).get(check), self.found.get(task, {}).get(check, "")

    def line(self, task: int) -> dict[str, Any]:
        """Give what is written of a task."""
        return {"checks": dict(self.tasks[task]), "found": dict(self.found[task])}

    def passed(self, task: int) -> bool:
        """Whether all of a task was there."""
        states = set(self.tasks.get(task, {}).values())
        return states == {"passed"}


@dataclass(frozen=True)
class TaskHistory:
    """What became of one task."""

    number: int
    first_try: datetime | None = None
    """The first look that found anything of it changed."""
    done_at: datetime | None = None
    """The first look that found all of it there."""
    failed_looks: int = 0
    """How many looks found something of it not as it should be, which the look before did not find, or not so."""
    hints: int = 0
    answer_shown: bool = False
    active_seconds: float = 0.0
    failed_checks: Mapping[str, int] = field(default_factory=dict)
    """By check: in how many of those looks it was what failed."""

    @property
    def tries(self) -> int:
        """The failed looks and, where it was done, the one that found it so."""
        return self.failed_looks + (self.done_at is not None)


@dataclass(frozen=True)
class History:
    """What became of a workspace; empty where nothing was noted."""

    began: datetime | None = None
    last: datetime | None = None
    attempts: int = 0
    """How many looks found anything changed since the one before."""
    active_seconds: float = 0.0
    """The gaps between what was noted and typed, without those of five minutes and more."""
    commands: int = 0
    hints: int = 0
    resets: int = 0
    tasks: Mapping[int, TaskHistory] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()
    latest: Look | None = None
    """The last look since the workspace was begun or reset; None if there was none."""

    def task(self, number: int) -> TaskHistory:
        """Give one task's, which is empty where nothing was noted of it."""
        return self.tasks.get(number, TaskHistory(number))


def read(state_folder: Path) -> History:
    """Read the history in a workspace's state folder; an empty one where there is none, or none that is legible."""
    try:
        descriptor = os.open(state_folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return parse(file.read(MOST_READ))
    except OSError:
        return History()


def parse(data: bytes) -> History:
    """Read a history's text, which may be a stranger's: what isn't as it should be is left out."""
    lines = list(lines_of(data[:MOST_READ]))
    moments = [at for line in lines if (at := moment_of(line.get("at"))) is not None]
    tally = _Tally()
    before = moments[0] if moments else None
    for line in lines:
        at = moment_of(line.get("at"))
        if at is None or before is None:
            continue
        gap = max(0.0, (at - before).total_seconds())
        before = max(before, at)
        tally.take(line, at, min(number_of(line.get("active"), 1e9), gap))
    return tally.history(moments)


class _Tally:
    """Goes through the lines of a history, oldest first."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.latest: Look | None = None
        self.tasks: dict[int, dict[str, Any]] = {}
        self.waiting = 0.0
        """Seconds of work that no task has been given yet."""
        self.active = 0.0
        self.commands = self.hints = self.resets = self.attempts = 0

    def take(self, line: dict[str, Any], at: datetime, active: float) -> None:
        """Count one line."""
        self.active += active
        self.waiting += active
        self.commands = max(self.commands, int(number_of(line.get("commands"), 1e9)))
        kind, number = line.get("kind"), line.get("task")
        if kind == "reset":
            self.resets += 1
            self.latest = None
        elif kind in ("hint", "answer") and type(number) is int and 0 < number <= MOST_TASKS:
            one = self._task(number)
            one["hints"] += kind == "hint"
            self.hints += kind == "hint"
            one["answer_shown"] |= kind == "answer"
        elif kind == "look" and (look := _read_look(line, at)) is not None:
            self._look(look)

    def _task(self, number: int) -> dict[str, Any]:
        empty = {"failed_looks": 0, "hints": 0, "answer_shown": False, "active_seconds": 0.0, "failed_checks": {}}
        return self.tasks.setdefault(number, empty)

    def _look(self, look: Look) -> None:
        before, self.latest = self.latest, look
        self.looks.append(look)
        moved = []
        for number, checks in look.tasks.items():
            if before is None:  # as a rule an untouched start: only what is there already was somebody's doing
                changed = "passed" in checks.values()
            else:
                changed = number not in before.tasks or look.line(number) != before.line(number)
            if changed:
                moved.append(number)
                self._moved(number, look, before)
        self.attempts += bool(moved)
        if not moved:
            moved = [number for number in look.tasks if not look.passed(number)][:1]
        for number in moved:
            self._task(number)["active_seconds"] += self.waiting / len(moved)
        if moved:
            self.waiting = 0.0

    def _moved(self, number: int, look: Look, before: Look | None) -> None:
        one = self._task(number)
        one.setdefault("first_try", look.at)
        if look.passed(number):
            one.setdefault("done_at", look.at)
            return
        failed = [
            name
            for name, state in look.tasks[number].items()
            if state == "failed" and (before is None or look.of(number, name) != before.of(number, name))
        ]
        one["failed_looks"] += bool(failed)
        for name in failed:
            one["failed_checks"][name] = one["failed_checks"].get(name, 0) + 1

    def history(self, moments: list[datetime]) -> History:
        """Give the sum of it."""
        if self.waiting and self.looks:
            undone = [number for number in self.looks[-1].tasks if not self.looks[-1].passed(number)]
            for number in undone[:1]:
                self._task(number)["active_seconds"] += self.waiting
        return History(
            began=min(moments, default=None),
            last=max(moments, default=None),
            attempts=self.attempts,
            active_seconds=self.active,
            commands=self.commands,
            hints=self.hints,
            resets=self.resets,
            tasks={number: TaskHistory(number, **one) for number, one in sorted(self.tasks.items())},
            looks=tuple(self.looks),
            latest=self.latest,
        )


_CHECK = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_STATES = get_args(State)


def _read_look(line: dict[str, Any], at: datetime) -> Look | None:
    told = line.get("tasks")
    if not isinstance(told, dict) or len(told) > MOST_TASKS:
        return None
    tasks: dict[int, dict[str, State]] = {}
    found: dict[int, dict[str, str]] = {}
    for key, one in told.items():
        if not re.fullmatch("[1-9][0-9]?", key, re.ASCII) or not isinstance(one, dict):
            return None
        checks, marks = one.get("checks"), one.get("found")
        if not isinstance(checks, dict) or len(checks) > 100 or not isinstance(marks, dict) or len(marks) > 100:
            return None
        if not all(_CHECK.fullmatch(name) and state in _STATES for name, state in checks.items()):
            return None
        if not all(isinstance(mark, str) and len(mark) <= 8 for mark in marks.values()):
            return None
        tasks[int(key)], found[int(key)] = checks, marks
    score, commands = number_of(line.get("score"), 1e6), number_of(line.get("commands"), 1e9)
    return Look(at, int(score), dict(sorted(tasks.items())), int(commands), found)


def looks_in(lines: list[dict[str, Any]]) -> list[Look | None]:
    """Give the looks that are legible, oldest first, and None for each reset."""
    found: list[Look | None] = []
    for line in lines:
        at, kind = moment_of(line.get("at")), line.get("kind")
        if at is not None and kind == "reset":
            found.append(None)
        elif at is not None and kind == "look" and (look := _read_look(line, at)) is not None:
            found.append(look)
    return found


def lines_of(data: bytes) -> Iterable[dict[str, Any]]:
    """Give what is legible; a last line without its end was being written when somebody was killed."""
    for text in data[: data.rfind(b"\n") + 1].split(b"\n"):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line


def number_of(value: Any, most: float) -> float:
    """Give a number from 0 to `most`; 0 for whatever is none."""
    if type(value) not in (int, float) or not 0 <= value <= most or not math.isfinite(value):
        return 0.0
    return float(value)


def written(moment: datetime) -> str:
    """Write a time as a history does, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_of(text: Any) -> datetime | None:
    """Read a time as `written` writes it; None if it isn't one of this course's years."""
    if not isinstance(text, str) or not re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", text, re.ASCII):
        return None
    try:
        return datetime.fromisoformat(text.removesuffix("Z") + "+00:00")
    except ValueError:
        return None


def remembered(verdict: Verdict, last: Look | None) -> Verdict:
    """Give a verdict with what was known last of checks that run something, where they were not run now.

    A check that passed then counts as passed, with those that wait for it; one that failed has no texts any more.
    """
    states: dict[Check, State] = {}

    def known(outcome: Outcome, task: int) -> Outcome:
        one, state = outcome.check, outcome.state
        before = last.tasks.get(task, {}).get(one.name) if last is not None else None
        ready = one.after is None or states.get(one.after) == "passed"
        if state == "waiting" and ready and before in ("passed", "failed"):
            state = before
        states[one] = state
        return outcome if state == outcome.state else replace(outcome, state=state)

    tasks = (
        replace(one, outcomes=tuple(known(outcome, one.task.number) for outcome in one.outcomes))
        for one in verdict.tasks
    )
    return replace(verdict, tasks=tuple(tasks))
