"""A project's pyproject.toml beside the wheel that was built from it: whether the one is what the other says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder import Failed, Workspace
from autograder.archive import Wheel, find_archives
from autograder.wording import code, command, listing

__all__ = ["Project", "require_backend", "show"]

LARGEST_SOURCE = 200_000


def show(folder: str) -> str:
    """Give the command that shows what a project's archives hold."""
    return command("python3", "show.py", folder)


def require_backend(project: Project, allowed: Sequence[str]) -> None:
    """Require that a project says by what it is built (PEP 517), and that this is one of those allowed; of any, if none are named.

    A backend's module is named after its distribution, `flit_core.buildapi` of `flit-core`, and `requires` must name that too.
    """
    table = project.data.get("build-system")
    table = table if isinstance(table, dict) else {}
    backend = table.get("build-backend")
    step = f"Run {command('grep', '-n', '-A', '3', 'build-', project.path)} to see what it says of building."
    if not isinstance(backend, str) or not backend.strip():
        raise Failed(
            expected=f"{code(project.path)} names who builds it, in `[build-system]`.",
            found="It names no `build-backend`. Then each tool falls back to an old way of setuptools, in whichever version it finds.",
            next_step=step,
            evidence=r"\A(?![\s\S]*build-backend)",
        )
    module = canonicalize_name(backend.partition(":")[0].strip().replace(".", "-"))
    requires = table.get("requires")
    asked = requires if isinstance(requires, list) else []
    needed = {canonicalize_name(re.split(r"[^\w.-]", str(one).strip())[0]) for one in asked}
    if allowed and not any(name in needed and f"{module}-".startswith(f"{name}-") for name in allowed):
        raise Failed(
            expected=f"It is built by {listing(allowed)}: the house rules in `COMPANY.md` say so.",
            found=f"It is built by {code(backend)}, of {listing(needed)}.",
            next_step=step,
            evidence=r"build-backend",
        )


