"""What the chaos tests of grading use: a class in a folder, its gradebook in comparable form, and moments at which to kill."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder.exercise import find_exercise
from autograder.grading.aside import stamp_of
from autograder.places import cache
from autograder.sandbox.sleepers import end_sleepers

EXERCISE = find_exercise("01")
NAME = EXERCISE.id
COURSE = Path(__file__).parents[2]

PROGRAM = """
import sys
from autograder.grading import gradebook
gradebook.BATCH = 4  # several transactions also for a small class
from autograder.cli import main
sys.exit(main(sys.argv[1:]))
"""

TABLES = {
    "assignments": "select name, duedate from assignment",
    "notebooks": "select n.name, n.kernelspec from notebook n",
    "cells": "select b.name, b.type, g.max_score from base_cell b left join grade_cells g on g.id = b.id",
    "sources": "select b.name, s.cell_type, s.source, s.checksum, s.locked from base_cell b join source_cell s on s.id = b.id",
    "students": "select id from student",
    "submissions": "select s.student_id, a.name, s.timestamp, s.extension from submitted_assignment s join assignment a on a.id = s.assignment_id",
    "penalties": "select s.student_id, n.late_submission_penalty from submitted_notebook n join submitted_assignment s on s.id = n.assignment_id",
    "grades": """select s.student_id, b.name, g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade
        from submitted_assignment s join submitted_notebook n on n.assignment_id = s.id
        join grade g on g.notebook_id = n.id join base_cell b on b.id = g.cell_id""",
    "comments": """select s.student_id, b.name, c.auto_comment, c.manual_comment from submitted_assignment s
        join submitted_notebook n on n.assignment_id = s.id join comment c on c.notebook_id = n.id
        join base_cell b on b.id = c.cell_id""",
    "version": "select version_num from alembic_version",
    "soundness": "pragma integrity_check",
}
"""Each asked for without row ids; sorted when compared."""


class Classroom:
    """One class's folder, as an instructor has it, with a home, a cache and a place for temporary files of its own."""

    def __init__(self, root: Path) -> None:
        """Look at it."""
        self.root = root
        self.course = root / "course"
        self.grading = self.course / ".grading"
        self.mark = f"WHEELHOUSE_CHAOS={uuid.uuid4().hex}"
        for name in ("home", "tmp"):
            (root / name).mkdir(exist_ok=True, parents=True)

    def hand_in(self, learner: str, snapshot: bytes | None, stamp: str | None) -> Path:
        """Submit the released notebook with a snapshot, perhaps none, and the time that nbgrader adds."""
        place = self.grading / "submitted" / learner / NAME
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.course / "exercises" / NAME / f"{NAME}.ipynb", place / f"{NAME}.ipynb")
        if stamp is not None:
            (place / "timestamp.txt").write_text(stamp)
        if snapshot is not None:
            (place / f"{NAME}.snapshot").write_bytes(snapshot)
        return place

    def copy(self, root: Path) -> Classroom:
        """Make another class of the same; files are as new as the copy, so that times of change don't tell of the copying."""
        root.mkdir(parents=True)
        shutil.copytree(self.course, root / "course", symlinks=True, copy_function=shutil.copyfile)
        return Classroom(root)

    def use_cache(self, acting: Path | None = None) -> None:
        """Use what is made once on this machine; with `acting` remember trials there, so that all are made again."""
        place = self.root / "cache"
        place.mkdir()
        for part in cache().iterdir():
            if part.name != "acting" or acting is None:
                (place / part.name).symlink_to(part)
        if acting is not None:
            acting.mkdir()
            (place / "acting").symlink_to(acting)

    def start(self, *words: str, dask: Path | None = None) -> subprocess.Popen[bytes]:
        """Type `course grade 01` in the class's folder."""
        name, _, value = self.mark.partition("=")
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "WHEELHOUSE_CACHE": str(self.root / "cache"),
            "WHEELHOUSE_LABS": str(self.root / "labs"),
            "WHEELHOUSE_LEARNER": "",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "PYTHONWARNINGS": "ignore",
            name: value,
        } | ({"DASK_CONFIG": str(dask)} if dask else {})
        with (self.root / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "grade", "01", *words],
                cwd=self.course,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def finish(self, *words: str, dask: Path | None = None) -> None:
        """Grade to the end."""
        run = self.start(*words, dask=dask)
        try:
            run.wait(timeout=240)
        finally:
            run.kill()
            run.wait()
        assert run.returncode == 1, self.said()  # some submissions wait for a human

    def said(self) -> str:
        """The end of what was printed."""
        return (self.root / "said").read_text(errors="replace")[-3000:]

    @property
    def results(self) -> list[dict[str, Any]]:
        """The kept results that count, line by line; half a line, of a killed run, is none."""
        path = self.grading / "results" / f"{NAME}.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [one for one in (json.loads(line) for line in lines if line.endswith(b"\n")) if not one["ours"]]

    @property
    def count(self) -> int:
        """How many they are; asked for often."""
        path = self.grading / "results" / f"{NAME}.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return sum(line.endswith(b"\n") and b'"ours": true' not in line for line in lines)

    def everything(self) -> dict[str, Any]:
        """All that grading leaves, in a form that is equal for equal classes."""
        with contextlib.closing(sqlite3.connect(self.grading / "gradebook.db", timeout=30)) as database:
            found: dict[str, Any] = {
                name: sorted(database.execute(query).fetchall(), key=repr) for name, query in TABLES.items()
            }
        for step in ("autograded", "submitted"):
            place = self.grading / step
            found[step] = {
                str(path.relative_to(place)): (path.lstat().st_mode, b"" if path.is_symlink() else path.read_bytes())
                for path in sorted(place.rglob("*"))
                if path.is_symlink() or path.is_file()
            }
            found[f"folders in {step}"] = sorted(
                str(path.relative_to(place)) for path in place.rglob("*") if path.is_dir() and not path.is_symlink()
            )
        found["results"] = sorted((one["key"], one["verdict"], one["error"]) for one in self.results)
        found["names"] = sorted(
            path.name for folder in (self.grading, self.grading / "results") for path in folder.iterdir()
        )
        return self._without_arrival(found)

    def _without_arrival(self, found: dict[str, Any]) -> dict[str, Any]:
        """Write a word where the time stands at which an unstamped submission came here: each copy has its own."""
        state = (self.grading / "submitted" / "unstamped" / NAME / f"{NAME}.snapshot").stat()
        stamp = stamp_of(datetime.fromtimestamp(state.st_ctime, UTC))
        for step in ("autograded", "submitted"):
            for name, (mode, data) in found[step].items():
                if name == f"unstamped/{NAME}/timestamp.txt" and data == stamp.encode():
                    found[step][name] = (mode, b"arrival")
        found["submissions"] = [
            tuple("arrival" if one == stamp.removesuffix(" UTC") else one for one in row)
            for row in found["submissions"]
        ]
        return found

    # --- what is left

    def processes(self) -> list[str]:
        """Name the processes that came of this class's runs: by their environment, or by what is mounted for them."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                ours = self.mark.encode() in Path(f"/proc/{name}/environ").read_bytes()
                if ours or str(self.root / "tmp") in Path(f"/proc/{name}/mountinfo").read_text(errors="replace"):
                    words = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if words:  # a zombie has none
                        found.append(f"{name}: {words[:200]}")
        return found

    def left(self) -> dict[str, list[str]]:
        """Name what is left of all runs, once watchdogs have had their time and the next run has swept."""
        until = time.monotonic() + 20
        while self.processes() and time.monotonic() < until:
            time.sleep(0.05)
        end_sleepers()  # the next run's first deed
        time.sleep(0.05 if self.processes() else 0)
        for path in (self.root / "tmp").glob("**/.wheelhouse-*"):  # not yet named: swept when a minute old
            with contextlib.suppress(OSError):
                os.utime(path, (0, 0), follow_symlinks=False)
        sweep = (
            "from autograder.acting import SCRATCH as acting\nfrom autograder.grading.worker import SCRATCH\n"
            "from autograder.sandbox.scratch import scratch_folder\nfrom autograder.sandbox.trial import trial_folder\n"
            "for one in (scratch_folder(SCRATCH), scratch_folder(acting), trial_folder()):\n    with one: pass"
        )  # the next run's second deed
        subprocess.run(
            [sys.executable, "-c", sweep],
            env={**os.environ, "TMPDIR": str(self.root / "tmp"), "WHEELHOUSE_CACHE": str(self.root / "cache")},
            check=True,
        )
        return {"processes": self.processes()} | {
            name: sorted(
                str(one.relative_to(self.root))
                for one in (self.root / name).rglob("*")
                if "dask-scratch-space" not in one.parts  # Dask's own, which its next process removes
            )
            for name in ("tmp", "home")
        }


# --- moments


def below(pid: int) -> list[int]:
    """The children of a process."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):  # each has those that it started
        with contextlib.suppress(OSError):
            found += [int(one) for one in thread.read_text().split()]
    return found


