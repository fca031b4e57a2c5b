"""The result of checking one workspace: versioned JSON, the same text for the same state everywhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from autograder.exercise import Check, Exercise, Task

__all__ = ["Outcome", "State", "TaskVerdict", "Verdict"]

State = Literal["passed", "failed", "waiting", "error"]

FORMAT = "wheelhouse-verdict"
VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """How one check ended."""

    check: Check
    state: State
    expected: str | None = None
    found: str | None = None
    next_step: str | None = None
    evidence: str | None = None
    """What the suggested command's output must match; for the proofs over the catalogue, not part of the verdict."""
    trouble: str | None = None
    """Our own bug's traceback; not part of the verdict."""

    def as_json(self) -> dict[str, Any]:
        """Give the record that travels."""
        return {
            "check": self.check.name,
            "says": self.check.says,
            "points": self.check.points,
            "state": self.state,
            "expected": self.expected,
            "found": self.found,
            "next_step": self.next_step,
        }


@dataclass(frozen=True)
class TaskVerdict:
    """How the checks of one task ended."""

    task: Task
    outcomes: tuple[Outcome, ...]

    @property
    def score(self) -> int:
        """The points of the checks that passed."""
        return sum(one.check.points for one in self.outcomes if one.state == "passed")

    @property
    def state(self) -> State:
        """`error` if any check ended so, else `passed` if all did, else `failed`."""
        states = {one.state for one in self.outcomes}
        return "error" if "error" in states else "passed" if states == {"passed"} else "failed"

    @property
    def first_failed(self) -> Outcome | None:
        """The first check that did not pass and waits for no other."""
        return next((one for one in self.outcomes if one.state in ("failed", "error")), None)


@dataclass(frozen=True)
class Verdict:
    """The result of checking one workspace."""

    exercise: Exercise
    tasks: tuple[TaskVerdict, ...]
    unsafe: str = ""
    """A sentence, if another's programs ran in a tier that doesn't isolate, as was allowed in words; empty otherwise."""

    @property
    def score(self) -> int:
        """The sum over the tasks."""
        return sum(one.score for one in self.tasks)

    @property
    def state(self) -> State:
        """`error` if any task ended so, else `passed` if all did, else `failed`."""
        states = {one.state for one in self.tasks}
        return "error" if "error" in states else "passed" if states == {"passed"} else "failed"

    def task(self, number: int) -> TaskVerdict:
        """Give one task's; raises UsageError if there is none of that number."""
        wanted = self.exercise.task(number)
        return next(one for one in self.tasks if one.task == wanted)

    def as_json(self) -> dict[str, Any]:
        """Give the record that travels; `unsafe` is in it only where it says something."""
        return ({"unsafe": self.unsafe} if self.unsafe else {}) | {
            "format": FORMAT,
            "version": VERSION,
            "exercise": self.exercise.id,
            "state": self.state,
            "score": self.score,
            "points": self.exercise.points,
            "tasks": [
                {
                    "task": one.task.number,
                    "title": one.task.title,
                    "state": one.state,
                    "score": one.score,
                    "points": one.task.points,
                    "checks": [outcome.as_json() for outcome in one.outcomes],
                }
                for one in self.tasks
            ],
        }

    def to_json(self) -> str:
        """Give the same text for the same verdict, with a newline at its end."""
        return json.dumps(self.as_json(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
