"""Tests of `autograder.progress`: how far one is, and where to go on."""

from __future__ import annotations

from collections.abc import Callable

from autograder import folder
from autograder.exercise import Exercise, find_exercise, find_exercises
from autograder.folder import LiveWorkspace
from autograder.progress import continue_with, steps

Begun = Callable[[Exercise], LiveWorkspace]


def test_before_anything_is_begun(labs: object) -> None:
    """Every exercise has its lesson and its notebook, and one is told to go on with the first."""
    found = steps()

    assert [step.exercise for step in found] == list(find_exercises())
    assert {step.state for step in found} == {"not begun"}
    for step in found:
        assert step.lesson is not None, step.exercise.id
        assert step.notebook is not None, step.exercise.id
        assert 20 <= step.lesson_minutes <= 60, step.exercise.id
    onward = continue_with(found)
    assert onward is not None
    assert onward.exercise == find_exercises()[0]


def test_what_was_begun_last_comes_first(begun: Begun) -> None:
    """One goes on with the exercise begun last, whatever its number, until it is done."""
    exercise = find_exercise("06")
    live = begun(exercise)
    live.sandbox.run(["bash", "-c", exercise.tasks[0].answer], live.place)

    found = steps()
    (step,) = [step for step in found if step.exercise == exercise]

    assert step.state == f"{step.score} of {exercise.points} points"
    assert step.score
    assert continue_with(found) == step


def test_a_workspace_that_cannot_be_read_is_told(begun: Begun) -> None:
    """One damaged workspace spoils no overview: its trouble stands where its points would."""
    exercise = find_exercise("06")
    live = begun(exercise)
    for number in range(70):
        (live.project / "/".join(["deep"] * number)).mkdir(exist_ok=True)

    (step,) = [step for step in steps() if step.exercise == exercise]

    assert "too much for a snapshot" in step.state
    assert not step.done
    folder.remove_tree(live.project)
