"""Workers on many machines: the same jobs on a Dask cluster.

Dask brings a job's bytes to a worker and its result back, and gives the jobs of a lost worker to another one. Each Dask worker keeps one
watched process of its own (`local.LocalExecutor`), so that a submission which kills or hangs what grades it takes no Dask worker along.
Here a few jobs a worker are under way at any time and each result is let go of as soon as it is here: neither the scheduler's memory nor
what is done twice after a loss grows with the class.

Whoever can talk to a scheduler can run anything on its workers: over a network only TLS with certificates on both sides is taken.

Source: Dask.distributed's pages on TLS and on resilience.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import dask
import distributed
from distributed.comm.core import CommClosedError

from autograder.exceptions import CourseError, UsageError
from autograder.grading.jobs import Job, Result
from autograder.grading.local import LocalExecutor
from autograder.grading.work import unfit

__all__ = ["ClusterExecutor", "grade_on_worker"]

AHEAD = 3
"""How many jobs a worker are under way: one is done, the others are on their way to it."""

_dask: Any = distributed
"""Without its types, which it has for the lesser part of what is used here."""
_lock = threading.Lock()
_crew: LocalExecutor | None = None


def grade_on_worker(job: Job) -> Result:
    """Do one job in the watched process of the Dask worker that runs this.

    The worker compares the job's key with what it would have made of it: another version of the course gives no points.
    """
    global _crew
    refused = unfit(job)
    if refused:
        return Result(job.key, "", refused, True)
    with _lock:  # one job at a time, however many threads the worker was given: each may need a whole core
        if _crew is None:
            _crew = LocalExecutor(1)
            _crew.__enter__()
        (result,) = _crew.run([job])
    return result


class ClusterExecutor:
    """Does jobs on the cluster of the scheduler at an address such as `tls://head.example:8786`."""

    def __init__(self, address: str, *, patience: float = 120.0, tell: Callable[[str], None] = lambda _: None) -> None:
        """Connect to nothing yet.

        Args:
            address: the scheduler's; without TLS only one on this machine is taken.
            patience: for how many seconds a scheduler, or the first worker, is waited for; also when it was lost meanwhile.
            tell: is given a sentence when such waiting begins.

        Raises:
            UsageError: this is no address, or the way to it would not be safe.
        """
        self.address = _checked(address)
        self.patience = patience
        self.tell = tell
        self._workers = 1

    @property
    def workers(self) -> int:
        """How many jobs are done at the same time; 1 before the cluster was asked."""
        return self._workers

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Give each job's result once; see `grading.jobs.Executor`.

        A worker that is lost loses nothing: its jobs are given to others. A scheduler that is lost is waited for, and asked again
        for what it had not given yet.

        Raises:
            CourseError: there is no scheduler, or it has no workers, for as long as we are patient.
        """
        left = {job.key: job for job in jobs}
        while left:
            try:
                with self._connected() as client:
                    for result in self._done(client, list(left.values())):
                        del left[result.key]
                        yield result
            except _Lost:
                continue

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        """Give a client of a scheduler that has a worker at least."""
        until = time.monotonic() + self.patience
        waits = False
        with _quiet():
            while True:
                try:
                    client = _dask.Client(self.address, timeout=5, set_as_default=False)
                    break
                except (OSError, TimeoutError) as error:
                    if time.monotonic() > until:
                        raise CourseError(
                            f"The scheduler at {self.address} doesn't answer: {error}.",
                            "See that it runs and that the certificates fit, and run this again: what was graded is kept.",
                        ) from error
                    if not waits:
                        waits = True
                        self.tell(f"The scheduler at {self.address} doesn't answer yet; it is waited for.")
                    time.sleep(0.5)
            try:
                while not (count := _threads(client)):
                    if time.monotonic() > until:
                        raise CourseError(
                            f"The scheduler at {self.address} has no workers.",
                            f"Start some with `dask worker {self.address}` where the course is installed, and run this again.",
                        )
                    if not waits and until - time.monotonic() < self.patience - 3:
                        waits = True
                        self.tell(f"The scheduler at {self.address} has no workers yet; they are waited for.")
                    time.sleep(0.2)
                self._workers = count
                yield client
            finally:
                with contextlib.suppress(Exception):  # it may be gone; nothing is to be saved
                    client.close(timeout=2)

    def _done(self, client: Any, jobs: Sequence[Job]) -> Iterator[Result]:
        """Keep some jobs under way, and give what comes back.

        Raises:
            _Lost: the scheduler is gone, or has forgotten what it was given.
        """
        todo = deque(jobs)
        under_way: dict[str, Job] = {}
        results = _dask.as_completed([], with_results=True, raise_errors=False, loop=client.loop)

        def hand_out() -> None:
            while todo and len(under_way) < AHEAD * max(1, self._workers):
                job = todo.popleft()
                under_way[job.key] = job
                # pure=False: what ended by a fault of ours is to be tried again when it is asked for again
                results.add(client.submit(grade_on_worker, job, key=f"wheelhouse-{job.key}", retries=1, pure=False))

        try:
            hand_out()
            asked = time.monotonic()
            while under_way:
                batch = _next(results, client)
                for future, value in batch:
                    job = under_way.pop(future.key.removeprefix("wheelhouse-"))
                    told = _result(job, future, value)
                    future.release()
                    if told is None:
                        raise _Lost
                    yield told
                if time.monotonic() - asked > 5:
                    asked, self._workers = time.monotonic(), max(1, _threads(client))
                hand_out()
        except (OSError, CommClosedError) as error:
            raise _Lost from error


