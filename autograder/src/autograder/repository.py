"""Read a git repository from its files: what it tracks, and what it ignores.

No git command is run: `.git/index` says what is tracked, `.gitignore` files (matched by dulwich) say what is ignored,
and the last commit's id of its tree says whether what is staged was committed.
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
from autograder.gitfiles import LARGEST_INDEX, Staged, head, read_index, tree_of_commit, tree_of_index
from autograder.tree import Outside, Tree, resolve
from autograder.wording import code, command, leaving, seen

__all__ = ["Repository"]

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
        names = {entry.path for entry in self._staged}
        return tuple(sorted(name.decode("utf-8", "surrogateescape") for name in names))

    @cached_property
    def _staged(self) -> list[Staged]:
        path = f"{self._git}/index"
        if self._tree.entry(path) is None:
            return []
        try:
            data = self._tree.read(path, LARGEST_INDEX + 1)
            if len(data) > LARGEST_INDEX:
                raise ValueError("too large")
            return read_index(data, 32 if self._uses_sha256() else 20)
        except (FileNotFoundError, ValueError, struct.error):
            raise Failed(
                expected="git's index can be read.",
                found=f"{code(path)} is damaged, or larger than {LARGEST_INDEX:,} bytes.",
                next_step=f"Run {command('git', '-C', self.path or '.', 'status')} to hear what git says of it.",
            ) from None

    def require_committed(self) -> None:
        """Raise Failed unless what is tracked now is what the last commit holds.

        Changes of files that were not staged again are another question: see git's own `status`.
        """
        expected = f"What git tracks in {self._shown} is what the last commit holds."
        status = command("git", "-C", self.path or ".", "status", "--short", "--branch")
        commit = head(self._tree, self._git, self._common())
        found = ""
        if not commit:
            found, evidence = f"Nothing has been committed in {self._shown} yet.", "^## No commits yet"
        else:
            evidence = "^[ACDMRTU]"
            try:
                staged = tree_of_index(self._staged, "sha256" if self._uses_sha256() else "sha1")
                if staged != tree_of_commit(self._tree, self._common(), commit):
                    found = f"There are staged changes in {self._shown} that are in no commit yet: who clones it doesn't get them."
            except ValueError:
                found, evidence = f"git's last commit in {self._shown}, or a merge, is not finished or damaged.", ""
        if found:
            raise Failed(
                expected=expected,
                found=found,
                next_step=f"Run {status} to see what waits for a commit (in the left column).",
                evidence=evidence,
            )

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
