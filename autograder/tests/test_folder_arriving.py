"""Tests of `autograder.folder.arriving`: whoever opens a workspace finishes what somebody was killed at."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import folder
from autograder.exceptions import CourseError
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace, arriving
from autograder.folder.live import locked

Begun = Callable[[Exercise], LiveWorkspace]


@pytest.fixture
def live(begun: Begun) -> LiveWorkspace:
    """A workspace with work in it."""
    one = begun(find_exercise("01"))
    (one.project / "mine.txt").write_text("mine\n")
    return one


def staged(live: LiveWorkspace) -> arriving.Arrival:
    """Another state of it, ready to come."""
    stage = arriving.new_stage()
    fresh = stage / live.name
    (fresh / "project").mkdir(parents=True)
    (fresh / "project" / "mine.txt").write_text("other\n")
    (fresh / "state" / "home").mkdir(parents=True)
    (fresh / "state" / "begun").touch()
    (fresh / "state" / "workspace.json").write_text(json.dumps({**live.record(), "hints": {"a": 1}}))
    return arriving.Arrival(stage, (live.name,), current=live.name)


STEPS = ["_move_out", "_move_in", "make_system", "set_current", "remove_tree"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_an_interrupted_arrival_is_finished(
    live: LiveWorkspace, monkeypatch: pytest.MonkeyPatch, step: str, late: bool
) -> None:
    """Stopped before or after any step, whoever opens the workspace next meets the new state, and what was there lies aside."""
    arrival = staged(live)
    real = getattr(arriving, step)

    def stop(*given: object, **named: object) -> None:
        if late:
            real(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(arriving, step, stop)
        with pytest.raises(KeyboardInterrupt):
            arriving.arrive(arrival)

    there = folder.open_workspace(find_exercise("01"))
    assert (there.project / "mine.txt").read_text() == "other\n"
    assert there.hints == {"a": 1}
    aside = there.project.parent / "before-import-1"
    assert (aside / live.name / "mine.txt").read_text() == "mine\n"
    assert (aside / ".wheelhouse" / live.name / "workspace.json").exists()
    assert not (live.state.parent / "arriving.json").exists()
    assert there.sandbox.run(["cat", "mine.txt"], there.place).output == "other\n"


def test_before_its_moment_nothing_has_changed(live: LiveWorkspace) -> None:
    """What was only made ready is removed by the next arrival, if its maker is gone, and nobody sees it."""
    arrival = staged(live)
    (arrival.stage / "pid").write_text("999999999")

    assert (folder.open_workspace(find_exercise("01")).project / "mine.txt").read_text() == "mine\n"
    arriving.new_stage()

    assert not arrival.stage.exists()


def test_who_works_in_it_is_waited_for(live: LiveWorkspace) -> None:
    """While somebody holds a workspace, nothing moves there."""
    arrival = staged(live)
    came = threading.Thread(target=arriving.arrive, args=(arrival,))
    with locked(live.name):
        came.start()
        came.join(0.3)
        assert came.is_alive()
        assert (live.project / "mine.txt").read_text() == "mine\n"
    came.join(60)
    assert (live.project / "mine.txt").read_text() == "other\n"


def test_an_order_that_is_garbage_is_said(live: LiveWorkspace) -> None:
    """A file that nobody can read stops with a sentence that names it."""
    (live.state.parent / "arriving.json").write_text("{")

    with pytest.raises(CourseError, match=r"arriving\.json can't be read"):
        folder.open_workspace(find_exercise("01"))


def test_two_arrivals_take_turns(live: LiveWorkspace, labs: Path) -> None:
    """Each moves aside what it found, and gives it a folder of its own."""
    asides = [arriving.arrive(staged(live)) for _ in range(2)]

    assert [one.name for one in asides if one] == ["before-import-1", "before-import-2"]
    assert (labs / "before-import-2" / live.name / "mine.txt").read_text() == "other\n"
