"""Folders of the cache: made once a machine by one process at a time, whole or not at all, sealed, and forgotten when unused.

A seal stands in each, `.seal`, written last: what was made there, file by file.
It is compared by names and kinds when a process first uses the folder, and by content for `course doctor`.
What doesn't fit its seal is never used: it is moved away and made anew.
Against someone who may write to the cache and writes a new seal as well it is no help; it is there for accidents, of which
a basic tier, a full disk, a killed process and a cleaner of caches make many.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["UNUSED_DAYS", "amiss", "forget_unused", "locked", "made_once", "note_use"]

UNUSED_DAYS = 30
_SEAL = ".seal"
_HEAD, _END = "wheelhouse seal 2", "end"
_PATHS = ("utf-8", "surrogateescape")

_looked_at: dict[tuple[str, tuple[int, ...]], tuple[tuple[int, ...], ...]] = {}
"""What this process found whole: folder and its seal's identity -> the identities of its vital files."""


def made_once(
    folder: Path,
    make: Callable[[Path], None],
    *,
    vital: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda _: None,
    announcement: str = "",
) -> Path:
    """Give a folder of the cache, whose name is a key of all that it is made from; have it made first if it isn't there, or isn't whole.

    `make` fills a folder that doesn't exist yet and is moved to its place when done: it may be killed at any time.
    The files named by `vital` are looked at each time, all others the first time in a process.

    Raises:
        OSError, shutil.Error: it can't be written.
    """
    if _whole(folder, vital):
        note_use(folder)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / "lock"):
        if _whole(folder, vital):
            return folder
        if announcement:
            say(announcement)
        _sweep(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-", ignore_cleanup_errors=True) as making:
            fresh = Path(making, "made")
            make(fresh)
            _seal(fresh)
            if os.path.lexists(folder):  # half of one, or one that somebody changed
                folder.rename(Path(making, "old"))
            fresh.rename(folder)
        forget_unused(folder)
    return folder


def _identity(path: str) -> tuple[int, ...]:
    found = os.lstat(path)
    return (found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _whole(folder: Path, vital: tuple[str, ...]) -> bool:
    """Say whether a folder is what was made; after the first time in a process by its vital files alone."""
    try:
        key = (str(folder), _identity(f"{folder}/{_SEAL}"))
        now = tuple(_identity(f"{folder}/{name}") for name in vital)
        known = _looked_at.get(key)
        if known is None:
            if _names(folder) != _read_seal(folder)[0]:
                return False
            _looked_at[key] = now
            return True
        return known == now or (_looked_at.pop(key), _whole(folder, vital))[1]
    except (OSError, ValueError):
        return False


def amiss(folder: Path) -> str:
    """Compare a folder's whole content with its seal; empty if it fits, else a clause that names the first that doesn't."""
    try:
        _, lines = _read_seal(folder)
        found = _contents(folder)
    except (OSError, ValueError):
        return "it has no seal, so it was never finished"
    there, wanted = ({line.rpartition("\t")[2]: line for line in those} for those in (found, lines))
    for name in sorted(there.keys() | wanted.keys()):
        if name not in there:
            return f"{name} is gone"
        if name not in wanted:
            return f"{name} was added"
        if there[name] != wanted[name]:
            return f"{name} was changed"
    return ""


def _read_seal(folder: Path) -> tuple[str, list[str]]:
    head, quick, *lines = (folder / _SEAL).read_text(*_PATHS).split("\n")
    if head != _HEAD or lines[-2:] != [_END, ""]:
        raise ValueError("no whole seal")
    return quick, lines[:-2]


def _seal(folder: Path) -> None:
    text = "\n".join([_HEAD, _names(folder), *_contents(folder), _END, ""])
    with (folder / _SEAL).open("x", encoding="utf-8", errors=_PATHS[1]) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _names(folder: Path) -> str:
    """Hash the names and kinds of all that lies in a folder: some thousand in some milliseconds, since none is looked at.

    Byte code that Python may have added (`python -O` writes some beside ours) is passed over, here and by `_contents`.
    """
    top, found, waiting = str(folder), [], [""]
    while waiting:
        inside = waiting.pop()
        cached = inside.endswith("/__pycache__")
        with os.scandir(f"{top}/{inside}") as entries:
            for entry in entries:
                name = entry.name
                if cached and (".opt-" in name or not name.endswith(".pyc")):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{inside}/{name}" if inside else name)
                    name += "/"
                found.append(f"{inside}/{name}")
    found.sort()
    return hashlib.sha256("\n".join(name for name in found if name != f"/{_SEAL}").encode(*_PATHS)).hexdigest()


def _contents(folder: Path) -> list[str]:
    """Give a line for each file and link: what is in it, whether it may be executed, its name."""
    lines = []
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name == _SEAL or (path.parent.name == "__pycache__" and (".opt-" in name or path.suffix != ".pyc")):
            continue
        told = path.lstat()
        if stat.S_ISREG(told.st_mode):
            with path.open("rb") as file:
                mark = hashlib.file_digest(file, "sha256").hexdigest()
        elif stat.S_ISLNK(told.st_mode):
            mark = f"-> {path.readlink()}"
        else:
            mark = "a folder" if stat.S_ISDIR(told.st_mode) else "neither file nor folder"
        lines.append(f"{mark}\t{told.st_mode & 0o100 if stat.S_ISREG(told.st_mode) else 0}\t{name}")
    return sorted(lines)


def note_use(folder: Path) -> None:
    """Note in the time of a folder of the cache that it was used, at most once a day."""
    with contextlib.suppress(OSError):
        if folder.stat().st_mtime < time.time() - 86_400:
            os.utime(folder)


def forget_unused(folder: Path) -> None:
    """Remove what stands beside a folder of the cache and wasn't used for 30 days: it is of an older edition of the course."""
    oldest = time.time() - UNUSED_DAYS * 86_400
    for other in folder.parent.iterdir():
        with contextlib.suppress(OSError):
            if other != folder and other.is_dir() and other.lstat().st_mtime < oldest:
                shutil.rmtree(other, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what a killed process left half made; the lock is ours, so nobody is at it."""
    for left in parent.glob(".making-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process, and one thread of it, work at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
