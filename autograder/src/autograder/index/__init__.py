"""The course's twin of the package index: fixture distributions, a mirror of a few real ones, and the server that offers them.

::

    index = PackageIndex.open()
    with index.serve(listener):          # stock pip and uv work against http://…/pypi/simple/
        ...
    index.known.wheels("leftpad", "1.1") # what that distribution really consists of
"""

from __future__ import annotations

__all__ = ["Known", "KnownWheel", "PackageIndex"]

import hashlib
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.index.known import Known, KnownWheel, bundled_wheels
from autograder.index.mirror import fetch_mirror, locked_wheels, mirror_wheels
from autograder.index.store import Held, IndexFile, Store, describe

_HERE = Path(__file__).parent


class PackageIndex:
    """All distributions that the course offers, and the ways to get at them."""

    def __init__(self, store: Store, held: Sequence[Held]) -> None:
        """Offer these files of the store; use `open`."""
        self._store = store
        files: dict[str, dict[str, IndexFile]] = {}
        for entry in held:
            # A name stands for one file: the mirror's pip goes before the same one from ensurepip.
            files.setdefault(entry.file.project, {}).setdefault(entry.file.filename, entry.file)
        self._projects = {project: list(named.values()) for project, named in sorted(files.items())}
        self._by_hash = {file.sha256: file for named in files.values() for file in named.values()}
        self.known = Known(store, held)
        there = {entry.file.sha256 for entry in held}
        self.missing = [locked.filename for locked in locked_wheels() if locked.sha256 not in there]
        """Files of the mirror that have not been fetched."""

    @classmethod
    def open(cls, cache: Path | None = None) -> PackageIndex:
        """Open the index below `cache` (by default the course's), making the fixture files where they are missing.

        Raises:
            CourseError: the cache can't be written.
        """
        store = _store(cache)
        held = [*_fixtures(store), *mirror_wheels(store), *_bundled(store)]
        return cls(store, held)

    @classmethod
    def fetch_mirror(cls, cache: Path | None = None, say: Callable[[str], None] = print) -> list[str]:
        """Fetch the real distributions of `mirror.txt` that are missing; see `autograder.index.mirror`.

        An index that is open already doesn't get them: open it again.
        """
        return fetch_mirror(_store(cache), say)

    @property
    def projects(self) -> list[str]:
        """The normalised names of all projects, sorted."""
        return list(self._projects)

    def files(self, name: str) -> list[IndexFile]:
        """Give the files of a project, oldest version first; empty if there is no such project."""
        found = self._projects.get(canonicalize_name(name), [])
        return sorted(found, key=lambda file: (Version(file.version), file.filename))

    def releases(self, name: str) -> list[str]:
        """Give the versions of a project, oldest first, yanked ones and pre-releases included."""
        return list(dict.fromkeys(file.version for file in self.files(name)))

    def serve(self, listener: socket.socket) -> AbstractContextManager[None]:
        """Serve the index at `/pypi/simple/` on a listening socket until left.

        It is served by threads of this process; the socket stays open and the caller's.
        """
        from autograder.index.protocol import Site
        from autograder.index.server import serving

        site = Site("The course's package index", self._projects, self._open_file)
        return serving(listener, {"pypi": site})

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
    sources = [_HERE / name for name in ("fixtures.toml", "fixtures.py", "store.py")]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    return Store(cache, key)


def _fixtures(store: Store) -> list[Held]:
    def make() -> list[Held]:
        from autograder.index.fixtures import read_fixtures, sdist, wheel
        from autograder.index.store import timestamp

        found = []
        for release in read_fixtures((_HERE / "fixtures.toml").read_text("utf-8")):
            for kind, write in (("wheel", wheel), ("sdist", sdist)):
                if kind in release.formats:
                    filename, data = write(release)
                    held, metadata = describe(
                        filename,
                        data,
                        origin="fixture",
                        uploaded=timestamp(release.uploaded),
                        yanked=release.yanked,
                    )
                    found.append(store.keep(held, data, metadata))
        return found

    return store.table("fixtures", make)


def _bundled(store: Store) -> list[Held]:
    """Know and offer the wheels that came with this Python: with them `pip install pip` works without a mirror."""
    wheels = bundled_wheels()
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in wheels]

    def make() -> list[Held]:
        found = []
        for path in wheels:
            data = path.read_bytes()
            held, metadata = describe(path.name, data, origin="ensurepip", source=str(path))
            found.append(store.keep(held, data, metadata))
        return found

    key = hashlib.sha256(repr(states).encode()).hexdigest()[:16]
    return store.table(f"ensurepip-{key}", make)
