"""Read what a lock names, be it a requirements file, a `pylock.toml` or a `uv.lock`, and hold it to what the index really has."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.markers import Marker, default_environment
from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder import Failed, Workspace
from autograder.requirements import Requirements
from autograder.wording import code, command, listing, seen

__all__ = [
    "Lock",
    "Locked",
    "UvLock",
    "applies",
    "of_pylock",
    "of_requirements",
    "of_uv",
    "require_age",
    "require_closure",
    "require_environment",
    "require_files",
    "require_installed",
    "require_nothing_else",
    "start_lock",
    "toml",
]

START = Path(__file__).parent / "start"
OF_INSTALLERS = {"pip", "setuptools", "wheel"}
OF_PIP_TOOLS = {"pip-tools", "build", "click", "packaging", "pyproject-hooks"}


@dataclass(frozen=True)
class Locked:
    """What a lock says of one distribution."""

    name: str
    version: Version
    hashes: tuple[str, ...] = field(default=())
    """SHA-256 in hexadecimal, without `sha256:`."""


Lock = Mapping[str, Locked]


# ---- Three formats


def of_requirements(work: Workspace, path: str) -> Lock:
    """Read a compiled requirements file; raises Failed at the first line that isn't one version of one distribution."""
    return _pinned(work, work.requirements(path))


def start_lock(path: str) -> Lock:
    """Read the lock with which the learner began."""
    return _pinned(None, Requirements(path, lambda name: (START / name).read_bytes()))


def _pinned(work: Workspace | None, requirements: Requirements) -> Lock:
    found: dict[str, Locked] = {}
    for line in requirements.lines:
        asked = line.requirement
        if asked is not None and asked.marker is not None and work is not None and not applies(work, asked):
            continue
        if asked is None or line.pin is None or line.editable:
            raise Failed(
                expected=f"Every line of {code(requirements.path)} names one version, with `==`.",
                found=f"Line {line.number} is {code(line.text)}, which "
                + ("is a place, not a version." if asked is None else "leaves several versions open."),
                next_step=f"Run {command('cat', requirements.path)} to see the lines.",
                evidence=seen(line.text.split()[0]),
            )
        hashes = tuple(one.removeprefix("sha256:").lower() for one in line.hashes if one.startswith("sha256:"))
        found[line.name] = Locked(line.name, line.pin, hashes)
    return found


def of_pylock(work: Workspace, path: str) -> Lock:
    """Read a `pylock.toml`: what it wants on this Python; raises Failed if it is none."""
    data = toml(work, path)
    try:
        lock = Pylock.from_dict(data)
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        raise Failed(
            expected=f"{code(path)} is in the format of `pylock.toml`.",
            found=f"{code(path)} has the name, but not the form: {code(str(error))}.",
            next_step=f"Run {command('head', '-n', '5', path)} to see how it begins, and think of what can write the format.",
            evidence=r"\S",
        ) from None
    found: dict[str, Locked] = {}
    for one in lock.packages:
        if one.directory is not None or (
            one.marker is not None and not one.marker.evaluate(_environment(work), context="lock_file")
        ):
            continue
        if one.version is None:
            raise Failed(
                expected=f"{code(path)} names one version of each distribution.",
                found=f"It names no version of {code(one.name)}.",
                next_step=f"Run {command('grep', '-A', '2', one.name, path)} to see what it says.",
                evidence=seen(one.name),
            )
        of_files = [wheel.hashes for wheel in one.wheels or ()] + ([one.sdist.hashes] if one.sdist is not None else [])
        hashes = tuple(each["sha256"].lower() for each in of_files if "sha256" in each)
        found[one.name] = Locked(one.name, one.version, hashes)
    return found


@dataclass(frozen=True)
class UvLock:
    """What a `uv.lock` says."""

    wishes: dict[str, SpecifierSet]
    """For which it was made: `requires-dist` of the project's own entry."""
    everything: Lock
    here: Lock
    """What its own arrows lead to on the learner's Python: what uv would install."""


def of_uv(work: Workspace, path: str) -> UvLock:
    """Read a `uv.lock`; raises Failed if it is none."""
    data = toml(work, path)
    try:
        return _of_uv(data, _environment(work))
    except (LookupError, TypeError, AttributeError, ValueError):  # not what uv writes, whatever it is
        raise Failed(
            expected=f"{code(path)} is as uv writes it.",
            found=f"{code(path)} doesn't have what uv writes into it: the project, and what it needs.",
            next_step=f"Run {command('head', path)} to see how it begins.",
            evidence=r"\S",
        ) from None


