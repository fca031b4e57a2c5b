"""Look at a state and say what is true of it.

There is one way from a state to a verdict: pack the workspace into a snapshot, and check the snapshot.
The checklist, `course check`, nbgrader and the grader on another machine all take it, so they can't disagree.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autograder.exceptions import (
    BrokenExercise,
    CourseError,
    Failed,
    SandboxError,
    SnapshotError,
    UsageError,
)
from autograder.exercise import Check, Exercise, Task, find_exercise
from autograder.folder import LiveWorkspace, index, remove_tree, sandbox, submit_folder
from autograder.places import cache
from autograder.sandbox import Limits, Place, Sandbox
from autograder.sandbox.system_python import make_system
from autograder.snapshot import SnapshotTree, digest, pack, restore
from autograder.workspace import Ran, Workspace

__all__ = [
    "Hint",
    "Outcome",
    "State",
    "TaskVerdict",
    "Verdict",
    "check_live",
    "check_snapshot",
    "next_hint",
    "snapshot_name",
]

State = Literal["passed", "failed", "waiting", "error"]

FORMAT = "wheelhouse-verdict"
VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """How one check ended."""

    check: Check
    state: State
    expected: str | None = None
    found: str | None = None
    next_step: str | None = None
    evidence: str | None = None
    """What the suggested command's output must match; for the proofs over the catalogue, not part of the verdict."""
    trouble: str | None = None
    """Our own bug's traceback; not part of the verdict."""

    def as_json(self) -> dict[str, Any]:
        """Give the record that travels."""
        return {
            "check": self.check.name,
            "says": self.check.says,
            "points": self.check.points,
            "state": self.state,
            "expected": self.expected,
            "found": self.found,
            "next_step": self.next_step,
        }


@dataclass(frozen=True)
class TaskVerdict:
    """How the checks of one task ended."""

    task: Task
    outcomes: tuple[Outcome, ...]

    @property
    def score(self) -> int:
        """The points of the checks that passed."""
        return sum(one.check.points for one in self.outcomes if one.state == "passed")

    @property
    def state(self) -> State:
        """`error` if any check ended so, else `passed` if all did, else `failed`."""
        states = {one.state for one in self.outcomes}
        return "error" if "error" in states else "passed" if states == {"passed"} else "failed"

    @property
    def first_failed(self) -> Outcome | None:
        """The first check that did not pass and waits for no other."""
        return next((one for one in self.outcomes if one.state in ("failed", "error")), None)


