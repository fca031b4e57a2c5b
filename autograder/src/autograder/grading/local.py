"""Workers on this machine: processes that live through many jobs, watched, so that one bad job costs nobody else anything.

A process pool of the standard library loses all that was under way when one process dies. Here a worker that dies, hangs or grows
beyond its memory takes down its own job only: that is tried once more by a fresh worker, and then left to a human.
"""

from __future__ import annotations

import contextlib
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
from typing import Self

from autograder.exceptions import CourseError
from autograder.folder import remove_tree
from autograder.grading.jobs import Job, Result
from autograder.grading.worker import SCRATCH
from autograder.places import cache
from autograder.sandbox.scratch import scratch_folder

__all__ = ["LocalExecutor"]

PATIENCE = 120.0
"""How long a worker may take to start, in seconds."""
MOST_UNREADY = 3
"""How many workers may end before their first word, one after another."""
TRIES = 2
"""How often a job is begun before it is left to a human."""
_LARGEST = 20_000_000
"""Of a result, in bytes; a verdict has some 20,000."""


@dataclass(eq=False)
class _Worker:
    """One process, and what it is doing."""

    process: subprocess.Popen[bytes]
    line: socket.socket
    scratch: Path
    ready: bool = False
    job: Job | None = None
    since: float = field(default_factory=time.monotonic)
    heard: bytearray = field(default_factory=bytearray)
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))

    def ask(self, job: Job) -> None:
        """Begin to give it a job."""
        self.job, self.since = job, time.monotonic()
        head = {"exercise": job.exercise, "key": job.key, "unsafe": job.unsafe, "size": len(job.snapshot)}
        self.unsent = memoryview(json.dumps(head).encode() + b"\n" + job.snapshot)

    def send(self) -> bool:
        """Send as much of it as goes at once, and say whether that was all; if it is gone that is heard next."""
        try:
            self.unsent = self.unsent[self.line.send(self.unsent) :]
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not self.unsent

    def late_at(self, patience: float) -> float | None:
        """When what it does will take it too long, on the monotonic clock; None if it has nothing to do."""
        if not self.ready:
            return self.since + PATIENCE
        return self.since + patience if self.job is not None else None

    def end(self) -> None:
        """Kill it with all that it started, and remove what it left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.line.close()
        remove_tree(self.scratch)


class LocalExecutor:
    """Does jobs in `workers` processes on this machine.

    Used as a context manager its workers stay from one `run` to the next; otherwise they end with each.
    """

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
        self._crew: _Crew | None = None

    def __enter__(self) -> Self:
        """Let workers stay until the end."""
        self._crew = _Crew(self)
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        if self._crew is not None:
            self._crew.end()
            self._crew = None

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Give each job's result once; see `grading.jobs.Executor`.

        Raises:
            CourseError: workers can't be started.
        """
        if self._crew is not None:
            yield from self._crew.run(jobs)
            return
        crew = _Crew(self)
        try:
            yield from crew.run(jobs)
        finally:
            crew.end()


