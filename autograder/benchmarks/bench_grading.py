"""Grading a class: `course grade` beside stock nbgrader and `otter run`, in one run, on the same submissions of two exercises.

`python benchmarks/bench_grading.py [--otter FOLDER]`; `--quick` takes a fraction of the time.
200 submissions of each exercise, of which 20 are distinct: each distinct one answers every task in one of the ways which the catalogue
knows (the reference answer, another right answer, a likely mistake, nothing), and has a note of its own in it, so that no two are equal.
Ours grades from nothing, with all isolation on. The peers run the released notebook's cells, unconfined, on a few submissions, since each
costs the same. Seconds of the processor hardly depend on how busy the machine is, those on the clock do.
`--otter FOLDER` is an environment with otter-grader, ipykernel and this package (`uv pip install --compile-bytecode otter-grader ipykernel nbconvert -e autograder[jupyter]`).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from attacks.classroom import STOCK
from autograder import folder
from autograder.exercise import Exercise, find_exercise
from autograder.places import cache, other_labs
from autograder.sandbox import Limits

COURSE = Path(__file__).parents[2]
EXERCISES = ("01", "06")
OURS = (COURSE / "nbgrader_config.py").read_text("utf-8")
Snapshots = Mapping[str, Sequence[bytes]]
"""By the exercise's id: distinct ones."""


@dataclass(frozen=True)
class Taken:
    """What commands took, in seconds."""

    processor: float = 0.0
    clock: float = 0.0

    def __add__(self, other: Taken) -> Taken:
        """Take both, one after the other."""
        return Taken(self.processor + other.processor, self.clock + other.clock)


