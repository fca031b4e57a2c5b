"""The completion record: one file with the snapshots of all begun exercises, their verdicts and histories, which anyone can grade again.

What it can show is that the state was reached: the snapshots are graded again by whoever doubts it (`verify`).
It can't show who reached it, when, or with whose help: names, times and histories are what the learner's own machine said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from autograder import __version__, folder, history, runner
from autograder.exceptions import CourseError, SnapshotError, UsageError
from autograder.exercise import find_exercises
from autograder.places import labs
from autograder.progress.account import Account, told_steps, verdict_from
from autograder.progress.envelope import seal, unseal
from autograder.progress.learner import legible, who
from autograder.snapshot import LIMITS
from autograder.verdict import Verdict

__all__ = ["SUFFIX", "Part", "Record", "Regraded", "account_of", "make_record", "read_record", "verify"]

FORMAT, VERSION = "wheelhouse-record", 1
SUFFIX = ".record"
_BOUNDS = {"snapshot": LIMITS.snapshot, "verdict.json": 1_000_000, "history.jsonl": history.MOST_READ}
_ID = re.compile(r"[0-9]{2}-[a-z0-9-]{1,80}", re.ASCII)


@dataclass(frozen=True)
class Part:
    """What a record holds of one exercise; all of it as its writer gave it."""

    snapshot: bytes
    verdict: bytes
    """The verdict's JSON."""
    history: bytes


@dataclass(frozen=True)
class Record:
    """A whole record, read. Nothing in it is believed yet."""

    who: str
    made: datetime
    course: str
    digest: str
    parts: Mapping[str, Part]
    """By the exercise's id, in order."""
    opened: frozenset[int] = frozenset()
    """The lessons that were begun, by number."""


# --- written


def make_record(
    name: str | None = None, now: datetime | None = None, say: Callable[[str], None] = lambda _: None
) -> bytes:
    """Check all that was begun, acting checks too, and write it down with its snapshots.

    Raises:
        UsageError: nothing was begun.
        SnapshotError: a workspace holds more than a snapshot may.
    """
    parts: dict[str, bytes] = {}
    for exercise in find_exercises():
        try:
            live = folder.open_workspace(exercise)
        except UsageError:
            continue
        say(f"{exercise.id}: looking …")
        with folder.undisturbed(live):
            data = live.snapshot()
        verdict = runner.check_snapshot(data, tier=live.tier, trusted=True)
        history.note(live, verdict)
        parts[f"{exercise.id}.snapshot"] = data
        parts[f"{exercise.id}.verdict.json"] = verdict.to_json().encode()
        parts[f"{exercise.id}.history.jsonl"] = _history_bytes(live)
    if not parts:
        raise UsageError("Nothing is begun yet, so there is nothing to record.", "Run `course begin 01`.")
    opened = [one.number for one in find_exercises() if (labs() / ".wheelhouse" / f"lesson-{one.number:02}").is_dir()]
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "course": __version__,
        "learner": who(name),
        "made": (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
        "lessons": opened,
    }
    return seal(facts, parts)


def _history_bytes(live: folder.LiveWorkspace) -> bytes:
    try:
        with (live.state / history.NAME).open("rb") as file:
            return file.read(_BOUNDS["history.jsonl"])
    except OSError:
        return b""


# --- read


def read_record(data: bytes) -> Record:
    """Read a record, which anybody may have written.

    Raises:
        UsageError: it is damaged, hostile, too large or of a newer course.
    """
    envelope = unseal(data)
    facts = envelope.facts
    version = facts.get("version")
    if facts.get("format") == FORMAT and type(version) is int and version > VERSION:
        raise UsageError("A newer course made this record.", "Bring this course up to date, and try again.")
    if facts.get("format") != FORMAT or type(version) is not int or version != VERSION:
        raise _unfit("it is of another kind")
    found: dict[str, dict[str, bytes]] = {}
    for name, part in envelope.parts.items():
        identity, _, kind = name.partition(".")
        if kind not in _BOUNDS or not _ID.fullmatch(identity) or len(part) > _BOUNDS[kind]:
            raise _unfit("it holds other parts than a record does")
        found.setdefault(identity, {})[kind] = part
    if any(set(one) != set(_BOUNDS) for one in found.values()):
        raise _unfit("a part of it is missing")
    return Record(
        who=_name(facts.get("learner")),
        made=_time(facts.get("made")),
        course=_version(facts.get("course")),
        digest=envelope.digest,
        parts={
            identity: Part(one["snapshot"], one["verdict.json"], one["history.jsonl"])
            for identity, one in sorted(found.items())
        },
        opened=_numbers(facts.get("lessons")),
    )


def _unfit(why: str) -> UsageError:
    return UsageError(f"This record can't be used: {why}.", "Ask for the file that `course report --record` wrote.")


def _name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise _unfit("its learner's name is none")
    return legible(value)


def _version(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Za-z.+!-]{1,60}", value, re.ASCII):
        raise _unfit("the course's version in it is none")
    return value


