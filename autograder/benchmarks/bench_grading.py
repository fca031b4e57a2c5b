"""Grading a class: `course grade` beside stock nbgrader and `otter run`, in one run, on the same submissions.

`python benchmarks/bench_grading.py`; `--quick` takes a fraction of the time. 200 submissions of an exercise, of which 20 are distinct, with all
isolation on for ours; stock nbgrader runs the released notebook's own cells, unconfined, on a few of them, since each costs the same.
Seconds of the processor don't depend on how busy the machine is, those on the clock do. otter is tried where `--otter FOLDER` has an environment with it.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from attacks.attack import Attempt
from attacks.classroom import EXERCISE, STOCK, Classroom


@dataclass(frozen=True)
class Taken:
    """What one command took, in seconds."""

    processor: float
    clock: float


def measured(room: Classroom, *command: str) -> Taken:
    """Run a command of the course, and measure it with all its children."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = room.type(*command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr[-2000:])
    return Taken(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - begun)


def snapshots(room: Classroom, distinct: int) -> list[bytes]:
    """Make states that differ, each with all answers and a note of its own."""
    made = []
    for number in range(distinct):
        folder = room.place / "states" / str(number)
        attempt = Attempt(room, "", folder, {}, None, room.place / "done" / EXERCISE, folder, exercise=EXERCISE)
        report = folder / "report" / "report.py"
        attempt.edit({"note.txt": f"{number}\n"})
        if number % 2:
            report.write_text(report.read_text() + "\n# mine\n")
        attempt.hand_in()
        assert attempt.snapshot is not None
        made.append(attempt.snapshot)
    return made


def fill(room: Classroom, made: list[bytes], count: int) -> None:
    """Let `count` learners hand in these."""
    shutil.rmtree(room.grading / "submitted", ignore_errors=True)
    for number in range(count):
        room.hand_in(f"s{number:05}", made[number % len(made)])


def forget(room: Classroom) -> None:
    """Begin anew: no result is kept, and the gradebook is empty."""
    for path in (room.grading / "autograded", room.grading / "submitted", room.cache / "acting"):
        shutil.rmtree(path, ignore_errors=True)
    for path in room.grading.rglob("*.jsonl"):
        path.unlink()
    shutil.copy(room.place / "fresh.db", room.grading / "gradebook.db")


def ours(room: Classroom, made: list[bytes], count: int) -> Taken:
    """Grade by `course grade`, from nothing."""
    forget(room)
    fill(room, made, count)
    return measured(room, "course", "grade", EXERCISE)


def show(name: str, taken: Taken, count: int, base: Taken | None = None, of: int = 1) -> None:
    """Print a row."""
    ratio = ""
    if base is not None:
        ratio = f"{(taken.processor / count) / (base.processor / of):8.1f} x"
    print(
        f"{name:44} {count:6} {1000 * taken.processor / count:10.1f} {1000 * taken.clock / count:10.1f} {ratio}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers")
    arguments = parser.parse_args()
    many, distinct, few, growth = (40, 4, 3, (10, 40)) if arguments.quick else (200, 20, 20, (50, 200, 2000))
    print(f"{'':44} {'number':>6} {'CPU ms':>10} {'clock ms':>10}   CPU of ours")
    print(f"{'':44} {'':6} {'each':>10} {'each':>10}")
    with tempfile.TemporaryDirectory(prefix="wheelhouse-", ignore_cleanup_errors=True) as place:
        room = Classroom(Path(place) / "ours")
        room.begin()
        made = snapshots(room, distinct)
        once = ours(room, made, distinct)
        show(f"course grade, {distinct} distinct", once, distinct)
        all_of_them = ours(room, made, many)
        show(f"course grade, {many}, {distinct} of them distinct", all_of_them, many)
        again = measured(room, "course", "grade", EXERCISE)
        show("course grade, the same again", again, many)
        print(
            f"{many} cost {all_of_them.processor / once.processor:.2f} times the CPU of the {distinct} distinct ones",
            flush=True,
        )
        for count in growth:
            show(f"growth: {count}, {distinct} of them distinct", ours(room, made, count), count)
        room.close()
        stock = Classroom(Path(place) / "stock", STOCK)
        stock.begin()
        fill(stock, made, few)
        naive = measured(stock, "nbgrader", "autograde", EXERCISE)
        show(f"stock nbgrader autograde, {few}, unconfined", naive, few, all_of_them, many)
        stock.close()
    print("otter run: not tried here; research/grading.md measured 1.9 to 3.3 CPU-s a submission of a smaller exercise")


if __name__ == "__main__":
    main()
