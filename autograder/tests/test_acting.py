"""Tests of `autograder.acting`."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from autograder import acting, folder
from autograder.acting import Cancelled, Onlooker, Stage
from autograder.exercise import Exercise
from autograder.folder import index
from autograder.runner import evaluate
from autograder.snapshot import ContentStore, SnapshotTree, pack
from drafts import snapshot_of, write_draft


@pytest.fixture
def draft(tmp_path: Path) -> Exercise:
    """An exercise of which one check has a bug."""
    return write_draft(tmp_path)


def test_acting_happens_on_a_copy(labs: Path, draft: Exercise) -> None:
    """A check that removes a file has removed it from the copy it acts on, not from the learner's folder."""
    tree = snapshot_of(draft, "cups")

    verdict = evaluate(draft, tree)

    assert verdict.tasks[0].outcomes[2].state == "passed"
    assert (labs / "shelves" / "label.txt").read_text() == "cups"


def test_no_check_meets_what_another_left(labs: Path, tmp_path: Path) -> None:
    """The copy is used again as long as it is as it was; once a check has changed it, the next one gets its own."""
    with Stage(snapshot_of(write_draft(tmp_path), "cups"), None, trusted=True) as stage:
        first = stage.act(("bash", "-c", "pwd; cat label.txt"))
        stage.clear()
        place = stage._place
        stage.act(("bash", "-c", "echo plates > label.txt; pip install --quiet orm; touch ~/mine"))
        again = stage._place
        stage.clear()
        after = stage.act(("bash", "-c", "cat label.txt; ls -A ~ | grep mine; python -c 'import orm' 2>&1 | tail -n 1"))

    assert place is again is not None
    assert first.output.endswith("cups")
    assert "plates" not in after.output
    assert "mine" not in after.output
    assert "No module named" in after.output


def test_a_copy_may_do_without_a_system_python_of_its_own(labs: Path, tmp_path: Path) -> None:
    """Where a tier can show one that stays as it is, nobody gets another; elsewhere each has their own, as ever."""
    tree = snapshot_of(write_draft(tmp_path), "cups")
    program = (
        "import sys, sysconfig; print(sys.prefix == sys.base_prefix); open(sysconfig.get_path('purelib') + '/x', 'w')"
    )
    for tier in ("strong", "medium"):
        with Stage(tree, tier, trusted=True, still=True) as stage:
            did = stage.act(("python", "-c", program))
            assert "True\n" in did.output
            assert ("Read-only file system" in did.output) == (did.exit_status != 0) == (tier == "strong")
            before = stage._place
            stage.clear()
            assert (stage._place is before) == (tier == "strong")


def test_whoever_waits_is_told_and_may_end_it(labs: Path, draft: Exercise) -> None:
    """Each check that runs something is named before it runs, with its number; enough ends the running command, and leaves no result."""
    told: list[tuple[str, int, int]] = []
    seen: list[float] = []

    def enough() -> bool:
        seen.append(time.monotonic())
        return len(seen) > 3

    never_seen = snapshot_of(draft, f"cups {uuid.uuid4()}")
    evaluate(draft, never_seen, onlooker=Onlooker(lambda one, n, of: told.append((one.name, n, of))))
    with (
        Stage(snapshot_of(draft, "cups"), None, trusted=True, onlooker=Onlooker(enough=enough)) as stage,
        pytest.raises(Cancelled),
    ):
        stage.act(("sleep", "600"))

    assert told == [("label_says_cups", 1, 2), ("each_check_waits", 2, 2)]


@pytest.mark.parametrize(
    "left",
    [
        "mkdir -p .venv/lib/python3.11/site-packages/__pycache__; touch .venv/lib/python3.11/site-packages/__pycache__/a.pyc",
        "printf 'CUPS' 1<> label.txt; touch -r app.py label.txt",
        "ln -f label.txt label2.txt; rm label2.txt",
        "touch ~/.bashrc",
        'touch "$(dirname "$(command -v python3)")/ls"',
    ],
    ids=["bytecode of a package", "time set back", "link made and removed", "home", "command"],
)
def test_what_is_left_in_secret_is_seen(labs: Path, tmp_path: Path, left: str) -> None:
    """Bytecode that would be run next time, or a file changed whose size and time were set back: the next check gets a fresh copy."""
    with Stage(snapshot_of(write_draft(tmp_path), "cups"), None, trusted=True) as stage:
        stage.act(("bash", "-c", left))
        stage.clear()
        assert stage._place is None


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


def test_others_work_is_run_only_where_it_is_isolated(labs: Path, draft: Exercise) -> None:
    """In the basic tier a submitted snapshot's programs are not run, unless that was allowed in words, and then the verdict says so."""
    tree = snapshot_of(draft, f"cups {uuid.uuid4()}")  # a state that no other run has kept a result of

    def look(**allowed: Any) -> tuple[str, str, str]:
        verdict = evaluate(draft, tree, tier="basic", **allowed)
        outcome = verdict.tasks[0].outcomes[2]
        return outcome.state, outcome.found or "", verdict.unsafe

    for allowed in ({}, {"unsafe": "medium"}):
        state, found, unsafe = look(**allowed)
        assert (state, unsafe) == ("error", "")
        assert "strong sandbox only" in found
    for _ in range(2):  # made, and recalled
        state, _found, unsafe = look(unsafe="basic")
        assert state == "passed"
        assert "basic sandbox" in unsafe
    assert look(trusted=True)[::2] == ("passed", "")
    safe = evaluate(draft, tree, unsafe="basic", acting=False)
    assert safe.tasks[0].outcomes[2].state == "waiting", "what was found in the basic tier counts there only"
    assert '"unsafe"' not in safe.to_json()


def test_files_that_this_machine_lacks_are_not_the_learners_fault(
    labs: Path, draft: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure where an installed distribution's content is unknown here is an error of ours, which names it."""
    live = folder.begin_free("shelves", fresh=True)
    live.sandbox.run(
        ["bash", "-c", f"python -m venv .venv; echo plates > label.txt; echo {uuid.uuid4()} > new"], live.place
    )
    data = pack(live.tree, live.facts, index().known, exercise=draft.id)

    class KnowsNothing:
        """A grader with another Python, and without the mirror."""

        def __getattr__(self, name: str) -> Any:
            return getattr(index().known, name)

        def content(self, sha256: str) -> bytes | None:
            return None

    monkeypatch.setattr(acting, "_store", lambda: ContentStore(KnowsNothing(), None))
    outcome = evaluate(draft, SnapshotTree.open(data, KnowsNothing())).tasks[0].outcomes[2]

    assert outcome.state == "error"
    assert "/site-packages/" in (outcome.found or "")
    assert live.facts.python_version in (outcome.next_step or "")
