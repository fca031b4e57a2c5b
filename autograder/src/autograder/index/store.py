"""The index's files on disk, named by their content, and tables of what is in them.

::

    <cache>/index/files/ab/ab12…           a wheel, an sdist or its METADATA, named by its SHA-256
    <cache>/index/tables-<key>/NAME.json   what was read from such files; the key changes with this code and the fixtures

Everything is written under a temporary name and renamed, so several processes may do the same at once, and a killed one leaves
nothing half-written under a name that counts.
All of it may be deleted at any time: what is missing is made again.
"""

from __future__ import annotations

__all__ = ["Held", "IndexFile", "Inner", "Store", "describe"]

import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from autograder.exceptions import CourseError

Origin = Literal["fixture", "mirror", "ensurepip", "published"]


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """One file of a release, as the index's pages show it."""

    filename: str
    project: str
    """The normalised name."""
    version: str
    origin: Origin
    sha256: str
    size: int
    """In bytes."""
    uploaded: str = ""
    """When, as PEP 700 writes it; empty where nobody knows (files of the mirror)."""
    requires_python: str = ""
    yanked: str | None = None
    """The reason of the yank; None when it wasn't yanked."""
    metadata_sha256: str = ""
    """Of its METADATA, which is served beside it (PEP 658); empty for sdists."""
    source: str = ""
    """The file itself where it isn't in the store: the wheels that came with this Python."""
    sites: tuple[str, ...] = ("pypi",)
    """The indexes on which it stands."""
    days_old: int | None = None
    """It always seems to have been uploaded so many days ago, so that a lesson can speak of young releases; None: see `uploaded`."""


@dataclass(frozen=True)
class Inner:
    """A wheel inside a wheel: virtualenv carries the pip that it installs."""

    within: str
    """Its path in the outer wheel."""
    members: dict[str, str]


@dataclass(frozen=True)
class Held:
    """A file and, if it is a wheel, what it consists of."""

    file: IndexFile
    members: dict[str, str] = field(default_factory=dict)
    """Path in the wheel -> SHA-256."""
    inner: list[Inner] = field(default_factory=list)


