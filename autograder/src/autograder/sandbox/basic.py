"""The basic tier: a clean environment, a HOME and a system Python of its own, and bounds, where there are no namespaces.

It guards against accidents: commands run as the user. Open by design, since nothing here stands between them and the user:

* all files of the user can be read, changed and removed;
* all processes of the user can be ended and looked into: `kill -9 -1` ends the course, Jupyter and all else with it;
* the network, and whatever listens on this machine, can be reached; another program can listen on the index's own port;
* nobody keeps a command from undoing what is told by variables: the proxy, the addresses, whom to trust.

On Linux every process is found and killed after a run, and the bounds are those of the other tiers; elsewhere only processes that stayed
in the command's process group are found, and there is no bound on memory.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autograder.exceptions import SandboxError
from autograder.sandbox import configuration
from autograder.sandbox.command import CommandSandbox, Launch
from autograder.sandbox.fence import Fence
from autograder.sandbox.gauge import children
from autograder.sandbox.ground import read_beneath, replace_beneath
from autograder.sandbox.place import Door, Index, Place, Tier, folders_exist
from autograder.sandbox.processes import SLACK, Running, limit_pairs, spawn, write_order
from autograder.sandbox.survivors import began, end_survivors, started_in
from autograder.sandbox.system_python import executable_name, seed, settle_system, with_second
from autograder.sandbox.tools import basic_tools
from autograder.sandbox.watch import memory_bound
from autograder.sandbox.way import Way

__all__ = ["BasicSandbox", "Confinement", "find_bash"]

_FIRST_PORT, _PORTS, _TRIES = 20_000, 12_000, 50
"""Below the ports that systems hand out by themselves (man 7 ip, ip_local_port_range)."""
_number = itertools.count()


def find_bash() -> str | None:
    """Find bash."""
    return shutil.which("bash", path="/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin")


class _BasicRunning(Running):
    """A supervisor (see inner.py) which kills all its descendants when its pipe is closed, even by our own death."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int, scratch: Path) -> None:
        super().__init__(process)
        self._lifeline = lifeline
        self._scratch = scratch
        self._below: dict[int, str] = {}
        """The processes right below the supervisor at the last look, with the times at which they began."""

    def seen(self) -> tuple[str, list[int]]:
        if sys.platform == "linux":
            self._below = {pid: began(pid) for pid in children(self.process.pid)} or self._below
        return super().seen()

    def begin(self) -> None:
        """Let the command begin."""
        os.write(self._lifeline, b"g")

    def _kill(self) -> None:
        os.close(self._lifeline)

    def _reap(self) -> None:
        super()._reap()
        if self.process.returncode == -signal.SIGKILL:  # not by us: by a command
            end_survivors(self._below, self._left)

    def _left(self) -> dict[int, str]:
        """Find what is left of the run: by its folder, and by its control groups where it has any."""
        inside = self.fence.members() if self.fence is not None else []
        return {**{pid: began(pid) for pid in inside}, **started_in(self._scratch)}


@dataclass(frozen=True)
class Confinement:
    """What a command gives up before it begins."""

    ruleset: int
    """A descriptor of a Landlock ruleset."""
    program: bytes
    """A system call filter."""


