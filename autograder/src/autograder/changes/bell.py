"""Wait for what is written into one folder without looking again and again: a bell that rings.

Linux rings it by inotify(7), and whoever waits costs nothing. Where there is none (macOS, no instance left), waiting looks at the
times of the folder's files 20 times a second. The bell only says that something may have happened: who heard it looks for himself.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import sys
import threading
import time
from pathlib import Path

__all__ = ["PERIOD", "Bell"]

PERIOD = 0.05
"""Seconds between two looks where nothing rings."""

_ATTRIB, _MODIFY, _MOVED_TO, _CREATE, _DELETE_SELF, _MOVE_SELF = 0x4, 0x2, 0x80, 0x100, 0x400, 0x800


class Bell:
    """Hears of one folder; may be rung by hand from any thread."""

    def __init__(self, folder: Path, *, by_kernel: bool = True) -> None:
        """Begin to listen; the folder need not be there yet. `by_kernel=False` looks instead, as where there is no inotify."""
        self._folder = folder
        self._rung, self._ring = os.pipe()
        os.set_blocking(self._rung, False)
        os.set_blocking(self._ring, False)
        self._closing = threading.Lock()
        self._events = _inotify() if by_kernel else -1
        self._watched: tuple[int, int] | None = None
        self._times: tuple[tuple[str, int, int], ...] = ()
        self._listen()

    def ring(self) -> None:
        """Wake whoever waits."""
        with self._closing, contextlib.suppress(OSError):  # full: it rings already
            os.write(self._ring, b"!")

    def close(self) -> None:
        """Give back what the system lent; to be called by whoever waits, when nobody will any more."""
        with self._closing:
            for one in (self._rung, self._ring, self._events):
                if one >= 0:
                    os.close(one)
            self._rung = self._ring = self._events = -1

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; True if it rang meanwhile, which may have been for nothing."""
        end = time.monotonic() + max(0.0, seconds)
        while True:
            before = self._watched
            heard = self._listen()
            if heard and self._watched != before:  # another folder: whatever was written into it before, nobody heard
                return True
            left = end - time.monotonic()
            watched = [self._rung, *([self._events] if heard else [])]
            ready, _, _ = select.select(watched, [], [], max(0.0, left if heard else min(left, PERIOD)))
            for one in ready:
                with contextlib.suppress(OSError):
                    os.read(one, 1 << 16)
            if ready or (not heard and self._changed()):
                return True
            if left <= 0:
                return False

    def _changed(self) -> bool:
        found = []
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    state = entry.stat(follow_symlinks=False)
                    found.append((entry.name, state.st_mtime_ns, state.st_size))
        times = tuple(sorted(found))
        before, self._times = self._times, times
        return before != times

    def _listen(self) -> bool:
        """Watch the folder that is there now; False if that can't be, so that one has to look."""
        if self._events < 0:
            return False
        try:
            state = self._folder.stat()
        except OSError:
            self._watched = None
            return False
        mark = (state.st_dev, state.st_ino)
        if mark != self._watched:
            wanted = _ATTRIB | _MODIFY | _MOVED_TO | _CREATE | _DELETE_SELF | _MOVE_SELF
            if _libc().inotify_add_watch(self._events, os.fsencode(self._folder), wanted) < 0:
                return False
            self._watched = mark
        return True


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _inotify() -> int:
    """Give a descriptor of the kernel's, closed in every child; -1 where it has none for us."""
    if sys.platform != "linux":
        return -1
    try:
        return int(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    except AttributeError:
        return -1
