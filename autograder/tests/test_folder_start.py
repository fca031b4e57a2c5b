"""Tests of `autograder.folder.start`: a kept start is what the real commands make."""

from __future__ import annotations

import os
import re
import shutil
import struct
from pathlib import Path

import pytest

from autograder import folder
from autograder.exercise import Exercise, find_exercises
from autograder.folder import LiveWorkspace
from autograder.folder.start import kept_start, make_really, pythons_of
from autograder.sandbox import ISOLATING, Place
from autograder.sandbox.plan import Plan, plan_of
from autograder.sandbox.system_python import make_system

EXERCISES = [one for one in find_exercises() if one.begin_script is not None]
ALL = float(os.environ.get("WHEELHOUSE_ROUNDS", "1")) > 1
COMPARED = [one for one in EXERCISES if ALL or one.number in (6, 12, 14)]
"""Environments and a repository; an editable install; releases. All others with WHEELHOUSE_ROUNDS=2."""


def pytest_ids(exercise: Exercise) -> str:
    """Name a test by its exercise."""
    return exercise.id


def facts(plan: Plan) -> dict[str, object]:
    """Say of each file what doesn't depend on when it was made: names, kinds, modes, contents."""
    found: dict[str, object] = {}
    for path, item in plan.items():
        if re.search(r"\.pyc$|\.git/index$|/objects/|^\.cache/|\.local/share/uv/", path):
            found[path if "/uv/" not in path and not path.startswith(".cache") else ".cache"] = item.kind
        elif item.kind == "file":
            # uv notes when it installed an editable project, and RECORD holds that note's hash
            content = re.sub(rb'"timestamp":\{[^}]*\}|uv_cache\.json,[^\n]*', b"", Path(item.source).read_bytes())
            found[path] = (item.mode, content)
        else:
            found[path] = (item.kind, item.mode if item.kind == "folder" else item.target)
    return found


def stale_bytecode(top: Path) -> list[str]:
    """Name byte code whose source has another time or size than it says (PEP 552)."""
    stale = []
    for path in top.rglob("__pycache__/*.pyc"):
        source = path.parent.parent / f"{path.name.split('.')[0]}.py"
        flags, mtime, size = struct.unpack("<3I", path.read_bytes()[4:16])
        told = source.stat() if source.is_file() else None
        if flags == 0 and told and (mtime, size) != (int(told.st_mtime) & 0xFFFFFFFF, told.st_size & 0xFFFFFFFF):
            stale.append(str(path.relative_to(top)))
    return stale


@pytest.mark.parametrize("exercise", COMPARED, ids=pytest_ids)
def test_a_kept_start_is_what_the_commands_make(exercise: Exercise, labs: Path, tmp_path: Path) -> None:
    """Same files, modes and contents in the workspace and in what stands in the system Python; and a second reset gives them again."""
    live = folder.begin(exercise)
    if live.sandbox.tier not in ISOLATING:
        pytest.skip("this tier can't show another folder under the workspace's path")
    place = Place(tmp_path / "project", tmp_path / "home", tmp_path / "system", published=tmp_path / "published")
    for made in (place.project, place.home, place.system, tmp_path / "published"):
        made.mkdir()
    make_system(place.system, pythons_of(live))
    make_really(live, place)
    wanted = facts(plan_of(place.project))
    packages = "lib"
    for _ in range(2):
        there = facts(plan_of(live.project))
        assert sorted(there) == sorted(wanted)
        assert [path for path in wanted if there[path] != wanted[path]] == []
        assert (
            facts(plan_of(live.place.system / packages)).keys() - facts(plan_of(place.system / packages)).keys()
            == set()
        )
        assert set(stale_bytecode(live.project)) == set(stale_bytecode(place.project))
        (live.project / "mine.txt").write_text("something new")
        live = folder.reset(exercise)
    folder.remove_tree(tmp_path)


def test_git_finds_nothing_changed(labs: Path) -> None:
    """A copied repository's index knows the copies: also commands that don't look for themselves call it clean."""
    exercise = next(one for one in EXERCISES if one.number == 6)
    live = folder.begin(exercise)
    for _ in range(2):
        asked = live.sandbox.run(
            [
                "bash",
                "-c",
                "git diff-files --name-only; git diff-index HEAD; git status --porcelain; git fsck --strict",
            ],
            live.place,
            cwd="website",
        )
        assert (asked.exit_status, asked.output.replace("notice: HEAD points to an unborn branch", "")) == (0, "")
        live = folder.reset(exercise)


def test_a_changed_exercise_has_another_start(labs: Path, tmp_path: Path) -> None:
    """Its files and its commands are part of what a kept start is known by."""
    exercise = next(one for one in EXERCISES if one.number == 1)
    live = folder.begin(exercise)
    first = kept_start(live)
    assert first is not None
    edition = tmp_path / exercise.folder.name
    shutil.copytree(exercise.folder, edition)
    (edition / "begin.sh").write_text("echo new > new.txt\n")
    changed = Exercise(exercise.id, exercise.title, exercise.minutes, edition, exercise.tasks)
    second = kept_start(LiveWorkspace(exercise.id, changed, live.tier))
    assert second is not None
    assert second.key != first.key
    assert "new.txt" in second.project


def test_a_start_kept_beside_its_workspace(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the basic tier environments hold the workspace's own path: the commands run there, and what they made comes back."""
    exercise = next(one for one in EXERCISES if one.number == 12)
    live = LiveWorkspace(exercise.id, exercise, "basic")
    monkeypatch.setattr("autograder.folder.making.sandbox", lambda: live.sandbox)
    live = folder.begin(exercise)
    assert kept_start(live) is None
    wanted = facts(plan_of(live.project))
    for _ in range(2):
        live = folder.reset(exercise)
        assert facts(plan_of(live.project)) == wanted
        assert kept_start(live) is not None
    done = live.sandbox.run(["chime/.venv/bin/python", "-c", "import sys; print(sys.prefix)"], live.place)
    assert done.output == f"{live.project}/chime/.venv\n"


def test_starts_may_be_made_beforehand(labs: Path) -> None:
    """Who installs the course has all of them made, and no workspace with it."""
    said: list[str] = []
    folder.prepare_starts(said.append)
    if folder.sandbox().tier in ISOLATING:
        assert len(said) == len(EXERCISES)
        assert kept_start(LiveWorkspace(EXERCISES[0].id, EXERCISES[0], folder.sandbox().tier)) is not None
    assert not (labs / EXERCISES[0].id).exists()
