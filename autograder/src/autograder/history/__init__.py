"""What became of a workspace over time: every look at it that found something else, and every hint, one JSON line each.

::

    labs/.wheelhouse/<id>/history.jsonl   at most 1 MB, and then only what is reached for the first time

Whoever checks a workspace notes it here (`runner.check_live`, `runner.next_hint`); whoever reports reads it. A reset keeps it.
It is a help for people and no evidence: it lies on the learner's own disk. No point depends on it, and what can't be written is not noted.
"""

from __future__ import annotations

from autograder.history.reading import MOST_READ, NAME, History, Look, TaskHistory, parse, read, remembered
from autograder.history.writing import note, note_answer, note_hint, note_reset

__all__ = [
    "MOST_READ",
    "NAME",
    "History",
    "Look",
    "TaskHistory",
    "note",
    "note_answer",
    "note_hint",
    "note_reset",
    "parse",
    "read",
    "remembered",
]
