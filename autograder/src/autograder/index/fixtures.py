"""The fixture distributions: one TOML file in, wheels and sdists out, byte for byte the same on every machine.

Lessons lock hashes of these files, so nothing may depend on the Python, the zlib, the clock, the umask or the time zone that
wrote them.
Hence wheels are stored, not deflated (zlib and zlib-ng compress differently), and sdists are gzip files made of stored blocks.

Sources: binary distribution format (PEP 427), source distribution format (PEP 625, 643), core metadata 2.4 (PEP 639).
"""

from __future__ import annotations

__all__ = ["Release", "read_fixtures", "sdist", "wheel"]

import base64
import hashlib
import io
import json
import re
import struct
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from autograder.exceptions import CourseError


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of a fixture project, as `fixtures.toml` describes it."""

    name: str
    version: str
    uploaded: datetime
    """When it appeared on the index, in UTC."""
    summary: str
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
    tag: str = "py3-none-any"
    files: dict[str, str] = field(default_factory=dict)
    """Path inside the wheel -> text; `@VERSION@` stands for the version."""

    @property
    def stem(self) -> str:
        """The start of its file names: normalised name, with underscores, and version."""
        return f"{re.sub(r'[-_.]+', '_', self.name).lower()}-{self.version}"


_KEYS = {entry.name.replace("_", "-"): entry.name for entry in fields(Release)}
_TYPES: dict[str, type] = {
    "uploaded": datetime,
    **dict.fromkeys(("requires", "formats"), list),
    **dict.fromkeys(("extras", "scripts", "entry-points", "files"), dict),
}


def read_fixtures(text: str) -> list[Release]:
    """Read the description of all fixtures, in the order of the file.

    What a project says holds for each of its releases; a release's own key replaces it, except that `files` are put together.
    `[defaults]` does the same for all projects.

    Raises:
        CourseError: the text is no TOML, or a key is unknown, missing or of the wrong type; names the place.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong("fixtures.toml", str(error)) from None
    defaults = table.get("defaults", {})
    releases: list[Release] = []
    for name, project in table.get("project", {}).items():
        own = {key: value for key, value in project.items() if key != "release"}
        for number, release in enumerate(project.get("release", []), 1):
            place = f"project {name}, release {release.get('version', f'number {number}')}"
            files = {**own.get("files", {}), **release.get("files", {})}
            releases.append(_release(place, {"name": name, **defaults, **own, **release, "files": files}))
    seen: set[str] = set()
    for entry in releases:
        if entry.stem in seen:
            raise _wrong(f"project {entry.name}, release {entry.version}", "it is described twice")
        seen.add(entry.stem)
    return releases


def _release(place: str, values: Mapping[str, Any]) -> Release:
    for key, value in values.items():
        wanted = _TYPES.get(key, str)
        if key not in _KEYS:
            raise _wrong(place, f"`{key}` is no known key; known are {', '.join(sorted(_KEYS))}")
        if not isinstance(value, wanted):
            raise _wrong(place, f"`{key}` must be of type {wanted.__name__}")
    for key in ("version", "uploaded", "summary"):
        if key not in values:
            raise _wrong(place, f"`{key}` is missing")
    release = Release(**{_KEYS[key]: value for key, value in values.items()})
    if release.uploaded.tzinfo is None:
        raise _wrong(place, "`uploaded` needs a time zone, such as the Z in 2024-02-12T09:30:00Z")
    if not release.files:
        raise _wrong(place, "it has no files")
    if unknown := set(release.formats) - {"wheel", "sdist"}:
        raise _wrong(place, f"`formats` may hold wheel and sdist, not {', '.join(unknown)}")
    if "sdist" in release.formats and len(_modules(release)) != 1:
        raise _wrong(place, "an sdist must hold exactly one module or package")
    return release


def _wrong(place: str, what: str) -> CourseError:
    return CourseError(
        f"The index's fixtures can't be read: {place}: {what}.",
        "Mend autograder/src/autograder/index/fixtures.toml.",
    )


def _modules(release: Release) -> list[str]:
    return sorted({path.split("/")[0].removesuffix(".py") for path in release.files})


def _contents(release: Release) -> dict[str, bytes]:
    return {path: text.replace("@VERSION@", release.version).encode() for path, text in release.files.items()}


