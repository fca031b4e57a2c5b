"""One learner's progress, as reports tell it: from this machine, from a completion record, from a progress file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from autograder.exercise import Check, Exercise, find_exercises
from autograder.history import History
from autograder.progress.learner import NOBODY, who
from autograder.progress.steps import Step, TaskStep, continue_with, steps
from autograder.verdict import Outcome, State, TaskVerdict, Verdict

__all__ = ["Account", "Stuck", "here", "told_steps", "verdict_from"]

_LONGEST_TEXT = 4_000


@dataclass(frozen=True)
class Stuck:
    """Where somebody stands before a check that fails now."""

    step: Step
    task: TaskStep
    outcome: Outcome
    failed_most: Check | None = None
    """The check of this task that failed in most tries, where one failed more than once."""
    times: int = 0
    """In how many tries it failed."""

    @property
    def tried(self) -> bool:
        """Whether anything was tried: who has not begun a task isn't stuck in it."""
        return self.task.history.failed_looks > 0

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        """Name what there is to say about the check: expected, found, one next step, and what failed most."""
        one = self.outcome
        told = [("expected", one.expected), ("found", one.found), ("next step", one.next_step)]
        if one.found is None:
            number = self.step.exercise.number
            told = [("found", "It failed when it was last run."), ("next step", f"Run `course check {number:02}`.")]
        if self.failed_most is not None and self.failed_most.name != one.check.name:
            told.append(("failed most", f"{self.failed_most.says} ({self.times} tries)"))
        return tuple((name, text) for name, text in told if text)

    def as_json(self) -> dict[str, Any]:
        """Give the record for programs."""
        return {
            "exercise": self.step.exercise.id,
            "task": self.task.task.number,
            "tried": self.tried,
            **self.outcome.as_json(),
            "failed_most": self.failed_most.name if self.failed_most is not None else None,
            "times": self.times,
        }


@dataclass(frozen=True)
class Account:
    """One learner's progress. Texts in it may be a stranger's: whoever shows them cleans them."""

    who: str
    """Empty where no name is known."""
    made: datetime
    """When it was so, in UTC."""
    steps: tuple[Step, ...]
    onward: Step | None = None
    """Where to go on; None if all is done, or if that isn't known."""
    source: str = ""
    """The file it was read from; empty for this machine."""
    course: str = ""
    """The version of the course that wrote it."""
    digest: str = ""
    """Of the record it was read from."""
    noticed: tuple[str, ...] = field(default=())
    """Sentences for the reader about what could not be told."""

    @property
    def name(self) -> str:
        """The learner's name, or a word where none is known."""
        return self.who or NOBODY

    @property
    def points(self) -> tuple[int, int]:
        """The points reached, and those there are."""
        return sum(step.score or 0 for step in self.steps), sum(step.exercise.points for step in self.steps)

    @property
    def exercises_done(self) -> int:
        """How many exercises are done."""
        return sum(step.done for step in self.steps)

    @property
    def tasks(self) -> tuple[TaskStep, ...]:
        """All tasks of all exercises."""
        return tuple(task for step in self.steps for task in step.tasks)

    @property
    def tasks_done(self) -> int:
        """How many tasks are done."""
        return sum(task.state == "done" for task in self.tasks)

    @property
    def active_seconds(self) -> float:
        """How long somebody was at work on exercises."""
        return sum(step.history.active_seconds for step in self.steps)

    @property
    def tries(self) -> int:
        """How many looks found anything changed."""
        return sum(step.history.attempts for step in self.steps)

    @property
    def hints(self) -> int:
        """How many hints were given."""
        return sum(step.history.hints for step in self.steps)

    @property
    def minutes_left(self) -> int:
        """What lessons and exercises that aren't done take, as they say of themselves."""
        return sum(
            step.exercise.minutes + (0 if step.score is not None else step.lesson_minutes)
            for step in self.steps
            if not step.done
        )

    @property
    def begun(self) -> tuple[Step, ...]:
        """The exercises that were begun."""
        return tuple(step for step in self.steps if step.score is not None or step.trouble)

    def as_json(self) -> dict[str, Any]:
        """Give the record for programs; times in UTC."""
        reached, points = self.points
        return {
            "format": "wheelhouse-report",
            "version": 1,
            "learner": self.who,
            "made": self.made.astimezone(UTC).isoformat(timespec="seconds"),
            "score": reached,
            "points": points,
            "exercises_done": self.exercises_done,
            "tasks_done": self.tasks_done,
            "tries": self.tries,
            "hints": self.hints,
            "active_seconds": round(self.active_seconds),
            "continue_with": self.onward.exercise.id if self.onward else None,
            "exercises": [step.as_json() for step in self.steps],
            "stuck": [one.as_json() for one in self.stuck],
        }

    @property
    def stuck(self) -> tuple[Stuck, ...]:
        """For each exercise that was begun and isn't done: the first failure of the task that was tried most, or comes next."""
        found = [_stuck(step) for step in self.begun]
        return tuple(one for one in found if one is not None)


