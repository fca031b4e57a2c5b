"""How far a learner is: each lesson with its exercise, and where to go on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from autograder import folder, runner
from autograder.exceptions import CourseError, UsageError
from autograder.exercise import Exercise, find_exercises
from autograder.places import course_root

__all__ = ["Step", "continue_with", "steps"]


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


def steps() -> tuple[Step, ...]:
    """Look at every exercise's workspace; what must be run to be known is not run now, but remembered from the last check."""
    root = course_root()
    found = []
    for exercise in find_exercises():
        score, trouble = None, ""
        try:
            live = folder.open_workspace(exercise)
        except UsageError:
            pass
        else:
            try:
                score = runner.check_live(live, acting=False, submit=False).score
            except CourseError as error:
                trouble = error.message
        lesson = _first(root, f"notebooks/{exercise.number:02}-*.ipynb")
        notebook = _first(root, f"exercises/{exercise.id}/{exercise.id}.ipynb")
        found.append(Step(exercise, lesson, notebook, _minutes(root, lesson), score, trouble))
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
