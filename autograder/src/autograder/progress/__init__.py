"""How far a learner is: lessons, tasks, what became of them over time; and all of it to carry away and to show.

::

    steps         each lesson with its exercise and tasks, and where to go on
    account       one learner's progress, from this machine or from a file; text, learner_page and picture show it
    envelope      one file of named parts with a digest over every byte
    record        the completion record: written, read, graded again
    gathering     many learners' files; class_text and class_page show them
    carrying      progress from one machine to another
"""

from __future__ import annotations

from autograder.progress.steps import Step, TaskStep, continue_with, steps

__all__ = ["Step", "TaskStep", "continue_with", "steps"]
