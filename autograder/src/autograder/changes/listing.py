"""Everything of a workspace that a command can change, as names and numbers: taken in some milliseconds, at every prompt.

A listing holds no content but the text of the project's own small files, so that a changed line can be shown.
Whether a file changed is told by its size, times and inode: nothing is opened whose numbers are the same.

Paths begin with a word that says where they lie::

    project/…      the workspace
    home/…         HOME in the sandbox
    system/…       the system Python's writable parts: bin, share, lib/python3.11/site-packages
    published/…    what was published to the index
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.folder import LiveWorkspace
from autograder.sandbox.system_python import writable_parts

__all__ = ["Listing", "Stamp", "environments_in", "glance", "is_folder", "read_small", "real_path", "take"]

Stamp = tuple[int, int, int, int, int]
"""Mode, size, mtime and ctime in nanoseconds, inode; of a folder only the mode and the ctime mean something."""

MOST_ENTRIES = 60_000
MOST_GLANCED = 5_000
MOST_TEXTS = 200
LARGEST_TEXT = 20_000
ALL_TEXTS = 400_000

_OWN_RECORDS = frozenset(
    f"home/{name}"
    for name in (
        ".bash_history",
        ".zsh_history",
        ".python_history",
        ".lesshst",
        ".viminfo",
        ".pip/pip.conf",  # the basic tier's own
        ".cache/zcompdump",
        "project",  # where the strong tier mounts the workspace
    )
) | {
    "published/secret",
    "published/lock",
    "system/bin/uv",
    "system/bin/uvx",
    "system/bin/pypi-manage",
    "system/bin/course",
}
"""What shells and the course write by themselves."""
_PRIVATE = (".env", ".pypirc", ".netrc", "_netrc", ".pem", ".key", ".p12", "id_rsa", "id_ed25519")
"""Ends of names of files whose text isn't kept."""


def is_folder(stamp: Stamp) -> bool:
    """Say whether a stamp is a folder's."""
    return stat.S_ISDIR(stamp[0])


def _same(before: Stamp, after: Stamp) -> bool:
    if is_folder(before) and is_folder(after):
        return before[0] == after[0]
    # the ctime also changes by a new link to the file, as uv's cache makes them: with the rest the same nothing was written
    return before[:3] == after[:3] and before[4] == after[4]


