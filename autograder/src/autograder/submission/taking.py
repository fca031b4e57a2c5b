"""Read one submission out of an open folder of the exchange: regular files of the learner's own with one name, within bounds, or nothing.

Everything is opened by its name in the open folder, without following a link and without waiting; what was looked at is looked at again
when it is open, and once more when it was read.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from autograder.submission.arrival import TIMESTAMP
from autograder.submission.gate import Refused
from autograder.wording import code, listing

__all__ = ["SECRET", "Reader", "Rules", "kind_of", "open_folder", "reason"]

SECRET = "submission_secret.txt"  # noqa: S105 - a file's name
"""What nbgrader's submit adds, so that only the learner finds the feedback; without it nbgrader can't release anybody's."""
MOST_NAMES = 500
DEEPEST = 8
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True)
class Rules:
    """What is taken of a submission, and how much."""

    known: frozenset[str] | None
    """The names that the course knows; None takes every regular file, as an assignment that isn't ours wants it."""
    largest: int = 15_000_000
    """Bytes of one file."""
    most: int = 20_000_000
    """Bytes of all."""
    ignore: Sequence[str] = ()
    """Patterns of names never taken, and never looked into."""
    include: Sequence[str] = ("*",)
    """Patterns of files that may be taken where `known` is None."""
    own: bool = True
    """Whether a submission must belong to the learner whom it names."""
    clocks: timedelta = timedelta(minutes=2)
    """How far the time in a folder's name may be from that of the file system, and still count."""


class Reader:
    """Reads files of one open folder, within the rules; what it read is in `files`."""

    def __init__(self, own: os.stat_result, rules: Rules) -> None:
        """Begin with nothing; `own` is the folder's state, whose owner must be that of its files."""
        self.own, self.rules = own, rules
        self.files: dict[str, bytes] = {}
        self.states: list[os.stat_result] = []
        self.noticed: list[str] = []
        self.count = self.size = 0

    def these(self, place: int, known: frozenset[str]) -> None:
        """Read the files that are known; the rest is counted, and never opened."""
        for name in sorted(known):
            try:
                self.files[name] = self.read(place, name, self.rules.largest)
            except FileNotFoundError:
                self.noticed.append(f"There is no {code(name)} in it.")
        others = []
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name not in known and entry.name not in (TIMESTAMP, SECRET) and not self._ignored(entry.name):
                    others.append(entry.name)
                    if len(others) > MOST_NAMES:
                        break
        if len(others) > MOST_NAMES:
            self.noticed.append(f"More than {MOST_NAMES} other files in it were left where they are.")
        elif others:
            self.noticed.append(f"Left where they are: {listing(others, most=3)}.")

    def tree(self, place: int, above: str, depth: int) -> None:
        """Read every regular file, at most so many, so large and so deep as nbgrader's settings and ours say."""
        with os.scandir(place) as entries:
            names = []
            for entry in entries:
                self.count += 1
                if self.count > MOST_NAMES:
                    raise Refused(f"There are more than {MOST_NAMES} files in it.")
                names.append(entry.name)
        for name in sorted(names):
            path = above + name
            if self._ignored(name) or path in (TIMESTAMP, SECRET):
                continue
            if not name.isprintable():
                raise Refused(f"A file in it has a name that can't be: {code(name)}.")
            if stat.S_ISDIR(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode):
                if depth >= DEEPEST:
                    raise Refused(f"Its folders are more than {DEEPEST} deep.")
                inner = open_folder(place, name)
                try:
                    self.tree(inner, f"{path}/", depth + 1)
                finally:
                    os.close(inner)
            elif any(fnmatch.fnmatch(name, one) for one in self.rules.include):
                self.files[path] = self.read(place, name, self.rules.largest)

    def read(self, place: int, name: str, largest: int) -> bytes:
        """Read a regular file of the learner's with one name, whole or not at all.

        Raises FileNotFoundError or Refused.
        """
        _expect_file(os.stat(name, dir_fd=place, follow_symlinks=False), name)  # opening a device may do something
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=place)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise Refused(f"{code(name)} is a link or a pipe, not a file.") from None
            if error.errno == errno.EAGAIN:
                raise Refused(f"{code(name)} is held by a program of its owner's.") from None
            raise Refused(f"{code(name)} can't be read: {reason(error)}.") from None
        try:
            before = os.fstat(descriptor)
            _expect_file(before, name)
            if before.st_nlink > 1:
                raise Refused(f"{code(name)} has other names too: it is a hard link.")
            if before.st_uid != self.own.st_uid or before.st_dev != self.own.st_dev:
                raise Refused(f"{code(name)} is not a file of the learner's.")
            if before.st_size > min(largest, self.rules.most - self.size):
                raise Refused(f"{code(name)} is too large: {_size(before.st_size)}.")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(before.st_size + 1)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if len(data) != before.st_size or _mark(before) != _mark(after):
            raise Refused(f"{code(name)} was changed while it was read.")
        self.size += len(data)
        self.states.append(after)
        return data

    def _ignored(self, name: str) -> bool:
        return any(fnmatch.fnmatch(name, one) for one in self.rules.ignore)


def open_folder(place: int, name: str) -> int:
    """Open a folder in an open folder, without following a link; raises OSError."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)


def _expect_file(state: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise Refused(f"{code(name)} is {kind_of(state)}, not a file.")


def kind_of(state: os.stat_result) -> str:
    """Say what stands there: "a link"."""
    return _KINDS.get(stat.S_IFMT(state.st_mode), "a file")


def _mark(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


def reason(error: OSError) -> str:
    """Give the system's own words for what went wrong."""
    return error.strerror or type(error).__name__


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.0f} MB"
