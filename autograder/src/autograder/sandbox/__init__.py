"""Run a learner's or a stranger's command within bounds, in tiers.

::

    choose(index)        the strongest tier that really works here
    Sandbox.run          one command to its end
    Sandbox.shell        a bash for cells, which keeps its state
    Sandbox.interactive  the terminal, handed over
    tiers(index)         what each tier is worth here, for `course doctor`
"""

from __future__ import annotations

from autograder.sandbox.choice import choose, tiers
from autograder.sandbox.place import (
    ISOLATING,
    Completed,
    Door,
    Index,
    Limits,
    Place,
    Sandbox,
    Shell,
    Tier,
    TierReport,
)

__all__ = [
    "ISOLATING",
    "Completed",
    "Door",
    "Index",
    "Limits",
    "Place",
    "Sandbox",
    "Shell",
    "Tier",
    "TierReport",
    "choose",
    "tiers",
]
