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
import json
import os
import select
import shutil
import signal
import socket
import subprocess
from pathlib import Path, PurePosixPath

from autograder.exceptions import SandboxError
from autograder.sandbox import configuration
from autograder.sandbox.command import CommandSandbox, Launch
from autograder.sandbox.fence import Fence
from autograder.sandbox.gauge import descendants
from autograder.sandbox.ground import read_beneath, remove_beneath
from autograder.sandbox.growth import Scratch
from autograder.sandbox.place import Door, Index, Limits, Place, Tier, folders_exist
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
from autograder.sandbox.pythons import STRONG_SECOND
from autograder.sandbox.seccomp import filter_program
from autograder.sandbox.system_python import (
    STRONG_PORT,
    STRONG_PYTHON_HOME,
    course_uv,
    executable_name,
    library_name,
    second_of,
    settle_system,
    with_second,
    writable_parts,
)
from autograder.sandbox.tools import STRONG_TOOLS, tools
from autograder.sandbox.watch import memory_bound
from autograder.sandbox.way import Way

__all__ = ["StrongSandbox", "find_bubblewrap"]

HOME = "/home/learner"
_TMP_BYTES = 512 << 20
_SHARED_MEMORY_BYTES = 16 << 20
_FROM_ETC = (
    "alternatives",
    "bash_completion.d",
    "debian_version",
    "inputrc",
    "ld.so.cache",
    "localtime",
    "nanorc",
    "os-release",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "vim",
)


def find_bubblewrap() -> str | None:
    """Find bubblewrap; the system's own first, since AppArmor lets only that one make namespaces on Ubuntu."""
    return shutil.which("bwrap", path="/usr/bin:/bin") or shutil.which("bwrap")


