"""Read a requirements file as pip does: comments, continued lines, options, markers, hashes, included files.

Source: pip's "Requirements File Format"; names, versions and markers by `packaging`.
"""

from __future__ import annotations

import codecs
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.exceptions import Failed
from autograder.wording import code, command, listing, seen

__all__ = ["RequirementLine", "Requirements"]

LONGEST_LINE = 200_000
MOST_FILES = 20

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTION = re.compile(r"(?:^|\s)(--hash[=\s]|--config-settings?[=\s]|--global-option[=\s]|--install-option[=\s])")


@dataclass(frozen=True)
class RequirementLine:
    """One logical line that asks for something."""

    file: str
    number: int
    """Of its first line, counted from 1."""
    text: str
    """Without comment and line ends."""
    requirement: Requirement | None
    """None for an editable or a path: pip reads the name from the project itself."""
    editable: bool = False
    hashes: tuple[str, ...] = field(default=())
    """As written: `sha256:…`."""

    @property
    def name(self) -> str:
        """The normalised name; empty for a path."""
        return canonicalize_name(self.requirement.name) if self.requirement else ""

    @property
    def pin(self) -> Version | None:
        """The one version it allows (`==1.1` or `===1.1`); None if it allows several."""
        if self.requirement is None:
            return None
        exact = [
            one.version
            for one in self.requirement.specifier
            if one.operator in ("==", "===") and not one.version.endswith(".*")
        ]
        try:
            return Version(exact[0]) if exact else None
        except ValueError:
            return None


class Requirements:
    """A requirements file and those it includes with `-r`."""

    def __init__(self, path: str, read: Callable[[str], bytes]) -> None:
        """Read `path` by `read`, which gives a file's bytes; raises Failed at the first line that is no requirement."""
        self.path = path
        self._read = read
        self.options: list[str] = []
        """The lines that are options, as written: `--index-url …`, `-c constraints.txt`."""
        self.lines: tuple[RequirementLine, ...] = tuple(self._parse(path, []))

    def __repr__(self) -> str:
        """Name the path."""
        return f"<Requirements {self.path}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The normalised names asked for, sorted, each once."""
        return tuple(sorted({line.name for line in self.lines if line.name}))

    @property
    def pins(self) -> dict[str, Version]:
        """The version of every name that is pinned to one."""
        return {line.name: line.pin for line in self.lines if line.pin is not None}

    def line(self, name: str) -> RequirementLine:
        """Give the line that asks for `name`; raises Failed if none does."""
        wanted = canonicalize_name(name)
        for line in self.lines:
            if line.name == wanted:
                return line
        raise Failed(
            expected=f"{code(self.path)} asks for {code(wanted)}.",
            found=f"{code(self.path)} asks for {listing(self.names)}, not for {code(wanted)}.",
            next_step=f"Run {command('cat', self.path)} to see what it asks for.",
            evidence=seen(self.lines[0].text) if self.lines else "",
        )

    def pin(self, name: str, specifier: str = "") -> Version:
        """Give the version to which `name` is pinned; raises Failed if it isn't asked for, isn't pinned, or to another version."""
        line = self.line(name)
        exact = re.fullmatch(r"==\s*([^*,\s]+)", specifier.strip())
        to = f" to {exact[1]}" if exact else f" to a version that fits {code(specifier)}" if specifier else ""
        expected = f"{code(self.path)} pins {code(line.name)}{to}."
        if line.pin is None or not SpecifierSet(specifier).contains(line.pin, prereleases=True):
            found = (
                f"Line {line.number} of {code(line.file)} is {code(line.text)}, which allows more than one version."
                if line.pin is None
                else f"Line {line.number} of {code(line.file)} pins {code(line.name)} to {line.pin}."
            )
            raise Failed(
                expected=expected,
                found=found,
                next_step=f"Run {command('sed', '-n', f'{line.number}p', line.file)} to see the line.",
                evidence=seen(line.text.split()[0]),
            )
        return line.pin

    def _parse(self, path: str, above: list[str]) -> Iterator[RequirementLine]:
        if path in above or len(above) >= MOST_FILES:
            raise Failed(
                expected=f"{code(self.path)} is a requirements file.",
                found=f"{code(above[-1])} includes {code(path)}, which includes it in turn.",
                next_step=f"Run {command('grep', '-n', '-e', '-r', above[-1])} to see the line.",
                evidence=seen("-r"),
            )
        for number, text in _logical_lines(_decode(self._read(path))):
            if len(text) > LONGEST_LINE:
                raise self._bad(path, number, text, "is too long to be read")
            if text.startswith("-"):
                yield from self._option(path, number, text, above)
            else:
                yield self._requirement(path, number, text)

    def _option(self, path: str, number: int, text: str, above: list[str]) -> Iterator[RequirementLine]:
        option, _, value = (
            text.replace("=", " ", 1).partition(" ") if text.startswith("--") else (text[:2], "", text[2:])
        )
        value = value.strip().strip("\"'")
        if option in ("-e", "--editable"):
            yield RequirementLine(path, number, text, _named(value), editable=True)
            return
        self.options.append(text)
        if option in ("-r", "--requirement"):
            included = posixpath.normpath(posixpath.join(posixpath.dirname(path), value))
            yield from self._parse(included, [*above, path])

    def _requirement(self, path: str, number: int, text: str) -> RequirementLine:
        found = _OPTION.search(text)
        asked, options = (text[: found.start()], text[found.start() :]) if found else (text, "")
        try:
            words = shlex.split(options)
        except ValueError:
            words = options.split()
        joined = " ".join(words)
        hashes = tuple(re.findall(r"--hash[= ](\S+)", joined))
        try:
            return RequirementLine(path, number, text, Requirement(asked.strip()), False, hashes)
        except InvalidRequirement:
            if _is_place(asked.strip()):
                return RequirementLine(path, number, text, None, False, hashes)
        raise self._bad(path, number, text, "is no requirement")

    def _bad(self, path: str, number: int, text: str, what: str) -> Failed:
        return Failed(
            expected=f"Every line of {code(path)} is one that pip can read.",
            found=f"Line {number} of {code(path)} {what}: {code(text)}.",
            next_step=f"Run {command('sed', '-n', f'{number}p', path)} to see the line.",
            evidence=seen(text[:40].split()[0]) if text.split() else "",
        )


def _decode(data: bytes) -> str:
    """Decode as pip does: by the byte order mark (PowerShell writes UTF-16), else UTF-8; what is neither turns to question marks."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "replace")
    return data.decode("utf-8", "replace")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines and drop comments, like pip; yield each with the number of its first line."""
    start, parts = 0, list[str]()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw
        comment = line.lstrip().startswith("#")
        if not parts:
            start = number
        if line.endswith("\\") and not comment:
            parts.append(line.rstrip("\\"))
            continue
        parts.append(" " + line if comment else line)
        whole = _COMMENT.sub("", "".join(parts)).strip()
        parts = []
        if whole:
            yield start, whole
    whole = _COMMENT.sub("", "".join(parts)).strip()
    if whole:
        yield start, whole


def _named(value: str) -> Requirement | None:
    try:
        return Requirement(value)
    except InvalidRequirement:
        return None


def _is_place(text: str) -> bool:
    """Say whether pip would take it for a path or an address."""
    first = text.split(";")[0].strip()
    return bool(
        first
        and (
            first.startswith((".", "/", "~", "$"))
            or re.match(r"[a-z][a-z0-9+.-]*://|[a-z][a-z0-9+.-]*\+[a-z]+:", first, re.IGNORECASE)
            or first.endswith((".whl", ".tar.gz", ".zip"))
        )
    )
