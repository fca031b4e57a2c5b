"""A hard bound on the number of processes for root, whom the kernel exempts from RLIMIT_NPROC.

A fork bomb outruns any program that watches it: only the kernel can refuse a fork.
For ordinary users the resource limit does that; for root a control group does, where its files are writable.

Source: kernel/fork.c, copy_process; the kernel's documentation of the pids controller, cgroup v1 and v2.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from pathlib import Path

__all__ = ["Fence"]

_number = itertools.count()


def _own_groups() -> list[Path]:
    """Find the folders of the control groups that this process is in and that may bound processes."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
        memberships = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    found = []
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        kind, _, options = after.split(" ", 2)
        for membership in memberships:
            _, controllers, inside = membership.split(":", 2)
            old = kind == "cgroup" and "pids" in controllers.split(",")
            if (old and "pids" in options.split(",")) or (kind == "cgroup2" and not controllers):
                found.append(Path(before.split(" ")[4] + inside))
    return found


class Fence:
    """A control group of one run."""

    def __init__(self, folder: Path) -> None:
        """Use a folder that was just made."""
        self._folder = folder

    @classmethod
    def build(cls, processes: int) -> Fence | None:
        """Make a group for at most so many processes; None if this isn't root, or root can't make one."""
        if sys.platform != "linux" or os.getuid() != 0:
            return None
        for parent in _own_groups():
            _sweep(parent)
            folder = parent / f"wheelhouse-{os.getpid()}-{next(_number)}"
            try:
                folder.mkdir()
            except OSError:
                continue
            try:
                (folder / "pids.max").write_text(str(processes), encoding="ascii")
            except OSError:  # this hierarchy doesn't bound processes
                folder.rmdir()
                continue
            return cls(folder)
        return None

    def take(self, *pids: int) -> None:
        """Put processes inside; what they start is inside too."""
        for pid in pids:
            with contextlib.suppress(OSError):
                (self._folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def remove(self) -> None:
        """Remove the group, whose processes are dead; the kernel may still be burying them."""
        for _ in range(100):
            try:
                self._folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)
            else:
                return


def _sweep(parent: Path) -> None:
    """Remove the groups of courses that were killed."""
    for old in parent.glob("wheelhouse-*-*"):
        if not Path("/proc", old.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                old.rmdir()
