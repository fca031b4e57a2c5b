"""A built distribution, a wheel or an sdist, as a check sees it: names, contents and metadata, without installing anything.

It was made by a learner and may be anything: sizes are bounded, names are only compared, nothing is unpacked to a disk.
Sources: the binary and source distribution formats of the PyPA specifications, PEP 639 for licences.
"""

from __future__ import annotations

import configparser
import io
import tarfile
import time
import zipfile
import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NoReturn

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata, parse_email
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from autograder.exceptions import Failed
from autograder.tree import Tree
from autograder.wording import code, command, listing

__all__ = ["Archive", "BoundedMember", "Sdist", "Wheel", "find_archives"]

LARGEST = 4_000_000
"""Of all members together when unpacked, in bytes."""
MOST_NAMES = 4_000
MOST_EXTRAS = 8192
"""Of one extended header of a tar file, in bytes."""
SECONDS = 10.0
"""Reading the names in a tar file may take so long."""
_EXTRAS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class Archive:
    """What a wheel and an sdist have in common."""

    def __init__(self, path: str, data: bytes) -> None:
        """Read an archive's bytes; `path` is what the learner calls it.

        Raises:
            Failed: it is damaged, too large, or its name isn't one that a distribution has.
        """
        self.path = path
        self.filename = path.rpartition("/")[2]
        try:
            self.project, self.version = self._parse_name()
        except (InvalidWheelFilename, InvalidSdistFilename):
            self._refuse(
                f"{code(self.filename)} is not how such a file is called: name, version, and for a wheel its tags."
            )
        try:
            self._members = self._read(data)
        except (
            zipfile.BadZipFile,
            tarfile.TarError,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
            NotImplementedError,
            RuntimeError,
        ):
            self._refuse(f"{code(path)} is damaged, or no such archive at all.")

    def _parse_name(self) -> tuple[str, Version]:
        raise NotImplementedError

    def _read(self, data: bytes) -> dict[str, bytes]:
        raise NotImplementedError

    def _listing_command(self) -> str:
        raise NotImplementedError

    def _refuse(self, found: str) -> NoReturn:
        raise Failed(
            expected=f"{code(self.path)} is a distribution that a build backend made.",
            found=found,
            next_step=f"Run {command('ls', '-l', self.path)} to see it, and build it anew.",
            evidence=self.filename.replace(".", "[.]").replace("+", "[+]"),
        )

    @property
    def names(self) -> frozenset[str]:
        """The paths of its files, with `/`."""
        return frozenset(self._members)

    def read(self, name: str) -> bytes:
        """Give one file's content; raises Failed if it isn't in there."""
        try:
            return self._members[name]
        except KeyError:
            there = [one for one in self.names if one.rpartition("/")[2] == name.rpartition("/")[2]]
            near = f" There is {listing(there)}." if there else ""
            raise Failed(
                expected=f"{code(name)} is in {code(self.filename)}.",
                found=f"It isn't in there.{near}",
                next_step=f"Run `{self._listing_command()}` to see what is.",
                evidence=".",
            ) from None

    def _metadata_bytes(self) -> bytes:
        raise NotImplementedError

    @cached_property
    def metadata(self) -> RawMetadata:
        """The core metadata, field by field and not validated (see `packaging.metadata`); raises Failed if there is none."""
        return parse_email(self._metadata_bytes())[0]

    def require_valid(self) -> None:
        """Raise Failed unless the metadata is what an index accepts."""
        try:
            Metadata.from_raw(self.metadata, validate=True)
        except ExceptionGroup as group:
            first = next((str(error) for error in group.exceptions if isinstance(error, InvalidMetadata)), str(group))
            raise Failed(
                expected=f"The metadata of {code(self.filename)} is valid.",
                found=f"It isn't: {first}.",
                next_step=f"Run {command('twine', 'check', '--strict', self.path)} to see what an index would say.",
                evidence=".",
            ) from None


