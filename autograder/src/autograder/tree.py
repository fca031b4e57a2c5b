"""A learner's files as data: read, never followed and never run.

Checks see a workspace through a `Tree`, which is either a folder on this disk (`FolderTree`) or a snapshot
(`autograder.snapshot.SnapshotTree`). Both answer alike, so that the same state gives the same verdict live and on the grader's machine.

Paths are texts relative to the top of the workspace, with `/` and without a leading one; the top itself is `""`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

__all__ = ["Entry", "FolderTree", "Kind", "Outside", "Tree", "resolve", "walk"]

_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY
"""To go through a folder: on Linux that needs no right to list it."""

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
        self._hashes: dict[str, tuple[tuple[int, int, int], str]] = {}

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

    def names(self, path: str) -> list[str]:
        """List a folder's names, sorted; empty if `path` is no folder or can't be listed."""
        entry = self.entry(path)
        if entry is None or entry.kind != "folder":
            return []
        try:
            descriptor = self._descend(path, os.O_RDONLY | os.O_DIRECTORY)
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
            descriptor = self._descend(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise FileNotFoundError(path) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(path)
        return descriptor

    def read(self, path: str, limit: int = 2_000_000) -> bytes:
        """Give a file's content, cut after `limit` bytes."""
        with os.fdopen(self._open(path), "rb") as file:
            return file.read(limit)

    def sha256(self, path: str) -> str:
        """Give the hash of a file's content; remembered while its size, time and inode stay the same."""
        state = self._lstat(path)
        if state is None or not stat.S_ISREG(state.st_mode):
            raise FileNotFoundError(path)
        mark = (state.st_size, state.st_mtime_ns, state.st_ino)
        known = self._hashes.get(path)
        if known is not None and known[0] == mark:
            return known[1]
        with os.fdopen(self._open(path), "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._hashes[path] = (mark, digest)
        return digest
