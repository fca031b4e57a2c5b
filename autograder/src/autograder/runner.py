"""Look at a state and say what is true of it.

There is one way from a state to a verdict: pack the workspace into a snapshot, and check the snapshot.
The checklist, `course check`, nbgrader and the grader on another machine all take it, so they can't disagree.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import threading
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from autograder import history
from autograder.acting import Onlooker, Stage, keep, kept_at, recall
from autograder.exceptions import (
    BrokenExercise,
    CourseError,
    Failed,
    SandboxError,
    SnapshotError,
    UsageError,
)
from autograder.exercise import Check, Exercise, Task, find_exercise
from autograder.folder import LiveWorkspace, index, refresh, signature, submit_folder, undisturbed
from autograder.sandbox.pythons import read_pythons
from autograder.snapshot import SnapshotTree, digest
from autograder.verdict import Outcome, TaskVerdict, Verdict
from autograder.workspace import Workspace

__all__ = [
    "Hint",
    "check_live",
    "check_snapshot",
    "evaluate",
    "next_hint",
    "snapshot_name",
]


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


class _Scene:
    """What acting checks are given of a workspace: all of it or some folders, the state of that, and where it is put together."""

    def __init__(self, tree: SnapshotTree, stage: Stage, exercise: Exercise, *, narrow: bool) -> None:
        # the variant's rows are part of each result's key; whose they are changes nothing
        facts = replace(tree.facts, seed="")
        published = digest(tree.published) if tree.published is not None else ""
        self.stage = stage
        self.state = hashlib.sha256(f"{digest(tree)} {published} {facts} {narrow}".encode()).hexdigest()
        self.workspace = Workspace(
            tree, facts, index().known, stage.act, published=tree.published, variant=exercise.variant
        )


def evaluate(
    exercise: Exercise,
    tree: SnapshotTree,
    *,
    acting: bool = True,
    tier: str | None = None,
    trusted: bool = False,
    unsafe: str = "",
    checks: Iterable[Check] | None = None,
    onlooker: Onlooker | None = None,
) -> Verdict:
    """Run an exercise's checks in order over one snapshot.

    Unless it is `trusted`, being the user's own, it is run only in a tier that isolates, or in one that `unsafe` allows
    (`"medium"`, `"basic"`; the verdict then says so): elsewhere its acting checks end as `error`.

    Results of acting checks are kept in the cache by the content of all they depend on. One that says in which folders it acts is tried
    with these alone, and with a system Python that can't be changed: who does another task, or has done it otherwise, shares its result.
    What fails there is tried in the whole workspace, since an honest way may lead outside.
    With `acting=False` those that aren't kept stay `waiting`.
    `checks` replaces the exercise's own, for the proof that each is needed.

    Raises:
        Cancelled: the onlooker, who is told of each acting check, has had enough.
    """
    exercise = exercise.drawn(tree.facts.seed)
    own = {one.name: one for one in exercise.checks}
    chosen = exercise.checks if checks is None else tuple(own.get(one.name, one) for one in checks)
    outcomes: dict[Check, Outcome] = {}
    reading = Workspace(tree, tree.facts, index().known, published=tree.published, variant=exercise.variant)
    used = ""
    pythons = read_pythons(exercise.folder)
    with contextlib.ExitStack() as open_stages:

        @functools.cache
        def scene(folders: tuple[str, ...]) -> _Scene:
            narrow = bool(folders)
            part = tree.only(folders) if narrow else tree
            stage = Stage(part, tier, trusted=trusted, unsafe=unsafe, pythons=pythons, onlooker=onlooker, still=narrow)
            return _Scene(part, open_stages.enter_context(stage), exercise, narrow=narrow)

        for one in chosen:
            before = one.after
            while before is not None and before not in outcomes:
                before = before.after  # it was left out: wait for what it waited for
            if before is not None and outcomes[before].state != "passed":
                outcomes[one] = Outcome(one, "waiting")
            elif not one.acts:
                outcomes[one] = _evaluate(one, reading)
            else:
                number = sum(other.acts for other in chosen[: chosen.index(one) + 1])
                outcome = None
                for folders in dict.fromkeys([one.acts_in, ()]):
                    stage = scene(folders).stage
                    kept = kept_at(exercise, one, scene(folders).state, stage.in_force)
                    outcome = recall(one, kept)
                    if outcome is None and acting:
                        stage.onlooker.tell(one, number, sum(other.acts for other in chosen))
                        stage.clear()
                        outcome = stage.judge(_evaluate(one, scene(folders).workspace))
                        keep(outcome, kept)
                    if outcome is None or outcome.state == "passed":
                        break
                outcomes[one] = outcome or Outcome(one, "waiting")
                if outcome is not None and outcome.state != "error" and not trusted:
                    used = stage.in_force
    return Verdict(
        exercise,
        tuple(
            TaskVerdict(task, tuple(outcomes[one] for one in chosen if one.task == task.number))
            for task in exercise.tasks
        ),
        f"Commands ran in the {used} sandbox, which doesn't keep a hostile program from the grader: this was allowed in words."
        if used
        else "",
    )


def snapshot_name(exercise: Exercise) -> str:
    """Name the file that is submitted beside the exercise's notebook."""
    return f"{exercise.id}.snapshot"