def _of_uv(data: Mapping[str, Any], environment: Mapping[str, str]) -> UvLock:
    project: Mapping[str, Any] = {}
    entries: dict[str, Mapping[str, Any]] = {}
    lock: dict[str, Locked] = {}
    for one in data["package"]:
        if any(kind in one["source"] for kind in ("virtual", "editable", "directory")):
            project = project or one
            continue
        name = canonicalize_name(one["name"])
        files = [*one.get("wheels", ()), *([one["sdist"]] if "sdist" in one else [])]
        hashes = tuple(str(file["hash"]).removeprefix("sha256:").lower() for file in files)
        entries[name], lock[name] = one, Locked(name, Version(one["version"]), hashes)
    wishes = {
        str(canonicalize_name(one["name"])): SpecifierSet(one.get("specifier", ""))
        for one in project.get("metadata", {}).get("requires-dist", ())
    }
    todo, here = [project], dict[str, Locked]()
    while todo:
        for one in todo.pop().get("dependencies", ()):
            name = canonicalize_name(one["name"])
            if name not in here and ("marker" not in one or Marker(one["marker"]).evaluate(dict(environment))):
                here[name] = lock[name]
                todo.append(entries[name])
    if not project:
        raise LookupError("no project")
    return UvLock(wishes, lock, here)


