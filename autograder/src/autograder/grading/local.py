"""Workers on this machine: processes that live through many jobs, watched, so that one bad job costs nobody else anything.

A process pool of the standard library loses all that was under way when one process dies. Here a worker that dies, hangs or grows
beyond its memory takes down its own job only: that is tried once more by a fresh worker, and then left to a human.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.exceptions import CourseError
from autograder.folder import remove_tree
from autograder.grading.jobs import Job, Result
from autograder.grading.worker import SCRATCH
from autograder.places import cache

__all__ = ["LocalExecutor"]

TRIES = 2
"""How often a job is begun before it is left to a human."""
_LARGEST = 20_000_000
"""Of a result, in bytes; a verdict has some 20,000."""
_LOCK = "lock"


@dataclass(eq=False)
class _Worker:
    """One process, and what it is doing."""

    number: int
    process: subprocess.Popen[bytes]
    line: socket.socket
    scratch: Path
    ready: bool = False
    job: Job | None = None
    since: float = field(default_factory=time.monotonic)
    heard: bytearray = field(default_factory=bytearray)

    def end(self) -> None:
        """Kill it with all that it started, and remove what it left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.line.close()
        remove_tree(self.scratch)


class LocalExecutor:
    """Does jobs in `workers` processes on this machine."""

    def __init__(self, workers: int | None = None, *, wall_seconds: float = 600.0, memory_bytes: int = 3 << 30) -> None:
        """Start nothing yet.

        Args:
            workers: how many processes; by default one for each processor that this process may use.
            wall_seconds: how long one job may take.
            memory_bytes: of address space that a worker may have; what checks run in the sandbox is bounded there.
        """
        self.workers = max(1, workers or _processors())
        self.wall_seconds = wall_seconds
        self.memory_bytes = memory_bytes
        self.running: dict[int, int] = {}
        """The processes that now work, by number: for who watches."""

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Give each job's result once; see `grading.jobs.Executor`.

        Raises:
            CourseError: workers can't be started.
        """
        todo = deque(jobs)
        begun: dict[str, int] = {}
        with _scratch() as scratch, selectors.DefaultSelector() as selector:
            life, hold = os.pipe()
            workers: list[_Worker] = []
            try:
                unready = 0
                while todo or any(one.job for one in workers):
                    while len(workers) < self.workers and len(workers) < len(todo) + sum(bool(w.job) for w in workers):
                        workers.append(self._start(scratch, life))
                        selector.register(workers[-1].line, selectors.EVENT_READ, workers[-1])
                    now = time.monotonic()
                    late = min((one.since + self.wall_seconds for one in workers), default=now) - now
                    lost: list[tuple[_Worker, str]] = []
                    heard = selector.select(max(0.0, late))
                    now = time.monotonic()  # before results are given away, which may take whoever gets them long
                    for key, _ in heard:
                        one: _Worker = key.data
                        try:
                            answers = _hear(one)
                        except _HungUp as trouble:
                            lost.append((one, str(trouble)))
                            continue
                        for answer in answers:
                            if not one.ready:
                                one.ready, unready = True, 0
                                continue
                            one.job = None
                            yield answer
                    for one in workers:
                        if (one.job or not one.ready) and now - one.since > self.wall_seconds:
                            lost.append((one, f"took more than {self.wall_seconds:g} seconds"))
                    for one, why in lost:
                        if one not in workers:
                            continue
                        workers.remove(one)
                        selector.unregister(one.line)
                        words = _last_words(one)
                        one.end()
                        self.running.pop(one.number, None)
                        if not one.ready:
                            unready += 1
                            if unready > 3:
                                raise CourseError(
                                    f"No worker can be started here: {words or why}.", "See `course doctor`."
                                )
                        if one.job is not None:
                            if begun[one.job.key] < TRIES:
                                todo.append(one.job)
                            else:
                                sentence = (
                                    f"Grading this was tried {TRIES} times and {why} each time. A human will look."
                                )
                                yield Result(one.job.key, "", sentence, True, now - one.since, f"local:{one.number}")
                    for one in workers:
                        if one.ready and one.job is None:
                            if todo:
                                job = todo.popleft()
                                begun[job.key] = begun.get(job.key, 0) + 1
                                _ask(one, job)
                            else:
                                one.since = time.monotonic()  # idle ones are never late
            finally:
                for one in workers:
                    one.end()
                self.running.clear()
                os.close(life)
                os.close(hold)

    def _start(self, scratch: Path, life: int) -> _Worker:
        ours, theirs = socket.socketpair()
        number = max(self.running, default=0) + 1
        own = Path(tempfile.mkdtemp(prefix="worker-", dir=scratch))
        command = [sys.executable, "-P", "-m", "autograder.grading.worker"]
        with theirs, (own / "words").open("wb") as words:
            process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(life), str(self.memory_bytes), str(scratch)],
                env={**os.environ, "TMPDIR": str(own), "WHEELHOUSE_CACHE": str(cache())},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                pass_fds=(theirs.fileno(), life),
                start_new_session=True,
            )
        ours.settimeout(60)
        self.running[number] = process.pid
        return _Worker(number, process, ours, own)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class _HungUp(Exception):
    """A worker is gone, or answers what is no answer."""


def _ask(one: _Worker, job: Job) -> None:
    """Give a worker a job; if it is gone that is heard next."""
    one.job, one.since = job, time.monotonic()
    head = {"exercise": job.exercise, "key": job.key, "unsafe": job.unsafe, "size": len(job.snapshot)}
    with contextlib.suppress(OSError):
        one.line.sendall(json.dumps(head).encode() + b"\n" + job.snapshot)


def _hear(one: _Worker) -> list[Result]:
    """Read what a worker says; raises _HungUp, with the end of a sentence, where that was its last."""
    try:
        said = one.line.recv(1 << 20)
    except OSError:
        said = b""
    if not said:
        raise _HungUp("ended its worker")
    one.heard += said
    if len(one.heard) > _LARGEST:
        raise _HungUp("gave more than a result may hold")
    *lines, rest = bytes(one.heard).split(b"\n")
    one.heard = bytearray(rest)
    results = []
    for text in lines:
        if not one.ready:
            results.append(Result(""))
            continue
        try:
            result = Result.from_json(json.loads(text))
        except (ValueError, KeyError, TypeError):
            raise _HungUp("gave what is no result") from None
        if one.job is None or result.key != one.job.key:
            raise _HungUp("gave another's result")
        results.append(result)
    return results


def _last_words(one: _Worker) -> str:
    """Give the last line that a worker wrote to its terminal, for whoever has to find out why it ended."""
    with contextlib.suppress(OSError):
        lines = (one.scratch / "words").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
    return ""


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder for the workers, in memory if there is plenty, and remove those that dead runs have left."""
    place = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder in it
    with contextlib.suppress(OSError):
        state = os.statvfs(place)
        if "TMPDIR" in os.environ or not os.access(place, os.W_OK) or state.f_bavail * state.f_frsize < 1_000_000_000:
            place = Path(tempfile.gettempdir())
    if not place.is_dir():
        place = Path(tempfile.gettempdir())
    for left in place.glob(f"{SCRATCH}*/{_LOCK}"):
        with contextlib.suppress(OSError), left.open() as lock:
            if time.time() - left.stat().st_mtime > 60:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(left.parent)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=place))
    try:
        with (scratch / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield scratch
    finally:
        remove_tree(scratch)
