"""Looks after the bounds of what runs in a sandbox which the kernel doesn't hold by itself, and finds the words for each that was hit.

A look costs some tenths of a millisecond and comes every 50 ms, oftener when a bound is near, and never takes more than a twentieth of
a processor. What can't be looked at is not run: a look that fails raises.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.exceptions import SandboxError
from autograder.sandbox.fence import memory_of_group
from autograder.sandbox.gauge import Gauge, available_memory, shares
from autograder.sandbox.growth import Growth
from autograder.sandbox.place import Limits, Place

if TYPE_CHECKING:
    from autograder.sandbox.processes import Running

__all__ = ["LOOK_EVERY", "Watch", "Watcher", "in_words", "memory_bound", "writable_folders"]

LOOK_EVERY = 0.05
_SOON = 0.01
"""Seconds between two looks, ordinarily and when half of the memory is in use: a process takes some 2 GB a second."""
_IDLE = 0.2
"""The same where nothing used any processor time since the last look."""
_SHARE = 20
_LAST_MEMORY = 0.05
"""The part of the machine's memory that must stay free, if it is the run that takes the rest."""
_LEAST_SLICE = 64 << 20


def in_words(size: int) -> str:
    """Write a number of bytes as people do: 2 GB, 512 MB, 300 kB."""
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if size >= unit:
            number = f"{size / unit:,.1f}".removesuffix(".0")
            return f"{number} {name}"
    return f"{size} bytes"


