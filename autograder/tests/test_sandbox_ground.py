"""Files among a learner's are read and written without stepping into what was laid there as a trap."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from autograder.sandbox.ground import read_beneath, remove_beneath, replace_beneath


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that isn't the learner's, with a file of ours."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("ours")
    return folder


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """The learner's folder."""
    folder = tmp_path / "top"
    folder.mkdir()
    return folder


def test_a_file_is_written_read_and_removed(top: Path) -> None:
    """With the folders on the way, and nothing left beside it."""
    replace_beneath(top, "a/b/file", b"text", mode=0o755)
    assert read_beneath(top, "a/b/file", executable=True) == b"text"
    assert os.listdir(top / "a" / "b") == ["file"]
    assert (top / "a" / "b" / "file").stat().st_mode & 0o777 == 0o755
    assert read_beneath(top, "a/b/file", most=3) is None
    remove_beneath(top, "a/b/file")
    assert read_beneath(top, "a/b/file") is None
    assert read_beneath(top, "nowhere/file") is None
    remove_beneath(top, "nowhere/file")


@pytest.mark.parametrize("trap", ["link", "pipe", "device", "folder", "link above"])
def test_a_trap_is_not_read_and_gives_way(top: Path, outside: Path, trap: str) -> None:
    """Neither is anything outside changed, nor does reading wait for ever."""
    folder, file = top / "folder", top / "folder" / "file"
    if trap == "link above":
        folder.symlink_to(outside)
    else:
        folder.mkdir()
    if trap == "link":
        file.symlink_to(outside / "file")
    elif trap == "pipe":
        os.mkfifo(file)
    elif trap == "device":
        file.symlink_to("/dev/zero")
    elif trap == "folder":
        (file / "deep").mkdir(parents=True)
    assert read_beneath(top, "folder/file") is None
    if trap == "link above":
        remove_beneath(top, "folder/file")
    replace_beneath(top, "folder/file", b"text")
    assert read_beneath(top, "folder/file") == b"text"
    assert (outside / "file").read_text() == "ours"
    assert os.listdir(outside) == ["file"]


def test_a_file_that_is_not_executable_is_not_the_one(top: Path) -> None:
    """Who asks for a command wants one that runs."""
    replace_beneath(top, "file", b"text")
    assert read_beneath(top, "file", executable=True) is None


def test_many_may_write_at_once(top: Path) -> None:
    """Whoever comes second to a folder that isn't there yet finds it made, and goes on."""
    rounds, writers = 100, 6
    meet = Barrier(writers)

    def write(who: int) -> None:
        for number in range(rounds):
            meet.wait(10)
            replace_beneath(top, f"{number}/inner/file", f"{who}".encode())

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    assert all(read_beneath(top, f"{number}/inner/file") for number in range(rounds))