def timestamp(moment: datetime) -> str:
    """Write a moment as the JSON Simple API wants it (PEP 700)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def describe(
    filename: str,
    data: bytes,
    *,
    origin: Origin,
    uploaded: str = "",
    yanked: str | None = None,
    source: str = "",
    sites: tuple[str, ...] = ("pypi",),
    days_old: int | None = None,
) -> tuple[Held, bytes]:
    """Read a wheel or an sdist; gives what there is to know and its METADATA (empty for an sdist).

    Raises:
        CourseError: the file is damaged, or its name doesn't say what it is.
    """
    # packaging is only needed when a file is new: not importing it keeps a warm start short.
    from packaging.metadata import parse_email
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        canonicalize_name,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    members: dict[str, str] = {}
    inner: list[Inner] = []
    try:
        if filename.endswith(".whl"):
            project, version = parse_wheel_filename(filename)[:2]
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = _members(archive)
                inner = [_inner(archive, path) for path in members if path.endswith(".whl")]
                meta = archive.read(_metadata_path(members))
        else:
            project, version = parse_sdist_filename(filename)
            meta = _pkg_info(data, filename)
    except (
        InvalidSdistFilename,
        InvalidWheelFilename,
        zipfile.BadZipFile,
        tarfile.TarError,
        LookupError,
        EOFError,
    ) as error:
        raise CourseError(f"{filename} is no usable distribution: {error}.", "Delete it and fetch it again.") from error
    raw, _ = parse_email(meta)
    is_wheel = filename.endswith(".whl")
    file = IndexFile(
        filename=filename,
        project=canonicalize_name(project),
        version=str(version),
        origin=origin,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        uploaded=uploaded,
        requires_python=raw.get("requires_python", ""),
        yanked=yanked,
        metadata_sha256=hashlib.sha256(meta).hexdigest() if is_wheel else "",
        source=source,
        sites=sites,
        days_old=days_old,
    )
    return Held(file, members, inner), meta if is_wheel else b""


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    return {
        member.filename: hashlib.sha256(archive.read(member)).hexdigest()
        for member in archive.infolist()
        if not member.is_dir()
    }


def _inner(archive: zipfile.ZipFile, path: str) -> Inner:
    with zipfile.ZipFile(io.BytesIO(archive.read(path))) as wheel:
        return Inner(path, _members(wheel))


def _metadata_path(members: dict[str, str]) -> str:
    found = [path for path in members if re.fullmatch(r"[^/]+\.dist-info/METADATA", path)]
    if len(found) != 1:
        raise LookupError(f"it holds {len(found)} METADATA files instead of one")
    return found[0]


def _pkg_info(data: bytes, filename: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile(f"{filename.removesuffix('.tar.gz')}/PKG-INFO")
        if member is None:
            raise LookupError("its PKG-INFO is no file")
        return member.read()


class Store:
    """Files named by their content below one folder of the cache."""

    def __init__(self, cache: Path, key: str) -> None:
        """Use `<cache>/index`; `key` separates the tables of different versions of the code and the fixtures."""
        self.folder = cache / "index"
        self.tables = self.folder / f"tables-{key[:16]}"

    def path(self, sha256: str) -> Path:
        """Say where a file with this content is, if it is there."""
        return self.folder / "files" / sha256[:2] / sha256

    def place(self, file: IndexFile) -> Path:
        """Say where an index's file is, if it is there."""
        return Path(file.source) if file.source else self.path(file.sha256)

    def put(self, data: bytes) -> str:
        """Keep `data`; gives its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        if _size(self.path(sha256)) != len(data):
            self._write(self.path(sha256), data)
        return sha256

    def keep(self, held: Held, data: bytes, metadata: bytes) -> Held:
        """Keep a described file (unless it lies elsewhere) and its METADATA."""
        if not held.file.source:
            self.put(data)
        if metadata:
            self.put(metadata)
        return held

    def _write(self, path: Path, data: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(temporary).chmod(0o644)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise CourseError(
                f"The index can't write to its cache at {self.folder}: {error.strerror or error}.",
                "Free some space or set WHEELHOUSE_CACHE to a folder that can be written.",
            ) from error

    def complete(self, held: Held) -> bool:
        """Say whether a described file and its METADATA are still there."""
        file = held.file
        if _size(self.place(file)) != file.size:
            return False
        return not file.metadata_sha256 or _size(self.path(file.metadata_sha256)) is not None

    def table(self, name: str, make: Callable[[], list[Held]]) -> list[Held]:
        """Give the table `name` as it was written last; if it or a file of it is missing, `make` it and write it."""
        found = self.read_table(name)
        if found is None:
            found = make()
            text = json.dumps([asdict(held) for held in found], ensure_ascii=False, separators=(",", ":"))
            self._write(self.tables / f"{name}.json", text.encode())
        return found

    def facts(self, name: str, make: Callable[[], Any]) -> Any:
        """Give a JSON value as it was written last; if it is missing, `make` it and write it."""
        path = self.tables / f"{name}.json"
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError):
            found = json.dumps(make(), ensure_ascii=False, separators=(",", ":"))
            self._write(path, found.encode())
            return json.loads(found)

    def read_table(self, name: str) -> list[Held] | None:
        """Give the table `name`; None if it or a file of it is missing."""
        try:
            rows: list[dict[str, Any]] = json.loads((self.tables / f"{name}.json").read_bytes())
            found = [
                Held(
                    IndexFile(**{**row["file"], "sites": tuple(row["file"]["sites"])}),
                    row["members"],
                    [Inner(**inner) for inner in row["inner"]],
                )
                for row in rows
            ]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if all(self.complete(held) for held in found) else None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
