"""A learner's files as data: read, never followed and never run.

Checks see a workspace through a `Tree`, which is either a folder on this disk (`FolderTree`) or a snapshot
(`autograder.snapshot.SnapshotTree`). Both answer alike, so that the same state gives the same verdict live and on the grader's machine.

Paths are texts relative to the top of the workspace, with `/` and without a leading one; the top itself is `""`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

__all__ = ["Entry", "FolderTree", "Found", "Kind", "Outside", "Tree", "resolve", "scan", "walk"]

_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY
"""To go through a folder: on Linux that needs no right to list it."""

_LIST = os.O_RDONLY | os.O_DIRECTORY
_READ = os.O_RDONLY | os.O_NONBLOCK
_SETTLED = 100_000_000
"""Nanoseconds after a change in which another may leave the same times: clocks of file systems tick some hundred times a second."""

_Mark = tuple[int, int, int, int, int]
"""Device, inode, size, mtime and ctime in nanoseconds: while they stay the same a file's content does, wherever it is moved."""

Kind = Literal["file", "folder", "link", "other"]


@dataclass(frozen=True)
class Entry:
    """One name in a tree; `other` is a pipe, socket or device."""

    kind: Kind
    executable: bool = False
    """Whether the owner may execute it (files only)."""
    size: int = 0
    """In bytes (files only)."""
    target: str = ""
    """Where a link points, as written in it."""


class Tree(Protocol):
    """What can be asked of a workspace's files. No method follows a link."""

    @property
    def root(self) -> PurePosixPath:
        """The absolute path under which the learner's commands saw the top of the workspace."""
        ...

    def entry(self, path: str) -> Entry | None:
        """Say what stands at `path`; None if nothing does."""
        ...

    def names(self, path: str) -> list[str]:
        """List a folder's names, sorted; empty if `path` is no folder."""
        ...

    def read(self, path: str, limit: int = 2_000_000) -> bytes:
        """Give a file's content, cut after `limit` bytes.

        Raises:
            FileNotFoundError: `path` is no regular file, or its content did not travel.
        """
        ...

    def sha256(self, path: str) -> str:
        """Give the hash of a file's whole content, in hexadecimal; raises FileNotFoundError likewise."""
        ...


@dataclass(frozen=True)
class Outside:
    """The end of a chain of links that leaves the workspace (or that never ends)."""

    link: str
    """The link in the workspace."""
    target: str
    """The absolute path it leads to, as the learner's commands would see it."""


def resolve(tree: Tree, path: str, *, last: bool = True) -> str | Outside:
    """Follow links inside the tree and give the path they end at, which need not exist.

    With `last=False` the last component is not followed, like `lstat`. More than 40 links count as leaving (as in Linux).
    """
    todo = [part for part in PurePosixPath(path).parts if part not in ("", ".")]
    done: list[str] = []
    seen_links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            if not done:
                return Outside(path, str(tree.root.parent))
            done.pop()
            continue
        here = "/".join([*done, part])
        entry = tree.entry(here)
        if entry is None or entry.kind != "link" or (not todo and not last):
            done.append(part)
            continue
        seen_links += 1
        if seen_links > 40:
            return Outside(here, entry.target)
        target = PurePosixPath(entry.target)
        if not target.is_absolute():
            todo = [*target.parts, *todo]
            continue
        normal = PurePosixPath(os.path.normpath(target))
        if not normal.is_relative_to(tree.root):
            return Outside(here, str(normal))
        done = []
        todo = [*normal.relative_to(tree.root).parts, *todo]
    return "/".join(done)


Found = tuple[str, Entry, Callable[[], str]]
"""What a walk meets: a path, its entry, and what gives the hash of a file's content (empty for what is no file, or can't be read)."""


def _no_hash() -> str:
    return ""


def _hash_of(tree: Tree, path: str) -> str:
    try:
        return tree.sha256(path)
    except FileNotFoundError:
        return ""


def scan(tree: Tree, wanted: Callable[[str], bool]) -> Iterator[Found]:
    """Walk through all paths that are `wanted`, and not into folders that aren't: first a folder's names, sorted, then what is in them.

    A hash may be asked for until the walk goes on. Each folder on the way down stays open meanwhile: whoever walks bounds the depth.
    """
    if isinstance(tree, FolderTree):
        yield from tree.scan(wanted)
        return
    todo = [""]
    while todo:
        folder = todo.pop()
        for name in tree.names(folder):
            path = f"{folder}/{name}" if folder else name
            entry = tree.entry(path) if wanted(path) else None
            if entry is None:  # not wanted, or gone since it was listed
                continue
            yield path, entry, functools.partial(_hash_of, tree, path) if entry.kind == "file" else _no_hash
            if entry.kind == "folder":
                todo.append(path)


def walk(tree: Tree, top: str = "") -> Iterator[tuple[str, Entry]]:
    """Yield every path below `top` with its entry, parents first, in sorted order."""
    for name in tree.names(top):
        path = f"{top}/{name}" if top else name
        entry = tree.entry(path)
        if entry is None:
            continue
        yield path, entry
        if entry.kind == "folder":
            yield from walk(tree, path)


