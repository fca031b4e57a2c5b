"""Tests of `autograder.submission.gate`: what may come in, and what is never opened."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autograder.exercise import find_exercise
from autograder.snapshot import SnapshotTree
from autograder.submission import REFUSED, Missing, Refused, admit, gate

EXERCISE = find_exercise("06")
SNAPSHOT, NOTEBOOK = f"{EXERCISE.id}.snapshot", f"{EXERCISE.id}.ipynb"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What an honest learner handed in: three small files."""
    folder = tmp_path / EXERCISE.id
    folder.mkdir()
    (folder / SNAPSHOT).write_bytes(b"snapshot")
    (folder / NOTEBOOK).write_bytes(b"{}")
    (folder / "timestamp.txt").write_text(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} UTC")
    return folder


def test_honest_work_comes_in(folder: Path) -> None:
    """The bytes are those of the files, the time is that of nbgrader, and nothing was odd; nothing in the folder is changed."""
    before = {one.name: one.stat().st_ctime_ns for one in folder.iterdir()}
    came = admit(EXERCISE, folder)
    assert (came.snapshot, came.notebook, came.set_aside, came.noticed) == (b"snapshot", b"{}", (), ())
    assert abs(datetime.now(UTC) - came.received) < timedelta(minutes=5)
    assert {one.name: one.stat().st_ctime_ns for one in folder.iterdir()} == before


def test_other_files_are_named_and_not_opened(folder: Path) -> None:
    """What nobody knows is set aside, be it a file, a folder, a pipe, a link to our secrets: named, and never opened."""
    (folder / "notes.txt").write_text("…")
    (folder / "data").mkdir()
    (folder / "data" / "a\nb").write_text("…")
    (folder / "secret").symlink_to("/etc/shadow")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(folder)  # a socket's path is short
        try:
            listener.bind("socket")
        finally:
            os.chdir(before)
    (folder / ".venv").mkdir()
    for number in range(gate.MOST_NAMES):
        (folder / ".venv" / str(number)).touch()
    came = admit(EXERCISE, folder)
    assert came.snapshot == b"snapshot"
    assert came.set_aside == (".venv/", "data/", "data/a\nb", "loop", "notes.txt", "pipe", "secret", "socket")


def test_without_a_snapshot_nothing_was_handed_in(folder: Path) -> None:
    """That is something else than work which can't be let in; a missing notebook is no harm."""
    (folder / NOTEBOOK).unlink()
    assert admit(EXERCISE, folder).notebook is None
    (folder / SNAPSHOT).unlink()
    for place in (folder, folder / "nowhere"):
        with pytest.raises(Missing, match=SNAPSHOT):
            admit(EXERCISE, place)


def test_a_notebook_too_large_is_set_aside(folder: Path) -> None:
    """It isn't what is graded."""
    with (folder / NOTEBOOK).open("wb") as file:
        file.truncate(gate.LARGEST_NOTEBOOK + 1)
    came = admit(EXERCISE, folder)
    assert (came.notebook, came.set_aside) == (None, (NOTEBOOK,))


def in_place_of(name: str, put: Callable[[Path], None]) -> Callable[[Path], None]:
    """Put something else where a file should be."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        put(folder / name)

    change.__name__ = f"{name.rpartition('.')[2]}_{getattr(put, '__name__', 'other')}"
    return change


def a_link(path: Path) -> None:
    """A link to a file which its owner may not read."""
    path.symlink_to("/etc/shadow")


def a_device(path: Path) -> None:
    """A link to what never ends."""
    path.symlink_to("/dev/zero")


def a_pipe(path: Path) -> None:
    """A pipe on which a reader waits for ever."""
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    """A folder."""
    path.mkdir()


def set_aside_before(path: Path) -> None:
    """What is left where nbgrader's hook was here first."""
    path.with_name(path.name + REFUSED).symlink_to("/etc/shadow")


def too_large(path: Path) -> None:
    """More than a snapshot has, and nothing of it on the disk."""
    with path.open("wb") as file:
        file.truncate(SnapshotTree.LARGEST + 1)


def enormous(path: Path) -> None:
    """A file of 60 GB without a block."""
    with path.open("wb") as file:
        file.truncate(60_000_000_000)


def many_files(folder: Path) -> None:
    """More files than anybody has to hand in."""
    for number in range(gate.MOST_NAMES):
        (folder / f"{number}").touch()


