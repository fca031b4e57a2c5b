"""The course's twin of the package index: fixture distributions, a mirror of a few real ones, and the server that offers them.

::

    index = PackageIndex.open()
    with index.serve(listener):          # stock pip and uv work against http://…/pypi/simple/
        ...
    index.known.wheels("leftpad", "1.1") # what that distribution really consists of
"""

from __future__ import annotations

__all__ = ["Known", "KnownWheel", "PackageIndex"]

import functools
import hashlib
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.exceptions import CourseError
from autograder.index.company import company_wheels, fetch_company, missing_company
from autograder.index.known import Known, KnownWheel, bundled_wheels
from autograder.index.mirror import fetch_mirror, locked_wheels, mirror_wheels
from autograder.index.store import Held, IndexFile, Store, describe, timestamp

if TYPE_CHECKING:
    from autograder.index.contents import Contents
    from autograder.index.doors import Doors

_HERE = Path(__file__).parent
SITES = {
    "pypi": "The course's package index",
    "testpypi": "The course's package index for trying out",
    "company": "The package index of the shop",
}


class PackageIndex:
    """All distributions that the course offers, and the ways to get at them."""

    def __init__(self, store: Store, held: Sequence[Held]) -> None:
        """Offer these files of the store; use `open`."""
        self._store = store
        self._sites: dict[str, dict[str, list[IndexFile]]] = {site: {} for site in SITES}
        seen: set[tuple[str, str]] = set()
        for file in sorted((entry.file for entry in held), key=lambda file: file.project):
            for site in file.sites:
                # A name stands for one file: the mirror's pip goes before the same one from ensurepip.
                if (site, file.filename) not in seen:
                    seen.add((site, file.filename))
                    self._sites[site].setdefault(file.project, []).append(file)
        self._by_hash = {entry.file.sha256: entry.file for entry in reversed(held)}
        self.known = Known(store, held)
        self._doors: Doors | None = None
        self.why_no_doors: CourseError | None = None
        there = {entry.file.sha256 for entry in held}
        self.missing = [locked.filename for locked in locked_wheels() if locked.sha256 not in there]
        self.missing += missing_company(there)
        """Files of the mirror, and a company's own, that have not been fetched."""

    @classmethod
    def open(cls, cache: Path | None = None) -> PackageIndex:
        """Open the index below `cache` (by default the course's), making the fixture files where they are missing.

        Raises:
            CourseError: the cache can't be written.
        """
        store = _store(cache)
        held = [*_fixtures(store), *mirror_wheels(store), *_bundled(store), *company_wheels(store)]
        return cls(store, held)

    @classmethod
    def fetch_mirror(cls, cache: Path | None = None, say: Callable[[str], None] = print) -> list[str]:
        """Fetch the real distributions that are missing: those of `mirror.txt`, and a company's own.

        An index that is open already doesn't get them: open it again.
        """
        store = _store(cache)
        return [*fetch_mirror(store, say), *fetch_company(store, say)]

    @property
    def projects(self) -> list[str]:
        """The normalised names of all projects on the twin of PyPI, sorted."""
        return list(self._sites["pypi"])

    @functools.cached_property
    def mark(self) -> str:
        """Name what is on offer: another mark means other files."""
        return hashlib.sha256("\n".join([self._store.tables.name, *sorted(self._by_hash)]).encode()).hexdigest()

    def files(self, name: str, site: str = "pypi") -> list[IndexFile]:
        """Give the files of a project on one index, oldest version first; empty if it has no such project."""
        found = map(_aged, self._sites[site].get(canonicalize_name(name), []))
        return sorted(found, key=lambda file: (Version(file.version), file.filename))

    def releases(self, name: str, site: str = "pypi") -> list[str]:
        """Give the versions of a project on one index, oldest first, yanked ones and pre-releases included."""
        return list(dict.fromkeys(file.version for file in self.files(name, site)))

    def purpose(self, name: str, site: str = "pypi") -> str:
        """Say, for authors, what a fixture is good for and in which lessons; empty for anything else."""
        purposes: dict[str, dict[str, str]] = _facts(self._store)["purposes"]
        return purposes.get(site, {}).get(canonicalize_name(name), "")

    def contents(self, published: Path | None = None, *, keep: int = 0) -> Contents:
        """Give all sites with what was published into that folder; see `autograder.index.journal`.

        Clients may keep pages for `keep` seconds without asking again.
        """
        from autograder.index.advisories import Advisories
        from autograder.index.contents import Contents, Seed
        from autograder.index.journal import Journal
        from autograder.index.site import Status

        facts = _facts(self._store)
        seeds = {
            name: Seed(
                title,
                {project: list(map(_aged, files)) for project, files in self._sites[name].items()},
                {project: Status(*status) for project, status in facts["statuses"].get(name, {}).items()},
                Advisories(facts["advisories"] if name == "pypi" else ()),
            )
            for name, title in SITES.items()
        }
        return Contents(seeds, self._open_file, Journal(published) if published else None, keep)

    @property
    def doors(self) -> Doors | None:
        """The host names under which the indexes can be served with TLS; None where they can't be: `why_no_doors` says why.

        Looked at anew each time: a certificate comes to its end, and the cache may be emptied.
        """
        from autograder.index.doors import open_doors

        if self._doors is None or not self._doors.good():
            try:
                self._doors, self.why_no_doors = open_doors(self._store.folder.parent), None
            except CourseError as error:
                self._doors, self.why_no_doors = None, error
        return self._doors

    def serve(
        self,
        listener: socket.socket,
        published: Path | None = None,
        secure: socket.socket | None = None,
        *,
        keep: int = 0,
    ) -> AbstractContextManager[None]:
        """Serve the indexes at `/pypi/simple/`, `/testpypi/simple/` and `/company/simple/` on a listening socket until left.

        It is served by threads of this process; the sockets stay open and the caller's.
        What is uploaded goes into the folder `published`, which several servers may share; without it nothing can be uploaded.
        Where there are `doors`, that socket is a proxy to them too, and on the `secure` one they are served directly.
        Clients may keep pages for `keep` seconds without asking again, as PyPI lets them for 600.
        """
        from autograder.index.server import serving

        return serving(listener, self.contents(published, keep=keep), self.doors, secure)

    def _open_file(self, sha256: str) -> BinaryIO:
        file = self._by_hash.get(sha256)
        path = self._store.place(file) if file else self._store.path(sha256)
        try:
            return path.open("rb")
        except FileNotFoundError:
            # Somebody emptied the cache while we serve: fixtures can be written again.
            _fixtures(self._store)
            return path.open("rb")


