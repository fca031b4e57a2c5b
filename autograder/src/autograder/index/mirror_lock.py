"""The mirror's lock: which files of which distributions, by hash, and which of them fit this machine.

One file a line, written so that pip understands it too:

    build==1.6.1 --hash=sha256:ecd3…  # build-1.6.1-py3-none-any.whl 2026-09-10T07:55:59Z

The moment is that of the upload, for those who ask for nothing younger; it may be missing.
"""

from __future__ import annotations

__all__ = ["Locked", "fitting", "lock_mirror", "lock_text", "read_lock"]

import datetime
import functools
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.exceptions import CourseError

_HERE = Path(__file__).parent
_LINE = re.compile(
    r"([\w.-]+==[\w.!+-]+) --hash=sha256:([0-9a-f]{64})  # ([\w.+-]+\.whl)"
    r"(?: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z))?"
)
_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_INTERPRETERS = re.compile(r"py3|cp3\d+")
_ABIS = re.compile(r"none|abi3|cp3\d+")
_PLATFORMS = {
    "linux": re.compile(r"(many|musl)linux\w*_(x86_64|aarch64)"),
    "darwin": re.compile(r"macosx_\w+_(x86_64|arm64|universal2)"),
}


@dataclass(frozen=True)
class Locked:
    """One line of `mirror.txt`."""

    requirement: str
    """Such as `pip==26.3`."""
    sha256: str
    filename: str
    uploaded: str = ""
    """When, as PEP 700 writes it; empty where the registry doesn't tell."""

    def __str__(self) -> str:
        """Write it as a line that pip reads too."""
        return f"{self.requirement} --hash=sha256:{self.sha256}  # {self.filename} {self.uploaded}".rstrip()

    @property
    def project(self) -> str:
        """The name of the distribution."""
        return self.requirement.partition("==")[0]


def read_lock(text: str | None = None) -> list[Locked]:
    """Read `mirror.txt`, or the text given: the files for all platforms.

    Raises:
        CourseError: a line is neither a comment nor a locked wheel.
    """
    if text is None:
        text = (_HERE / "mirror.txt").read_text("utf-8")
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise CourseError(
                f"Line {number} of the lock is no locked wheel: {line[:80]!r}.",
                "Write the file anew: `course index lock` for the mirror, `course index lock --company` for your own.",
            )
        found.append(Locked(match[1], match[2], match[3], match[4] or ""))
    return found


def fitting(locked: Iterable[Locked]) -> list[Locked]:
    """Give of each locked version the one file that pip would take for the Python that runs; nothing where none fits."""
    best: dict[str, tuple[int, Locked]] = {}
    for one in locked:
        rank = _rank(one.filename)
        if rank is not None and (one.requirement not in best or rank < best[one.requirement][0]):
            best[one.requirement] = (rank, one)
    return [one for _, one in best.values()]


@functools.cache
def _tags() -> dict[str, int]:
    from packaging.tags import sys_tags

    return {str(tag): rank for rank, tag in enumerate(sys_tags())}


def _rank(filename: str) -> int | None:
    """Say how well a wheel fits the Python that runs, 0 best; None if not at all."""
    pythons, abis, platforms = filename.removesuffix(".whl").split("-")[-3:]
    if (abis, platforms) == ("none", "any") and "py3" in pythons.split("."):
        return 0  # the usual case, at no cost: where there is a pure wheel, the lock names no other
    ranks = [
        rank
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
        if (rank := _tags().get(f"{python}-{abi}-{platform}")) is not None
    ]
    return min(ranks, default=None)


def lock_mirror(source: Path | None = None, target: Path | None = None) -> None:
    """Write `mirror.txt` anew from `mirror.in`; for authors, needs uv and a network.

    Raises:
        CourseError: uv can't resolve one of the paragraphs, or something has no wheel.
    """
    source, target = source or _HERE / "mirror.in", target or _HERE / "mirror.txt"
    groups = []
    for paragraph in re.split(r"\n\s*\n", source.read_text("utf-8")):
        wanted = [line for line in paragraph.splitlines() if line.strip() and not line.startswith("#")]
        if wanted:
            groups.append(wanted)
    target.write_text(
        lock_text(groups, "# Written by `course index lock` from mirror.in: one wheel a line.\n"), "utf-8"
    )


