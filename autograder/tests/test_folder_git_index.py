"""Tests of `autograder.folder.git_index`: written in git's own format, and only that."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autograder.folder.git_index import refresh


def git(repository: Path, *words: str) -> str:
    """Ask git, which shall know nobody's settings."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(repository), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=Nour", "-c", "user.email=nour@shop.example", *words]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A repository whose files were all copied: other inodes, other times of change."""
    original = tmp_path / "original"
    (original / "deep" / "er").mkdir(parents=True)
    for name in ("a", "deep/bb", "deep/er/a name with spaces é", "run.sh"):
        (original / name).write_text(f"{name}\n")
    (original / "run.sh").chmod(0o755)
    (original / "link").symlink_to("a")
    git(original, "init", "-q")
    git(original, "add", ".")
    git(original, "commit", "-qm", "Begin")
    git(original, "add", "--intent-to-add", "--", "a")
    (original / "later").write_text("later\n")
    git(original, "add", "--intent-to-add", "later")  # needs version 3
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", original, copy], check=True)
    return copy


def test_git_believes_it(copied: Path) -> None:
    """Before, plumbing commands call every file changed; afterwards none but what is."""
    assert "deep/bb" in git(copied, "diff-files", "--name-only")
    assert refresh(copied / ".git" / "index")
    assert git(copied, "diff-files", "--name-only").split() == ["later"]
    assert git(copied, "fsck", "--strict", "--no-dangling") == ""
    (copied / "a").write_text("changed\n")
    assert git(copied, "diff-files", "--name-only").split() == ["a", "later"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: b"DIRC" + data[5:],
        lambda data: data[:40] + b"x" + data[41:],
    ],
    ids=["cut", "empty", "shifted", "flipped"],
)
def test_another_kind_of_file_is_left_alone(copied: Path, spoil: object) -> None:
    """What isn't an index that is whole is not written to."""
    index = copied / ".git" / "index"
    index.write_bytes(spoil(index.read_bytes()))  # type: ignore[operator]
    before = index.read_bytes()
    assert not refresh(index)
    assert index.read_bytes() == before


def test_no_link_is_followed(copied: Path) -> None:
    """An index that is a link is nobody's index."""
    index = copied / ".git" / "index"
    index.rename(copied / "elsewhere")
    index.symlink_to(copied / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        refresh(index)
