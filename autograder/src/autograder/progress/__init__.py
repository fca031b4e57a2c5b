"""How far a learner is: lessons, tasks, what became of them over time; and all of it to carry away and to show.

::

    steps        each lesson with its exercise and tasks, and where to go on
"""

from __future__ import annotations

from autograder.progress.steps import Step, TaskStep, continue_with, steps

__all__ = ["Step", "TaskStep", "continue_with", "steps"]
