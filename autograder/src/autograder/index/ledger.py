"""What the events of a journal amount to on one site: files, burned names, yanks, tokens, publishers.

The journal may come from a snapshot, so from anyone: an event that makes no sense is left out.
"""

from __future__ import annotations

__all__ = ["STATUSES", "TEAM_SITE", "USER", "Ledger", "Publisher", "Token"]

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder.index.journal import Event
from autograder.index.site import Status
from autograder.index.store import IndexFile

TEAM_SITE = "company"
"""On the company's index the learner is a member of the team that owns all projects; elsewhere the seed's belong to strangers."""
USER = "learner"
"""The name of the one account on each site."""
MOST_EVENTS = 5000
"""On one site. Going through them takes a second at worst, whoever wrote them."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PROJECT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,200}[a-z0-9])?")
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,250}")
STATUSES = ("active", "archived", "quarantined", "deprecated")


@dataclass(frozen=True, kw_only=True)
class Token:
    """An API token; whoever knows its key can make it anew, so the key is not here."""

    id: str
    name: str
    caveats: Sequence[Sequence[Any]]
    """Each as PyPI writes it: `[tag, field, …]`."""
    project: str = ""
    """The normalised name of the only project it is for."""
    publisher: str = ""
    """The id of the trusted publisher that it was minted for."""
    made: str = ""


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """A workflow whose identity is accepted in place of a token."""

    id: str
    project: str
    """The normalised name."""
    name: str
    """The project's name as it was written."""
    repository: str
    """`owner/name`."""
    workflow: str
    """The file's name in `.github/workflows`."""
    environment: str = ""
    """Empty where any will do."""
    pending: bool = False
    """The project doesn't exist yet: the first use creates it."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What the workflow is recognised by; several projects may have registered it."""
        return (self.repository.lower(), self.workflow, self.environment.lower())


