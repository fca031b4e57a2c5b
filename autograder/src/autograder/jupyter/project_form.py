"""A pyproject.toml out of a form: its text, what `packaging` says of it, and what a real backend makes of it (for pictures/pyproject_form.py)."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.metadata import InvalidMetadata, Metadata, RawMetadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder.archive import Sdist, Wheel
from autograder.exceptions import Failed, UsageError
from autograder.folder import LiveWorkspace, remove_tree
from autograder.sandbox import Limits, Place

__all__ = ["BACKENDS", "FIELDS", "Built", "Problem", "build", "clean", "problems", "write_toml"]

BACKENDS = {
    "uv_build": ("uv_build", "uv_build"),
    "flit-core": ("flit_core", "flit_core.buildapi"),
    "hatchling": ("hatchling", "hatchling.build"),
    "setuptools": ("setuptools", "setuptools.build_meta"),
    "poetry-core": ("poetry-core", "poetry.core.masonry.api"),
}
"""What the form calls a backend -> what `requires` and `build-backend` call it."""

FIELDS = {
    "name": "till-slip",
    "version": "1.0",
    "description": "Prints slips at the till",
    "requires_python": ">=3.11",
    "license": "MIT",
    "dependencies": "leftpad>=1.1\ndrawer-lock; sys_platform == 'win32'",
    "scripts": "slip = till_slip:main",
    "extras": "",
    "groups": "test = pytest\ndev = {test}, twine",
    "backend": "uv_build",
}
"""The form's fields, and what they hold at first; those of several lines have one thing a line."""

LONGEST_FIELD = 1_000
_PAIR = re.compile(r"([^=]+?)\s*=\s*(.*)")
_INCLUDE = re.compile(r"\{\s*([^{}]*?)\s*\}")
_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one field."""

    field: str
    says: str
    """In Markdown."""


@dataclass(frozen=True)
class Built:
    """What a real build gave."""

    backend: str
    toml: str
    """What was built, to be compared with what the form says now."""
    stopped: str = ""
    """The backend's last words, if it refused."""
    files: list[dict[str, Any]] = field(default_factory=list)
    """Of each file built: its name, and the names in it."""
    metadata: str = ""
    entry_points: str = ""


def clean(fields: Mapping[str, Any]) -> dict[str, str]:
    """Take the form's fields out of a message from the page; raises UsageError if it is none."""
    found = {}
    for name in FIELDS:
        value = fields.get(name)
        if not isinstance(value, str) or len(value) > LONGEST_FIELD:
            raise UsageError(f"The field `{name}` is missing, or longer than {LONGEST_FIELD} letters.")
        found[name] = "".join(one for one in value if one.isprintable() or one == "\n").strip()
    if found["backend"] not in BACKENDS:
        raise UsageError("That is none of the backends in this form.")
    return found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pairs(text: str) -> list[tuple[str, str]]:
    """Read lines of the form `name = value`; a line that isn't has an empty value."""
    found = []
    for line in _lines(text):
        match = _PAIR.fullmatch(line)
        found.append((match[1], match[2].strip()) if match else (line, ""))
    return found


def _listed(text: str) -> list[str]:
    """Split at commas between requirements; those of a specifier, as in `a>=1,<2`, are followed by an operator."""
    return [one.strip() for one in re.split(r",(?!\s*[<>=!~])(?![^\[]*\])", text) if one.strip()]


def _group(text: str) -> list[str | dict[str, str]]:
    return [{"include-group": match[1]} if (match := _INCLUDE.fullmatch(one)) else one for one in _listed(text)]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _list(values: list[str | dict[str, str]]) -> str:
    written = [
        f"{{include-group = {_text(one['include-group'])}}}" if isinstance(one, dict) else _text(one) for one in values
    ]
    whole = f"[{', '.join(written)}]"
    return whole if len(whole) < 70 else "[\n" + "".join(f"    {one},\n" for one in written) + "]"


