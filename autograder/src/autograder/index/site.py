"""One index at one moment: its projects, their files, and what is said about them."""

from __future__ import annotations

__all__ = ["ACTIVE", "Site", "Status", "in_order"]

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from packaging.version import Version

from autograder.index.advisories import NO_ADVISORIES, Advisories
from autograder.index.store import IndexFile


@dataclass(frozen=True)
class Status:
    """How a project stands (PEP 792)."""

    marker: str = "active"
    """`active`, `archived`, `quarantined` or `deprecated`."""
    reason: str = ""


ACTIVE = Status()


@dataclass
class Site:
    """One index at one moment: what it tells never changes, so a new one is made when something was published."""

    title: str
    projects: Mapping[str, Sequence[IndexFile]]
    """Normalised name -> files."""
    open: Callable[[str], BinaryIO]
    """Open a file, a METADATA or a provenance by its SHA-256; raises FileNotFoundError."""
    name: str = "pypi"
    """`pypi`, `testpypi` or `company`: the first part of its addresses."""
    statuses: Mapping[str, Status] = field(default_factory=dict)
    """Normalised name -> status, for those which aren't simply active."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of a file -> SHA-256 of its provenance (PEP 740)."""
    advisories: Advisories = NO_ADVISORIES
    """What is known about vulnerable releases."""
    serial: int = 0
    """Grows with everything that is published."""
    own: Collection[str] = ()
    """Projects that the learner may change."""
    keep: int = 0
    """So many seconds clients may keep a page for installers without asking again; PyPI says 600."""
    pages: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Pages written before: (project, media type) -> body."""

    def __post_init__(self) -> None:
        """Index the files by hash and name."""
        self.files = {(file.sha256, file.filename): file for files in self.projects.values() for file in files}

    def status(self, project: str) -> Status:
        """Say how a project stands."""
        return self.statuses.get(project, ACTIVE)

    def offered(self, project: str) -> Sequence[IndexFile]:
        """Give the files that installers may see, oldest version first: none while the project is in quarantine."""
        return () if self.status(project).marker == "quarantined" else in_order(self.projects[project])


def in_order(files: Iterable[IndexFile]) -> list[IndexFile]:
    """Sort files by version, then by name."""
    return sorted(files, key=lambda file: (Version(file.version), file.filename))
