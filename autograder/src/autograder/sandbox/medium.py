"""The medium tier: the basic one, closed by Landlock and a system call filter, where no namespaces may be made (a locked-down pod).

A command can read the system and write its own folders, and connect to the index: see `_readable` and `_writable` for what that is.
It runs as the user, so files stand where they really stand; the supervisor and the index stay outside, out of its reach.

What Landlock doesn't govern stays possible, and so other people's work is not for this tier:

* to see that a file exists, how large it is, and how processes were started, with their arguments;
* to change modes and times of files which the user owns, unread; where root runs the course these are the system's own;
* to connect to another machine that listens on the very number of the index's port: a rule names a port, not an address.

Traps, each met by trying (research/sandbox.md):

* A refused file says EACCES where programs expect ENOENT: what is harmless in `/etc` must be readable, or pip's `distro` ends in a traceback.
* `/dev/pts` would open the user's other terminals: only the command's own may be opened.
* Sharing the index's port (SO_REUSEPORT) would let a command pose as the index: nothing in here can listen.
"""

from __future__ import annotations

import functools
import sys
from contextlib import ExitStack
from pathlib import Path

from autograder.exceptions import SandboxError
from autograder.sandbox.basic import BasicSandbox, Confinement
from autograder.sandbox.command import Launch
from autograder.sandbox.landlock import DEVICE, READ, WRITE, Ruleset, closed_by_filter, public_parts, terminal_path
from autograder.sandbox.place import Index, Place, Tier
from autograder.sandbox.seccomp import filter_program
from autograder.sandbox.system_python import course_uv, second_of, seed, writable_parts
from autograder.sandbox.tools import basic_tools, tools
from autograder.sandbox.way import Way

__all__ = ["MediumSandbox"]

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"),
    *("/proc", "/sys/devices/system/cpu"),
)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


@functools.cache
def _public_settings() -> list[Path]:
    return public_parts(Path("/etc"))


class MediumSandbox(BasicSandbox):
    """Commands as processes that gave up what isn't theirs."""

    def __init__(self, index: Index, *, abi: int | None = None) -> None:
        """Use this index for all commands; `abi` holds it to what an older kernel's Landlock can do."""
        super().__init__(index)
        self._abi = abi

    @property
    def tier(self) -> Tier:
        """Name the tier."""
        return "medium"

    def _confinement(
        self, launch: Launch, place: Place, way: Way, scratch: Path, until_started: ExitStack
    ) -> Confinement:
        """Say what a command keeps.

        Raises:
            SandboxError: Landlock or the filter can't be had.
        """
        ruleset = until_started.enter_context(Ruleset(self._abi))
        program = filter_program(confined=True, instead=closed_by_filter(ruleset.abi))
        if program is None:
            raise SandboxError("There is no system call filter for this processor.")
        for path in self._readable(place):
            ruleset.allow(path, READ)
        for name in _DEVICES:
            ruleset.allow(Path("/dev", name), DEVICE)
        for path in _terminals(launch):
            ruleset.allow(path, DEVICE)
        second = second_of(place.system)
        parts = [*writable_parts(), *(f"second/{part}" for part in (second.parts if second else ()))]
        for path in (place.home, scratch, *(place.system / part for part in parts)):
            _must_be_there(path, ruleset.allow(path, READ | WRITE, follow=False))
        rights = READ if place.read_only_project else READ | WRITE
        _must_be_there(place.project, ruleset.allow(place.project, rights, follow=False))
        ruleset.allow_connecting(way.port)
        return Confinement(ruleset.descriptor, program)

    def _readable(self, place: Place) -> list[Path]:
        """List what is read: the system without anybody's secrets, the Python that runs the course, the sandbox's own, and its tools."""
        found = [*map(Path, _SYSTEM), *_public_settings(), Path(sys.base_prefix, "lib"), seed(), place.system]
        found += [path for path in (basic_tools(), tools(), course_uv()) if path is not None]
        if (second := second_of(place.system)) is not None:
            found.append(second.seed)
        return found


def _must_be_there(path: Path, allowed: bool) -> None:
    if not allowed:
        raise SandboxError(
            f"The folder {path} is gone, or a link stands in its place.",
            "Run `course reset` with the exercise's number.",
        )


def _terminals(launch: Launch) -> set[Path]:
    """Find the terminal that the command is started on."""
    streams = [number if stream is None else stream for number, stream in enumerate(launch.streams)]
    found = {terminal_path(stream) for stream in streams if isinstance(stream, int) and stream >= 0}
    return {path for path in found if path is not None}
