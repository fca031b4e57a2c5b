"""Tests of `autograder.folder.moving`: nothing is overwritten, nothing is followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.folder.moving import move_aside, move_contents, real_folder, remove_tree


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with a name in common."""
    for name in ("one", "other"):
        (tmp_path / name / "common").mkdir(parents=True)
        (tmp_path / name / "common" / "from").write_text(name)
    return tmp_path / "one", tmp_path / "other"


def test_what_has_a_name_already_gets_a_number(two: tuple[Path, Path]) -> None:
    """Of two with one name both are kept."""
    move_contents(*two)
    assert list(two[0].iterdir()) == []
    assert (two[1] / "common" / "from").read_text() == "other"
    assert (two[1] / "common 2" / "from").read_text() == "one"


def test_a_folder_of_thousands_is_moved_as_a_whole(two: tuple[Path, Path]) -> None:
    """And an empty one stands in its place."""
    for number in range(2100):
        (two[0] / str(number)).touch()
    move_contents(*two)
    assert list(two[0].iterdir()) == []
    assert (two[1] / "one" / "2099").exists()


def test_a_link_to_a_folder_is_not_moved_out_of(two: tuple[Path, Path], tmp_path: Path) -> None:
    """What it leads to isn't the learner's workspace."""
    (tmp_path / "link").symlink_to(two[0])
    move_contents(tmp_path / "link", two[1])
    assert (two[0] / "common").is_dir()


@pytest.mark.parametrize("kind", ["nothing", "link", "file", "folder", "unwritable"])
def test_a_real_folder(tmp_path: Path, kind: str) -> None:
    """Whatever stood there; a folder that was one stays the same."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    outside.mkdir()
    inode = 0
    if kind == "link":
        folder.symlink_to(outside)
    elif kind == "file":
        folder.touch()
    elif kind != "nothing":
        folder.mkdir(mode=0o000 if kind == "unwritable" else 0o755)
        inode = folder.stat().st_ino
    real_folder(folder, tmp_path)
    assert folder.is_dir()
    assert not folder.is_symlink()
    assert folder.stat().st_mode & 0o700 == 0o700
    assert inode in (0, folder.stat().st_ino)
    assert outside.is_dir()


def test_what_is_moved_aside_never_replaces(tmp_path: Path) -> None:
    """The second gets another number."""
    for number in (1, 2):
        (tmp_path / "work").write_text(str(number))
        move_aside(tmp_path / "work")
        assert (tmp_path / f"work.before-{number}").read_text() == str(number)
    move_aside(tmp_path / "work")


def test_what_is_gone_may_be_removed_again(two: tuple[Path, Path]) -> None:
    """Whatever was in it; its neighbour stays."""
    remove_tree(two[1])
    remove_tree(two[1])
    assert list(two[0].parent.iterdir()) == [two[0]]
