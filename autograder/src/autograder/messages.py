"""Every failure's text, as a learner meets it: each mistake of an exercise is made, and what is then said is written down.

For authors, to be read aloud once: does it say what was found, why that happens, and one next step?
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autograder import folder, runner
from autograder.exercise import Exercise, Mistake, Task
from autograder.places import labs, other_labs
from autograder.sandbox import Limits
from autograder.verdict import Outcome

__all__ = ["Message", "Untouched", "messages"]


@dataclass(frozen=True)
class Untouched:
    """What a learner has done before the first message: nothing."""

    name: str = "Nothing was done yet."
    commands: str = ""


@dataclass(frozen=True)
class Message:
    """What is said after a mistake, or before anything was done."""

    task: Task
    after: Mistake | Untouched
    outcome: Outcome | None
    """The first check that failed; None if the mistake was caught by none."""


def messages(exercise: Exercise, task: int | None = None) -> Iterator[Message]:
    """Make each mistake of an exercise, or of one task, in a workspace of its own, and give what is said of it.

    Raises:
        UsageError: there is no such task.
    """
    tasks = [exercise.task(task)] if task is not None else list(exercise.tasks)
    for one in tasks:
        done: list[Mistake | Untouched] = [Untouched()]
        done += [mistake for mistake in exercise.mistakes() if mistake.task == one.number]
        for after in done:
            with _workspace(exercise) as live:
                if after.commands:
                    live.sandbox.run(["bash", "-c", after.commands], live.place, limits=Limits(wall_seconds=120))
                verdict = runner.check_live(live, submit=False)
                yield Message(one, after, verdict.task(one.number).first_failed)


@contextmanager
def _workspace(exercise: Exercise) -> Iterator[folder.LiveWorkspace]:
    """Make a workspace in labs that are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="wheelhouse-") as scratch, other_labs(Path(scratch) / "labs"):
        try:
            yield folder.begin(exercise, learner="")
        finally:
            folder.remove_tree(labs())
