"""Results, written down as they arrive: whatever ends a run, the next one goes on where it ended.

One file an exercise, one line of JSON a result, only ever appended to, and on the disk before the next one is waited for.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from autograder.grading.jobs import Result

__all__ = ["Journal"]


class Journal:
    """The kept results of one exercise. Where they stand in the file is remembered, not what they say: a class may be large."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a line that was half written, or damaged, counts as one that never was."""
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._told: dict[str, tuple[int, int]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        self._file = path.open("ab+", buffering=0)
        if new:
            _settle(path.parent)
        self._end = 0
        self._read_on()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def _read_on(self) -> None:
        """Take in what was added since, by another process perhaps."""
        with self.path.open("rb") as file:
            file.seek(self._end)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                if (result := _read(line)) is not None:
                    self._told[result.told] = (self._end, len(line))
                    if not result.ours:
                        self._places[result.key] = (self._end, len(line))
                self._end += len(line)

    def __len__(self) -> int:
        """How many results are kept."""
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        """Say whether a job with this key needs not be done."""
        return key in self._places

    def get(self, key: str) -> Result | None:
        """Give the result of a job that was done; None if it was not, or ended through a fault of ours."""
        return self._at(self._places.get(key))

    def find(self, told: str) -> Result | None:
        """Give a result that told just this, see `Result.told`, whenever it was; None if none did."""
        return self._at(self._told.get(told))

    def _at(self, place: tuple[int, int] | None) -> Result | None:
        return _read(os.pread(self._file.fileno(), place[1], place[0])) if place else None

    def add(self, result: Result) -> None:
        """Write one result down; it is on the disk when this returns.

        One that failed through a fault of ours is written, for whoever wants to know, and is not kept: the next run tries again.
        """
        line = json.dumps(result.as_json(), ensure_ascii=True).encode() + b"\n"
        descriptor = self._file.fileno()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            self._read_on()
            if os.fstat(descriptor).st_size != self._end:  # half a line, of a run that was killed while it wrote
                os.ftruncate(descriptor, self._end)
            if os.write(descriptor, line) != len(line):  # a full disk: the half line is as good as none
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
            self._read_on()
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _read(line: bytes) -> Result | None:
    try:
        return Result.from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _settle(folder: Path) -> None:
    """Let a folder's new names reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
