"""Tests of `autograder.runner`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder import folder
from autograder.acting import Stage
from autograder.exceptions import SnapshotError, UsageError
from autograder.exercise import Check, Exercise, find_exercise, load_exercise
from autograder.folder import LiveWorkspace, index
from autograder.runner import check_live, check_snapshot, evaluate, next_hint
from autograder.snapshot import SnapshotTree, pack
from autograder.tree import FolderTree, Found
from autograder.workspace import Ran
from drafts import snapshot_of, write_draft
from test_exercise import PAGE

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


IN_ITS_FOLDER = '''
from autograder import Failed, Workspace, check


def _ask(work: Workspace, command: str, found: str) -> None:
    if "cups" not in work.run("bash", "-c", f"echo ran >> shelf/log; {command}").output:
        raise Failed(expected="cups", found=found, next_step="Run `ls`.", evidence="")


@check(task=1, points=1, acts=True, acts_in="shelf", hints=["Look."])
def shelf_says_cups(work: Workspace) -> None:
    """The shelf says cups."""
    _ask(work, "cat shelf/label.txt; ls", "no cups" + (" here" if work.file("other/label.txt").exists else ""))


@check(task=1, points=1, acts=True, acts_in=["shelf"], hints=["Look."])
def nothing_else_is_there(work: Workspace) -> None:
    """In a copy of the folder alone, there is nothing else."""
    _ask(work, "[ $(ls) = shelf ] && echo cups", "more than the shelf")
'''


def _on_the_shelf(shelf: str, other: str) -> SnapshotTree:
    """Give the snapshot of a workspace with two folders, a label in each; an empty `shelf` label is a link to the `other` one."""
    live = folder.begin_free("shelves", fresh=True)
    for name, text in (("other", other), ("shelf", shelf)):
        label = live.project / name / "label.txt"
        label.parent.mkdir()
        if text:
            label.write_text(text)
        else:
            label.symlink_to("../other/label.txt")
    return SnapshotTree.open(live.snapshot(), index().known)


@pytest.fixture
def shelved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Exercise, list[str]]:
    """An exercise whose checks act in one folder; and the names of those that really ran."""
    place = tmp_path / "ex42_label_the_shelves"
    place.mkdir()
    (place / "exercise.md").write_text(PAGE)
    (place / "checks.py").write_text(IN_ITS_FOLDER + f"# {tmp_path}\n")
    ran: list[str] = []

    def note(self: Stage, argv: tuple[str, ...], cwd: str = "") -> Ran:
        ran.append(" ".join(sorted(path for path in self.tree.nodes if "/" not in path)))
        return act(self, argv, cwd)

    act = Stage.act
    monkeypatch.setattr(Stage, "act", note)
    return load_exercise(place), ran


def test_a_check_that_acts_in_a_folder_meets_nothing_else(labs: Path, shelved: tuple[Exercise, list[str]]) -> None:
    """It runs in a copy of that folder alone; so its result holds whatever happens elsewhere, and is not asked for again."""
    exercise, ran = shelved

    first = evaluate(exercise, _on_the_shelf(shelf="cups", other="tea"))
    assert (first.state, ran) == ("passed", ["shelf", "shelf"])

    second = evaluate(exercise, _on_the_shelf(shelf="cups", other="coffee"))
    assert (second.state, len(ran)) == ("passed", 2)

    evaluate(exercise, _on_the_shelf(shelf="cups and mugs", other="coffee"))
    assert len(ran) == 4


def test_an_honest_way_may_lead_outside_of_the_folder(labs: Path, shelved: tuple[Exercise, list[str]]) -> None:
    """What fails in the folder alone is tried in the whole workspace, and that counts, for points and for what is said."""
    exercise, ran = shelved

    shelf, _ = evaluate(exercise, _on_the_shelf(shelf="", other="cups")).tasks[0].outcomes
    assert shelf.state == "passed"
    assert ran[:2] == ["shelf", "other shelf"]

    told, _ = evaluate(exercise, _on_the_shelf(shelf="tea", other="cups")).tasks[0].outcomes
    assert told.found == "no cups here"


def test_an_honest_way_may_need_a_system_python_of_its_own(labs: Path, shelved: tuple[Exercise, list[str]]) -> None:
    """In the folder alone the system Python is one that nobody can change; what must be installed there is, in the whole workspace."""
    exercise, _ = shelved
    found = Path(exercise.folder, "checks.py")
    found.write_text(
        found.read_text().replace(
            "cat shelf/label.txt; ls", "pip install -q webfw && python3 -c 'import webfw' && echo cups"
        )
    )

    shelf, other = evaluate(load_exercise(exercise.folder), _on_the_shelf(shelf="cups", other="tea")).tasks[0].outcomes

    assert (shelf.state, other.state) == ("passed", "passed")


def test_whose_variant_it_is_changes_no_result(labs: Path, shelved: tuple[Exercise, list[str]]) -> None:
    """Learners who drew the same values share what was found, under whatever name they drew them."""
    exercise, ran = shelved
    for seed in ("ada", "grace"):
        tree = _on_the_shelf(shelf="cups", other="tea")
        tree.facts = replace(tree.facts, seed=seed)
        assert evaluate(exercise, tree).state == "passed"
    assert len(ran) == 2