@dataclass
class Listing:
    """One moment of a workspace."""

    made: int
    """Which workspace it was: see `LiveWorkspace.made`."""
    files: dict[str, Stamp]
    texts: dict[str, str] = field(default_factory=dict)
    """The project's own small text files, by path."""
    whole: bool = True
    """Whether there were not too many files to list them all."""

    def differences(self, later: Listing) -> dict[str, tuple[Stamp | None, Stamp | None]]:
        """Give each path that isn't as it was, with what it was and what it is; None for nothing."""
        if not (self.whole and later.whole):
            return {}
        ours, theirs = self.files, later.files
        found: dict[str, tuple[Stamp | None, Stamp | None]] = {}
        for path, stamp in theirs.items():
            before = ours.get(path)
            if before is None or (before != stamp and not _same(before, stamp)):
                found[path] = (before, stamp)
        found |= {path: (stamp, None) for path, stamp in ours.items() if path not in theirs}
        return found

    def as_json(self) -> dict[str, Any]:
        """Give it for `json`."""
        return {"version": 1, "made": self.made, "whole": self.whole, "files": self.files, "texts": self.texts}

    @classmethod
    def from_json(cls, told: Any) -> Listing | None:
        """Read what `as_json` gave; None if it is none of ours (in the basic tier commands could write to it)."""
        try:
            if told["version"] != 1:
                return None
            files: dict[str, Stamp] = {}
            for path, (mode, size, changed, altered, inode) in told["files"].items():
                files[path] = (int(mode), int(size), int(changed), int(altered), int(inode))
            texts = {path: text for path, text in told["texts"].items() if isinstance(text, str)}
            return cls(int(told["made"]), files, texts, bool(told["whole"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return None


def environments_in(paths: Iterable[str]) -> list[str]:
    """Give the folders of virtual environments, each with `/` at its end."""
    return sorted({path.removesuffix("pyvenv.cfg") for path in paths if path.endswith("/pyvenv.cfg")})


def _tops(live: LiveWorkspace) -> list[tuple[str, Path]]:
    place = live.place
    return [
        ("project/", live.project),
        ("home/", place.home),
        ("published/", live.state / "published"),
        *((f"system/{part}/", place.system / part) for part in writable_parts()),
    ]


def real_path(live: LiveWorkspace, path: str) -> Path:
    """Say where a listed path lies on this machine."""
    top, _, rest = path.partition("/")
    if top == "project":
        return live.project / rest
    if top == "published":
        return live.state / "published" / rest
    return (live.place.home if top == "home" else live.place.system) / rest


def _scan(prefix: str, top: Path, files: dict[str, Stamp]) -> bool:
    """Add all below a folder; False if there is too much. No link is followed."""
    todo = [(str(top), prefix)]
    while todo:
        folder, before = todo.pop()
        try:
            entries = os.scandir(folder)
        except OSError:
            continue
        with entries:
            for entry in entries:
                name = entry.name
                if name == "__pycache__":
                    continue
                if len(files) > MOST_ENTRIES:
                    return False
                path = before + name
                if path in _OWN_RECORDS:
                    continue
                try:
                    state = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                mode = state.st_mode
                if mode & 0o170000 == 0o040000:
                    todo.append((entry.path, path + "/"))
                    files[path] = (mode, 0, 0, state.st_ctime_ns, 0)
                else:
                    files[path] = (mode, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    return True


def take(live: LiveWorkspace, before: Listing | None = None) -> Listing:
    """List a workspace; texts of files that are as they were are taken from the listing `before`."""
    files: dict[str, Stamp] = {}
    whole = all(_scan(prefix, top, files) for prefix, top in _tops(live))
    found = Listing(live.made, files, whole=whole)
    if whole:
        found.texts = _texts(live, files, before)
    return found


def glance(live: LiveWorkspace) -> frozenset[tuple[str, int, int]]:
    """Give a mark of what an editor may have changed: the project's files, without its environments and git's records.

    So cheap (less than a millisecond) that it can be taken every second.
    """
    found: set[tuple[str, int, int]] = set()
    todo = [str(live.project)]
    while todo and len(found) < MOST_GLANCED:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            inside = list(itertools.islice(entries, MOST_GLANCED))
            if any(entry.name == "pyvenv.cfg" for entry in inside):
                continue
            for entry in inside:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in ("__pycache__", ".git"):
                        todo.append(entry.path)
                        found.add((entry.path, 0, 0))
                else:
                    state = entry.stat(follow_symlinks=False)
                    found.add((entry.path, state.st_size, state.st_mtime_ns))
    return frozenset(found)


def _texts(live: LiveWorkspace, files: Mapping[str, Stamp], before: Listing | None) -> dict[str, str]:
    kept: dict[str, str] = {}
    skipped = (*environments_in(files), "project/.git/")
    top, room = live.project, ALL_TEXTS
    for path, stamp in files.items():
        if not path.startswith("project/"):
            break  # the project comes first
        if not stat.S_ISREG(stamp[0]) or stamp[1] > LARGEST_TEXT or path.startswith(skipped):
            continue
        if "/site-packages/" in path or path.endswith(_PRIVATE):
            continue
        if len(kept) >= MOST_TEXTS or room < stamp[1]:
            break
        if before is not None and before.files.get(path) == stamp:
            text = before.texts.get(path)
        else:
            text = read_small(top / path.removeprefix("project/"))
        if text is not None:
            kept[path] = text
        room -= stamp[1]
    return kept


def read_small(path: Path, largest: int = LARGEST_TEXT) -> str | None:
    """Read a small text file, and nothing else: no link, no pipe, no binary."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = file.read(largest + 1)
    if len(data) > largest or b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
