"""What became of a workspace over time: every look at it that found something else, and every hint, one JSON line each.

::

    labs/.wheelhouse/<id>/history.jsonl   at most 1 MB, and then only what is reached for the first time

Whoever checks a workspace notes it here (`runner.check_live`, `runner.next_hint`); whoever reports reads it. A reset keeps it.
It is a help for people and no evidence: it lies on the learner's own disk. No point depends on it, and what can't be written is not noted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, get_args

from autograder.changes import typed_after
from autograder.folder import LiveWorkspace
from autograder.verdict import State, TaskVerdict, Verdict

__all__ = [
    "LONGEST_PAUSE",
    "MOST_BYTES",
    "NAME",
    "History",
    "Look",
    "TaskHistory",
    "note",
    "note_answer",
    "note_hint",
    "note_reset",
    "parse",
    "read",
]

NAME = "history.jsonl"
MOST_BYTES = 1_000_000
LONGEST_PAUSE = timedelta(minutes=5)
"""Who does nothing for longer has left the table."""
_OFTEN = timedelta(minutes=1)
"""That somebody works without reaching anything else is noted so often at most."""
MOST_TASKS = 99

_noted: dict[Path, tuple[str, datetime]] = {}
"""By file: the mark of the last verdict, and when it was noted; so that looking often costs nothing."""


# --- written


def note(live: LiveWorkspace, verdict: Verdict, now: datetime | None = None) -> None:
    """Note what a look at a workspace found, if that differs from what was noted last; never raises.

    `now` is aware of its zone; by default it is the clock's.
    """
    now = now or datetime.now(UTC)
    file = live.state / NAME
    mark = _mark(verdict.to_json(), 16)
    known = _noted.get(file)
    if known is not None and known[0] == mark and timedelta(0) <= now - known[1] < _OFTEN and file.exists():
        return
    with contextlib.suppress(OSError, ValueError), _Book(live, now) as book:
        if book.find("mark") != mark:
            tasks = {str(one.task.number): _task_line(one) for one in verdict.tasks}
            if not book.full or _is_new(book.lines, tasks):
                book.add(
                    "look", {"score": verdict.score, "points": verdict.exercise.points, "mark": mark, "tasks": tasks}
                )
        elif not book.full and now - book.last >= _OFTEN:
            book.add("same", {})
        _noted[file] = (mark, now)


def note_hint(live: LiveWorkspace, task: int, check: str, number: int, now: datetime | None = None) -> None:
    """Note that the hint of this number was given for a check; never raises."""
    _note_event(live, "hint", {"task": task, "check": check, "number": number}, now)


def note_answer(live: LiveWorkspace, task: int, now: datetime | None = None) -> None:
    """Note that a task's reference answer was shown; never raises."""
    _note_event(live, "answer", {"task": task}, now)


def note_reset(live: LiveWorkspace, now: datetime | None = None) -> None:
    """Note that a workspace was put back to its start; never raises."""
    _note_event(live, "reset", {}, now)


def _note_event(live: LiveWorkspace, kind: str, told: dict[str, Any], now: datetime | None) -> None:
    with contextlib.suppress(OSError, ValueError), _Book(live, now or datetime.now(UTC)) as book:
        if not book.full:
            book.add(kind, told)


def _mark(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:digits]


def _task_line(one: TaskVerdict) -> dict[str, Any]:
    told = json.dumps([outcome.as_json() for outcome in one.outcomes], sort_keys=True)
    return {"mark": _mark(told, 8), "checks": {outcome.check.name: outcome.state for outcome in one.outcomes}}


def _is_new(lines: list[dict[str, Any]], tasks: Mapping[str, Any]) -> bool:
    """Whether a check has passed which never did before."""
    before = {
        name for look in _looks(lines) for checks in look.tasks.values() for name, s in checks.items() if s == "passed"
    }
    return any(s == "passed" and name not in before for one in tasks.values() for name, s in one["checks"].items())