@dataclass(frozen=True)
class Verdict:
    """The result of checking one workspace."""

    exercise: Exercise
    tasks: tuple[TaskVerdict, ...]

    @property
    def score(self) -> int:
        """The sum over the tasks."""
        return sum(one.score for one in self.tasks)

    @property
    def state(self) -> State:
        """`error` if any task ended so, else `passed` if all did, else `failed`."""
        states = {one.state for one in self.tasks}
        return "error" if "error" in states else "passed" if states == {"passed"} else "failed"

    def task(self, number: int) -> TaskVerdict:
        """Give one task's; raises UsageError if there is none of that number."""
        wanted = self.exercise.task(number)
        return next(one for one in self.tasks if one.task == wanted)

    def as_json(self) -> dict[str, Any]:
        """Give the record that travels."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "exercise": self.exercise.id,
            "state": self.state,
            "score": self.score,
            "points": self.exercise.points,
            "tasks": [
                {
                    "task": one.task.number,
                    "title": one.task.title,
                    "state": one.state,
                    "score": one.score,
                    "points": one.task.points,
                    "checks": [outcome.as_json() for outcome in one.outcomes],
                }
                for one in self.tasks
            ],
        }

    def to_json(self) -> str:
        """Give the same text for the same verdict, with a newline at its end."""
        return json.dumps(self.as_json(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _quick_folder() -> str | None:
    """Give a folder in memory if there is plenty: a few thousand small files cost a disk ten times as much."""
    memory = "/dev/shm"  # noqa: S108 - mkdtemp makes a private folder in it
    try:
        state = os.statvfs(memory)
    except OSError:
        return None
    plenty = state.f_bavail * state.f_frsize > 1_000_000_000
    return memory if plenty and os.access(memory, os.W_OK) and "TMPDIR" not in os.environ else None


class _Stage:
    """Where one acting check of a snapshot runs: the workspace put together again, in the sandbox, when first asked for.

    Each check has its own, so that none meets what another left behind.
    """

    def __init__(self, tree: SnapshotTree, tier: str | None, *, trusted: bool) -> None:
        self.tree = tree
        self.tier = tier
        self.trusted = trusted
        self.missing: tuple[str, ...] = ()
        self._folder: Path | None = None
        self._place: Place | None = None

    def __enter__(self) -> _Stage:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            remove_tree(self._folder)

    @functools.cached_property
    def _box(self) -> Sandbox:
        box = sandbox(self.tier)
        if box.tier == "basic" and not self.trusted:
            raise SandboxError(
                "Other people's work is run in the strong sandbox only, which this machine doesn't have.",
                "See `course doctor` for how to get it, or accept the risk in words: `--unsafe-basic`.",
            )
        return box

    def _prepared(self) -> Place:
        if self._place is None:
            box = self._box
            self._folder = Path(tempfile.mkdtemp(prefix="wheelhouse-", dir=_quick_folder()))
            project, home, system = (self._folder / name for name in ("project", "home", "system"))
            for folder in (project, home, system):
                folder.mkdir()
            make_system(system)
            # the basic tier can't show a folder elsewhere than where it is
            root = None if box.tier == "basic" else self.tree.facts.root
            place = Place(project, home, system, root=root)
            self.missing = restore(
                self.tree,
                project,
                facts=self.tree.facts,
                root=box.root(place),
                python_home=str(box.python_home(place)),
            )
            self._place = place
        return self._place

    def act(self, argv: tuple[str, ...], cwd: str = "") -> Ran:
        """Run one command, from a folder of the workspace."""
        place = self._prepared()
        done = self._box.run(list(argv), place, limits=Limits(wall_seconds=60), cwd=cwd)
        return Ran(done.exit_status, done.output, done.stopped)

    def judge(self, outcome: Outcome) -> Outcome:
        """Don't blame the learner for a failure where this machine lacks files of their installed distributions.

        That is so where the workspace was made by another patch release of Python, whose bundled pip this one doesn't have,
        or where the mirror was not fetched.
        """
        lacking = [path for path in self.missing if "/site-packages/" in path]
        if outcome.state != "failed" or not lacking:
            return outcome
        return Outcome(
            outcome.check,
            "error",
            None,
            f"This machine lacks {len(lacking)} files of what is installed in the workspace (`{lacking[0]}` is the first), "
            "so it can't try this.",
            f"Run `course index fetch`, or check with Python {self.tree.facts.python_version}, which made the workspace.",
        )


@functools.cache
def _source(exercise: Exercise) -> str:
    """Hash what a check's result depends on besides the state: the checks' own text."""
    return hashlib.sha256((exercise.folder / "checks.py").read_bytes()).hexdigest()


def _evaluate(one: Check, work: Workspace) -> Outcome:
    try:
        one.function(work)
    except Failed as failed:
        return Outcome(one, "failed", failed.expected, failed.found, failed.next_step, failed.evidence)
    except SandboxError as error:
        return Outcome(one, "error", None, error.message, error.next_step or None)
    except Exception as error:
        return Outcome(
            one,
            "error",
            None,
            f"Our check `{one.name}` broke ({type(error).__name__}). This is our bug, and costs you nothing.",
            "Please report it, with the output of `course doctor`.",
            trouble=traceback.format_exc(),
        )
    return Outcome(one, "passed")


def evaluate(
    exercise: Exercise,
    tree: SnapshotTree,
    *,
    acting: bool = True,
    tier: str | None = None,
    trusted: bool = False,
    checks: Iterable[Check] | None = None,
) -> Verdict:
    """Run an exercise's checks in order over one snapshot.

    Unless it is `trusted`, being the user's own, nothing of it is run below the strong tier: its acting checks end as `error`.

    Results of acting checks are kept in the cache by the content of all they depend on.
    With `acting=False` those that aren't kept stay `waiting`.
    `checks` replaces the exercise's own, for the proof that each is needed.
    """
    chosen = tuple(checks) if checks is not None else exercise.checks
    outcomes: dict[Check, Outcome] = {}
    state = hashlib.sha256(f"{digest(tree)} {tree.facts}".encode()).hexdigest()
    reading = Workspace(tree, tree.facts, index().known)
    for one in chosen:
        before = one.after
        while before is not None and before not in outcomes:
            before = before.after  # it was left out: wait for what it waited for
        if before is not None and outcomes[before].state != "passed":
            outcomes[one] = Outcome(one, "waiting")
        elif not one.acts:
            outcomes[one] = _evaluate(one, reading)
        else:
            kept = cache() / "acting" / _key(exercise, one, state)
            outcome = _recall(one, kept)
            if outcome is None and acting:
                with _Stage(tree, tier, trusted=trusted) as stage:
                    work = Workspace(tree, tree.facts, index().known, stage.act)
                    outcome = stage.judge(_evaluate(one, work))
                _keep(outcome, kept)
            outcomes[one] = outcome or Outcome(one, "waiting")
    return Verdict(
        exercise,
        tuple(
            TaskVerdict(task, tuple(outcomes[one] for one in chosen if one.task == task.number))
            for task in exercise.tasks
        ),
    )


def _key(exercise: Exercise, one: Check, state: str) -> str:
    whole = f"{exercise.id} {one.name} {_source(exercise)} {state}"
    return hashlib.sha256(whole.encode()).hexdigest()


def _recall(one: Check, kept: Path) -> Outcome | None:
    try:
        record = json.loads(kept.read_bytes())
        return Outcome(one, **record)
    except (OSError, ValueError, TypeError):
        return None


def _keep(outcome: Outcome, kept: Path) -> None:
    """Keep a result for whoever has the same state; our own errors are tried again."""
    if outcome.state not in ("passed", "failed"):
        return
    record = {name: getattr(outcome, name) for name in ("state", "expected", "found", "next_step", "evidence")}
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
        fresh.write_text(json.dumps(record), encoding="utf-8")
        fresh.replace(kept)
    except OSError:  # a full disk costs speed here, not the result
        return


def snapshot_name(exercise: Exercise) -> str:
    """Name the file that is submitted beside the exercise's notebook."""
    return f"{exercise.id}.snapshot"


