"""Find and end what a run left behind when something killed its supervisor, which else would have ended it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import sleep

from autograder.sandbox.gauge import descendants

__all__ = ["began", "end_survivors", "started_in"]

_QUIET = 3
"""How many looks must find nobody before there is nobody."""


def began(pid: int) -> str:
    """Say when a process began, in the kernel's own units; empty if it is no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def started_in(scratch: Path) -> dict[int, str]:
    """Find the processes whose environment names a run's own folder for temporary files."""
    mark = b"\0TMPDIR=" + os.fsencode(scratch) + b"\0"
    found = {}
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        if name.isdigit():
            with contextlib.suppress(OSError):
                if mark in b"\0" + Path(f"/proc/{name}/environ").read_bytes():
                    found[int(name)] = began(int(name))
    return found


def end_survivors(roots: Mapping[int, str], look: Callable[[], Mapping[int, str]] = dict) -> None:
    """End what a supervisor left behind that was killed: these processes, if they are still the same, and all below them.

    `look` finds what may have been missed: a process that is just becoming another program has no environment for a moment.
    """
    quiet = 0
    for _ in range(200):
        roots = {**look(), **roots}
        found = [pid for pid, time in roots.items() if time and began(pid) == time]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            below = [*found, *(pid for root in found for pid in _descendants(root))]
            for pid in below:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        quiet = 0 if found else quiet + 1
        if quiet == _QUIET:
            return
        roots = {**{pid: roots[pid] for pid in found}, **{pid: began(pid) for pid in below}}
        sleep(0.01)


def _descendants(of: int) -> list[int]:
    try:
        return descendants(of)
    except OSError:
        return []
