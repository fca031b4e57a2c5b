"""What travels to whoever grades and back again, and the key by which equal work is done once."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from autograder import __version__
from autograder.exercise import Exercise
from autograder.sandbox.system_python import system_python_version
from autograder.sandbox.tools import tools_mark
from autograder.settings import settings

__all__ = ["UNSAFE", "Executor", "Job", "Result", "judges", "key_of"]

UNSAFE = ("", "medium", "basic")
"""What may be said in words: nothing, so that work of others runs in isolating tiers only, or the weakest tier that is accepted."""

_PACKAGE = Path(__file__).parents[1]
_NO_JUDGES = (
    *("catalog", "grading", "history", "jupyter", "progress"),
    *("cli.py", "grade_commands.py", "index_commands.py", "progress_commands.py"),
    *("nbgrader_collect.py", "nbgrader_plugin.py", "nbgrader_release.py"),
)
"""Parts of the package whose change can't change a verdict; each exercise's own folder is looked at by itself."""


@dataclass(frozen=True)
class Job:
    """One snapshot to grade; it survives pickle and JSON."""

    exercise: str
    """The id of the exercise that was handed in, whatever the snapshot says."""
    key: str
    """What the verdict depends on, hashed: see `key_of`. Two jobs with one key have one result."""
    snapshot: bytes
    unsafe: str = ""
    """One of `UNSAFE`."""

    def as_json(self) -> dict[str, str]:
        """Give the record that travels."""
        text = base64.b64encode(self.snapshot).decode()
        return {"exercise": self.exercise, "key": self.key, "snapshot": text, "unsafe": self.unsafe}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Job:
        """Read what `as_json` gave; raises ValueError, KeyError or TypeError where it is no such record."""
        snapshot = base64.b64decode(record["snapshot"], validate=True)
        return cls(_text(record, "exercise"), _text(record, "key"), snapshot, _text(record, "unsafe"))


@dataclass(frozen=True)
class Result:
    """What came of one job; it survives pickle and JSON."""

    key: str
    verdict: str = ""
    """The verdict as JSON, byte for byte what `course check --json` prints; empty if there is none."""
    error: str = ""
    """Why there is no verdict: a sentence for the learner and for the human who must look."""
    ours: bool = False
    """Whether there is none, or one that ended as `error`, through a fault of ours: then another run tries again."""
    seconds: float = 0.0
    """How long it took, on the clock on the wall."""
    worker: str = ""
    """Who did it."""
    trouble: str = ""
    """Our own bug's traceback, for whoever mends it."""

    @property
    def told(self) -> str:
        """Hash what is told of the submission, the verdict or the error: 64 hexadecimal digits."""
        return hashlib.sha256((self.verdict or self.error).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Give the record that travels."""
        return {
            "key": self.key,
            "verdict": self.verdict,
            "error": self.error,
            "ours": self.ours,
            "seconds": round(self.seconds, 3),
            "worker": self.worker,
        } | ({"trouble": self.trouble} if self.trouble else {})

    @classmethod
    def from_json(cls, record: Any) -> Result:
        """Read what `as_json` gave; raises ValueError, KeyError or TypeError where it is no such record."""
        verdict, error = _text(record, "verdict"), _text(record, "error")
        if bool(verdict) == bool(error):
            raise ValueError("a result has either a verdict or an error")
        seconds = record["seconds"]
        if not isinstance(seconds, int | float):
            raise TypeError("seconds")
        worker, trouble = _text(record, "worker"), _text({"trouble": ""} | record, "trouble")
        return cls(_text(record, "key"), verdict, error, record["ours"] is True, float(seconds), worker, trouble)


def _text(record: Any, name: str) -> str:
    value = record[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


class Executor(Protocol):
    """Whoever carries jobs to workers: `local.LocalExecutor`, or a cluster's."""

    @property
    def workers(self) -> int:
        """How many jobs are done at the same time, for the estimate of what remains."""

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Give each job's result once, as soon as it is there, in any order; no two jobs have the same key.

        A job that kills its worker, or hangs, is tried once more, and then has a result that says so.
        Whoever stops iterating (`close()`) stops the workers.
        """


@functools.cache
def _texts(folder: Path, skip: tuple[str, ...]) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] in skip or "__pycache__" in name.parts or not path.is_file():
            continue
        found.update(f"{name.as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def judges(exercise: Exercise) -> str:
    """Hash all that makes a verdict but the snapshot: the exercise's checks, the policy, this package, the tools, the Python that tries them.

    About 10 ms once a process. What is in the exercise's folder for its authors only (`mistakes.py`, `alternatives.py`) doesn't count.
    """
    checks = _texts(exercise.folder, ("mistakes.py", "alternatives.py"))
    whole = f"{__version__} {_texts(_PACKAGE, _NO_JUDGES)} {checks} {settings().policy} {system_python_version()} {tools_mark()}"
    return hashlib.sha256(whole.encode()).hexdigest()


def key_of(exercise: Exercise, snapshot: bytes, unsafe: str = "") -> str:
    """Hash what the verdict of a snapshot depends on: 64 hexadecimal digits."""
    parts = [exercise.id, hashlib.sha256(snapshot).hexdigest(), judges(exercise), unsafe]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