def write_toml(fields: Mapping[str, str]) -> str:
    """Write the file; whatever the fields hold, it is TOML."""
    requires, backend = BACKENDS[fields["backend"]]
    lines = ["[build-system]", f"requires = {_list([requires])}", f"build-backend = {_text(backend)}", "", "[project]"]
    for name in ("name", "version", "description", "requires_python", "license"):
        if fields[name]:
            lines.append(f"{name.replace('_', '-')} = {_text(fields[name].replace(chr(10), ' '))}")
    if fields["dependencies"]:
        lines.append(f"dependencies = {_list([*_lines(fields['dependencies'])])}")
    for name, table in (
        ("extras", "project.optional-dependencies"),
        ("scripts", "project.scripts"),
        ("groups", "dependency-groups"),
    ):
        pairs = dict(_pairs(fields[name]))
        if pairs:
            lines += ["", f"[{table}]"]
        for key, value in pairs.items():
            shown = {"extras": lambda text: _list([*_listed(text)]), "scripts": _text}.get(name)
            lines.append(f"{_key(key)} = {shown(value) if shown else _list(_group(value))}")
    return "\n".join(lines) + "\n"


def problems(fields: Mapping[str, str]) -> list[Problem]:
    """Say what an index, an installer or a frontend would find wrong, field by field."""
    return [*_in_metadata(fields), *_in_tables(fields)]


def _in_metadata(fields: Mapping[str, str]) -> Iterator[Problem]:
    """Ask `packaging`: first for what has a better explanation than its own, then for the metadata as a whole."""
    told = set()
    for name, read, errors, help_ in (
        (
            "version",
            Version,
            InvalidVersion,
            "It is no version (PEP 440): numbers with dots, then perhaps `a1`, `b1`, `rc1`, `.post1` or `.dev1`.",
        ),
        (
            "requires_python",
            SpecifierSet,
            InvalidSpecifier,
            "It is no version specifier: an operator and a version, as in `>=3.11`; several with commas between.",
        ),
        (
            "license",
            canonicalize_license_expression,
            InvalidLicenseExpression,
            "It is no SPDX expression. The names are those of the SPDX list: `MIT`, `Apache-2.0`, `GPL-3.0-or-later`; joined with `AND`, `OR`, `WITH`.",
        ),
    ):
        try:
            if fields[name]:
                read(fields[name])
        except errors:
            told.add(name)
            yield Problem(name, help_)
    extras = [one for _, value in _pairs(fields["extras"]) for one in _listed(value)]
    for name, lines in (("dependencies", _lines(fields["dependencies"])), ("extras", extras)):
        for line in lines:
            try:
                Requirement(line)
            except InvalidRequirement as error:
                yield Problem(name, f"`{line}` is no requirement: {str(error).splitlines()[0]}.")
    raw: RawMetadata = {"metadata_version": "2.4", "name": fields["name"], "version": fields["version"]}
    if fields["description"]:
        raw["summary"] = fields["description"]
    try:
        Metadata.from_raw(raw, validate=True)
    except ExceptionGroup as group:
        for one in group.exceptions:
            where = {"summary": "description"}.get(getattr(one, "field", ""), getattr(one, "field", ""))
            if isinstance(one, InvalidMetadata) and where in FIELDS and where not in told:
                yield Problem(where, f"`packaging.metadata` says: {one}.")
    name = fields["name"]
    if _NAME.fullmatch(name) and canonicalize_name(name) != name:
        yield Problem(
            "name", f"It is allowed; for indexes and installers it is the same as `{canonicalize_name(name)}`."
        )
    if "<" in fields["requires_python"] and "requires_python" not in told:
        yield Problem(
            "requires_python", "It is allowed; but nobody can lift an upper limit later, for a release that is out."
        )