def check_snapshot(
    snapshot: Path | bytes, *, acting: bool = True, tier: str | None = None, trusted: bool = False
) -> Verdict:
    """Check a submitted snapshot, which may be hostile.

    Raises:
        SnapshotError: it can't be read.
        UsageError: there is no such file, or it is of an exercise this course doesn't have.
    """
    if isinstance(snapshot, Path):
        try:
            if snapshot.stat().st_size > SnapshotTree.LARGEST:
                raise SnapshotError(
                    f"{snapshot.name} is too large for a snapshot.",
                    "Submit the one that the course wrote.",
                )
            data = snapshot.read_bytes()
        except OSError as error:
            raise UsageError(
                f"{snapshot} can't be read: {error.strerror}.",
                "Name a file that ends in .snapshot.",
            ) from error
    else:
        data = snapshot
    tree = SnapshotTree.open(data, index().known)
    return evaluate(find_exercise(tree.exercise), tree, acting=acting, tier=tier, trusted=trusted)


def _signature(folder: Path) -> str:
    """Tell in milliseconds whether anything may have changed: names, sizes, times; no content is read."""
    found = hashlib.sha256()
    todo = [str(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in sorted(entries, key=lambda one: one.name):
                    if entry.name == "__pycache__":
                        continue
                    state = entry.stat(follow_symlinks=False)
                    found.update(
                        f"{entry.path}\0{state.st_mode}\0{state.st_size}\0{state.st_mtime_ns}\n".encode(
                            errors="surrogateescape"
                        )
                    )
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
        except OSError:
            continue
    return found.hexdigest()


_latest: dict[Path, tuple[tuple[str, bool, Path | None], Verdict]] = {}


def check_live(live: LiveWorkspace, *, acting: bool = True, submit: bool = True) -> Verdict:
    """Check a workspace on this machine, by its snapshot, which is also written beside the exercise's notebook.

    Cheap when nothing changed since the last call.
    """
    exercise = live.exercise
    if exercise is None:
        raise UsageError("This workspace belongs to no exercise.", "Run `course begin 06`.")
    if not live.project.is_dir():
        raise UsageError(
            f"The workspace of {exercise.id} is gone.",
            f"Run `course begin {exercise.number:02}` to make it again.",
        )
    target = submit_folder(live) if submit else None
    written = target / snapshot_name(exercise) if target else None
    signature = (_signature(live.project), acting, written)
    known = _latest.get(live.project)
    if known is not None and known[0] == signature and (written is None or written.exists()):
        return known[1]
    data = pack(live.tree, live.facts, index().known, exercise=exercise.id)
    verdict = check_snapshot(data, acting=acting, tier=live.tier, trusted=True)
    if written is not None:
        _write(written, data)
    if verdict.state != "error":
        _latest[live.project] = (signature, verdict)
    return verdict


def _write(target: Path, data: bytes) -> None:
    try:
        if target.exists() and target.read_bytes() == data:
            return
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        fresh.write_bytes(data)
        fresh.replace(target)
    except OSError as error:
        raise CourseError(
            f"The snapshot can't be written to {target.parent}: {error.strerror or error}.",
            "Your work is safe in the workspace; make room or make the folder writable, and check again.",
        ) from error


@dataclass(frozen=True)
class Hint:
    """One hint, and where it stands among those of its check."""

    task: Task
    check: Check
    number: int
    of: int
    text: str


def next_hint(live: LiveWorkspace, task: int | None = None) -> Hint | None:
    """Give the next hint for the first thing that isn't so yet; None if all of it is.

    After the last one the last one is given again.

    Raises:
        BrokenExercise: the check has no hint.
    """
    verdict = check_live(live)
    chosen = [verdict.task(task)] if task is not None else list(verdict.tasks)
    for one in chosen:
        missing = one.first_failed
        if missing is None:
            continue
        hints = missing.check.hints
        if not hints:
            raise BrokenExercise(f"The check `{missing.check.name}` has no hint.")
        number = min(live.hints.get(missing.check.name, 0) + 1, len(hints))
        live.hints[missing.check.name] = number
        live.save()
        return Hint(one.task, missing.check, number, len(hints), hints[number - 1])
    return None
