"""`course grade`: a class's submissions of one exercise, graded here or on a cluster, into nbgrader's gradebook.

Exit status: 0 all were graded, 1 a human must look at some or has to confirm, 2 the command was used wrongly, 3 something of ours broke.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from autograder.exceptions import CourseError, UsageError
from autograder.unsafe_options import add_unsafe_options

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from autograder.exercise import Exercise
    from autograder.grading.batch import Handed, Standing
    from autograder.grading.classroom import Classroom
    from autograder.grading.gradebook import Entry, Gradebook, Row
    from autograder.grading.jobs import Executor, Job, Result
    from autograder.grading.journal import Journal
    from autograder.grading.regrade import Change

__all__ = ["add_options", "grade"]

# Imports of the package's own modules stand in the functions: `course --help` starts at once.

FORMAT, VERSION = "wheelhouse-grades", 1
MOST_ALIKE = 3
"""Of how many submissions at most the same is said in each one's row."""
MOST_READY = 2_000
"""How many submissions are kept in memory between being compared and being written: 30 kB each."""


def add_options(one: argparse.ArgumentParser) -> None:
    """Add what may be said after `course grade`."""
    one.add_argument("exercise", metavar="EX", help="a number, an id, or any part of it only one has")
    one.add_argument("--students", metavar="NAME", nargs="+", help="these learners only (default: all who handed in)")
    one.add_argument("--workers", metavar="N", type=_count, help="processes at work (default: one a processor)")
    one.add_argument("--scheduler", metavar="ADDRESS", help="have it done by a Dask cluster, such as tls://head:8786")
    one.add_argument("--shared", metavar="PLACE", help="a folder or store of results that several machines share")
    one.add_argument(
        "--compare", action="store_true", help="don't grade: list what submissions have in common that few others have"
    )
    one.add_argument("--dry-run", action="store_true", help="grade, and say what would change, but write no points")
    one.add_argument("-y", "--yes", action="store_true", help="change points that were given before without asking")
    one.add_argument("--json", action="store_true", help="everything, for programs; asks nothing")
    add_unsafe_options(one, "run submitted programs", "those who handed in")


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 1 and 1024")
    return int(text)


def grade(arguments: argparse.Namespace) -> int:
    """Grade a class."""
    from autograder.exercise import find_exercise
    from autograder.grading.classroom import find_classroom
    from autograder.grading.journal import Journal

    exercise = find_exercise(arguments.exercise)
    classroom = find_classroom()
    students = _students(classroom, exercise, arguments.students)
    if arguments.compare:
        return _compare(classroom, exercise, students, as_json=arguments.json)
    run = _Run(exercise, classroom, arguments)
    with (
        classroom.only_one(exercise.id, _note),
        Journal(classroom.kept / f"{exercise.id}.jsonl") as journal,
    ):
        run.work(students, journal)
        run.write(journal)
    return run.tell()


def _compare(classroom: Classroom, exercise: Exercise, students: list[str], *, as_json: bool) -> int:
    """List what submissions have in common."""
    from autograder.folder import index
    from autograder.grading.copying import compare_class

    found = compare_class(classroom, exercise, students, index().known)
    _say(json.dumps(found.as_json(), indent=1, ensure_ascii=False, sort_keys=True) if as_json else found.as_text)
    return 0


def _students(classroom: Classroom, exercise: Exercise, wanted: list[str] | None) -> list[str]:
    found = classroom.students(exercise.id)
    if not found:
        place = classroom.submitted("NAME", exercise.id)
        raise UsageError(
            f"Nobody has handed in {exercise.id}.",
            f"Collect first, with `nbgrader collect {exercise.id}`, or put each learner's files into {place}.",
        )
    if wanted is None:
        return found
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        raise UsageError(
            f"{', '.join(map(repr, unknown))} handed in no {exercise.id}.",
            f"Those who did: {', '.join(found[:10])}{', …' if len(found) > 10 else ''}.",
        )
    return sorted(set(wanted))


def _executor(arguments: argparse.Namespace) -> Executor:
    """Choose who works: this machine or a cluster, behind a place of shared results where one was named."""
    executor: Executor
    if arguments.scheduler is None:
        from autograder.grading.local import LocalExecutor

        executor = LocalExecutor(arguments.workers)
    else:
        try:
            cluster = importlib.import_module("autograder.grading.cluster")
        except ImportError:
            raise UsageError(
                "Grading on a cluster needs Dask, which is not installed.",
                "Run `pip install distributed` where the course is installed.",
            ) from None
        executor = cluster.ClusterExecutor(arguments.scheduler, tell=_note_below)
    if arguments.shared is not None:
        from autograder.grading.shared import SharedExecutor, SharedResults

        executor = SharedExecutor(executor, SharedResults(arguments.shared))
    return executor


