"""Read a git repository from its files: what it tracks, and what it ignores.

No git command is run and no object is read: `.git/index` says what is tracked, `.gitignore` files (matched by dulwich) say what is ignored.
The index is read here and not by dulwich, whose reader of version 4 fails where two paths differ in more than 127 letters,
and takes hours for one path of 2 MB (1.2.21).
Sources: gitformat-index(5), gitignore(5), gitrepository-layout(5).
"""

from __future__ import annotations

import io
import posixpath
import re
import struct
from functools import cached_property
from pathlib import PurePosixPath

from dulwich.ignore import Pattern, read_ignore_patterns
from dulwich.wildmatch import MalformedPattern

from autograder.exceptions import Failed
from autograder.tree import Outside, Tree, resolve
from autograder.wording import code, command, leaving, seen

__all__ = ["Repository"]

LARGEST_INDEX = 2_000_000
LARGEST_IGNORE = 100_000
MOST_PATTERNS = 2_000
MOST_STARS = 8


class Repository:
    """A git repository's work tree."""

    def __init__(self, tree: Tree, path: str = "") -> None:
        """Look at the repository whose top folder is `path`, relative to the workspace; raises Failed if there is none."""
        self._tree = tree
        self.path = "" if path in ("", ".") else posixpath.normpath(path)
        self._git = self._find()

    def __repr__(self) -> str:
        """Name the path."""
        return f"<Repository {self.path or '.'}>"

    def _join(self, path: str) -> str:
        return f"{self.path}/{path}" if self.path else path

    @property
    def _shown(self) -> str:
        return code(self.path) if self.path else "the workspace"

    def _find(self) -> str:
        path = self._join(".git")
        where = resolve(self._tree, path)
        entry = None if isinstance(where, Outside) else self._tree.entry(where)
        if entry is not None and entry.kind == "file":  # a worktree or submodule: "gitdir: ../real/.git/worktrees/x"
            where = self._follow(str(where))
            entry = None if isinstance(where, Outside) else self._tree.entry(where)
        if isinstance(where, Outside):
            raise Failed(
                expected=f"The top of {self._shown} is a git repository of its own.",
                found=leaving(self._tree, where),
                next_step=f"Run {command('ls', '-ld', path)} to see what it is.",
                evidence=seen(".git"),
            )
        if entry is None or entry.kind != "folder" or self._tree.entry(f"{where}/HEAD") is None:
            what = "holds no git repository" if entry is not None else "does not exist"
            raise Failed(
                expected=f"The top of {self._shown} is a git repository.",
                found=f"{code(path)} {what}.",
                next_step=f"Run {command('ls', '-A', self.path or '.')} to see what is there.",
            )
        return where

    def _follow(self, path: str) -> str | Outside:
        try:
            text = self._tree.read(path, 4_096).decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return path
        target = text.removeprefix("gitdir:").strip()
        if not text.startswith("gitdir:") or "\0" in target:
            return path
        absolute = PurePosixPath(posixpath.normpath(self._tree.root / posixpath.dirname(path) / target))
        if not absolute.is_relative_to(self._tree.root):
            return Outside(path, str(absolute))
        return resolve(self._tree, str(absolute.relative_to(self._tree.root)))

    def _common(self) -> str:
        """Give the folder that a worktree shares with its repository: `commondir` leads to it."""
        try:
            text = self._tree.read(f"{self._git}/commondir", 4_096).decode("utf-8", "surrogateescape").strip()
        except FileNotFoundError:
            return self._git
        where = resolve(self._tree, posixpath.normpath(f"{self._git}/{text}"))
        return self._git if isinstance(where, Outside) else where

    @cached_property
    def tracked(self) -> tuple[str, ...]:
        """What the index holds (`git ls-files`): paths relative to the repository's top, sorted, each once.

        Empty where nothing was ever added; raises Failed if the index can't be read.
        """
        path = f"{self._git}/index"
        entry = self._tree.entry(path)
        if entry is None:
            return ()
        try:
            data = self._tree.read(path, LARGEST_INDEX + 1)
            if len(data) > LARGEST_INDEX:
                raise ValueError("too large")
            names = _index_names(data, 32 if self._uses_sha256() else 20)
        except (FileNotFoundError, ValueError, struct.error):
            raise Failed(
                expected="git's index can be read.",
                found=f"{code(path)} is damaged, or larger than {LARGEST_INDEX:,} bytes.",
                next_step=f"Run {command('git', '-C', self.path or '.', 'status')} to hear what git says of it.",
            ) from None
        return tuple(sorted({name.decode("utf-8", "surrogateescape") for name in names}))

    def _uses_sha256(self) -> bool:
        try:
            text = self._tree.read(f"{self._common()}/config", LARGEST_IGNORE)
        except FileNotFoundError:
            return False
        return re.search(rb"(?im)^\s*objectformat\s*=\s*sha256\s*$", text) is not None

    def tracks(self, path: str) -> tuple[str, ...]:
        """Give the tracked paths that are `path` or lie below it."""
        wanted = posixpath.normpath(path)
        if wanted == ".":
            return self.tracked
        return tuple(one for one in self.tracked if one == wanted or one.startswith(f"{wanted}/"))

    def ignores(self, path: str) -> bool:
        """Say whether git would ignore `path`, relative to the repository's top; end a folder's path with `/`.

        It need not exist. The `.gitignore` files and `.git/info/exclude` count; a user's own global ones don't, since they don't travel.
        That git never ignores what it tracks is another question: see `tracks`.
        """
        folder = path.endswith("/")
        parts = [part for part in posixpath.normpath(path).split("/") if part not in ("", ".")]
        # what lies in an ignored folder can't be included again
        return any(self._decide(parts[:length], folder or length < len(parts)) for length in range(1, len(parts) + 1))

    def _decide(self, parts: list[str], folder: bool) -> bool:
        """Ask the deepest file first; in a file the last pattern that matches decides."""
        sources = [(depth, self._join("/".join([*parts[:depth], ".gitignore"]))) for depth in range(len(parts))]
        sources.insert(0, (0, f"{self._common()}/info/exclude"))
        for depth, source in reversed(sources):
            below = "/".join(parts[depth:]).encode("utf-8", "surrogateescape")
            for pattern in reversed(self._patterns(source)):
                if pattern.matches(below, folder):
                    return pattern.is_exclude
        return False

    def _patterns(self, source: str) -> list[Pattern]:
        if source not in self._read:
            self._read[source] = list(self._compile(source))
        return self._read[source]

    @cached_property
    def _read(self) -> dict[str, list[Pattern]]:
        return {}

    def _compile(self, source: str) -> list[Pattern]:
        entry = self._tree.entry(source)
        if entry is None or entry.kind != "file":  # git doesn't follow a link called .gitignore either
            return []
        try:
            data = self._tree.read(source, LARGEST_IGNORE)
        except FileNotFoundError:
            return []
        found: list[Pattern] = []
        for line in read_ignore_patterns(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf"))):
            # a line of many stars takes a matcher years: no honest one has so many
            if line.count(b"*") > MOST_STARS or len(line) > 500 or len(found) >= MOST_PATTERNS:
                continue
            try:
                found.append(Pattern(line))
            except (MalformedPattern, re.error, ValueError):
                continue
        return found


def _index_names(data: bytes, hash_length: int) -> list[bytes]:
    """Read the paths of an index of version 2 to 4; raises ValueError or struct.error if it is none.

    Source: gitformat-index(5). Each entry: ten numbers of 4 bytes, the object's hash, 2 bytes of flags, 2 more if a flag says so, the path.
    """
    signature, version, count = struct.unpack_from(">4sLL", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("no index")
    names: list[bytes] = []
    start, room, name = 12, 4 * LARGEST_INDEX, b""
    for _ in range(count):
        (flags,) = struct.unpack_from(">H", data, start + 40 + hash_length)
        at = start + 42 + hash_length + (2 if flags & 0x4000 else 0)
        kept = b""
        if version == 4:  # the path is what is left of the one before, and a new end
            dropped, at = _offset(data, at)
            if dropped > len(name):
                raise ValueError("a path is shortened by more than it has")
            kept = name[: len(name) - dropped]
        end = data.index(b"\0", at)
        name = kept + data[at:end]
        room -= len(name)
        if not name or len(name) > 4096 or room < 0:
            raise ValueError("a path is empty, or they are too long")
        names.append(name)
        start = end + 1 if version == 4 else start + (end - start + 8) // 8 * 8
    if start > len(data) - hash_length:
        raise ValueError("cut short")
    return names


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length as in pack files (gitformat-pack(5), offset encoding), and say where it ends."""
    value = -1
    for place in range(at, at + 5):
        byte = data[place] if place < len(data) else 0xFF
        value = ((value + 1) << 7) | (byte & 0x7F)
        if not byte & 0x80:
            return value, place + 1
    raise ValueError("a number is too long")
