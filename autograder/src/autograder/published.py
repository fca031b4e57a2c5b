"""What a workspace has published to one index: read from its journal, as a check sees it.

The journal may come from a snapshot, and so from anyone: what makes no sense in it is left out (see `autograder.index.ledger`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from autograder.exceptions import BrokenExercise, Failed
from autograder.index.journal import MOST_BYTES, Event
from autograder.index.ledger import Ledger, Publisher, Token
from autograder.index.replay import first_impossible
from autograder.index.store import IndexFile
from autograder.tree import Tree
from autograder.wording import code, seen

__all__ = ["Published", "Release"]

LARGEST = 64 << 20
"""In bytes; the index takes no larger file."""
SITES = {"pypi": "PyPI", "testpypi": "TestPyPI", "company": "the company's index"}


@dataclass(frozen=True)
class Release:
    """One version of a project, as it stands on an index."""

    project: str
    """The normalised name."""
    version: str
    files: tuple[IndexFile, ...]

    @property
    def yanked(self) -> str | None:
        """The reason of the yank; None if it isn't yanked."""
        return self.files[0].yanked

    @property
    def wheels(self) -> tuple[IndexFile, ...]:
        """Its wheels."""
        return tuple(file for file in self.files if file.filename.endswith(".whl"))

    @property
    def sdists(self) -> tuple[IndexFile, ...]:
        """Its sdists."""
        return tuple(file for file in self.files if not file.filename.endswith(".whl"))


class Published:
    """What one workspace did on one index, apart from what was there before."""

    def __init__(self, site: str, tree: Tree | None) -> None:
        """Read the journal in `tree`; None where nothing was published.

        Raises:
            BrokenExercise: there is no such index.
        """
        if site not in SITES:
            raise BrokenExercise(f"There is no index {site!r}.", f"There are {', '.join(SITES)}.")
        self.site = site
        self._tree = tree

    @property
    def name(self) -> str:
        """What people call it."""
        return SITES[self.site]

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """All that happened on this index, oldest first."""
        try:
            lines = self._tree.read("journal.jsonl", MOST_BYTES).splitlines(keepends=True) if self._tree else []
        except FileNotFoundError:
            lines = []
        found = (Event.read(line) for line in lines if line.endswith(b"\n"))
        return tuple(event for event in found if event is not None and event.site == self.site)

    def require_possible(self) -> None:
        """Raise Failed if the journal can't be one that the index wrote: see `autograder.index.replay`."""
        problem = first_impossible(self.site, self.events, self._uploaded)
        if problem:
            raise Failed(
                expected=f"What was published on {self.name} was published by uploading it.",
                found=f"The journal of {self.name} says what the index never does: {code(problem)}.",
                next_step="Run `pypi-manage list` to see what is there. To begin again, leave the shell and reset the exercise.",
            )

    def _uploaded(self, sha256: str) -> bytes | None:
        """Give an uploaded file; None if it was too large to travel, and nothing if it isn't there at all."""
        path = f"files/{sha256}"
        try:
            return self._tree.read(path, LARGEST) if self._tree else b""
        except FileNotFoundError:
            pass
        try:
            return None if self._tree is not None and self._tree.sha256(path) == sha256 else b""
        except FileNotFoundError:
            return b""

    @cached_property
    def _ledger(self) -> Ledger:
        # On the company's index a release of the team's own project needs no `create` before it.
        created = {event.project for event in self.events if event.kind == "create"}
        seeded = {event.project: () for event in self.events if event.kind == "upload" and event.project not in created}
        return Ledger(self.site, seeded, {}, self.events)

    @property
    def projects(self) -> list[str]:
        """The normalised names of the projects of which something is there now."""
        return [name for name, files in self._ledger.projects.items() if files]

    def releases(self, project: str) -> list[Release]:
        """Give the releases of a project that are there now, oldest first."""
        files = self._ledger.projects.get(project, {}).values()
        return [
            Release(project, version, tuple(file for file in files if file.version == version))
            for version in self._ledger.versions(project)
        ]

    def release(self, project: str, version: str) -> Release:
        """Give one release; raises Failed if it isn't there."""
        there = self.releases(project)
        for one in there:
            if one.version == version:
                return one
        gone = any(event.project == project and event.version == version for event in self._of("delete"))
        found = f"On {self.name} there is no release of {code(project)} from this workspace yet."
        if gone:
            found = (
                f"{code(f'{project} {version}')} was deleted from {self.name}: its file names can never be used again."
            )
        elif there:
            found = f"On {self.name} there is {', '.join(code(f'{project} {one.version}') for one in there)}."
        index = {"pypi": "$WHEELHOUSE_PYPI", "testpypi": "$WHEELHOUSE_TESTPYPI", "company": "$WHEELHOUSE_COMPANY"}
        raise Failed(
            expected=f"{code(f'{project} {version}')} is on {self.name}.",
            found=found,
            next_step=f'Run `pip index versions {project} --index-url "{index[self.site]}"` to see what is there.',
            evidence=seen(there[-1].version) if there else "No matching distribution|no project|versions",
        )

    def _of(self, kind: str) -> Iterator[Event]:
        return (event for event in self.events if event.kind == kind)

    @property
    def burned(self) -> frozenset[str]:
        """Names of files that were deleted: they can never be used again."""
        return frozenset(self._ledger.burned)

    @property
    def tokens(self) -> list[Token]:
        """The API tokens that are valid now, unless they have expired; never their secrets."""
        return list(self._ledger.tokens.values())

    @property
    def publishers(self) -> list[Publisher]:
        """The trusted publishers that are registered now, pending ones included."""
        return list(self._ledger.publishers.values())

    def content(self, file: IndexFile) -> bytes:
        """Give a published file; raises Failed if it was too large to be handed in."""
        try:
            if self._tree is None:
                raise FileNotFoundError(file.filename)
            return self._tree.read(f"files/{file.sha256}", file.size + 1)
        except FileNotFoundError:
            raise Failed(
                expected=f"{code(file.filename)} is small enough to be looked at.",
                found=f"{code(file.filename)} has {file.size:,} bytes, too many to travel with what you hand in.",
                next_step="Run `ls -l dist` to see its size.",
            ) from None
