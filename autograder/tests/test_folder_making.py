"""Tests of `autograder.folder.making`: killed at any moment, and whatever a learner left."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import folder
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.sandbox.plan import plan_of

ROUNDS = float(os.environ.get("WHEELHOUSE_ROUNDS", "1"))
"""1: some ten kills a kind; 100: some thousand."""


@pytest.fixture
def exercise() -> Exercise:
    """One with a repository and environments."""
    return find_exercise("06")


def content(top: Path) -> dict[str, bytes | str]:
    """Read a workspace's files; what remembers times and inodes, byte code and git's index, by name only."""
    found: dict[str, bytes | str] = {}
    for path, item in plan_of(top).items():
        quiet = path.endswith((".pyc", ".git/index"))
        found[path] = Path(item.source).read_bytes() if item.kind == "file" and not quiet else item.kind + item.target
    return found


def killed(work: Callable[[], object], after: float) -> bool:
    """Do some work in a process of its own and kill that after so many seconds; True if it was done before."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return not os.WIFSIGNALED(status)


def test_a_reset_that_is_killed_loses_no_work(labs: Path, exercise: Exercise) -> None:
    """Wherever it was, `begin` goes on: what the learner wrote lies in the workspace or in `before-reset`, and the start is whole."""
    chance = random.Random(6)
    live = folder.begin(exercise)
    start = content(live.project)
    begun = time.perf_counter()
    folder.reset(exercise)
    usual = time.perf_counter() - begun
    interrupted = 0
    for number in range(int(8 * ROUNDS)):
        mine = f"work {number}"
        for place in ("mine.txt", "labels/mine.txt"):
            (live.project / place).write_text(mine)
        interrupted += not killed(lambda: folder.reset(exercise), chance.uniform(0, 1.1 * usual))

        again = folder.begin(exercise)

        there = content(again.project)
        kept = again.state / "before-reset"
        for place in ("mine.txt", "labels/mine.txt"):
            wanted = there.pop(place, None) or (kept / place).read_bytes()
            assert wanted == mine.encode(), (number, place)
        assert there == start, number
        assert not [name for name in os.listdir(again.state) if name in ("resetting", "making")]
        assert again.hints == {}
    assert interrupted


