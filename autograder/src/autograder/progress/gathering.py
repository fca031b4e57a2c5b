"""Many learners' progress, read from the files that they gave: completion records and progress files, all of them strangers'."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median

from autograder import folder, history, runner
from autograder.exceptions import CourseError, UsageError
from autograder.exercise import Check, Exercise, Task, find_exercises
from autograder.progress import carried
from autograder.progress.account import Account, told_steps
from autograder.progress.envelope import LARGEST, MAGIC, read_bounded
from autograder.progress.learner import legible
from autograder.progress.record import account_of, read_record, verify

__all__ = ["Gathered", "Hurdle", "TaskSum", "gather"]

MOST_FILES = 5_000
DEEPEST = 3


@dataclass(frozen=True)
class Hurdle:
    """A check at which people fail."""

    exercise: Exercise
    task: Task
    check: Check
    stuck: int
    """Before how many learners it stands now, who have tried."""
    tries: int
    """In how many tries it failed, of all learners."""
    learners: int
    """How many learners it failed for."""


@dataclass(frozen=True)
class TaskSum:
    """What became of one task, over all learners."""

    exercise: Exercise
    task: Task
    done: int
    begun: int
    hints: int
    answers: int
    median_seconds: float
    """Of the time at work, over those who have done it and whose time is known; 0 if that is nobody."""


@dataclass(frozen=True)
class Gathered:
    """All that was read from a folder."""

    accounts: tuple[Account, ...]
    """By name; two may have the same."""
    set_aside: tuple[tuple[str, str], ...]
    """Files that could not be used: name and reason."""
    again: bool = False
    """Whether every record was graded again."""

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """Those of the course."""
        return find_exercises()

    @property
    def same_names(self) -> tuple[str, ...]:
        """Names that more than one file gives: a newer one of the same learner, or somebody else's word."""
        counts = Counter(one.name for one in self.accounts)
        return tuple(sorted(name for name, number in counts.items() if number > 1))

    def label(self, account: Account) -> str:
        """Name a learner, with the file where the name alone doesn't say who."""
        plain = account.who and account.name not in self.same_names
        return account.name if plain else f"{account.name} ({legible(account.source, 60)})"

    @property
    def tasks(self) -> tuple[TaskSum, ...]:
        """Each task of the course."""
        found = []
        for number, exercise in enumerate(self.exercises):
            for position, task in enumerate(exercise.tasks):
                ones = [account.steps[number].tasks[position] for account in self.accounts]
                times = [
                    one.history.active_seconds for one in ones if one.state == "done" and one.history.active_seconds > 0
                ]
                found.append(
                    TaskSum(
                        exercise,
                        task,
                        sum(one.state == "done" for one in ones),
                        sum(one.state == "begun" for one in ones),
                        sum(one.history.hints for one in ones),
                        sum(one.history.answer_shown for one in ones),
                        median(times) if times else 0.0,
                    )
                )
        return tuple(found)

    @property
    def hurdles(self) -> tuple[Hurdle, ...]:
        """The checks at which people fail: those before which most stand now come first, then those that failed most."""
        stuck: Counter[tuple[str, int, str]] = Counter()
        tries: Counter[tuple[str, int, str]] = Counter()
        learners: Counter[tuple[str, int, str]] = Counter()
        for account in self.accounts:
            for one in account.stuck:
                if one.tried:
                    stuck[one.step.exercise.id, one.task.task.number, one.outcome.check.name] += 1
            for step in account.steps:
                for past in step.history.tasks.values():
                    for name, count in past.failed_checks.items():
                        tries[step.exercise.id, past.number, name] += count
                        learners[step.exercise.id, past.number, name] += 1
        found = []
        for exercise in self.exercises:
            for task in exercise.tasks:
                for check in task.checks:
                    key = (exercise.id, task.number, check.name)
                    if stuck[key] or tries[key]:
                        found.append(Hurdle(exercise, task, check, stuck[key], tries[key], learners[key]))
        return tuple(sorted(found, key=lambda one: (-one.stuck, -one.tries)))

    def last_work(self, account: Account) -> datetime | None:
        """Say when somebody's last look was."""
        return max((step.history.last for step in account.steps if step.history.last), default=None)


