"""The fixture distributions: what the TOML files in `fixtures/` say about them, read and checked.

`writing.py` makes files of them.
"""

from __future__ import annotations

__all__ = ["FOLDER", "Advisory", "Project", "Release", "facts", "read_fixtures", "read_projects", "texts"]

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.exceptions import CourseError

FOLDER = Path(__file__).with_name("fixtures")
SITES = ("pypi", "testpypi", "company")
STATUSES = ("active", "archived", "quarantined", "deprecated")


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of a fixture project, as a file in `fixtures/` describes it."""

    name: str
    version: str
    uploaded: datetime
    """When it appeared on the index, in UTC."""
    summary: str
    days_old: int | None = None
    """It seems to have been uploaded so many days before today, whatever `uploaded` says; the files don't change."""
    sites: tuple[str, ...] = ("pypi",)
    readme: str = ""
    author: str = ""
    licence_text: str = ""
    requires_python: str = ""
    requires: list[str] = field(default_factory=list)
    extras: dict[str, list[str]] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    entry_points: dict[str, dict[str, str]] = field(default_factory=dict)
    yanked: str | None = None
    """The reason of the yank; None when the release was not yanked."""
    formats: list[str] = field(default_factory=lambda: ["wheel", "sdist"])
    tags: list[str] = field(default_factory=lambda: ["py3-none-any"])
    """One wheel is made for each."""
    files: dict[str, str] = field(default_factory=dict)
    """Path inside the wheel -> text; `@VERSION@` stands for the version."""
    sdist_files: dict[str, str] = field(default_factory=dict)
    """Path inside the sdist -> text. With a pyproject.toml or a setup.py among them, flit-core is not asked to build it."""

    @property
    def stem(self) -> str:
        """The start of its file names: normalised name, with underscores, and version."""
        return f"{re.sub(r'[-_.]+', '_', self.name).lower()}-{self.version}"

    @property
    def modules(self) -> list[str]:
        """The modules and packages at its top."""
        return sorted({path.split("/")[0].removesuffix(".py") for path in self.files})


@dataclass(frozen=True, kw_only=True)
class Advisory:
    """What is known about a vulnerability."""

    id: str
    """Such as PYSEC-2026-1."""
    aliases: list[str] = field(default_factory=list)
    summary: str
    details: str
    introduced: str = "0"
    """The first version that has it."""
    fixed: str = ""
    """The first version without it; empty when there is none."""
    published: datetime
    severity: str = ""
    """A CVSS vector."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A fixture project. One name may be described twice, for different indexes."""

    name: str
    sites: tuple[str, ...]
    lessons: list[int]
    """Those that need it."""
    why: str
    """What it is good for, in one sentence for authors."""
    status: str
    """`active`, `archived`, `quarantined` or `deprecated` (PEP 792)."""
    status_reason: str
    releases: list[Release]
    advisories: list[Advisory]


_RELEASE = {entry.name.replace("_", "-"): entry.name for entry in fields(Release)} | {"index": "sites"}
_ADVISORY = {entry.name: entry.name for entry in fields(Advisory)}
_PROJECT = ("lessons", "why", "status", "status-reason", "advisory")
_TYPES: dict[str, type] = {
    **dict.fromkeys(("uploaded", "published"), datetime),
    **dict.fromkeys(("requires", "formats", "tags", "index", "lessons", "advisory", "aliases"), list),
    **dict.fromkeys(("extras", "scripts", "entry-points", "files", "sdist-files"), dict),
    "days-old": int,
}
del _RELEASE["sites"]


def texts(folder: Path = FOLDER) -> dict[str, str]:
    """Give the files that describe all fixtures: name -> text."""
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.toml"))}


def read_fixtures(described: Mapping[str, str]) -> list[Release]:
    """Read the releases of all projects; see `read_projects`."""
    return [release for project in read_projects(described) for release in project.releases]


def read_projects(described: Mapping[str, str]) -> list[Project]:
    """Read what files (name -> text) say about all fixtures, in the order of the files.

    What a project says holds for each of its releases; a release's own key replaces it, except that `files` are put together.
    `[defaults]` in any of the files does the same for all projects.

    Raises:
        CourseError: a text is no TOML, or a key is unknown, missing or of the wrong type; names the place.
    """
    tables: dict[str, dict[str, Any]] = {}
    for filename, text in described.items():
        try:
            tables[filename] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _wrong(filename, str(error)) from None
    defaults = {key: value for table in tables.values() for key, value in table.get("defaults", {}).items()}
    projects = [
        _project(f"{filename}: project {key}", {"name": key, **defaults, **table})
        for filename, everything in tables.items()
        for key, table in everything.get("project", {}).items()
    ]
    seen: set[tuple[str, str]] = set()
    for project in projects:
        for release in project.releases:
            for site in release.sites:
                if (release.stem, site) in seen:
                    raise _wrong(f"project {project.name}, release {release.version}", f"{site} has it twice")
                seen.add((release.stem, site))
    return projects


