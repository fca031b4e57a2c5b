"""How far a learner is: each lesson with its exercise and its tasks, and where to go on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from autograder import folder, history, runner
from autograder.exceptions import CourseError, UsageError
from autograder.exercise import Exercise, Task, chosen_exercises
from autograder.history import History, TaskHistory
from autograder.places import course_root, labs
from autograder.verdict import TaskVerdict, Verdict

__all__ = ["Step", "TaskStep", "continue_with", "steps"]


@dataclass(frozen=True)
class TaskStep:
    """One task, what was reached of it, and what became of it over time."""

    task: Task
    verdict: TaskVerdict | None
    """How its checks end now; None before the exercise is begun."""
    history: TaskHistory

    @property
    def score(self) -> int:
        """The points reached now."""
        return self.verdict.score if self.verdict is not None else 0

    @property
    def state(self) -> Literal["done", "begun", "open"]:
        """`begun` is what has points, or was tried."""
        if self.verdict is not None and self.verdict.state == "passed":
            return "done"
        return "begun" if self.score or self.history.first_try is not None else "open"

    def as_json(self) -> dict[str, Any]:
        """Give the record for programs; times in UTC."""
        told = self.history
        return {
            "task": self.task.number,
            "title": self.task.title,
            "state": self.state,
            "score": self.score,
            "points": self.task.points,
            "first_try": told.first_try.isoformat() if told.first_try else None,
            "done_at": told.done_at.isoformat() if told.done_at else None,
            "tries": told.tries,
            "failed_looks": told.failed_looks,
            "hints": told.hints,
            "answer_shown": told.answer_shown,
            "active_seconds": round(told.active_seconds),
        }


@dataclass(frozen=True)
class Step:
    """One exercise, its lesson, and what was reached."""

    exercise: Exercise
    lesson: Path | None
    """The lesson's notebook, relative to the course; None where there is none."""
    notebook: Path | None
    """The exercise's notebook, likewise."""
    lesson_minutes: int
    """What the lesson says of itself; 0 if nothing."""
    score: int | None
    """The points of what is in the workspace now; None before the exercise is begun."""
    trouble: str = ""
    """Why there is no score although it was begun."""
    lesson_opened: bool = False
    """Whether the lesson's first cell was run here."""
    verdict: Verdict | None = None
    """What the score is of."""
    history: History = field(default_factory=History)

    @property
    def done(self) -> bool:
        """Whether all points are reached."""
        return self.score == self.exercise.points

    @property
    def state(self) -> str:
        """Say it in a few words."""
        if self.trouble:
            return self.trouble
        if self.score is None:
            return "not begun"
        return "done" if self.done else f"{self.score} of {self.exercise.points} points"

    @property
    def tasks(self) -> tuple[TaskStep, ...]:
        """Its tasks in their order."""
        return tuple(
            TaskStep(
                task,
                self.verdict.task(task.number) if self.verdict is not None else None,
                self.history.task(task.number),
            )
            for task in self.exercise.tasks
        )

    @property
    def next_task(self) -> TaskStep | None:
        """The first task that isn't done; None if all are."""
        return next((task for task in self.tasks if task.state != "done"), None)

    def as_json(self) -> dict[str, Any]:
        """Give the record for programs; times in UTC."""
        return {
            "exercise": self.exercise.id,
            "number": self.exercise.number,
            "title": self.exercise.title,
            "minutes": self.exercise.minutes,
            "state": "unreadable"
            if self.trouble
            else "open"
            if self.score is None
            else "done"
            if self.done
            else "begun",
            "trouble": self.trouble,
            "score": self.score,
            "points": self.exercise.points,
            "lesson": {
                "notebook": self.lesson.as_posix() if self.lesson else None,
                "minutes": self.lesson_minutes,
                "opened": self.lesson_opened,
            },
            "notebook": self.notebook.as_posix() if self.notebook else None,
            "began": self.history.began.isoformat() if self.history.began else None,
            "last": self.history.last.isoformat() if self.history.last else None,
            "attempts": self.history.attempts,
            "active_seconds": round(self.history.active_seconds),
            "commands": self.history.commands,
            "hints": self.history.hints,
            "resets": self.history.resets,
            "tasks": [task.as_json() for task in self.tasks],
        }


def steps() -> tuple[Step, ...]:
    """Look at every exercise's workspace; what must be run to be known is not run now, but remembered from the last check."""
    root = course_root()
    found = []
    for exercise in chosen_exercises():
        verdict, trouble, drawn = None, "", exercise
        past = history.read(labs() / ".wheelhouse" / exercise.id)
        try:
            live = folder.open_workspace(exercise)
        except UsageError:
            pass
        else:
            drawn = live.exercise or exercise
            try:
                verdict = runner.check_live(live, acting=False, submit=False)
                past = history.read(live.state)
                verdict = history.remembered(verdict, past.latest)
            except CourseError as error:
                trouble = error.message
        lesson = _first(root, f"notebooks/{exercise.number:02}-*.ipynb")
        found.append(
            Step(
                exercise=drawn,
                lesson=lesson,
                notebook=_first(root, f"exercises/{exercise.id}/{exercise.id}.ipynb"),
                lesson_minutes=_minutes(root, lesson),
                score=verdict.score if verdict is not None else None,
                trouble=trouble,
                lesson_opened=(labs() / ".wheelhouse" / f"lesson-{exercise.number:02}").is_dir(),
                verdict=verdict,
                history=past,
            )
        )
    return tuple(found)


def _first(root: Path | None, pattern: str) -> Path | None:
    return next((path.relative_to(root) for path in sorted(root.glob(pattern))), None) if root else None


def _minutes(root: Path | None, lesson: Path | None) -> int:
    """Read how long a lesson takes: it says so below its title."""
    if root is None or lesson is None:
        return 0
    with (root / lesson).open(encoding="utf-8") as file:
        said = re.search(r"\*About (\d+) minutes", file.read(4000))
    return int(said[1]) if said else 0


def continue_with(found: tuple[Step, ...]) -> Step | None:
    """Choose where to go on: what was begun last and isn't done, else the first undone; None if all is done."""
    current = folder.current()
    undone = [step for step in found if not step.done]
    for step in undone:
        if current is not None and current.name == step.exercise.id:
            return step
    begun = [step for step in undone if step.score]
    return next(iter(begun or undone), None)
