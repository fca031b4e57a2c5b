"""What a notebook's kernel is working on: its workspace, its shell, and the commands `begin`, `lesson`, `grade` and `hint`."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder import changes, folder, history, report, runner
from autograder.exceptions import CourseError, UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.folder.asking import answerer
from autograder.jupyter.words import note, quiet_stderr, show
from autograder.sandbox import Limits
from autograder.verdict import Verdict

if TYPE_CHECKING:
    from autograder.acting import Onlooker
    from autograder.sandbox import Shell
    from autograder.submission import Graded

__all__ = [
    "begin",
    "changed",
    "check",
    "checking",
    "close",
    "grade",
    "grading",
    "here",
    "hint",
    "lesson",
    "open_shell",
    "ordinary_terminals",
    "start_over",
]


@dataclass
class _State:
    exercise: Exercise | None = None
    """What this notebook is about, known even where no workspace may be made (when grading)."""
    live: folder.LiveWorkspace | None = None
    shell: Shell | None = None
    graded: dict[int, Graded] | None = None
    """What was handed in, graded: only while nbgrader grades."""
    shell_of: tuple[str, int, int] | None = None
    """The workspace's name, its folder's inode, and when it was made: one started over needs another shell."""


_state = _State()
_checking = threading.Lock()
"""Held while a workspace is started over, or a hint is looked for: the checklist and a cell may both want to."""


def grading() -> bool:
    """Whether nbgrader is grading this notebook, so that only what was submitted counts (see its converters/autograde.py)."""
    return os.environ.get("NBGRADER_EXECUTION") == "autograde"


def validating() -> bool:
    """Whether this is nbgrader's Validate button, or `nbgrader validate`, in the learner's own server (see its validator.py)."""
    return os.environ.get("NBGRADER_EXECUTION") == "validate"


def ordinary_terminals() -> bool:
    """Whether this Jupyter's terminals are not known to be the sandboxed shell; `autograder.jupyter.server` says when they are."""
    return os.environ.get("WHEELHOUSE_TERMINAL") != "sandbox"


def here() -> folder.LiveWorkspace:
    """Give the workspace this notebook is in: its own, else the one begun last, else the scratch one."""
    if _state.live is None:
        _state.live = folder.current() or folder.begin_free()
    return _state.live


def open_shell() -> Shell:
    """Give the shell in which `%%shell` cells run; a new one where the workspace is another than last time."""
    live = here()
    try:
        mark = (live.name, live.project.stat().st_ino, live.made)
    except OSError:
        raise UsageError(f"The workspace {live.name} is gone.", "Run the notebook's first cell again.") from None
    if _state.shell is not None and _state.shell_of != mark:
        close_shell()
        note("This is a new shell, since the workspace was started over.")
    if _state.shell is None:
        hear = changes.Observer(live, "cell").hear
        # the cell keeps the time
        _state.shell = live.sandbox.shell(live.place, limits=Limits(wall_seconds=None), hear=hear, ask=answerer(live))
        _state.shell_of = mark
    return _state.shell


def close_shell() -> None:
    """End the shell, and all that still runs in it."""
    shell, _state.shell, _state.shell_of = _state.shell, None, None
    if shell is not None:
        shell.close()


@atexit.register
def close() -> None:
    """End all that this notebook started."""
    from autograder.jupyter import checklist

    checklist.stop_all()
    close_shell()


def checking() -> threading.Lock:
    """Give the lock under which a workspace is started over, or a hint is looked for."""
    return _checking


def check(live: folder.LiveWorkspace, *, acting: bool = True, onlooker: Onlooker | None = None) -> Verdict:
    """Check a workspace and write its snapshot.

    Raises:
        Cancelled: the onlooker has had enough.
        CourseError: see `runner.check_live`.
    """
    return runner.check_live(live, acting=acting, onlooker=onlooker)