def check_snapshot(
    snapshot: Path | bytes,
    *,
    acting: bool = True,
    tier: str | None = None,
    trusted: bool = False,
    unsafe: str = "",
    onlooker: Onlooker | None = None,
) -> Verdict:
    """Check a submitted snapshot, which may be hostile; `unsafe` names the tier that was accepted in words, see `evaluate`.

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
    return evaluate(
        find_exercise(tree.exercise),
        tree,
        acting=acting,
        tier=tier,
        trusted=trusted,
        unsafe=unsafe,
        onlooker=onlooker,
    )


_Mark = tuple[str, Path | None, tuple[int, int] | None]

_latest: dict[Path, tuple[_Mark, bool, Verdict]] = {}
"""By workspace: of which state the last verdict is, whether acting checks were run for it, and the verdict."""
_packing = threading.Lock()
"""Held while a workspace is packed, which takes milliseconds; checks, which may take seconds, hold nobody up."""


def check_live(
    live: LiveWorkspace, *, acting: bool = True, submit: bool = True, onlooker: Onlooker | None = None
) -> Verdict:
    """Check a workspace on this machine, by its snapshot, which is also written beside the exercise's notebook.

    Cheap when nothing changed since the last call. Several threads and processes may check one workspace at the same time.

    Raises:
        Cancelled: the onlooker, who is told of each acting check, has had enough.
        UsageError: the workspace belongs to no exercise, or is gone.
        CourseError: the snapshot can't be written.
    """
    exercise = live.exercise
    if exercise is None:
        raise UsageError("This workspace belongs to no exercise.", "Run `course begin 06`.")
    target = submit_folder(live) if submit else None
    written = target / snapshot_name(exercise) if target else None
    with _packing:
        with undisturbed(live):
            seen = f"{signature(live.project)} {signature(live.state / 'published')}"
            known = _latest.get(live.project)
            if known is not None and known[0] == (seen, written, _stamp(written)) and (known[1] or not acting):
                return known[2]
            data = live.snapshot()
        if written is not None:  # before the checks, which may take seconds: what is written meanwhile is newer
            _write(written, data)
        mark = (seen, written, _stamp(written))
    verdict = check_snapshot(data, acting=acting, tier=live.tier, trusted=True, onlooker=onlooker)
    if verdict.state != "error":
        _latest[live.project] = (mark, acting, verdict)
    history.note(live, verdict)
    return verdict


def _stamp(written: Path | None) -> tuple[int, int] | None:
    """Tell whether a snapshot is still the one that we wrote or found equal: another notebook's kernel may have written since."""
    if written is None:
        return None
    try:
        state = written.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns


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
    refresh(live)  # another notebook may have asked since
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
        history.note_hint(live, one.task.number, missing.check.name, number)
        return Hint(one.task, missing.check, number, len(hints), hints[number - 1])
    return None