class BasicSandbox(CommandSandbox):
    """Commands as plain processes."""

    def __init__(self, index: Index) -> None:
        """Use this index for all commands."""
        self._index = index

    @property
    def tier(self) -> Tier:
        """Name the tier."""
        return "basic"

    @property
    def door(self) -> Door:
        """Say how commands get to the index."""
        return "loopback" if self._index.doors is None else "proxy"

    def root(self, place: Place) -> PurePosixPath:
        """Say where the project appears: where it is."""
        return PurePosixPath(place.project)

    def python_home(self, place: Place) -> PurePosixPath:
        """Give the folder of the system Python's executables."""
        return PurePosixPath(place.system, "bin")

    def _startup_file(self, name: str, place: Place) -> str:
        return str(seed() / "etc" / name)

    def _environment(self, place: Place, *, terminal: bool, title: str) -> dict[str, str]:
        ours = basic_tools()
        built = configuration.environment(
            tier=self.tier,
            home=str(place.home),
            python_home=self.python_home(place),
            tools=PurePosixPath(ours, "bin") if ours else None,
            terminal=terminal,
            title=title,
        )
        settings = place.system / "etc"
        # uv and git have no file that the learner's own beats and the machine's doesn't, so these two say where it is.
        built |= {
            "GIT_CONFIG_SYSTEM": str(seed() / "etc" / "gitconfig"),
            "XDG_CONFIG_DIRS": str(settings),
        }
        return with_second(built, place.system, self.python_home(place))

    def _launch(self, launch: Launch, place: Place) -> Running:
        folders_exist(place)
        source = self._settle(place)
        listener = _listen(place.system)
        doors, bundle = self._index.doors, place.system / "etc" / "ca-certificates.crt"
        way = Way("proxy" if doors else "loopback", listener.getsockname()[1], doors, str(bundle) if doors else "")
        _write_settings(place, way)
        with contextlib.ExitStack() as until_started, contextlib.ExitStack() as until_ended:
            until_ended.enter_context(listener)
            scratch = _scratch(place.system, until_ended)
            confinement = self._confinement(launch, place, way, scratch, until_started)
            running = self._start(launch, place, way, source, scratch, confinement)
            running.resources.push(until_ended.pop_all())
        try:
            running.resources.enter_context(self._index.serve(listener, place.published))
            fence = Fence.build(launch.limits.processes + SLACK + 1, memory_bound(launch.limits))
            if fence is not None:
                running.fence = fence
                running.resources.callback(fence.remove)
                fence.take(running.process.pid)
            running.begin()
        except BaseException:
            running.stop()
            raise
        return running

    def _settle(self, place: Place) -> Path:
        """Make the system Python ready, and give its seed.

        Raises:
            SandboxError: it is another's, or can't be made ready.
        """
        if place.read_only_system:
            raise SandboxError(f"The {self.tier} sandbox can't keep a system Python from being changed.")
        return settle_system(place.system, self.python_home(place))

    def _confinement(
        self, launch: Launch, place: Place, way: Way, scratch: Path, until_started: ExitStack
    ) -> Confinement | None:
        """Give what the command is to give up, and say what is to be undone when it has started: nothing here."""
        return None

    @staticmethod
    def _start(
        launch: Launch, place: Place, way: Way, source: Path, scratch: Path, confinement: Confinement | None
    ) -> _BasicRunning:
        """Start the supervisor, which waits for `begin`."""
        watched, lifeline = os.pipe()
        closed = [confinement.ruleset] if confinement else []
        counted = SLACK + _processes_of_user()
        order = write_order(
            argv=list(launch.argv),
            environment={**way.variables(), **launch.environment, "TMPDIR": str(scratch)},
            cwd=str(place.project / launch.cwd),
            limits=limit_pairs(launch.limits, launch.limits.processes + counted),
            counted=counted,
            descriptors=dict(launch.descriptors),
            listener=None,
            terminal=launch.terminal,
            ignore=list(launch.ignore),
            supervise=watched,
            own_session=not launch.share_session and not launch.terminal,
            confine=(confinement.ruleset, confinement.program) if confinement else None,
        )
        interpreter = source / "bin" / executable_name()
        try:
            process = spawn(
                [str(interpreter), "-I", "-S", str(source / "inner.py"), str(order)],
                lasting=launch.lasting,
                env={},
                stdin=launch.streams[0],
                stdout=launch.streams[1],
                stderr=launch.streams[2],
                pass_fds=[order, watched, *closed, *launch.descriptors.values()],
                start_new_session=not launch.share_session,
            )
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(order)
            os.close(watched)
        return _BasicRunning(process, lifeline, scratch)


def _scratch(system: Path, until_ended: ExitStack) -> Path:
    """Make a folder for temporary files, one for each run and out of reach of other users; sweep those of courses that were killed."""
    above = system / "tmp"
    above.mkdir(exist_ok=True)
    for old in above.iterdir():
        owner = old.name.partition("-")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not _is_alive(int(owner)):
            _remove(old)
    folder = above / f"{os.getpid()}-{next(_number)}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    until_ended.callback(_remove, folder)
    return folder


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _remove(folder: Path) -> None:
    """Remove a folder however deep, and whatever was shut in it."""
    with contextlib.suppress(OSError):  # nearly always it is empty
        folder.rmdir()
        return
    if subprocess.run(["rm", "-rf", str(folder)], capture_output=True, check=False).returncode != 0:
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", str(folder)], capture_output=True, check=False)


def _processes_of_user() -> int:
    """Count what the user runs already, as far as it can be seen: outside a namespace the limit is on all of it."""
    user, found = os.getuid(), 0
    if sys.platform != "linux":
        return 1000
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                threads = os.stat(f"/proc/{name}/task")  # noqa: PTH116  hundreds, before each run
            except OSError:
                continue
            if threads.st_uid == user:
                found += threads.st_nlink - 2  # a folder for each
    return found


def _listen(system: Path) -> socket.socket:
    """Listen on the port which belongs to this place.

    The same for all processes that work in the place (a notebook, a terminal): they share it and serve the same,
    so one settings file is right for all of them, and an address written into a lock file stays right.

    Raises:
        SandboxError: none of the ports is free.
    """
    number = int.from_bytes(hashlib.sha256(os.fsencode(system)).digest()[:4], "big")
    for attempt in range(_TRIES):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", _FIRST_PORT + (number + attempt) % _PORTS))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise SandboxError(
                    f"The index can't listen on this machine: {error.strerror}.", "Run `course doctor`."
                ) from error
        else:
            return listener
    raise SandboxError("The index finds no free port on this machine.", "End programs you don't need.")


def _write_settings(place: Place, way: Way) -> None:
    """Write pip's and uv's settings, and whom to trust; replaced as a whole, since another process may be reading them.

    What to trust is a copy: the cache may be emptied while a terminal is open.
    """
    index = "" if way.doors else way.simple("pypi")
    _replace(place.home, ".pip/pip.conf", configuration.pip_override(index=index, bundle=way.bundle))
    _replace(place.system, "etc/uv/uv.toml", configuration.uv_configuration(index=index))
    if way.doors:
        try:
            trusted = way.doors.bundle.read_text("ascii")
        except OSError as error:
            raise SandboxError(f"The index's certificate is gone: {error}.", "Try again.") from error
        _replace(place.system, "etc/ca-certificates.crt", trusted)


def _replace(top: Path, path: str, text: str) -> None:
    """Write a file beneath a folder whose content is the learner's, unless it is there already."""
    try:
        if read_beneath(top, path) != text.encode():
            replace_beneath(top, path, text.encode())
    except OSError as error:
        raise SandboxError(
            f"The settings file {top / path} can't be written: {error}.", "See who owns the folder."
        ) from error
