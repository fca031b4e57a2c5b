"""Tests of `autograder.jupyter.checklist` and `.words`, without a browser; `test_browser.py` has one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder import folder
from autograder.changes import Observer
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.jupyter.checklist import Checklist, as_items
from autograder.jupyter.words import inline_html
from autograder.runner import check_live

Begun = Callable[[Exercise], LiveWorkspace]


class Heard(Checklist):
    """A checklist which remembers what it sent to the browser."""

    def __init__(self, live: LiveWorkspace) -> None:
        """Look five times a second."""
        self.sent: list[Any] = []
        super().__init__(live, period=0.2)

    def send(self, content: Any, buffers: Any = None) -> None:
        """Remember."""
        self.sent.append(content)


@pytest.fixture
def exercise() -> Exercise:
    """The exercise on virtual environments."""
    return find_exercise("06")


@pytest.fixture
def checklist(begun: Begun, exercise: Exercise) -> Iterator[Heard]:
    """The live checklist of an exercise that has just been begun."""
    one = Heard(begun(exercise))
    yield one
    one.stop()
    one._thread.join(30)


def _eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def _solve(live: LiveWorkspace, task: int) -> None:
    assert live.exercise is not None
    done = live.sandbox.run(["bash", "-ec", live.exercise.task(task).answer], live.place)
    assert done.exit_status == 0, done.output


def test_untouched_it_says_what_to_do_next(checklist: Heard, exercise: Exercise) -> None:
    """Nothing is done, nothing is our error, and the first failure says what was found and what to do."""
    assert checklist.score == 0
    assert {task["state"] for task in checklist.tasks} == {"failed"}
    first = next(one for one in checklist.tasks[0]["checks"] if one["state"] == "failed")
    assert first["found"]
    assert first["next_step"]
    assert f"0 of {exercise.points} points" in checklist.as_text()


def test_it_follows_the_work(checklist: Heard, exercise: Exercise) -> None:
    """A task done in any shell is shown as done without anybody asking, checks that run something included."""
    _solve(checklist._workspace, 1)

    assert _eventually(lambda: checklist.tasks[0]["state"] == "passed")
    assert checklist.score == exercise.task(1).points
    assert "✓ Task 1" in checklist.as_text()


def test_a_prompt_is_heard_at_once(begun: Begun, exercise: Exercise) -> None:
    """What was done in a shell of the course is shown when its prompt returns, long before the list would have looked by itself."""
    live = begun(exercise)
    shell = live.sandbox.shell(live.place, hear=Observer(live, "cell").hear)
    checklist = Checklist(live, period=3600)
    try:
        assert shell.run(exercise.task(1).answer, lambda _: None) == 0
        assert _eventually(lambda: checklist.tasks[0]["state"] == "passed")
    finally:
        checklist.stop()
        checklist._thread.join(30)
        shell.close()


def test_an_editor_is_noticed(checklist: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is saved without any shell is seen at the next look at the project's own files."""
    looks: list[str] = []
    monkeypatch.setattr(checklist, "_look", lambda: looks.append("looked"))
    (checklist._workspace.project / "saved.txt").write_text("by an editor")

    assert _eventually(lambda: bool(looks))


def test_checks_that_run_something_are_told_from_those_that_wait(
    begun: Begun, exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not tried yet is no failure."""
    monkeypatch.setattr("autograder.acting.cache", lambda: tmp_path)  # another test may have tried the same state
    live = begun(exercise)
    for task in exercise.tasks:
        _solve(live, task.number)

    states = {check["state"] for task in as_items(check_live(live, acting=False)) for check in task["checks"]}

    assert "failed" not in states
    assert ("running" in states) is any(one.acts for one in exercise.checks)


def test_a_newer_one_takes_over(checklist: Heard, exercise: Exercise) -> None:
    """Only the newest list of an exercise answers the browser; an older one falls silent, so that it says it isn't live."""
    checklist._on_message(None, {"type": "ping"}, None)
    newer = Heard(folder.open_workspace(exercise))
    try:
        checklist._on_message(None, {"type": "ping"}, None)
        newer._on_message(None, {"type": "ping"}, None)

        assert checklist.sent.count({"type": "pong"}) == 1
        assert newer.sent.count({"type": "pong"}) == 1
        assert _eventually(lambda: not checklist._thread.is_alive())
    finally:
        newer.stop()
        newer._thread.join(30)


def test_hints_come_one_by_one(checklist: Heard) -> None:
    """Each press gives the next one, for the task it was asked for."""
    for number in (1, 2):
        checklist._on_message(None, {"type": "hint", "task": 2}, None)
        assert _eventually(lambda: not checklist.busy and bool(checklist.hints))
        assert checklist.hints["2"].startswith(f"**Hint {number} of")


def test_starting_over(checklist: Heard) -> None:
    """The workspace is as it was, and the list knows."""
    _solve(checklist._workspace, 1)
    assert _eventually(lambda: checklist.score > 0)

    checklist._on_message(None, {"type": "reset"}, None)

    assert _eventually(lambda: checklist.message.startswith("Started over"))
    assert checklist.score == 0


def test_a_workspace_that_is_gone_is_told(checklist: Heard) -> None:
    """The list says so and goes on looking; the work of the thread is not ended by it."""
    folder.remove_tree(checklist._workspace.project)

    assert _eventually(lambda: "is gone" in checklist.message)
    assert checklist._thread.is_alive()


def test_nonsense_from_the_browser_does_nothing(checklist: Heard) -> None:
    """A message that isn't one of ours is passed over."""
    for message in ({}, {"type": "explode"}, {"type": "hint", "task": ["x"]}):
        checklist._on_message(None, message, None)

    assert _eventually(lambda: not checklist.busy)
    assert checklist._thread.is_alive()


def test_the_page_without_a_kernel(checklist: Heard) -> None:
    """What is saved in the notebook is HTML without script, and says that it is of its moment."""
    data, _ = checklist._repr_mimebundle_()

    assert "application/vnd.jupyter.widget-view+json" in data
    assert "as it was when this cell was run" in data["text/html"]
    assert "<script" not in data["text/html"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`a < b` & c", "<code>a &lt; b</code> &amp; c"),
        ("**not** the *sandbox*", "<strong>not</strong> the <em>sandbox</em>"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("2 * 3 * 4, `*.py` and `<b>`", "2 * 3 * 4, <code>*.py</code> and <code>&lt;b&gt;</code>"),
    ],
)
def test_only_a_little_markdown_becomes_markup(text: str, expected: str) -> None:
    """A learner's file names end up in these texts: nothing of them is HTML."""
    assert inline_html(text) == expected
