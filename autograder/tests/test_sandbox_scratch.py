"""Tests of `autograder.sandbox.scratch`."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.folder import remove_tree
from autograder.sandbox.scratch import scratch_folder

PREFIX = "wheelhouse-tried-"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where scratch folders are made."""
    made = tmp_path / "scratch"
    made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    monkeypatch.setattr("tempfile.tempdir", None)
    return made


def test_it_is_gone_afterwards(place: Path) -> None:
    """Whatever was left in it, and however the work ended."""

    def work() -> None:
        with scratch_folder(PREFIX) as folder:
            assert folder.parent == place
            (folder / "deep" / "deeper").mkdir(parents=True)
            (folder / "deep").chmod(0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert list(place.iterdir()) == []


def test_two_at_once_leave_each_other_alone(place: Path) -> None:
    """However old the other's is."""
    with scratch_folder(PREFIX) as one:
        os.utime(one, (0, 0))
        with scratch_folder(PREFIX) as other:
            assert one.is_dir()
            assert one != other
        assert one.is_dir()


def test_what_a_killed_process_left_is_removed_by_the_next(place: Path) -> None:
    """A kernel or a server may be killed at any moment; memory must not fill with what it was at."""
    code = f"from autograder.sandbox.scratch import scratch_folder\nwith scratch_folder({PREFIX!r}): print('made', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        (left,) = place.iterdir()
        with scratch_folder(PREFIX):
            assert left.is_dir()
        process.kill()
    with scratch_folder("wheelhouse-other-"):
        assert left.is_dir()
    with scratch_folder(PREFIX):
        assert not left.exists()


def test_what_is_not_certainly_left_stays(place: Path) -> None:
    """What somebody holds or just begins, and where a link leads; half a folder, whose lock went first, is one that was left."""
    for name in ("half", "dead", "works"):
        (place / f"{PREFIX}{name}" / "worker").mkdir(parents=True)
        if name != "half":
            (place / f"{PREFIX}{name}" / "lock").touch()
    for name in ("begins", "never began"):
        (place / f".{PREFIX}{name}").mkdir()
    os.utime(place / f".{PREFIX}never began", (0, 0))
    mine = place.with_name("mine")
    mine.mkdir()
    os.utime(mine, (0, 0))
    (place / f"{PREFIX}link").symlink_to(mine)
    with (place / f"{PREFIX}works" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with scratch_folder(PREFIX):
            pass
    assert {path.name.replace(PREFIX, "") for path in place.iterdir()} == {"works", ".begins", "link"}
    assert mine.is_dir()
    (place / f"{PREFIX}link").unlink()
    for path in place.iterdir():
        remove_tree(path)
