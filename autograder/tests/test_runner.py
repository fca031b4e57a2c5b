"""Tests of `autograder.runner`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder import folder
from autograder.exceptions import SnapshotError, UsageError
from autograder.exercise import Check, Exercise, find_exercise, load_exercise
from autograder.folder import LiveWorkspace, index
from autograder.runner import check_live, check_snapshot, evaluate, next_hint
from autograder.snapshot import SnapshotTree, pack
from test_exercise import PAGE

Begun = Callable[[Exercise], LiveWorkspace]

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


@pytest.fixture
def draft(tmp_path: Path) -> Exercise:
    """An exercise of which one check has a bug."""
    place = tmp_path / "ex42_label_the_shelves"
    place.mkdir()
    (place / "exercise.md").write_text(PAGE)
    (place / "checks.py").write_text(BROKEN)
    return load_exercise(place)


def snapshot_of(exercise: Exercise, label: str | None) -> SnapshotTree:
    """Give the snapshot of a workspace with this label."""
    live = folder.begin_free("shelves", fresh=True)
    if label is not None:
        (live.project / "label.txt").write_text(label)
    data = pack(live.tree, live.facts, index().known, exercise=exercise.id)
    return SnapshotTree.open(data, index().known)


def test_the_learners_fault_and_ours_are_two_things(labs: Path, draft: Exercise) -> None:
    """A check that breaks is an error of ours; one that depends on a failed one waits; others go on."""
    verdict = evaluate(draft, snapshot_of(draft, "plates"))
    states = {one.check.name: one.state for one in verdict.tasks[0].outcomes}

    assert states == {
        "label_is_there": "passed",
        "label_is_read": "error",
        "label_says_cups": "failed",
        "each_check_waits": "waiting",
    }
    assert (verdict.state, verdict.score) == ("error", 4)
    assert "ZeroDivisionError" in (verdict.tasks[0].outcomes[1].trouble or "")
    assert "ZeroDivisionError" in verdict.to_json()
    assert "Traceback" not in verdict.to_json()


def test_what_waits_earns_nothing(labs: Path, draft: Exercise) -> None:
    """With the first check failed nothing else is looked at."""
    verdict = evaluate(draft, snapshot_of(draft, None))

    assert [one.state for one in verdict.tasks[0].outcomes] == ["failed", "waiting", "waiting", "waiting"]
    assert (verdict.state, verdict.score) == ("failed", 0)


def test_acting_happens_on_a_copy(labs: Path, draft: Exercise) -> None:
    """A check that removes a file has removed it from the copy it acts on, not from the learner's folder."""
    tree = snapshot_of(draft, "cups")

    verdict = evaluate(draft, tree)

    assert verdict.tasks[0].outcomes[2].state == "passed"
    assert (labs / "shelves" / "label.txt").read_text() == "cups"


def test_acting_results_are_kept_by_content(
    labs: Path, draft: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same state is acted on once; without acting a result that isn't kept stays waiting."""
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path / "cache"))
    tree = snapshot_of(draft, "cups")

    before = evaluate(draft, tree, acting=False).tasks[0].outcomes[2].state
    evaluate(draft, tree)
    after = evaluate(draft, tree, acting=False).tasks[0].outcomes[2].state
    other = evaluate(draft, snapshot_of(draft, "cups and plates"), acting=False).tasks[0].outcomes[2].state

    assert (before, after, other) == ("waiting", "passed", "waiting")


def test_the_verdict_is_canonical_json(begun: Begun) -> None:
    """Versioned, sorted, with a newline at its end, and without a path of this machine."""
    live = begun(find_exercise("06"))

    text = check_live(live, submit=False).to_json()
    record = json.loads(text)

    assert text == json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    assert (record["format"], record["version"], record["points"]) == ("wheelhouse-verdict", 1, 20)
    assert str(live.project) not in text


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


def test_others_work_is_not_run_without_the_strong_sandbox(labs: Path, draft: Exercise) -> None:
    """In the basic tier a submitted snapshot's programs are not run, and that is no failure of the learner's."""
    tree = snapshot_of(draft, f"cups of {labs}")  # a state that no other run has kept a result of

    refused = evaluate(draft, tree, tier="basic").tasks[0].outcomes[2]
    accepted = evaluate(draft, tree, tier="basic", trusted=True).tasks[0].outcomes[2]

    assert (refused.state, accepted.state) == ("error", "passed")
    assert "strong sandbox" in (refused.found or "")


def test_files_that_this_machine_lacks_are_not_the_learners_fault(labs: Path, draft: Exercise) -> None:
    """A failure where an installed distribution's content is unknown here is an error of ours, which names it."""
    live = folder.begin_free("shelves", fresh=True)
    live.sandbox.run(["bash", "-c", "python -m venv .venv; echo plates > label.txt"], live.place)
    data = pack(live.tree, live.facts, index().known, exercise=draft.id)

    class KnowsNothing:
        """A grader with another Python, and without the mirror."""

        def __getattr__(self, name: str) -> Any:
            return getattr(index().known, name)

        def content(self, sha256: str) -> bytes | None:
            return None

    outcome = evaluate(draft, SnapshotTree.open(data, KnowsNothing())).tasks[0].outcomes[2]

    assert outcome.state == "error"
    assert "/site-packages/" in (outcome.found or "")
    assert live.facts.python_version in (outcome.next_step or "")
