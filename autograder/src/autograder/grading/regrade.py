"""Whose points would change if the gradebook were written now, and why: told before it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autograder.grading.gradebook import Entry, Row
from autograder.grading.journal import Journal
from autograder.grading.notebook import Mark, mark_of

__all__ = ["Change", "change_of"]

MOST_REASONS = 5


@dataclass(frozen=True)
class Change:
    """One learner's points, before and after."""

    student: str
    before: float
    after: float
    waits: bool
    """Whether a human must look afterwards who need not before."""
    why: tuple[str, ...]
    """Sentences: which check ended otherwise, and how."""
    resubmitted: bool
    """Whether something else was handed in since: then nobody wonders that the points change."""

    def __str__(self) -> str:
        """Give it in one line."""
        after = "a human must look" if self.waits else f"{self.after:g}"
        return f"{self.student}: {self.before:g} → {after}" + "".join(f"; {one}" for one in self.why)


def change_of(row: Row | None, shown: bytes | None, entry: Entry, journal: Journal) -> Change | None:
    """Compare what stands in the gradebook with what shall; None if no points that were given change.

    Args:
        row: what stands there; None if the learner has no submission in it.
        shown: the graded notebook that is shown now, None if there is none.
        entry: what shall stand there.
        journal: the kept results, in which the reasons of the earlier points are looked up.
    """
    if row is None or all(score in (None, entry.scores.get(name)) for name, score in row.scores.items()):
        return None
    before, after = (sum((scores | row.manual).values()) for scores in (_given(row.scores), _given(entry.scores)))
    waits = any(score is None and row.scores.get(name) is not None for name, score in entry.scores.items())
    old = mark_of(shown) if shown is not None else None
    new = next((mark_of(data) for name, data in entry.files.items() if name.endswith(".ipynb")), None)
    resubmitted = old is not None and new is not None and old.snapshot != new.snapshot
    if resubmitted:
        why: tuple[str, ...] = ("another snapshot was handed in since",)
    else:
        why = _why(_checks(old, journal), _checks(new, journal))
    if row.manual:
        why = (*why, "what was given by hand stays")
    return Change(entry.student, before, after, waits, why, resubmitted)


def _given(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: score or 0.0 for name, score in scores.items()}


def _checks(mark: Mark | None, journal: Journal) -> dict[str, Mapping[str, Any]] | str:
    """Give each check's end, by name; or the sentence why there is no verdict."""
    result = journal.find(mark.told) if mark is not None and mark.told else None
    if result is None:
        return ""
    if not result.verdict:
        return result.error
    try:
        tasks = json.loads(result.verdict)["tasks"]
        return {check["check"]: check | {"task": task["task"]} for task in tasks for check in task["checks"]}
    except (ValueError, KeyError, TypeError):
        return ""


def _why(old: dict[str, Mapping[str, Any]] | str, new: dict[str, Mapping[str, Any]] | str) -> tuple[str, ...]:
    if isinstance(new, str):
        return (f"it can't be graded now: {new}" if new else "it can't be graded now",)
    if isinstance(old, str):
        return (f"it could not be graded before: {old}" if old else "how it was graded before isn't known here",)
    reasons = []
    for name in [*new, *(name for name in old if name not in new)]:
        before, after = old.get(name), new.get(name)
        says = f"task {(after or before or {})['task']}, “{(after or before or {})['says']}”"
        if before is None or after is None:
            reasons.append(f"{says} {'is new' if before is None else 'is checked no longer'}")
        elif before["state"] != after["state"]:
            found = f" ({after['found']})" if after["state"] in ("failed", "error") and after["found"] else ""
            reasons.append(f"{says}: {before['state']} → {after['state']}{found}")
        elif before["points"] != after["points"]:
            reasons.append(f"{says}: worth {before['points']} → {after['points']}")
    more = len(reasons) - MOST_REASONS
    return tuple(reasons[:MOST_REASONS]) + ((f"and {more} more",) if more > 0 else ())
