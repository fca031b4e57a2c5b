"""Remove what a course left that was killed while it started a sandbox.

Bubblewrap dies with its parent, and what it started dies with it, but for one moment: its child waits, before it has tied its own life to
its parent's, for a word by an eventfd, which tells nobody that the other end is gone. Killed then, it leaves that child asleep for ever.
It holds nothing but itself, and runs nothing: the command was never begun. The next course removes it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

__all__ = ["end_sleepers"]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - some hundred, at every start
        return file.read()


def _command(pid: int) -> list[bytes]:
    return _read(f"/proc/{pid}/cmdline").split(b"\0")


def _is_bubblewrap(command: list[bytes]) -> bool:
    return len(command) > 1 and os.path.basename(command[0]) == b"bwrap"  # noqa: PTH119


def _is_sleeper(pid: int) -> bool:
    """Say whether a process is a bubblewrap of ours, the first and only one in a namespace below ours, whose parent is none.

    In a container that shares this machine there are bubblewraps too, which are none of ours though root may see and end them: those
    that watch over a sandbox are not the first of a namespace, or have children; those in a sandbox are two namespaces below.

    Raises:
        OSError: it is gone, or another user's.
    """
    command = _command(pid)
    if not _is_bubblewrap(command) or command[1] != b"--args":
        return False
    status = dict(line.split(b":", 1) for line in _read(f"/proc/{pid}/status").splitlines())
    numbers = status[b"NSpid"].split()  # what it is called here, and in each namespace below
    if len(numbers) != 2 or numbers[1] != b"1" or int(status[b"Uid"].split()[0]) != os.getuid():
        return False
    if _read(f"/proc/{pid}/task/{pid}/children").split():
        return False
    return not _is_bubblewrap(_command(int(status[b"PPid"])))


def end_sleepers() -> int:
    """End them all, and say how many there were; another user's are let be."""
    ended = 0
    if sys.platform != "linux":
        return ended
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, LookupError):
            handle = os.pidfd_open(int(name))
            try:
                if _is_sleeper(int(name)):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    ended += 1
            finally:
                os.close(handle)
    return ended