def begin(exercise: str | int) -> None:
    """Make an exercise's workspace, or open the one there is, and show its live checklist.

    `exercise` is its number, its id or any part of the id that only it has.

    Raises:
        UsageError: there is no such exercise.
    """
    chosen = find_exercise(_name(exercise))
    _state.exercise = chosen
    if grading():
        note(f"{chosen.title}: what was submitted is graded, not this run of the notebook.")
        return
    # A lesson's notebook may bear the same name: only a folder named like the exercise is where it is handed in from.
    beside = Path.cwd()
    submit_to = beside if beside.name == chosen.id and (beside / f"{chosen.id}.ipynb").is_file() else None
    _enter(folder.begin(chosen, submit_to=submit_to))
    from autograder.jupyter.checklist import Checklist

    show(Checklist(here()))


def lesson(number: str | int) -> None:
    """Make a fresh throw-away workspace for a lesson's own cells; the exercise's workspace is not touched."""
    name = _name(number)
    if grading():
        return
    _enter(folder.begin_free(f"lesson-{name}", fresh=True))
    live = here()
    note(
        f"This lesson's cells run in a fresh workspace of their own ({live.tier} sandbox): break what you like.",
        "Run this cell again to start it over.",
    )


def _name(given: str | int) -> str:
    return f"{given:02}" if isinstance(given, int) else str(given)


def _enter(live: folder.LiveWorkspace) -> None:
    if _state.live is not None and _state.live.name != live.name:
        close_shell()
    _state.live = live


def start_over(exercise: Exercise) -> folder.LiveWorkspace:
    """Put a workspace back to its start, and end the shell which still stands in the old one."""
    with _checking:
        close_shell()
        live = folder.reset(exercise)
        history.note_reset(live)
    _enter(live)
    return live


def changed(last: int = 1) -> None:
    """Show what the last command changed, inside and outside of the project; with a number, the last so many commands."""
    steps = changes.last(here(), max(1, int(last)))
    show({"text/plain": changes.as_text(steps), "text/html": changes.as_html(steps)})


def hint(task: int | None = None) -> None:
    """Show the next hint for a task, or for the first thing that isn't so yet."""
    live = _exercise_workspace()
    with _checking, quiet_stderr():
        found = runner.next_hint(live, task)
    if found is None:
        note("Nothing is left to do there.")
        return
    note(
        f"Task {found.task.number}, {found.task.title}. Still missing: {found.check.says}",
        f"**Hint {found.number} of {found.of}:** {found.text}",
    )


def _exercise_workspace() -> folder.LiveWorkspace:
    """Give this notebook's exercise's workspace, whatever the last cell was in.

    Raises:
        UsageError: `begin` was not run in this notebook, and no exercise was begun elsewhere either.
    """
    if _state.live is not None and _state.live.exercise is not None:
        return _state.live
    live = folder.open_workspace(_state.exercise) if _state.exercise else folder.current()
    if live is None or live.exercise is None:
        raise UsageError("No exercise is begun yet.", "Run the notebook's first cell.")
    return live


def grade(task: int) -> float:
    """Check one task, show what is done and what is missing, and give its points.

    While nbgrader grades, the snapshot in the working directory is looked at instead of a workspace.
    What goes wrong is told in words and nothing goes to stderr: nbgrader takes that for an answer worth nothing.
    """
    try:
        with quiet_stderr():
            bundle, score = _submitted(task) if grading() else _present(task)
    except CourseError as error:
        note(error.message, error.next_step, kind="problem")
        return 0.0
    show(bundle)
    if validating() and _state.exercise is not None and score < _state.exercise.task(task).points:
        # what the Validate button shows of a cell that has not all its points
        print(bundle["text/plain"], file=sys.stderr)
    return score


def _present(task: int) -> tuple[dict[str, str], float]:
    verdict = check(_exercise_workspace())
    return report.as_bundle(verdict, task), float(verdict.task(task).score)


def _submitted(task: int) -> tuple[dict[str, str], float]:
    """Grade what was handed in, once for all tasks.

    Raises:
        UsageError: `begin` was not called before, or there is no such task.
    """
    from autograder.submission import grade_submission

    if _state.exercise is None:
        raise UsageError("This notebook doesn't say which exercise it is.", "Its first cell must call `begin`.")
    _state.exercise.task(task)
    if _state.graded is None:
        _state.graded = grade_submission(_state.exercise, Path.cwd())
    found = _state.graded[task]
    return found.bundle, found.kernel_value