class Project:
    """A folder with a `pyproject.toml`."""

    def __init__(self, work: Workspace, folder: str) -> None:
        """Read the file; raises Failed if there is none, or it isn't TOML."""
        self._work = work
        self.folder = folder
        self.path = f"{folder}/pyproject.toml"
        self.data = self._read(work.file(self.path).text)

    def _read(self, text: str) -> dict[str, Any]:
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
            parse = f"import tomllib; tomllib.load(open({self.path!r}, 'rb'))"
            where = re.search(r"at line (\d+)", str(error))
            line = f" around line {where[1]}" if where else ""
            raise Failed(
                expected=f"{code(self.path)} is TOML.",
                found=f"{code(self.path)} can't be read as TOML: there is something wrong{line}. Texts need quotes, lists need commas, and no table may come twice.",
                next_step=f"Run {code(f'python3 -c {chr(34)}{parse}{chr(34)}')} to see where it stops.",
                evidence=r"TOMLDecodeError",
            ) from None

    @property
    def table(self) -> Mapping[str, Any]:
        """The table `[project]`; raises Failed if there is none."""
        found = self.data.get("project")
        if isinstance(found, dict) and found:
            return found
        others = listing(f"[{name}]" for name in self.data)
        raise Failed(
            expected=f"{code(self.path)} has a table `[project]`.",
            found=f"It has only {others}. The project's name, version and needs are read from `[project]` alone.",
            next_step=f"Run {command('cat', self.path)} to see what it says.",
            evidence=r"\A(?![\s\S]*^\[project\]$)",
        )

    def wheel(self, name: str) -> Wheel:
        """Give the wheel in `dist` that was built from what the project is now.

        Raises:
            Failed: there is none; it is damaged; or it was built from something else, and what differs is said.
        """
        table = self.table
        folder = f"{self.folder}/dist"
        there = [path for _, path in find_archives(self._work.tree, folder, name) if path.endswith(".whl")]
        if not there:
            others = [one for one in self._work.tree.names(folder) if one.endswith(".whl")]
            found = f"There is only {listing(others)}." if others else f"There is no wheel in {code(folder)} yet."
            raise Failed(
                expected=f"There is a wheel of {code(name)} in {code(folder)}.",
                found=found,
                next_step=f"Run {show(self.folder)} to see what was built. If a build has stopped, read its last lines.",
                evidence=re.escape(others[0]) if others else "holds no wheel",
            )
        wheels = [Wheel(path, self._work.file(path).content) for path in there]
        differences = [self._difference(table, wheel) for wheel in wheels]
        for wheel, difference in zip(reversed(wheels), reversed(differences), strict=True):
            if not difference:
                return wheel
        raise Failed(
            expected=f"The wheel in {code(folder)} was built from the project as it is now.",
            found=f"{differences[-1]} A wheel is a copy of what the project was when it was built.",
            next_step=f"Run {show(self.folder)} to see what the wheel says.",
            evidence=re.escape(wheels[-1].filename),
        )

    def _difference(self, table: Mapping[str, Any], wheel: Wheel) -> str:
        """Say what the wheel has otherwise than the project; empty if nothing."""
        for field, ours, theirs in self._pairs(table, wheel):
            if ours is not None and ours != theirs:
                return f"{code(field)} in {code(self.path)} is not what {code(wheel.filename)} says."
        for name in sorted(wheel.installed):
            for path in (f"{self.folder}/src/{name}", f"{self.folder}/{name}"):
                entry = self._work.tree.entry(path)
                if name.endswith(".py") and entry is not None and entry.kind == "file" and entry.size <= LARGEST_SOURCE:
                    if self._work.file(path).content != wheel.read(name):
                        return f"{code(path)} is not what {code(wheel.filename)} has as {code(name)}."
                    break
        return ""

    def _pairs(self, table: Mapping[str, Any], wheel: Wheel) -> Iterator[tuple[str, object, object]]:
        """Give fields as both say them; None where the project leaves them to the backend."""
        said = wheel.metadata
        version = table.get("version")
        yield "name", canonicalize_name(str(table.get("name", ""))), canonicalize_name(said.get("name", ""))
        yield "version", _version(version) if version else None, _version(said.get("version", ""))
        python = table.get("requires-python")
        yield "requires-python", _specifiers(str(python or "")), _specifiers(said.get("requires_python", ""))
        dynamic = _texts(table.get("dynamic"))
        if "dependencies" not in dynamic and "optional-dependencies" not in dynamic:
            needs = _texts(table.get("dependencies"))
            theirs = [one for one in said.get("requires_dist", []) if "extra ==" not in one.replace("'", '"')]
            yield "dependencies", _needs(needs), _needs(theirs)
            extras = table.get("optional-dependencies")
            ours = {canonicalize_name(one) for one in extras} if isinstance(extras, dict) else set()
            yield (
                "optional-dependencies",
                ours,
                {canonicalize_name(one) for one in said.get("provides_extra", [])},
            )
        scripts = table.get("scripts", {})
        if "scripts" not in dynamic and isinstance(scripts, dict):
            shown = {name: str(value).replace(" ", "") for name, value in scripts.items()}
            theirs_too = wheel.entry_points.get("console_scripts", {})
            yield "scripts", shown, {name: value.replace(" ", "") for name, value in theirs_too.items()}
        if isinstance(table.get("license"), str):
            yield "license", _expression(table["license"]), _expression(said.get("license_expression", ""))


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _version(text: object) -> object:
    try:
        return Version(str(text))
    except InvalidVersion:
        return str(text)


def _specifiers(text: str) -> object:
    try:
        return frozenset(str(one) for one in SpecifierSet(text))  # comparing sets of specifiers may raise
    except InvalidSpecifier:
        return text


def _expression(text: str) -> str:
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return text


def _needs(texts: list[str]) -> set[object]:
    found: set[object] = set()
    for text in texts:
        try:
            found.add(Requirement(text))
        except InvalidRequirement:
            found.add(text)
    return found