def toml(work: Workspace, path: str) -> dict[str, Any]:
    """Read a TOML file; raises Failed if it isn't there or is none."""
    try:
        return tomllib.loads(work.file(path).text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Failed(
            expected=f"{code(path)} is TOML.",
            found=f"{code(path)} can't be read as TOML: {error}.",
            next_step=f"Run {command('head', path)} to see how it begins.",
            evidence=r"\S",
        ) from None


# ---- What must be true of any of them


def require_closure(
    work: Workspace, path: str, wanted: Iterable[Requirement], lock: Lock, *, exactly: bool = True
) -> Lock:
    """Require that a lock holds what is wanted, and what that needs, in versions that get along; and, if `exactly`, nothing else.

    Gives the entries that are needed on the learner's Python.
    """
    look = f"Run {command('cat', path)} to see what it names."
    todo = [(one, "") for one in wanted if applies(work, one)]
    needed: dict[str, Locked] = {}
    while todo:
        asked, by = todo.pop(0)
        name = canonicalize_name(asked.name)
        locked = lock.get(name)
        wish = code(f"{name}{asked.specifier}")
        if locked is None:
            raise Failed(
                expected=f"{code(path)} names all that gets installed: what is asked for, and what that needs in turn.",
                found=f"{code(name)} is missing: {by} needs {wish}. It would come in whichever version is the newest on that day."
                if by
                else f"{code(name)} is missing, though it is asked for.",
                next_step=look,
                evidence=seen(by.strip("`").split()[0]) if by else r"\S|\A\s*\Z",
            )
        if not asked.specifier.contains(locked.version, prereleases=True):
            raise Failed(
                expected=f"The versions that {code(path)} names get along.",
                found=f"It names {code(name)} {locked.version}, but {f'{by} needs {wish}' if by else f'{wish} is asked for'}.",
                next_step=look,
                evidence=seen(name),
            )
        if name not in needed:
            needed[name] = locked
            who = code(f"{name} {locked.version}")
            todo += [(one, who) for one in _needs(work, path, locked) if applies(work, one)]
    extra = lock.keys() - needed.keys() - OF_INSTALLERS
    if exactly and extra:
        raise Failed(
            expected=f"{code(path)} names what is asked for and what that needs, and nothing else.",
            found=f"{listing(extra)} {'is' if len(extra) == 1 else 'are'} in it, and nothing that is asked for needs that.",
            next_step=look,
            evidence=seen(sorted(extra)[0]),
        )
    return needed


def _needs(work: Workspace, path: str, locked: Locked) -> list[Requirement]:
    """Read what the real distribution of that version requires; raises Failed if there is no such version."""
    for wheel in work.known.wheels(locked.name, str(locked.version)):
        for file, digest in wheel.files.items():
            content = work.known.content(digest) if file.endswith(".dist-info/METADATA") else None
            if content is not None:
                text = content.decode("utf-8", "replace").partition("\n\n")[0]
                return [Requirement(one) for one in HeaderParser().parsestr(text).get_all("Requires-Dist", [])]
    raise Failed(
        expected=f"Every version that {code(path)} names exists.",
        found=f"{code(path)} names {code(locked.name)} {locked.version}, and the index has no such release.",
        next_step=f"Run {command('pip', 'index', 'versions', locked.name)} to see which there are.",
        evidence=r"(?i)available versions|no matching|error",
    )


def require_files(work: Workspace, path: str, lock: Lock) -> None:
    """Require that each entry has the hash of a file of that release on the twin of PyPI, and no hash of anything else."""
    for one in lock.values():
        if not one.hashes:
            raise _no_hash(path, one)
        for digest in one.hashes:
            file = work.known.served(digest)
            ours = file is not None and file.project == one.name
            if file is not None and ours and "pypi" in file.sites and Version(file.version) == one.version:
                continue
            label, shown = code(f"{one.name} {one.version}"), code(f"{digest[:12]}…")
            if file is None:
                found = f"No release has a file with the hash {shown}, which stands at {label}."
            elif not ours:
                found = f"The hash {shown} stands at {label}, but belongs to {code(file.filename)}."
            elif "pypi" in file.sites:
                found = f"The hash {shown} stands at {label}, but belongs to version {file.version}."
            else:
                found = (
                    f"For {label} it accepts the hash {shown}: you accepted the changed file. "
                    "Whoever installs from this lock gets it now without a word."
                )
            raise Failed(
                expected=f"The hashes in {code(path)} are those of the files which that release has on the index.",
                found=found,
                next_step=f"Run {command('grep', '-B', '3', digest[:12], path)} to see where it stands.",
                evidence=seen(digest[:12]),
            )


def require_age(work: Workspace, path: str, lock: Lock, days: int) -> None:
    """Require that each file has been on the index for so many days; a file of which nobody knows its upload counts as old."""
    today = datetime.now(UTC)
    for one in lock.values():
        for file in filter(None, map(work.known.served, one.hashes)):
            age = file.days_old
            if age is None and file.uploaded:
                age = (today - datetime.fromisoformat(file.uploaded)).days
            if age is not None and age < days:
                raise Failed(
                    expected=f"What {code(path)} names has been on the index for {days} days or longer: the house rules in `COMPANY.md` say so.",
                    found=f"It names {code(f'{one.name} {one.version}')}, which is younger.",
                    next_step=f"Run {command('pip', 'index', 'versions', one.name)} to see which releases there are.",
                    evidence=seen(str(one.version)),
                )


def _no_hash(path: str, one: Locked) -> Failed:
    pip = command("pip", "install", "--dry-run", "--require-hashes", "-r", path)
    entry = command("grep", "-A", "6", f'name = "{one.name}"', path)
    plain = path.endswith(".txt")
    return Failed(
        expected=f"Every entry of {code(path)} has the hashes of its files.",
        found=f"{code(f'{one.name} {one.version}')} has no hash, so any file that bears this name would be taken.",
        next_step=f"Run {pip} to see what pip says when it must have hashes." if plain else f"Run {entry} to see it.",
        evidence=r"(?i)hash" if plain else seen(one.name),
    )


def require_environment(work: Workspace, path: str, lock: Lock, own: str = "") -> None:
    """Require that an environment holds exactly what a lock names; the installers' own tools and the project `own` don't count."""
    require_installed(work, path, lock)
    require_nothing_else(work, path, lock, own)


def require_installed(work: Workspace, path: str, lock: Lock) -> None:
    """Require that an environment holds what a lock names, in these versions and in the real files."""
    environment = work.environment(path)
    for one in lock.values():
        environment.distribution(one.name, f"=={one.version}")


def require_nothing_else(work: Workspace, path: str, lock: Lock, own: str = "") -> None:
    """Require that nothing is in an environment but what a lock names, what installers bring, and the project `own`."""
    there = work.environment(path).distributions
    allowed = {*lock, *OF_INSTALLERS, own}
    if any(one.name == "pip-tools" for one in there):
        allowed |= OF_PIP_TOOLS
    extra = [one for one in there if one.name not in allowed]
    if extra:
        still = "is still" if len(extra) == 1 else "are still"
        raise Failed(
            expected=f"{code(path)} holds what its lock names, and nothing else.",
            found=f"{listing(one.label for one in extra)} {still} installed, and not in the lock. Installing adds and replaces; it never removes.",
            next_step=f"Run {command('pip', '--python', path, 'list')} to see what is installed.",
            evidence=seen(extra[0].name),
        )


def applies(work: Workspace, asked: Requirement) -> bool:
    """Say whether a requirement counts on the learner's Python, without extras."""
    return asked.marker is None or asked.marker.evaluate({**_environment(work), "extra": ""})


def _environment(work: Workspace) -> dict[str, str]:
    found = {key: str(value) for key, value in default_environment().items()}
    return found | {"python_version": work.facts.python_series, "python_full_version": work.facts.python_version}
