"""What a release says about itself: the core metadata in one of its files."""

from __future__ import annotations

__all__ = ["core_metadata", "metadata_of", "of_version", "shown_version"]

import functools
import tarfile
import zlib
from collections.abc import Callable, Sequence
from typing import BinaryIO

from packaging.metadata import RawMetadata, parse_email
from packaging.version import InvalidVersion, Version

from autograder.archive import BoundedMember
from autograder.index.site import Site
from autograder.index.store import IndexFile
from autograder.index.unpacking import Unzipped, most_unpacked

MOST_BYTES = 4 << 20
"""Of METADATA: nobody needs a longer one, and an upload may hold anything."""


def core_metadata(site: Site, files: Sequence[IndexFile]) -> RawMetadata:
    """Read the metadata of a release from its files: from a wheel if it has one, as installers do; empty where none can be read."""
    for file in sorted(files, key=lambda file: not file.metadata_sha256):
        if found := metadata_of(site, file):
            return found
    return {}


def metadata_of(site: Site, file: IndexFile) -> RawMetadata:
    """Read the metadata in one file; empty where it can't be read."""
    try:
        if file.metadata_sha256:
            return _parsed(site.open, file.metadata_sha256)
        return _of_sdist(site.open, file.sha256, file.filename.removesuffix(".tar.gz"))
    except (OSError, EOFError, tarfile.TarError, zlib.error, UnicodeError, ValueError):
        return {}


@functools.lru_cache(maxsize=512)
def _parsed(open_file: Callable[[str], BinaryIO], sha256: str) -> RawMetadata:
    with open_file(sha256) as file:
        return parse_email(file.read(MOST_BYTES))[0]


@functools.lru_cache(maxsize=128)
def _of_sdist(open_file: Callable[[str], BinaryIO], sha256: str, stem: str) -> RawMetadata:
    with open_file(sha256) as file:
        size = file.seek(0, 2)
        file.seek(0)
        unzipped = Unzipped(file, most_unpacked(size))
        with tarfile.open(fileobj=unzipped, mode="r|", tarinfo=BoundedMember) as archive:
            for member in archive:
                if member.name == f"{stem}/PKG-INFO" and (inner := archive.extractfile(member)) is not None:
                    return parse_email(inner.read(MOST_BYTES))[0]
    return {}


def of_version(files: Sequence[IndexFile], version: str) -> list[IndexFile]:
    """Give the files of one release, however its version is written; none where it is no version."""
    try:
        wanted = Version(version)
    except InvalidVersion:
        return []
    return [file for file in files if Version(file.version) == wanted]


def shown_version(files: Sequence[IndexFile]) -> str:
    """Choose the release that stands for a project: the newest that is final and not yanked, else the newest final one, else any.

    Empty where there is no file.
    """

    def worth(file: IndexFile) -> tuple[bool, bool, Version]:
        version = Version(file.version)
        return file.yanked is None, not version.is_prerelease, version

    return max(files, key=worth).version if files else ""
