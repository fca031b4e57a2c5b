"""Make the same wishes into five locks with their own tools, and install from each: what `lock_forms.py` runs in the sandbox.

Prints a mark and one line of JSON. Nothing is left behind; what the tools said is given as they said it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import tomllib
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

WISHES = ("opening-hours", "orm", "price-rounding")
HELD = "netcore==1.1"  # Monday's newest; on Wednesday there is a newer one
PROJECT = f"""[project]
name = "terminal"
version = "1.0"
requires-python = ">=3.11"
dependencies = {json.dumps(WISHES)}
"""


def start(command: str, folder: Path) -> subprocess.Popen[str]:
    """Start a command in a folder."""
    return subprocess.Popen(
        shlex.split(command), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(command: str, folder: Path) -> tuple[int, str]:
    """Run a command in a folder; gives its exit status and what it said."""
    running = start(command, folder)
    said = running.communicate()[0].strip()
    return running.returncode, said


def need(command: str, folder: Path) -> str:
    """Run a command that must succeed; gives what it said."""
    status, said = run(command, folder)
    if status:
        raise SystemExit(f"{command}: {said}")
    return said


def make(top: Path) -> dict[str, tuple[Path, str]]:
    """Make the five, each in a folder of its own; gives the file and the command of each."""
    folders = {name: top / name for name in ("wishes", "freeze", "compiled", "hashed", "project")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "requirements.in").write_text("".join(f"{one}\n" for one in WISHES))
    (folders["project"] / "requirements.in").unlink()
    (folders["project"] / "pyproject.toml").write_text(PROJECT)
    held = f"--upgrade-package {HELD}"
    slow = [
        start(f"pip-compile --quiet --strip-extras {held} requirements.in", folders["compiled"]),
        start(f"pip-compile --quiet --strip-extras --generate-hashes {held} requirements.in", folders["hashed"]),
    ]
    need("uv venv --quiet .venv", folders["freeze"])
    need(f"uv pip install --quiet --python .venv -r requirements.in {HELD}", folders["freeze"])
    (folders["freeze"] / "requirements.txt").write_text(need("pip --python .venv freeze", folders["freeze"]) + "\n")
    need(f"uv lock --quiet {held}", folders["project"])
    need("uv export --quiet --format pylock.toml --output-file pylock.toml", folders["project"])
    for one in slow:
        said = one.communicate()[0]
        if one.returncode:
            raise SystemExit(f"pip-compile: {said}")
    return {
        "wishes": (folders["wishes"] / "requirements.in", "hand"),
        "freeze": (folders["freeze"] / "requirements.txt", "pip freeze > requirements.txt"),
        "compiled": (folders["compiled"] / "requirements.txt", "pip-compile requirements.in"),
        "hashed": (folders["hashed"] / "requirements.txt", "pip-compile --generate-hashes requirements.in"),
        "pylock": (folders["project"] / "pylock.toml", "uv export --format pylock.toml"),
        "uv": (folders["project"] / "uv.lock", "uv lock"),
    }


def fetch(url: str, accept: str = "*/*") -> tuple[str, bytes]:
    """Fetch something from the index; gives where it came from and its bytes."""
    asked = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310 - the sandbox's own index
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        return answer.url, answer.read()


def deliver(lock: Path, folder: Path) -> tuple[str, str]:
    """Fetch all wheels of the lock, and in place of one of them the company's, which has its name; gives both addresses."""
    folder.mkdir()
    page = urllib.parse.urljoin(os.environ["WHEELHOUSE_COMPANY"], "price-rounding/")
    base, listed = fetch(page, "application/vnd.pypi.simple.v1+json")
    (other,) = (one["url"] for one in json.loads(listed)["files"] if one["filename"].endswith(".whl"))
    other, right = urllib.parse.urljoin(base, other), ""
    for package in tomllib.loads(lock.read_text())["package"]:
        for wheel in package.get("wheels", ()):
            url = wheel["url"]
            if package["name"] == "price-rounding":
                right, url = url, other
            (folder / url.rpartition("/")[2]).write_bytes(fetch(url)[1])
    return right, other


def install(lock: Path, command: str) -> dict[str, Any]:
    """Install from one of them into a fresh environment; gives the command and what came of it."""
    folder = lock.parent.parent / "tried"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("pyproject.toml", "uv.lock") if lock.name == "uv.lock" else (lock.name,):
        shutil.copy(lock.parent / name, folder)
    need("uv venv --quiet .venv", folder)
    status, said = run(command, folder)
    (site,) = folder.glob(".venv/lib/python*/site-packages")
    versions = dict(one.name.removesuffix(".dist-info").split("-") for one in site.glob("*.dist-info"))
    rounding: dict[str, Any] = {}
    if (site / "price_rounding.py").exists():
        exec((site / "price_rounding.py").read_text(), rounding)  # noqa: S102 - what was installed, in the sandbox
    return {
        "command": command,
        "status": status,
        "said": said.replace(str(folder.parent), "…"),
        "versions": versions,
        "rounds": rounding["rounded"](11) if rounding else 0,
    }


def try_both(kind: str, lock: Path, delivery: tuple[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Install two days later, and where a file was exchanged, on a machine that has never seen it."""
    plain = "uv sync --locked" if kind == "uv" else f"uv pip install -r {lock.name}"
    later = install(lock, plain)
    if kind not in ("pylock", "uv"):
        return later, install(lock, f"{plain} --no-cache --no-index --find-links ../delivery")
    # these two know the addresses of their files: behind one of them lies another file now
    lock.write_text(lock.read_text().replace(*delivery))
    return later, install(lock, f"{plain.replace('--locked', '--frozen')} --no-cache")


def main(mark: str) -> None:
    """Make, try and tell."""
    top = Path(tempfile.mkdtemp(prefix="lock-lens-"))
    try:
        made = make(top)
        delivery = deliver(top / "project" / "uv.lock", top / "delivery")
        told = {}
        for kind, (lock, command) in made.items():
            text = lock.read_text()
            later, exchanged = try_both(kind, lock, delivery)
            told[kind] = {"file": lock.name, "command": command, "text": text, "later": later, "exchanged": exchanged}
        print(f"\n{mark}{json.dumps(told)}")
    finally:
        shutil.rmtree(top, ignore_errors=True)