class _Book:
    """The file, open for one writer: several processes look at one workspace."""

    def __init__(self, live: LiveWorkspace, now: datetime) -> None:
        self._live = live
        self._now = now.astimezone(UTC)
        self._new: list[str] = []

    def __enter__(self) -> _Book:
        file = self._live.state / NAME
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        self._file: IO[bytes] = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._data = self._file.read(2 * MOST_BYTES)
            self.lines = list(_lines(self._data))
            if not self.lines:
                made = min(datetime.fromtimestamp(self._live.made / 1e9, UTC), self._now)
                self._append({"at": _written(made), "kind": "begun", "version": 1})
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            if self._new:
                cut = b"\n" if self._data and not self._data.endswith(b"\n") else b""  # whoever wrote it was killed
                self._file.write(cut + "".join(self._new).encode("ascii"))

    @property
    def full(self) -> bool:
        """Whether only what is reached for the first time may still be added."""
        return len(self._data) >= MOST_BYTES

    @property
    def last(self) -> datetime:
        """When the last thing was noted."""
        return max((at for line in self.lines if (at := _moment(line.get("at"))) is not None), default=self._now)

    def find(self, field: str) -> Any:
        """Give what was noted last under this name; None if nothing was."""
        return next((line[field] for line in reversed(self.lines) if field in line), None)

    def _begun(self) -> float:
        moment = _moment(self.lines[0].get("at"))
        return moment.timestamp() if moment is not None else 0.0

    def add(self, kind: str, told: dict[str, Any]) -> None:
        """Write one line, with the commands that were typed since the one before."""
        before = self.last
        until = _number(self.find("typed_until"), 1e11) or self._begun()
        times = typed_after(self._live, until)
        moments = [before, *(datetime.fromtimestamp(one, UTC) for one in times), self._now]
        self._append(
            {
                "at": _written(self._now),
                "kind": kind,
                **told,
                "commands": int(_number(self.find("commands"), 1e9)) + len(times),
                "typed_until": max([until, *times]),
                "active": round(_active(moments), 1),
            }
        )

    def _append(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        self._new.append(json.dumps(line, separators=(",", ":")) + "\n")


def _active(moments: Iterable[datetime]) -> float:
    """Sum the gaps between moments that are shorter than a pause, in seconds."""
    ordered = sorted(moments)
    gaps = (after - before for before, after in itertools.pairwise(ordered))
    return sum((gap.total_seconds() for gap in gaps if gap < LONGEST_PAUSE), 0.0)


# --- read


@dataclass(frozen=True)
class Look:
    """One look at a workspace that found something else than the one before."""

    at: datetime
    score: int
    tasks: Mapping[int, Mapping[str, State]]
    """By task: the state of each check, by its name."""
    commands: int = 0
    """How many commands had been typed by then, as far as that is known."""
    marks: Mapping[int, str] = field(default_factory=dict, repr=False)
    """By task: what changes with anything that is said of it."""

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
    """How many looks found it changed, and something of it not as it should be."""
    hints: int = 0
    answer_shown: bool = False
    active_seconds: float = 0.0
    failed_checks: Mapping[str, int] = field(default_factory=dict)
    """By check: in how many of those looks it failed."""

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

    def task(self, number: int) -> TaskHistory:
        """Give one task's, which is empty where nothing was noted of it."""
        return self.tasks.get(number, TaskHistory(number))


def read(state_folder: Path) -> History:
    """Read the history in a workspace's state folder; an empty one where there is none, or none that is legible."""
    try:
        descriptor = os.open(state_folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return parse(file.read(2 * MOST_BYTES))
    except OSError:
        return History()


def parse(data: bytes) -> History:
    """Read a history's text, which may be a stranger's: what isn't as it should be is left out."""
    lines = list(_lines(data[: 2 * MOST_BYTES]))
    moments = [at for line in lines if (at := _moment(line.get("at"))) is not None]
    tally = _Tally()
    before = moments[0] if moments else None
    for line in lines:
        at = _moment(line.get("at"))
        if at is None or before is None:
            continue
        gap = max(0.0, (at - before).total_seconds())
        before = max(before, at)
        tally.take(line, at, min(_number(line.get("active"), 1e9), gap))
    return tally.history(moments)


class _Tally:
    """Goes through the lines of a history, oldest first."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.tasks: dict[int, dict[str, Any]] = {}
        self.waiting = 0.0
        """Seconds of work that no task has been given yet."""
        self.active = 0.0
        self.commands = self.hints = self.resets = self.attempts = 0

    def take(self, line: dict[str, Any], at: datetime, active: float) -> None:
        """Count one line."""
        self.active += active
        self.waiting += active
        self.commands = max(self.commands, int(_number(line.get("commands"), 1e9)))
        kind, number = line.get("kind"), line.get("task")
        if kind == "reset":
            self.resets += 1
        elif kind in ("hint", "answer") and type(number) is int and 0 < number <= MOST_TASKS:
            one = self._task(number)
            one["hints"] += kind == "hint"
            self.hints += kind == "hint"
            one["answer_shown"] |= kind == "answer"
        elif kind == "look" and (look := _look(line, at)) is not None:
            self._look(look)

    def _task(self, number: int) -> dict[str, Any]:
        empty = {"failed_looks": 0, "hints": 0, "answer_shown": False, "active_seconds": 0.0, "failed_checks": {}}
        return self.tasks.setdefault(number, empty)

    def _look(self, look: Look) -> None:
        before = self.looks[-1] if self.looks else None
        self.looks.append(look)
        moved = []
        for number, checks in look.tasks.items():
            if before is None:  # as a rule the untouched start: only what is there already was somebody's doing
                changed = "passed" in checks.values()
            else:
                changed = look.marks.get(number) != before.marks.get(number)
            if changed:
                moved.append(number)
                self._moved(number, look)
        self.attempts += bool(moved)
        if not moved:
            moved = [number for number in look.tasks if not look.passed(number)][:1]
        for number in moved:
            self._task(number)["active_seconds"] += self.waiting / len(moved)
        if moved:
            self.waiting = 0.0

    def _moved(self, number: int, look: Look) -> None:
        one = self._task(number)
        one.setdefault("first_try", look.at)
        if look.passed(number):
            one.setdefault("done_at", look.at)
            return
        failed = [name for name, state in look.tasks[number].items() if state == "failed"]
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
        )


_CHECK = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def _look(line: dict[str, Any], at: datetime) -> Look | None:
    told = line.get("tasks")
    if not isinstance(told, dict) or len(told) > MOST_TASKS:
        return None
    tasks: dict[int, dict[str, State]] = {}
    marks = {}
    for key, one in told.items():
        if not re.fullmatch("[1-9][0-9]?", key, re.ASCII) or not isinstance(one, dict):
            return None
        checks, mark = one.get("checks"), one.get("mark")
        if not isinstance(checks, dict) or len(checks) > 100 or not isinstance(mark, str):
            return None
        if not all(_CHECK.fullmatch(name) and state in get_args(State) for name, state in checks.items()):
            return None
        tasks[int(key)], marks[int(key)] = checks, mark[:64]
    score, commands = _number(line.get("score"), 1e6), _number(line.get("commands"), 1e9)
    return Look(at, int(score), dict(sorted(tasks.items())), int(commands), marks)


def _looks(lines: list[dict[str, Any]]) -> list[Look]:
    found = (_look(line, at) for line in lines if (at := _moment(line.get("at"))) and line.get("kind") == "look")
    return [look for look in found if look is not None]


def _lines(data: bytes) -> Iterable[dict[str, Any]]:
    """Give what is legible; a last line without its end was being written when somebody was killed."""
    for text in data[: data.rfind(b"\n") + 1].split(b"\n"):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line


def _number(value: Any, most: float) -> float:
    """Give a number from 0 to `most`; 0 for whatever is none."""
    if type(value) not in (int, float) or not 0 <= value <= most or not math.isfinite(value):
        return 0.0
    return float(value)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: Any) -> datetime | None:
    """Read a time as `_written` writes it; None if it isn't one of this course's years."""
    if not isinstance(text, str) or not re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", text, re.ASCII):
        return None
    try:
        return datetime.fromisoformat(text.removesuffix("Z") + "+00:00")
    except ValueError:
        return None
