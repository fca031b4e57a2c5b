"""How much memory and processor time some processes use, and how many they are, as Linux's `/proc` has it.

One file is read of each process, some ten microseconds. The resident sizes that stand there count what processes share once for each:
so their sum is never too small, and only where it is too large is asked, dearly, for each one's share (`smaps_rollup`).

Sources: proc(5); the kernel's Documentation/filesystems/proc.rst, table 1-4.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Gauge", "Usage", "available_memory", "children", "descendants", "shares"]

_MOST = 20_000
"""More processes than any bound allows; what is beyond is not counted."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What some processes use together."""

    processes: int = 0
    tasks: int = 0
    """Their threads, of which each process has one or more."""
    resident: int = 0
    """Bytes; what processes share is counted once for each."""
    processor: float = 0.0
    """Seconds, as long as they have lived, with those of their children that have ended."""


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def children(of: int) -> list[int]:
    """List the processes that this one's threads have started and not yet buried; empty if it has ended itself.

    Raises:
        OSError: `/proc` doesn't say it.
    """
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{of}/task"):
            try:
                # longer lists than one read gives are those of fork bombs
                text = _read(f"/proc/{of}/task/{task}/children")
            except (FileNotFoundError, ProcessLookupError):
                if os.path.exists(f"/proc/{of}/task/{task}"):  # noqa: PTH110  a kernel made without these lists
                    raise
                continue
            found += map(int, text.rpartition(b" ")[0].split())
    except (FileNotFoundError, ProcessLookupError):
        if os.path.exists(f"/proc/{of}/task"):  # noqa: PTH110
            raise
    return found


def descendants(of: int) -> list[int]:
    """List the processes below this one, by what `/proc` says of each one's children.

    Raises:
        OSError: it doesn't say it.
    """
    waiting, found = [of], list[int]()
    while waiting and len(found) < _MOST:
        below = children(waiting.pop())
        waiting += below
        found += below
    return found


class Gauge:
    """Looks at processes again and again, and remembers the processor time of those that have gone meanwhile."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._own: dict[tuple[int, bytes], int] = {}

    def look(self, proc: str, numbers: Iterable[int]) -> Usage:
        """Look at those of the processes that still are; `proc` is the folder in which they have these numbers."""
        processes = tasks = resident = with_children = 0
        for number in numbers:
            try:
                fields = _read(f"{proc}/{number}/stat").rpartition(b")")[2].split()
                own = int(fields[11]) + int(fields[12])
                processes += 1
                tasks += int(fields[17])
                resident += int(fields[21])
            except (OSError, IndexError, ValueError):
                continue
            with_children += own + int(fields[13]) + int(fields[14])
            self._own[number, fields[19]] = own
        if len(self._own) > _MOST:  # the oldest are the likeliest to be gone
            for key in list(self._own)[: _MOST // 2]:
                del self._own[key]
        # Children that ended are in their parent's count unless it ignored their end; those seen are in ours.
        ticks = max(with_children, sum(self._own.values()))
        return Usage(processes, tasks, resident * _PAGE, ticks / _TICKS)


def shares(proc: str, numbers: Iterable[int], *, enough: int) -> int:
    """Add up the memory of processes, each page shared by n of them as an n-th; stop where it is `enough`. In bytes.

    What can't be read of a process, as where it forbids to look into its memory, is counted as its own.
    """
    total = 0
    for number in numbers:
        try:
            for line in _read(f"{proc}/{number}/smaps_rollup").splitlines():
                if line.startswith((b"Pss:", b"SwapPss:")):
                    total += int(line.split()[1]) << 10
        except (OSError, IndexError, ValueError):
            try:
                total += int(_read(f"{proc}/{number}/statm").split()[1]) * _PAGE
            except (OSError, IndexError, ValueError):
                continue
        if total > enough:
            break
    return total


def available_memory() -> int | None:
    """Say how many bytes of memory this machine could still give to programs; None where nothing says it."""
    if sys.platform != "linux":
        return None
    try:
        for line in _read("/proc/meminfo").splitlines():
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return None
