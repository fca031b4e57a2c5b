"""How much is added to folders while something runs: asked of the file system, which knows at once, then seen by looking.

A file system counts what all its users add, so what it says is only a reason to look. Looking means to add up all that was made or
written to since: the time of an inode's last change is set by the kernel alone. What can't be looked at is taken for what was added.

Sources: statvfs(3), inode(7).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Added", "Growth", "Scratch"]

_CLOCK_STEP = 0.02
"""Seconds by which the time that the kernel writes into an inode may lag behind the clock."""
_REST = 20
"""How many times as long as a look took to wait for the next."""
_LONGEST = 1.0
"""Seconds after which a look is given up: what was not seen by then is hidden."""
_SELDOM = 1.0
"""Seconds between two looks where the file system doesn't count its files, as btrfs doesn't."""
_BLOCK = 512


@dataclass
class Added:
    """What was added."""

    size: int = 0
    files: int = 0
    hidden: bool = False
    """Whether something could not be looked at."""


@dataclass
class _Volume:
    """One file system, with those of the folders that are on it."""

    folders: list[Path] = field(default_factory=list)
    size: int = 0
    files: int = 0


class Growth:
    """What is added to some folders from now on."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Begin to count; folders that don't exist are left out.

        Raises:
            OSError: the file system of one doesn't answer.
        """
        self._volumes: dict[int, _Volume] = {}
        wanted = sorted({folder for folder in folders if folder.is_dir()})
        for folder in wanted:
            if not any(other in folder.parents for other in wanted):
                self._volumes.setdefault(folder.stat().st_dev, _Volume()).folders.append(folder)
        self._since = 0.0
        self._not_before = 0.0
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._since = time.time() - _CLOCK_STEP
        for volume in self._volumes.values():
            volume.size, volume.files, _ = _used(volume.folders[0])

    def beyond(self, size: int, files: int, held: Sequence[str] = ()) -> Added | None:
        """Say what was added if it is more than `size` bytes or more than so many files; None if it isn't.

        `held` are folders of the processes' open files, in which deleted ones are looked for.

        Raises:
            OSError: the file system doesn't answer.
        """
        for volume in self._volumes.values():
            now_size, now_files, counted = _used(volume.folders[0])
            more_size, more_files = now_size - volume.size, now_files - volume.files
            if (more_size <= size and more_files <= files and counted) or time.monotonic() < self._not_before:
                continue
            begun = time.monotonic()
            added = Added()
            until = begun + _LONGEST
            for folder in volume.folders:
                _add(folder, self._since, added, (size, files), until)
            if added.size <= size and added.files <= files:
                _add_deleted(held, {folder.stat().st_dev for folder in volume.folders if folder.exists()}, added)
            ended = time.monotonic()
            self._not_before = ended + max(_REST * (ended - begun), 0.0 if counted else _SELDOM)
            if added.hidden:
                added.size, added.files = max(added.size, more_size), max(added.files, more_files)
            if added.size > size or added.files > files:
                return added
        return None


def _used(folder: Path) -> tuple[int, int, bool]:
    """Give what is used on a folder's file system, in bytes and in files, and whether it counts files at all."""
    try:
        state = os.statvfs(folder)
    except FileNotFoundError:  # `rm -rf ~`, where nothing stands on it; the folder around it is ours
        state = os.statvfs(folder.parent)
    return (state.f_blocks - state.f_bfree) * state.f_frsize, state.f_files - state.f_ffree, state.f_files > 0


def _add(top: Path, since: float, added: Added, enough: tuple[int, int], until: float) -> None:
    """Add what is new in a folder, following no link, until it is more than is asked for."""
    waiting = [str(top)]
    while waiting and added.size <= enough[0] and added.files <= enough[1]:
        if time.monotonic() > until:
            added.hidden = True
            return
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        seen = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if seen.st_ctime >= since:
                        added.files += 1
                        added.size += seen.st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # shut, or deeper than a path can say
            added.hidden = True


def _add_deleted(held: Sequence[str], devices: set[int], added: Added) -> None:
    """Add files that were deleted and are still open: they have no place where they could be found."""
    seen: set[int] = set()
    for folder in held:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            try:
                state = os.stat(f"{folder}/{name}")  # noqa: PTH116  many
            except OSError:
                continue
            if state.st_nlink == 0 and state.st_dev in devices and state.st_ino not in seen:
                seen.add(state.st_ino)
                added.files += 1
                added.size += state.st_blocks * _BLOCK


class Scratch:
    """A file system in memory with a size of its own, which can be asked as long as this is open, also when nobody sees it any more."""

    def __init__(self, folder: str, name: str) -> None:
        """Hold it open; `name` is what those who write to it call it.

        Raises:
            OSError: it isn't there.
        """
        self.name = name
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        state = os.fstatvfs(self._descriptor)
        self.size = state.f_blocks * state.f_frsize
        """In bytes."""

    def files(self) -> int:
        """Count the files and folders in it."""
        state = os.fstatvfs(self._descriptor)
        return state.f_files - state.f_ffree

    def full(self) -> bool:
        """Say whether nothing more can be written to it."""
        state = os.fstatvfs(self._descriptor)
        return bool(state.f_blocks and not state.f_bavail) or bool(state.f_files and not state.f_ffree)

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)
