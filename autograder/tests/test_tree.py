"""Tests of `autograder.tree`."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from autograder.tree import Entry, FolderTree, Outside, resolve, walk


@pytest.fixture
def tree(tmp_path: Path) -> FolderTree:
    """A folder with every kind of entry."""
    folder = tmp_path / "project"
    (folder / "src/shop").mkdir(parents=True)
    (folder / "src/shop/till.py").write_text("price = 3\n")
    (folder / "run.sh").write_text("true\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "by-name").symlink_to("src/shop")
    (folder / "by-path").symlink_to("/home/learner/project/src")
    (folder / "away").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("../../etc")
    (folder / "round").symlink_to("round")
    os.mkfifo(folder / "pipe")
    return FolderTree(folder, PurePosixPath("/home/learner/project"))


def test_entry_tells_the_kinds_apart(tree: FolderTree) -> None:
    """Files, folders, links and whatever else there is are named for what they are."""
    assert tree.entry("run.sh") == Entry("file", executable=True, size=5)
    assert tree.entry("src") == Entry("folder")
    assert tree.entry("away") == Entry("link", target="/etc/passwd")
    assert tree.entry("pipe") == Entry("other")
    assert tree.entry("nothing") is None
    assert tree.entry("") == Entry("folder")


@pytest.mark.parametrize(
    "path",
    ["by-name/till.py", "up/passwd", "../project/run.sh", "/etc/passwd", "away", "pipe", "src"],
)
def test_nothing_is_read_through_a_link(tree: FolderTree, path: str) -> None:
    """A link, whatever it points to, a pipe and a folder have no content."""
    with pytest.raises(FileNotFoundError):
        tree.read(path)
    with pytest.raises(FileNotFoundError):
        tree.sha256(path)


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("run.sh", "run.sh"),
        ("by-name/till.py", "src/shop/till.py"),
        ("by-path/shop/till.py", "src/shop/till.py"),
        ("src/../run.sh", "run.sh"),
        ("not/there", "not/there"),
        ("away", Outside("away", "/etc/passwd")),
        ("up/passwd", Outside("up/passwd", "/home/learner")),
        ("round", Outside("round", "round")),
    ],
)
def test_resolve_follows_links_within_the_workspace_only(tree: FolderTree, path: str, end: str | Outside) -> None:
    """Absolute links count as the learner's commands see them, and whatever leaves is named."""
    assert resolve(tree, path) == end


def test_resolve_can_leave_the_last_link_alone(tree: FolderTree) -> None:
    """Like `lstat`."""
    assert resolve(tree, "away", last=False) == "away"


def test_walk_goes_through_all_and_follows_nothing(tree: FolderTree) -> None:
    """Parents come before what is in them, and a link is one entry."""
    assert [path for path, _ in walk(tree)] == [
        "away", "by-name", "by-path", "pipe", "round", "run.sh", "src", "src/shop", "src/shop/till.py", "up",
    ]  # fmt: skip


def test_hash_is_taken_again_when_a_file_changes(tree: FolderTree) -> None:
    """A remembered hash is of what is there now."""
    before = tree.sha256("run.sh")
    (tree.folder / "run.sh").write_text("false\n")

    assert tree.sha256("run.sh") != before


def test_read_stops_at_its_limit(tree: FolderTree) -> None:
    """A huge file costs no more than what was asked for."""
    assert tree.read("run.sh", limit=3) == b"tru"
