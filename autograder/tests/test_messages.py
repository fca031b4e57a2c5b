"""Tests of `autograder.messages`: what authors read is what learners read."""

from __future__ import annotations

from pathlib import Path

from autograder.exercise import find_exercise
from autograder.messages import messages


def test_each_mistake_of_a_task_is_made_and_answered(labs: Path) -> None:
    """First the start, then every mistake of the task, each with what is said of it; nobody's labs are touched."""
    exercise = find_exercise("06")
    mistakes = [one for one in exercise.mistakes() if one.task == 2]

    found = list(messages(exercise, 2))

    assert [one.after.name for one in found] == ["Nothing was done yet.", *(one.name for one in mistakes)]
    for one, mistake in zip(found[1:], mistakes, strict=True):
        assert one.outcome is not None
        assert one.outcome.check.name == mistake.caught_by.name
        assert one.outcome.found
    assert not labs.exists()
