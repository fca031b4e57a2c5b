"""Tests of several live checklists on one exercise, and of checks that are tried, told and ended, in `autograder.jupyter.checklist`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder import folder, history
from autograder.changes import Observer
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.jupyter import checklist as module
from autograder.jupyter.checklist import Checklist

Begun = Callable[[Exercise], LiveWorkspace]

OTHER = """
import json, sys, threading
from autograder import folder
from autograder.exercise import find_exercise
from autograder.jupyter.checklist import Checklist
one = Checklist(folder.begin(find_exercise(sys.argv[1])))
said = threading.Lock()
def say(_=None):
    with said:
        print(json.dumps([one.score, len(one.steps), one.hints, one.message, one.busy]), flush=True)
one.observe(say, names=["score", "steps", "hints", "message", "busy"])
say()
for line in sys.stdin:
    one._on_message(None, json.loads(line), None)
one.stop()
"""


class OtherKernel:
    """A checklist of the same exercise in another process, as a second notebook has it."""

    def __init__(self, exercise: Exercise) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER, exercise.id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )

    def press(self, **message: Any) -> None:
        """Send what its page would send."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def until(self, wanted: Callable[[list[Any]], bool]) -> list[Any]:
        """Read what it shows until that is what is wanted."""
        assert self.process.stdout is not None
        seen: list[Any] = []
        for line in self.process.stdout:
            seen = list(json.loads(line))
            if wanted(seen):
                return seen
        raise AssertionError(f"it ended; last seen: {seen}")

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()


