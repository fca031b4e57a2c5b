"""Tests of `autograder.workspace` and `autograder.wording`: what a check asks, and how a learner hears of it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.exceptions import BrokenExercise, Failed
from autograder.index import PackageIndex
from autograder.tree import FolderTree
from autograder.wording import code, command, listing
from autograder.workspace import Facts, Ran, Workspace
from real_environments import facts, fails, workspace


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's index."""
    return PackageIndex.open()


@pytest.fixture
def work(tmp_path: Path, index: PackageIndex) -> Workspace:
    """A workspace with a file, a script, and a link to each."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("\ufeffprint('ä')\r\nx = 1\n", encoding="utf-8", newline="")
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "link.py").symlink_to("src/app.py")
    return workspace(tmp_path, index)


def test_file(work: Workspace) -> None:
    """What there is to know of a file."""
    file = work.file("src/../src/./app.py")
    assert (file.path, file.exists, file.executable, file.size) == ("src/app.py", True, False, 22)
    assert file.lines == ["print('ä')", "x = 1"]
    assert file.require() is file
    assert work.file("link.py").text == file.text
    assert work.file("run.sh").executable


def test_missing_file(work: Workspace, tmp_path: Path) -> None:
    """Asking whether it is there is free; asking for its text fails."""
    file = work.file("src/other.py")
    assert (file.exists, file.executable, file.size) == (False, False, 0)
    fails(lambda: file.text, tmp_path, "^There is no file `src/other.py`.$")
    fails(lambda: work.file("not/here/x y.py").require(), tmp_path, "no file `not/here/x y.py`")


def test_folder_and_pipe_are_no_files(work: Workspace, tmp_path: Path) -> None:
    """What stands there instead is named."""
    os.mkfifo(tmp_path / "pipe")
    fails(work.file("src").require, tmp_path, "`src` is a folder, not a file")
    fails(work.file("pipe").require, tmp_path, "`pipe` is a pipe or device, not a file")


def test_links_that_lead_nowhere_or_out(work: Workspace, tmp_path: Path) -> None:
    """A file outside is not read, whatever leads to it."""
    (tmp_path / "gone").symlink_to("src/gone.py")
    (tmp_path / "out").symlink_to("/etc/hostname")
    (tmp_path / "up").symlink_to("../../etc/hostname")
    fails(work.file("gone").require, tmp_path, "`gone` is a link to `src/gone.py`, where nothing is")
    for name in ("out", "up", "../x"):
        assert not work.file(name).exists
    fails(work.file("out").require, tmp_path, "`out` is a link that leaves the workspace: it leads to `/etc/hostname`")


def test_text_that_is_none(work: Workspace, tmp_path: Path) -> None:
    """Other encodings are named with their line, too large files with their size."""
    (tmp_path / "latin.txt").write_bytes(b"one\ntwo \xe4\n")
    (tmp_path / "large.txt").write_bytes(b"x" * 2_000_001)
    fails(lambda: work.file("latin.txt").text, tmp_path, "`latin.txt` is not UTF-8 text: line 2")
    fails(lambda: work.file("large.txt").text, tmp_path, "`large.txt` has 2,000,001 bytes")


def test_environment_is_read_once(work: Workspace, tmp_path: Path) -> None:
    """A check that fails, fails again when it is asked again."""
    for _ in range(2):
        fails(work.environment, tmp_path, "There is no `.venv`")


def test_acting(tmp_path: Path, index: PackageIndex) -> None:
    """A command goes to the actor with its folder; without one it is the exercise's bug."""
    calls: list[tuple[tuple[str, ...], str]] = []

    def act(argv: tuple[str, ...], cwd: str) -> Ran:
        calls.append((argv, cwd))
        return Ran(3, "said")

    acting = Workspace(FolderTree(tmp_path), facts(tmp_path), index.known, act)
    assert acting.run("python", "-c", "1", cwd="src") == Ran(3, "said", "")
    assert calls == [(("python", "-c", "1"), "src")]
    with pytest.raises(BrokenExercise, match="acts=True"):
        workspace(tmp_path, index).run("true")


def test_facts_show_paths_of_the_workspace_only_as_relative() -> None:
    """What lies in the workspace is told without where the workspace is."""
    known = Facts(PurePosixPath("/home/learner/project"), "/usr/local/bin", "3.11.7")
    assert known.show("/home/learner/project/till/../.venv/bin") == ".venv/bin"
    assert known.show("/home/learner/project2") == "/home/learner/project2"
    assert known.python_series == "3.11"


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    """Whatever a learner's file is called, it becomes one short printable span of code."""
    shown = code(text)
    assert shown.isprintable()
    assert shown.count("`") == 2
    assert len(shown) <= 162
    assert shown.encode()


def test_wording() -> None:
    """Commands can be pasted, lists are cut."""
    assert command("ls", "a b", "it's") == "`ls 'a b' 'it'\"'\"'s'`"
    assert listing([]) == "nothing"
    assert listing("ba") == "`a` and `b`"
    assert listing("abcd", most=2) == "`a`, `b` and 2 more"


def test_failed_is_what_a_reader_raises(work: Workspace) -> None:
    """Every reader of the workspace says no in the same way."""
    for ask in (work.environment, work.requirements, work.repository):
        with pytest.raises(Failed):
            ask()
