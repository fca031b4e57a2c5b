"""What PyPI lets its users do by clicking on its web pages: tokens, yanking, deleting, a project's status, trusted publishers.

::

    GET  /SITE/manage/                               what is yours
    POST /SITE/manage/account/token/                 name, project           a new API token; an empty project is the whole account
    POST /SITE/manage/account/token/revoke/          id
    POST /SITE/manage/account/publishing/            project, repository, workflow, environment     a pending publisher
    POST /SITE/manage/project/NAME/publishing/       repository, workflow, environment
    POST /SITE/manage/publishing/remove/             id
    POST /SITE/manage/project/NAME/release/VERSION/  action=yank, unyank or delete; reason
    POST /SITE/manage/project/NAME/file/FILENAME/    action=delete
    POST /SITE/manage/project/NAME/delete/
    POST /SITE/manage/project/NAME/status/           status=active, archived, deprecated or quarantined; reason

A form (`application/x-www-form-urlencoded`) in, JSON out. The command `pypi-manage` in the sandbox posts here.
Nobody logs in: who can reach this server is in the sandbox of the workspace, and so is the one user of its accounts.
"""

from __future__ import annotations

__all__ = ["Management"]

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder.index.answers import Answer, private
from autograder.index.contents import Contents
from autograder.index.form_rules import NAME
from autograder.index.journal import Change, Event, Journal
from autograder.index.ledger import STATUSES, USER, Ledger
from autograder.index.refusal import Refused
from autograder.index.tokens import PROJECT_ID, PROJECT_NAME, REQUEST_USER, Keys, new_token
from autograder.index.upload import MOST_JOURNAL_BYTES, unavailable

MOST_TOKENS = 200
MOST_PUBLISHERS = 100
_MOST_LETTERS = 500
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_WORKFLOW = re.compile(r"[^/\\\s]{1,100}\.ya?ml")

_NAMES = {"pypi": "PyPI", "testpypi": "TestPyPI", "company": "the company's index"}

Told = Mapping[str, str]
_Step = Callable[[Change, Ledger], dict[str, Any]]


class Management:
    """The pages of the accounts on all sites."""

    def __init__(self, contents: Contents, journal: Journal, keys: Keys) -> None:
        """Write to this journal."""
        self._contents = contents
        self._journal = journal
        self._keys = keys

    def get(self, site: str, path: Sequence[str]) -> Answer:
        """Tell what is there.

        Raises:
            Refused: there is no such page.
        """
        ledger = self._contents.ledger(site, self._journal.events())
        match path:
            case [] | [""] | ["account"] | ["account", ""]:
                return private(_account(ledger))
            case ["project", name] | ["project", name, ""]:
                return private(_project(ledger, _mine(ledger, name)))
        raise Refused(404, "Not Found")

    def post(self, site: str, path: Sequence[str], told: Told, origin: str) -> Answer:
        """Do what a form asks for.

        Raises:
            Refused: it can't be done.
            OSError: nothing can be written.
        """
        for key, value in told.items():
            if len(value) > _MOST_LETTERS:
                raise Refused(400, f"The field {key[:40]!r} is too long.")
        step = self._step(path, told, urlsplit(origin).hostname or "index")
        with self._journal.change() as change:
            ledger = self._contents.ledger(site, change.events)
            if ledger.full or self._journal.size > MOST_JOURNAL_BYTES:
                raise Refused(403, "Read-only mode: nothing more can be changed on this index.")
            answer = step(change, ledger)
        return private(answer)

    def _step(self, path: Sequence[str], told: Told, host: str) -> _Step:
        match path:
            case ["account", "token", ""]:
                return lambda change, ledger: self._new_token(change, ledger, told, host)
            case ["account", "token", "revoke", ""]:
                return lambda change, ledger: _revoke(change, ledger, told)
            case ["account", "publishing", ""]:
                return lambda change, ledger: _publisher(change, ledger, told.get("project", ""), told, pending=True)
            case ["project", name, "publishing", ""]:
                return lambda change, ledger: _publisher(change, ledger, name, told, pending=False)
            case ["publishing", "remove", ""]:
                return lambda change, ledger: _remove_publisher(change, ledger, told)
            case ["project", name, "release", version, ""]:
                return lambda change, ledger: _release(change, ledger, name, version, told)
            case ["project", name, "file", filename, ""]:
                return lambda change, ledger: _delete_file(change, ledger, name, filename, told)
            case ["project", name, "delete", ""]:
                return lambda change, ledger: _delete_project(change, ledger, name)
            case ["project", name, "status", ""]:
                return lambda change, ledger: _status(change, ledger, name, told)
        raise Refused(404, "Not Found")

    def _new_token(self, change: Change, ledger: Ledger, told: Told, host: str) -> dict[str, Any]:
        if sum(not token.publisher for token in ledger.tokens.values()) >= MOST_TOKENS:
            raise Refused(400, f"There are {MOST_TOKENS} tokens already: revoke one first.")
        project = ""
        caveats: list[list[Any]] = [[REQUEST_USER, ledger.user_id]]
        if told.get("project"):
            project = _mine(ledger, told["project"])
            caveats = [[PROJECT_NAME, [project]], [PROJECT_ID, [ledger.id(project)]]]
        name = told.get("name") or (f"for {project}" if project else "for the whole account")
        token, event = new_token(self._keys, ledger.site, host, caveats, name=name, project=project)
        change.append(event)
        return {"token": token, "id": event.details["id"], "name": name, "project": project}


