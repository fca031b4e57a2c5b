"""bubblewrap itself: where it is, what it tells of the sandbox it makes, and how that sandbox ends.

It waits for our word when all is mounted, before it begins the command (`--block-fd`); who is process 1 inside it tells when hardly
anything is mounted yet (`--json-status-fd`). In between, and at the same time, the bounds are set and the index begins to listen.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import time

from autograder.exceptions import SandboxError
from autograder.sandbox.gauge import children, descendants
from autograder.sandbox.growth import Scratch
from autograder.sandbox.mounts import SCRATCH
from autograder.sandbox.processes import Running

__all__ = ["Bubblewrapped", "find_bubblewrap"]

_NAMESPACES = ("ipc", "mnt", "net", "pid", "user", "uts")
_PATIENCE = 20.0  # seconds, on a machine under load
_A_MOMENT = 0.0003


def find_bubblewrap() -> str | None:
    """Find bubblewrap; the system's own first, since AppArmor lets only that one make namespaces on Ubuntu."""
    return shutil.which("bwrap", path="/usr/bin:/bin") or shutil.which("bwrap")


def _sleeps(process: int) -> bool:
    with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123  many times
        return file.read().rpartition(b")")[2].split()[0] == b"S"


class Bubblewrapped(Running):
    """A bubblewrap, and process 1 of the namespace behind it: when that is killed, the kernel kills all in it."""

    def __init__(self, process: subprocess.Popen[bytes], told: int, *, pod: bool) -> None:
        """Take charge of a bubblewrap; `told` is the pipe of its `--json-status-fd`, which is closed with the rest.

        In a `pod` those inside have no `/proc` of their own.
        """
        super().__init__(process)
        self._told = told
        self._pod = pod
        self._words = b""
        self.init = 0
        """Process 1 inside, by its number out here."""
        self._init_handle: int | None = None
        self.resources.callback(os.close, told)

    def meet(self) -> None:
        """Wait until it is known who is process 1 inside, and see that it has left this machine's namespaces.

        Raises:
            SandboxError: it was not bubblewrap that was started, or it can make no namespaces.
        """
        end = time.monotonic() + _PATIENCE
        while b"}" not in self._words and select.select([self._told], [], [], max(0.0, end - time.monotonic()))[0]:
            if not (more := os.read(self._told, 4096)):
                break
            self._words += more
        try:
            self.init = int(json.loads(self._words.partition(b"}")[0] + b"}")["child-pid"])
            self._init_handle = os.pidfd_open(self.init)
            self.resources.callback(os.close, self._init_handle)
            for name in _NAMESPACES:
                if os.stat(f"/proc/{self.init}/ns/{name}").st_ino == os.stat(f"/proc/self/ns/{name}").st_ino:  # noqa: PTH116
                    raise ValueError(name)
        except (OSError, ValueError, KeyError, TypeError) as error:
            gone = isinstance(error, OSError)  # what it was told to do failed, and it ended before it was looked at
            if gone or not self._words or self.process.poll() is not None:
                raise SandboxError("Bubblewrap could not start the sandbox.", "Run `course doctor`.") from error
            raise SandboxError(
                "The program that stands for bubblewrap made no namespace of its own.", "Run `course doctor`."
            ) from error

    def bound(self, pairs: dict[str, tuple[int, int]]) -> None:
        """Set the limits of process 1, which all that it starts inherits.

        Raises:
            SandboxError: one can't be set.
        """
        for name, (soft, hard) in pairs.items():
            number = getattr(resource, name)
            try:
                _, most = resource.prlimit(self.init, number)
                if most != resource.RLIM_INFINITY:
                    soft, hard = min(soft, most), min(hard, most)
                resource.prlimit(self.init, number, (soft, hard))
            except (OSError, ValueError) as error:
                raise SandboxError(
                    f"What runs in the sandbox can't be bounded, so it isn't run: {name}: {error}.",
                    "Run `course doctor`.",
                ) from error

    def wait_until_made(self, release: int) -> None:
        """Let process 1 start the first program inside, and wait until it has, and waits for its end.

        Only then it dies with bubblewrap, and that with us: before, our death would leave it, and what it starts, behind.

        Raises:
            SandboxError: the sandbox could not be made.
        """
        end, handle = time.monotonic() + _PATIENCE, self._init_handle or 0
        try:
            os.write(release, b"g")
            while not (children(self.init) and _sleeps(self.init)):
                if select.select([handle], [], [], _A_MOMENT)[0] or time.monotonic() > end:
                    raise SandboxError("Bubblewrap could not start the sandbox.", "Run `course doctor`.")
        except OSError as error:
            raise SandboxError(
                f"The sandbox can't be watched, so nothing is run in it: {error}.", "Run `course doctor`."
            ) from error
        self._open_scratch()

    def _was_begun(self) -> bool:
        """Say whether bubblewrap ever began the command, or failed before: only then it tells how that ended."""
        os.set_blocking(self._told, False)
        with contextlib.suppress(OSError):
            while more := os.read(self._told, 4096):
                self._words += more
        return b'"exit-code"' in self._words

    def seen(self) -> tuple[str, list[int]]:
        """Give the `/proc` in which the processes inside can be seen, and the numbers that they have there: none before they begin.

        Raises:
            OSError: they can't be seen, and have not ended.
        """
        if self._init_handle is None:
            return "/proc", []
        inside = descendants(self.init) if self._pod else children(self.init)
        if self._pod or not inside:
            return "/proc", inside
        proc = f"/proc/{self.init}/root/proc"
        try:
            numbers = [int(name) for name in os.listdir(proc) if name.isdigit() and name != "1"]
        except OSError:
            # process 1 gives up its files first, then waits until all that it holds is dead, and only then has ended itself
            if select.select([self._init_handle], [], [], _PATIENCE)[0]:
                return "/proc", []
            raise
        return proc, numbers

    def _open_scratch(self) -> None:
        """Open the folders in memory, once they are there: before, this machine's own would be met under the same names."""
        for folder, size in SCRATCH.items():
            with contextlib.suppress(OSError):
                scratch = Scratch(f"/proc/{self.init}/root{folder}", folder)
                if scratch.size == size:
                    self.scratch.append(scratch)
                else:
                    scratch.close()

    def _kill(self) -> None:
        if self._init_handle is None:
            self.process.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._init_handle, signal.SIGKILL)
        select.select([self._init_handle], [], [], _PATIENCE)
