"""Files of a submission that nbgrader must not meet: renamed where they lie, never opened and never deleted.

nbgrader believes `timestamp.txt`, which is the learner's to write: an odd one there takes formgrader's pages from the whole class.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from autograder.submission import REFUSED, Refused, read_regular

__all__ = ["STAMP", "put_aside", "settle_time", "stamp_of"]

STAMP = "timestamp.txt"
"""What nbgrader adds to a submission when it is handed in."""

_WRITTEN = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6})?) UTC\s*", re.ASCII)


def stamp_of(received: datetime) -> str:
    """Write a time as nbgrader does in `timestamp.txt`."""
    return received.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")


def put_aside(path: Path) -> None:
    """Give a file a name under which nbgrader never copies it, and which is still free."""
    path.rename(_free(path))


def _free(path: Path) -> Path:
    number, short = 0, path.name if len(os.fsencode(path.name)) < 200 else "long-name"  # a name has 255 bytes at most
    while os.path.lexists(aside := path.with_name(f"{short}{f'.{number}' if number else ''}{REFUSED}")):
        number += 1
    return aside


def _name_aside(path: Path) -> None:
    """Give a file such a name beside its own, so that there is no moment without it; what can't have two loses its own."""
    try:
        os.link(path, _free(path), follow_symlinks=False)
    except OSError:  # a folder, or a disk that knows no second names
        put_aside(path)


def settle_time(folder: Path, received: datetime | None) -> None:
    """Let nbgrader read the time that counts in a submission, and none where none does; the learner's word is put aside."""
    if folder.is_symlink() or not folder.is_dir():
        return
    path = folder / STAMP
    try:
        said = _said(read_regular(path, 200))
    except FileNotFoundError:
        said = None
    except Refused:
        said = None
    if received is not None and said == received:
        return
    if received is None:
        if os.path.lexists(path):
            put_aside(path)
        return
    fresh = folder / f".{STAMP}{REFUSED}"  # whole before it has its name; nbgrader never copies one like this
    if os.path.lexists(fresh):
        put_aside(fresh)
    fresh.write_text(stamp_of(received), encoding="ascii")
    if os.path.lexists(path):
        _name_aside(path)
    fresh.replace(path)


def _said(stamp: bytes) -> datetime | None:
    found = _WRITTEN.fullmatch(stamp)
    try:
        return datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None
