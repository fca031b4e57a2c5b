"""Many submissions to verdicts, here or on a cluster, and from there into nbgrader's gradebook.

::

    jobs       what travels to a worker and back, and who carries it
    work       one job: the bytes of a snapshot become a verdict; needs neither Jupyter nor nbgrader
    local      workers on this machine, watched
    worker     what such a worker runs

Whatever can't be graded is left to a human, with the reason: never full marks, never silently zero.
"""

from __future__ import annotations

from autograder.grading.jobs import Executor, Job, Result, key_of

__all__ = ["Executor", "Job", "Result", "key_of"]
