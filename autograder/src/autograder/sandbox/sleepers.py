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


def _command(pid: int) -> list[bytes]:
    with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - of some hundred, at every start
        return file.read().split(b"\0")


def _is_bubblewrap(command: list[bytes]) -> bool:
    return len(command) > 1 and os.path.basename(command[0]) == b"bwrap"  # noqa: PTH119


def _is_sleeper(pid: int) -> bool:
    """Say whether a process is a bubblewrap of ours in a namespace of its own, whose parent is none.

    Raises:
        OSError: it is gone, or another user's.
    """
    command = _command(pid)
    if not _is_bubblewrap(command) or command[1] != b"--args":
        return False
    if os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid"):
        return False
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        parent = int(file.read().rpartition(b")")[2].split()[1])
    return not _is_bubblewrap(_command(parent))


def end_sleepers() -> int:
    """End them all, and say how many there were; another user's are let be."""
    ended = 0
    if sys.platform != "linux":
        return ended
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            handle = os.pidfd_open(int(name))
            try:
                if _is_sleeper(int(name)):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    ended += 1
            finally:
                os.close(handle)
    return ended
