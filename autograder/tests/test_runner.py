"""Tests of `autograder.runner`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder import folder
from autograder.exceptions import SnapshotError, UsageError
from autograder.exercise import Check, Exercise, find_exercise
from autograder.folder import LiveWorkspace, index
from autograder.runner import check_live, check_snapshot, evaluate, next_hint
from autograder.snapshot import pack
from autograder.tree import FolderTree, Found
from drafts import snapshot_of, write_draft

Begun = Callable[[Exercise], LiveWorkspace]


@pytest.fixture
def draft(tmp_path: Path) -> Exercise:
    """An exercise of which one check has a bug."""
    return write_draft(tmp_path)


def test_what_waits_earns_nothing(labs: Path, draft: Exercise) -> None:
    """With the first check failed nothing else is looked at."""
    verdict = evaluate(draft, snapshot_of(draft, None))

    assert [one.state for one in verdict.tasks[0].outcomes] == ["failed", "waiting", "waiting", "waiting"]
    assert (verdict.state, verdict.score) == ("failed", 0)


def test_checking_writes_the_snapshot_beside_the_notebook(begun: Begun, tmp_path: Path) -> None:
    """That is what nbgrader collects; a second check of the same state leaves the file alone."""
    exercise = find_exercise("06")
    live = begun(exercise)
    beside = tmp_path / "notebook"
    beside.mkdir()
    live.submit_to = beside

    first = check_live(live)
    written = beside / f"{exercise.id}.snapshot"
    time = written.stat().st_mtime_ns
    second = check_live(live)

    assert first == second
    assert written.stat().st_mtime_ns == time
    assert check_snapshot(written).to_json() == first.to_json()


def test_a_removed_snapshot_is_written_again(begun: Begun, tmp_path: Path) -> None:
    """Even when nothing in the workspace changed."""
    live = begun(find_exercise("06"))
    live.submit_to = tmp_path
    check_live(live)
    written = tmp_path / "06-virtual-environments.snapshot"
    written.unlink()

    check_live(live)

    assert written.is_file()


def test_another_kernels_older_snapshot_is_replaced(begun: Begun, tmp_path: Path) -> None:
    """Two notebooks on one exercise write the same file: what isn't the present state is put right at the next look."""
    live = begun(find_exercise("06"))
    live.submit_to = tmp_path
    check_live(live)
    written = tmp_path / "06-virtual-environments.snapshot"
    present = written.read_bytes()
    written.write_bytes(b"an older one")

    check_live(live)

    assert written.read_bytes() == present


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", b"\0" * 1000])
def test_garbage_is_refused_in_one_sentence(data: bytes) -> None:
    """Whatever was submitted under a snapshot's name, the grader goes on."""
    with pytest.raises(SnapshotError) as refused:
        check_snapshot(data)
    assert refused.value.next_step


def test_a_snapshot_of_an_unknown_exercise_is_refused(begun: Begun) -> None:
    """A snapshot names the exercise it is of."""
    live = begun(find_exercise("06"))
    data = pack(live.tree, live.facts, index().known, exercise="77-flying")

    with pytest.raises(UsageError, match="77-flying"):
        check_snapshot(data)


def test_hints_stand_for_the_first_thing_missing(begun: Begun) -> None:
    """They come in order, the last one again and again, and are remembered."""
    exercise = find_exercise("06")
    live = begun(exercise)
    missing = check_live(live, submit=False).task(2).first_failed
    assert missing is not None

    given = [next_hint(live, 2) for _ in range(len(missing.check.hints) + 1)]

    assert [hint.text for hint in given if hint] == [*missing.check.hints, missing.check.hints[-1]]
    assert folder.open_workspace(exercise).hints == {missing.check.name: len(missing.check.hints)}


def test_a_check_that_was_left_out_lets_others_wait_for_its_own(labs: Path, draft: Exercise) -> None:
    """For the proof that each check is needed, its dependents are looked at as if it were not there."""
    kept: list[Check] = [one for one in draft.checks if one.name != "label_says_cups"]

    outcomes = evaluate(draft, snapshot_of(draft, None), checks=kept).tasks[0].outcomes

    assert [one.state for one in outcomes] == ["failed", "waiting", "waiting"]


def test_a_workspace_that_vanishes_leaves_the_submitted_snapshot_alone(begun: Begun, tmp_path: Path) -> None:
    """Whoever throws the labs away while a checklist is looking has handed in what was there, not nothing."""
    live = begun(find_exercise("06"))
    live.submit_to = tmp_path
    check_live(live)
    written = (tmp_path / "06-virtual-environments.snapshot").read_bytes()

    class Vanishing(FolderTree):
        """A folder that is removed by somebody while it is read."""

        def scan(self, wanted: Callable[[str], bool]) -> Iterator[Found]:
            if self.folder.exists():
                folder.remove_tree(self.folder)
            return super().scan(wanted)

    (live.project / "new.txt").touch()
    live._tree = Vanishing(live.project, live.root)
    with pytest.raises(UsageError, match="is gone"):
        check_live(live)

    assert (tmp_path / "06-virtual-environments.snapshot").read_bytes() == written