def many_bytes(folder: Path) -> None:
    """More bytes than that, beside it."""
    for name in ("a", "b"):
        with (folder / name).open("wb") as file:
            file.truncate(gate.MOST_BYTES // 2)


def a_deep_folder(folder: Path) -> None:
    """Folders in one another."""
    (folder / "/".join("d" * gate.DEEPEST)).mkdir(parents=True)
    (folder / "/".join("d" * gate.DEEPEST) / "x").mkdir()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        *[
            (in_place_of(name, put), "as a link, a folder or a device")
            for name in (SNAPSHOT, NOTEBOOK)
            for put in (a_link, a_device, a_pipe, a_folder)
        ],
        (in_place_of(SNAPSHOT, set_aside_before), "as a link, a folder or a device"),
        (in_place_of(SNAPSHOT, too_large), "too large"),
        (in_place_of(SNAPSHOT, enormous), "too large"),
        (in_place_of(NOTEBOOK, enormous), "too large"),
        (many_files, "More than 500 files"),
        (many_bytes, "More than 20 MB"),
        (a_deep_folder, "more than 8 deep"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_cannot_come_in_is_refused_in_a_sentence(folder: Path, change: Callable[[Path], None], says: str) -> None:
    """A link, pipe, folder or device in place of a known file, and more than there may be, are refused without being read."""
    change(folder)
    with pytest.raises(Refused) as refused:
        admit(EXERCISE, folder)
    assert says in str(refused.value)
    assert not isinstance(refused.value, Missing)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_a_link_is_not_entered(folder: Path, tmp_path: Path) -> None:
    """Another learner's folder can't be handed in by a link to it; nor a file for a folder."""
    (tmp_path / "mine").symlink_to(folder)
    (tmp_path / "file").touch()
    for name in ("mine", "file"):
        with pytest.raises(Refused, match="where a folder should be"):
            admit(EXERCISE, tmp_path / name)


def test_garbage_for_a_time_stops_nothing(folder: Path) -> None:
    """A timestamp that is none, or far too long, is replaced by the time of arrival, and noticed."""
    for stamp in (b"not a time", b"x" * 10_000):
        (folder / "timestamp.txt").write_bytes(stamp)
        came = admit(EXERCISE, folder)
        assert abs(datetime.now(UTC) - came.received) < timedelta(minutes=5)
        assert any("timestamp.txt" in one for one in came.noticed)


@pytest.mark.parametrize("put", [a_link, a_device, a_pipe, a_folder], ids=lambda put: put.__name__)
def test_what_is_no_file_says_no_time(folder: Path, put: Callable[[Path], None]) -> None:
    """The time is nbgrader's to write, not the learner's work: what stands in its place is not opened, and costs the learner nothing."""
    in_place_of("timestamp.txt", put)(folder)
    came = admit(EXERCISE, folder)
    assert abs(datetime.now(UTC) - came.received) < timedelta(minutes=5)
    assert any("timestamp.txt" in one for one in came.noticed)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_another_users_file_is_noticed(folder: Path, tmp_path: Path) -> None:
    """A file of another owner is named; one that also has a name elsewhere is theirs, and refused."""
    os.chown(folder / SNAPSHOT, 12345, -1)
    assert any("another user" in one for one in admit(EXERCISE, folder).noticed)
    os.link(folder / SNAPSHOT, tmp_path / "theirs")
    with pytest.raises(Refused, match="hard link"):
        admit(EXERCISE, folder)


def test_a_hard_link_of_ones_own_is_noticed(folder: Path, tmp_path: Path) -> None:
    """Backups make them, so it is only said."""
    os.link(folder / SNAPSHOT, tmp_path / "backup")
    came = admit(EXERCISE, folder)
    assert came.snapshot == b"snapshot"
    assert any("hard link" in one for one in came.noticed)


def test_no_swap_in_between_is_followed(folder: Path, tmp_path: Path) -> None:
    """While a learner swaps file and link as fast as they can, what comes in is the file or nothing, never what the link leads to."""
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "file").write_bytes(b"snapshot")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for name in ("link", "file"):
                fresh = folder / f".{name}"
                if name == "link":
                    fresh.symlink_to(tmp_path / "secret")
                else:
                    fresh.write_bytes(b"snapshot")
                fresh.replace(folder / SNAPSHOT)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen: set[object] = set()
    try:
        for _ in range(300):
            try:
                seen.add(admit(EXERCISE, folder).snapshot)
            except Refused as refused:
                seen.add(type(refused).__name__)
    finally:
        stop.set()
        swapper.join()
    assert seen <= {b"snapshot", "Refused"}


def test_no_descriptor_is_left_open(folder: Path) -> None:
    """A class of ten thousand doesn't run out of them, whether let in or refused."""
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    os.mkfifo(folder / "pipe")
    for _ in range(20):
        admit(EXERCISE, folder)
    in_place_of(SNAPSHOT, a_pipe)(folder)
    for _ in range(20):
        with pytest.raises(Refused):
            admit(EXERCISE, folder)
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