def workers_of(pid: int) -> list[int]:
    """The worker processes of a run."""
    found = []
    for one in below(pid):
        with contextlib.suppress(OSError):
            if b"autograder.grading.worker" in Path(f"/proc/{one}/cmdline").read_bytes():
                found.append(one)
    return found


def awaited(run: subprocess.Popen[bytes], what: Callable[[], object], *, every: float = 0.0005) -> bool:
    """Wait until something is so; False if the run ended before."""
    until = time.monotonic() + 240
    while not what():
        if run.poll() is not None:
            return False
        assert time.monotonic() < until
        time.sleep(every)
    return run.poll() is None


def _names(place: Path) -> Iterator[tuple[str, int]]:
    for student in os.scandir(place) if place.is_dir() else ():
        with contextlib.suppress(OSError):
            for one in os.scandir(student.path):
                yield one.path, one.inode()


def moment(phase: str, classroom: Classroom, run: subprocess.Popen[bytes], expected: int, draw: random.Random) -> bool:
    """Wait for a random moment in a phase of a run; False if the run has none, since it ended.

    `expected` is how many different snapshots are graded in an undisturbed run.
    """
    before = classroom.count
    if phase == "start":
        time.sleep(draw.uniform(0, 0.7))
        return run.poll() is None
    if phase == "grading":
        if before >= expected:  # all is graded
            return False
        more = draw.randrange(expected - before)
        wanted = (lambda: classroom.count >= before + more) if more else (lambda: workers_of(run.pid))
        pause = draw.uniform(0, 0.3)
    elif phase == "opening":
        wanted, pause = (lambda: classroom.count >= expected), draw.uniform(0, 0.9)
    elif phase == "placing":
        place = classroom.grading / "autograded"
        known, seen = set(_names(place)), set[tuple[str, int]]()
        more = draw.randint(1, 12)

        def placed() -> bool:
            seen.update(set(_names(place)) - known)
            return len(seen) >= more

        wanted, pause = placed, draw.uniform(0, 0.004)
    elif phase in ("making", "releasing"):
        awaits = classroom.grading / ("results/.making" if phase == "making" else "gradebook.db")
        wanted, pause = awaits.exists, draw.uniform(0, 1.5 if phase == "making" else 4)
    else:
        assert phase == "committing"
        hot = classroom.grading / "gradebook.db-journal"
        wanted, pause = hot.exists, draw.uniform(0, 0.003)
    if not awaited(run, wanted, every=0.0005 if phase in ("placing", "committing") else 0.01):
        return False
    time.sleep(pause)
    return run.poll() is None


def kill(pid: int) -> bool:
    """Send SIGKILL to one process alone; False if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False
