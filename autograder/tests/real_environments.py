"""Environments made by the real tools, and what the tests of reading them share."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from autograder.exceptions import Failed
from autograder.facts import Facts
from autograder.index import PackageIndex
from autograder.tree import FolderTree
from autograder.workspace import Workspace

ROOT = PurePosixPath("/home/learner/project")
SYSTEM = Path(sys.executable).resolve().parent
"""The folder of the Python that made this one's environment: the system Python of these tests."""
VERSION = ".".join(str(part) for part in sys.version_info[:3])
SERIES = f"python{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/{SERIES}/site-packages"
PYTHON = SYSTEM / SERIES
TOOLS = Path(sys.executable).parent


def run(*argv: object, cwd: Path) -> None:
    """Run a tool in an environment built from nothing; what it says is shown if it fails."""
    home = cwd / "home"
    home.mkdir(exist_ok=True)
    variables = {
        "PATH": f"{SYSTEM}:/usr/bin:/bin",
        "HOME": str(home),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_LINK_MODE": "copy",
    }
    done = subprocess.run([str(word) for word in argv], cwd=cwd, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def make(folder: Path, index: PackageIndex) -> Path:
    """Make the same environment three times, by venv and pip, by uv, and by virtualenv; give the workspace's folder.

    All hold leftpad 1.1 and pricetag, which needs it, and nothing else: so they are quickly copied.
    """
    work = folder / "work"
    work.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/pypi/simple/"
        run(PYTHON, "-m", "venv", "--without-pip", "work/venv", cwd=folder)
        run(TOOLS / "uv", "venv", "-q", "-p", PYTHON, "work/uv", cwd=folder)
        empty = ("--no-pip", "--no-setuptools", "--no-periodic-update")
        run(TOOLS / "virtualenv", "-q", "-p", PYTHON, *empty, "work/virtualenv", cwd=folder)
        asked = ("leftpad==1.1", "pricetag==1.0")
        for maker in ("venv", "virtualenv"):
            pip = (TOOLS / "python", "-m", "pip", "--python", f"work/{maker}")
            run(*pip, "install", "-q", "-i", url, *asked, cwd=folder)
        run(TOOLS / "uv", "pip", "install", "-q", "-p", "work/uv", "--default-index", url, *asked, cwd=folder)
    shutil.rmtree(folder / "home")
    return work


def copy(work: Path, to: Path) -> Path:
    """Copy a workspace with its links as they are."""
    subprocess.run(["cp", "-a", work, to], check=True)
    return to


def facts(root: Path | PurePosixPath) -> Facts:
    """What is known of this machine, with the workspace seen at `root`."""
    return Facts(PurePosixPath(root), str(SYSTEM), VERSION)


def workspace(folder: Path, index: PackageIndex, root: Path | None = None) -> Workspace:
    """See a folder as a check does; `root` is where its environments were made."""
    seen_at = facts(root or folder)
    return Workspace(FolderTree(folder, seen_at.root), seen_at, index.known)


def fails(function: Callable[[], object], folder: Path, found: str) -> Failed:
    """Require that `function` fails with `found` (a regular expression), in words that hold on every machine.

    The suggested command is run at the top of the workspace and must show what it promises.
    """
    with pytest.raises(Failed) as caught:
        function()
    failed = caught.value
    assert re.search(found, failed.found), failed.found
    command = re.search(r"Run `([^`]+)`", failed.next_step)
    assert command, failed.next_step
    for text in (failed.expected, failed.found, failed.next_step):
        assert str(folder.parent) not in text
        assert text.isprintable()
        assert text.endswith((".", ";", "!"))
        assert text.encode()
    done = subprocess.run(
        ["bash", "-c", command[1]],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    shown = done.stdout.decode("utf-8", "surrogateescape")
    assert re.search(failed.evidence, shown, re.MULTILINE), (command[1], failed.evidence, shown)
    assert failed.evidence == "" or done.returncode == 0, shown
    return failed