def _eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@pytest.fixture
def live(begun: Begun) -> LiveWorkspace:
    """The exercise on broken imports, just begun: most of its checks run something, and wait for no other."""
    return begun(find_exercise("03"))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checklist that tries nothing by itself."""
    monkeypatch.setattr(module, "STILL", 3600.0)


@pytest.fixture
def checklist(live: LiveWorkspace) -> Iterator[Checklist]:
    """Its live checklist; the state is one that was never tried before."""
    (live.project / "mine.txt").write_text(str(uuid.uuid4()))
    one = Checklist(live)
    yield one
    one.stop()
    one._thread.join(60)


def _press(checklist: Checklist, **message: Any) -> None:
    checklist._on_message(None, message, None)


def _states(checklist: Checklist) -> set[str]:
    return {check["state"] for task in checklist.tasks for check in task["checks"]}


@pytest.mark.usefixtures("unhurried")
def test_check_now_says_which_check_runs(checklist: Checklist) -> None:
    """Each is named before it runs, as the how manieth of how many; then the list says what was found, and when."""
    told: list[dict[str, Any]] = []
    checklist.observe(lambda change: told.append(dict(change["new"])), names="trying")
    assert "running" in _states(checklist)

    _press(checklist, type="check")

    assert _eventually(lambda: checklist.message.startswith("Checked at "))
    named = [one for one in told if one.get("number")]
    numbers = [one["number"] for one in named]
    assert numbers == sorted(set(numbers))  # what waits for another is passed over
    assert (numbers[0], {one["of"] for one in named}) == (1, {sum(one.acts for one in find_exercise("03").checks)})
    assert all(one["says"] and one["asked"] for one in named)
    assert checklist.trying == {}
    assert "running" not in _states(checklist)


@pytest.mark.usefixtures("unhurried")
def test_checking_can_be_stopped(checklist: Checklist) -> None:
    """What runs is ended, what was known stays shown, and pressing again begins again."""

    def stop(change: Any) -> None:
        if change["new"].get("number"):
            _press(checklist, type="cancel")

    before = checklist.tasks
    checklist.observe(stop, names="trying")
    _press(checklist, type="check")

    assert _eventually(lambda: checklist.message.startswith("Stopped."))
    assert _eventually(lambda: checklist.trying == {} and checklist._trial is None)
    assert checklist.tasks == before

    checklist.unobserve_all()
    _press(checklist, type="check")
    assert _eventually(lambda: checklist.message.startswith("Checked at "))


@pytest.mark.usefixtures("unhurried")
def test_a_prompt_ends_what_is_tried_in_vain(checklist: Checklist, live: LiveWorkspace) -> None:
    """While checks run, the list still follows the shell: what is tried of the old state is ended, and tried of the new one."""
    observer = Observer(live, "command")
    told: list[tuple[int, int]] = []

    def work(change: Any) -> None:
        number = change["new"].get("number")
        if number and not told:
            (live.project / "mine.txt").write_text(str(uuid.uuid4()))
            observer.note("echo again", 0, time.time(), time.time())
            assert _eventually(lambda: checklist._state > 0)
        if number:
            told.append((checklist._state, number))

    checklist.observe(work, names="trying")
    _press(checklist, type="check")

    assert _eventually(lambda: checklist.message.startswith("Checked at "))
    assert [number for _, number in told][:2] == [1, 1]  # ended at the first, and begun anew
    assert checklist.steps[-1]["command"] == "echo again"


def test_what_a_command_changed_is_listed(checklist: Checklist, live: LiveWorkspace) -> None:
    """The last commands stand in the list with what they changed, soon after each prompt."""
    observer = Observer(live, "terminal")
    (live.project / "new.txt").write_text("new")
    observer.note("touch new.txt", 0, time.time() - 1, time.time())

    assert _eventually(lambda: bool(checklist.steps) and checklist.steps[-1]["command"] == "touch new.txt")
    assert "new.txt" in checklist.steps[-1]["gist"]


def test_an_older_list_in_the_notebook_says_where_the_live_one_is(checklist: Checklist, live: LiveWorkspace) -> None:
    """Only the newest answers; the older one knows that it has a successor."""
    newer = Checklist(folder.open_workspace(find_exercise("03")))
    try:
        assert checklist.retired
        assert not newer.retired
        assert _eventually(lambda: not checklist._thread.is_alive())
    finally:
        newer.stop()
        newer._thread.join(60)


def test_two_notebooks_on_one_exercise_are_both_live(checklist: Checklist, live: LiveWorkspace, tmp_path: Path) -> None:
    """Both kernels follow the one workspace: commands, points and starting over; hints are counted together, a change is noted once."""
    exercise = find_exercise("03")
    other = OtherKernel(exercise)
    try:
        other.until(lambda seen: seen[0] == 0)
        shell = live.sandbox.shell(live.place, hear=Observer(live, "cell").hear)
        try:
            assert shell.run(exercise.task(1).answer, lambda _: None) == 0
        finally:
            shell.close()
        points = exercise.task(1).points
        other.until(lambda seen: seen[0] >= points and seen[1] > 0)
        assert _eventually(lambda: checklist.score >= points and bool(checklist.steps))
        reached = [look.score for look in history.read(live.state).looks].count(points)

        _press(checklist, type="hint", task=2)
        assert _eventually(lambda: checklist.hints.get("2", "").startswith("**Hint 1 of"))
        other.press(type="hint", task=2)
        other.until(lambda seen: seen[2].get("2", "").startswith("**Hint 2 of") and not seen[4])

        other.press(type="reset")
        other.until(lambda seen: seen[3].startswith("Started over") and seen[0] == 0)
        assert _eventually(lambda: checklist.score == 0 and checklist.hints == {})
        assert reached == 1
    finally:
        other.close()


def test_a_page_says_whether_the_list_can_be_seen(checklist: Checklist) -> None:
    """It is looked at often while one page shows it, seldom when none does, and pages that are gone don't count."""
    waiting = checklist._waiting
    assert waiting.visible  # none has said anything yet

    found = []
    for told in (
        {"type": "ping", "view": "a", "visible": True},
        {"type": "seen", "view": "b", "visible": False},
        {"type": "seen", "view": "a", "visible": False},
        {"type": "seen", "view": "b", "visible": True},
        {"type": "seen", "view": "b", "gone": True},
    ):
        _press(checklist, **told)
        found.append(waiting.visible)
    assert found == [True, True, False, True, False]


def test_where_the_hand_in_lies_and_which_tier_was_asked_for(
    live: LiveWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are said: the snapshot's file, and that a workspace stays in the tier in which it was begun."""
    live.submit_to = tmp_path
    live.save()
    wanted = "basic" if live.tier != "basic" else "strong"
    monkeypatch.setenv("WHEELHOUSE_TIER", wanted)
    one = Checklist(live)
    try:
        assert one.hand_in == str(tmp_path / "03-broken-imports.snapshot")
        assert f"asks for the {wanted} sandbox" in one.wish
        assert "`course reset 03`" in one.as_text()
    finally:
        one.stop()
        one._thread.join(60)