@dataclass
class _Run:
    """One `course grade`, and what came of it."""

    exercise: Exercise
    classroom: Classroom
    arguments: argparse.Namespace
    handed: list[Handed] = field(default_factory=list)
    failed: dict[str, Result] = field(default_factory=dict)
    done: int = 0
    seconds: float = 0.0
    ended: list[Standing] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    unchanged: set[str] = field(default_factory=set)
    held_back: set[str] = field(default_factory=set)
    ready: dict[str, Entry] = field(default_factory=dict)
    """What shall be written, as far as it is remembered from when it was compared."""
    moved: set[str] = field(default_factory=set)
    """Those who handed in something else while this went on."""
    outdated: list[str] = field(default_factory=list)
    """Tasks that have other points in the gradebook than in the exercise: nobody gets points for them."""
    asked: bool = False
    """Whether the changes were shown, and somebody was asked."""

    def work(self, students: list[str], journal: Journal) -> None:
        """Get a result for each submission: from the journal, or by having the work done."""
        from autograder.grading.batch import require_sandbox, standings, take_in

        begun = time.monotonic()
        unsafe = self.arguments.unsafe
        self.handed, jobs = take_in(self.classroom, self.exercise, students, journal, unsafe)
        if jobs and self.arguments.scheduler is None:
            require_sandbox(self.exercise, unsafe)
        for result in self._shown(jobs, journal):
            self.done += 1
            if result.ours:
                self.failed[result.key] = result
        self.ended = list(standings(self.exercise, self.handed, journal, self.failed))
        self.seconds = time.monotonic() - begun

    def _shown(self, jobs: list[Job], journal: Journal) -> Iterator[Result]:
        from autograder.grading import batch
        from autograder.submission import Missing

        if not jobs:
            return
        executor = _executor(self.arguments)
        refused = sum(one.refused is not None and not isinstance(one.refused, Missing) for one in self.handed)
        with _Progress(len(jobs), refused, sys.stderr) as progress:
            for result in batch.grade(jobs, executor, journal):
                progress.step(failed=bool(result.error) or result.ours)
                yield result

    def write(self, journal: Journal) -> None:
        """Put into the gradebook what isn't there yet; points that were given before only when that is wanted."""
        from autograder.grading.aside import settle_time
        from autograder.grading.batch import entry_of
        from autograder.grading.gradebook import Gradebook

        dry = self.arguments.dry_run
        if dry and self.classroom.database is not None and not self.classroom.database.exists():
            return
        with self.classroom.only_one("gradebook", _note) as lock, Gradebook(self.classroom, self.exercise) as book:
            book.sweep()
            if (master := book.master()) is None:
                if dry:
                    return
                book.release(lock)
                _note(f"{self.exercise.id} was not in the gradebook yet; it was put there from its source.")
                if (master := book.master()) is None:  # pragma: no cover - release() made sure
                    raise CourseError(f"{self.exercise.id} isn't in the gradebook.")
            self.outdated = [
                f"task {one.number}"
                for one in self.exercise.tasks
                if master.points.get(f"task-{one.number}") != one.points
            ]
            if self.outdated:
                _note(
                    f"The gradebook knows {', '.join(self.outdated)} of {self.exercise.id} with other points than there are now, "
                    f"so a human must look there. Better: run `make build` and `nbgrader generate_assignment {self.exercise.id} --force`, "
                    "and then this again."
                )
            self.rows = book.rows()
            fresh: list[str] = []
            wait: list[str] = []
            for one in self.ended:
                student = one.handed.student
                if not dry:
                    settle_time(self.classroom.submitted(student, self.exercise.id), one.handed.received)
                    book.sweep(student)
                entry = entry_of(self.classroom, self.exercise, one, master)
                if entry is None:
                    self.moved.add(student)
                    continue
                row = self.rows.get(student)
                if book.is_written(entry, row) and not (row is not None and (row.late or row.penalty)):
                    self.unchanged.add(student)
                    continue
                change = self._change(entry, row, journal)
                if len(self.ready) < MOST_READY:
                    self.ready[student] = entry
                (wait if change is not None and not change.resubmitted else fresh).append(student)
            if dry:
                self.held_back = {*fresh, *wait}
                return
            if wait and not self._confirmed(len(wait)):
                self.held_back = set(wait)
                wait = []
            chosen = {*fresh, *wait}
            self.written = set(book.write(self._entries(chosen, book)))
            self.rows = book.rows()

    def _change(self, entry: Entry, row: Row | None, journal: Journal) -> Change | None:
        from autograder.grading.regrade import change_of

        shown = None
        with contextlib.suppress(OSError):
            place = self.classroom.autograded(entry.student, self.exercise.id)
            shown = (place / f"{self.exercise.id}.ipynb").read_bytes()
        change = change_of(row, shown, entry, journal)
        if change is not None:
            self.changes.append(change)
        return change

    def _entries(self, chosen: set[str], book: Gradebook) -> Iterator[Entry]:
        from autograder.grading.batch import entry_of

        master = book.master()
        for one in self.ended:
            if one.handed.student in chosen and master is not None:
                entry = self.ready.get(one.handed.student) or entry_of(self.classroom, self.exercise, one, master)
                if entry is not None:
                    yield entry
                else:
                    self.moved.add(one.handed.student)

    def _confirmed(self, count: int) -> bool:
        """Say whose points change and why, and ask."""
        if self.arguments.yes:
            return True
        if self.arguments.json or not sys.stdin.isatty():
            return False
        _say("Points that were given before would change:")
        for change in self.changes:
            if not change.resubmitted:
                _say(f"  {change}")
        self.asked = True
        try:
            answer = input(f"Change the points of {count} {_plural(count, 'learner')}? [y/N] ")
        except EOFError:  # Ctrl-D
            answer = ""
            _say()
        return answer.strip().lower() in ("y", "yes")

    # --- what came of it

    @property
    def status(self) -> int:
        """The exit status."""
        states = {one.state for one in self.ended if not self._looked_at(one)}
        if "error" in states:
            return 3
        waits = (
            "refused" in states
            or bool(self.moved)
            or bool(self.outdated)
            or (bool(self.held_back) and not self.arguments.dry_run)
        )
        return 1 if waits else 0

    def tell(self) -> int:
        """Print everything, for a reader or for a program."""
        if self.arguments.json:
            _say(json.dumps(self.as_json(), indent=1, ensure_ascii=False, sort_keys=True))
            return self.status
        if self.changes and not self.asked and (self.arguments.yes or self.arguments.dry_run or self.held_back):
            _say(f"Points that {'would change' if self.held_back else 'changed'}:")
            for change in self.changes:
                _say(f"  {change}")
            _say()
        noticed = Counter(text for one in self.ended for text in set(one.handed.noticed))
        common = {text: count for text, count in noticed.items() if count > MOST_ALIKE}
        rows = [("LEARNER", "POINTS", "OF", "NOTE")]
        for one in self.ended:
            score = "-" if one.score is None else f"{one.score:g}"
            rows.append((one.handed.student, score, f"{self.exercise.points}", self._remark(one, common)))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for student, points, of, remark in rows:
            _say(f"{student:{widths[0]}}  {points:>{widths[1]}}  {of:>{widths[2]}}  {remark}".rstrip())
        _say()
        for text, count in common.items():
            _say(f"{count} of {len(self.ended)}: {text}")
        for line in self._summary():
            _say(line)
        return self.status

    def _looked_at(self, one: Standing) -> bool:
        """Say whether a human has given points for all that was left to them."""
        row = self.rows.get(one.handed.student)
        return one.state == "refused" and row is not None and bool(row.manual) and not row.waits

    def _remark(self, one: Standing, common: Container[str]) -> str:
        """Say in words what a row's points don't; what is `common` to many is said once, below."""
        words = [one.reason] if one.reason else []
        if words and one.state == "refused" and not self._looked_at(one):
            words = [f"a human must look: {one.reason}"]
        row = self.rows.get(one.handed.student)
        if row is not None:
            if row.late:
                penalty = f", {row.penalty:g} points off" if row.penalty else ""
                words.append(f"late by {_span(row.late)}{penalty}")
            if row.manual:
                given = ", ".join(f"{name}: {score:g}" for name, score in sorted(row.manual.items()))
                words.append(f"points by hand: {len(row.manual)} {_plural(len(row.manual), 'task')} ({given})")
        if one.handed.student in self.moved:
            words.append("handed in something else meanwhile: grade again")
        if one.handed.student in self.held_back and not self.arguments.dry_run:
            words.append("points as before")
        elif self.outdated and one.state == "graded":
            words.append(f"a human must look: {', '.join(self.outdated)}")
        words += [text for text in one.handed.noticed if text not in common]
        return "; ".join([*(word.removesuffix(".") for word in words[:-1]), *words[-1:]])

    def _summary(self) -> Iterator[str]:
        states = Counter("by hand" if self._looked_at(one) else one.state for one in self.ended)
        count = len(self.ended)
        found = [
            f"{states['graded']} graded",
            *([f"{states['by hand']} by hand"] if states["by hand"] else []),
            *([f"{states['missing']} without a snapshot"] if states["missing"] else []),
            *([f"{states['refused']} for a human to look at"] if states["refused"] else []),
            *([f"{states['error']} not graded through a fault of ours"] if states["error"] else []),
        ]
        yield f"{self.exercise.id}: {count} {_plural(count, 'submission')}, {', '.join(found)}."
        kept = len({one.key for one in self.handed if one.key}) - self.done
        yield f"{self.done} different {_plural(self.done, 'snapshot')} graded in {_span(self.seconds)}, {kept} known from before."
        if self.arguments.dry_run:
            yield "Nothing was written: run it without --dry-run for that."
        else:
            yield f"Gradebook: {len(self.written)} written, {len(self.unchanged)} as they should be."
        if self.held_back and not self.arguments.dry_run:
            yield f"Points of {len(self.held_back)} were left as they are: run it with --yes to change them."
        if states["error"]:
            yield "What failed through a fault of ours is tried again when you run the command again."

    def as_json(self) -> dict[str, Any]:
        """Give the record for programs."""
        changes = {one.student: one for one in self.changes}
        return {
            "format": FORMAT,
            "version": VERSION,
            "exercise": self.exercise.id,
            "points": self.exercise.points,
            "graded": self.done,
            "seconds": round(self.seconds, 3),
            "dry_run": bool(self.arguments.dry_run),
            "status": self.status,
            "submissions": [self._record(one, changes.get(one.handed.student)) for one in self.ended],
        }

    def _record(self, one: Standing, change: Change | None) -> dict[str, Any]:
        student = one.handed.student
        row = self.rows.get(student)
        return {
            "student": student,
            "state": one.state,
            "score": one.score,
            "reason": one.reason,
            "tasks": {f"{number}": task.score for number, task in one.graded.items()},
            "key": one.handed.key,
            "received": one.handed.received.isoformat() if one.handed.received else None,
            "noticed": list(one.handed.noticed),
            "late_seconds": row.late if row else 0.0,
            "penalty": row.penalty if row else None,
            "by_hand": dict(row.manual) if row else {},
            "gradebook": "written" if student in self.written else "unchanged" if student in self.unchanged else "left",
            "change": None
            if change is None
            else {
                "before": change.before,
                "after": None if change.waits else change.after,
                "why": list(change.why),
                "resubmitted": change.resubmitted,
            },
        }


