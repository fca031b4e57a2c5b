"""Tests of `autograder.jupyter.start_page`; `tests/test_browser_start.py` looks at it in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.jupyter import keeping, start_page
from autograder.jupyter.start_page import StartPage
from autograder.places import course_root
from autograder.progress import carrying, steps

BINDER = ("BINDER_LAUNCH_HOST", "BINDER_SERVICE_HOST", "BINDER_REPO_URL")


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on Binder, with the course at the server's root."""
    for name in BINDER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHEELHOUSE_SERVER_ROOT", str(course_root()))


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(page: StartPage, kind: str, *buffers: bytes) -> None:
    """Press a button, and wait until it has done its work."""
    page.message = ""
    page._on_message(None, {"type": kind}, list(buffers))
    wait_for(lambda: not page.busy)


def test_paths_are_the_servers(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks are named as the server knows them; where it doesn't have them, not at all."""
    root = course_root()
    assert root is not None
    rows = StartPage(steps(), "", "").rows
    assert all((root / row["lesson"]).is_file() and (root / row["exercise"]).is_file() for row in rows)
    assert [row["number"] for row in rows if row["next"]] == ["01"]
    monkeypatch.setenv("WHEELHOUSE_SERVER_ROOT", str(root / "labs"))
    assert {row["lesson"] for row in StartPage(steps(), "", "").rows} == {""}


def test_a_shell_alone_is_no_beginning(begun: Callable[[Exercise], LiveWorkspace]) -> None:
    """A workspace that JupyterLab's terminal made leads to the lesson; one with work in it to the exercise and its task."""
    live = begun(find_exercise("06"))
    page = StartPage(steps(), "", "")
    assert [(row["number"], row["begun"]) for row in page.rows if row["next"]] == [("06", False)]
    assert page.task == ""
    (live.state.parent / "lesson-06").mkdir()
    page = StartPage(steps(), "", "")
    assert [row["begun"] for row in page.rows if row["next"]] == [True]
    assert page.task.startswith("Task 1: ")


def test_keep_and_bring(begun: Callable[[Exercise], LiveWorkspace], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept comes back after a question, and no is an answer; what is no such file is refused in a sentence."""
    live = begun(find_exercise("01"))
    (live.project / "mine.txt").write_text("mine")
    page = StartPage(steps(), "", "")
    sent: list[list[bytes]] = []
    monkeypatch.setattr(page, "send", lambda _content, buffers: sent.append(buffers))
    ask(page, "keep")
    assert "kB" in page.message
    (data,) = sent[0]
    (live.project / "mine.txt").write_text("newer")

    ask(page, "bring", b"nothing")
    assert "can't be used" in page.message
    ask(page, "bring", data)
    assert "Begun here already: 01." in page.question
    ask(page, "no")
    assert (live.project / "mine.txt").read_text() == "newer"
    ask(page, "yes")
    assert (live.project / "mine.txt").read_text() == "newer", "nothing was asked for any more"
    ask(page, "bring", data)
    ask(page, "yes")
    assert (live.project / "mine.txt").read_text() == "mine"
    assert page.question == ""
    assert "01 is back" in page.message
    assert "before-import-1" in page.message


@pytest.mark.parametrize("name", BINDER)
def test_on_binder_the_end_is_told(labs: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The page says when a session on Binder ends, and nothing of it elsewhere."""
    assert StartPage((), "", "").reminder == ""
    monkeypatch.setenv(name, "binder.example")
    assert "ten minutes" in StartPage((), "", "").reminder
    assert start_page.session_ends() == StartPage((), "", "").reminder


def test_after_a_task_progress_lies_in_the_labs(
    begun: Callable[[Exercise], LiveWorkspace], labs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written by itself, again and again under one name, and on Binder something is said."""
    begun(find_exercise("01"))
    told: list[str] = []
    for _ in range(2):
        keeping.after_a_task(told.append)
        wait_for((labs / carrying.AUTOMATIC).is_file)
        wait_for(lambda: not keeping.at_work())
        assert carrying.opened((labs / carrying.AUTOMATIC).read_bytes()).parts[0].exercise.number == 1
    assert told == []
    monkeypatch.setenv(BINDER[0], "binder.example")
    keeping.after_a_task(told.append)
    wait_for(lambda: not keeping.at_work())
    assert "Keep my progress" in told[0]
