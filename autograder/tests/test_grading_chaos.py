"""Tests of grading a class while its processes are killed: the gradebook ends as if nobody had been.

`WHEELHOUSE_ROUNDS=20` makes some 100 kills here and 30 on a Dask cluster.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autograder import folder
from autograder.grading.aside import settle_time
from autograder.sandbox import Limits
from autograder.snapshot import pack
from chaos import COURSE, EXERCISE, NAME, Classroom, awaited, kill, moment, workers_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.xdist_group("nbgrader")]

ROUNDS = int(os.environ.get("WHEELHOUSE_ROUNDS") or 1)
SEED = int(os.environ.get("WHEELHOUSE_SEED") or 20261121)
PHASES = ("start", "grading", "worker", "opening", "placing", "committing")
"""Of a run, in their order; `worker` is the same time as `grading` with another victim."""
IN_TIME, LATE = "2026-11-20 10:00:00.500000 UTC", "2026-11-20 13:00:00 UTC"
FEW = ("--students", "missing", "garbage")
"""Whose grading needs no worker, but a gradebook."""


@dataclass
class Term:
    """A class, and what an undisturbed run makes of it."""

    before: Classroom
    expected: dict[str, Any]
    blank: Classroom
    """The same before anything was graded: there is no gradebook."""
    expected_first: dict[str, Any]
    """What an undisturbed run makes of it for a few."""


@pytest.fixture(scope="module")
def term(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Term]:
    """16 learners: more and less done, copied, late, without a time; one is a link, one garbage, one has none; one has a human's points."""
    top = tmp_path_factory.mktemp("chaos")
    first = Classroom(top / "before")
    first.use_cache()
    first.grading.mkdir(parents=True)
    for step in ("solutions", "exercises"):
        shutil.copytree(COURSE / step / NAME, first.course / step / NAME)
    config = (COURSE / "nbgrader_config.py").read_text()
    (first.course / "nbgrader_config.py").write_text(f'{config}\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(top / "labs"))
        live = folder.begin(EXERCISE)
        for number in range(11):
            if number in (4, 8):
                live.sandbox.run(
                    ["bash", "-c", EXERCISE.tasks[number // 4 - 1].answer], live.place, limits=Limits(wall_seconds=120)
                )
            (live.project / "note.txt").write_text(f"{number}\n")
            snapshot = pack(live.tree, live.facts, folder.index().known, exercise=NAME)
            first.hand_in(f"did-{number:02}", snapshot, LATE if number % 4 == 3 else IN_TIME)
        folder.remove_tree(top / "labs")
    first.hand_in("copied", snapshot, IN_TIME)
    first.hand_in("unstamped", snapshot, None)
    first.hand_in("garbage", b"PK" * 100, IN_TIME)
    first.hand_in("missing", None, IN_TIME)
    place = first.hand_in("linked", None, IN_TIME)
    (place / f"{NAME}.snapshot").symlink_to(f"../../copied/{NAME}/{NAME}.snapshot")
    blank = first.copy(top / "blank")
    first.finish(*FEW)
    expected_first = first.everything()
    with contextlib.closing(sqlite3.connect(first.grading / "gradebook.db")) as database:
        database.execute("update assignment set duedate = '2026-11-20 12:00:00'")
        database.execute("update grade set manual_score = 1.5 where rowid in (select min(rowid) from grade)")
        database.execute("update comment set manual_comment = 'well done'")
        database.commit()
    undisturbed = first.copy(top / "undisturbed")
    undisturbed.use_cache()
    undisturbed.finish("--workers", "2")
    expected = undisturbed.everything()
    assert len(expected["submissions"]) == 16
    assert len(expected["results"]) == 12
    assert {row[1] for row in expected["penalties"]} > {None}
    yield Term(first, expected, blank, expected_first)
    folder.remove_tree(top)


def differences(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """What is not as it should be, in short."""
    told: dict[str, Any] = {}
    for part in expected:
        if found[part] != expected[part]:
            one, other = found[part], expected[part]
            if isinstance(one, dict):
                told[part] = [name for name in {**one, **other} if one.get(name) != other.get(name)]
            else:
                told[part] = ([row for row in one if row not in other], [row for row in other if row not in one])
    return told


def check(classroom: Classroom, expected: dict[str, Any], story: str) -> None:
    """Compare a class with one that was graded undisturbed, and look for what is left."""
    assert differences(classroom.everything(), expected) == {}, f"{story}\n{classroom.said()}"
    assert classroom.left() == {"processes": [], "tmp": [], "home": []}, story


def strike(phase: str, classroom: Classroom, expected: int, draw: random.Random) -> bool:
    """Begin to grade, and kill the run, or one of its workers, at a random moment of a phase; False if there was none."""
    run = classroom.start("--workers", "2")
    try:
        hit = moment("grading" if phase == "worker" else phase, classroom, run, expected, draw)
        if hit and phase == "worker":
            victims = workers_of(run.pid)
            hit = bool(victims) and kill(draw.choice(victims))
            if hit and draw.random() < 0.5:  # and let it go on for a while, or to its end
                with contextlib.suppress(Exception):
                    run.wait(timeout=draw.uniform(0, 2))
            else:
                run.wait(timeout=240)
        return hit
    finally:
        run.kill()
        run.wait()


def test_kills_change_nothing(term: Term, tmp_path: Path) -> None:
    """The one who grades and writes, or a worker, is killed again and again at random moments: then one run to the end makes all well."""
    draw = random.Random(SEED)
    told: Counter[str] = Counter()
    wanted, chain = 5 * ROUNDS, 0
    while told.total() < wanted:
        classroom = term.before.copy(tmp_path / f"{chain}")
        # in every third class trials are made again, so that sandboxes are killed too
        classroom.use_cache(tmp_path / f"acting-{chain}" if chain % 3 == 2 else None)
        phases = list(PHASES[1:]) if not chain else sorted(draw.choices(PHASES, k=draw.randint(1, 8)), key=PHASES.index)
        story = f"seed {SEED}, class {chain}:"
        for phase in phases:
            hit = strike(phase, classroom, len(term.expected["results"]), draw)
            story += f" {phase}{'' if hit else ' (over before)'},"
            told[phase] += hit
        for place in (f"autograded/did-00/.{NAME}.fresh", f"autograded/garbage/.{NAME}.fresh", "results/.making"):
            (classroom.grading / place / "half").mkdir(parents=True, exist_ok=True)  # as a rarer moment leaves it
        classroom.finish("--workers", "2")
        check(classroom, term.expected, story)
        print(f"\n{story} {told.total()} kills so far", end="", flush=True)
        folder.remove_tree(classroom.root)
        chain += 1
    print(f"\n{chain} classes, {told.total()} kills: {dict(told)}")
    assert any(told[phase] for phase in PHASES[3:])


def test_a_first_run_that_is_killed_leaves_a_whole_gradebook(term: Term, tmp_path: Path) -> None:
    """While the gradebook is made, and the exercise put into it by nbgrader, which lives on: the next run waits for that and goes on."""
    draw = random.Random(SEED)
    told: Counter[str] = Counter()
    for chain in range(1 + ROUNDS // 4):
        classroom = term.blank.copy(tmp_path / f"{chain}")
        classroom.use_cache()
        story = f"seed {SEED}, class {chain}:"
        for phase in ("making", "releasing"):
            run = classroom.start(*FEW)
            hit = moment(phase, classroom, run, 0, draw) and kill(run.pid)
            run.kill()
            run.wait()
            story += f" {phase}{'' if hit else ' (over before)'},"
            told[phase] += hit
        classroom.finish(*FEW)
        check(classroom, term.expected_first, story)
    print(f"\n{chain + 1} first runs, {told.total()} kills: {dict(told)}")
    assert told["making"]


def test_kills_on_a_cluster_change_nothing(term: Term, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler, its workers, the processes that work for them, and whoever asked are killed; a supervisor starts what has ended."""
    pytest.importorskip("distributed", reason="Dask, an extra, is not installed")
    from test_grading_cluster import Cluster

    draw = random.Random(SEED)
    told: Counter[str] = Counter()
    nobody = Classroom(tmp_path / "cluster")  # not a class, but a place for what the cluster writes
    monkeypatch.setenv("TMPDIR", str(nobody.root / "tmp"))
    monkeypatch.setenv(*nobody.mark.split("="))
    cluster = Cluster(nobody.root)

    def supervise() -> None:
        if cluster.scheduler.poll() is not None:
            cluster.start_scheduler()
        for one in [one for one in cluster.workers if one.poll() is not None]:
            cluster.workers.remove(one)
            cluster.start_worker()

    def graded(classroom: Classroom, count: int) -> bool:
        supervise()
        return classroom.count >= count

    def strike_one(victim: str) -> bool:
        if victim == "scheduler":
            return kill(cluster.scheduler.pid)
        pids = [one.pid for one in cluster.workers]
        if victim == "grader":
            pids = [pid for one in pids for pid in workers_of(one)]
        return bool(pids) and kill(draw.choice(pids))

    expected, wanted, chain = len(term.expected["results"]), 3 * ROUNDS, 0
    try:
        while told.total() < wanted and (ROUNDS > 1 or not chain):
            classroom = term.before.copy(tmp_path / f"{chain}")
            classroom.use_cache(tmp_path / f"acting-{chain}")
            monkeypatch.setenv("WHEELHOUSE_CACHE", str(classroom.root / "cache"))
            victims = ["grader", "dask worker", "scheduler"]
            if chain:
                victims = draw.choices([*victims, "head"], k=5)
            story = f"seed {SEED}, class {chain} on a cluster:"
            words = ("--scheduler", cluster.address)
            run = classroom.start(*words, dask=cluster.certificates)
            for victim in victims:
                wait = min(expected - 1, classroom.count + draw.randint(1, 2))
                if not awaited(run, functools.partial(graded, classroom, wait), every=0.01):
                    break
                time.sleep(draw.uniform(0, 0.1))
                hit = kill(run.pid) if victim == "head" else strike_one(victim)
                story += f" {victim}{'' if hit else ' (was not there)'},"
                told[victim] += hit
                if victim == "head":
                    run.wait()
                    run = classroom.start(*words, dask=cluster.certificates)
            awaited(run, functools.partial(graded, classroom, 1_000_000), every=0.05)
            if run.returncode == 3:  # one job met two losses: a human would look, but for the next run
                story += " left to the next run,"
                classroom.finish(*words, dask=cluster.certificates)
            else:
                assert run.returncode == 1, f"{story}\n{classroom.said()}"
            check(classroom, term.expected, story)
            print(f"\n{story} {told.total()} kills so far", end="", flush=True)
            chain += 1
        print(f"\n{chain} classes on a cluster, {told.total()} kills: {dict(told)}")
        assert told["dask worker"] or told["scheduler"]
        for one in [*cluster.workers, cluster.scheduler]:  # alone: what they started sees to its own end
            one.kill()
            one.wait()
        assert nobody.left() == {"processes": [], "tmp": [], "home": []}, story
    finally:
        cluster.close()
        with contextlib.suppress(NameError):
            run.kill()
            run.wait()


def test_a_time_that_counts_is_never_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while the learner's word gives way to the time that counts, the one or the other stands there, whole."""
    stamp = tmp_path / "timestamp.txt"
    stamp.write_text("on friday")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            settle_time(tmp_path, datetime(2026, 11, 20, 10, tzinfo=UTC))
    assert stamp.read_text() == "on friday"
    settle_time(tmp_path, datetime(2026, 11, 20, 10, tzinfo=UTC))
    assert stamp.read_text() == "2026-11-20 10:00:00.000000 UTC"
    assert {path.read_text() for path in tmp_path.glob("timestamp.txt*.refused")} == {"on friday"}
    assert not (tmp_path / ".timestamp.txt.refused").exists()