def measured(command: Sequence[str | Path], where: Path, environment: Mapping[str, str]) -> Taken:
    """Run a command, and measure it with all its children."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr[-2000:])
    return Taken(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - begun)


class Class:
    """A class's folder with both exercises released, as an instructor has it; nothing is graded in it."""

    def __init__(self, place: Path, config: str = OURS) -> None:
        """Make it."""
        self.place, self.root, self.grading = place, place / "course", place / "course" / ".grading"
        for made in (self.grading, place / "home", place / "cache", self.root / "notebooks"):
            made.mkdir(parents=True)
        for one in map(find_exercise, EXERCISES):
            for part in ("solutions", "exercises"):
                shutil.copytree(COURSE / part / one.id, self.root / part / one.id)
        (self.root / "nbgrader_config.py").write_text(config, "utf-8")
        for kept in cache().iterdir():
            if kept.name != "acting":  # the results that were kept
                (place / "cache" / kept.name).symlink_to(kept)
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(place / "home"),
            "WHEELHOUSE_CACHE": str(place / "cache"),
            "WHEELHOUSE_LABS": str(place / "home" / "labs"),
            "PYTHONWARNINGS": "ignore",
            "LANG": "C.UTF-8",
        }
        for one in map(find_exercise, EXERCISES):
            self.type("nbgrader", "generate_assignment", one.id, "--force")
        shutil.copy(self.grading / "gradebook.db", place / "fresh.db")

    def type(self, *words: str) -> Taken:
        """Type a command of the course's environment."""
        return measured([Path(sys.executable).parent / words[0], *words[1:]], self.root, self.environment)

    def begin_again(self, made: Snapshots, count: int) -> None:
        """Forget every result, and let `count` learners hand in both exercises."""
        for path in (self.grading / "autograded", self.grading / "submitted", self.place / "cache" / "acting"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.grading.rglob("*.jsonl"):
            path.unlink()
        shutil.copy(self.place / "fresh.db", self.grading / "gradebook.db")
        for name, snapshots in made.items():
            for number in range(count):
                target = self.grading / "submitted" / f"s{number:05}" / name
                target.mkdir(parents=True)
                shutil.copy(self.root / "exercises" / name / f"{name}.ipynb", target)
                (target / f"{name}.snapshot").write_bytes(snapshots[number % len(snapshots)])

    def grade(self, *words: str) -> Taken:
        """Grade both exercises by a command, one after the other."""
        return sum((self.type(*words, find_exercise(one).id) for one in EXERCISES), Taken())


def states(exercise: Exercise, distinct: int) -> list[bytes]:
    """Do an exercise in so many ways, drawn once for all, and give the snapshots."""
    drawn, made = random.Random(exercise.id), []  # noqa: S311 - to draw the same in each run
    for number in range(distinct):
        live = folder.reset(exercise) if number else folder.begin(exercise)
        for task in exercise.tasks:
            right = [one.commands for one in exercise.alternatives() if one.task == task.number]
            wrong = [one.commands for one in exercise.mistakes() if one.task == task.number]
            # of ten learners some five do a task in the usual way, two in another, two wrongly, one not at all
            chosen = drawn.choice([[task.answer]] * 5 + [right or [task.answer]] * 2 + [wrong] * 2 + [["true"]])
            command = ["bash", "-c", drawn.choice(chosen)]
            live.sandbox.run(command, live.place, limits=Limits(wall_seconds=120))
        (live.project / "notes.txt").write_text(f"My notes, {number}.\n", "utf-8")
        made.append(live.snapshot())
    return made


def otter(environment: Path, place: Path, made: Snapshots, count: int) -> Taken:
    """Grade the same snapshots by `otter run`: the notebook is run as it is, and a test for each task asks for its verdict."""
    taken, python = Taken(), str(environment / "bin" / "python")
    variables = dict(os.environ) | {
        "WHEELHOUSE_LABS": str(place / "labs"),
        "WHEELHOUSE_LEARNER": "",
        "WHEELHOUSE_CACHE": str(cache()),
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
    }
    for name, snapshots in made.items():
        work = place / name
        (work / "tests").mkdir(parents=True)
        for task in find_exercise(name).tasks:
            case = (
                ">>> import os, pathlib\n>>> from autograder.runner import check_snapshot\n"
                f">>> check_snapshot(pathlib.Path(os.environ['SNAPSHOT'])).task({task.number}).state\n'passed'"
            )
            test = {
                "name": f"q{task.number}",
                "points": task.points,
                "suites": [{"type": "doctest", "cases": [{"code": case}]}],
            }
            (work / "tests" / f"q{task.number}.py").write_text(f"OK_FORMAT = True\ntest = {test!r}\n", "utf-8")
        shutil.copy(COURSE / "exercises" / name / f"{name}.ipynb", work)
        options = ["--tests-dir", "tests", "--output-path", "autograder.zip", "--no-environment"]
        make = [python, "-m", "otter", "generate", *options]
        subprocess.run(make, cwd=work, env=variables, check=True, capture_output=True)
        archive = str(work / "autograder.zip")
        for number in range(count):
            snapshot = work / f"{number}.snapshot"
            snapshot.write_bytes(snapshots[number % len(snapshots)])
            run = [python, "-m", "otter", "run", "--no-logo", "-a", archive, f"{name}.ipynb"]
            taken += measured(run, work, variables | {"SNAPSHOT": str(snapshot)})
            results = json.loads((work / "results.json").read_bytes())
            if len(results["tests"]) < len(find_exercise(name).tasks):
                raise RuntimeError(results["tests"][-1].get("output", "").strip().rpartition("\n")[2])
    return taken


def show(name: str, taken: Taken, count: int, base: Taken | None = None, of: int = 1) -> None:
    """Print a row; `count` is the number of submissions."""
    ratio = f"{(taken.processor / count) / (base.processor / of):8.1f} x" if base is not None else ""
    each = f"{1000 * taken.processor / count:10.1f} {1000 * taken.clock / count:10.1f}"
    print(f"{name:52} {count:6} {each} {ratio}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers")
    parser.add_argument(
        "--otter", metavar="FOLDER", type=Path, help="an environment with otter-grader and this package"
    )
    arguments = parser.parse_args()
    many, distinct, few, growth = (40, 4, 2, (10, 40)) if arguments.quick else (200, 20, 10, (50, 200, 2000))
    with tempfile.TemporaryDirectory(prefix="wheelhouse-", ignore_cleanup_errors=True) as temporary:
        place = Path(temporary)
        os.environ["WHEELHOUSE_LEARNER"] = ""
        with other_labs(place / "labs"):
            made = {one.id: states(one, distinct) for one in map(find_exercise, EXERCISES)}
        both = len(EXERCISES)
        print(f"{'':52} {'sub-':>6} {'CPU ms':>10} {'clock ms':>10}   CPU of ours")
        print(f"{'':52} {'missions':>6} {'each':>8} {'each':>10}")
        room = Class(place / "ours")
        room.begin_again(made, distinct)
        once = room.grade("course", "grade")
        show(f"course grade: {distinct} of each exercise, all distinct", once, both * distinct)
        room.begin_again(made, many)
        whole = room.grade("course", "grade")
        show(f"course grade: {many} of each, {distinct} distinct", whole, both * many)
        again = room.grade("course", "grade")
        show("course grade: the same once more", again, both * many)
        print(
            f"{many} cost {whole.processor / once.processor:.2f} times the CPU of the {distinct} distinct ones",
            flush=True,
        )
        for count in growth:
            room.begin_again(made, count)
            show(f"growth: {count} of each, {distinct} distinct", room.grade("course", "grade"), both * count)
        stock = Class(place / "stock", STOCK)
        stock.begin_again(made, few)
        naive = stock.grade("nbgrader", "autograde")
        show(f"stock nbgrader autograde: {few} of each, unconfined", naive, both * few, whole, both * many)
        if arguments.otter:
            try:
                peer = otter(arguments.otter.absolute(), place / "otter", made, few)
                show(f"otter run: {few} of each, unconfined", peer, both * few, whole, both * many)
            except RuntimeError as error:
                print(f"otter run: it gave no points, so it isn't compared ({error})")
        else:
            print("otter run: not tried; name an environment that has it by --otter")


if __name__ == "__main__":
    main()