def _store(cache: Path | None) -> Store:
    if cache is None:
        from autograder.places import cache as course_cache

        cache = course_cache()
    sources = [_HERE / name for name in ("fixtures.py", "writing.py", "store.py")]
    sources += sorted(_HERE.glob("fixtures/*.toml"))
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    return Store(cache, key)


def _aged(file: IndexFile) -> IndexFile:
    """Let a file that is to seem young have been uploaded so many days ago; at midnight, so that a lock of today stays valid."""
    if file.days_old is None:
        return file
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return replace(file, uploaded=timestamp(midnight - timedelta(days=file.days_old)))


def _fixtures(store: Store) -> list[Held]:
    def make() -> list[Held]:
        from autograder.index.fixtures import read_fixtures, texts
        from autograder.index.writing import distributions

        found = []
        for release in read_fixtures(texts()):
            for filename, data in distributions(release):
                held, metadata = describe(
                    filename,
                    data,
                    origin="fixture",
                    uploaded=timestamp(release.uploaded),
                    yanked=release.yanked,
                    sites=release.sites,
                    days_old=release.days_old,
                )
                found.append(store.keep(held, data, metadata))
        return found

    return store.table("fixtures", make)


def _facts(store: Store) -> dict[str, Any]:
    """Give what is said about the fixtures beside their files: how projects stand, and what is known to be vulnerable."""

    def make() -> dict[str, Any]:
        from autograder.index.fixtures import facts, read_projects, texts

        return facts(read_projects(texts()))

    found: dict[str, Any] = store.facts("facts", make)
    return found


def _bundled(store: Store) -> list[Held]:
    """Know and offer the wheels that came with this Python: with them `pip install pip` works without a mirror."""
    wheels = bundled_wheels()
    states = [
        (str(path), path.stat().st_size, int(path.stat().st_mtime)) for path in wheels
    ]  # an image keeps whole seconds

    def make() -> list[Held]:
        found = []
        for path in wheels:
            data = path.read_bytes()
            held, metadata = describe(path.name, data, origin="ensurepip", source=str(path))
            found.append(store.keep(held, data, metadata))
        return found

    key = hashlib.sha256(repr(states).encode()).hexdigest()[:16]
    return store.table(f"ensurepip-{key}", make)