def _account(ledger: Ledger) -> dict[str, Any]:
    return {
        "site": ledger.site,
        "user": USER,
        "projects": [_project(ledger, project) for project in sorted(ledger.projects) if ledger.mine(project)],
        "tokens": [
            {"id": token.id, "name": token.name, "project": token.project, "made": token.made}
            for token in ledger.tokens.values()
            if not token.publisher
        ],
        "publishers": [_told(ledger, key) for key in ledger.publishers],
    }


def _project(ledger: Ledger, project: str) -> dict[str, Any]:
    files = ledger.projects[project].values()
    return {
        "name": ledger.name(project),
        "status": ledger.status(project),
        "releases": [
            {
                "version": version,
                "yanked": ledger.yanked(project, version),
                "files": sorted(file.filename for file in files if file.version == version),
            }
            for version in ledger.versions(project)
        ],
        "publishers": [_told(ledger, key) for key, one in ledger.publishers.items() if one.project == project],
    }


def _told(ledger: Ledger, key: str) -> dict[str, Any]:
    publisher = ledger.publishers[key]
    return {
        "id": publisher.id,
        "project": publisher.name,
        "repository": publisher.repository,
        "workflow": publisher.workflow,
        "environment": publisher.environment,
        "pending": publisher.pending,
    }


def _mine(ledger: Ledger, name: str) -> str:
    project = canonicalize_name(name)
    if not ledger.mine(project):
        there = "belongs to somebody else" if project in ledger.projects else "doesn't exist"
        raise Refused(404, f"You have no project {name[:80]!r} on {_NAMES.get(ledger.site, ledger.site)}: it {there}.")
    return project


def _version(ledger: Ledger, project: str, text: str) -> str:
    try:
        version = str(Version(text))
    except InvalidVersion:
        version = ""
    versions = ledger.versions(project)
    if version not in versions:
        there = f"; there is {', '.join(versions[-8:])}" if versions else "; it has no release"
        raise Refused(404, f"{ledger.name(project)} has no version {text[:80]!r}{there}.")
    return version


def _event(ledger: Ledger, kind: str, project: str = "", **more: Any) -> Event:
    return Event(site=ledger.site, kind=kind, project=project, **more)


def _revoke(change: Change, ledger: Ledger, told: Told) -> dict[str, Any]:
    wanted = told.get("id", "")
    found = [token for token in ledger.tokens.values() if wanted and wanted in (token.id, token.name)]
    if not found:
        raise Refused(404, f"There is no token {wanted[:80]!r} on {_NAMES.get(ledger.site, ledger.site)}.")
    for token in found:
        change.append(_event(ledger, "revoke", token.project, details={"id": token.id}))
    return {"revoked": [token.id for token in found]}


