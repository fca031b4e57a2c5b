"""Bounds that the kernel holds for all processes of a run together, where a control group can be made for it.

A fork bomb outruns any program that watches it: only the kernel can refuse a fork. For ordinary users a resource limit does that;
root is exempt from it, and has control groups. So have users to whom a part of the tree is delegated, as systemd does on a desktop.
Where none can be made, `watch.py` bounds the memory by itself, a little later.

Source: the kernel's documentation of control groups, v1 (pids, memory, cpuacct) and v2; kernel/fork.c, copy_process.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Fence", "memory_of_group"]

_number = itertools.count()
_OLD = ("pids", "memory", "cpuacct")
"""What we use of the first version, where each stands in a tree of its own."""
_ENDLESS = 1 << 60


def _own_groups() -> dict[str, Path]:
    """Find the folders of the control groups that this process is in: by controller, or "" for those of the second version."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
        memberships = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return {}
    inside: dict[str, str] = {}
    for membership in memberships:
        _, controllers, path = membership.split(":", 2)
        inside |= dict.fromkeys(controllers.split(","), path)
    found = {}
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        kind, _, options = after.split(" ", 2)
        top = before.split(" ")[4]
        if kind == "cgroup2" and "" in inside:
            found[""] = Path(top + inside[""])
        elif kind == "cgroup":
            for controller in {*options.split(",")} & {*_OLD} & {*inside}:
                found[controller] = Path(top + inside[controller])
    return found


def memory_of_group() -> int | None:
    """Give the memory, in bytes, that the control groups around this process leave to it; None where they set no bound."""
    groups = _own_groups()
    bounds = []
    for controller, name in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        if controller not in groups:
            continue
        for folder in (groups[controller], *groups[controller].parents):
            with contextlib.suppress(OSError, ValueError):  # "max" is no number
                bounds.append(int((folder / name).read_text("ascii")))
    least = min(bounds, default=_ENDLESS)
    return least if least < _ENDLESS else None


@functools.lru_cache(maxsize=1)
def _grounds(process: int) -> dict[str, Path]:
    """Find where groups can be made by this process: controller -> folder. Tried once; `process` is its number."""
    found = {}
    own = _own_groups()
    for controller in _OLD:
        if controller in own and _can_make_group(own[controller], ""):
            found[controller] = own[controller]
    if "" in own and not {"pids", "memory"} & {*found}:
        # A group of the second version that holds processes passes no controllers on: so a group beside our own.
        for folder in (own[""], own[""].parent):
            if _can_make_group(folder, "memory.max"):
                return {"": folder}
    return found


def _can_make_group(parent: Path, needed: str) -> bool:
    _sweep(parent)
    probe = parent / f"wheelhouse-{os.getpid()}-trial"
    try:
        probe.mkdir()
    except OSError:
        return False
    try:
        return not needed or os.access(probe / needed, os.W_OK)
    finally:
        with contextlib.suppress(OSError):
            probe.rmdir()


class Fence:
    """The control groups of one run."""

    def __init__(self, folders: dict[str, Path]) -> None:
        """Use folders that were just made, by controller."""
        self._folders = folders

    @classmethod
    def build(cls, processes: int, memory: int | None = None) -> Fence | None:
        """Make groups for at most so many processes and bytes of memory; None where none can be made."""
        if sys.platform != "linux":
            return None
        name = f"wheelhouse-{os.getpid()}-{next(_number)}"
        fence = cls({})
        for controller, parent in _grounds(os.getpid()).items():
            folder = parent / name
            try:
                folder.mkdir()
            except OSError:
                continue
            fence._folders[controller] = folder
            bounds = {}
            if controller in ("", "pids"):
                bounds["pids.max"] = processes
            if memory is not None and controller == "":
                bounds |= {"memory.max": memory, "memory.swap.max": 0, "memory.oom.group": 1}
            elif memory is not None and controller == "memory":
                bounds |= {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory}
            for file, bound in bounds.items():
                with contextlib.suppress(OSError):  # no accounting of swap, for one
                    (folder / file).write_text(str(bound), encoding="ascii")
        return fence if fence._folders else None

    @contextlib.contextmanager
    def around(self) -> Iterator[bool]:
        """Let what this thread starts meanwhile be born inside; say whether that can be done, as it can in the first version only.

        A thread may move itself at once; to move anything else the kernel waits some 10 ms for all processors.

        Raises:
            OSError: the thread can't come back.
        """
        moved = []
        try:
            for controller, folder in self._folders.items():
                if not controller:
                    break
                (folder / "tasks").write_bytes(b"0")
                moved.append(controller)
        except OSError:
            pass
        try:
            yield len(moved) == len(self._folders)
        finally:
            for controller in moved:
                (self._folders[controller].parent / "tasks").write_bytes(b"0")

    def take(self, *pids: int) -> None:
        """Put processes inside; what they start is inside too."""
        for folder in self._folders.values():
            for pid in pids:
                with contextlib.suppress(OSError):
                    (folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def members(self) -> list[int]:
        """Give the numbers of the processes inside."""
        for folder in self._folders.values():
            with contextlib.suppress(OSError, ValueError):
                return [int(line) for line in (folder / "cgroup.procs").read_text("ascii").split()]
        return []

    def processor(self) -> float:
        """Say how many seconds of processor time were used inside; 0 where that isn't counted."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            if (old := self._folders.get("cpuacct")) is not None:
                return int((old / "cpuacct.usage").read_text("ascii")) / 1e9
            if (new := self._folders.get("")) is not None:
                return int((new / "cpu.stat").read_text("ascii").split()[1]) / 1e6
        return 0.0

    def overrun(self) -> bool:
        """Say whether the kernel ended something because there was too much memory in use."""
        for controller, name in (("memory", "memory.oom_control"), ("", "memory.events")):
            if (folder := self._folders.get(controller)) is not None:
                with contextlib.suppress(OSError, ValueError):
                    for line in (folder / name).read_text("ascii").splitlines():
                        if line.startswith("oom_kill ") and int(line.split()[1]):
                            return True
        return False

    def remove(self) -> None:
        """Remove the groups, whose processes are dead; the kernel may still be burying them."""
        for folder in self._folders.values():
            for _ in range(100):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)
                else:
                    break


def _sweep(parent: Path) -> None:
    """Remove the groups of courses that were killed."""
    for old in parent.glob("wheelhouse-*-*"):
        if not Path("/proc", old.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                old.rmdir()
