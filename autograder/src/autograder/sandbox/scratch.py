"""Folders that are needed for the moment: in memory where there is plenty, and gone with whoever made them, however that one ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from autograder.sandbox.plan import remove

__all__ = ["scratch_folder"]

PLENTY = 1_000_000_000
"""How many bytes must be free in memory; a few thousand small files cost a disk ten times as much."""
BEGINNING = 60.0
"""For how many seconds a folder is left alone that has no name yet: its maker may be about to lock it."""
LOCK = "lock"


def _place() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder in it
    with contextlib.suppress(OSError):
        state = os.statvfs(memory)
        if "TMPDIR" not in os.environ and os.access(memory, os.W_OK) and state.f_bavail * state.f_frsize > PLENTY:
            return memory
    return Path(tempfile.gettempdir())


def _sweep(place: Path, prefix: str) -> None:
    """Remove what is ours and nobody holds any more: the kernel lets a lock go when its holder ends, also by SIGKILL."""
    for left in (*place.glob(f"{prefix}*"), *place.glob(f".{prefix}*")):
        with contextlib.suppress(OSError):
            seen = left.lstat()
            if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid():
                continue
            if left.name.startswith(".") and time.time() - seen.st_mtime < BEGINNING:
                continue
            with contextlib.suppress(FileNotFoundError), (left / LOCK).open() as lock:  # it may be removed already
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(left)


@contextlib.contextmanager
def scratch_folder(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """Give a folder whose name begins with `prefix`, and remove it in the end; it holds one file of ours, `lock`.

    Those of the same prefix, and of the same user, that were left by processes which are dead are removed beforehand.
    It is made in `place`; by default in memory, or where temporary files go if that was chosen or memory is scarce.

    Raises:
        OSError: none can be made.
    """
    place = place or _place()
    _sweep(place, prefix)
    made = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=place))
    try:
        with (made / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = made.rename(made.with_name(made.name.removeprefix(".")))  # from here on: not locked is left
            yield made
    finally:
        remove(made)