class Wheel(Archive):
    """A `.whl` file."""

    def _parse_name(self) -> tuple[str, Version]:
        project, version, _, self.tags = parse_wheel_filename(self.filename)
        return str(project), version

    def _read(self, data: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > MOST_NAMES or sum(one.file_size for one in members) > LARGEST:
                self._refuse(f"{code(self.path)} holds too much to be looked at.")
            found = {}
            for one in members:
                with archive.open(one) as file:
                    found[one.filename] = file.read(LARGEST + 1)
        return found

    def _listing_command(self) -> str:
        return f"python3 -m zipfile -l {self.path}"

    @cached_property
    def dist_info(self) -> str:
        """The name of its `.dist-info` folder; raises Failed if there isn't exactly one."""
        found = {name.partition("/")[0] for name in self.names if name.partition("/")[0].endswith(".dist-info")}
        if len(found) != 1:
            self._refuse(f"{code(self.path)} has {len(found)} `.dist-info` folders in it; a wheel has one.")
        return found.pop()

    def _metadata_bytes(self) -> bytes:
        return self.read(f"{self.dist_info}/METADATA")

    @cached_property
    def entry_points(self) -> Mapping[str, Mapping[str, str]]:
        """Group -> name -> reference, as in `{"console_scripts": {"weather": "weather:main"}}`."""
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
        try:
            parser.read_string(self._members.get(f"{self.dist_info}/entry_points.txt", b"").decode("utf-8", "replace"))
        except configparser.Error:
            return {}
        return {group: dict(parser.items(group)) for group in parser.sections()}

    @property
    def installed(self) -> frozenset[str]:
        """What it puts beside its `.dist-info`: the files that `import` may find."""
        return frozenset(name for name in self.names if not name.partition("/")[0].endswith((".dist-info", ".data")))


class BoundedMember(tarfile.TarInfo):
    """A member of a tar file from anyone; give it to `tarfile.open` as `tarinfo`.

    Headers of long names and other extras are bounded, and so is the time for all members of a file: tarfile reads such a header
    into memory as a whole, and some Pythons with an expression that takes the square of its length (CVE-2024-6232).
    """

    def _proc_member(self, tarfile_: Any) -> Any:
        begun = vars(tarfile_).setdefault("_begun", time.monotonic())
        if time.monotonic() - begun > SECONDS:
            raise tarfile.ReadError("it takes too long to read")
        if self.type in _EXTRAS and self.size > MOST_EXTRAS:
            raise tarfile.ReadError("an extended header is too long")
        return super()._proc_member(tarfile_)  # type: ignore[misc]


class Sdist(Archive):
    """A `.tar.gz` file; names are given without its one top folder."""

    def _parse_name(self) -> tuple[str, Version]:
        project, version = parse_sdist_filename(self.filename)
        return str(project), version

    def _read(self, data: bytes) -> dict[str, bytes]:
        # unpacked here, with a bound: tarfile would unpack whatever a header says
        unpacking = zlib.decompressobj(wbits=31)
        unpacked = unpacking.decompress(data, 2 * LARGEST)
        if unpacking.unconsumed_tail:
            self._refuse(f"{code(self.path)} holds too much to be looked at.")
        found: dict[str, bytes] = {}
        room = LARGEST
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:", tarinfo=BoundedMember) as archive:
            for count, one in enumerate(archive):
                if count > MOST_NAMES or one.size > room:
                    self._refuse(f"{code(self.path)} holds too much to be looked at.")
                file = archive.extractfile(one) if one.isfile() else None
                if file is not None:
                    room -= one.size
                    found[one.name.removeprefix("./").partition("/")[2]] = file.read(one.size)
        return found

    def _listing_command(self) -> str:
        return f"tar tzf {self.path}"

    def _metadata_bytes(self) -> bytes:
        return self.read("PKG-INFO")


def find_archives(tree: Tree, folder: str, project: str) -> list[tuple[Version, str]]:
    """Find, by their names, the wheels and sdists of a project in a folder: versions and paths, oldest first."""
    found = []
    for filename in tree.names(folder):
        try:
            parsed = parse_wheel_filename(filename) if filename.endswith(".whl") else parse_sdist_filename(filename)
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue
        if parsed[0] == canonicalize_name(project):
            found.append((parsed[1], f"{folder}/{filename}" if folder else filename))
    return sorted(found)