def test_commands_that_are_killed_are_run_again(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a start is made in place, half of it is no start: the next `begin` makes it from nothing."""
    exercise = find_exercise("12")
    basic = LiveWorkspace(exercise.id, exercise, "basic").sandbox
    monkeypatch.setattr("autograder.folder.making.sandbox", lambda: basic)
    live = folder.begin(exercise)
    start = sorted(content(live.project))
    for number in range(int(2 * ROUNDS)):
        (live.project / "mine.txt").write_text(str(number))
        folder.remove_tree(live.state / "start")
        killed(lambda: folder.reset(exercise), 0.15 + 0.3 * number)
        live = folder.begin(exercise)
        assert sorted(set(content(live.project)) - {"mine.txt"}) == start
        found = [place / "mine.txt" for place in (live.project, live.state / "before-reset")]
        assert [path.read_text() for path in found if path.exists()] == [str(number)]


def test_a_begin_that_is_killed_is_begun_again(labs: Path, exercise: Exercise) -> None:
    """A workspace killed while it was made is made whole, and nothing half-made is taken for work."""
    chance = random.Random(7)
    begun = time.perf_counter()
    start = content(folder.begin(exercise).project)
    usual = time.perf_counter() - begun
    interrupted = 0
    for number in range(int(4 * ROUNDS)):
        folder.remove_tree(labs)
        interrupted += not killed(lambda: folder.begin(exercise), chance.uniform(0, 1.1 * usual))
        live = folder.begin(exercise)
        assert content(live.project) == start, number
        assert not (live.state / "before-reset").exists()
    assert interrupted


@pytest.mark.parametrize(
    "said",
    [b"", b"[]", b'{"stage": "in"}', b'{"stage": "out", "record": {"submit_to": null, "hints": 3}}'],
    ids=["empty", "list", "in", "out"],
)
def test_whatever_a_mark_says_no_work_is_lost(
    begun: Callable[[Exercise], LiveWorkspace], exercise: Exercise, said: bytes
) -> None:
    """A damaged note of how far a reset went, with nothing beside it of what it speaks of."""
    live = begun(exercise)
    (live.project / "mine.txt").write_text("hours of work")
    (live.state / "resetting").write_bytes(said)

    again = folder.begin(exercise)

    found = [place / "mine.txt" for place in (again.project, again.state / "before-reset")]
    assert [path.read_text() for path in found if path.exists()] == ["hours of work"]
    assert (again.project / "labels").is_dir()
    assert not (again.state / "resetting").exists()


def test_a_record_is_the_old_one_or_the_new_one(begun: Callable[[Exercise], LiveWorkspace], exercise: Exercise) -> None:
    """Whoever is killed while hints are noted leaves a record that can be read."""
    live = begun(exercise)

    def note() -> None:
        for number in range(100_000):
            live.hints["some_check"] = number
            live.save()

    for number in range(int(8 * ROUNDS)):
        assert not killed(note, 0.01 + number % 5 / 100)
        assert json.loads((live.state / "workspace.json").read_bytes())["exercise"] == exercise.id


def test_work_is_kept_where_only_the_record_is_damaged(
    begun: Callable[[Exercise], LiveWorkspace], exercise: Exercise
) -> None:
    """A disk that lost `workspace.json` costs no work: it is in `before-reset` when the workspace is made anew."""
    live = begun(exercise)
    (live.project / "mine.txt").write_text("hours of work")
    (live.state / "workspace.json").write_bytes(b"")

    again = folder.begin(exercise)

    assert not (again.project / "mine.txt").exists()
    assert (again.state / "before-reset" / "mine.txt").read_text() == "hours of work"


def test_a_system_python_may_be_ready(labs: Path) -> None:
    """The next workspace takes it as it is, if nobody changed it; and one that was changed is put right."""
    exercise = find_exercise("03")
    folder.prepare()
    folder.prepare()
    spare = labs / ".wheelhouse" / ".spare" / "system"
    python = next(spare.glob("lib/*/site-packages/pip/__main__.py"))
    inode = python.stat().st_ino
    (python.parent / "strange.py").touch()

    live = folder.begin(exercise)

    taken = live.place.system / python.relative_to(spare)
    assert taken.stat().st_ino == inode
    assert not (taken.parent / "strange.py").exists()
    assert not spare.exists()
    assert live.sandbox.run(["pip", "--version"], live.place).exit_status == 0


def deep_tree(top: Path) -> None:
    """Make 5,000 folders in one another."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def unwritable_folders(top: Path) -> None:
    """Make folders that can't be entered, read or written to."""
    for mode in (0, 0o300, 0o500):
        (top / f"mode{mode:o}" / "below").mkdir(parents=True)
        (top / f"mode{mode:o}" / "below" / "file").touch()
        (top / f"mode{mode:o}" / "below").chmod(mode)
        (top / f"mode{mode:o}").chmod(mode)


def pipes_and_sockets(top: Path) -> None:
    """Make what blocks whoever opens it."""
    os.mkfifo(top / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{os.open(top, os.O_RDONLY)}/socket" if len(str(top)) > 80 else str(top / "socket"))


def many_files(top: Path) -> None:
    """Make a folder of very many tiny files: a million with WHEELHOUSE_ROUNDS=200."""
    many = top / "many"
    many.mkdir()
    for number in range(int(5000 * ROUNDS)):
        (many / str(number)).touch()
    for number in range(2500):
        (top / f"n{number}").touch()


def links_in_place_of_folders(top: Path) -> None:
    """Put links to a folder outside where folders stood."""
    for entry in list(top.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            entry.rename(entry.with_name(f"old-{entry.name}"))
            entry.symlink_to(top.parent / "outside")


@pytest.mark.parametrize(
    "leave", [deep_tree, unwritable_folders, pipes_and_sockets, many_files, links_in_place_of_folders]
)
def test_whatever_is_left_is_reset(begun: Callable[[Exercise], LiveWorkspace], leave: Callable[[Path], None]) -> None:
    """In the workspace, in HOME and in the system Python; twice, since the first reset keeps what was left for the second one."""
    exercise = find_exercise("03")
    live = begun(exercise)
    start, python = content(live.project), set(plan_of(live.place.system / "bin"))
    outside = live.project.parent / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    for _ in range(2):
        for top in (live.project, live.place.home, live.place.system / "bin"):
            leave(top)
        begun_at = time.perf_counter()
        live = folder.reset(exercise)
        assert time.perf_counter() - begun_at < 30
        assert content(live.project) == start
        assert list(live.place.home.iterdir()) == []
        assert set(plan_of(live.place.system / "bin")) == python
    assert list(outside.iterdir()) == [outside / "kept"]


def test_a_shell_may_write_while_its_workspace_is_reset(
    begun: Callable[[Exercise], LiveWorkspace], exercise: Exercise
) -> None:
    """Nothing breaks, and nothing written outside of the workspace changes."""
    live = begun(exercise)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                (live.project / "labels").mkdir(exist_ok=True)
                (live.project / "labels" / f"{number}").touch()
                (live.project / "notes.txt").write_text(str(number))
            except OSError:
                continue

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            folder.reset(exercise)
    finally:
        stop.set()
        writer.join()
    live = folder.reset(exercise)
    assert not (live.project / "notes.txt").exists()
