"""Tests of `autograder.folder`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autograder import folder
from autograder.exceptions import CourseError, UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace

Begun = Callable[[Exercise], LiveWorkspace]


@pytest.fixture
def exercise() -> Exercise:
    """The exercise on virtual environments."""
    return find_exercise("06")


def test_begin_twice_keeps_the_work(begun: Begun, exercise: Exercise) -> None:
    """Beginning what was begun opens it, and remembers beside which notebook."""
    live = begun(exercise)
    (live.project / "mine.txt").write_text("hours of work")

    again = folder.begin(exercise, submit_to=live.state)

    assert (again.project / "mine.txt").read_text() == "hours of work"
    assert folder.open_workspace(exercise).submit_to == live.state


def test_begin_makes_a_half_made_workspace_anew(begun: Begun, exercise: Exercise) -> None:
    """A workspace whose making was killed in the middle has no record, and is made again from the start."""
    live = begun(exercise)
    whole = sorted(path.name for path in live.project.iterdir())
    (live.state / "workspace.json").unlink()
    folder.remove_tree(live.project / whole[0])

    assert sorted(path.name for path in folder.begin(exercise).project.iterdir()) == whole


def test_begin_moves_aside_what_is_not_ours(labs: Path, exercise: Exercise) -> None:
    """A folder of the learner's own that has the workspace's name is kept under another."""
    (labs / exercise.id).mkdir(parents=True)
    (labs / exercise.id / "thesis.tex").write_text("years of work")

    folder.begin(exercise)

    assert (labs / f"{exercise.id}.before-1" / "thesis.tex").read_text() == "years of work"


def test_two_begin_at_once(labs: Path, exercise: Exercise) -> None:
    """A notebook and a terminal that begin together get one workspace, made once."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: folder.begin(exercise), range(2))

    assert first.project == second.project
    assert json.loads((first.state / "workspace.json").read_bytes())["exercise"] == exercise.id


def test_reset_gives_the_start_and_keeps_the_work_once(begun: Begun, exercise: Exercise) -> None:
    """What was done can be fetched back until the next reset, and shown hints stay shown."""
    live = begun(exercise)
    (live.project / "mine.txt").write_text("hours of work")
    (live.project / "labels").chmod(0)
    live.hints["some_check"] = 2
    live.save()

    fresh = folder.reset(exercise)

    assert not (fresh.project / "mine.txt").exists()
    assert (fresh.state / "before-reset" / "mine.txt").read_text() == "hours of work"
    assert fresh.hints == {"some_check": 2}


def test_a_shell_that_is_open_sees_the_reset(begun: Begun, exercise: Exercise) -> None:
    """Who resets in the notebook goes on in the terminal beside it: it is in the new start, not in what was there before."""
    live = begun(exercise)
    shell = live.sandbox.shell(live.place)
    try:
        shell.run("rm -r labels; pip install --quiet orm; touch ~/mine", lambda _: None)
        folder.reset(exercise)
        said: list[str] = []
        status = shell.run("ls; test -d labels -a ! -e ~/mine && ! python -c 'import orm' 2>/dev/null", said.append)
    finally:
        shell.close()

    assert status == 0, "".join(said)


def test_an_unwritable_place_is_one_sentence(
    tmp_path: Path, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labs where no folder can be made are refused with what to set instead."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WHEELHOUSE_LABS", str(tmp_path / "file" / "labs"))

    with pytest.raises(CourseError, match="WHEELHOUSE_LABS"):
        folder.begin(exercise)


def test_a_workspace_that_was_not_begun_is_not_opened(labs: Path, exercise: Exercise) -> None:
    """The next step is named."""
    with pytest.raises(UsageError, match="course begin 06"):
        folder.open_workspace(exercise)
    assert folder.current() is None


@pytest.mark.parametrize("record", [b"", b"[]", b'{"version": 2}', b"\xff\xfe"])
def test_a_damaged_record_counts_as_none(begun: Begun, exercise: Exercise, record: bytes) -> None:
    """Whatever stands in `workspace.json`, nothing breaks."""
    live = begun(exercise)
    (live.state / "workspace.json").write_bytes(record)

    with pytest.raises(UsageError):
        folder.open_workspace(exercise)


def test_the_workspace_begun_last_is_the_current_one(begun: Begun, exercise: Exercise) -> None:
    """A new terminal opens it."""
    begun(exercise)
    opened = folder.current()

    assert opened is not None
    assert opened.exercise == exercise


def test_a_free_workspace_is_fresh_when_asked(labs: Path) -> None:
    """A lesson begins with nothing each time; the scratch workspace keeps what is in it."""
    live = folder.begin_free("lesson-06", fresh=True)
    (live.project / "left.txt").touch()

    assert (folder.begin_free("lesson-06").project / "left.txt").exists()
    assert not (folder.begin_free("lesson-06", fresh=True).project / "left.txt").exists()


@pytest.fixture
def tree_nobody_can_remove(tmp_path: Path) -> Path:
    """A folder with unwritable folders and 1,500 levels."""
    top = tmp_path / "tree"
    locked = top / "locked"
    locked.mkdir(parents=True)
    (locked / "file").touch()
    locked.chmod(0)
    here = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    return top


def test_remove_tree_removes_whatever_a_learner_left(tree_nobody_can_remove: Path) -> None:
    """Neither modes nor depth keep a reset from working."""
    folder.remove_tree(tree_nobody_can_remove)

    assert not tree_nobody_can_remove.exists()
    assert list(tree_nobody_can_remove.parent.iterdir()) == []


def test_signature_sees_the_learners_own_bytecode(tmp_path: Path) -> None:
    """Bytecode beside a learner's module is part of the state, and that of an installed package isn't."""
    own, installed = tmp_path / "till/__pycache__", tmp_path / ".venv/lib/python3.11/site-packages/shoplib/__pycache__"
    for place in (own, installed):
        place.mkdir(parents=True)
        (place / "prices.cpython-311.pyc").write_bytes(b"old")
    before = folder.signature(tmp_path)

    (installed / "prices.cpython-311.pyc").write_bytes(b"newer")
    assert folder.signature(tmp_path) == before

    (own / "prices.cpython-311.pyc").unlink()
    assert folder.signature(tmp_path) != before