def _in_tables(fields: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in _pairs(fields["scripts"]):
        if not _REFERENCE.fullmatch(value):
            yield Problem(
                "scripts", f"`{name}` needs a module, a colon and a function: `{name} = package.module:function`."
            )
    if fields["extras"]:
        for extra, value in _pairs(fields["extras"]):
            if canonicalize_name(extra) in ("dev", "test", "lint", "docs"):
                yield Problem(
                    "extras",
                    f"`{extra}` would be published, for all users to see. Tools of your own belong into a group.",
                )
            if not value:
                yield Problem("extras", f"`{extra}` asks for nothing: write `{extra} = requirement, requirement`.")
    groups: dict[str, list[Any]] = {name: [*_group(value)] for name, value in _pairs(fields["groups"])}
    for group in groups:
        try:
            for one in resolve_dependency_groups(groups, group):
                Requirement(one)
        except (InvalidRequirement, ValueError, TypeError, LookupError, ExceptionGroup) as error:
            why = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            yield Problem("groups", f"`{group}` can't be resolved: {str(why).splitlines()[0]}.")


def build(live: LiveWorkspace, fields: Mapping[str, str]) -> Built:
    """Build the project in the sandbox of a workspace, which is not touched itself; a backend that refuses is an answer, too."""
    toml = write_toml(fields)
    with tempfile.TemporaryDirectory(prefix="wheelhouse-") as scratch:
        project = Path(scratch) / "project"
        project.mkdir()
        for path, text in _sources(fields).items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text, "utf-8")
        (project / "pyproject.toml").write_text(toml, "utf-8")
        place = Place(project, live.place.home, live.place.system)  # with its cache of backends
        try:
            done = live.sandbox.run(
                ["uv", "build", "--quiet", "--color", "never", "--out-dir", "dist"],
                place,
                limits=Limits(wall_seconds=60),
            )
            return _read(project / "dist", fields["backend"], toml, done.output if done.exit_status else done.stopped)
        finally:
            remove_tree(project)


def _sources(fields: Mapping[str, str]) -> dict[str, str]:
    """Give the files beside pyproject.toml: the same for every backend."""
    name = fields["name"] if _NAME.fullmatch(fields["name"]) else "demo"
    package = re.sub(r"[-.]+", "_", canonicalize_name(name))
    functions = {value.partition(":")[2] for _, value in _pairs(fields["scripts"]) if _REFERENCE.fullmatch(value)}
    body = "".join(f"\n\ndef {one}():\n    print('{one}')\n" for one in sorted(functions) if one.isidentifier())
    return {
        f"src/{package}/__init__.py": f'"""A package."""\n{body}',
        f"src/{package}/prices.json": "{}\n",
        "tests/test_it.py": "",
        "LICENSE": "Do as you like.\n",
        "README.md": "# Read me\n",
    }


def _read(dist: Path, backend: str, toml: str, trouble: str) -> Built:
    """Read what was built; it comes out of the sandbox, so with care."""
    files: list[dict[str, Any]] = []
    metadata = entry_points = ""
    try:
        for path in sorted(dist.iterdir()) if dist.is_dir() else []:
            if path.is_symlink() or not path.name.endswith((".whl", ".tar.gz")) or path.stat().st_size > 1_000_000:
                continue
            archive = (Wheel if path.suffix == ".whl" else Sdist)(path.name, path.read_bytes())
            files.append({"name": path.name, "names": sorted(archive.names)})
            if isinstance(archive, Wheel):
                metadata = archive.read(f"{archive.dist_info}/METADATA").decode("utf-8", "replace")
                points = f"{archive.dist_info}/entry_points.txt"
                if points in archive.names:
                    entry_points = archive.read(points).decode("utf-8", "replace")
    except Failed as failed:
        trouble = failed.found
    if metadata:
        return Built(backend, toml, "", files, metadata.strip(), entry_points.strip())
    lines = [line.rstrip() for line in trouble.splitlines() if line.strip()]
    return Built(backend, toml, "\n".join(lines[-14:]) or "The build ended without a word.", files)
