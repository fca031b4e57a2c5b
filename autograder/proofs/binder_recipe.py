"""Ask repo2docker what it would do with a clone of the course: the buildpack, the Dockerfile, the files that it adds.

repo2docker comes from the index that this machine's pip is configured for, into an environment of its own, the newest there is:
mybinder.org too follows its newest.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from proofs.machine import CannotRunHere

__all__ = ["UID", "USER", "Recipe", "Step", "ask", "environment"]

USER, UID = "jovyan", 1000
"""As BinderHub names them."""

_QUESTION = r"""
import importlib.metadata, json, pathlib, sys
import repo2docker.buildpacks.base as base
from repo2docker.app import Repo2Docker

app = Repo2Docker()
for kind in app.buildpacks:
    pack = kind(base_image=app.base_image)
    pack.platform = "linux/amd64"
    if pack.detect():
        break
else:
    sys.exit("repo2docker finds nothing that it could build here")
here = pathlib.Path(base.HERE)
scripts = {pack.generate_build_context_filename(key)[0]: str(here / key) for key in pack.get_build_script_files()}
for name in ("repo2docker-entrypoint", "python3-login"):
    scripts["/" + name] = str(here / name)
json.dump(
    {
        "version": importlib.metadata.version("jupyter-repo2docker"),
        "buildpack": kind.__name__,
        "python": str(getattr(pack, "python_version", "")),
        "base_image": pack.base_image,
        "dockerfile": pack.render({"NB_USER": sys.argv[1], "NB_UID": sys.argv[2]}),
        "files": scripts,
    },
    sys.stdout,
)
"""

_KNOWN = {"FROM", "ENV", "ARG", "USER", "WORKDIR", "COPY", "RUN", "ENTRYPOINT", "CMD", "EXPOSE", "LABEL"}


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile, its lines joined."""

    word: str
    rest: str

    def settings(self) -> dict[str, str]:
        """Give what ENV or ARG sets, not yet expanded; an ARG without a value sets nothing."""
        pairs = (word.partition("=") for word in shlex.split(self.rest))
        return {name: value for name, equals, value in pairs if equals}

    def copy(self) -> tuple[str, str, dict[str, str]]:
        """Give what COPY copies, where to, and its options, as in {"chown": "1000:1000"}."""
        words = self.rest.split()
        options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        source, target = (word for word in words if not word.startswith("--"))
        return source, target, options

    def listed(self) -> list[str]:
        """Give the words of an ENTRYPOINT or CMD."""
        return [str(word) for word in json.loads(self.rest)]


@dataclass(frozen=True)
class Recipe:
    """What repo2docker said; `files` are those of its own which the Dockerfile copies, by the name it gives them."""

    version: str
    buildpack: str
    python: str
    base_image: str
    dockerfile: str
    files: dict[str, Path]

    def steps(self) -> Iterator[Step]:
        """Give the instructions in their order.  Raises `ValueError` at one which nobody here can follow."""
        lines = (line for line in self.dockerfile.splitlines() if not line.lstrip().startswith("#"))
        for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
            if not line.strip():
                continue
            word, _, rest = line.strip().partition(" ")
            if word not in _KNOWN:
                raise ValueError(f"repo2docker's Dockerfile has an instruction that this proof doesn't know: {line}")
            yield Step(word, rest.strip())

    def conda_lock(self) -> str:
        """Give the list of conda packages from which the base environment is made."""
        return next(path for path in self.files.values() if path.suffix == ".lock").read_text(encoding="utf-8")


def environment(folder: Path) -> Path:
    """Give the Python of an environment with the newest repo2docker; without an index, the one that is there.

    Raises `CannotRunHere` where there is none and none can be had.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--upgrade", "jupyter-repo2docker"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and not list(folder.glob("lib/*/site-packages/repo2docker")):
        raise CannotRunHere(f"pip can't install jupyter-repo2docker here: {done.stderr[-500:]}")
    return python


def ask(python: Path, clone: Path) -> Recipe:
    """Ask about a clone.  Raises `CannotRunHere` where repo2docker refuses it."""
    command = [str(python), "-c", _QUESTION, USER, str(UID)]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRunHere(f"repo2docker refuses this repository: {done.stderr[-800:]}")
    said = json.loads(done.stdout)
    return Recipe(**{**said, "files": {name: Path(path) for name, path in said["files"].items()}})
