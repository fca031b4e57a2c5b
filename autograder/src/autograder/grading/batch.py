"""One exercise of a class: who handed in what, what of it must be graded, and what shall stand in the gradebook.

The steps are apart, so that whoever calls can show them: `take_in`, `grade`, `standings`, `entry_of`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from autograder.exceptions import SandboxError
from autograder.exercise import Exercise
from autograder.folder import sandbox
from autograder.grading.aside import STAMP, stamp_of
from autograder.grading.classroom import Classroom
from autograder.grading.gradebook import Entry
from autograder.grading.jobs import Executor, Job, Result, key_of
from autograder.grading.journal import Journal
from autograder.grading.notebook import Mark, Master, fingerprint, graded_notebook, to_text
from autograder.grading.record import graded_of, refused_of
from autograder.sandbox import Tier
from autograder.sandbox.seed import require_sound_seed
from autograder.snapshot import drawn_for
from autograder.submission import Graded, Missing, Refused, admit, read_regular
from autograder.wording import code

__all__ = ["SECRET", "Handed", "Standing", "entry_of", "grade", "require_sandbox", "standings", "take_in"]

SECRET = "submission_secret.txt"  # noqa: S105 - a file's name
"""What nbgrader's exchange adds to a submission, and wants to find in the feedback."""
_TIERS: tuple[Tier, ...] = ("strong", "strong-pod", "medium", "basic")


@dataclass(frozen=True)
class Handed:
    """One learner's submission, as the gate saw it; what is large of it is read again when it is needed."""

    student: str
    key: str = ""
    """Of the result it needs; empty if it was refused."""
    snapshot: str = ""
    """The snapshot's SHA-256, in hexadecimal."""
    received: datetime | None = None
    refused: Refused | None = None
    noticed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """How one submission ended."""

    handed: Handed
    graded: dict[int, Graded]
    result: Result | None
    """None if the gate refused it."""

    @property
    def score(self) -> float | None:
        """All points, or None where a human must look at any task."""
        scores = [one.score for one in self.graded.values()]
        return None if any(one is None for one in scores) else sum(one for one in scores if one is not None)

    @property
    def state(self) -> str:
        """One word: `graded`, `missing` (nothing was handed in), `refused` (a human must look), `error` (through a fault of ours)."""
        if isinstance(self.handed.refused, Missing):
            return "missing"
        if any(one.ours for one in self.graded.values()):
            return "error"
        return "refused" if self.score is None else "graded"

    @property
    def reason(self) -> str:
        """Why there are no points; empty where there are."""
        if self.handed.refused is not None:
            return str(self.handed.refused)
        if self.result is not None and self.result.error:
            return self.result.error
        if self.state == "error":
            return next(one.bundle["text/plain"] for one in self.graded.values() if one.ours).partition("\n")[0]
        return ""


def take_in(
    classroom: Classroom, exercise: Exercise, students: Iterable[str], journal: Journal, unsafe: str = ""
) -> tuple[list[Handed], list[Job]]:
    """Let submissions through the gate; give what is known of each, and the jobs that nobody has done yet.

    Equal jobs are one job, whoever handed them in.
    """
    handed, jobs = [], {}
    everybody = set(classroom.students(exercise.id)) if exercise.variants.personal else set()
    for student in students:
        try:
            submission = admit(exercise, classroom.submitted(student, exercise.id))
        except Refused as refused:
            handed.append(Handed(student, refused=refused))
            continue
        key = key_of(exercise, submission.snapshot, unsafe)
        if key not in jobs and key not in journal:
            jobs[key] = Job(exercise.id, key, submission.snapshot, unsafe)
        noticed = submission.noticed
        # on a laptop whose owner nobody knows it is drawn for a random name, which is nobody's
        if everybody and (whose := drawn_for(submission.snapshot)) in everybody - {student}:
            noticed += (f"Its questions are those that were drawn for {code(whose)}.",)
        handed.append(Handed(student, key, fingerprint(submission.snapshot), submission.received, None, noticed))
    return handed, list(jobs.values())


def require_sandbox(exercise: Exercise, unsafe: str) -> None:
    """Make sure, before hours are spent, that what checks run can be run here.

    Raises:
        SandboxError: the sandbox that works here is weaker than what was asked for, or its Python was tampered with.
    """
    if not any(one.acts for one in exercise.checks):
        return
    tier = sandbox().tier
    if _TIERS.index(tier) > _TIERS.index(unsafe or "strong-pod"):
        raise SandboxError(
            f"Other people's work is run in the strong sandbox only; this machine has only the {tier} one.",
            f"See `course doctor` for how to get it, or accept the risk in words: `--unsafe-{tier}`.",
        )
    require_sound_seed()


def grade(jobs: Sequence[Job], executor: Executor, journal: Journal) -> Iterator[Result]:
    """Have jobs done; each result is on the disk when it is given. Whoever stops early stops the workers."""
    if jobs:
        with contextlib.closing(executor.run(jobs)) as results:  # type: ignore[type-var]
            for result in results:
                journal.add(result)
                yield result


def standings(
    exercise: Exercise, handed: Iterable[Handed], journal: Journal, failed: Mapping[str, Result]
) -> Iterator[Standing]:
    """Say how each submission ended, from the kept results and those which `failed` through a fault of ours, by key.

    What has no result is left to a human.
    """

    @functools.lru_cache(maxsize=1_000)  # most of a class hand in what others have handed in, too
    def known(key: str) -> tuple[dict[int, Graded], Result]:
        result = journal.get(key) or failed.get(key)
        if result is None:
            sentence = "This was not graded: whoever should have done it gave no answer. A human will look."
            result = Result(key, "", sentence, True)
        return graded_of(exercise, result), result

    for one in handed:
        if one.refused is not None:
            yield Standing(one, refused_of(exercise, one.refused), None)
        else:
            yield Standing(one, *known(one.key))


def entry_of(classroom: Classroom, exercise: Exercise, one: Standing, master: Master) -> Entry | None:
    """Give what shall stand in the gradebook; None if something else was handed in meanwhile, which was not graded."""
    handed = one.handed
    try:
        submission = admit(exercise, classroom.submitted(handed.student, exercise.id))
        snapshot, text = submission.snapshot, submission.notebook
    except Refused as refused:
        if handed.refused is None or str(refused) != str(handed.refused):
            return None
        snapshot, text = None, None
    if snapshot is not None and fingerprint(snapshot) != handed.snapshot:
        return None
    mark = Mark(one.result.told if one.result is not None else "", handed.snapshot)
    notebook, scores = graded_notebook(exercise, text, master, one.graded, mark)
    files = {f"{exercise.id}.ipynb": to_text(notebook).encode()}
    if snapshot is not None:
        files[f"{exercise.id}.snapshot"] = snapshot
    files[STAMP] = stamp_of(handed.received).encode() if handed.received is not None else b""
    with contextlib.suppress(OSError, Refused):  # nbgrader names the page that it gives back by it
        files[SECRET] = read_regular(classroom.submitted(handed.student, exercise.id) / SECRET, 1_000)
    return Entry(handed.student, scores, files, handed.received)
