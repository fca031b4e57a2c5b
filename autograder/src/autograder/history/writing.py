"""Write a workspace's history: one line for what differs from the line before."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from autograder.changes import typed_after
from autograder.folder import LiveWorkspace, signature
from autograder.history.reading import (
    MOST_READ,
    NAME,
    Look,
    lines_of,
    looks_in,
    moment_of,
    number_of,
    remembered,
    written,
)
from autograder.verdict import TaskVerdict, Verdict

__all__ = ["note", "note_answer", "note_hint", "note_reset"]

MOST_BYTES = 1_000_000
LONGEST_PAUSE = timedelta(minutes=5)
"""Who does nothing for longer has left the table."""
_OFTEN = timedelta(minutes=1)
"""That somebody works without reaching anything else is noted so often at most."""

_noted: dict[Path, tuple[str, datetime]] = {}
"""By file: the mark of the last verdict, and when it was noted; so that looking often costs nothing."""


def note(live: LiveWorkspace, verdict: Verdict, now: datetime | None = None) -> None:
    """Note what a look at a workspace found, if that differs from what was noted last; never raises.

    `now` is aware of its zone; by default it is the clock's.
    """
    now = now or datetime.now(UTC)
    file = live.state / NAME
    mark = hashlib.sha256(verdict.to_json().encode("utf-8", "replace")).hexdigest()
    known = _noted.get(file)
    if known is not None and known[0] == mark and timedelta(0) <= now - known[1] < _OFTEN and file.exists():
        return
    with contextlib.suppress(OSError, ValueError), _Book(live, now) as book:
        looks = looks_in(book.lines)
        last = looks[-1] if looks else None
        now_known = remembered(verdict, last)
        tasks = {str(one.task.number): _task_line(one, last) for one in now_known.tasks}
        if last is None or tasks != {str(number): last.line(number) for number in last.tasks}:
            if not book.full or _is_new(looks, tasks):
                told = {"score": now_known.score, "points": verdict.exercise.points, "tasks": tasks}
                book.add("look", {**told, "state": _state(live)})
        elif not book.full and now - book.last >= _OFTEN and (state := _state(live)) != book.find("state"):
            book.add("same", {"state": state})  # somebody is at work; who only asks how far they are, isn't
        _noted[file] = (mark, now)


def _state(live: LiveWorkspace) -> str:
    return signature(live.project)[:16]


def note_hint(live: LiveWorkspace, task: int, check: str, number: int, now: datetime | None = None) -> None:
    """Note that the hint of this number was given for a check; never raises."""
    _note_event(live, "hint", {"task": task, "check": check, "number": number}, now)


def note_answer(live: LiveWorkspace, task: int, now: datetime | None = None) -> None:
    """Note that a task's reference answer was shown; never raises."""
    _note_event(live, "answer", {"task": task}, now)


def note_reset(live: LiveWorkspace, now: datetime | None = None) -> None:
    """Note that a workspace was put back to its start; never raises."""
    _noted.pop(live.state / NAME, None)
    _note_event(live, "reset", {}, now)


def _note_event(live: LiveWorkspace, kind: str, told: dict[str, Any], now: datetime | None) -> None:
    with contextlib.suppress(OSError, ValueError), _Book(live, now or datetime.now(UTC)) as book:
        if not book.full:
            book.add(kind, told)


def _task_line(one: TaskVerdict, last: Look | None) -> dict[str, Any]:
    """Give the states, and of what failed a mark which changes with anything that is said of it."""
    found = {}
    for outcome in one.outcomes:
        name = outcome.check.name
        if outcome.state in ("failed", "error"):
            told = f"{outcome.expected}\0{outcome.found}\0{outcome.next_step}".encode("utf-8", "replace")
            before = last.found.get(one.task.number, {}).get(name, "") if last is not None else ""
            found[name] = before if outcome.found is None else hashlib.sha256(told).hexdigest()[:8]
    return {"checks": {outcome.check.name: outcome.state for outcome in one.outcomes}, "found": found}


def _is_new(looks: list[Look | None], tasks: Mapping[str, Any]) -> bool:
    """Whether a check has passed which never did before."""
    before = {
        name
        for look in looks
        if look is not None
        for one in look.tasks.values()
        for name, state in one.items()
        if state == "passed"
    }
    return any(
        state == "passed" and name not in before for one in tasks.values() for name, state in one["checks"].items()
    )


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
            self._data = self._file.read(MOST_READ)
            self.lines = list(lines_of(self._data))
            if not self.lines:
                made = min(datetime.fromtimestamp(self._live.made / 1e9, UTC), self._now)
                self._append({"at": written(made), "kind": "begun", "version": 1})
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
        return max((at for line in self.lines if (at := moment_of(line.get("at"))) is not None), default=self._now)

    def find(self, field: str) -> Any:
        """Give what was noted last under this name; None if nothing was."""
        return next((line[field] for line in reversed(self.lines) if field in line), None)

    def _begun(self) -> float:
        moment = moment_of(self.lines[0].get("at"))
        return moment.timestamp() if moment is not None else 0.0

    def add(self, kind: str, told: dict[str, Any]) -> None:
        """Write one line, with the commands that were typed since the one before."""
        before = self.last
        until = number_of(self.find("typed_until"), 1e11) or self._begun()
        times = typed_after(self._live, until)
        moments = [before, *(datetime.fromtimestamp(one, UTC) for one in times), self._now]
        self._append(
            {
                "at": written(self._now),
                "kind": kind,
                **told,
                "commands": int(number_of(self.find("commands"), 1e9)) + len(times),
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
