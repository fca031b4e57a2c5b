"""Tests of `autograder.grading.cluster`: a real Dask scheduler and workers, talked to with TLS."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="Dask, an extra, is not installed")

import dask

from autograder.exceptions import CourseError, UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.grading import Job, key_of
from autograder.grading.certificates import write_certificates
from autograder.grading.cluster import ClusterExecutor
from autograder.grading.local import LocalExecutor

EXERCISE = find_exercise("01")
pytestmark = pytest.mark.slow


def settings(folder: Path) -> dict[str, Any]:
    """Read what DASK_CONFIG=FOLDER would give a new process."""
    (found,) = dask.config.collect_yaml([str(folder)])

    def flat(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {name: value}
        return {key: one for inner in value for key, one in flat(value[inner], f"{name}.{inner}").items()}

    return flat(found["distributed"], "distributed")


class Cluster:
    """A scheduler and workers on this machine, each a process of its own with all that it starts."""

    def __init__(self, folder: Path) -> None:
        """Make certificates, and start."""
        self.folder = folder
        self.certificates = folder / "certificates"
        write_certificates(self.certificates)
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.address = f"tls://127.0.0.1:{self.port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "DASK_CONFIG": str(self.certificates)}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command, "--no-dashboard"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start the scheduler and two workers, as whoever supervises them would after a loss."""
        self.start_scheduler()
        for _ in range(2):
            self.start_worker()

    def start_scheduler(self) -> None:
        """Start the scheduler."""
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--protocol", "tls"]
        self.scheduler = self._start("distributed.cli.dask_scheduler", *where)

    def start_worker(self) -> None:
        """Start one more worker."""
        one = self._start(
            *("distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny"),
            *("--local-directory", str(self.folder), "--death-timeout", "60"),
        )
        self.workers.append(one)

    @staticmethod
    def kill(one: subprocess.Popen[bytes]) -> None:
        """Kill a process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
        one.wait()

    def stop(self) -> None:
        """Kill everything."""
        for one in [*self.workers, self.scheduler]:
            self.kill(one)
        self.workers.clear()

    def close(self) -> None:
        """Ask everything to end first: Dask's processes have semaphores on this machine which they then remove."""
        for one in [*self.workers, self.scheduler]:
            one.terminate()
        for one in [*self.workers, self.scheduler]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.wait(5)
        self.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that works."""
    one = Cluster(tmp_path_factory.mktemp("cluster"))
    yield one
    one.close()


@pytest.fixture
def known(cluster: Cluster) -> Iterator[None]:
    """Give Dask the cluster's certificates meanwhile."""
    with dask.config.set(settings(cluster.certificates)):
        yield


def jobs_of(snapshots: list[bytes]) -> list[Job]:
    """Ask for verdicts of snapshots."""
    return [Job(EXERCISE.id, key_of(EXERCISE, snapshot), snapshot) for snapshot in snapshots]


@pytest.fixture
def snapshots(begun: Callable[[Exercise], LiveWorkspace]) -> list[bytes]:
    """Four learners who have done little, each of them a bit differently."""
    live = begun(EXERCISE)
    found = []
    for number in range(4):
        (live.project / "note.txt").write_text(f"{number}\n")
        found.append(live.snapshot())
    return found


@pytest.mark.usefixtures("known")
def test_a_cluster_gives_what_this_machine_gives(cluster: Cluster, snapshots: list[bytes]) -> None:
    """Verdicts and refusals of a cluster are those of the local executor, byte for byte, each given once."""
    jobs = jobs_of([snapshots[0], b"garbage", b"", *(b"other garbage %d" % number for number in range(20))])
    there = {one.key: (one.verdict, one.error, one.ours) for one in ClusterExecutor(cluster.address).run(jobs)}
    here = {one.key: (one.verdict, one.error, one.ours) for one in LocalExecutor(1).run(jobs)}
    assert there == here
    assert there[jobs[0].key][0].startswith("{")
    assert len(there) == len(jobs)


@pytest.mark.usefixtures("known")
def test_another_edition_gives_no_points(cluster: Cluster) -> None:
    """A worker that would judge by other checks than whoever asks says so, and a human looks."""
    (result,) = ClusterExecutor(cluster.address).run([Job(EXERCISE.id, "0" * 64, b"garbage")])
    assert (result.ours, result.verdict) == (True, "")
    assert "install the same on both" in result.error


def test_a_stranger_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """With certificates of another authority nobody gets a job done, nor an answer."""
    write_certificates(tmp_path / "own")
    with (
        dask.config.set(settings(tmp_path / "own")),
        pytest.raises(CourseError, match="doesn't answer"),
    ):
        list(ClusterExecutor(cluster.address, patience=1).run(jobs_of([b"garbage"])))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://head.example:8786", "without TLS"),
        ("10.0.0.7:8786", "without TLS"),
        ("tls://head.example:8786", "certificates"),
        ("http://head.example:8786", "no scheduler's address"),
        ("head", "no scheduler's address"),
        ("tcp://127.0.0.1:x", "no scheduler's address"),
    ],
    ids=["tcp", "bare", "no-certificates", "http", "no-port", "odd-port"],
)
def test_what_is_not_safe_is_refused(address: str, why: str) -> None:
    """Nothing is sent over a network in clear, and a slip in the address is told in a sentence."""
    with pytest.raises(UsageError, match=why):
        ClusterExecutor(address)


def test_a_scheduler_without_workers_is_told(tmp_path: Path) -> None:
    """Who forgot the workers learns it, and how they are started."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        scheduler = subprocess.Popen(
            [
                *(sys.executable, "-m", "distributed.cli.dask_scheduler"),
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--no-dashboard",
            ],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:  # it takes its time to start
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        with pytest.raises(CourseError, match="has no workers"):
            list(ClusterExecutor(f"127.0.0.1:{port}", patience=3).run(jobs_of([b"garbage"])))
    finally:
        Cluster.kill(scheduler)


def test_losses_lose_nothing(tmp_path: Path, snapshots: list[bytes]) -> None:
    """A worker is killed, then scheduler and workers, and started again: each job still has its one result."""
    cluster = Cluster(tmp_path)
    try:
        with dask.config.set(settings(cluster.certificates)):
            jobs = jobs_of(snapshots)
            found = []
            for result in ClusterExecutor(cluster.address).run(jobs):
                found.append(result)
                if len(found) == 1:
                    cluster.kill(cluster.workers.pop(0))
                elif len(found) == 2:
                    cluster.stop()
                    cluster.start()
    finally:
        cluster.close()
    assert sorted(one.key for one in found) == sorted(one.key for one in jobs)
    assert all(one.verdict for one in found)