def _process_1(told: int) -> int:
    """Read from bubblewrap's `--info-fd`, which it wrote before anything ran inside, who is process 1 there.

    Raises:
        SandboxError: it was not bubblewrap that started what runs.
    """
    os.set_blocking(told, False)
    try:
        return int(json.loads(os.read(told, 4096))["child-pid"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SandboxError(
            "The program that stands for bubblewrap made no namespace of its own.", "Run `course doctor`."
        ) from error


class _StrongRunning(Running):
    """A bubblewrap, and process 1 of the namespace behind it: when that is killed, the kernel kills all in it."""

    def __init__(self, process: subprocess.Popen[bytes], *, pod: bool) -> None:
        super().__init__(process)
        self._pod = pod
        self.init: int | None = None
        self.init_handle: int | None = None

    def take_init(self, pid: int) -> None:
        self.init = pid
        self.init_handle = os.pidfd_open(pid)
        self.resources.callback(os.close, self.init_handle)

    def seen(self) -> tuple[str, list[int]]:
        if self.init is None or self.init_handle is None:
            return "/proc", []
        if self._pod:
            return "/proc", descendants(self.init)
        proc = f"/proc/{self.init}/root/proc"
        try:
            return proc, [int(name) for name in os.listdir(proc) if name.isdigit() and name != "1"]
        except OSError:
            if select.select([self.init_handle], [], [], 0)[0]:  # it has ended
                return proc, []
            raise

    def _kill(self) -> None:
        if self.init_handle is None:
            self.process.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.init_handle, signal.SIGKILL)
        select.select([self.init_handle], [], [], 20)


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
        program = filter_program()
        if program is None:
            raise SandboxError("There is no system call filter for this processor.")
        seed, way = self._settle(place), self._way()
        ours, theirs = socket.socketpair()
        told, tell = os.pipe()
        order = write_order(
            argv=list(launch.argv),
            environment={**way.variables(), **launch.environment},
            cwd=str(self.root(place) / launch.cwd),
            limits=limit_pairs(launch.limits, launch.limits.processes + SLACK),
            descriptors=dict(launch.descriptors),
            listener=(theirs.fileno(), STRONG_PORT),
            terminal=launch.terminal,
            ignore=list(launch.ignore),
            supervise=None,
        )
        seccomp = anonymous_file(program)
        options = [*self._namespaces(), "--info-fd", str(tell), "--seccomp", str(seccomp)]
        if not launch.share_session:
            options.append("--new-session")
        options += self._mounts(place, seed, way)
        arguments = anonymous_file(b"".join(os.fsencode(option) + b"\0" for option in options))
        passed = [order, seccomp, arguments, tell, theirs.fileno(), *launch.descriptors.values()]
        interpreter = f"/run/wheelhouse/bin/{executable_name()}"
        command = [self._bubblewrap, "--args", str(arguments), "--", interpreter]
        command += ["-I", "-S", "/run/wheelhouse/inner.py", str(order)]
        try:
            process = spawn(
                command,
                lasting=launch.lasting,
                env={},
                cwd="/",
                stdin=launch.streams[0],
                stdout=launch.streams[1],
                stderr=launch.streams[2],
                pass_fds=passed,
                start_new_session=not launch.share_session,
            )
        except BaseException:
            ours.close()
            os.close(told)
            raise
        finally:
            theirs.close()
            for descriptor in (order, seccomp, arguments, tell):
                os.close(descriptor)
        running = _StrongRunning(process, pod=self._pod)
        try:
            with ours:
                listener = receive_listener(ours)
                if listener is None:
                    raise SandboxError("Bubblewrap could not start the sandbox.", "Run `course doctor`.")
                running.resources.enter_context(listener)
                running.take_init(init := _process_1(told))
                secure = self._listen_for_tls(init) if way.door == "names" else None
                if secure is not None:
                    running.resources.enter_context(secure)
                running.resources.enter_context(self._index.serve(listener, place.published, secure))
                self._fence_in(running, launch.limits)
                for folder in ("/tmp", "/dev/shm"):  # noqa: S108
                    running.scratch.append(Scratch(f"/proc/{init}/root{folder}", folder))
                ours.send(b"g")
        except BaseException:
            running.stop()
            raise
        finally:
            os.close(told)
        return running

    def _listen_for_tls(self, init: int) -> socket.socket | None:
        """Listen inside where the names lead to.

        Raises:
            SandboxError: it could at the trial, and can't now.
        """
        listener = listen_inside(init, TLS_PORT)
        if listener is None:
            raise SandboxError(
                "The index can't listen in the sandbox for those who call it by its name.", "Run `course doctor`."
            )
        return listener

    @staticmethod
    def _fence_in(running: _StrongRunning, limits: Limits) -> None:
        """Bound root's processes while the first of them still waits for our word."""
        fence = Fence.build(limits.processes + SLACK, memory_bound(limits))
        if fence is None or running.init is None:
            return
        running.fence = fence
        running.resources.callback(fence.remove)
        init = str(running.init)
        waiting = Path("/proc", init, "task", init, "children").read_text("ascii").split()
        fence.take(*map(int, waiting))

    def _settle(self, place: Place) -> Path:
        """Make sure that what is mounted and what it is mounted on are what they seem."""
        stale = read_beneath(place.home, ".pip/pip.conf")  # the basic tier's
        if stale is not None and stale.startswith(configuration.PIP_OVERRIDE_MARK.encode()):
            remove_beneath(place.home, ".pip/pip.conf")
        below = place.home / "project"
        if below.is_symlink() or (below.exists() and not below.is_dir()):
            below.unlink()
        return settle_system(place.system, STRONG_PYTHON_HOME)

    def _namespaces(self) -> list[str]:
        # A pod's /proc/sys is read-only; there only the filter forbids commands to make namespaces of their own.
        sealed = () if self._pod else ("--disable-userns", "--assert-userns-disabled")
        return [
            *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
            *("--unshare-cgroup-try", *sealed),
            *("--die-with-parent", "--uid", "1000", "--gid", "1000", "--hostname", "wheelhouse"),
        ]

    def _mounts(self, place: Place, seed: Path, way: Way) -> list[str]:
        def read(source: object, target: str) -> list[str]:
            return ["--ro-bind", str(source), target]

        def write(source: object, target: str) -> list[str]:
            return ["--bind", str(source), target]

        options = read("/usr", "/usr")
        for top in ("/etc", "/home", "/run", "/var"):
            options += ["--perms", "0755", "--dir", top]
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            folder = Path("/", name)
            if folder.is_symlink():
                options += ["--symlink", os.readlink(folder), str(folder)]
            elif folder.is_dir():
                options += read(folder, str(folder))
        options += [
            *read(seed, "/run/wheelhouse"),
            *("--tmpfs", "/usr/local"),
            *read(seed / "lib", "/usr/local/lib"),
            *read(seed / "include", "/usr/local/include"),
        ]
        library = library_name()
        if (marker := place.system / "lib" / library / "EXTERNALLY-MANAGED").is_file():
            options += read(seed / "managed" / library, f"/usr/local/lib/{library}")
            options += read(marker, f"/usr/local/lib/{library}/EXTERNALLY-MANAGED")
        for part in writable_parts():
            options += write(place.system / part, f"/usr/local/{part}")
        options += [
            *read(seed / "bin" / executable_name(), f"/usr/local/bin/{executable_name()}"),
        ]
        if (uv := course_uv()) is not None:
            options += read(uv, "/usr/local/bin/uv")
        if (second := second_of(place.system)) is not None:
            options += ["--perms", "0755", "--dir", str(STRONG_SECOND.parent), "--tmpfs", str(STRONG_SECOND)]
            for part in ("lib", "include"):
                options += read(second.seed / part, str(STRONG_SECOND / part))
            for part in second.parts:
                options += write(place.system / "second" / part, str(STRONG_SECOND / part))
            name = f"bin/{second.base.name}"
            options += [*read(second.seed / name, str(STRONG_SECOND / name)), "--remount-ro", str(STRONG_SECOND)]
        if (there := tools()) is not None:
            options += ["--perms", "0755", "--dir", str(STRONG_TOOLS.parent), *read(there, str(STRONG_TOOLS))]
        for name in _FROM_ETC:
            options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        settings = seed / "etc" / "named" if way.doors else seed / "etc"
        for name in (*configuration.NETWORK_FILES, "gitconfig"):
            options += read(seed / "etc" / name, f"/etc/{name}")
        for name in ("pip.conf", "uv"):
            options += read(settings / name, f"/etc/{name}")
        if way.doors:
            options += read(way.doors.authority, "/etc/ssl/certs")
        if way.doors and way.door == "names":
            options += read(way.doors.hosts_file, "/etc/hosts")
        options += [
            *(read("/proc", "/proc") if self._pod else ("--proc", "/proc")),
            *("--dev", "/dev"),
            *("--size", str(_SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm"),  # noqa: S108
            *("--size", str(_TMP_BYTES), "--perms", "1777", "--tmpfs", "/tmp"),  # noqa: S108
            *("--symlink", "../tmp", "/var/tmp"),  # noqa: S108
            *write(place.home, HOME),
        ]
        bind = "--ro-bind" if place.read_only_project else "--bind"
        options += [bind, str(place.project), str(self.root(place))]
        for top in ("/proc", "/usr/local", "/dev", "/"):
            options += ["--remount-ro", top]
        return options