class _Progress:
    """Shows how far it is: one line that is written anew on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int, refused: int, stream: TextIO) -> None:
        self.total, self.refused, self.stream = total, refused, stream
        self.terminal = stream.isatty()
        self.done = self.failed = 0
        self.begun = self.shown = time.monotonic()

    def __enter__(self) -> _Progress:
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        if self.terminal:
            print(file=self.stream, flush=True)

    def step(self, *, failed: bool) -> None:
        """Count one result."""
        self.done += 1
        self.failed += failed
        if self.terminal or self.done == self.total or time.monotonic() - self.shown > 10:
            self._show()

    def _show(self) -> None:
        self.shown = time.monotonic()
        words = [f"{self.done} of {self.total} snapshots graded"]
        if self.failed:
            words.append(f"{self.failed} could not be")
        if self.refused:
            words.append(f"{self.refused} refused")
        if 0 < self.done < self.total:
            left = (self.shown - self.begun) / self.done * (self.total - self.done)
            words.append(f"about {_span(left)} left")
        line = ", ".join(words)
        if not self.terminal:
            print(line, file=self.stream, flush=True)
            return
        filled = round(20 * self.done / self.total)
        print(f"\r\033[K[{'#' * filled}{'.' * (20 - filled)}] {line}", end="", file=self.stream, flush=True)


def _span(seconds: float) -> str:
    """Give a length of time in words that fit its size."""
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds" if seconds >= 2 else f"{seconds:.1f} s"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def _visible(text: str) -> str:
    """Make visible what a terminal would obey in a text of strangers."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _say(text: str = "") -> None:
    print("\n".join(_visible(line) for line in text.split("\n")), flush=True)


def _note(text: str) -> None:
    print(_visible(text), file=sys.stderr, flush=True)


def _note_below(text: str) -> None:
    """Note something while the line of progress may be open."""
    if sys.stderr.isatty():
        print(file=sys.stderr)
    _note(text)
