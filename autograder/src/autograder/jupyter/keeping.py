"""Keep progress as a file by itself whenever a task was finished, and where a session ends by itself, remind of taking it along."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from autograder.exceptions import CourseError
from autograder.jupyter.start_page import on_binder
from autograder.places import labs
from autograder.progress import carrying

__all__ = ["after_a_task", "at_work"]

_NAME = "keep-progress"
_one_at_a_time = threading.Lock()

REMINDER = (
    "Well done. This session ends after ten idle minutes, and its files with it: take your progress along now and then, "
    "by **Keep my progress** on the start page."
)


def after_a_task(say: Callable[[str], None]) -> None:
    """Write the progress file into the labs, from a thread of its own; what goes wrong there is nobody's loss.

    A download of that file, or the button on the start page, takes it along.
    """
    if on_binder():
        say(REMINDER)
    threading.Thread(target=_write, name=_NAME, daemon=True).start()


def at_work() -> bool:
    """Whether the file is being written just now."""
    return any(one.name == _NAME for one in threading.enumerate())


def _write() -> None:
    with _one_at_a_time, contextlib.suppress(CourseError, OSError):
        carrying.export_to(labs() / carrying.AUTOMATIC, replace=True)
