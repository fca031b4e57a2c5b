"""Tests of `autograder.submission`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.exercise import Exercise, find_exercise
from autograder.folder import index, open_workspace
from autograder.runner import check_snapshot
from autograder.snapshot import SnapshotTree, pack
from autograder.submission import REFUSED, Graded, grade_submission
from autograder.submission import graded as grading_module

EXERCISE = find_exercise("06")
NAME = f"{EXERCISE.id}.snapshot"


@pytest.fixture(scope="module")
def untouched(pristine: Callable[[Exercise], Path]) -> bytes:
    """The snapshot of a workspace in which nothing was done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(pristine(EXERCISE)))
        live = open_workspace(EXERCISE)
        return live.snapshot()


def notices(graded: dict[int, Graded]) -> set[str]:
    """What every task's report says in place of a verdict."""
    assert list(graded) == [task.number for task in EXERCISE.tasks]
    assert [one.points for one in graded.values()] == [task.points for task in EXERCISE.tasks]
    return {one.bundle["text/plain"].split("\n", 1)[1].strip() for one in graded.values()}


def test_scores_are_those_of_the_verdict(untouched: bytes, tmp_path: Path) -> None:
    """What is handed in gets the verdict's points and reasons, task by task."""
    (tmp_path / NAME).write_bytes(untouched)
    graded = grade_submission(EXERCISE, tmp_path)
    verdict = check_snapshot(untouched)
    assert {number: one.score for number, one in graded.items()} == {
        one.task.number: float(one.score) for one in verdict.tasks
    }
    assert "found: " in graded[1].bundle["text/plain"]


def test_nothing_handed_in_is_nothing_earned(tmp_path: Path) -> None:
    """Without a snapshot each task has 0 points, and the sentence that says what is missing."""
    graded = grade_submission(EXERCISE, tmp_path)
    (notice,) = notices(graded)
    assert notice.startswith(f"! Nothing was submitted: there is no `{NAME}` beside the notebook.")
    assert {one.score for one in graded.values()} == {0.0}


def a_link(path: Path, data: bytes) -> None:
    """Put a link where the snapshot should be."""
    real = path.with_name("elsewhere")
    real.write_bytes(data)
    path.symlink_to(real)


def a_link_set_aside(path: Path, data: bytes) -> None:
    """Leave what a link becomes when it was set aside."""
    a_link(path.with_name(NAME + REFUSED), data)


def a_pipe(path: Path, data: bytes) -> None:
    """Put a pipe there, on which a reader would wait for ever."""
    os.mkfifo(path)


def a_folder(path: Path, data: bytes) -> None:
    """Put a folder there."""
    path.mkdir()


def garbage(path: Path, data: bytes) -> None:
    """Put there what is no snapshot."""
    path.write_bytes(b"garbage\0" * 100)


def cut_off(path: Path, data: bytes) -> None:
    """Put there what a full disk leaves."""
    path.write_bytes(data[: len(data) // 2])


def empty(path: Path, data: bytes) -> None:
    """Put an empty file there."""
    path.touch()


def too_large(path: Path, data: bytes) -> None:
    """Put there more than is read."""
    with path.open("wb") as file:
        file.truncate(SnapshotTree.LARGEST + 1)


def of_another_exercise(path: Path, data: bytes) -> None:
    """Put there the snapshot of an exercise that this course doesn't have."""
    tree = SnapshotTree.open(data, index().known)
    path.write_bytes(pack(tree, tree.facts, index().known, exercise="99-nothing"))


@pytest.mark.parametrize(
    ("put", "says"),
    [
        (a_link, "as a link, a folder or a device"),
        (a_link_set_aside, "as a link, a folder or a device"),
        (a_pipe, "as a link, a folder or a device"),
        (a_folder, "as a link, a folder or a device"),
        (garbage, "can't be graded"),
        (cut_off, "can't be graded"),
        (empty, "can't be graded"),
        (too_large, "too large"),
        (of_another_exercise, "99-nothing"),
    ],
)
def test_what_cannot_be_read_is_left_to_a_human(
    untouched: bytes, tmp_path: Path, put: Callable[[Path, bytes], None], says: str
) -> None:
    """A damaged or hostile file gives no points and no zero, but a reason; in nbgrader's own kernel it gives 0."""
    put(tmp_path / NAME, untouched)
    graded = grade_submission(EXERCISE, tmp_path)
    (notice,) = notices(graded)
    assert says in notice
    assert {(one.score, one.kernel_value, one.ours) for one in graded.values()} == {(None, 0.0, False)}


def test_a_fault_of_ours_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where our grader breaks nobody gets 0: not in the gradebook, and not by way of nbgrader's own kernel."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    (tmp_path / NAME).write_bytes(b"anything")
    monkeypatch.setattr(grading_module, "check_snapshot", broken)
    graded = grade_submission(EXERCISE, tmp_path)
    (notice,) = notices(graded)
    assert "ZeroDivisionError" in notice
    assert "costs you nothing" in notice
    assert {(one.score, one.kernel_value) for one in graded.values()} == {(None, float("inf"))}
    assert "ZeroDivisionError" in caplog.text
