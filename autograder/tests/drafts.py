"""An exercise in the making, with a check that has a bug, for the tests of whatever checks it."""

from __future__ import annotations

from pathlib import Path

from autograder import folder
from autograder.exercise import Exercise, load_exercise
from autograder.folder import index
from autograder.snapshot import SnapshotTree
from test_exercise import PAGE

__all__ = ["snapshot_of", "write_draft"]

BROKEN = '''
from autograder import Failed, Workspace, check


def fail() -> None:
    raise Failed(expected="a label", found="no label", next_step="Run `ls`.", evidence="")


@check(task=1, points=4, hints=["Look."])
def label_is_there(work: Workspace) -> None:
    """`label.txt` is there."""
    if not work.file("label.txt").exists:
        fail()


@check(task=1, points=2, after=label_is_there, hints=["Look."])
def label_is_read(work: Workspace) -> None:
    """`label.txt` is read."""
    raise ZeroDivisionError("a bug of ours")


@check(task=1, points=1, after=label_is_there, acts=True, hints=["Look."])
def label_says_cups(work: Workspace) -> None:
    """`label.txt` says cups."""
    if "cups" not in work.run("cat", "label.txt").output:
        fail()
    work.run("rm", "label.txt")


@check(task=1, points=1, after=label_says_cups, acts=True, hints=["Look."])
def each_check_waits(work: Workspace) -> None:
    """It is quiet."""
'''


def write_draft(above: Path) -> Exercise:
    """Write the exercise into a folder."""
    place = above / "ex42_label_the_shelves"
    place.mkdir()
    (place / "exercise.md").write_text(PAGE)
    (place / "checks.py").write_text(BROKEN)
    return load_exercise(place)


def snapshot_of(exercise: Exercise, label: str | None) -> SnapshotTree:
    """Give the snapshot of a workspace with this label."""
    live = folder.begin_free("shelves", fresh=True)
    if label is not None:
        (live.project / "label.txt").write_text(label)
    data = live.snapshot()
    return SnapshotTree.open(data, index().known)
