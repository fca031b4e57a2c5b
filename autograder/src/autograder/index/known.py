"""What the files of distributions really are: the measure by which a hand-copied or edited package is told from an installed one.

Known are the wheels that the index serves, those that came with this Python for `ensurepip`, the wheels inside these wheels
(virtualenv carries pip), and whatever folder is added, such as the start files of an exercise.
A snapshot names the content of known files by hash only, and finds it here again.
"""

from __future__ import annotations

__all__ = ["Known", "KnownWheel", "bundled_wheels"]

import ensurepip
import hashlib
import io
import re
import sysconfig
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder.index.store import Held, IndexFile, Origin, Store

_OPEN_ARCHIVES = 8


@dataclass(frozen=True)
class KnownWheel:
    """A wheel and the hashes of all its files."""

    filename: str
    name: str
    """The normalised name."""
    version: str
    files: Mapping[str, str]
    """Path in the wheel -> SHA-256, in hexadecimal; RECORD itself is among them."""
    origin: Origin


@dataclass(frozen=True)
class _Place:
    """Where a wheel lies: in a file or inside the wheel that is that file."""

    path: Path
    within: str = ""


def bundled_wheels() -> list[Path]:
    """Find the wheels with which this Python's `ensurepip` fills a new environment.

    CPython carries them in `ensurepip/_bundled`; Debian and Fedora keep theirs in a folder that `ensurepip` names.
    """
    folders = [Path(ensurepip.__file__).parent / "_bundled"]
    elsewhere = getattr(ensurepip, "_WHEEL_PKG_DIR", None) or sysconfig.get_config_var("WHEEL_PKG_DIR")
    if elsewhere:
        folders.insert(0, Path(elsewhere))
    for folder in folders:
        found = sorted(path for name in ("pip", "setuptools", "wheel") for path in folder.glob(f"{name}-*.whl"))
        if any(path.name.startswith("pip-") for path in found):
            return found
    return []


class Known:
    """Which files known distributions consist of, and their content by hash."""

    def __init__(self, store: Store, held: Iterable[Held]) -> None:
        """Know these files of the store."""
        self._places: dict[str, tuple[KnownWheel, _Place]] = {}
        self._releases: dict[tuple[str, Version], list[KnownWheel]] = {}
        self._all: list[tuple[KnownWheel, _Place]] = []
        self._within: dict[str, tuple[_Place, str]] | None = None
        self._added: dict[str, Path] = {}
        self._archives: dict[_Place, zipfile.ZipFile] = {}
        self._lock = threading.RLock()
        self._served: dict[str, IndexFile] = {}
        for entry in held:
            file = entry.file
            self._served.setdefault(file.sha256, file)
            if not entry.members:
                continue
            place = _Place(store.place(file))
            self._know(KnownWheel(file.filename, file.project, file.version, entry.members, file.origin), place)
            for inner in entry.inner:
                filename = inner.within.rpartition("/")[2]
                # Only names: a wheel inside a wheel was checked when the outer one was written.
                name, version = filename.split("-")[:2]
                self._know(
                    KnownWheel(filename, canonicalize_name(name), version, inner.members, file.origin),
                    _Place(place.path, inner.within),
                )

    def _know(self, wheel: KnownWheel, place: _Place) -> None:
        first = self._places.get(wheel.filename)
        if first is not None and wheel.origin == first[0].origin == "fixture":
            return  # a lesson's altered file under the name of a real one: whoever installed it doesn't have the real one
        same = self._releases.setdefault((wheel.name, Version(wheel.version)), [])
        if any(known.files == wheel.files for known in same):
            return
        same.append(wheel)
        self._places.setdefault(wheel.filename, (wheel, place))
        self._within = None
        self._all.append((wheel, place))

    def wheels(self, name: str, version: str) -> list[KnownWheel]:
        """Give the known wheels of a release; names and versions may be written in any way that means the same."""
        try:
            release = (canonicalize_name(name), Version(version))
        except InvalidVersion:
            return []
        return list(self._releases.get(release, ()))

    def wheel(self, filename: str) -> KnownWheel | None:
        """Give the known wheel with this file name."""
        found = self._places.get(filename)
        return found[0] if found else None

    def served(self, sha256: str) -> IndexFile | None:
        """Give the wheel or sdist with this hash, on whichever of the indexes it stands; None if none of them has it."""
        return self._served.get(sha256.lower())

    def add(self, folder: Path) -> None:
        """Know the content of all files below `folder` as well; links are not followed, a missing folder is empty."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    self._added[hashlib.file_digest(file, "sha256").hexdigest()] = path

    def hashes(self) -> list[str]:
        """Give the hashes of all files of known wheels, sorted: what `content` can always give."""
        return sorted({digest for wheel, _ in self._all for digest in wheel.files.values()})

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Give every file of known wheels once, by its hash, wheel after wheel: each archive is opened once."""
        seen: set[str] = set()
        for wheel, place in self._all:
            wanted = {path: digest for path, digest in wheel.files.items() if digest not in seen}
            if not wanted:
                continue
            with self._lock:
                for path, digest in wanted.items():
                    try:
                        data = self._archive(place).read(path)
                    except (OSError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile):
                        continue
                    if digest not in seen and hashlib.sha256(data).hexdigest() == digest:
                        seen.add(digest)
                        yield digest, data

    def content(self, sha256: str) -> bytes | None:
        """Give the file with this hash, whichever wheel or added folder holds it; None if nothing known has it."""
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            return None
        with self._lock:
            data = self._read(sha256)
        # The cache may have been damaged since it was read: a wrong content is worse than none.
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            return None
        return data

    def _read(self, sha256: str) -> bytes | None:
        try:
            if sha256 in self._added:
                return self._added[sha256].read_bytes()
            if self._within is None:
                self._within = {
                    digest: (place, path)
                    for wheel, place in reversed(self._all)
                    for path, digest in wheel.files.items()
                }
            if sha256 not in self._within:
                return None
            place, path = self._within[sha256]
            return self._archive(place).read(path)
        except (OSError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile):
            return None

    def _archive(self, place: _Place) -> zipfile.ZipFile:
        if place not in self._archives:
            data = place.path.read_bytes()
            if place.within:
                data = self._archive(_Place(place.path)).read(place.within)
            while len(self._archives) >= _OPEN_ARCHIVES:
                self._archives.pop(next(iter(self._archives)))
            self._archives[place] = zipfile.ZipFile(io.BytesIO(data))
        return self._archives[place]
