"""Start a sandbox's first process, read what it says, watch its bounds, and leave nothing of it alive."""

from __future__ import annotations

import contextlib
import marshal
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from autograder.exceptions import SandboxError
from autograder.sandbox.fence import Fence
from autograder.sandbox.gauge import descendants
from autograder.sandbox.growth import Scratch
from autograder.sandbox.place import Completed, Limits
from autograder.sandbox.watch import LOOK_EVERY, Watch

__all__ = [
    "KILLED",
    "SLACK",
    "Running",
    "anonymous_file",
    "collect",
    "limit_pairs",
    "receive_listener",
    "spawn",
    "wait_for_end",
    "write_order",
]

KILLED = 128 + signal.SIGKILL
SLACK = 8
"""How many processes more than allowed the kernel lets through, so that too many are seen, and named, before it refuses."""
_PATIENCE = 20.0  # seconds for the kernel to end what was killed, on a machine under load


def anonymous_file(content: bytes) -> int:
    """Give a descriptor of a file that has no name, holds `content` and stands at its start."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("wheelhouse")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def limit_pairs(limits: Limits, processes: int) -> dict[str, tuple[int, int]]:
    """Give the soft and the hard limit of each resource.

    Of processor time all processes together have so much: `watch.py` sees to it, and the kernel, a second later, to each.
    There is room between the two limits, so that the end is a SIGXCPU, which names itself, and not a SIGKILL.
    """
    return {
        "RLIMIT_AS": (limits.memory_bytes, limits.memory_bytes),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_CPU": (limits.cpu_seconds + 1, limits.cpu_seconds + 5),
        "RLIMIT_FSIZE": (limits.file_bytes, limits.file_bytes),
        "RLIMIT_NOFILE": (limits.open_files, limits.open_files),
        "RLIMIT_NPROC": (processes, processes),
    }


def write_order(**order: Any) -> int:
    """Write down what `inner.py` is to do, and give the descriptor of it."""
    return anonymous_file(marshal.dumps(order))


class _Spawner:
    """A thread that starts processes and never ends before the interpreter does.

    `--die-with-parent` is about the *thread* that started bubblewrap (man 2 prctl, PR_SET_PDEATHSIG):
    a shell started by a thread that ends is killed with it.
    """

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        self._of = os.getpid()
        threading.Thread(target=self._work, name="wheelhouse-spawner", daemon=True).start()

    def _work(self) -> None:
        while True:
            make, answer = self._wanted.get()
            try:
                answer.put((make(), None))
            except BaseException as error:
                answer.put((None, error))

    def usable(self) -> bool:
        """Say whether the thread is of this process: a fork takes none along."""
        return self._of == os.getpid()

    def call(self, make: Callable[[], Any]) -> Any:
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._wanted.put((make, answer))
        result, error = answer.get()
        if error is not None:
            raise error
        return result


_spawner: _Spawner | None = None
_spawner_lock = threading.Lock()


def spawn(argv: list[str], *, lasting: bool, fence: Fence | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Start a process, inside a fence; a `lasting` one may outlive the calling thread.

    Raises:
        SandboxError: it can't be started.
    """

    def make() -> subprocess.Popen[bytes]:
        if fence is None:
            return subprocess.Popen(argv, **options)
        with fence.around() as inside:
            process = subprocess.Popen(argv, **options)
        if not inside:
            fence.take(process.pid)
        return process

    global _spawner
    try:
        if not lasting:
            return make()
        with _spawner_lock:
            if _spawner is None or not _spawner.usable():
                _spawner = _Spawner()
            spawner = _spawner
        started: subprocess.Popen[bytes] = spawner.call(make)
        return started
    except OSError as error:
        raise SandboxError(
            f"The sandbox can't start {argv[0]}: {error.strerror or error}.",
            "Run `course doctor`.",
        ) from error