def _time(value: Any) -> datetime:
    if isinstance(value, str) and re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", value, re.ASCII):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise _unfit("its time is none")


def _numbers(value: Any) -> frozenset[int]:
    if not isinstance(value, list) or len(value) > 99 or not all(type(one) is int and 0 < one < 100 for one in value):
        raise _unfit("its list of lessons is none")
    return frozenset(value)


def account_of(record: Record, source: str = "", fresh: Mapping[str, Verdict] | None = None) -> Account:
    """Give what a record says as an account; `fresh` holds verdicts that were made anew and count instead, by exercise."""
    known = {one.id: one for one in find_exercises()}
    verdicts, histories, trouble, noticed = {}, {}, {}, []
    for identity, part in record.parts.items():
        if identity not in known:
            noticed.append(f"It holds {identity}, which this course doesn't have.")
            continue
        histories[identity] = history.parse(part.history)
        verdict = (fresh or {}).get(identity) or verdict_from(known[identity], part.verdict)
        if verdict is None:
            trouble[identity] = "its verdict can't be read"
        else:
            verdicts[identity] = verdict
    return Account(
        who=record.who,
        made=record.made,
        steps=told_steps(verdicts, histories, trouble, record.opened),
        source=source,
        course=record.course,
        digest=record.digest,
        noticed=tuple(noticed),
    )


# --- graded again


@dataclass(frozen=True)
class Regraded:
    """What grading one exercise of a record again came to."""

    exercise: str
    """Its id."""
    title: str
    result: Literal["equal", "differs", "refused", "error"]
    """`refused` is a snapshot that can't be graded, `error` one that can't be graded here, or through a fault of ours."""
    says: str
    """In words; ends with a full stop."""
    recorded: int | None = None
    """The points that the record tells; None where it tells none."""
    verdict: Verdict | None = None
    """The new one."""


def verify(record: Record, *, unsafe: str = "", say: Callable[[str], None] = lambda _: None) -> list[Regraded]:
    """Grade every exercise of a record again from its snapshot, as a stranger's: what it says of itself counts for nothing.

    `unsafe` names the tier below `strong` that was accepted in words, see `autograder.runner.evaluate`.
    """
    known = {one.id: one for one in find_exercises()}
    found = []
    for identity, part in record.parts.items():
        if identity not in known:
            found.append(Regraded(identity, "", "refused", "This course doesn't have that exercise."))
            continue
        say(f"{identity}: grading again …")
        found.append(_again(identity, known[identity].title, part, record, unsafe))
    return found


def _again(identity: str, title: str, part: Part, record: Record, unsafe: str) -> Regraded:
    exercise = next(one for one in find_exercises() if one.id == identity)
    told = verdict_from(exercise, part.verdict)
    recorded = told.score if told is not None else None
    try:
        fresh = runner.check_snapshot(part.snapshot, unsafe=unsafe)
    except (SnapshotError, UsageError) as error:
        return Regraded(identity, title, "refused", error.message, recorded)
    except CourseError as error:
        return Regraded(identity, title, "error", str(error), recorded)
    if fresh.exercise.id != identity:
        says = f"Its snapshot is one of {fresh.exercise.id}."
        return Regraded(identity, title, "refused", says, recorded)
    if fresh.state == "error":
        broken = next(one for task in fresh.tasks for one in task.outcomes if one.state == "error")
        says = f"{broken.found} {broken.next_step or ''}".strip()
        return Regraded(identity, title, "error", says, recorded, fresh)
    return _compared(identity, title, part, told, fresh, record)


def _compared(identity: str, title: str, part: Part, told: Verdict | None, fresh: Verdict, record: Record) -> Regraded:
    plain = json.loads(fresh.to_json())
    plain.pop("unsafe", None)
    text = json.dumps(plain, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    recorded = told.score if told is not None else None
    if told is None:
        return Regraded(identity, title, "differs", "The record's verdict can't be read.", None, fresh)
    if text.encode() == part.verdict:
        return Regraded(identity, title, "equal", "Every check ends as recorded.", recorded, fresh)
    before = {one.check.name: one.state for task in told.tasks for one in task.outcomes}
    after = {one.check.name: one.state for task in fresh.tasks for one in task.outcomes}
    others = [name for name in after if after[name] != before.get(name)]
    if others:
        first = others[0]
        more = f", and {len(others) - 1} more differ" if len(others) > 1 else ""
        says = f"`{first}` is recorded as {before.get(first)} and ends {after[first]}{more}."
        return Regraded(identity, title, "differs", says, recorded, fresh)
    if record.course != __version__:
        says = f"Every check ends as recorded; only texts differ, since course {record.course} wrote it."
        return Regraded(identity, title, "equal", says, recorded, fresh)
    return Regraded(
        identity,
        title,
        "differs",
        "Every check ends as recorded, but other things were written of them.",
        recorded,
        fresh,
    )
