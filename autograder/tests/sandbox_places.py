"""Places for the sandbox's tests, and a way to look whether anything of a run is alive."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from autograder.exceptions import SandboxError
from autograder.index import PackageIndex
from autograder.sandbox import Place, Sandbox, choose
from autograder.sandbox.bubblewrap import find_bubblewrap
from autograder.sandbox.bubblewrap_wheel import fetched_bubblewrap
from autograder.sandbox.system_python import make_system

__all__ = ["FORK_BOMB", "TIERS", "alive", "bubblewrap_here", "gone", "new_place", "sandbox_of"]

FORK_BOMB = "bomb() { [ $1 = 0 ] || { bomb $(($1 - 1)) & bomb $(($1 - 1)) & sleep 20; }; }; bomb 8; wait"
"""Would make 510 processes and then end: were a bound broken, the machine would live."""

TIERS = ["strong", "medium", "basic"]
"""Those that differ in what a test can see; `strong-pod` is strong with another `/proc`, and has tests of its own."""


def bubblewrap_here() -> str:
    """Give the system's bubblewrap, or the one which the course has fetched; skip where there is neither."""
    return find_bubblewrap() or fetched_bubblewrap() or pytest.skip("there is no bubblewrap")


def sandbox_of(tier: str) -> Sandbox:
    """Give the tier's sandbox; skip where this machine can't have it."""
    try:
        return choose(PackageIndex.open(), tier=tier)
    except SandboxError as error:
        pytest.skip(error.message)


def new_place(folder: Path) -> Place:
    """Make a place as a learner finds it who has just begun."""
    place = Place(folder / "project", folder / "home", folder / "system")
    for made in (place.project, place.home, place.system):
        made.mkdir(parents=True)
    make_system(place.system)
    return place


def alive(mark: str) -> list[str]:
    """List the processes of this machine whose command line holds `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line and f"/{folder.name}" != "/self":
                found.append(f"{folder.name} {line!r}")
    return found


def gone(mark: str, seconds: float = 5.0) -> bool:
    """Wait until no process's command line holds `mark`."""
    end = time.monotonic() + seconds
    while alive(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
