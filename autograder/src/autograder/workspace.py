"""A learner's workspace, as a check sees it.

What can be asked here is read from the files, without running anything (`run` excepted) and without following a link out of the workspace.
Whatever isn't as a check wants it is said in a `Failed`; a check needs no `if`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from autograder.archive import Sdist, Wheel, find_archives
from autograder.distribution import Distribution, Known
from autograder.environment import Environment
from autograder.exceptions import BrokenExercise, Failed
from autograder.facts import Facts
from autograder.published import Published
from autograder.repository import Repository
from autograder.requirements import Requirements
from autograder.source import Source
from autograder.tree import Entry, Outside, Tree, resolve
from autograder.variants import Variant
from autograder.wording import code, command, leaving, listing, seen, unseen

__all__ = [
    "Actor",
    "Distribution",
    "Environment",
    "Facts",
    "File",
    "Ran",
    "Repository",
    "Requirements",
    "Source",
    "Workspace",
]

LARGEST_TEXT = 2_000_000


@dataclass(frozen=True)
class Ran:
    """What became of a command that a check ran in the sandbox."""

    exit_status: int
    output: str
    """What it wrote to standard output and standard error, in the order written."""
    stopped: str = ""
    """A sentence if a limit ended it; else empty."""


Actor = Callable[[tuple[str, ...], str], Ran]
"""Runs a command in the sandbox, in a folder given relative to the workspace."""


class File:
    """A file of the workspace, which may not be there."""

    def __init__(self, tree: Tree, path: str) -> None:
        """Look at `path`, relative to the workspace; links are followed within it."""
        self._tree = tree
        self.path = posixpath.normpath(path)

    def __repr__(self) -> str:
        """Name the path."""
        return f"<File {self.path}>"

    @cached_property
    def _where(self) -> str | Outside:
        return resolve(self._tree, self.path)

    @cached_property
    def _entry(self) -> Entry | None:
        return None if isinstance(self._where, Outside) else self._tree.entry(self._where)

    @property
    def exists(self) -> bool:
        """Whether a regular file is there; a folder isn't one."""
        return self._entry is not None and self._entry.kind == "file"

    @property
    def executable(self) -> bool:
        """Whether it is there and its owner may run it."""
        return self._entry is not None and self._entry.executable

    @property
    def size(self) -> int:
        """In bytes; 0 if it isn't there."""
        return self._entry.size if self._entry is not None else 0

    def require(self) -> File:
        """Give the file itself; raises Failed, saying what is there instead, if it is no regular file in the workspace."""
        if self.exists:
            return self
        expected = f"There is a file {code(self.path)}."
        folder = posixpath.dirname(self.path)
        look = command("ls", "-lA", folder) if folder else "`ls -lA`"
        if isinstance(self._where, Outside):
            found = leaving(self._tree, self._where)
            step, evidence = command("ls", "-ld", self._where.link), seen(" -> ")
        elif self._entry is not None:
            kind = "folder" if self._entry.kind == "folder" else "pipe or device"
            found = f"{code(self.path)} is a {kind}, not a file."
            step, evidence = command("ls", "-ld", self.path), seen(posixpath.basename(self.path))
        else:
            found, step = f"There is no file {code(self.path)}.", look
            evidence = unseen(posixpath.basename(self.path))
            if folder and self._tree.entry(folder) is None:
                step = "`ls -lA`"
            link = self._tree.entry(self.path)
            if link is not None and link.kind == "link":
                found = f"{code(self.path)} is a link to {code(link.target)}, where nothing is."
                step, evidence = command("ls", "-ld", self.path), seen(" -> ")
        raise Failed(expected=expected, found=found, next_step=f"Run {step} to see what is there.", evidence=evidence)

    @cached_property
    def content(self) -> bytes:
        """Its bytes; raises Failed if it isn't there or is larger than 2,000,000 bytes."""
        self.require()
        try:
            if self.size <= LARGEST_TEXT:
                return self._tree.read(str(self._where), LARGEST_TEXT)
        except FileNotFoundError:
            pass  # its content did not travel: there was too much of it
        raise Failed(
            expected=f"{code(self.path)} is small enough to be read.",
            found=f"{code(self.path)} has {self.size:,} bytes, or the workspace holds too much of its own: its content was not looked at.",
            next_step=f"Run {command('ls', '-l', self.path)} to see its size.",
            evidence=seen(str(self.size)),
        )

    @cached_property
    def text(self) -> str:
        """Its text, decoded as UTF-8 (a byte order mark is dropped); raises Failed if it isn't there or isn't UTF-8."""
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.content[: error.start].count(b"\n") + 1
            raise Failed(
                expected=f"{code(self.path)} is text in UTF-8.",
                found=f"{code(self.path)} is not UTF-8 text: line {line} holds other bytes.",
                next_step=f"Run {command('file', self.path)} to see what it is.",
            ) from None

    @property
    def lines(self) -> list[str]:
        """The lines of its text, without their ends."""
        return self.text.splitlines()


