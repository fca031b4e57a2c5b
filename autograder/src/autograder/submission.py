"""Grade what one learner handed in: the snapshot beside their notebook.

Used by both ways through nbgrader: our preprocessors, which start no kernel, and the cell `grade(1)` in nbgrader's own kernel.
Nothing of the notebook is looked at. What can't be graded is told in a sentence and left to a human: never full marks, never a silent zero.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from autograder import report
from autograder.exceptions import SnapshotError, UsageError
from autograder.exercise import Exercise, Task
from autograder.runner import check_snapshot, snapshot_name
from autograder.snapshot import SnapshotTree

__all__ = ["REFUSED", "Graded", "Refused", "grade_submission", "read_regular"]

REFUSED = ".refused"
"""Added to the name of a submitted file that was set aside because it is no regular file."""

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A submission that can't be graded, with the sentence that says why."""


@dataclass(frozen=True)
class Graded:
    """One task of one submission, as a gradebook wants it."""

    score: float | None
    """In points; None where a human must look."""
    points: float
    bundle: dict[str, str]
    """The report, as `text/plain` and `text/html`."""
    ours: bool = False
    """Whether the score is missing through a fault of ours, for which nobody may lose points."""

    @property
    def kernel_value(self) -> float:
        """What `grade(1)` gives in nbgrader's own kernel, which knows no "left to a human".

        A submission that can't be read gets 0, with the sentence in its feedback.
        For a fault of ours it is infinity, more than any cell allows: nbgrader then refuses to record this submission
        (`nbgrader.utils.get_partial_grade` raises) and goes on with the next one.
        """
        if self.score is not None:
            return self.score
        return float("inf") if self.ours else 0.0


def read_regular(path: Path, limit: int) -> bytes:
    """Read a file that was handed in, without following a link and without waiting on a pipe.

    Raises:
        FileNotFoundError: nothing stands there.
        Refused: it is no regular file, has more than `limit` bytes, or can't be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _irregular(path.name) from None
        raise Refused(f"`{path.name}` can't be read: {error.strerror}.") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _irregular(path.name)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise Refused(f"`{path.name}` is too large. Submit the file that the course wrote.")
    return data


def _irregular(name: str) -> Refused:
    return Refused(f"`{name}` was submitted as a link, a folder or a device. Submit the file that the course wrote.")


def _read_snapshot(path: Path) -> bytes | None:
    """Read a submitted snapshot; None if there is none, and none was set aside; raises Refused like `read_regular`."""
    try:
        return read_regular(path, SnapshotTree.LARGEST)
    except FileNotFoundError:
        if os.path.lexists(path.with_name(path.name + REFUSED)):
            raise _irregular(path.name) from None
        return None


def grade_submission(exercise: Exercise, folder: Path, *, tier: str | None = "strong") -> dict[int, Graded]:
    """Grade every task of an exercise from the snapshot in a submitted folder; no exception leaves this function.

    Acting checks run in the sandbox of the given tier; where it doesn't work they end as errors of ours, so that nobody's commands run
    with fewer limits than promised.
    """
    try:
        data = _read_snapshot(folder / snapshot_name(exercise))
        if data is None:
            return _everywhere(
                exercise,
                0.0,
                f"Nothing was submitted: there is no `{snapshot_name(exercise)}` beside the notebook. "
                "It is written there each time your work is checked.",
            )
        verdict = check_snapshot(data, tier=tier, trusted=tier == "basic")
        if verdict.exercise.id != exercise.id:
            raise Refused(
                f"The snapshot that was submitted is one of {verdict.exercise.id}. Submit the one of this exercise."
            )
    except Refused as refused:
        return _everywhere(exercise, None, str(refused))
    except (SnapshotError, UsageError) as error:
        return _everywhere(exercise, None, f"The snapshot can't be graded. {error}")
    except Exception as error:
        _log.exception("grading %s broke", folder)
        sentence = (
            f"Our grader broke ({type(error).__name__}). This is our bug and costs you nothing: a human will look."
        )
        return _everywhere(exercise, None, sentence, ours=True)
    graded = {}
    for one in verdict.tasks:
        ours = one.state == "error"
        score = None if ours else float(one.score)
        graded[one.task.number] = Graded(
            score, float(one.task.points), report.as_bundle(verdict, one.task.number), ours
        )
    return graded


def _everywhere(exercise: Exercise, score: float | None, notice: str, *, ours: bool = False) -> dict[int, Graded]:
    def one(task: Task) -> Graded:
        bundle = report.notice_bundle(f"Task {task.number}: {task.title}", notice)
        return Graded(score, float(task.points), bundle, ours)

    return {task.number: one(task) for task in exercise.tasks}
