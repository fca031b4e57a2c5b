"""The gate through which everything handed in comes, before anything else reads it.

Only names that the course and nbgrader know are opened, each relative to the open folder, without following a link, and only if it is a
regular file at the moment it is open. Whatever else lies there is counted, named as set aside, and never opened.
What can't be let in is refused with a sentence: a human looks, and the next submission is taken.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder.exercise import Exercise
from autograder.runner import snapshot_name
from autograder.snapshot import SnapshotTree
from autograder.submission.arrival import TIMESTAMP, received
from autograder.wording import code

__all__ = ["LARGEST_NOTEBOOK", "REFUSED", "Missing", "Refused", "Submission", "admit", "read_regular"]

REFUSED = ".refused"
"""Added to the name of a submitted file that was set aside because it is no regular file."""
LARGEST_NOTEBOOK = 5_000_000
"""In bytes; a released one has about 20,000. A larger one is set aside: the snapshot is what is graded."""
MOST_NAMES = 500
MOST_BYTES = 20_000_000
DEEPEST = 8

_IGNORED = {".ipynb_checkpoints", "__pycache__", ".venv", "venv", ".git"}
"""Folders that the course's nbgrader never copies: not looked into."""


class Refused(Exception):
    """A submission that can't be graded, with the sentence that says why: a human must look."""


class Missing(Refused):
    """There is no snapshot: nothing was handed in."""


@dataclass(frozen=True)
class Submission:
    """What came through the gate. Its contents are still a stranger's: bounded in size, and nothing else is sure."""

    snapshot: bytes
    notebook: bytes | None
    """None if there is none, or if it is too large to be looked at."""
    received: datetime
    """In UTC; see `autograder.submission.arrival`."""
    set_aside: tuple[str, ...] = ()
    """Paths of what was handed in beside it and never opened, in order; a folder's ends with a slash."""
    noticed: tuple[str, ...] = ()
    """Sentences for the instructor: what was odd, and stopped nothing."""


def admit(exercise: Exercise, folder: Path) -> Submission:
    """Take in what a learner handed in for an exercise: the one folder in which nbgrader keeps it. Nothing there is changed.

    Raises:
        Missing: there is no snapshot in it, or no such folder.
        Refused: something in it can't be let in.
    """
    snapshot, notebook = snapshot_name(exercise), f"{exercise.id}.ipynb"
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _missing(snapshot) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused(f"{code(folder.name)} was submitted as a link or a file where a folder should be.") from None
        raise Refused(f"{code(folder.name)} can't be read: {error.strerror}.") from None
    try:
        seen = _Survey(place, known={snapshot, notebook, TIMESTAMP})
        try:
            data, state = _read_at(place, snapshot, SnapshotTree.LARGEST)
        except FileNotFoundError:
            if {f"{snapshot}{REFUSED}", f"{snapshot}{REFUSED}/"} & {*seen.set_aside}:
                raise _irregular(snapshot) from None
            raise _missing(snapshot) from None
        try:
            text, _ = _read_at(place, notebook, LARGEST_NOTEBOOK)
        except FileNotFoundError:
            text = None
        except _TooLarge:
            text = None
            seen.set_aside.append(notebook)
        try:
            stamp, _ = _read_at(place, TIMESTAMP, 200)
        except FileNotFoundError:
            stamp = None
        except Refused:  # a link, a pipe, a book: no word of a time
            stamp = b""
    finally:
        os.close(place)
    when, odd = received(state, stamp)
    return Submission(data, text, when, tuple(sorted(seen.set_aside)), (*seen.noticed, *((odd,) if odd else ())))


