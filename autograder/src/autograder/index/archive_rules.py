"""What PyPI demands of the file itself: its name, its tags, and what is in it.

The rules and their sentences are those of PyPI's own software (warehouse, Apache-2.0, its contributors), as of August 2026.
Files come from anyone: how much of one is unpacked is bounded, and nothing of it is ever written anywhere.
"""

from __future__ import annotations

__all__ = ["check_archive", "check_filename", "check_names"]

import configparser
import csv
import os.path
import re
import tarfile
import zipfile
import zlib
from typing import BinaryIO

from packaging.metadata import Metadata
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from autograder.archive import BoundedMember
from autograder.index.refusal import Refused
from autograder.index.unpacking import RATIO, Unsound, Unzipped, most_unpacked

_EXTENSIONS = {"sdist": (".zip", ".tar.gz"), "bdist_wheel": (".whl",)}
_MOST_MEMBERS = 20_000
_MOST_TEXT = 4 << 20
"""Of a METADATA, a RECORD or an entry_points.txt."""

_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
"""What the standard library raises when an archive is damaged, encrypted or none."""

_PLATFORMS = re.compile(
    r"any|win32|win_(arm64|amd64|ia64)"
    r"|manylinux(1|2010)_(x86_64|i686)|manylinux2014_(x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x)|linux_armv[67]l"
    r"|macosx_(10_\d+|(11|12|13|14|15|26)_0)_(ppc|ppc64|i386|x86_64|arm64|intel|fat|fat3|fat64|universal|universal2)"
    r"|(many|musl)linux_\d+_\d+_(x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64)|manylinux_\d+_\d+_ppc64"
    r"|ios_\d+_\d+_(arm64|x86_64)_(iphoneos|iphonesimulator)|android_\d+_(armeabi_v7a|arm64_v8a|x86|x86_64)"
    r"|pyemscripten_\d+_\d+_wasm32"
)


def check_filename(filename: str, filetype: str) -> None:
    """Check that a file may be called so at all.

    Raises:
        Refused: it may not.
    """
    if re.search(r"[\x00-\x1f\x7f]", filename):
        raise Refused(
            400,
            "Cannot upload a file with non-printable characters (ordinals 0-31) or the DEL character (ordinal 127) in the name.",
        )
    if "/" in filename or "\\" in filename:
        raise Refused(400, "Cannot upload a file with '/' or '\\' in the name.")
    extension = re.fullmatch(r".+?(\.(?:tar\.gz|zip|whl))", filename, re.IGNORECASE)
    if extension is None:
        raise Refused(
            400,
            "Invalid file extension: Use .tar.gz, .whl or .zip extension. See https://www.python.org/dev/peps/pep-0527 and "
            "https://peps.python.org/pep-0715/ for more information",
        )
    if extension[1] not in _EXTENSIONS[filetype]:
        raise Refused(
            400,
            f"Invalid file extension: Extension {extension[1]} is invalid for filetype {filetype}. "
            "See https://www.python.org/dev/peps/pep-0527 for more information.",
        )
    if len(filename.encode()) > 240:
        raise Refused(400, f"Filename is too long: '{filename[:80]}…'")


def check_names(filename: str, metadata: Metadata) -> None:
    """Check that the file's name says what the metadata say, and is written as the standards want it.

    Raises:
        Refused: it isn't.
    """
    project = canonicalize_name(metadata.name)
    stem = project.replace("-", "_")
    if not filename.endswith(".whl"):
        try:
            name, _ = parse_sdist_filename(filename)
        except InvalidSdistFilename:
            raise Refused(400, f"Invalid source distribution filename: {filename}") from None
        if name != project:
            raise Refused(400, f"Start filename for {metadata.name!r} with {stem!r}.")
        expected = f"{stem}-{metadata.version}.tar.gz"
        if filename != expected:
            raise Refused(400, f"Filename {filename!r} is invalid, should be {expected!r}.")
        return
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise Refused(400, str(error)) from None
    for tag in sorted(tags, key=str):
        if not _PLATFORMS.fullmatch(tag.platform):
            raise Refused(400, f"Binary wheel '{filename}' has an unsupported platform tag '{tag.platform}'.")
    if name != project:
        raise Refused(400, f"Start filename for {metadata.name!r} with {stem!r}.")
    written = filename.split("-", 1)[0]
    if written != stem:
        raise Refused(
            400, f"Filename {filename!r} should contain the normalized project name {stem!r}, not {written!r}."
        )
    if version != metadata.version:
        raise Refused(400, f"Version in filename should be {str(metadata.version)!r} not {str(version)!r}.")


def check_archive(file: BinaryIO, size: int, filename: str) -> _Archive:
    """Open a wheel or an sdist and check that it is a sound one; gives what the next checks need.

    Raises:
        Refused: it isn't.
    """
    file.seek(0)
    try:
        if filename.endswith(".tar.gz"):
            return _Sdist(file, size, filename)
        return _Wheel(file, size, filename) if filename.endswith(".whl") else _Zip(file, size, filename)
    except Unsound as error:
        raise Refused(400, f"Invalid distribution file. {error}") from None
    except _DAMAGED as error:
        # What is opened is in memory or on our disk, so an OSError says that the archive is damaged (gzip's does).
        raise Refused(400, f"Invalid distribution file. {_kind(error)}") from None


def _kind(error: Exception) -> str:
    return "File is not a zipfile" if isinstance(error, zipfile.BadZipFile) else "File is not a tarfile"


