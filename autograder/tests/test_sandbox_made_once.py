"""Tests of `autograder.sandbox.made_once`: whole or not at all, and noticed when it isn't any more."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autograder.sandbox import made_once as module
from autograder.sandbox.made_once import amiss, made_once

ROUNDS = float(os.environ.get("WHEELHOUSE_ROUNDS", "1"))


def make(folder: Path) -> None:
    """Make a small seed."""
    (folder / "lib" / "__pycache__").mkdir(parents=True)
    for number in range(30):
        (folder / "lib" / f"m{number}.py").write_text(f"number = {number}\n")
        (folder / "lib" / "__pycache__" / f"m{number}.cpython-311.pyc").write_bytes(b"code")
    (folder / "python").write_text("#!/bin/sh\n")
    (folder / "python").chmod(0o755)
    (folder / "link").symlink_to("python")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder of the cache that was made."""
    return made_once(tmp_path / "cache" / "key", make, vital=("python",))


def new_process() -> None:
    """Forget what this process has looked at, as a new one."""
    module._looked_at.clear()


def rewritten(path: Path) -> None:
    """Change a file's content, and neither its size nor its time."""
    told = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def file_to_folder(path: Path) -> None:
    """Put a folder in a file's place."""
    path.unlink()
    path.mkdir()


def led_elsewhere(path: Path) -> None:
    """Let a link lead elsewhere."""
    path.unlink()
    path.symlink_to("/bin/sh")


SABOTAGE: dict[str, Callable[[Path], object]] = {
    "a file is gone": lambda folder: (folder / "lib" / "m3.py").unlink(),
    "a file was added": lambda folder: (folder / "lib" / "sitecustomize.py").touch(),
    "a folder is gone": lambda folder: shutil.rmtree(folder / "lib"),
    "a file became a folder": lambda folder: file_to_folder(folder / "lib" / "m3.py"),
    "the seal is gone": lambda folder: (folder / ".seal").unlink(),
    "the seal is cut": lambda folder: (folder / ".seal").write_bytes((folder / ".seal").read_bytes()[:100]),
    "a vital file is gone": lambda folder: (folder / "python").unlink(),
}
UNSEEN: dict[str, Callable[[Path], object]] = {
    "a module was rewritten": lambda folder: rewritten(folder / "lib" / "m3.py"),
    "a module may be executed": lambda folder: (folder / "lib" / "m3.py").chmod(0o755),
    "a link leads elsewhere": lambda folder: led_elsewhere(folder / "link"),
}


@pytest.mark.parametrize("sabotage", SABOTAGE)
def test_what_is_not_whole_is_made_anew(kept: Path, sabotage: str) -> None:
    """The next process that wants it notices, and nothing of what was there is used."""
    new_process()
    SABOTAGE[sabotage](kept)
    assert amiss(kept)

    assert made_once(kept, make, vital=("python",)) == kept

    assert amiss(kept) == ""
    assert not (kept / "lib" / "sitecustomize.py").exists()
    assert [path.name for path in kept.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("sabotage", UNSEEN)
def test_a_full_look_finds_what_a_quick_one_does_not(kept: Path, sabotage: str) -> None:
    """`course doctor` compares contents, and says which file it is."""
    UNSEEN[sabotage](kept)
    assert amiss(kept).endswith("was changed")


def test_a_vital_file_is_looked_at_each_time(kept: Path) -> None:
    """Also in a process that found the folder whole before."""
    rewritten(kept / "python")
    (kept / "lib" / "m3.py").unlink()
    made_once(kept, make, vital=("python",))
    assert (kept / "lib" / "m3.py").is_file()


def test_byte_code_beside_ours_is_no_sabotage(kept: Path) -> None:
    """`python -O` writes some where it may, and files of another process come and go there."""
    new_process()
    for name in ("m1.cpython-311.opt-1.pyc", "m1.cpython-311.pyc.140120"):
        (kept / "lib" / "__pycache__" / name).touch()
    inode = kept.stat().st_ino
    assert made_once(kept, make, vital=("python",)).stat().st_ino == inode
    assert amiss(kept) == ""


def test_many_at_once_make_it_once(tmp_path: Path) -> None:
    """Whoever waits for the lock finds what the first one made."""
    made: list[Path] = []

    def slowly(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.2)
        make(folder)

    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: made_once(tmp_path / "key", slowly), range(8)))
    assert folders == {tmp_path / "key"}
    assert len(made) == 1


def test_a_killed_maker_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """Wherever it was killed: the next one finds it whole or makes it so, and who makes one sweeps up."""
    chance = random.Random(3)
    folder = tmp_path / "cache" / "key"
    for _ in range(int(15 * ROUNDS)):
        child = os.fork()
        if child == 0:
            made_once(folder, make, vital=("python",))
            os._exit(0)
        time.sleep(chance.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        new_process()
        assert amiss(made_once(folder, make, vital=("python",))) == ""
        shutil.rmtree(folder)
    made_once(folder, make)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["key", "lock"]


def test_a_maker_that_fails_changes_nothing(kept: Path) -> None:
    """What was there stays there until something better is whole."""
    new_process()
    (kept / "lib" / "m3.py").unlink()

    def fail(folder: Path) -> None:
        folder.mkdir()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="space"):
        made_once(kept, fail)
    assert (kept / "python").is_file()
    assert sorted(path.name for path in kept.parent.iterdir()) == ["key", "lock"]