class Workspace:
    """What a check is given: the learner's files, and what is known of the machine they worked on."""

    def __init__(
        self,
        tree: Tree,
        facts: Facts,
        known: Known,
        act: Actor | None = None,
        *,
        published: Tree | None = None,
        variant: Variant | None = None,
    ) -> None:
        """See the files through `tree`; `act` runs commands and is given to acting checks only."""
        self.variant = variant if variant is not None else Variant({})
        """What was drawn for this learner, where the exercise differs from one to another."""
        self.tree = tree
        self.facts = facts
        self.known = known
        self._act = act
        self._published = published
        self._environments: dict[str, Environment] = {}
        self._indexes: dict[str, Published] = {}

    def file(self, path: str) -> File:
        """Look at a file, which need not exist."""
        return File(self.tree, path)

    def environment(self, path: str = ".venv") -> Environment:
        """Give the virtual environment at `path`.

        Raises:
            Failed: nothing is there; it is no environment; it leaves the workspace; it belongs to another Python.
        """
        if path not in self._environments:
            self._environments[path] = Environment(self.tree, path, self.facts, self.known)
        return self._environments[path]

    def requirements(self, path: str = "requirements.txt") -> Requirements:
        """Give the requirements file at `path`; raises Failed if it isn't there or a line of it is none."""
        return Requirements(self.file(path).path, self._requirement_bytes)

    def _requirement_bytes(self, path: str) -> bytes:
        return self.file(path).content

    def wheel(self, project: str, folder: str = "dist") -> Wheel:
        """Give the newest wheel of a project in `folder`; raises Failed if there is none, or it is damaged."""
        path = self._archive(project, folder, ".whl", "wheel")
        return Wheel(path, self.file(path).content)

    def sdist(self, project: str, folder: str = "dist") -> Sdist:
        """Give the newest sdist of a project in `folder`; raises Failed if there is none, or it is damaged."""
        path = self._archive(project, folder, ".tar.gz", "sdist")
        return Sdist(path, self.file(path).content)

    def _archive(self, project: str, folder: str, ending: str, kind: str) -> str:
        there = [path for _, path in find_archives(self.tree, folder, project) if path.endswith(ending)]
        if there:
            return there[-1]
        others = [name for name in self.tree.names(folder) if name.endswith(ending)]
        raise Failed(
            expected=f"There is {'an' if kind == 'sdist' else 'a'} {kind} of {code(project)} in {code(folder)}.",
            found=f"There is only {listing(others)}." if others else f"There is no {kind} in {code(folder)}.",
            next_step=f"Run {command('ls', '-l', folder)} to see what is there.",
            evidence=seen(others[0]) if others else unseen(f"{project}{ending}"),
        )

    def published(self, site: str) -> Published:
        """Give what was published from here to `pypi`, `testpypi` or `company`.

        Raises:
            BrokenExercise: there is no such index.
            Failed: the journal can't have been written by the index.
        """
        if site not in self._indexes:
            found = Published(site, self._published)
            found.require_possible()
            self._indexes[site] = found
        return self._indexes[site]

    def repository(self, path: str = "") -> Repository:
        """Give the git repository whose top is `path`; raises Failed if there is none."""
        return Repository(self.tree, path)

    def source(self, path: str) -> Source:
        """Give the Python source at `path`, read without running it; raises Failed if it isn't there or is no Python."""
        return Source(self.file(path).path, self.file(path).content)

    def run(self, *argv: str, cwd: str = "") -> Ran:
        """Run a command in the sandbox, in a copy of the workspace (in `cwd`, relative to its top).

        Raises:
            BrokenExercise: the check wasn't declared with `acts=True`.
        """
        if self._act is None:
            raise BrokenExercise(
                f"A check that only reads ran {' '.join(argv)!r}.", "Declare it with `@check(…, acts=True)`."
            )
        return self._act(argv, cwd)