@functools.cache
def _whole_memory() -> int:
    """Give the memory of this machine or of the container around us, in bytes."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        whole = 2 << 30
    return min(whole, memory_of_group() or whole)


def memory_bound(limits: Limits) -> int:
    """Give the memory that all processes may use together: what was asked for, or half of what there is."""
    return min(limits.tree_memory_bytes, _whole_memory() // 2)


def writable_folders(place: Place) -> list[Path]:
    """List the folders of a place to which a run may add."""
    folders = [place.home]
    if not place.read_only_system:
        folders.append(place.system)
    if not place.read_only_project:
        folders.append(place.project)
    if place.published is not None:
        folders.append(place.published)
    return folders


class Watch:
    """The bounds of one sandbox that runs."""

    def __init__(self, limits: Limits, folders: Iterable[Path]) -> None:
        """Begin to count what is added to the folders; what runs is told by `over`.

        Raises:
            SandboxError: the file system doesn't answer.
        """
        self.limits = limits
        self.next = 0.0
        """The moment of the next look, on the monotonic clock."""
        self._memory = memory_bound(limits)
        self._gauge = Gauge()
        self._running: Running | None = None
        self._used = self._spent = self._seen = 0.0
        self._patience = LOOK_EVERY
        self._available = available_memory()
        try:
            self._growth = Growth(folders)
        except OSError as error:
            raise self._blind(error) from error

    def over(self, running: Running) -> Watch:
        """Watch this, from its first process on.

        Raises:
            SandboxError: nothing of it can be seen.
        """
        self._running = running
        try:
            blind = sys.platform == "linux" and not self._gauge.look("/proc", [running.process.pid]).processes
        except OSError as error:
            raise self._blind(error) from error
        if blind and running.process.poll() is None:
            raise self._blind("/proc doesn't show it")
        return self

    def begin(self) -> None:
        """Count from now on: a new cell of a shell begins."""
        self._spent = self._used
        self._available = available_memory()
        self._growth.begin()

    def look(self) -> str:
        """Give the sentence of the bound that was hit; empty while there is none.

        Raises:
            SandboxError: something can't be looked at.
        """
        begun = time.monotonic()
        try:
            sentence = self._look()
        except OSError as error:
            raise self._blind(error) from error
        ended = time.monotonic()
        self.next = ended + max(self._patience, _SHARE * (ended - begun))
        return sentence

    def _look(self) -> str:
        running, limits = self._running, self.limits
        if running is None:
            return ""
        if limits.enough is not None and limits.enough():
            return "stopped: nobody waits for it any more"
        proc, numbers = running.seen()
        usage = self._gauge.look(proc, numbers)
        self._used = max(usage.processor, running.fence.processor() if running.fence is not None else 0.0)
        if usage.resident > self._memory // 2:
            self._patience = _SOON
        else:
            idle = usage.processor == self._seen
            self._patience = min(_IDLE, 2 * self._patience) if idle else LOOK_EVERY
        self._seen = usage.processor
        if usage.processes > limits.processes:
            return f"stopped: more than {limits.processes} processes"
        if usage.tasks > limits.processes:
            return f"stopped: more than {limits.processes} processes and threads"
        if self._used - self._spent > limits.cpu_seconds:
            return f"stopped: more than {limits.cpu_seconds} s of processor time"
        return self._look_at_memory(proc, numbers, usage.resident) or self._look_at_files(proc, numbers)

    def _look_at_memory(self, proc: str, numbers: list[int], resident: int) -> str:
        running = self._running
        if running is not None and running.fence is not None and running.fence.overrun():
            return self._too_much_memory
        if resident > self._memory and shares(proc, numbers, enough=self._memory) > self._memory:
            return self._too_much_memory
        available = available_memory()
        if available is not None and self._available is not None:
            least = max(_LEAST_SLICE, min(256 << 20, int(_LAST_MEMORY * _whole_memory())))
            if available < least and self._available - available > self._memory // 2:
                return f"stopped: this machine has less than {in_words(least)} of memory left"
        return ""

    @property
    def _too_much_memory(self) -> str:
        return f"stopped: more than {in_words(self._memory)} of memory together"

    def _look_at_files(self, proc: str, numbers: list[int]) -> str:
        limits, running = self.limits, self._running
        for folder in running.scratch if running is not None else ():
            if folder.files() > limits.new_files:
                return f"stopped: more than {limits.new_files:,} new files"
        held = [f"{proc}/{number}/fd" for number in numbers]
        added = self._growth.beyond(limits.disk_bytes, limits.new_files, held)
        if added is None:
            return ""
        if added.files > limits.new_files:
            return f"stopped: more than {limits.new_files:,} new files"
        return f"stopped: more than {in_words(limits.disk_bytes)} of new files"

    def kernels(self, status: int) -> str:
        """Give the sentence of a bound by which the kernel ended a run, of which this is the exit status; empty if by none.

        To be asked when all of it has ended.
        """
        limits, running = self.limits, self._running
        if status == 128 + 24:  # SIGXCPU
            return f"stopped: more than {limits.cpu_seconds} s of processor time"
        if status == 128 + 25:  # SIGXFSZ
            return f"stopped: a file of more than {limits.file_bytes:,} bytes"
        if running is None or not status:
            return ""
        if running.fence is not None and running.fence.overrun():
            return self._too_much_memory
        for folder in running.scratch:
            if folder.full():
                return f"stopped: more than {in_words(folder.size)} in {folder.name}"
        return ""

    @staticmethod
    def _blind(why: object) -> SandboxError:
        return SandboxError(
            f"What runs in the sandbox can't be watched, so it isn't run: {why}.", "Run `course doctor`."
        )


class Watcher(threading.Thread):
    """Looks again and again, and ends what runs when a bound is hit, or when it can't be looked at any more."""

    def __init__(self, watch: Watch, running: Running) -> None:
        """Be ready to start."""
        super().__init__(name="wheelhouse-watcher", daemon=True)
        self._watch = watch
        self._running = running
        self._enough = threading.Event()
        self.stopped = ""
        """The sentence of what was hit."""

    def run(self) -> None:
        """Look until something is hit or it is enough."""
        try:
            while not self._enough.wait(max(0.0, self._watch.next - time.monotonic())):
                self.stopped = self._watch.look()
                if self.stopped:
                    break
        except Exception as error:
            self.stopped = f"stopped: {error}"
        finally:
            if not self._enough.is_set():
                self.stopped = self.stopped or "stopped: nothing watched over its bounds any more"
                self._running.stop()

    def end(self) -> None:
        """Look no more; what runs is ended by someone else."""
        self._enough.set()