def _publisher(change: Change, ledger: Ledger, name: str, told: Told, *, pending: bool) -> dict[str, Any]:
    repository, workflow = told.get("repository", ""), told.get("workflow", "")
    if not _REPOSITORY.fullmatch(repository):
        raise Refused(400, f"{repository[:80]!r} is no repository: it is written owner/name.")
    if not _WORKFLOW.fullmatch(workflow):
        raise Refused(400, "Workflow name must end with .yml or .yaml, and be given without its folder.")
    project: str = canonicalize_name(name)
    if not pending:
        project = _mine(ledger, name)
    elif project in ledger.projects:
        raise Refused(400, f"{name[:80]!r} exists already: add the publisher to the project itself.")
    elif not NAME.fullmatch(name):
        raise Refused(400, f"The name {name[:80]!r} is invalid.")
    elif problem := unavailable(ledger, name, "help/#project-name"):
        raise problem
    environment = told.get("environment", "").lower()
    if len(ledger.publishers) >= MOST_PUBLISHERS:
        raise Refused(400, f"There are {MOST_PUBLISHERS} publishers already: remove one first.")
    wanted = (project, (repository.lower(), workflow, environment))
    if any((one.project, one.identity) == wanted for one in ledger.publishers.values()):
        raise Refused(400, "This publisher has already been registered.")
    details = {
        "id": str(uuid.uuid4()),
        "name": name,
        "repository": repository,
        "workflow": workflow,
        "environment": environment,
    }
    change.append(_event(ledger, "publisher", project, details=details))
    return {**details, "pending": pending}


def _remove_publisher(change: Change, ledger: Ledger, told: Told) -> dict[str, Any]:
    publisher = ledger.publishers.get(told.get("id", ""))
    if publisher is None:
        raise Refused(
            404, f"There is no publisher {told.get('id', '')[:80]!r} on {_NAMES.get(ledger.site, ledger.site)}."
        )
    change.append(_event(ledger, "unpublisher", publisher.project, details={"id": publisher.id}))
    return {"removed": publisher.id}


def _release(change: Change, ledger: Ledger, name: str, written: str, told: Told) -> dict[str, Any]:
    project = _mine(ledger, name)
    version = _version(ledger, project, written)
    yanked = ledger.yanked(project, version)
    match told.get("action"):
        case "yank":
            if yanked is not None:
                raise Refused(400, f"{project} {version} is yanked already: un-yank it first to give another reason.")
            change.append(_event(ledger, "yank", project, version=version, reason=told.get("reason", "")))
        case "unyank":
            if yanked is None:
                raise Refused(400, f"{project} {version} isn't yanked.")
            change.append(_event(ledger, "unyank", project, version=version))
        case "delete":
            change.append(_event(ledger, "delete", project, version=version))
        case _:
            raise Refused(400, "The action may be yank, unyank or delete.")
    return {"project": project, "version": version, "action": told["action"]}


def _delete_file(change: Change, ledger: Ledger, name: str, filename: str, told: Told) -> dict[str, Any]:
    project = _mine(ledger, name)
    file = ledger.projects[project].get(filename)
    if file is None:
        raise Refused(404, f"{ledger.name(project)} has no file {filename[:80]!r}.")
    if told.get("action") != "delete":
        raise Refused(400, "The action may be delete.")
    change.append(_event(ledger, "delete", project, version=file.version, filename=filename))
    return {"project": project, "file": filename, "action": "delete"}


def _delete_project(change: Change, ledger: Ledger, name: str) -> dict[str, Any]:
    project = _mine(ledger, name)
    change.append(_event(ledger, "delete", project))
    return {"project": project, "action": "delete"}


def _status(change: Change, ledger: Ledger, name: str, told: Told) -> dict[str, Any]:
    project = _mine(ledger, name)
    status = told.get("status", "")
    if status not in STATUSES:
        raise Refused(400, f"The status may be {', '.join(STATUSES)}.")
    change.append(_event(ledger, "status", project, reason=told.get("reason", ""), details={"status": status}))
    return {"project": project, "status": status}
