"""The host names under which the indexes are reached, and what each stands for.

The names of the real indexes are taken from the tools that a learner uses: they lead to the twins because the tools expect them,
so whatever the tools say is right.
"""

from __future__ import annotations

__all__ = ["COMPANY", "ISSUER", "Hosts", "read_hosts", "sources"]

import ast
import mmap
import re
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from autograder.index.known import bundled_wheels

COMPANY = "packages.shop.example"
"""Where the company's own index is."""
ISSUER = "tokens.forge.example"
"""Where the stand-in for the code forge issues identity tokens (OpenID Connect) to its workflows."""

_PIP_NAMES_THEM = "pip/_internal/models/index.py"
_ADVISORIES = re.compile(rb"https://(api\.osv\.[a-z]+)")


@dataclass(frozen=True)
class Hosts:
    """All front doors."""

    prefixes: Mapping[str, str]
    """Host name -> the first part of the address behind it: `/pypi`, `/testpypi`, `/company`, `/osv`, `/oidc`."""
    simple: Mapping[str, str]
    """Index -> the address of its Simple API."""
    legacy: Mapping[str, str]
    """Index -> the address which uploads go to."""


def sources() -> list[Path]:
    """Name the files that the names are read from: pip's wheel, which every Python brings along, and uv where it is installed."""
    wheels = [path for path in bundled_wheels() if path.name.startswith("pip-")]
    uv = Path(sysconfig.get_path("scripts"), "uv")
    return [*wheels[-1:], *([uv] if uv.is_file() else [])]


def read_hosts() -> Hosts:
    """Read the names.

    Raises:
        LookupError: pip doesn't say them, or in a new way.
    """
    prefixes: dict[str, str] = {}
    simple: dict[str, str] = {}
    legacy: dict[str, str] = {}
    for site, (home, files) in zip(("pypi", "testpypi"), _named_by_pip(), strict=True):
        # The twin of the try-out index takes uploads under its own name; of PyPI, as twine's and uv's constants say, under a neighbour's.
        upload = home if site == "testpypi" else f"upload.{home}"
        for host in (home, upload, files):
            prefixes[host] = f"/{site}"
        simple[site], legacy[site] = f"https://{home}/simple/", f"https://{upload}/legacy/"
    prefixes[COMPANY] = "/company"
    simple["company"], legacy["company"] = f"https://{COMPANY}/simple/", f"https://{COMPANY}/legacy/"
    prefixes[ISSUER] = "/oidc"
    if (advisories := _named_by_uv()) is not None:
        prefixes[advisories] = "/osv"
    return Hosts(prefixes, simple, legacy)


def _named_by_pip() -> list[tuple[str, str]]:
    """Read (host, host of the files) of PyPI and of TestPyPI from pip's source, without running it."""
    for wheel in sources()[:1]:
        try:
            with zipfile.ZipFile(wheel) as file:
                source = ast.parse(file.read(_PIP_NAMES_THEM))
        except (OSError, KeyError, SyntaxError, zipfile.BadZipFile) as error:
            raise LookupError(f"{wheel.name} doesn't say where the indexes are: {error}") from error
        found: dict[str, tuple[str, str]] = {}
        for line in source.body:
            match line:
                case ast.Assign(
                    targets=[ast.Name(id=("PyPI" | "TestPyPI") as name)],
                    value=ast.Call(
                        args=[ast.Constant(value=str() as url)],
                        keywords=[ast.keyword(arg="file_storage_domain", value=ast.Constant(value=str() as files))],
                    ),
                ):
                    found[name] = (urlsplit(url).hostname or "", files)
        if len(found) == 2:
            return [found["PyPI"], found["TestPyPI"]]
        raise LookupError(f"{wheel.name} doesn't say where the indexes are")
    raise LookupError("this Python has no wheel of pip")


def _named_by_uv() -> str | None:
    """Find in uv's program where `uv audit` asks for advisories; None for an older uv, or none at all."""
    for uv in sources()[1:]:
        try:
            with uv.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                found = _ADVISORIES.search(content)
                return found[1].decode() if found else None
        except (OSError, ValueError):
            continue
    return None
