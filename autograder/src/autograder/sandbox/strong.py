"""The strong tier: bubblewrap with its own users, processes, files and network.

Of this machine a command sees `/usr` and a few harmless files of `/etc`, read-only; nothing of the course but the folders of one `Place`.
The only thing it can reach over the network is the index: the listening socket is made inside, where no other network is,
and served from out here, so there is no server inside to kill or to fake.

Traps, each met by trying (research/sandbox.md):

* bubblewrap is process 1 inside, and its environment and arguments can be read there: both are kept empty of ours.
* bubblewrap's own `/`, `/dev` and `/dev/shm` are as large as half the memory and writable, unless told otherwise.
* Limits on processes set before the namespace is entered count everything the user runs.
* Started as root, the user inside *is* root to the kernel as the owner of files: no folder with secrets may be shown,
  and without a read-only `/proc` anyone inside could set this machine's `kernel.core_pattern`, a program that root runs.
* The user namespace in which commands run is not the one that owns the network: even with the capability for it, nothing inside
  can listen on a port below 1024, so the one for TLS is made from outside (see ports.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.exceptions import SandboxError
from autograder.sandbox import configuration
from autograder.sandbox.bubblewrap import Bubblewrapped, find_bubblewrap
from autograder.sandbox.command import CommandSandbox, Launch
from autograder.sandbox.fence import Fence
from autograder.sandbox.ground import read_beneath, remove_beneath
from autograder.sandbox.mounts import HOME, mounts, namespaces
from autograder.sandbox.place import Door, Index, Place, Tier, folders_exist
from autograder.sandbox.ports import TLS_PORT, listen_inside
from autograder.sandbox.processes import (
    SLACK,
    Running,
    anonymous_file,
    limit_pairs,
    receive_listener,
    spawn,
    write_order,
)
from autograder.sandbox.seccomp import filter_program
from autograder.sandbox.system_python import (
    STRONG_PORT,
    STRONG_PYTHON_HOME,
    executable_name,
    seed,
    settle_system,
    with_second,
)
from autograder.sandbox.tools import STRONG_TOOLS
from autograder.sandbox.watch import memory_bound
from autograder.sandbox.way import Way

__all__ = ["StrongSandbox", "find_bubblewrap"]

_BUBBLEWRAPS = 3
"""How many processes bubblewrap itself is, or for a moment its parent."""
_HEEDED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP, signal.SIGTERM)
_BEGIN = r"""
read -r go || exit 125
cd -- "$1" 2>/dev/null || { printf "wheelhouse: the folder %s can't be entered\n" "$1" >&2; exit 126; }
shift
unset PWD OLDPWD
command -v -- "$1" >/dev/null 2>&1 && exec "$@" </dev/null
case $1 in */*) [ -e "$1" ] && { printf "wheelhouse: %s: Permission denied\n" "$1" >&2; exit 126; } ;; esac
printf "wheelhouse: %s: command not found\n" "$1" >&2
exit 127
"""
"""What a shell does as the first program inside, where that is enough: it starts ten times as fast as `inner.py`.

Where nobody is left to say `go`, nothing is begun.
"""


@dataclass(frozen=True)
class _Start:
    """What one bubblewrap is started with: descriptors of ours, which are closed when it has started."""

    options: list[str]
    first: list[str]
    """The first program inside."""
    descriptors: list[int]
    """Those of them that it needs."""
    stdin: Any
    release: int
    """Where to write when process 1 inside has its bounds and may start the first program."""
    go: int
    """Where to write when that may begin."""
    channel: socket.socket | None
    """Where `inner.py` says that it waits; None without it."""


class StrongSandbox(CommandSandbox):
    """Commands in bubblewrap."""

    def __init__(self, index: Index, bubblewrap: str, *, privileged_port: bool = True, pod: bool = False) -> None:
        """Use this bubblewrap, and this index for all commands.

        `privileged_port` says whether it can listen for TLS inside. In a `pod` no `/proc` can be mounted, so the pod's own is shown:
        the names of its processes can be read there, and nothing else of them.
        """
        self._index = index
        self._bubblewrap = bubblewrap
        self._privileged_port = privileged_port
        self._pod = pod

    @property
    def tier(self) -> Tier:
        """Name the tier."""
        return "strong-pod" if self._pod else "strong"

    @property
    def door(self) -> Door:
        """Say how commands get to the index."""
        return self._way().door

    def _way(self) -> Way:
        doors = self._index.doors
        if doors is None:
            return Way("loopback", STRONG_PORT)
        return Way("names" if self._privileged_port else "proxy", STRONG_PORT, doors, configuration.STRONG_BUNDLE)

    def root(self, place: Place) -> PurePosixPath:
        """Say where the project appears inside."""
        return place.root or PurePosixPath(HOME, "project")

    def python_home(self, place: Place) -> PurePosixPath:
        """Give the folder of the system Python's executables, as seen inside."""
        return STRONG_PYTHON_HOME

    def _startup_file(self, name: str, place: Place) -> str:
        return f"/run/wheelhouse/etc/{name}"

    def _environment(self, place: Place, *, terminal: bool, title: str) -> dict[str, str]:
        built = configuration.environment(
            tier=self.tier,
            home=HOME,
            python_home=STRONG_PYTHON_HOME,
            tools=STRONG_TOOLS / "bin",
            terminal=terminal,
            title=title,
        )
        return with_second(built, place.system, STRONG_PYTHON_HOME)

    def _launch(self, launch: Launch, place: Place) -> Running:
        folders_exist(place)
        seed, way = self._settle(place), self._way()
        with contextlib.ExitStack() as ours:
            start = self._prepare(launch, place, seed, way, ours)
            running = self._spawn(start, launch)
            try:
                running.meet()
                running.bound(limit_pairs(launch.limits, launch.limits.processes + SLACK))
                listeners = self._listen(running.init)
                if listeners:
                    self._serve(running, place, listeners)
                running.wait_until_made(start.release)
                if start.channel is not None:
                    self._hear_from_inside(running, place, start.channel)
                else:
                    os.write(start.go, b"go\n")
            except BaseException:
                running.stop()
                raise
        return running

    def _prepare(self, launch: Launch, place: Place, seed: Path, way: Way, ours: contextlib.ExitStack) -> _Start:
        """Make what bubblewrap is to be given.

        Raises:
            SandboxError: there is no filter for this processor.
        """
        program = filter_program()
        if program is None:
            raise SandboxError("There is no system call filter for this processor.")

        def keep(descriptor: int) -> int:
            ours.callback(os.close, descriptor)
            return descriptor

        wait, release = map(keep, os.pipe())
        seccomp = keep(anonymous_file(program))
        options = [*namespaces(pod=self._pod), "--block-fd", str(wait), "--seccomp", str(seccomp)]
        if not launch.share_session:
            options.append("--new-session")
        options += self._mounts(place, seed, way)
        environment = {**way.variables(), **launch.environment}
        cwd = str(self.root(place) / launch.cwd)
        # A shell can't heed again what it was born ignoring, as ^C is while the terminal is handed over, or under nohup.
        ignored = any(signal.getsignal(number) is signal.SIG_IGN for number in _HEEDED)
        needs_more = launch.terminal or launch.descriptors or ignored or launch.streams[0] != subprocess.DEVNULL
        if self._privileged_port and not needs_more:
            options += [part for pair in environment.items() for part in ("--setenv", *pair)]
            first = ["/bin/sh", "-c", _BEGIN, "sh", cwd, *launch.argv]
            told, go = map(keep, os.pipe())
            return _Start(options, first, [wait, seccomp], told, release, go, None)
        channel, theirs = map(ours.enter_context, socket.socketpair())
        order = keep(
            write_order(
                argv=list(launch.argv),
                environment=environment,
                cwd=cwd,
                limits={},
                counted=None,
                descriptors=dict(launch.descriptors),
                listener=(theirs.fileno(), 0 if self._privileged_port else STRONG_PORT),
                terminal=launch.terminal,
                ignore=list(launch.ignore),
                supervise=None,
            )
        )
        interpreter = f"/run/wheelhouse/bin/{executable_name()}"
        first = [interpreter, "-I", "-S", "/run/wheelhouse/inner.py", str(order)]
        descriptors = [wait, seccomp, order, theirs.fileno(), *launch.descriptors.values()]
        return _Start(options, first, descriptors, launch.streams[0], release, -1, channel)

    def _spawn(self, start: _Start, launch: Launch) -> Bubblewrapped:
        """Start bubblewrap, with its options where nobody inside can read them."""
        told, tell = os.pipe()
        options = [*start.options, "--json-status-fd", str(tell)]
        arguments = anonymous_file(b"".join(os.fsencode(option) + b"\0" for option in options))
        fence = Fence.build(launch.limits.processes + SLACK + _BUBBLEWRAPS, memory_bound(launch.limits))
        try:
            process = spawn(
                [self._bubblewrap, "--args", str(arguments), "--", *start.first],
                lasting=launch.lasting,
                fence=fence,
                env={},
                cwd="/",
                stdin=start.stdin,
                stdout=launch.streams[1],
                stderr=launch.streams[2],
                pass_fds=[arguments, tell, *start.descriptors],
                start_new_session=not launch.share_session,
            )
        except BaseException:
            os.close(told)
            if fence is not None:
                fence.remove()
            raise
        finally:
            os.close(arguments)
            os.close(tell)
        running = Bubblewrapped(process, told, pod=self._pod)
        if fence is not None:
            running.fence = fence
            running.resources.callback(fence.remove)
        return running

    def _listen(self, init: int) -> list[socket.socket]:
        """Listen inside where the addresses and the names of the index lead to; nothing where that can't be done from out here.

        Raises:
            SandboxError: it could at the trial, and can't now.
        """
        if not self._privileged_port:
            return []
        listeners = listen_inside(init, STRONG_PORT, TLS_PORT)
        if listeners is None:
            raise SandboxError("The index can't listen in the sandbox.", "Run `course doctor`.")
        return listeners

    def _serve(self, running: Running, place: Place, listeners: list[socket.socket]) -> None:
        """Let the index answer on its listeners, of which the second one is for TLS."""
        for listener in listeners:
            running.resources.enter_context(listener)
        secure = listeners[1] if self._way().door == "names" else None
        running.resources.enter_context(self._index.serve(listeners[0], place.published, secure))

    def _hear_from_inside(self, running: Running, place: Place, channel: socket.socket) -> None:
        """Wait until `inner.py` runs, serve on the listener that it may bring, and let it go on.

        Raises:
            SandboxError: it never comes.
        """
        came, listener = receive_listener(channel)
        if not came:
            raise SandboxError("Bubblewrap could not start the sandbox.", "Run `course doctor`.")
        if listener is not None:
            self._serve(running, place, [listener])
        channel.send(b"g")

    def _mounts(self, place: Place, seed: Path, way: Way) -> list[str]:
        return mounts(place, seed, way, self.root(place), pod=self._pod)

    def _settle(self, place: Place) -> Path:
        """Make sure that what is mounted and what it is mounted on are what they seem."""
        stale = read_beneath(place.home, ".pip/pip.conf")  # the basic tier's
        if stale is not None and stale.startswith(configuration.PIP_OVERRIDE_MARK.encode()):
            remove_beneath(place.home, ".pip/pip.conf")
        below = place.home / "project"
        if below.is_symlink() or (below.exists() and not below.is_dir()):
            below.unlink()
        return seed() if place.read_only_system else settle_system(place.system, STRONG_PYTHON_HOME)
