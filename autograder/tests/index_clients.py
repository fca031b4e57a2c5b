"""Stock clients of an index, each run in an environment made from nothing and without a way to any network but loopback.

pip and uv are there anyway; the others (poetry, pipenv, hatch, twine …) are the dependency-group `clients` of pyproject.toml,
installed once into an environment of their own in the course's cache.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.exceptions import CourseError
from autograder.index import PackageIndex
from autograder.index.known import bundled_wheels
from autograder.places import cache
from autograder.sandbox.way import Way

AUTOGRADER = Path(__file__).resolve().parent.parent
SYSTEM = Path(sys.executable).resolve().parent
"""The folder of the Python behind this one."""
UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
needs_uv = pytest.mark.skipif(UV is None, reason="uv is not installed")


@functools.cache
def _installed() -> tuple[Path, str]:
    """Install the clients where that is still to be done; gives the folder of their commands, or why there is none."""
    lock = AUTOGRADER / "requirements-clients.txt"
    project = AUTOGRADER / "pyproject.toml"
    wanted = (
        lock.read_text() if lock.exists() else str(tomllib.loads(project.read_text())["dependency-groups"]["clients"])
    )
    key = hashlib.sha256(f"{wanted} {sys.version}".encode()).hexdigest()
    folder = cache() / "test-clients" / hashlib.sha256(sys.prefix.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "complete"
    with (folder / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != key:
            done.unlink(missing_ok=True)
            if UV is None:
                return folder, "uv is not installed"
            python = folder / "venv" / "bin" / "python"
            what = ["--require-hashes", "-r", str(lock)] if lock.exists() else ["--group", f"{project}:clients"]
            # Where distributions come from is the machine's business, so this one step has its variables.
            for command in (
                [UV, "venv", "-q", "--clear", "-p", sys.executable, str(folder / "venv")],
                [UV, "pip", "install", "-q", "--native-tls", "-p", str(python), *what],
            ):
                ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
                if ran.returncode:
                    return folder, f"the clients can't be installed here: {ran.stderr.strip()[-200:]}"
            done.write_text(key)
    return folder / "venv" / "bin", ""


def client(name: str) -> Path:
    """Give the command `name` of one of the clients; the test is skipped where they can't be installed."""
    folder, problem = _installed()
    if problem:
        pytest.skip(problem)
    return folder / name


def variables(home: Path) -> dict[str, str]:
    """Give an environment from nothing: no configuration, caches below `home`, and no way to a network but loopback."""
    nowhere = "http://127.0.0.1:9"
    return {
        # No UV_PYTHON: it would lead an install that forgets to say where into the tests' own environment.
        "PATH": f"{SYSTEM}:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "ALL_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
        "NO_COLOR": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_RETRIES": "0",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_HTTP_RETRIES": "0",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "POETRY_NO_INTERACTION": "1",
        "PIPENV_NOSPIN": "1",
        "PIPENV_VENV_IN_PROJECT": "1",
    }


def whole_index() -> PackageIndex:
    """Open the course's own index, with the mirror if it can be had."""
    index = PackageIndex.open()
    if index.missing:
        try:
            PackageIndex.fetch_mirror(say=lambda _: None)
        except CourseError:
            return index
        index = PackageIndex.open()
    return index


@contextmanager
def way_to(index: PackageIndex, published: Path | None = None) -> Iterator[Way]:
    """Serve the index; gives the way to it: real names by a proxy where they can be had, loopback addresses in any case."""
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener, published):
        port, doors = listener.getsockname()[1], index.doors
        yield Way("proxy", port, doors, str(doors.bundle)) if doors else Way("loopback", port)


def unpacked(wheel: Path, folder: Path) -> list[str]:
    """Unpack a pip, which so may keep its bytecode, and give the command that runs it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return [sys.executable, str(folder / "pip")]


def bundled_pip(folder: Path) -> list[str]:
    """Give the command of the pip that came with this Python."""
    return unpacked(next(path for path in bundled_wheels() if path.name.startswith("pip-")), folder)


@dataclass
class Clients:
    """The clients, one environment to work on, and nothing of this machine's configuration."""

    folder: Path
    index_url: str
    """Of the Simple API."""
    pip: list[str]
    """The command that runs pip, of which there may be several."""
    environment: dict[str, str]

    @property
    def python(self) -> Path:
        """The Python of the environment."""
        return self.folder / "venv" / "bin" / "python"

    def run(self, *argv: str | Path, fails: bool = False, cwd: str = ".", **more: str) -> str:
        """Run a command, with `more` variables, expect it to do well (or not), and give all it said."""
        ran = subprocess.run(
            [str(part) for part in argv],
            cwd=self.folder / cwd,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert (ran.returncode != 0) == fails, ran.stdout
        return ran.stdout

    def install(self, *arguments: str, fails: bool = False) -> str:
        """Let pip install into the environment."""
        return self.run(*self.pip, "--python", self.python, "install", *arguments, fails=fails)

    def uv(self, *arguments: str | Path, fails: bool = False, cwd: str = ".") -> str:
        """Run uv."""
        assert UV is not None
        return self.run(UV, *arguments, fails=fails, cwd=cwd)

    @property
    def installed(self) -> dict[str, str]:
        """Name -> version of what is in the environment."""
        return installed_in(self.folder / "venv")


def installed_in(environment: Path) -> dict[str, str]:
    """Name -> version of what is in an environment."""
    (site_packages,) = environment.glob("lib/python*/site-packages")
    found = importlib.metadata.distributions(path=[str(site_packages)])
    return {distribution.name: distribution.version for distribution in found}


def make_clients(folder: Path, index_url: str, pip: list[str]) -> Clients:
    """Make an empty environment, and variables from nothing with which pip and uv find the index."""
    environment = variables(folder) | {"PIP_INDEX_URL": index_url, "UV_DEFAULT_INDEX": index_url}
    clients = Clients(folder, index_url, pip, environment)
    clients.run(sys.executable, "-m", "venv", "--without-pip", "venv")
    return clients
