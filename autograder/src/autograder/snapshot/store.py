"""The content of all known files, uncompressed in one file of the cache: what a restored workspace is filled from.

A wheel's file must be found in a zip file, inflated and hashed each time it is wanted; from here it is one copy out of mapped memory.
The store is built once for one edition of the index, under a lock, and replaced as a whole, so that any number of workers may read it.

Programs of learners never see it: nothing in a restored workspace shares an inode with it (a hard link could be written through by whoever
owns it, and in the sandbox the learner's user is ours). Nevertheless each content is hashed again whenever it is used,
so that a damaged store can cost time, and never a wrong file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from autograder.places import cache

__all__ = ["ContentStore", "open_store"]

_MARK = b"wheelhouse-store 1\n"
_UNUSED = 14 * 86_400
"""Seconds after which the store of another edition is removed."""


class _Known(Protocol):
    def hashes(self) -> Sequence[str]: ...

    def everything(self) -> Iterator[tuple[str, bytes]]: ...

    def content(self, sha256: str) -> bytes | None: ...


class ContentStore:
    """One edition's contents, by hash; falls back on where they come from."""

    def __init__(self, known: _Known, path: Path | None) -> None:
        """Read from `path`, if it is a store, and from `known` whatever is not in it."""
        self._known = known
        self._table: dict[str, tuple[int, int]] = {}
        self._data: mmap.mmap | None = None
        if path is not None:
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                self._map(path)

    def _map(self, path: Path) -> None:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        end = data.find(b"\n", len(_MARK))
        if data[: len(_MARK)] != _MARK or end < 0:
            raise ValueError(path)
        start, table = end + 1, {}
        for hashed, size in json.loads(data[len(_MARK) : end]):
            table[str(hashed)] = (start, int(size))
            start += int(size)
        if start != len(data):
            raise ValueError(path)
        self._data, self._table = data, table

    def __contains__(self, sha256: str) -> bool:
        """Say whether a content is in the store itself."""
        return sha256 in self._table

    def content(self, sha256: str) -> bytes | None:
        """Give a content, hashed again; None if nothing known has it."""
        place = self._table.get(sha256)
        if place is not None and self._data is not None:
            data = self._data[place[0] : place[0] + place[1]]
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
        return self._known.content(sha256)


def open_store(known: _Known) -> ContentStore:
    """Open the store of what is known, and build it if there is none; where that can't be, its source does as well, slower."""
    hashes = sorted(set(known.hashes()))
    edition = hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:32]
    folder = cache() / "contents"
    path = folder / edition
    try:
        if not path.exists():
            _build(known, path)
        elif time.time() - path.stat().st_mtime > 86_400:
            os.utime(path)  # still used: see _prune
    except OSError:  # a full or read-only disk costs speed, not the result
        return ContentStore(known, path if path.exists() else None)
    store = ContentStore(known, path)
    if hashes and not any(one in store for one in hashes[:1]):  # damaged, or of another layout: made anew next time
        with contextlib.suppress(OSError):
            path.unlink()
    return store


def _build(known: _Known, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent / ".lock"):
        if path.exists():  # another worker was quicker
            return
        handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as file, tempfile.TemporaryFile(dir=path.parent) as contents:
                sizes = [(one, contents.write(data)) for one, data in known.everything()]
                contents.seek(0)
                file.write(_MARK + json.dumps(sizes, separators=(",", ":")).encode() + b"\n")
                shutil.copyfileobj(contents, file, 1 << 20)
                os.fchmod(file.fileno(), 0o444)
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _prune(path)


def _prune(keep: Path) -> None:
    """Remove stores that nobody opened for two weeks, and what a killed builder left; who has one open keeps it."""
    for one in keep.parent.iterdir():
        with contextlib.suppress(OSError):
            age = time.time() - one.stat().st_mtime
            if (
                one != keep
                and one.name != ".lock"
                and (age > _UNUSED or (one.name.startswith(".new-") and age > 3_600))
            ):
                one.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