class _Archive:
    """An opened file of a release."""

    metadata = b""
    """Its METADATA, which is served beside it; empty for sdists."""

    def check_licences(self, metadata: Metadata) -> None:
        """Check that each License-File is there (PEP 639)."""

    def check_contents(self) -> None:
        """Check the files that the format demands."""


class _Sdist(_Archive):
    def __init__(self, file: BinaryIO, size: int, filename: str) -> None:
        self.filename = filename
        names: list[str] = []
        unzipped = Unzipped(file, most_unpacked(size))
        with tarfile.open(fileobj=unzipped, mode="r|", tarinfo=BoundedMember) as archive:
            for member in archive:
                if member.issparse():
                    raise Unsound("tar archive not accepted: Sparse members are not allowed.")
                names.append(member.name)
                if len(names) > _MOST_MEMBERS:
                    raise Unsound("File has too many members")
        self.top = _top(names)
        self.names = frozenset(names)
        if f"{self.top}/PKG-INFO" not in self.names:
            raise Unsound(f"PKG-INFO not found at {self.top}/PKG-INFO")

    def check_licences(self, metadata: Metadata) -> None:
        for licence in metadata.license_files or []:
            place = f"{self.top}/{licence}"
            if place not in self.names:
                raise Refused(
                    400, f"License-File {licence} does not exist in distribution file {self.filename} at {place}"
                )


def _top(names: list[str]) -> str:
    try:
        top = os.path.commonpath(names) if names else ""
    except ValueError:
        top = ""
    if top in (".", "/", ""):
        raise Unsound("Incorrect number of top-level directories in sdist")
    return top


class _Zip(_Archive):
    def __init__(self, file: BinaryIO, size: int, filename: str) -> None:
        self.filename = filename
        self.archive = zipfile.ZipFile(file)
        members = self.archive.infolist()
        self.names = [member.filename for member in members]
        unpacked = sum(member.file_size for member in members)
        if len(members) > _MOST_MEMBERS:
            raise Unsound("File has too many members")
        if unpacked > most_unpacked(size):
            raise Unsound(f"File exceeds compression ratio of {RATIO}")
        if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
            raise Unsound("File does not use a supported compression type")
        self._required()
        # Installers that read a zip file from its front and those that read it from its end must see the same.
        if len(set(self.names)) < len(self.names):
            raise Unsound("ZIP archive not accepted: Duplicate filename in central directory.")
        if any(re.search(r"[\x00-\x1f\x7f]", member.orig_filename) for member in members):
            raise Unsound("ZIP archive not accepted: Invalid character in filename.")
        file.seek(-22 - len(self.archive.comment), os.SEEK_END)
        if file.read(4) != b"PK\x05\x06":
            raise Unsound("ZIP archive not accepted: Trailing data.")

    def _required(self) -> None:
        top = _top(self.names)
        if f"{top}/PKG-INFO" not in self.names:
            raise Unsound(f"PKG-INFO not found at {top}/PKG-INFO")

    def read(self, path: str) -> bytes | None:
        """Read a member; None if it isn't there."""
        if path not in self.names:
            return None
        with self.archive.open(path) as member:
            data = member.read(_MOST_TEXT + 1)
        if len(data) > _MOST_TEXT:
            raise Unsound(f"{path} is too long")
        return data


class _Wheel(_Zip):
    def _required(self) -> None:
        try:
            name, version, _ = self.filename.split("-", 2)
        except ValueError:
            raise Unsound("Unable to parse name and version from wheel filename") from None
        self.info = f"{name}-{version}.dist-info"
        if self.read(f"{self.info}/WHEEL") is None:
            raise Unsound(f"WHEEL not found at {self.info}/WHEEL")

    def check_licences(self, metadata: Metadata) -> None:
        for licence in metadata.license_files or []:
            place = f"{self.info}/licenses/{licence}"
            if place not in self.names:
                raise Refused(
                    400, f"License-File {licence} does not exist in distribution file {self.filename} at {place}"
                )

    def check_contents(self) -> None:
        record = self._text("RECORD")
        if record is None:
            raise Refused(400, f"Wheel '{self.filename}' does not contain the required RECORD file: {self.info}/RECORD")
        # PyPI accepts a RECORD that lists other files than the wheel has (and writes an e-mail about it): so do we.
        entry_points = self._text("entry_points.txt")
        if entry_points is not None and not _sound_entry_points(entry_points):
            raise Refused(400, f"Wheel '{self.filename}' has invalid entry points defined in the entry_points.txt file")
        metadata = self._bytes("METADATA")
        if metadata is None:
            raise Refused(
                400, f"Wheel '{self.filename}' does not contain the required METADATA file: {self.info}/METADATA"
            )
        self.metadata = metadata

    def _bytes(self, name: str) -> bytes | None:
        try:
            return self.read(f"{self.info}/{name}")
        except (Unsound, *_DAMAGED):
            raise Refused(400, f"Invalid distribution file. {self.info}/{name} can't be read") from None

    def _text(self, name: str) -> str | None:
        data = self._bytes(name)
        if data is None:
            return None
        try:
            text = data.decode()
            if name == "RECORD":
                for _ in csv.reader(text.splitlines()):
                    pass
        except (UnicodeDecodeError, csv.Error):
            return None if name == "RECORD" else "\0"
        return text


class _CaseSensitive(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        """Leave names as they are."""
        return optionstr


def _sound_entry_points(text: str) -> bool:
    parser = _CaseSensitive(delimiters=("=",), interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return False
    groups = [group for group in ("console_scripts", "gui_scripts") if parser.has_section(group)]
    return all(re.fullmatch(r"[\w.-]+", name) for group in groups for name in parser[group])
