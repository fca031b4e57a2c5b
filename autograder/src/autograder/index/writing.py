"""Wheels and sdists of the fixtures, byte for byte the same on every machine.

Lessons lock hashes of these files, so nothing may depend on the Python, the zlib, the clock, the umask or the time zone that
wrote them.
Hence wheels are stored, not deflated (zlib and zlib-ng compress differently), and sdists are gzip files made of stored blocks.

Sources: binary distribution format (PEP 427), source distribution format (PEP 625, 643), core metadata 2.4 (PEP 639).
"""

from __future__ import annotations

__all__ = ["distributions", "metadata", "sdist", "wheel"]

import base64
import hashlib
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from itertools import product

from autograder.index.fixtures import Release


def distributions(release: Release) -> Iterator[tuple[str, bytes]]:
    """Write all files of a release: name and content of each."""
    if "wheel" in release.formats:
        for tag in release.tags:
            yield wheel(release, tag)
    if "sdist" in release.formats:
        yield sdist(release)


def _contents(release: Release) -> dict[str, bytes]:
    return {path: _filled(text, release) for path, text in release.files.items()}


def _filled(text: str, release: Release) -> bytes:
    return text.replace("@VERSION@", release.version).encode()


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
        lines += [f"Requires-Dist: {_for_extra(requirement, extra)}" for requirement in requirements]
    lines += ["Description-Content-Type: text/markdown", "", _readme(release)]
    return "\n".join(lines).encode()


def _for_extra(requirement: str, extra: str) -> str:
    wanted, _, marker = requirement.partition(";")
    condition = f'({marker.strip()}) and extra == "{extra}"' if marker else f'extra == "{extra}"'
    return f"{wanted}; {condition}"


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


def wheel(release: Release, tag: str = "py3-none-any") -> tuple[str, bytes]:
    """Write its wheel with this tag; gives the file's name and content."""
    info = f"{release.stem}.dist-info"
    contents = _contents(release)
    contents[f"{info}/METADATA"] = metadata(release)
    pure = "true" if tag.endswith("-any") else "false"
    each = "".join(f"Tag: {'-'.join(parts)}\n" for parts in product(*(part.split(".") for part in tag.split("-"))))
    contents[f"{info}/WHEEL"] = (f"Wheel-Version: 1.0\nGenerator: wheelhouse\nRoot-Is-Purelib: {pure}\n{each}").encode()
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
    return f"{release.stem}-{tag}.whl", buffer.getvalue()


def _record_hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def sdist(release: Release) -> tuple[str, bytes]:
    """Write its sdist, a project that flit-core builds; gives the file's name and content."""
    contents = {f"src/{path}": data for path, data in _contents(release).items()}
    if not {"pyproject.toml", "setup.py"} & set(release.sdist_files):
        contents["pyproject.toml"] = _pyproject(release).encode()
    contents |= {path: _filled(text, release) for path, text in release.sdist_files.items()}
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
    lines += table("tool.flit.module", {"name": json.dumps(release.modules[0])})
    return "\n".join([*lines, ""])
