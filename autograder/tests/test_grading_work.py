"""Tests of `autograder.grading.work`: one job, from bytes to a verdict."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.grading import Job, key_of
from autograder.grading.record import graded_of, verdict_of
from autograder.grading.work import work
from autograder.runner import check_snapshot

EXERCISE, OTHER = find_exercise("01"), find_exercise("03")


@pytest.fixture
def untouched(begun: Callable[[Exercise], LiveWorkspace]) -> bytes:
    """The snapshot of a workspace in which nothing was done."""
    return begun(EXERCISE).snapshot()


def job(snapshot: bytes, exercise: Exercise = EXERCISE) -> Job:
    """The job of grading a snapshot."""
    return Job(exercise.id, key_of(exercise, snapshot), snapshot)


def test_the_verdict_is_that_of_course_check(untouched: bytes) -> None:
    """A worker comes to the same bytes as whoever checks the snapshot, and they become the same verdict again."""
    result = work(job(untouched))
    verdict = check_snapshot(untouched)
    assert (result.verdict, result.error, result.ours) == (verdict.to_json(), "", False)
    assert verdict_of(EXERCISE, result.verdict).to_json() == result.verdict
    assert {number: one.score for number, one in graded_of(EXERCISE, result).items()} == {
        one.task.number: float(one.score) for one in verdict.tasks
    }


def test_a_worker_needs_no_jupyter(untouched: bytes) -> None:
    """Neither nbgrader nor anything of Jupyter's is imported where a submission is graded."""
    code = (
        "import pickle, sys; from autograder.grading.work import work; import autograder.grading.worker, autograder.grading.local\n"
        "result = work(pickle.load(sys.stdin.buffer), verify=False); assert result.verdict, result\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print([name for name in sorted(names) if name.startswith(('nb', 'jupyter', 'IPython', 'ipy', 'traitlets', 'tornado', 'sqlalchemy'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(job(untouched)), capture_output=True, check=False
    )
    assert (done.stdout, done.stderr) == (b"[]\n", b"")


@pytest.mark.parametrize("snapshot", [b"", b"garbage", b"PK\x03\x04" + b"\0" * 100], ids=["empty", "garbage", "zip"])
def test_what_is_no_snapshot_is_told_in_a_sentence(snapshot: bytes) -> None:
    """A damaged snapshot is the learner's: it has no verdict and is not tried again."""
    result = work(job(snapshot))
    assert (result.verdict, result.ours) == ("", False)
    assert result.error.startswith("The snapshot can't be graded.")
    assert {one.score for one in graded_of(EXERCISE, result).values()} == {None}


def test_the_snapshot_of_another_exercise_earns_nothing(untouched: bytes) -> None:
    """Who hands in the work of one exercise for another gets no points and no zero."""
    result = work(job(untouched, OTHER))
    assert (result.verdict, result.ours) == ("", False)
    assert EXERCISE.id in result.error


def test_a_worker_of_another_version_says_so(untouched: bytes) -> None:
    """A worker whose checks, tools or exercises differ gives no verdict, and that is nobody's loss."""
    for strange in (
        replace(job(untouched), key="0" * 64),
        replace(job(untouched), exercise="99-unknown"),
        replace(job(untouched), unsafe="very"),
    ):
        result = work(strange)
        assert (result.key, result.verdict, result.ours) == (strange.key, "", True)


def test_a_verdict_of_other_checks_is_none(untouched: bytes) -> None:
    """A verdict that doesn't fit the exercise here leaves every task to a human, and says it is no fault of the learner's."""
    result = work(job(untouched))
    for text in ("", "null", "{}", result.verdict.replace('"points": 4', '"points": 5'), result.verdict[:-1]):
        with pytest.raises(ValueError, match="this is"):
            verdict_of(EXERCISE, text or "[")
    graded = graded_of(EXERCISE, replace(result, verdict=result.verdict + " "))
    assert {one.score for one in graded.values()} == {None}
    assert all(one.ours for one in graded.values())
