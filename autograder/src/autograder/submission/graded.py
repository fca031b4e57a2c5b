"""Points and reasons for what one learner handed in.

Used by both ways through nbgrader: our preprocessors, which start no kernel, and the cell `grade(1)` in nbgrader's own kernel.
Nothing of the notebook is looked at. What can't be graded is told in a sentence and left to a human: never full marks, never a silent zero.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from autograder import report
from autograder.exceptions import SnapshotError, UsageError
from autograder.exercise import Exercise, Task
from autograder.runner import check_snapshot
from autograder.submission.gate import Missing, Refused, admit

__all__ = ["Graded", "grade_submission"]

_log = logging.getLogger(__name__)


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


def grade_submission(exercise: Exercise, folder: Path, *, tier: str | None = "strong") -> dict[int, Graded]:
    """Grade every task of an exercise from the snapshot in a submitted folder; no exception leaves this function.

    Acting checks run in the sandbox of the given tier; where it doesn't work they end as errors of ours, so that nobody's commands run
    with fewer limits than promised.
    """
    try:
        handed_in = admit(exercise, folder)
        verdict = check_snapshot(handed_in.snapshot, tier=tier, unsafe=tier if tier in ("medium", "basic") else "")
        if verdict.exercise.id != exercise.id:
            raise Refused(
                f"The snapshot that was submitted is one of {verdict.exercise.id}. Submit the one of this exercise."
            )
    except Missing as missing:
        return _everywhere(exercise, 0.0, str(missing))
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
