"""Our face in nbgrader's exchange: `nbgrader release_assignment`, without what the instructor has tried in the exercise's folder.

Whoever tries an exercise has a snapshot of their own beside its notebook, which would be handed to the class. The course's
`nbgrader_config.py` says instead::

    c.ExchangeFactory.release_assignment = "autograder.nbgrader_release.CleanRelease"
"""

from __future__ import annotations

from typing import Any

from nbgrader.exchange.default.release_assignment import ExchangeReleaseAssignment  # type: ignore[import-untyped]

from autograder.exercise import find_exercises
from autograder.runner import snapshot_name

__all__ = ["CleanRelease"]


class CleanRelease(ExchangeReleaseAssignment):  # type: ignore[misc]
    """nbgrader's release, which leaves snapshots where they are; learners' hand-ins, which need theirs, go another way."""

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Copy what is released, and say what is left out."""
        kept = self.coursedir.ignore
        self.coursedir.ignore = [*kept, *map(snapshot_name, find_exercises())]
        try:
            super().do_copy(src, dest, log)
        finally:
            self.coursedir.ignore = kept