class Ledger:
    """One site as its seed and its journal tell it."""

    def __init__(
        self,
        site: str,
        seed: Mapping[str, Sequence[IndexFile]],
        statuses: Mapping[str, Status],
        events: Iterable[Event],
    ) -> None:
        """Go through the events of this site, oldest first."""
        self.site = site
        self.projects: dict[str, dict[str, IndexFile]] = {
            project: {file.filename: file for file in files} for project, files in seed.items()
        }
        """Normalised name -> file name -> file; a project may be there without files."""
        self.statuses = dict(statuses)
        self.names: dict[str, str] = {}
        """Normalised name -> as its owner writes it."""
        self.ids: dict[str, str] = {}
        """Normalised name -> the id of a project that was created here."""
        self.provenance: dict[str, str] = {}
        self.burned: set[str] = set()
        """Names of files that were deleted: they can never be used again."""
        self.tokens: dict[str, Token] = {}
        self.publishers: dict[str, Publisher] = {}
        self.used: set[str] = set()
        """`jti` of identity tokens that were exchanged."""
        self.taken = 0
        """How many bytes were ever uploaded; what was deleted since still lies there."""
        self.serial = 0
        self._yanked: dict[tuple[str, str], str | None] = {}
        for event in events:
            self._happen(event)
        self._mark_yanked()

    def add(self, event: Event) -> None:
        """Let one more event happen."""
        self._happen(event)
        self._mark_yanked()

    def _happen(self, event: Event) -> None:
        if event.site == self.site and (apply := _KINDS.get(event.kind)) is not None and self.serial < MOST_EVENTS:
            self.serial += 1
            apply(self, event)

    @property
    def full(self) -> bool:
        """Say whether no more may be written: what comes after so many events isn't read."""
        return self.serial > MOST_EVENTS - 10

    @property
    def user_id(self) -> str:
        """The id of this site's one account."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.site}/user/{USER}"))

    def mine(self, project: str) -> bool:
        """Say whether the learner owns a project or is a member of the team that does."""
        return project in self.projects and (project in self.ids or self.site == TEAM_SITE)

    def id(self, project: str) -> str:
        """Give the id of a project, by which a token is bound to it: another one of that name has another."""
        return self.ids.get(project) or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.site}/project/{project}"))

    def name(self, project: str) -> str:
        """Give the name of a project as its owner writes it."""
        return self.names.get(project, project)

    def status(self, project: str) -> str:
        """Say whether a project is `active`, `archived`, `quarantined` or `deprecated`."""
        return self.statuses[project].marker if project in self.statuses else "active"

    def published_by(self, publisher: str) -> list[str]:
        """Name the projects for which the workflow behind a publisher is registered."""
        known = self.publishers.get(publisher)
        if known is None or known.pending:
            return []
        return [one.project for one in self.publishers.values() if not one.pending and one.identity == known.identity]

    def versions(self, project: str) -> list[str]:
        """Give the versions of a project, oldest first."""
        found = {file.version for file in self.projects.get(project, {}).values()}
        return sorted(found, key=Version)

    def file(self, filename: str) -> IndexFile | None:
        """Find a file by its name, in whichever project."""
        return next((files[filename] for files in self.projects.values() if filename in files), None)

    def yanked(self, project: str, version: str) -> str | None:
        """Give the reason for which a release is yanked; None if it isn't."""
        files = self.projects.get(project, {}).values()
        return next((file.yanked for file in files if file.version == version), None)

    # --- one kind of event each

    def _create(self, event: Event) -> None:
        project = event.project
        if not _PROJECT.fullmatch(project) or project != canonicalize_name(project) or project in self.projects:
            return
        self.projects[project] = {}
        self.ids[project] = str(event.details.get("id", ""))
        self.names[project] = str(event.details.get("name") or project)
        # Whoever waited for this name to be free waits in vain now, except the one who made use of it.
        for publisher in [*self.publishers.values()]:
            if publisher.pending and publisher.project == project:
                if publisher.id == event.details.get("publisher"):
                    self.publishers[publisher.id] = replace(publisher, pending=False)
                else:
                    del self.publishers[publisher.id]

    def _upload(self, event: Event) -> None:
        files = self.projects.get(event.project)
        if files is None or not _SHA256.fullmatch(event.sha256) or not _version(event.version):
            return
        if not _FILENAME.fullmatch(event.filename):
            return
        if event.filename in files or event.filename in self.burned:
            return
        self.taken += max(0, event.size)
        told = {key: value for key, value in event.details.items() if isinstance(value, str)}
        hashes = {key: value for key, value in told.items() if _SHA256.fullmatch(value)}
        files[event.filename] = IndexFile(
            filename=event.filename,
            project=event.project,
            version=event.version,
            origin="published",
            sha256=event.sha256,
            size=event.size,
            uploaded=event.when,
            requires_python=told.get("requires_python", ""),
            metadata_sha256=hashes.get("metadata_sha256", ""),
            sites=(self.site,),
        )
        if "provenance_sha256" in hashes:
            self.provenance[event.sha256] = hashes["provenance_sha256"]

    def _yank(self, event: Event) -> None:
        # A whole release is yanked, as on PyPI: a file that comes later is yanked, too.
        self._yanked[event.project, event.version] = event.reason

    def _unyank(self, event: Event) -> None:
        self._yanked[event.project, event.version] = None

    def _mark_yanked(self) -> None:
        for project in {project for project, _ in self._yanked}:
            files = self.projects.get(project, {})
            for filename, file in files.items():
                reason = self._yanked.get((project, file.version), file.yanked)
                if reason != file.yanked:
                    files[filename] = replace(file, yanked=reason)

    def _delete(self, event: Event) -> None:
        files = self.projects.get(event.project, {})
        for filename, file in [*files.items()]:
            if event.filename in ("", filename) and event.version in ("", file.version):
                self.burned.add(filename)
                del files[filename]
        if event.version and all(file.version != event.version for file in files.values()):
            self._yanked.pop((event.project, event.version), None)
        if not event.version and not event.filename:
            self.projects.pop(event.project, None)
            for table in (self.ids, self.names, self.statuses):
                table.pop(event.project, None)
            self._yanked = {key: reason for key, reason in self._yanked.items() if key[0] != event.project}
            self.publishers = {key: one for key, one in self.publishers.items() if one.project != event.project}

    def _status(self, event: Event) -> None:
        marker = event.details.get("status")
        if event.project in self.projects and marker in STATUSES:
            self.statuses[event.project] = Status(marker, event.reason)

    def _token(self, event: Event) -> None:
        told = event.details
        caveats = told.get("caveats")
        if isinstance(told.get("id"), str) and isinstance(caveats, list) and all(map(_is_caveat, caveats)):
            self.tokens[told["id"]] = Token(
                id=told["id"],
                name=str(told.get("name", "")),
                caveats=caveats,
                project=event.project,
                publisher=str(told.get("publisher", "")),
                made=event.when,
            )

    def _revoke(self, event: Event) -> None:
        self.tokens.pop(str(event.details.get("id", "")), None)

    def _publisher(self, event: Event) -> None:
        told = {key: str(value) for key, value in event.details.items()}
        if told.keys() >= {"id", "repository", "workflow"}:
            self.publishers[told["id"]] = Publisher(
                id=told["id"],
                project=event.project,
                name=told.get("name") or event.project,
                repository=told["repository"],
                workflow=told["workflow"],
                environment=told.get("environment", ""),
                pending=event.project not in self.projects,
            )

    def _unpublisher(self, event: Event) -> None:
        self.publishers.pop(str(event.details.get("id", "")), None)

    def _identity(self, event: Event) -> None:
        self.used.add(str(event.details.get("jti", "")))


def _version(text: str) -> bool:
    try:
        return str(Version(text)) == text
    except InvalidVersion:
        return False


def _is_caveat(value: object) -> bool:
    return isinstance(value, list) and bool(value)


_KINDS = {
    "create": Ledger._create,
    "upload": Ledger._upload,
    "yank": Ledger._yank,
    "unyank": Ledger._unyank,
    "delete": Ledger._delete,
    "status": Ledger._status,
    "token": Ledger._token,
    "revoke": Ledger._revoke,
    "publisher": Ledger._publisher,
    "unpublisher": Ledger._unpublisher,
    "identity": Ledger._identity,
}
