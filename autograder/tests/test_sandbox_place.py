"""What a sandbox may be asked for."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from autograder.exceptions import SandboxError
from autograder.sandbox import Place
from autograder.sandbox.place import relative_folder


def place_at(root: str) -> Place:
    """Make a place whose project is to stand there."""
    return Place(Path("/p"), Path("/h"), Path("/s"), root=PurePosixPath(root))


@pytest.mark.parametrize(
    "root",
    [
        "/home/learner/project",
        "/home/ada/course/labs/06-virtual-environments",
        "/Users/ada/labs/06",
        "/tmp/labs/06",
        "/libraries/06",
        "/work/main",
    ],
)
def test_a_root_where_a_learner_may_have_worked_is_taken(root: str) -> None:
    """A snapshot made on another machine names a folder of that machine."""
    assert str(place_at(root).root) == root


@pytest.mark.parametrize(
    "root",
    [
        "/",
        "//x/y",
        "/usr",
        "/usr/local/bin",
        "/etc/ssl",
        "/lib/x",
        "/lib64/x",
        "/libexec",
        "/proc/1",
        "/dev/shm",
        "/run/wheelhouse",
        "/bin/x",
        "/home",
        "/home/learner",
        "/project",
        "relative/folder",
        "/home/learner/../../etc",
        "/home/learner/a\nb",
        "/a/" + "b" * 1000,
    ],
)
def test_a_root_that_would_cover_the_system_is_refused(root: str) -> None:
    """A snapshot is hostile input: its root must not put the workspace over `/usr` or over HOME."""
    with pytest.raises(SandboxError, match="can't stand at"):
        place_at(root)


@pytest.mark.parametrize("cwd", ["/etc", "..", "a/../../b", "a\0b"])
def test_a_folder_outside_the_workspace_is_refused(cwd: str) -> None:
    """A check starts its command in a folder of the workspace only."""
    with pytest.raises(SandboxError, match="not a folder of the workspace"):
        relative_folder(cwd)


@pytest.mark.parametrize("cwd", ["", "src", "src/shop..py"])
def test_a_folder_of_the_workspace_is_taken(cwd: str) -> None:
    """Names may hold dots."""
    assert relative_folder(cwd) == cwd