def metadata(release: Release) -> bytes:
    """Write its METADATA (in a wheel) or PKG-INFO (in an sdist): core metadata 2.4."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {release.name}",
        f"Version: {release.version}",
        f"Summary: {release.summary}",
    ]
    if release.author:
        lines.append(f"Author-email: {release.author}")
    if release.licence_text:
        lines += ["License-Expression: MIT", "License-File: LICENSE"]
    if release.requires_python:
        lines.append(f"Requires-Python: {release.requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in release.requires]
    for extra, requirements in release.extras.items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in requirements]
    lines += ["Description-Content-Type: text/markdown", "", _readme(release)]
    return "\n".join(lines).encode()


def _readme(release: Release) -> str:
    return f"# {release.name}\n\n{release.readme.strip() or release.summary}\n"


def _entry_points(release: Release) -> str:
    groups = dict(release.entry_points)
    if release.scripts:
        groups["console_scripts"] = release.scripts
    return "\n".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in sorted(entries.items()))
        for group, entries in sorted(groups.items())
    )


def wheel(release: Release) -> tuple[str, bytes]:
    """Write its wheel; gives the file's name and content."""
    info = f"{release.stem}.dist-info"
    contents = _contents(release)
    contents[f"{info}/METADATA"] = metadata(release)
    pure = "true" if release.tag.endswith("-any") else "false"
    contents[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: wheelhouse\nRoot-Is-Purelib: {pure}\nTag: {release.tag}\n"
    ).encode()
    if entry_points := _entry_points(release):
        contents[f"{info}/entry_points.txt"] = entry_points.encode()
    if release.licence_text:
        contents[f"{info}/licenses/LICENSE"] = release.licence_text.encode()
    record = [f"{path},{_record_hash(data)},{len(data)}" for path, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()

    moment = release.uploaded.astimezone(UTC)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in contents.items():
            member = zipfile.ZipInfo(path, moment.timetuple()[:6])
            member.create_system = 3  # Unix, whatever wrote it
            member.external_attr = 0o100644 << 16
            archive.writestr(member, data)
    return f"{release.stem}-{release.tag}.whl", buffer.getvalue()


def _record_hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def sdist(release: Release) -> tuple[str, bytes]:
    """Write its sdist, a project that flit-core builds; gives the file's name and content."""
    contents = {f"src/{path}": data for path, data in _contents(release).items()}
    contents["pyproject.toml"] = _pyproject(release).encode()
    contents["README.md"] = _readme(release).encode()
    contents["PKG-INFO"] = metadata(release)
    if release.licence_text:
        contents["LICENSE"] = release.licence_text.encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in sorted(contents.items()):
            member = tarfile.TarInfo(f"{release.stem}/{path}")
            member.size = len(data)
            member.mtime = int(release.uploaded.timestamp())
            archive.addfile(member, io.BytesIO(data))
    return f"{release.stem}.tar.gz", _gzip(buffer.getvalue())


def _gzip(data: bytes) -> bytes:
    """Wrap `data` into a gzip file of stored blocks, written by hand: no zlib may have a say (RFC 1951, 1952)."""
    blocks = [data[start : start + 65535] for start in range(0, len(data), 65535)] or [b""]
    parts = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for number, block in enumerate(blocks, 1):
        last = number == len(blocks)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    parts.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(parts)


def _pyproject(release: Release) -> str:
    def strings(values: Iterable[str]) -> str:
        return "[" + ", ".join(json.dumps(value) for value in values) + "]"

    def table(name: str, values: Mapping[str, str]) -> list[str]:
        return ["", f"[{name}]", *(f"{json.dumps(key)} = {value}" for key, value in values.items())]

    def targets(entries: Mapping[str, str]) -> dict[str, str]:
        return {name: json.dumps(target) for name, target in entries.items()}

    lines = [
        "[build-system]",
        'requires = ["flit_core>=3.11"]',
        'build-backend = "flit_core.buildapi"',
        "",
        "[project]",
        f"name = {json.dumps(release.name)}",
        f"version = {json.dumps(release.version)}",
        f"description = {json.dumps(release.summary)}",
        'readme = "README.md"',
    ]
    if release.licence_text:
        lines += ['license = "MIT"', 'license-files = ["LICENSE"]']
    if release.requires_python:
        lines.append(f"requires-python = {json.dumps(release.requires_python)}")
    lines.append(f"dependencies = {strings(release.requires)}")
    if release.extras:
        lines += table(
            "project.optional-dependencies",
            {extra: strings(requirements) for extra, requirements in release.extras.items()},
        )
    if release.scripts:
        lines += table("project.scripts", targets(release.scripts))
    for group, entries in release.entry_points.items():
        lines += table(f"project.entry-points.{json.dumps(group)}", targets(entries))
    lines += table("tool.flit.module", {"name": json.dumps(_modules(release)[0])})
    return "\n".join([*lines, ""])