def gather(
    place: Path, *, again: bool = False, unsafe: str = "", say: Callable[[str], None] = lambda _: None
) -> Gathered:
    """Read every record and progress file in a folder and the folders in it; links are not followed.

    With `again` the points are those of grading every record's snapshots again; otherwise those that the files tell.

    Raises:
        UsageError: there is no such folder, it holds too many files, or none that can be used.
    """
    if not place.is_dir():
        raise UsageError(f"There is no folder {place}.", "Name the one in which the records lie.")
    accounts, set_aside = [], []
    for path in _files(place):
        name = path.relative_to(place).as_posix()
        try:
            account = _account(path, name, again, unsafe, say)
        except CourseError as error:
            set_aside.append((name, error.message))
            continue
        if account is None:
            set_aside.append((name, "It is neither a completion record nor a progress file."))
        else:
            accounts.append(account)
    if not accounts:
        first = f" The first that was set aside, {legible(set_aside[0][0], 60)}: {set_aside[0][1]}" if set_aside else ""
        raise UsageError(
            f"There is no record in {place} that can be used.{first}",
            "Ask each learner for the file that `course report --record FILE` writes.",
        )
    accounts.sort(key=lambda one: (one.name.casefold(), one.source))
    return Gathered(tuple(accounts), tuple(set_aside), again)


def _files(place: Path) -> list[Path]:
    found: list[Path] = []
    todo = [(place, 1)]
    seen = 0
    while todo:
        above, depth = todo.pop()
        try:
            with os.scandir(above) as entries:
                for one in entries:
                    seen += 1
                    if seen > MOST_FILES:
                        raise UsageError(
                            f"{place} holds more than {MOST_FILES:,} files.",
                            "Put the records into a folder of their own.",
                        )
                    if one.is_dir(follow_symlinks=False) and depth < DEEPEST and not one.name.startswith("."):
                        todo.append((Path(one.path), depth + 1))
                    elif stat.S_ISREG(one.stat(follow_symlinks=False).st_mode) and not one.name.startswith("."):
                        found.append(Path(one.path))
        except OSError:
            continue
    return sorted(found)


def _account(path: Path, name: str, again: bool, unsafe: str, say: Callable[[str], None]) -> Account | None:
    try:
        with path.open("rb") as file:
            first = file.read(len(MAGIC))
    except OSError as error:
        raise UsageError(f"It can't be read: {error.strerror}.") from error
    if first == MAGIC:
        record = read_record(read_bounded(path, LARGEST))
        if not again:
            return account_of(record, name)
        found = verify(record, unsafe=unsafe, say=lambda text: say(f"{legible(name, 60)}: {text}"))
        fresh = {one.exercise: one.verdict for one in found if one.verdict is not None}
        account = account_of(record, name, fresh)
        told = tuple(f"{one.exercise}: {one.says}" for one in found if one.result != "equal")
        return replace(account, noticed=(*account.noticed, *told))
    if path.suffix == carried.SUFFIX:
        return _from_progress_file(read_bounded(path, carried.LARGEST), name)
    return None


def _from_progress_file(data: bytes, name: str) -> Account:
    """Look at the snapshots of a progress file, without running anything: what runs something is taken from its history."""
    told = carried.from_bytes(data, folder.index().known)
    verdicts, histories = {}, {}
    for part in told.parts:
        past = history.parse(part.history)
        verdict = runner.evaluate(part.exercise, part.work, acting=False)
        histories[part.exercise.id] = past
        verdicts[part.exercise.id] = history.remembered(verdict, past.latest)
    made = datetime.fromisoformat(told.made_at)
    return Account(legible(Path(name).stem), made, told_steps(verdicts, histories), source=name)