class FolderTree:
    """A folder on this disk, read at the moment it is asked."""

    def __init__(self, folder: Path, root: PurePosixPath | None = None) -> None:
        """Read `folder`, which the learner's commands see at `root` (by default where it is)."""
        self.folder = folder.absolute()
        self.root = root or PurePosixPath(self.folder)
        self._hashes: dict[_Mark, str] = {}
        self._older: dict[_Mark, str] = {}
        """Those from before the last walk: what it doesn't meet is forgotten by the next."""

    def _lstat(self, path: str) -> os.stat_result | None:
        """Look at a name, unless a link, `..` or a leading slash stands on the way to it."""
        place = str(self.folder)  # plain texts: this is called some thousand times a second
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if path.startswith("/") or ".." in parts:
            return None
        try:
            state = os.lstat(place)
            for part in parts:
                if not stat.S_ISDIR(state.st_mode):
                    return None
                place = f"{place}/{part}"
                state = os.lstat(place)
        except (OSError, ValueError):
            return None
        return state

    def entry(self, path: str) -> Entry | None:
        """Say what stands at `path`; None if nothing does, or if a link stands on the way to it."""
        state = self._lstat(path)
        if state is None:
            return None
        if stat.S_ISLNK(state.st_mode):
            return Entry("link", target=os.readlink(self.folder / path))
        if stat.S_ISDIR(state.st_mode):
            return Entry("folder")
        if stat.S_ISREG(state.st_mode):
            return Entry("file", executable=bool(state.st_mode & stat.S_IXUSR), size=state.st_size)
        return Entry("other")

    def scan(self, wanted: Callable[[str], bool]) -> Iterator[Found]:
        """Walk as the function `scan` does, looking at each name once, by the descriptor of the folder in which it stands."""
        self._older, self._hashes = self._hashes, {}
        top = self._lstat("")
        if top is None or not stat.S_ISDIR(top.st_mode):
            return
        try:
            here = self._descend("", _LIST)
        except OSError:
            return
        try:
            yield from self._scan(here, "", wanted)
        finally:
            os.close(here)

    def _scan(self, here: int, folder: str, wanted: Callable[[str], bool]) -> Iterator[Found]:
        try:
            with os.scandir(here) as entries:
                listed = sorted(entries, key=lambda one: one.name)
        except OSError:
            return
        folders = []
        for one in listed:
            name = one.name
            path = f"{folder}/{name}" if folder else name
            if not wanted(path):
                continue
            try:
                state = one.stat(follow_symlinks=False)
                mode = state.st_mode
                if stat.S_ISREG(mode):
                    entry = Entry("file", executable=bool(mode & stat.S_IXUSR), size=state.st_size)
                    yield path, entry, functools.partial(self._hash_in, here, name, state)
                elif stat.S_ISDIR(mode):
                    folders.append((name, path))
                    yield path, Entry("folder"), _no_hash
                elif stat.S_ISLNK(mode):
                    yield path, Entry("link", target=os.readlink(name, dir_fd=here)), _no_hash
                else:
                    yield path, Entry("other"), _no_hash
            except OSError:  # gone since it was listed
                continue
        for name, path in reversed(folders):
            try:
                below = os.open(name, _LIST | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            except OSError:
                continue
            try:
                yield from self._scan(below, path, wanted)
            finally:
                os.close(below)

    def _hash_in(self, here: int, name: str, state: os.stat_result) -> str:
        try:
            flags = _READ | os.O_NOFOLLOW | os.O_CLOEXEC
            return self._hash(state, lambda: _require_file(os.open(name, flags, dir_fd=here)))
        except OSError:
            return ""

    def _hash(self, state: os.stat_result, opened: Callable[[], int]) -> str:
        """Hash what is `opened`, unless it is known of a file with the marks of `state`; raises OSError."""
        mark = _mark(state)
        known = self._hashes.get(mark) or self._older.get(mark)
        if known is None:
            now = time.time_ns()
            with os.fdopen(opened(), "rb") as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()
                if _mark(os.fstat(file.fileno())) != mark or abs(now - state.st_ctime_ns) < _SETTLED:
                    return known  # another file, or one that may still change without a sign
        self._hashes[mark] = known
        return known

    def names(self, path: str) -> list[str]:
        """List a folder's names, sorted; empty if `path` is no folder or can't be listed."""
        entry = self.entry(path)
        if entry is None or entry.kind != "folder":
            return []
        try:
            descriptor = self._descend(path, _LIST)
        except OSError:
            return []
        try:
            return sorted(os.listdir(descriptor))
        except OSError:
            return []
        finally:
            os.close(descriptor)

    def _descend(self, path: str, flags: int) -> int:
        """Open what stands at `path`, each folder by its parent's descriptor.

        Whoever swaps one of them for a link out, after we looked and before we open, gains nothing; raises OSError.
        """
        parts = [part for part in path.split("/") if part not in ("", ".")]
        here = os.open(self.folder, (flags if not parts else _PASS) | os.O_CLOEXEC)
        for number, part in enumerate(parts, start=1):
            above = here
            try:
                here = os.open(
                    part, (flags if number == len(parts) else _PASS) | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above
                )
            finally:
                os.close(above)
        return here

    def _open(self, path: str) -> int:
        entry = self.entry(path)
        if entry is None or entry.kind != "file":
            raise FileNotFoundError(path)
        try:
            return _require_file(self._descend(path, _READ))
        except OSError as error:
            raise FileNotFoundError(path) from error

    def read(self, path: str, limit: int = 2_000_000) -> bytes:
        """Give a file's content, cut after `limit` bytes."""
        with os.fdopen(self._open(path), "rb") as file:
            return file.read(limit)

    def sha256(self, path: str) -> str:
        """Give the hash of a file's content; remembered while its size, times and inode stay the same."""
        state = self._lstat(path)
        if state is None or not stat.S_ISREG(state.st_mode):
            raise FileNotFoundError(path)
        return self._hash(state, lambda: self._open(path))


def _require_file(descriptor: int) -> int:
    """Give an open file's descriptor back; anything else, such as a pipe that was swapped in, is closed: raises FileNotFoundError."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError
    return descriptor


def _mark(state: os.stat_result) -> _Mark:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
