"""Tests of `autograder.verdict`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.runner import check_live, evaluate
from drafts import snapshot_of, write_draft

Begun = Callable[[Exercise], LiveWorkspace]


@pytest.fixture
def draft(tmp_path: Path) -> Exercise:
    """An exercise of which one check has a bug."""
    return write_draft(tmp_path)


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


def test_the_verdict_is_canonical_json(begun: Begun) -> None:
    """Versioned, sorted, with a newline at its end, and without a path of this machine."""
    live = begun(find_exercise("06"))

    text = check_live(live, submit=False).to_json()
    record = json.loads(text)

    assert text == json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    assert (record["format"], record["version"], record["points"]) == ("wheelhouse-verdict", 1, 20)
    assert str(live.project) not in text
