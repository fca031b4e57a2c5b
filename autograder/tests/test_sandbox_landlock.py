"""Landlock by raw system calls: each ruleset is tried by a process that restricts itself with it."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.exceptions import SandboxError
from autograder.sandbox import landlock
from autograder.sandbox.landlock import (
    DEVICE,
    READ,
    WRITE,
    Ruleset,
    closed_by_filter,
    landlock_abi,
    lost_at,
    public_parts,
)

needs_landlock = pytest.mark.skipif(not landlock_abi(), reason="this kernel has no Landlock")


PROGRAM = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.syscall(446, int(sys.argv[1]), 0) == 0
try:
    exec(sys.argv[2])
except OSError as error:
    sys.exit(error.errno)
"""


def restricted(ruleset: Ruleset, folder: Path, attempt: str) -> int:
    """Let a process in a folder give up all but the ruleset and try something; give the error's number, 0 if it could."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(ruleset.descriptor), attempt],
        cwd=folder,
        pass_fds=[ruleset.descriptor],
        capture_output=True,
        check=False,
    )
    assert done.returncode != 1, done.stderr
    return done.returncode


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """A folder to read, one to write, and one that is nobody's business."""
    for name in ("read", "write", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return tmp_path


@pytest.fixture
def ruleset(ground: Path) -> Iterator[Ruleset]:
    """What a command may keep of it."""
    with Ruleset() as made:
        assert made.allow(ground / "read", READ)
        assert made.allow(ground / "write", READ | WRITE, follow=False)
        yield made


@needs_landlock
@pytest.mark.parametrize(
    ("attempt", "answer"),
    [
        ("open('read/file').read()", 0),
        ("os.listdir('read')", 0),
        ("open('read/file', 'w')", errno.EACCES),
        ("os.mkdir('read/new')", errno.EACCES),
        ("os.unlink('read/file')", errno.EACCES),
        ("open('write/new', 'w').write('x')", 0),
        ("os.rename('write/file', 'write/other')", 0),
        ("os.symlink('/etc/shadow', 'write/link')", 0),
        ("os.mkfifo('write/pipe')", 0),
        ("os.mknod('write/device', 0o60600, 0)", errno.EACCES),
        ("open('secret/file')", errno.EACCES),
        ("os.listdir('secret')", errno.EACCES),
        ("os.rename('write/file', 'secret/gone')", errno.EACCES),
        ("open('secret/none')", errno.ENOENT),
    ],
)
def test_what_is_allowed_is_kept_and_the_rest_given_up(
    ground: Path, ruleset: Ruleset, attempt: str, answer: int
) -> None:
    """Reading, writing, making, removing and moving, each where it was allowed; what isn't there is still said not to be."""
    assert restricted(ruleset, ground, attempt) == answer


@needs_landlock
def test_a_link_put_in_the_place_of_a_folder_allows_nothing(ground: Path) -> None:
    """Where learners can put links, a path is allowed as what it is, not as what it leads to."""
    (ground / "trap").symlink_to(ground / "secret")
    with Ruleset() as ruleset:
        assert not ruleset.allow(ground / "trap", READ, follow=False)
        assert not ruleset.allow(ground / "missing", READ)
        assert restricted(ruleset, ground, "open('secret/file')") == errno.EACCES


@needs_landlock
def test_a_file_alone_can_be_allowed(ground: Path) -> None:
    """As the course's own uv is, of a folder with much else in it; rights that only folders know are left away."""
    with Ruleset() as ruleset:
        assert ruleset.allow(ground / "secret" / "file", READ | WRITE)
        assert ruleset.allow("/dev/null", DEVICE)
        assert restricted(ruleset, ground, "open('secret/file', 'w')") == 0
        assert restricted(ruleset, ground, "open('/dev/null', 'w')") == 0
        assert restricted(ruleset, ground, "os.listdir('secret')") == errno.EACCES


@needs_landlock
@pytest.mark.parametrize("abi", range(1, 8))
def test_an_older_kernel_gets_what_it_knows(ground: Path, abi: int) -> None:
    """A ruleset held to an older ABI is accepted as such; files are closed at each."""
    with Ruleset(abi) as ruleset:
        assert ruleset.abi == min(abi, landlock_abi())
        ruleset.allow(ground / "write", READ | WRITE)
        ruleset.allow_connecting(1)
        assert restricted(ruleset, ground, "open('write/new', 'w')") == 0
        assert restricted(ruleset, ground, "open('secret/file')") == errno.EACCES


def test_what_a_kernel_lacks_is_said() -> None:
    """By the ABI: sockets before 4, signals before 6; what the filter can refuse instead is left to it."""
    assert lost_at(6) == lost_at(9) == []
    assert ["Jupyter" in sentence for sentence in lost_at(4)] == [True]
    assert any("internet" in sentence for sentence in lost_at(3))
    assert len(lost_at(1)) == 3
    assert closed_by_filter(2) == ("truncate", "kill everything")
    assert closed_by_filter(5) == ("kill everything",)
    assert closed_by_filter(6) == ()


def test_without_landlock_there_is_no_ruleset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says why; nothing is made that would let everything through."""
    monkeypatch.setattr(landlock, "landlock_abi", lambda: 0)
    with pytest.raises(SandboxError, match="Landlock"):
        Ruleset()


@needs_landlock
def test_a_rule_that_the_kernel_refuses_ends_the_making(ground: Path) -> None:
    """An error of the kernel's is never taken for success."""
    with Ruleset() as ruleset, (ground / "read" / "file").open() as file:
        whole, ruleset.descriptor = ruleset.descriptor, file.fileno()
        with pytest.raises(SandboxError, match="refuses a rule"):
            ruleset.allow(ground, READ)
        ruleset.descriptor = whole


def test_only_what_everybody_may_read_is_public(tmp_path: Path) -> None:
    """A folder stands for all below it, unless something below is private: then its other parts stand for themselves."""
    for path, mode in {"a/b/open": 0o644, "a/c/open": 0o644, "a/c/shut": 0o640, "d/open": 0o644}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
        file.chmod(mode)
    (tmp_path / "e").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("/etc/shadow")
    for folder in (tmp_path, tmp_path / "a", tmp_path / "a/b", tmp_path / "a/c", tmp_path / "d"):
        folder.chmod(0o755)
    assert public_parts(tmp_path) == [tmp_path / "a/b", tmp_path / "a/c/open", tmp_path / "d"]
    assert public_parts(tmp_path / "d") == [tmp_path / "d"]
    assert Path("/etc/shadow") not in public_parts(Path("/etc"))
