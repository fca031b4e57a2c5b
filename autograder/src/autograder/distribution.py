"""Read an installed distribution from its files.

Sources: the binary distribution format and "recording installed projects" of the Python packaging guide (PEP 376, 427, 627),
core metadata (PEP 566, 643), direct URLs (PEP 610), entry points.
Nothing is imported and nothing is run; what can't be read is said, in a `Failed`.
"""

from __future__ import annotations

import base64
import binascii
import configparser
import csv
import io
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cached_property
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder.exceptions import Failed
from autograder.tree import Outside, Tree, resolve
from autograder.wording import code, command, leaving, seen

__all__ = ["Distribution", "EntryPoint", "Known", "KnownWheel", "RecordLine", "ServedFile", "folder_name"]

LARGEST_RECORD = 2_000_000
LARGEST_METADATA = 1_000_000


class KnownWheel(Protocol):
    """A wheel whose files are known by their hashes."""

    @property
    def filename(self) -> str:
        """The wheel's file name."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """The SHA-256 of every file in it, in hexadecimal, by its path in the wheel."""
        ...

    @property
    def origin(self) -> str:
        """Where it is known from; `ensurepip` if it came with this Python, so that another may not know it."""
        ...


class ServedFile(Protocol):
    """A wheel or an sdist that an index offers."""

    @property
    def filename(self) -> str:
        """Its file name."""
        ...

    @property
    def project(self) -> str:
        """The normalised name of what it brings."""
        ...

    @property
    def version(self) -> str:
        """Of which version."""
        ...

    @property
    def sites(self) -> tuple[str, ...]:
        """The indexes on which it stands: `pypi`, `testpypi`, `company`."""
        ...

    @property
    def uploaded(self) -> str:
        """When, as PEP 700 writes it; empty where nobody knows."""
        ...

    @property
    def days_old(self) -> int | None:
        """So many days ago, whenever one asks, for a release that stays young; None: see `uploaded`."""
        ...


class Known(Protocol):
    """What distributions really consist of; `autograder.index` has one."""

    def wheels(self, name: str, version: str) -> Sequence[KnownWheel]:
        """Give the known wheels of one version; empty if none is known."""
        ...

    def wheel(self, filename: str) -> KnownWheel | None:
        """Give one by its file name."""
        ...

    def served(self, sha256: str) -> ServedFile | None:
        """Give the wheel or sdist with this hash; None if no index has it."""
        ...

    def content(self, sha256: str) -> bytes | None:
        """Give the content of any file of any known wheel, or of any other known file."""
        ...


@dataclass(frozen=True)
class RecordLine:
    """One file that an installer wrote down."""

    path: str
    """As recorded: relative to site-packages."""
    sha256: str = ""
    """In hexadecimal; empty if none was recorded, or one of another kind."""
    size: int | None = None
    """In bytes."""


@dataclass(frozen=True)
class EntryPoint:
    """What a distribution offers to others by name; the group `console_scripts` makes commands."""

    group: str
    name: str
    value: str


def folder_name(name: str) -> tuple[str, str] | None:
    """Split the name of a `.dist-info` or `.egg-info` folder into normalised name and version; None if it is neither."""
    stem, dot, ending = name.rpartition(".")
    if not dot or ending not in ("dist-info", "egg-info") or not stem:
        return None
    project, _, version = stem.partition("-")
    if ending == "egg-info":
        version = version.partition("-py")[0]
    return canonicalize_name(project), version


class Distribution:
    """What an installer left of one distribution in a site-packages folder.

    Every property that reads a file raises Failed when the file can't be what an installer writes.
    """

    def __init__(self, tree: Tree, environment: str, site_packages: str, folder: str, known: Known) -> None:
        """Look at `folder` (a name such as `leftpad-1.1.dist-info`) in `site_packages` of `environment`."""
        self._tree = tree
        self._environment = environment
        self._site_packages = site_packages
        self._known = known
        self.folder = f"{site_packages}/{folder}"
        self.folder_name = folder

    def __repr__(self) -> str:
        """Name the folder."""
        return f"<Distribution {self.folder}>"

    # What is written in its files

    @cached_property
    def metadata(self) -> Mapping[str, tuple[str, ...]]:
        """The headers of METADATA: values in their order, by name in small letters."""
        name = "METADATA" if self.folder.endswith(".dist-info") else "PKG-INFO"
        text = self._text(name, LARGEST_METADATA)
        if text is None:
            raise self._failed(f"{code(self.folder)} holds no `{name}`, so no Python tool can tell what it is.")
        head = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
        message = HeaderParser().parsestr(head)
        found: dict[str, tuple[str, ...]] = {}
        for key, value in message.items():
            found[key.lower()] = (*found.get(key.lower(), ()), str(value))
        return found

    def _header(self, key: str) -> str:
        values = self.metadata.get(key, ())
        if not values or not values[0].strip():
            raise self._failed(f"`METADATA` in {code(self.folder)} has no `{key.title()}`.")
        return values[0].strip()

    @cached_property
    def name(self) -> str:
        """The normalised name, from METADATA (PEP 503)."""
        return canonicalize_name(self._header("name"))

    @cached_property
    def version(self) -> Version:
        """The version, from METADATA (PEP 440)."""
        text = self._header("version")
        try:
            return Version(text)
        except InvalidVersion:
            raise self._failed(
                f"`METADATA` in {code(self.folder)} gives the version {code(text)}, which is no version.",
                self._shown("^Version:", f"{self.folder}/METADATA"),
                "^Version:",
            ) from None

    @cached_property
    def label(self) -> str:
        """Name and version as the folder has them: for lists, never fails."""
        found = folder_name(self.folder_name)
        return " ".join(found).strip() if found else self.folder_name

    @cached_property
    def requires(self) -> tuple[Requirement, ...]:
        """What METADATA says it needs (`Requires-Dist`)."""
        found = []
        for text in self.metadata.get("requires-dist", ()):
            try:
                found.append(Requirement(text))
            except InvalidRequirement:
                raise self._failed(
                    f"`METADATA` in {code(self.folder)} requires {code(text)}, which is no requirement."
                ) from None
        return tuple(found)

    @cached_property
    def record(self) -> tuple[RecordLine, ...]:
        """The files the installer wrote down."""
        text = self._text("RECORD", LARGEST_RECORD)
        if text is None:
            raise self._failed(f"{code(self.folder)} holds no `RECORD`, the list of files that every installer writes.")
        try:
            return tuple(_record_line(row) for row in csv.reader(io.StringIO(text)) if row)
        except (csv.Error, ValueError):
            raise self._failed(f"`RECORD` in {code(self.folder)} is not as an installer writes it.") from None

    @property
    def requested(self) -> bool:
        """Whether it was asked for by name, not only needed by another (the file REQUESTED, PEP 376)."""
        return self._tree.entry(f"{self.folder}/REQUESTED") is not None

    @cached_property
    def installer(self) -> str:
        """Which tool says it installed it: `pip`, `uv`; empty if none does."""
        try:
            return (self._text("INSTALLER", 1000) or "").strip()
        except Failed:
            return ""

    @cached_property
    def direct_url(self) -> Mapping[str, Any] | None:
        """Where it came from if not from an index (direct_url.json, PEP 610)."""
        text = self._text("direct_url.json", LARGEST_METADATA)
        if text is None:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._failed(f"`direct_url.json` in {code(self.folder)} is not as PEP 610 has it.")
        return found

    @property
    def editable(self) -> bool:
        """Whether it was installed with `--editable`: its code is read from the project's own folder."""
        about = (self.direct_url or {}).get("dir_info")
        return isinstance(about, dict) and about.get("editable") is True

    @cached_property
    def entry_points(self) -> tuple[EntryPoint, ...]:
        """What it offers by name, sorted by group and name."""
        text = self._text("entry_points.txt", LARGEST_METADATA)
        if text is None:
            return ()
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            parser.read_string(text)
        except configparser.Error:
            raise self._failed(f"`entry_points.txt` in {code(self.folder)} is not as an installer writes it.") from None
        return tuple(
            EntryPoint(group, name, parser[group][name])
            for group in sorted(parser.sections())
            for name in sorted(parser[group])
        )

    @cached_property
    def top_level(self) -> tuple[str, ...]:
        """The names that can be imported, sorted: from RECORD, and from top_level.txt where there is one."""
        found = {line.strip() for line in (self._text("top_level.txt", 100_000) or "").splitlines()}
        for line in self.record:
            first, slash, _ = line.path.partition("/")
            if folder_name(first) or first in ("..", "", "__pycache__") or line.path.startswith("/"):
                continue
            if slash:
                found.add(first)
            elif first.endswith((".py", ".so", ".pyd")):
                found.add(first.partition(".")[0])
        return tuple(sorted(name for name in found if name.isidentifier()))

    # Whether it is what it says it is

    def matches(self, known: Known | None = None) -> str:
        """Name the first file that isn't as it should be; empty if all are.

        Files are compared with those of the known wheels of this name and version; the best-fitting wheel counts.
        Where none is known with the hashes in RECORD.
        Bytecode, scripts and what installers write anew into the dist-info are never compared.
        """
        wheels = (known or self._known).wheels(self.name, str(self.version))
        if not wheels:
            return next(self._not_as_recorded(), "")
        differences = []
        for wheel in wheels:
            wrong = [
                path
                for path, expected in sorted(wheel.files.items())
                if _is_code(path) and not self._is(path, expected)
            ]
            if not wrong:
                return ""
            differences.append(wrong)
        return min(differences, key=len)[0]

    def require_whole(self) -> None:
        """Raise Failed, naming what is wrong, unless an installer put it here and nobody changed it since."""
        self._require_dist_info()
        self._require_no_stand_in()
        lines = self.record
        self._require_unedited(lines)
        code_lines = [line for line in lines if _is_code(line.path)]
        if code_lines and not any(self._stands(line.path) for line in code_lines):
            raise self._failed(
                f"Only {code(self.folder)} is there; none of the files that its `RECORD` lists is: "
                "the dist-info was copied, or the package was deleted by hand."
            )
        wrong = self.matches()
        if not wrong:
            self._require_unshadowed(code_lines)
            return
        path = self._place(wrong)
        entry = self._tree.entry(path)
        where = resolve(self._tree, path)
        subject = f"{code(self.name)} {self.version}"
        reference = (
            f"the real {subject}"
            if self._known.wheels(self.name, str(self.version))
            else f"{subject} as it was installed"
        )
        if isinstance(where, Outside):
            found = leaving(self._tree, where)
        elif entry is None and where == path:
            found = f"{code(path)}, a file of {reference}, is missing."
        else:
            found = f"The files of {subject} in {code(self._environment)} are not those of {reference}: {code(path)} is another."
        raise Failed(
            expected=f"The files of {code(self.name)} are those that its installer put there.",
            found=found,
            next_step=f"Run {command('ls', '-l', path)} to look at the file, then let an installer replace what is there.",
            evidence=seen(posixpath.basename(path)),
        )

    def _require_dist_info(self) -> None:
        said = folder_name(self.folder_name)
        if said is None or said[0] != self.name or not _same_version(said[1], self.version):
            raise self._failed(
                f"The folder is called {code(self.folder_name)}, but its `METADATA` says {code(f'{self.name} {self.version}')}: "
                "one of the two was changed by hand.",
                self._shown("^Version:", f"{self.folder}/METADATA"),
                f"^Version: *{seen(str(self.metadata['version'][0]))}",
            )

    def _require_no_stand_in(self) -> None:
        """Refuse an editable install in place of what an index has: whose folder's code it is, no hash says, only a line of text."""
        if not self.editable or not self._known.wheels(self.name, str(self.version)):
            return
        raise self._failed(
            f"{code(self.name)} {self.version} in {code(self._environment)} is not the one that the index has: "
            f"{code('direct_url.json')} says that it is an editable install of a folder.",
            command("cat", f"{self.folder}/direct_url.json"),
            "editable",
        )

    def _require_unedited(self, lines: Sequence[RecordLine]) -> None:
        if not self.folder.endswith(".dist-info"):
            return
        recorded = {posixpath.normpath(line.path): line.sha256 for line in lines}
        path = f"{self.folder_name}/METADATA"
        if path not in recorded:
            raise self._failed(
                f"`RECORD` in {code(self.folder)} doesn't list its own `METADATA`: it was written by hand, "
                "or belongs to another distribution."
            )
        if not recorded[path] or not self._is(path, recorded[path]):
            raise self._failed(
                f"`METADATA` in {code(self.folder)} was edited after it was installed: its hash is not the one in `RECORD`."
            )
        for wheel in self._known.wheels(self.name, str(self.version)):
            # an edit that also mends RECORD: the same WHEEL file, another METADATA; what was built from an sdist has its own
            theirs = {posixpath.basename(name): name for name in wheel.files if not _is_code(name)}
            if len(self._known.wheels(self.name, str(self.version))) != 1 or not {"WHEEL", "METADATA"} <= theirs.keys():
                continue
            if not self._is(f"{self.folder_name}/WHEEL", wheel.files[theirs["WHEEL"]]):
                continue
            for one in ("METADATA", "entry_points.txt"):
                if one in theirs and not self._is(f"{self.folder_name}/{one}", wheel.files[theirs[one]]):
                    raise self._failed(
                        f"{code(one)} in {code(self.folder)} is not that of the real {code(self.name)} {self.version}: it was edited."
                    )

    def _require_unshadowed(self, lines: Sequence[RecordLine]) -> None:
        """Refuse a file that no installer put there, and that Python imports instead of one that it did: `a/` and `a.….so` before `a.py`."""
        own = {posixpath.normpath(line.path) for line in lines}
        folders = {posixpath.dirname(path) for path in own}
        names = {folder: self._tree.names(self._place(folder)) for folder in folders}
        for path in sorted(path for path in own if path.endswith(".py")):
            folder, name = posixpath.split(path)
            stem = name.removesuffix(".py")
            for other in names[folder]:
                beside = posixpath.join(folder, other)
                library = other.startswith(f"{stem}.") and other.endswith(".so")
                package = other == stem and stem != "__init__" and self._holds_code(beside)
                if (library or package) and not any(one == beside or one.startswith(f"{beside}/") for one in own):
                    raise Failed(
                        expected=f"The files of {code(self.name)} are those that its installer put there.",
                        found=f"{code(self._place(beside))} is no file of {code(self.name)} {self.version}, "
                        f"and `import` takes it in place of {code(name)}.",
                        next_step=f"Run {command('ls', '-l', posixpath.dirname(self._place(beside)))} to see both.",
                        evidence=seen(other),
                    )

    def _holds_code(self, path: str) -> bool:
        """Say whether Python would take a folder for a package: without an `__init__` a module of that name comes first."""
        return any(name.partition(".")[0] == "__init__" for name in self._tree.names(self._place(path)))

    def _not_as_recorded(self) -> Iterator[str]:
        for line in self.record:
            if line.sha256 and _is_code(line.path) and not self._is(line.path, line.sha256):
                yield line.path

    # How files are reached

    def _place(self, path: str) -> str:
        return posixpath.normpath(f"{self._site_packages}/{path}")

    def _stands(self, path: str) -> bool:
        return self._tree.entry(self._place(path)) is not None

    def _is(self, path: str, sha256: str) -> bool:
        try:
            return self._tree.sha256(self._place(path)) == sha256
        except FileNotFoundError:
            return False

    def _text(self, name: str, limit: int) -> str | None:
        """Read a file of the dist-info; None if nothing stands there."""
        path = f"{self.folder}/{name}"
        entry = self._tree.entry(path)
        if entry is None:
            return None
        if entry.kind != "file":
            raise self._failed(f"{code(path)} is no regular file.")
        if entry.size > limit:
            raise self._failed(f"{code(path)} is larger than {limit:,} bytes.")
        try:
            return self._tree.read(path, limit).decode("utf-8")
        except UnicodeDecodeError:
            raise self._failed(f"{code(path)} is not UTF-8 text.") from None
        except FileNotFoundError:
            raise self._failed(f"{code(path)} can't be read.") from None

    def _failed(self, found: str, shown_by: str = "", evidence: str = "") -> Failed:
        label = folder_name(self.folder_name)
        return Failed(
            expected=f"{code(label[0] if label else self.folder_name)} is installed in {code(self._environment)} by an installer.",
            found=found,
            next_step=f"Run {shown_by or command('ls', '-l', self.folder)} to see what is there, then let an installer put it right.",
            evidence=evidence or "^total ",
        )

    def _shown(self, *words: str) -> str:
        """Give the command that shows the line of METADATA, or of RECORD, in question."""
        return command("grep", "-m", "1", *words)


def _record_line(row: list[str]) -> RecordLine:
    path, hashed, size = [*row, "", ""][:3]
    if not path or "\0" in path:
        raise ValueError(path)
    kind, _, value = hashed.partition("=")
    digest = ""
    if kind == "sha256":
        try:
            digest = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
        except (binascii.Error, ValueError):
            digest = "?"  # no hash that a file could have
    return RecordLine(path, digest, int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None)


def _is_code(path: str) -> bool:
    """Say whether an installer copies this file unchanged into site-packages, and nobody may change it there."""
    normal = posixpath.normpath(path)
    first = normal.partition("/")[0]
    return not (
        normal.startswith(("../", "/"))
        or first.endswith((".dist-info", ".data", ".egg-info"))
        or "__pycache__" in normal.split("/")
        or normal.endswith((".pyc", ".pyo"))
    )


def _same_version(text: str, version: Version) -> bool:
    try:
        return Version(text.replace("_", "-")) == version
    except InvalidVersion:
        return False
