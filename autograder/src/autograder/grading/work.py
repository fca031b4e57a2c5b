"""One job: the bytes of a snapshot become a verdict.

This is what runs on a worker, here or on a cluster: pure, so that it may be done twice, and without Jupyter or nbgrader.
What checks run, they run in the sandbox: each acting check in one of its own, in an isolating tier unless something else was said in words.
"""

from __future__ import annotations

import os
import socket
import time
import traceback

from autograder.exceptions import SnapshotError, UsageError
from autograder.exercise import find_exercises
from autograder.grading.jobs import UNSAFE, Job, Result, key_of
from autograder.runner import check_snapshot

__all__ = ["unfit", "work"]

MOST_TROUBLE = 10_000
"""Of a traceback, in characters; its end says most."""


def unfit(job: Job, *, verify: bool = True) -> str:
    """Say in a sentence why this machine can't do a job as whoever asked would; empty if it can."""
    exercise = next((one for one in find_exercises() if one.id == job.exercise), None)
    if exercise is None or job.unsafe not in UNSAFE:
        return f"This worker knows no exercise {job.exercise}: it has another version of the course."
    if verify and key_of(exercise, job.snapshot, job.unsafe) != job.key:
        return "This worker has other checks, tools or another Python than the machine that asked: install the same on both."
    return ""


def work(job: Job, *, verify: bool = True) -> Result:
    """Grade one snapshot; no exception leaves this function.

    With `verify` it makes sure first that it would come to the same verdict as whoever asked: another machine may have other checks.
    """
    start = time.perf_counter()
    worker = f"{socket.gethostname()}:{os.getpid()}"

    def done(verdict: str = "", error: str = "", *, ours: bool = False, trouble: str = "") -> Result:
        return Result(job.key, verdict, error, ours, time.perf_counter() - start, worker, trouble[-MOST_TROUBLE:])

    if refused := unfit(job, verify=verify):
        return done(error=refused, ours=True)
    try:
        verdict = check_snapshot(job.snapshot, unsafe=job.unsafe)
    except (SnapshotError, UsageError) as error:
        return done(error=f"The snapshot can't be graded. {error}")
    except MemoryError:
        return done(error="Grading this took more memory than one submission may have. A human will look.", ours=True)
    except Exception as error:
        sentence = (
            f"Our grader broke ({type(error).__name__}). This is our bug and costs you nothing: a human will look."
        )
        return done(error=sentence, ours=True, trouble=traceback.format_exc())
    if verdict.exercise.id != job.exercise:
        return done(
            error=f"The snapshot that was submitted is one of {verdict.exercise.id}. Submit the one of this exercise."
        )
    trouble = "\n".join(outcome.trouble for task in verdict.tasks for outcome in task.outcomes if outcome.trouble)
    return done(verdict.to_json(), ours=verdict.state == "error", trouble=trouble)