def _stuck(step: Step) -> Stuck | None:
    undone = [task for task in step.tasks if task.verdict is not None and task.verdict.first_failed is not None]
    if not undone:
        return None
    task = max(undone, key=lambda one: one.history.failed_looks)  # the first of equals
    assert task.verdict is not None
    outcome = task.verdict.first_failed
    assert outcome is not None
    counts = task.history.failed_checks
    most = max(task.task.checks, key=lambda one: counts.get(one.name, 0))
    times = counts.get(most.name, 0)
    return Stuck(step, task, outcome, most if times > 1 else None, times if times > 1 else 0)


def here(name: str | None = None, now: datetime | None = None) -> Account:
    """Look at this machine's workspaces; `name` is what the learner is called in the report."""
    found = steps()
    return Account(who(name), now or datetime.now(UTC), found, continue_with(found))


# --- from a file


def verdict_from(exercise: Exercise, text: bytes) -> Verdict | None:
    """Read a verdict that was written down, by whoever it was; None if it is none of this exercise.

    Only what it says of checks is taken: tasks, points and sums are this course's. A check that it doesn't name is `waiting`.
    """
    try:
        told = json.loads(text.decode("utf-8"))
        if told["format"] != "wheelhouse-verdict" or told["version"] != 1 or told["exercise"] != exercise.id:
            return None
        rows = {one["check"]: one for task in told["tasks"] for one in task["checks"]}
        return _verdict(exercise, lambda one: _outcome(one, rows.get(one.name, {})))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _verdict(exercise: Exercise, outcome: Callable[[Check], Outcome]) -> Verdict:
    return Verdict(
        exercise, tuple(TaskVerdict(task, tuple(outcome(one) for one in task.checks)) for task in exercise.tasks)
    )


def _outcome(one: Check, told: Mapping[str, Any]) -> Outcome:
    state = told.get("state", "waiting")
    if state not in get_args(State):
        raise ValueError(state)
    texts = [told.get(name) for name in ("expected", "found", "next_step")]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise TypeError
    expected, found, next_step = (text[:_LONGEST_TEXT] if isinstance(text, str) else None for text in texts)
    return Outcome(one, state, expected, found, next_step)


def told_steps(
    verdicts: Mapping[str, Verdict],
    histories: Mapping[str, History],
    trouble: Mapping[str, str] | None = None,
    opened: frozenset[int] = frozenset(),
) -> tuple[Step, ...]:
    """Give the steps of somebody whose verdicts and histories are known, by exercise; `opened` numbers the lessons that were begun."""
    found = []
    for exercise in find_exercises():
        verdict = verdicts.get(exercise.id)
        why = (trouble or {}).get(exercise.id, "")
        past = histories.get(exercise.id, History())
        found.append(
            Step(
                exercise=verdict.exercise if verdict is not None else exercise,
                lesson=None,
                notebook=None,
                lesson_minutes=0,
                score=verdict.score if verdict is not None else None,
                trouble=why,
                lesson_opened=exercise.number in opened,
                verdict=verdict,
                history=past,
            )
        )
    return tuple(found)
