"""From a result that travelled back to a verdict, and to what a gradebook wants to know of each task."""

from __future__ import annotations

import json
from typing import Any

from autograder.exercise import Exercise
from autograder.grading.jobs import Result
from autograder.report import as_bundle, notice_bundle
from autograder.submission import Graded, Missing, Refused
from autograder.verdict import Outcome, TaskVerdict, Verdict

__all__ = ["graded_of", "refused_of", "verdict_of"]

_STATES = ("passed", "failed", "waiting", "error")


def verdict_of(exercise: Exercise, text: str) -> Verdict:
    """Read a verdict of this exercise, as `Verdict.to_json` wrote it.

    Raises:
        ValueError: it is none, or one of other checks than this course has.
    """
    try:
        record = json.loads(text)
        tasks = {one["task"]: {outcome["check"]: outcome for outcome in one["checks"]} for one in record["tasks"]}
        whole = tuple(
            TaskVerdict(task, tuple(_outcome(check, tasks[task.number][check.name]) for check in task.checks))
            for task in exercise.tasks
        )
        unsafe = {"unsafe": str(record["unsafe"])} if "unsafe" in record else {}
        verdict = Verdict(exercise, whole, **unsafe)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"this is no verdict of {exercise.id}") from error
    if verdict.to_json() != text:
        raise ValueError(f"this is a verdict of another version of {exercise.id}")
    return verdict


def _outcome(check: Any, record: dict[str, Any]) -> Outcome:
    if record["state"] not in _STATES:
        raise ValueError("this is no verdict")
    return Outcome(check, record["state"], record["expected"], record["found"], record["next_step"])


def graded_of(exercise: Exercise, result: Result) -> dict[int, Graded]:
    """Give each task's points and report, by number; without a verdict, or where ours broke, a human must look."""
    if not result.verdict:
        return _everywhere(exercise, None, result.error, ours=result.ours)
    try:
        verdict = verdict_of(exercise, result.verdict)
    except ValueError:
        sentence = "Whoever graded this has another version of the course. This costs you nothing: a human will look."
        return _everywhere(exercise, None, sentence, ours=True)
    graded = {}
    for one in verdict.tasks:
        ours = one.state == "error"
        score = None if ours else float(one.score)
        graded[one.task.number] = Graded(score, float(one.task.points), as_bundle(verdict, one.task.number), ours)
    return graded


def refused_of(exercise: Exercise, refused: Refused) -> dict[int, Graded]:
    """Give what is told of a submission that the gate did not let in: no points if there was none, else a human must look."""
    return _everywhere(exercise, 0.0 if isinstance(refused, Missing) else None, str(refused))


def _everywhere(exercise: Exercise, score: float | None, notice: str, *, ours: bool = False) -> dict[int, Graded]:
    return {
        task.number: Graded(score, float(task.points), notice_bundle(f"Task {task.number}: {task.title}", notice), ours)
        for task in exercise.tasks
    }
