"""How this machine reaches its indexes and mirrors, read at run time so that another root can be given the same; nothing of it is written down.

pip's and uv's configuration files, the variables which they read, the authorities, the names of hosts, apt's sources and every
local folder that one of them names.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Reach", "debian_mirror"]

VARIABLES = re.compile(
    r"(PIP|UV)_(?!REQUIRE_VIRTUALENV|USER|TARGET|PREFIX)\w+|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy"
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS|GIT_SSL_CAINFO"
)
FOR_ALL = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "/etc/uv/uv.toml", "/etc/npmrc")
IN_HOME = (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml", ".npmrc")
APT = ("/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/apt/apt.conf.d", "/etc/apt/auth.conf.d")
NAMES = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf")
AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/usr/local/share/ca-certificates")
_LOCAL = re.compile(r"(?:file://)?(/[\w.+~/-]+)")


def debian_mirror() -> tuple[str, str]:
    """Give the first mirror that apt is configured to use here, and this release's name.

    Raises `OSError` where this machine has no apt, or apt no mirror.
    """
    command = ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"]
    for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines():
        site, _, release = line.partition(" ")
        if site.startswith("http") and "-" not in release:
            return site, release
    raise OSError("apt names no mirror here, so no other system can be fetched")


@dataclass(frozen=True)
class Reach:
    """What another root needs so that pip, uv, npm and apt work there as they do here."""

    variables: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    home_files: dict[str, Path] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)

    @classmethod
    def of_this_machine(cls) -> Reach:
        """Read it all as it is at this moment."""
        variables = {name: value for name, value in os.environ.items() if VARIABLES.fullmatch(name)}
        files = {name: Path(name) for name in (*FOR_ALL, *NAMES, *APT, *AUTHORITIES) if Path(name).exists()}
        home = {name: Path.home() / name for name in IN_HOME if (Path.home() / name).is_file()}
        texts = [*variables.values(), *(path.read_text("utf-8", "replace") for path in _settings(files, home))]
        named = {Path(word) for text in texts for word in _LOCAL.findall(text)}
        folders = {Path(*path.parts[:3]) for path in named if len(path.parts) > 2 and path.exists()}
        kept = sorted(path for path in folders if path.is_dir() and path.parts[1] not in ("etc", "usr", "proc", "dev"))
        return cls(variables, files, home, kept)

    def give(self, root: Path, homes: dict[str, int]) -> None:
        """Copy the files into another root, and those of one's home into each of `homes` (path there -> user id).

        `folders` stay where they are: mount them there, read-only, under the same paths.
        """
        for name, source in self.files.items():
            _copy(source, root / name.lstrip("/"))
        for home, uid in homes.items():
            for name, source in self.home_files.items():
                target = root / home.lstrip("/") / name
                _copy(source, target)
                for made in (target, *target.parents):
                    if made == root / home.lstrip("/"):
                        break
                    os.chown(made, uid, uid)


def _settings(files: dict[str, Path], home: dict[str, Path]) -> Iterator[Path]:
    yield from (files[name] for name in FOR_ALL if name in files)
    yield from home.values()


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder of files over what is there; what apt has disabled or hooks into its runs stays behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for path in source.iterdir():
            if (
                path.is_file()
                and path.suffix in ("", ".list", ".sources", ".conf", ".crt")
                and "docker" not in path.name
            ):
                _copy(path, target / path.name)
        return
    if target.is_symlink():
        target.unlink()
    shutil.copyfile(source, target)
    target.chmod(0o644)
