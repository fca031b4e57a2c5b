"""Tests of `autograder.scripts`; what real makers of environments write is read in test_environment.py."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from autograder.scripts import Script, read_scripts
from autograder.tree import FolderTree

ROOT = PurePosixPath("/home/learner/project")


def read(workspace: Path) -> list[Script]:
    """Read the scripts of the folder `real/bin`, which the learner calls `.venv/bin`."""
    return list(read_scripts(FolderTree(workspace), "real/bin", ".venv/bin", ROOT))


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A workspace with an empty folder for scripts; give that folder."""
    (tmp_path / "real" / "bin").mkdir(parents=True)
    return tmp_path / "real" / "bin"


@pytest.mark.parametrize(
    ("content", "interpreter"),
    [
        ("#!/w/.venv/bin/python\nimport sys\n", "/w/.venv/bin/python"),
        ("#! /usr/bin/env python3\n", "/usr/bin/env"),
        ("#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n", "/a b/python"),
        (
            "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python3' \"$0\" \"$@\"\n' '''\n",
            "/home/learner/project/real/bin/python3",
        ),
        ("#!/bin/sh\necho hello\n", "/bin/sh"),
        ("#!/bin/sh\n'''exec' \"unclosed\n", "/bin/sh"),
        ("#!/bin/sh\n'''exec'\n", "/bin/sh"),
        ("#!\n", ""),
    ],
)
def test_the_program_that_a_script_starts(scripts: Path, content: str, interpreter: str) -> None:
    """The first line names it, or the second one where an installer needs two; what can't be read names what can."""
    (scripts / "label").write_text(content)
    assert read(scripts.parents[1]) == [Script("label", ".venv/bin/label", interpreter, executable=False)]


def test_what_names_no_program_is_no_script(scripts: Path) -> None:
    """Programs, folders, pipes and links out of the workspace are passed over; the rest comes by name."""
    (scripts / "zebra").write_text("#!/bin/sh\n")
    (scripts / "apple").write_text("#!/bin/sh\n")
    (scripts / "apple").chmod(0o755)
    (scripts / "python").write_bytes(b"\x7fELF")
    (scripts / "folder").mkdir()
    (scripts / "out").symlink_to("/bin/sh")
    os.mkfifo(scripts / "pipe")
    assert [(one.name, one.executable) for one in read(scripts.parents[1])] == [("apple", True), ("zebra", False)]
