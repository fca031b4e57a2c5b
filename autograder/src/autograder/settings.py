"""What a company may set for its people: `wheelhouse.toml` at the course's root. Every line of it may be left out.

::

    [course]
    track = "newcomer"              # one of those which the exercises name; or, instead:
    exercises = [1, 6, 7]           # these, by their numbers

    [index]                         # distributions of your own index which the sandbox's index has as well
    url = "https://packages.example/simple/"
    distributions = ["our-library>=2"]

    [policy]                        # what exercises ask of a project
    python = ">=3.12"
    build-backends = ["hatchling"]
    cooldown-days = 7

Who grades needs the same file as those who learned: what a policy asks for is part of every result's key.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from autograder.exceptions import UsageError
from autograder.places import course_root

__all__ = ["FILE", "CompanyIndex", "Policy", "Settings", "read_settings", "settings"]

FILE = "wheelhouse.toml"
_LONGEST_COOLDOWN = 365
T = TypeVar("T")


@dataclass(frozen=True)
class Policy:
    """What a company asks of its projects; the defaults ask for what the course asks for anyway."""

    python: str = ">=3.11"
    """Which Pythons a project must be for, as `requires-python` says it."""
    build_backends: tuple[str, ...] = ()
    """The distributions that may build a project, by normalised name; empty: any."""
    cooldown_days: int = 0
    """How old a release must be before it is taken, in days; 0: releases of today are."""

    @property
    def row(self) -> dict[str, str]:
        """Give it as values and sentences for the files of an exercise (see `variants`): key -> text."""
        backends, days = self.build_backends, self.cooldown_days
        return {
            "python": self.python,
            "build_backends": " ".join(backends),
            "backends": f"one of {', '.join(backends)}" if backends[1:] else "".join(backends) or "any that you name",
            "cooldown_days": str(days),
            "cooldown": f"{days} {'day' if days == 1 else 'days'}" if days else "no time at all, so far",
        }


@dataclass(frozen=True)
class CompanyIndex:
    """A company's own index, and what of it the course takes along."""

    url: str = ""
    """Of its Simple API; empty: where this machine's pip and uv look anyway."""
    distributions: tuple[str, ...] = ()
    """Requirements, such as `our-library>=2`."""


@dataclass(frozen=True)
class Settings:
    """All of `wheelhouse.toml`."""

    track: str = ""
    """Empty: everything."""
    exercises: tuple[int, ...] = ()
    """The numbers of those chosen; empty: all of the track."""
    index: CompanyIndex = CompanyIndex()
    policy: Policy = Policy()
    file: Path | None = None
    """Where it was read; None if there is no such file."""


def settings() -> Settings:
    """Read the settings of this course; the defaults where it has none.

    Raises:
        UsageError: something in the file isn't as it should be.
    """
    root = course_root()
    file = root / FILE if root else None
    if file is None or not file.is_file():
        return Settings()
    state = file.stat()
    return _read_once(file, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4)
def _read_once(file: Path, _changed: int, _size: int) -> Settings:
    return read_settings(file)


def read_settings(file: Path) -> Settings:
    """Read one file of settings.

    Raises:
        UsageError: it can't be read, isn't TOML, has a key that there isn't or a value that can't be; the sentence names it.
    """
    try:
        told = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file.name} can't be read: {error}.", f"Mend {file}, or remove it.") from None
    read = _Reader(file)
    course = read.table(told, "course", ("track", "exercises"))
    index = read.table(told, "index", ("url", "distributions"))
    policy = read.table(told, "policy", ("python", "build-backends", "cooldown-days"))
    read.known(told, ("course", "index", "policy"), "")
    if "track" in course and "exercises" in course:
        raise read.wrong("[course] names both a track and exercises", "Keep one of them.")
    defaults = Policy()
    return Settings(
        track=read.value(course, "track", _text, "", "a text, such as `newcomer`"),
        exercises=read.value(course, "exercises", _numbers, (), "a list of numbers, such as [1, 6, 7]"),
        index=CompanyIndex(
            read.value(
                index, "url", _address, "", "an address that begins with https:// or http:// and holds no password"
            ),
            read.value(index, "distributions", _requirements, (), "a list of requirements, such as ['our-library>=2']"),
        ),
        policy=Policy(
            read.value(policy, "python", _specifier, defaults.python, "a condition on Python, such as '>=3.12'"),
            read.value(policy, "build-backends", _names, (), "a list of distributions, such as ['hatchling']"),
            read.value(policy, "cooldown-days", _days, 0, f"a whole number from 0 to {_LONGEST_COOLDOWN}"),
        ),
        file=file,
    )


class _Reader:
    """Takes a file apart, and says what is wrong with it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def wrong(self, why: str, next_step: str) -> UsageError:
        return UsageError(f"In {self.file.name}, {why}.", f"{next_step} The file is {self.file}.")

    def known(self, table: Mapping[str, Any], names: tuple[str, ...], within: str) -> None:
        for name in table:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                guess = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(names)}."
                raise self.wrong(f"there is no `{name}`{f' in [{within}]' if within else ''}", guess)

    def table(self, told: Mapping[str, Any], name: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
        found = told.get(name, {})
        if not isinstance(found, dict):
            raise self.wrong(f"`{name}` is no table", f"Write it as [{name}].")
        self.known(found, keys, name)
        return found

    def value(self, table: Mapping[str, Any], key: str, read: Callable[[Any], T], default: T, wanted: str) -> T:
        if key not in table:
            return default
        try:
            return read(table[key])
        except (TypeError, ValueError):
            raise self.wrong(f"`{key}` is {table[key]!r}", f"It must be {wanted}.") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise TypeError
    return value.strip()


def _numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or not all(type(one) is int and 0 < one < 100 for one in value):
        raise TypeError
    return tuple(sorted(set(value)))


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    return [_text(one) for one in value]


def _address(value: Any) -> str:
    scheme, _, rest = _text(value).partition("://")
    if scheme not in ("https", "http") or not rest or "@" in rest.partition("/")[0]:
        raise ValueError
    return f"{scheme}://{rest}"


def _requirements(value: Any) -> tuple[str, ...]:
    found = _texts(value)
    try:
        if any(Requirement(one).url for one in found):
            raise ValueError
    except InvalidRequirement:
        raise ValueError from None
    return tuple(found)


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(canonicalize_name(one, validate=True)) for one in _texts(value))


def _specifier(value: Any) -> str:
    try:
        return str(SpecifierSet(_text(value)))
    except InvalidSpecifier:
        raise ValueError from None


def _days(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LONGEST_COOLDOWN:
        raise TypeError
    return value
