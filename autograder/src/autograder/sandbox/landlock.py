"""Landlock, by which a process gives up files and networks for itself and all that it starts, without anybody's permission.

Raw system calls through `ctypes`, since no library has them. What this kernel's Landlock can do is asked of the kernel by such a call:
`/sys/kernel/security` isn't there in WSL, and versions say nothing about a filter in between.

A `Ruleset` is made out here, where paths are looked up once and as what they are, and travels as a descriptor to the process that
restricts itself with it (inner.py).

Sources: the kernel's userspace-api/landlock.rst, linux/landlock.h; landlock_create_ruleset(2) and its neighbours.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import struct
import sys
from pathlib import Path
from typing import Self

from autograder.exceptions import SandboxError

__all__ = [
    "DEVICE",
    "READ",
    "WRITE",
    "Ruleset",
    "closed_by_filter",
    "landlock_abi",
    "lost_at",
    "public_parts",
    "terminal_path",
    "why_no_landlock",
]

_CREATE, _ADD_RULE = 444, 445  # the same on every processor
_ASK_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2

_NAMES = (
    *("execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file"),
    *("make_char", "make_dir", "make_reg", "make_sock", "make_fifo", "make_block", "make_sym"),
    *("refer", "truncate", "ioctl_dev"),
)
_FILES = {name: 1 << place for place, name in enumerate(_NAMES)}
"""Each right to files, by its name in linux/landlock.h."""
_SINCE = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI -> how many of these rights it knows."""
_OF_ONE_FILE = sum(_FILES[name] for name in ("execute", "write_file", "read_file", "truncate", "ioctl_dev"))

READ = _FILES["execute"] | _FILES["read_file"] | _FILES["read_dir"]
WRITE = sum(_FILES.values()) - _FILES["make_char"] - _FILES["make_block"] - _FILES["make_sock"] - _FILES["ioctl_dev"]
DEVICE = _FILES["read_file"] | _FILES["write_file"] | _FILES["truncate"] | _FILES["ioctl_dev"]
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2

_LOST = {
    2: "files can't be moved or linked from folder to folder: programs copy instead",
    4: "commands can reach anything that listens on TCP: this machine's own services and the internet",
    6: "commands can end this user's other programs, Jupyter among them",
}
"""ABI -> what a kernel with an older one lets happen, or doesn't; what others brought is closed by the filter or isn't needed."""


def closed_by_filter(abi: int) -> tuple[str, ...]:
    """Name the system calls which this ABI can't govern and which a filter must refuse instead."""
    return (*(("truncate",) if abi < 3 else ()), *(("kill everything",) if abi < 6 else ()))


def lost_at(abi: int) -> list[str]:
    """Say what a kernel with this ABI can't do; empty if it can do all that we ask for."""
    return [sentence for needed, sentence in _LOST.items() if abi < needed]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """Ask the kernel which ABI of Landlock it has; 0 where it has none, or a filter says so."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(_ASK_VERSION))))


def why_no_landlock() -> str:
    """Say why there is none, as a part of a sentence; empty if there is."""
    if landlock_abi():
        return ""
    if sys.platform != "linux":
        return "Landlock needs Linux"
    number = ctypes.get_errno()
    if number == errno.EOPNOTSUPP:
        return "this kernel was started without Landlock"
    return f"this kernel has no Landlock, or a filter hides it ({os.strerror(number)})"


class Ruleset:
    """What a process is to keep; all else that Landlock governs it gives up."""

    def __init__(self, abi: int | None = None) -> None:
        """Make a ruleset that lets nothing through; `abi` holds it to an older kernel's rights.

        Raises:
            SandboxError: the kernel refuses.
        """
        there = landlock_abi()
        self.abi = there if abi is None else min(abi, there)
        if self.abi < 1:
            raise SandboxError(f"The sandbox can't be made: {why_no_landlock()}.", "Run `course doctor`.")
        known = max(count for since, count in _SINCE.items() if since <= self.abi)
        self._files = (1 << known) - 1
        self._network = _BIND_TCP | _CONNECT_TCP if self.abi >= 4 else 0
        scoped = _ABSTRACT_SOCKETS | _SIGNALS if self.abi >= 6 else 0
        words = [self._files, self._network, scoped][: 1 if self.abi < 4 else 2 if self.abi < 6 else 3]
        attributes = struct.pack(f"={len(words)}Q", *words)
        made = _libc().syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
        if made < 0:
            raise _refused("ruleset")
        self.descriptor = int(made)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its descriptor."""
        os.close(self.descriptor)

    def allow(self, path: Path | str, rights: int, *, follow: bool = True) -> bool:
        """Allow these rights to a file, or to a folder and all below; False if it isn't there.

        `follow=False` is for what somebody else may have put a link in place of: then it counts as not there.

        Raises:
            SandboxError: the kernel refuses the rule.
        """
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
        except OSError:
            return False
        try:
            mode = os.fstat(opened).st_mode
            if stat.S_ISLNK(mode):
                return False
            granted = rights & self._files & (-1 if stat.S_ISDIR(mode) else _OF_ONE_FILE)
            if granted:
                self._add(_PATH_BENEATH, struct.pack("=Qi", granted, opened))
        finally:
            os.close(opened)
        return True

    def allow_connecting(self, port: int) -> None:
        """Allow TCP connections to one port, of any address; before ABI 4 all are allowed.

        Raises:
            SandboxError: the kernel refuses the rule.
        """
        if self._network:
            self._add(_NET_PORT, struct.pack("=QQ", _CONNECT_TCP, port))

    def _add(self, kind: int, rule: bytes) -> None:
        arguments = (ctypes.c_int(self.descriptor), ctypes.c_int(kind), rule, ctypes.c_uint(0))
        if _libc().syscall(_ADD_RULE, *arguments) != 0:
            raise _refused("rule")


def _refused(what: str) -> SandboxError:
    reason = os.strerror(ctypes.get_errno())
    return SandboxError(f"The kernel refuses a {what} of Landlock: {reason}.", "Run `course doctor`.")


def public_parts(folder: Path) -> list[Path]:
    """List what in a folder everybody may read, in as few paths as possible: a folder stands for all below it if nothing below is private.

    For root, from whom the kernel hides nothing, and for what a group may read and strangers shouldn't.
    """
    return list(_public(folder)[0])


def _public(path: Path) -> tuple[list[Path], bool]:
    """Give the public parts, and whether that is all there is."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return [], True  # what it leads to is allowed, or isn't, by its own path
        if not stat.S_ISDIR(status.st_mode):
            return ([path], True) if status.st_mode & stat.S_IROTH else ([], False)
        if status.st_mode & 0o005 != 0o005:
            return [], False
        found = [_public(below) for below in sorted(path.iterdir())]
    except OSError:
        return [], False
    if all(whole for _, whole in found):
        return [path], True
    return [part for parts, _ in found for part in parts], False


def terminal_path(descriptor: int) -> Path | None:
    """Give the path of a terminal; None for anything else."""
    with contextlib.suppress(OSError):
        return Path(os.ttyname(descriptor))
    return None