class _Crew:
    """The processes that now work for an executor."""

    def __init__(self, executor: LocalExecutor) -> None:
        self.executor = executor
        self.open = contextlib.ExitStack()
        self.scratch = self.open.enter_context(scratch_folder(SCRATCH))
        self.selector = self.open.enter_context(selectors.DefaultSelector())
        self.life, hold = os.pipe()
        self.open.callback(os.close, self.life)
        self.open.callback(os.close, hold)
        self.workers: list[_Worker] = []
        self.started = self.unready = 0
        self.todo: deque[Job] = deque()
        self.tried: dict[str, int] = {}

    def end(self) -> None:
        """Kill them all, and remove what they left."""
        for one in self.workers:
            one.end()
        self.workers.clear()
        self.open.close()

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Give each job's result once."""
        self.todo, self.tried, self.unready = deque(jobs), {}, 0
        try:
            while self.todo or any(one.job for one in self.workers):
                self._set_to_work()
                heard = self._wait()
                now = time.monotonic()  # before results are given away, which may take whoever gets them long
                late = [one for one in self.workers if (due := one.late_at(self.executor.wall_seconds)) and due < now]
                for one in heard:
                    try:
                        results = _hear(one)
                    except _HungUp as trouble:
                        late = [other for other in late if other is not one]
                        yield from self._lose(one, str(trouble), now)
                        continue
                    for result in results:
                        late = [other for other in late if other is not one]
                        one.job = None
                        yield result
                for one in late:
                    yield from self._lose(
                        one, f"took more than {self.executor.wall_seconds if one.ready else PATIENCE:g} seconds", now
                    )
        finally:
            for one in [one for one in self.workers if one.job is not None]:
                self._remove(one)

    def _set_to_work(self) -> None:
        """Start as many workers as there is work for, and give each that has nothing to do the next job."""
        busy = sum(one.job is not None for one in self.workers)
        while len(self.workers) < min(self.executor.workers, busy + len(self.todo)):
            self.workers.append(self._start())
            self.selector.register(self.workers[-1].line, selectors.EVENT_READ, self.workers[-1])
        for one in self.workers:
            if one.ready and one.job is None and self.todo:
                job = self.todo.popleft()
                self.tried[job.key] = self.tried.get(job.key, 0) + 1
                one.ask(job)
                self.selector.modify(one.line, selectors.EVENT_READ | selectors.EVENT_WRITE, one)

    def _wait(self) -> list[_Worker]:
        """Wait until a worker says something, or one is late; meanwhile send what there is to send, for who hangs doesn't read."""
        awaited = [due for one in self.workers if (due := one.late_at(self.executor.wall_seconds))]
        patience = max(0.0, min(awaited) - time.monotonic()) if awaited else None
        heard = []
        for key, events in self.selector.select(patience):
            if events & selectors.EVENT_WRITE and key.data.send():
                self.selector.modify(key.data.line, selectors.EVENT_READ, key.data)
            if events & selectors.EVENT_READ:
                heard.append(key.data)
        return heard

    def _remove(self, one: _Worker) -> None:
        self.workers.remove(one)
        self.selector.unregister(one.line)
        one.end()

    def _lose(self, one: _Worker, why: str, now: float) -> Iterator[Result]:
        """End a worker that is of no use any more; its job is tried once more, and then given up."""
        words, job = _last_words(one), one.job
        self._remove(one)
        if not one.ready:
            self.unready += 1
            if self.unready >= MOST_UNREADY:
                raise CourseError(f"No worker can be started here: {words or why}.", "See `course doctor`.")
        if job is None:
            return
        if self.tried[job.key] < TRIES:
            self.todo.append(job)
            return
        sentence = f"Grading this was tried {TRIES} times and {why} each time. A human will look."
        yield Result(job.key, "", sentence, True, now - one.since, f"local:{one.process.pid}")

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        own = Path(tempfile.mkdtemp(prefix="worker-", dir=self.scratch))
        command = [sys.executable, "-P", "-m", "autograder.grading.worker", str(theirs.fileno()), str(self.life)]
        with theirs, (own / "words").open("wb") as words:
            process = subprocess.Popen(
                [*command, str(self.executor.memory_bytes), str(self.scratch)],
                env={**os.environ, "TMPDIR": str(own), "WHEELHOUSE_CACHE": str(cache())},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                pass_fds=(theirs.fileno(), self.life),
                start_new_session=True,
            )
        ours.setblocking(False)
        return _Worker(process, ours, own)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class _HungUp(Exception):
    """A worker is gone, or answers what is no answer."""


def _hear(one: _Worker) -> list[Result]:
    """Read what a worker says; raises _HungUp, with the end of a sentence, where that was its last."""
    try:
        said = one.line.recv(1 << 20)
    except BlockingIOError:
        return []
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
            one.ready = True
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
