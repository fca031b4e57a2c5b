"""What one workspace has published: a journal of events that only grows, and the files they speak of, named by their content.

::

    <published>/journal.jsonl      one event a line
    <published>/files/<sha256>     an uploaded file, or the METADATA of one
    <published>/secret             what tokens are signed with; never part of a snapshot

Deleting the folder is the reset.
Several processes may append at once: each shell of a workspace has a server of its own.
A line counts when its newline is on the disk; what a killed process left half-written is ignored, and cut off by the next append.
"""

from __future__ import annotations

__all__ = ["Change", "Event", "Journal", "now"]

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

MOST_BYTES = 16 << 20
"""A journal longer than this is not read further: it comes from a snapshot, so from anyone."""
LEFT_SECONDS = 3600
"""After this time nobody is writing a file any more."""


def now() -> str:
    """Give the moment as events and PEP 700 write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened on one site."""

    site: str
    """`pypi`, `testpypi` or `company`."""
    kind: str
    """`create`, `upload`, `yank`, `unyank`, `delete`, `status`, `token`, `revoke`, `publisher`, `unpublisher` or `identity`."""
    when: str = field(default_factory=now)
    """In UTC, as PEP 700 writes it."""
    project: str = ""
    """The normalised name."""
    version: str = ""
    """Normalised; empty where the whole project is meant."""
    filename: str = ""
    sha256: str = ""
    size: int = 0
    reason: str = ""
    actor: str = ""
    """The token or publisher that did it: `token:ID`, `publisher:ID`; empty for what was done on the web page."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What only this kind has to say; never a secret."""

    def line(self) -> bytes:
        """Write it as the journal does; what is empty is left out."""
        told = {key: value for key, value in asdict(self).items() if value not in ("", 0, {})}
        return json.dumps(told, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Event | None:
        """Read a line of a journal; None if it is none of ours."""
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(told, dict) or not {"site", "kind", "when"} <= told.keys():
            return None
        known = {key: told[key] for key in _TYPES if key in told}
        if any(type(value) is not _TYPES[key] for key, value in known.items()):
            return None
        return cls(**known)


_TYPES = {entry.name: {"size": int, "details": dict}.get(entry.name, str) for entry in fields(Event)}


class Change:
    """The journal while nobody else can append to it: what is decided on `events` still holds when `append` returns."""

    def __init__(self, journal: Journal, descriptor: int) -> None:
        """Write to this open journal; use `Journal.change`."""
        self._journal = journal
        self._descriptor = descriptor

    @property
    def events(self) -> list[Event]:
        """All events so far, this change's own included."""
        return self._journal.events()

    def append(self, *events: Event) -> None:
        """Write some events; they are on the disk when this returns.

        Raises:
            OSError: it can't be written; the journal is as before.
        """
        end = _whole_lines(self._descriptor)
        os.ftruncate(self._descriptor, end)
        data = b"".join(event.line() for event in events)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], end + written)
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, end)
            raise


def _whole_lines(descriptor: int) -> int:
    """Say where the last whole line ends."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - 4096)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


class Journal:
    """The journal and the files of one workspace; the folder need not be there before something is published."""

    def __init__(self, folder: Path) -> None:
        """Use this folder."""
        self.folder = folder
        self.path = folder / "journal.jsonl"
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._first = b""
        self._read_to = 0
        self._seen: tuple[int, ...] = ()

    def events(self) -> list[Event]:
        """Give all events, oldest first; lines that can't be read are left out, a missing journal is empty."""
        with self._lock:
            self._refresh()
            return list(self._events)

    @property
    def state(self) -> tuple[int, ...]:
        """A value that changes whenever the journal does: its file's identity, size and time."""
        try:
            told = self.path.stat()
        except OSError:
            return ()
        return (told.st_ino, told.st_size, told.st_mtime_ns)

    @property
    def size(self) -> int:
        """How long the journal is, in bytes."""
        state = self.state
        return state[1] if state else 0

    def _refresh(self) -> None:
        state = self.state
        if state == self._seen:
            return
        try:
            with self.path.open("rb") as file:
                first = file.readline(1 << 20)
                # Another first line is another journal: somebody reset the workspace while we looked on.
                # (A kept start begins with the same line each time, but is another file.)
                other = state[:1] != self._seen[:1] or first != self._first
                if other or file.seek(0, os.SEEK_END) < self._read_to:
                    self._events, self._read_to, self._first = [], 0, first
                file.seek(self._read_to)
                data = file.read(max(0, MOST_BYTES - self._read_to))
        except OSError:
            self._events, self._read_to, self._first, self._seen = [], 0, b"", ()
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._events += filter(None, map(Event.read, whole.split(b"\n")))
        self._read_to += len(whole)
        self._seen = state

    @contextlib.contextmanager
    def change(self) -> Iterator[Change]:
        """Keep everybody else, threads and processes, from appending.

        Raises:
            OSError: the folder can't be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = self._locked()
        try:
            yield Change(self, descriptor)
        finally:
            os.close(descriptor)

    def _locked(self) -> int:
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                    return descriptor
            except FileNotFoundError:
                # Reset while we waited for the lock: this file is nobody's journal any more.
                self.folder.mkdir(parents=True, exist_ok=True)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def append(self, event: Event) -> None:
        """Write one event, on which nothing had to be decided first.

        Raises:
            OSError: it can't be written.
        """
        with self.change() as change:
            change.append(event)

    # --- files

    def file(self, sha256: str) -> Path:
        """Say where a file with this content lies, if it is there.

        Raises:
            ValueError: this is no SHA-256.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError(f"{sha256!r} is no SHA-256")
        return self.folder / "files" / sha256

    def keep(self, data: bytes) -> str:
        """Keep this content; gives its SHA-256.

        Raises:
            OSError: it can't be written.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        with self.incoming() as file:
            file.write(data)
            self.take(file, sha256)
        return sha256

    @contextlib.contextmanager
    def incoming(self) -> Iterator[BinaryIO]:
        """Open a file for content whose hash isn't known yet; without `take` nothing stays of it.

        Raises:
            OSError: the folder can't be written.
        """
        folder = self.folder / "files"
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".new-*"):  # by somebody who was killed
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                    left.unlink()
        handle, name = tempfile.mkstemp(prefix=".new-", dir=folder)
        os.close(handle)
        try:
            with Path(name).open("w+b") as file:
                yield file
        finally:
            Path(name).unlink(missing_ok=True)

    def take(self, file: BinaryIO, sha256: str) -> None:
        """Keep what was written into an incoming file, under its hash.

        Raises:
            OSError: it can't be written.
        """
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
        Path(file.name).replace(self.file(sha256))
