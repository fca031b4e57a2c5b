"""Tests of `autograder.sandbox.plan`: a folder made like a plan, by touching only what differs."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.sandbox.plan import (
    Item,
    Plan,
    discard,
    let_owner_in,
    plan_of,
    put_right,
    read_plan,
    remove,
    sweep,
    write_plan,
)

ROUNDS = float(os.environ.get("WHEELHOUSE_ROUNDS", "1"))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A folder to be like."""
    top = tmp_path / "template"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "large").write_bytes(os.urandom(200_000))
    (top / "a" / "run").write_text("#!/bin/sh\n")
    (top / "a" / "run").chmod(0o755)
    (top / "empty").touch()
    os.utime(top / "empty", ns=(1, 1_772_442_000_123_456_789))
    (top / "link").symlink_to("a/run")
    (top / "astray").symlink_to("/nowhere")
    (top / "quiet").mkdir(mode=0o700)
    return top


def same(folder: Path, template: Path) -> bool:
    """Compare all but inodes."""

    def facts(top: Path) -> dict[str, tuple[object, ...]]:
        return {
            path: (*item[:5], Path(item.source).read_bytes() if item.source else b"")
            for path, item in plan_of(top).items()
        }

    return facts(folder) == facts(template)


def inodes(folder: Path) -> dict[str, int]:
    """Tell files apart."""
    return {str(path): path.lstat().st_ino for path in folder.rglob("*") if not path.is_symlink()}


def test_what_is_untouched_stays_the_same_file(template: Path, tmp_path: Path) -> None:
    """A second time costs a look: no file is written; times, modes and links are the template's."""
    folder, plan = tmp_path / "folder", plan_of(template)
    folder.mkdir()
    marks = put_right(folder, plan, {}, tmp_path / "rubbish")
    assert same(folder, template)
    before = inodes(folder)
    assert put_right(folder, plan, marks, tmp_path / "rubbish") == marks
    assert inodes(folder) == before


CHANGES = (
    "rm -r a",
    "echo more >> a/run",
    "chmod 600 a/run",
    "rm empty; mkdir empty; touch empty/x",
    "rm link; ln -s a/b link",
    "mv a elsewhere; ln -s elsewhere a",
    "mkdir -p strange/deep/er; mkfifo strange/pipe",
    "ln a/run hard",
    "ln a/b/large ../outside-hard",
    "chmod 0 quiet a",
    "touch -d @1 empty",
    "cp a/run a/run2; mv a/run2 a/run",
    "truncate -s 0 a/b/large",
    "printf x | dd of=a/b/large bs=1 conv=notrunc status=none",
    "mv empty tmp; mv quiet empty; mv tmp quiet",
)


@settings(max_examples=int(25 * ROUNDS), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4))
def test_whatever_is_changed_is_put_right(template: Path, tmp_path: Path, changes: list[str]) -> None:
    """Any commands in any order; nothing outside is touched."""
    import subprocess

    folder, plan, rubbish = tmp_path / "folder", plan_of(template), tmp_path / "rubbish"
    remove(folder)
    folder.mkdir()
    marks = put_right(folder, plan, {}, rubbish)
    time.sleep(0.011)  # another tick of the clock: see the module's first lines
    for change in changes:
        subprocess.run(["sh", "-c", change], cwd=folder, capture_output=True, check=False)
    put_right(folder, plan, marks, rubbish)
    assert same(folder, template)
    (tmp_path / "outside-hard").unlink(missing_ok=True)


def test_a_link_in_a_folders_place_leads_nowhere(template: Path, tmp_path: Path) -> None:
    """What it leads to is neither read, emptied, written nor given another mode."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    outside.mkdir(mode=0o750)
    (outside / "run").write_text("mine")
    folder.mkdir()
    for name in ("a", "quiet"):
        (folder / name).symlink_to(outside)
    put_right(folder, plan_of(template), {}, tmp_path / "rubbish")
    assert same(folder, template)
    assert (outside / "run").read_text() == "mine"
    assert outside.stat().st_mode & 0o777 == 0o750


def test_a_crowd_is_moved_away_as_a_whole(template: Path, tmp_path: Path) -> None:
    """Thousands of files are not removed one by one."""
    folder, plan = tmp_path / "folder", plan_of(template)
    folder.mkdir()
    marks = put_right(folder, plan, {}, tmp_path / "rubbish")
    for top in (folder, folder / "a" / "b"):
        for number in range(2100):
            (top / f"n{number}").touch()
    put_right(folder, plan, marks, tmp_path / "rubbish")
    assert same(folder, template)
    sweep(tmp_path / "rubbish", 60)
    assert list((tmp_path / "rubbish").iterdir()) == []


def test_removing_is_bounded_in_time(tmp_path: Path) -> None:
    """What takes too long is gone from where it was at once, and the next sweep goes on."""
    many = tmp_path / "many"
    for number in range(30):
        (many / f"d{number}" / "e").mkdir(parents=True)
    discard(many, tmp_path / "rubbish", 0.0)
    assert not many.exists()
    sweep(tmp_path / "rubbish")
    assert list((tmp_path / "rubbish").iterdir()) == []


def test_a_plan_survives_being_written_down(template: Path, tmp_path: Path) -> None:
    """With its sources, also where the template was moved meanwhile."""
    plan: Plan = {**plan_of(template), "odd \udce9 name": Item("link", target="x")}
    write_plan(plan, tmp_path / "plan.json", template)
    assert read_plan(tmp_path / "plan.json", template) == plan
    moved = template.rename(tmp_path / "moved")
    assert read_plan(tmp_path / "plan.json", moved)["empty"].source == str(moved / "empty")


def test_byte_for_byte_content(tmp_path: Path) -> None:
    """What is to be written and not copied is written, and once put is known again."""
    plan: Plan = {"bin": Item("folder"), "bin/pip": Item("file", 0o755, content=b"#!/bin/sh\n")}
    marks = put_right(tmp_path, plan, {}, tmp_path / ".r")
    assert (tmp_path / "bin" / "pip").read_bytes() == b"#!/bin/sh\n"
    assert list(marks) == ["bin/pip"]


def test_a_folder_that_became_a_link_is_left_alone(tmp_path: Path) -> None:
    """Its owner is let into a folder, whatever its mode was; what a link leads to, a file and what is gone stay as they are."""
    shut, outside = tmp_path / "shut", tmp_path / "outside"
    shut.mkdir(mode=0o100)
    outside.mkdir(mode=0o555)
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "file").touch(mode=0o400)
    for name in ("shut", "link", "file", "gone"):
        let_owner_in(tmp_path / name)
    assert stat.S_IMODE(shut.stat().st_mode) == 0o700
    assert stat.S_IMODE(outside.stat().st_mode) == 0o555
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o400
