"""Tests of `autograder.grading.local`: workers that are watched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder import folder
from autograder.exceptions import CourseError
from autograder.exercise import find_exercise
from autograder.grading import Job, Result, key_of
from autograder.grading.local import LocalExecutor
from autograder.grading.worker import SCRATCH
from autograder.places import cache

EXERCISE = find_exercise("01")


def jobs(count: int) -> list[Job]:
    """Small jobs: what they bring is no snapshot, which a worker finds out at once."""
    snapshots = [f"garbage {number}".encode() for number in range(count)]
    return [Job(EXERCISE.id, key_of(EXERCISE, one), one) for one in snapshots]


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place of the test's own for what workers write, which is empty afterwards."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield place
    until = time.monotonic() + 20
    while list(place.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(place.iterdir()) == []


class Strike:
    """Sends a signal to whatever worker has a certain job, each time it gets it."""

    def __init__(self, executor: LocalExecutor, key: str, signal_: int, *, times: int = 99) -> None:
        """Begin to watch."""
        self.executor, self.key, self.signal, self.left = executor, key, signal_, times
        self.hit: set[int] = set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Strike:
        """Strike from now on."""
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave them alone."""
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.over.wait(0.0005):
            crew = self.executor._crew
            for one in list(crew.workers) if crew else []:
                if one.job and one.job.key == self.key and one.process.pid not in self.hit and self.left:
                    self.hit.add(one.process.pid)
                    self.left -= 1
                    os.kill(one.process.pid, self.signal)


def slow_job() -> Job:
    """A job that takes long enough to be struck: a worker stops before it looks at the last of twelve million bytes."""
    snapshot = b"PK" + b"\0" * 12_000_000
    return Job(EXERCISE.id, key_of(EXERCISE, snapshot), snapshot)


def test_each_job_has_one_result() -> None:
    """Every job is answered once, whatever the number of workers, who live through many."""
    with LocalExecutor(2) as executor:
        results = list(executor.run(jobs(30)))
        assert {one.key for one in results} == {one.key for one in jobs(30)}
        assert len(results) == 30
        assert all(one.error.startswith("The snapshot") for one in results)
        assert len({one.worker for one in results}) <= 2
        again = list(executor.run(jobs(3)))
        assert {one.worker for one in again} <= {one.worker for one in results}
    assert list(executor.run([])) == []


@pytest.mark.parametrize(
    ("how", "words"),
    [(signal.SIGKILL, "ended its worker"), (signal.SIGSTOP, "took more than")],
    ids=["ends", "hangs"],
)
def test_a_job_that_ends_or_hangs_its_worker_fails_alone(how: int, words: str) -> None:
    """It is tried twice and left to a human; all others are done."""
    bad = slow_job()
    with LocalExecutor(2, wall_seconds=3) as executor, Strike(executor, bad.key, how) as strike:
        results = {one.key: one for one in executor.run([*jobs(5), bad, *jobs(9)[5:]])}
    assert len(strike.hit) == 2
    assert words in results[bad.key].error
    assert (results[bad.key].verdict, results[bad.key].ours) == ("", True)
    good = [one for one in results.values() if one.key != bad.key]
    assert len(good) == 9
    assert all(not one.ours for one in good)


def test_a_worker_killed_once_loses_nothing() -> None:
    """Its job is done by another."""
    bad = slow_job()
    with LocalExecutor(1) as executor, Strike(executor, bad.key, signal.SIGKILL, times=1) as strike:
        (result,) = executor.run([bad])
    assert len(strike.hit) == 1
    assert not result.ours


def test_who_stops_early_stops_the_workers() -> None:
    """Ctrl-C while results come in leaves no process and no file."""
    executor = LocalExecutor(2)
    results = executor.run(jobs(20))
    next(results)
    results.close()  # type: ignore[attr-defined]


def test_a_job_that_needs_too_much_memory_fails_alone() -> None:
    """A worker may have so much memory and no more; where even its start needs more that is said."""
    with pytest.raises(CourseError, match="No worker can be started here"):
        list(LocalExecutor(1, memory_bytes=30_000_000).run(jobs(1)))


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    """Say whether a process has ended; a zombie whose new parent doesn't care has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_with_whoever_started_them(scratch: Path) -> None:
    """After kill -9 of the one who grades no worker goes on, and what they had written is removed by themselves."""
    code = (
        "from autograder.grading import Job; from autograder.grading.local import LocalExecutor\n"
        "with LocalExecutor(2) as executor:\n"
        f"    list(executor.run([Job({EXERCISE.id!r}, str(n), b'x') for n in range(2)]))\n"
        "    print(*(one.process.pid for one in executor._crew.workers), flush=True); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        pids = [int(word) for word in run.stdout.readline().split()]
        assert pids
        assert len(list(scratch.glob(f"{SCRATCH}*"))) == 1
        run.kill()
    wait_for(lambda: all(is_gone(pid) for pid in pids))
    wait_for(lambda: not list(scratch.iterdir()))


def test_a_check_that_is_cut_off_leaves_no_result(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the one who grades is killed, what runs is ended before its files are removed: what it makes of missing files would be kept for all."""
    own = tmp_path / "cache"
    own.mkdir()
    for one in cache().iterdir():
        if one.name != "acting":
            (own / one.name).symlink_to(one)
    monkeypatch.setenv("WHEELHOUSE_LABS", str(tmp_path / "labs"))
    live = folder.begin(EXERCISE)
    many = live.project / "report" / "many"
    many.mkdir()
    for number in range(5000):
        (many / str(number)).touch()
    (live.project / "report" / "report.py").write_text(
        "import os, time\nfor _ in range(3000):\n    time.sleep(0.001)\n    if len(os.listdir('many')) < 5000:\n        raise SystemExit(9)\n"
    )
    (tmp_path / "one.snapshot").write_bytes(live.snapshot())
    folder.remove_tree(tmp_path / "labs")
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(own))
    code = (
        "from pathlib import Path; from autograder.grading import Job; from autograder.grading.local import LocalExecutor\n"
        "with LocalExecutor(2) as executor:\n"
        f"    list(executor.run([Job({EXERCISE.id!r}, n, Path({str(tmp_path / 'one.snapshot')!r}).read_bytes()) for n in 'ab']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as run:
        wait_for(lambda: bool(list(scratch.glob("*/worker-*/*/project/report"))))
        time.sleep(0.7)
        run.kill()
    wait_for(lambda: not list(scratch.iterdir()))
    kept = [json.loads(one.read_bytes()) for one in (own / "acting").glob("*")]
    assert [one for one in kept if "exit status 9" in (one["found"] or "")] == []


def test_answers_that_are_none_end_the_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A worker that was taken over can't answer for another's job, nor with what is no result."""
    fake = tmp_path / "python"
    lies = '{"key": "other", "verdict": "{}", "error": "", "ours": false, "seconds": 0, "worker": ""}'
    fake.write_text(
        f"#!{sys.executable}\nimport socket, sys\nline = socket.socket(fileno=int(sys.argv[4]))\n"
        f"line.sendall(b'{{}}\\n'); line.recv(100000); line.sendall({lies.encode()!r} + b'\\n'); line.recv(1)\n"
    )
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    (result,) = LocalExecutor(1).run(jobs(1))
    assert result == Result(result.key, "", result.error, True, result.seconds, result.worker)
    assert "gave another's result" in result.error
