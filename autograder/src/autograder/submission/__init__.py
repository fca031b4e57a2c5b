"""Take in and grade what one learner handed in: the snapshot beside their notebook.

`admit` is the gate: nothing else opens a file that was handed in. `grade_submission` gives points and reasons from what came through.
"""

from __future__ import annotations

from autograder.submission.gate import REFUSED, Missing, Refused, Submission, admit, read_regular
from autograder.submission.graded import Graded, grade_submission

__all__ = ["REFUSED", "Graded", "Missing", "Refused", "Submission", "admit", "grade_submission", "read_regular"]