def facts(projects: Iterable[Project]) -> dict[str, Any]:
    """Put together what is said about projects beside their files, as it can be kept as JSON.

    `statuses` and `purposes` are site -> normalised name -> …; `advisories` is a list of tables.
    """
    statuses: dict[str, dict[str, list[str]]] = {}
    purposes: dict[str, dict[str, str]] = {}
    advisories: list[dict[str, Any]] = []
    for project in projects:
        name = re.sub(r"[-_.]+", "-", project.name).lower()
        for site in project.sites:
            lessons = ", ".join(f"{lesson:02}" for lesson in project.lessons)
            purposes.setdefault(site, {})[name] = f"{project.why} (lessons {lessons})"
            if project.status != "active":
                statuses.setdefault(site, {})[name] = [project.status, project.status_reason]
        for advisory in project.advisories:
            advisories.append({**asdict(advisory), "project": name, "published": advisory.published.isoformat()})
    return {"statuses": statuses, "purposes": purposes, "advisories": advisories}


def _project(place: str, table: Mapping[str, Any]) -> Project:
    shared = {key: value for key, value in table.items() if key not in ("release", *_PROJECT)}
    own = {key: table[key] for key in _PROJECT if key in table}
    _check(place, own, _PROJECT)
    _check(place, shared, _RELEASE)
    if table.get("status", "active") not in STATUSES:
        raise _wrong(place, f"`status` may be {', '.join(STATUSES)}, not {table['status']}")
    releases = []
    for number, release in enumerate(table.get("release", []), 1):
        merged = {
            key: {**shared.get(key, {}), **release.get(key, {})}
            for key in ("files", "sdist-files")
            if isinstance(release.get(key, {}), dict)
        }
        named = f"{place}, release {release.get('version', f'number {number}')}"
        releases.append(_release(named, {**shared, **release, **merged}))
    advisories = []
    for advisory in table.get("advisory", []):
        named = f"{place}, advisory {advisory.get('id', '')}"
        _check(named, advisory, _ADVISORY, required=("id", "summary", "details", "published"))
        advisories.append(Advisory(**advisory))
    return Project(
        name=table["name"],
        sites=tuple(dict.fromkeys(site for release in releases for site in release.sites)),
        lessons=table.get("lessons", []),
        why=table.get("why", ""),
        status=table.get("status", "active"),
        status_reason=table.get("status-reason", ""),
        releases=releases,
        advisories=advisories,
    )


def _check(place: str, values: Mapping[str, Any], known: Any, required: tuple[str, ...] = ()) -> None:
    for key, value in values.items():
        wanted = _TYPES.get(key, str)
        if key not in known:
            raise _wrong(place, f"`{key}` is no known key; known are {', '.join(sorted(known))}")
        if not isinstance(value, wanted):
            raise _wrong(place, f"`{key}` must be of type {wanted.__name__}")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise _wrong(place, f"`{key}` needs a time zone, such as the Z in 2024-02-12T09:30:00Z")
    for key in required:
        if key not in values:
            raise _wrong(place, f"`{key}` is missing")


def _release(place: str, values: Mapping[str, Any]) -> Release:
    _check(place, values, _RELEASE, required=("version", "uploaded", "summary"))
    read = {_RELEASE[key]: value for key, value in values.items()}
    release = Release(**{**read, "sites": tuple(values.get("index", ["pypi"]))})
    if unknown := set(release.sites) - set(SITES):
        raise _wrong(place, f"`index` may hold {', '.join(SITES)}, not {', '.join(sorted(unknown))}")
    if not release.files:
        raise _wrong(place, "it has no files")
    if unknown := set(release.formats) - {"wheel", "sdist"}:
        raise _wrong(place, f"`formats` may hold wheel and sdist, not {', '.join(sorted(unknown))}")
    if "sdist" in release.formats and not release.sdist_files and len(release.modules) != 1:
        raise _wrong(place, "an sdist must hold exactly one module or package")
    return release


def _wrong(place: str, what: str) -> CourseError:
    return CourseError(
        f"The index's fixtures can't be read: {place}: {what}.",
        "Mend that file in autograder/src/autograder/index/fixtures/.",
    )