class _Survey:
    """Looks at everything handed in without opening a file; raises Refused where it is too much, or somebody else's."""

    def __init__(self, place: int, known: set[str]) -> None:
        self.known = known
        self.set_aside: list[str] = []
        self.noticed: list[str] = []
        self.count = self.size = 0
        self.owner = os.fstat(place).st_uid
        try:
            self._look(place, "", 1)
        except OSError as error:
            raise Refused(f"The submitted folder can't be read: {error.strerror}.") from None

    def _look(self, place: int, above: str, depth: int) -> None:
        with os.scandir(place) as entries:
            names = []
            for one in entries:  # counted while listing: a folder may hold millions
                self.count += 1
                if self.count > MOST_NAMES:
                    raise Refused(
                        f"More than {MOST_NAMES} files were submitted. Submit the ones that the course wrote."
                    )
                names.append(one.name)
        for name in sorted(names):
            try:
                state = os.stat(name, dir_fd=place, follow_symlinks=False)
            except FileNotFoundError:  # gone since it was listed
                continue
            path = above + name
            if stat.S_ISDIR(state.st_mode):
                if path in self.known and path != TIMESTAMP:
                    raise _irregular(path)
                self.set_aside.append(f"{path}/")
                if name in _IGNORED:
                    continue
                if depth >= DEEPEST:
                    raise Refused(
                        f"Folders more than {DEEPEST} deep were submitted. Submit the files that the course wrote."
                    )
                self._enter(place, name, path, depth)
            elif path not in self.known:
                self.set_aside.append(path)
            self._weigh(path, state)

    def _enter(self, place: int, name: str, path: str, depth: int) -> None:
        try:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        except OSError:  # closed to us, or something else by now: it is set aside anyhow
            return
        try:
            self._look(inner, f"{path}/", depth + 1)
        finally:
            os.close(inner)

    def _weigh(self, path: str, state: os.stat_result) -> None:
        if not stat.S_ISREG(state.st_mode):
            return
        self.size += state.st_size
        if self.size > MOST_BYTES:
            raise Refused(
                f"More than {MOST_BYTES // 1_000_000} MB were submitted; {code(path)} is too large. "
                "Submit the files that the course wrote."
            )
        if state.st_uid != self.owner:
            if state.st_nlink > 1:
                raise Refused(
                    f"{code(path)} is another user's file, submitted as a hard link. Submit a file of your own."
                )
            self.noticed.append(f"{code(path)} belongs to another user than the folder it was submitted in.")
        elif state.st_nlink > 1 and path in self.known:
            self.noticed.append(f"{code(path)} has other names too: it is a hard link.")


class _TooLarge(Refused):
    pass


def _read_at(place: int, name: str, limit: int) -> tuple[bytes, os.stat_result]:
    """Read one file of an open folder, and give its state with it.

    Raises:
        FileNotFoundError: nothing stands there.
        Refused: it is no regular file, has more than `limit` bytes, is still being written, or can't be read.
    """
    try:
        before = os.stat(name, dir_fd=place, follow_symlinks=False)
        if not stat.S_ISREG(before.st_mode):  # a device may do something when it is only opened
            raise _irregular(name)
        descriptor = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=place
        )
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _irregular(name) from None
        raise Refused(f"{code(name)} can't be read: {error.strerror}.") from None
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            raise _irregular(name)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
        after = os.fstat(descriptor)
    except OSError as error:
        raise Refused(f"{code(name)} can't be read: {error.strerror}.") from None
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise _TooLarge(f"{code(name)} is too large. Submit the file that the course wrote.")
    if (opened.st_size, opened.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(data) != after.st_size:
        raise Refused(f"{code(name)} was being written while it was read. Grade it again.")
    return data, after


def read_regular(path: Path, limit: int) -> bytes:
    """Read a file that was handed in, without following a link and without waiting on a pipe.

    Raises:
        FileNotFoundError: nothing stands there.
        Refused: it is no regular file, has more than `limit` bytes, or can't be read.
    """
    place = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _read_at(place, path.name, limit)[0]
    finally:
        os.close(place)


def _irregular(name: str) -> Refused:
    return Refused(
        f"{code(name)} was submitted as a link, a folder or a device. Submit the file that the course wrote."
    )


def _missing(name: str) -> Missing:
    return Missing(
        f"Nothing was submitted: there is no {code(name)} beside the notebook. "
        "It is written there each time your work is checked."
    )