class _Lost(Exception):
    """The scheduler is gone."""


def _next(results: Any, client: Any) -> list[tuple[Any, Any]]:
    """Wait for results; the client's own waiting doesn't end with its scheduler."""
    while not results.has_ready():
        if client.status != "running":
            raise _Lost
        time.sleep(0.01)
    found: list[tuple[Any, Any]] = results.next_batch(block=False)
    return found


def _result(job: Job, future: Any, value: Any) -> Result | None:
    """Make of what Dask gives what we promise; None where the scheduler has forgotten the job."""
    if future.status == "finished" and isinstance(value, Result) and value.key == job.key:
        return value
    if future.status in ("cancelled", "lost"):
        return None
    error = value[1] if isinstance(value, tuple) and len(value) > 1 else value
    if isinstance(error, ImportError | AttributeError):
        sentence = f"The workers lack the course, or have another version of it ({error})."
    elif type(error).__name__ == "KilledWorker":
        sentence = "The workers that graded this were lost one after another. A human will look."
    else:
        sentence = f"The cluster could not grade this ({type(error).__name__}: {str(error)[:200]}). A human will look."
    return Result(job.key, "", sentence, True)


def _threads(client: Any) -> int:
    """Count the workers; each does one job at a time."""
    try:
        return len(client.scheduler_info(n_workers=-1)["workers"])
    except (KeyError, TypeError):
        return 0


def _checked(address: str) -> str:
    """Give the address of a scheduler; raises UsageError where it is none, or where strangers could listen or talk."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or port is None:
        raise UsageError(f"{address!r} is no scheduler's address.", "Write it like `tls://head.example:8786`.")
    if parts.scheme == "tcp" and not _on_this_machine(parts.hostname):
        raise UsageError(
            f"{address} would be talked to without TLS: whoever listens reads submissions, whoever talks runs programs.",
            "Write tls://… and give Dask the certificates: `autograder/docs/cluster.md` says how.",
        )
    if parts.scheme == "tls":
        missing = [
            name
            for name in ("ca-file", "client.cert", "client.key")
            if not dask.config.get(f"distributed.comm.tls.{name}", None)
        ]
        if missing:
            raise UsageError(
                f"For {address} Dask must be told the certificates: {', '.join(missing)} isn't set.",
                "Make some with `python -m autograder.grading.certificates FOLDER`, and set DASK_CONFIG to that folder.",
            )
    return f"{parts.scheme}://{parts.netloc}"


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log, which speaks of lost connections in tracebacks, from whoever reads a progress bar."""
    names = (
        "distributed",
        "distributed.client",
        "distributed.core",
        "distributed.comm",
        "distributed.utils",
        "tornado.application",
    )
    loggers = [logging.getLogger(name) for name in names]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
