"""What can go wrong, and whose fault it is.

::

    Failed        the learner's state is not what a check wants: what was expected, what was found, one next step
    CourseError   everything else: a sentence and the next step, never a traceback
      UsageError      the command was given something it can't work with      (exit status 2)
      SnapshotError   a snapshot is damaged, hostile or too large              (exit status 2)
      SandboxError    a command can't be run under the promised limits         (exit status 3)
      BrokenExercise  an exercise's folder or check has a bug: ours            (exit status 3)
"""

from __future__ import annotations

__all__ = [
    "BrokenExercise",
    "CourseError",
    "Failed",
    "SandboxError",
    "SnapshotError",
    "UsageError",
]


class Failed(Exception):
    """A check's answer to the learner: not there yet.

    Each text is one or two plain sentences in Markdown and never holds the solution.
    The same state must give the same texts on every machine: no path outside the workspace, no time, no tool's message.
    """

    def __init__(self, *, expected: str, found: str, next_step: str, evidence: str = "") -> None:
        """Say what was `expected`, what was `found`, and one `next_step`.

        The first text in backticks in `next_step` which follows the word "Run" is a command, to be typed at the top of the workspace.
        `evidence` is a regular expression that the command's output must match in this state: the proofs over the catalogue run it.
        """
        super().__init__(found)
        self.expected = expected
        self.found = found
        self.next_step = next_step
        self.evidence = evidence


class CourseError(Exception):
    """Something the course or its user did: told in one sentence, with the next step."""

    exit_status = 3

    def __init__(self, message: str, next_step: str = "") -> None:
        """Keep the sentence and, where there is one, the next step."""
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        """Give both in one line."""
        return f"{self.message} {self.next_step}".strip()


class UsageError(CourseError):
    """A command was given something it can't work with."""

    exit_status = 2


class SnapshotError(CourseError):
    """A snapshot is damaged, hostile or too large."""

    exit_status = 2


class SandboxError(CourseError):
    """A command can't be run under the limits that were promised."""


class BrokenExercise(CourseError):
    """An exercise has a bug: the learner loses nothing by it."""