class Running(ABC):
    """One sandbox that runs: the process in front of it, and all behind."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take charge of a process."""
        self.process = process
        self.resources = contextlib.ExitStack()
        """What is to be given back when all has ended."""
        self.fence: Fence | None = None
        """The bounds which the kernel holds, where it does."""
        self.scratch: list[Scratch] = []
        """The file systems in memory which it may fill."""
        self.watch: Watch | None = None
        """Who looks after its bounds."""
        self.stopped = ""
        """When it has ended: the bound by which the kernel ended it, as a sentence; empty if by none."""
        self.begun = False
        """When it has ended: whether the command was ever begun."""
        self.settle: Callable[[], object] = lambda: None
        """Waits until what a shell has told of its last command is heard."""
        self._stopped = False
        self._stopping = threading.Lock()

    def seen(self) -> tuple[str, list[int]]:
        """Give the `/proc` in which the processes inside can be seen, and the numbers that they have there.

        Raises:
            OSError: they can't be seen, and have not ended.
        """
        return "/proc", descendants(self.process.pid)

    def watched(self) -> Watch:
        """Give who looks after its bounds.

        Raises:
            SandboxError: nobody does.
        """
        if self.watch is None:
            raise SandboxError("Nothing watches over the sandbox's bounds, so nothing is run in it.", "Tell us.")
        return self.watch

    def _was_begun(self) -> bool:
        return True

    def count(self) -> int:
        """Count the processes inside; 0 where that can't be seen."""
        return len(self.seen()[1])

    @abstractmethod
    def _kill(self) -> None:
        """Kill all there is; return when it is dead."""

    def stop(self) -> int:
        """End everything, whether it runs still or not, and give the exit status of the first process."""
        with self._stopping:
            if not self._stopped:
                try:
                    self._kill()
                    self._reap()
                    self.begun = self._was_begun()
                    if self.watch is not None:
                        self.stopped = self.watch.kernels(self._status())
                finally:
                    self._stopped = True
                    for one in self.scratch:
                        one.close()
                    self.resources.close()
        return self._status()

    def _status(self) -> int:
        status = self.process.returncode
        return KILLED if status is None else status if status >= 0 else 128 - status

    def _reap(self) -> None:
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE)


def wait_for_end(running: Running) -> str:
    """Wait for the first process to end; give the sentence of the bound that was hit before, or nothing.

    Raises:
        SandboxError: it can't be watched.
    """
    watch = running.watched()
    with _end_of(running.process) as ended:
        while running.process.poll() is None:
            if ended is None:
                time.sleep(LOOK_EVERY)
            else:
                select.select([ended], [], [], max(0.0, watch.next - time.monotonic()))
            if running.process.poll() is None and time.monotonic() >= watch.next and (sentence := watch.look()):
                return sentence
    return ""


@contextlib.contextmanager
def _end_of(process: subprocess.Popen[bytes]) -> Iterator[int | None]:
    """Give a descriptor which becomes readable when the process ends, where the system has such a thing."""
    descriptor: int | None = None
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def collect(running: Running, output: int, limits: Limits) -> Completed:
    """Read a command's output to its end or to a bound, then end everything. Closes `output`.

    Raises:
        SandboxError: it can't be watched.
    """
    chunks: list[bytes] = []
    size, stopped = 0, ""
    begun = time.monotonic()
    try:
        watch = running.watched()
        watch.next = begun + LOOK_EVERY
        with _end_of(running.process) as ended:
            watched = [output] if ended is None else [output, ended]
            while not stopped:
                ready, _, _ = select.select(watched, [], [], max(0.0, watch.next - time.monotonic()))
                if output in ready:
                    chunk = os.read(output, 1 << 16)
                    if not chunk:
                        watched.remove(output)
                        if ended is None:
                            break
                    chunks.append(chunk)
                    size += len(chunk)
                elif ended in ready or (ended is None and running.process.poll() is not None):
                    break
                now = time.monotonic()
                if size > limits.output_bytes:
                    stopped = f"stopped: more than {limits.output_bytes:,} bytes of output"
                elif limits.wall_seconds is not None and now - begun > limits.wall_seconds:
                    stopped = f"stopped: longer than {limits.wall_seconds:g} s"
                elif now >= watch.next:
                    stopped = watch.look()
            if not stopped and ended is None:
                _wait_within(running.process, begun, limits)
    finally:
        status = running.stop()
        size += _drain(output, chunks, limits.output_bytes - size)
        os.close(output)
    text = b"".join(chunks)[: limits.output_bytes].decode("utf-8", "replace")
    if stopped:
        status = KILLED
    elif not running.begun:
        raise SandboxError(f"The sandbox could not be made. {text.strip()}".strip(), "Run `course doctor`.")
    else:
        stopped = running.stopped
    return Completed(status, text, stopped)


def _wait_within(process: subprocess.Popen[bytes], begun: float, limits: Limits) -> None:
    """Wait for a process that closed its output but runs on, where nothing tells of its end."""
    left = None if limits.wall_seconds is None else begun + limits.wall_seconds - time.monotonic()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(left)


def _drain(output: int, chunks: list[bytes], room: int) -> int:
    """Read what was written before the end; all writers are dead, so this ends."""
    taken = 0
    while taken < room and select.select([output], [], [], 0)[0]:
        chunk = os.read(output, 1 << 16)
        if not chunk:
            break
        chunks.append(chunk)
        taken += len(chunk)
    return taken


def receive_listener(channel: socket.socket) -> tuple[bool, socket.socket | None]:
    """Wait for `inner.py`: say whether it came, and give the listening socket if it passed one out."""
    channel.settimeout(_PATIENCE)
    try:
        message, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    except (OSError, TimeoutError):
        return False, None
    return message == b"l", socket.socket(fileno=descriptors[0]) if descriptors else None