def lock_text(groups: Iterable[Sequence[str]], comment: str, url: str = "") -> str:
    """Choose what each group of requirements leads to, and give the lock's text; `url` as for `fetch_mirror`.

    Raises:
        CourseError: uv can't resolve one of the groups, or something has no wheel.
    """
    found = {file for wanted in groups for package in _resolve(wanted, url) for file in _files(package)}
    lines = [str(one) for one in sorted(found, key=lambda one: (one.requirement.lower(), one.filename))]
    text = comment + "\n".join(lines) + "\n"
    read_lock(text)
    return text


def _resolve(wanted: Sequence[str], url: str = "") -> list[dict[str, Any]]:
    """Let uv choose for all platforms and Pythons; gives the packages as pylock.toml describes them (PEP 751)."""
    from autograder.sandbox.system_python import course_uv  # only authors need it, and it would be a circle above

    if (uv := course_uv()) is None:
        raise CourseError("There is no uv here to choose versions with.", "Install it: `pip install uv`.")
    with tempfile.TemporaryDirectory() as name:
        requirements, lock = Path(name, "requirements.in"), Path(name, "pylock.toml")
        requirements.write_text("\n".join(wanted) + "\n", "utf-8")
        options = f"--quiet --no-header --no-annotate --universal --python-version {_PYTHONS[0]}".split()
        options += ["--default-index", url] if url else []
        command = [str(uv), "pip", "compile", *options, str(requirements), "--output-file", str(lock)]
        ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if ran.returncode:
            raise CourseError(f"uv can't resolve {', '.join(wanted)}: {ran.stderr.strip()}", "Mend what is asked for.")
        packages: list[dict[str, Any]] = tomllib.loads(lock.read_text("utf-8"))["packages"]
    return packages


def _asking(marker: str) -> set[str]:
    """Name the systems, of those on which the course runs, that ask for a package with this marker on some Python."""
    from packaging.markers import Marker

    return {
        system
        for system, named in (("linux", "Linux"), ("darwin", "Darwin"))
        for python in _PYTHONS
        if not marker
        or Marker(marker).evaluate(
            {
                "os_name": "posix",
                "sys_platform": system,
                "platform_system": named,
                "platform_machine": "x86_64",
                "implementation_name": "cpython",
                "platform_python_implementation": "CPython",
                "python_version": python,
                "python_full_version": f"{python}.0",
            }
        )
    }


def _files(package: dict[str, Any]) -> Iterator[Locked]:
    """Choose the files of a package; a pure one that only Windows needs is there for those who lock for all systems at once."""
    asking = _asking(package.get("marker", ""))
    wheels = {PurePosixPath(wheel["url"]).name: wheel for wheel in package.get("wheels", [])}
    pure = [name for name in wheels if name.endswith("-none-any.whl") and "py3" in name.split("-")[-3].split(".")]
    chosen = pure or [name for name in wheels if _for_us(name, asking)]
    if asking and not chosen:
        raise CourseError(f"{package['name']} {package['version']} has no wheel.", "Ask for another version.")
    for name in chosen:
        wheel = wheels[name]
        moment = wheel.get("upload-time")
        uploaded = moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""
        yield Locked(f"{package['name']}=={package['version']}", wheel["hashes"]["sha256"], name, uploaded)


def _for_us(filename: str, systems: set[str]) -> bool:
    pythons, abis, platforms = filename.removesuffix(".whl").split("-")[-3:]
    numbers = [python.replace(".", "") for python in _PYTHONS]
    return (
        all(_INTERPRETERS.fullmatch(python) for python in pythons.split("."))
        and (abis in ("none", "abi3") or abis.removeprefix("cp") in numbers)
        and _ABIS.fullmatch(abis) is not None
        and any(_PLATFORMS[system].fullmatch(platform) for platform in platforms.split(".") for system in systems)
    )
