"""The `%%shell` cell: commands for the sandboxed shell of the workspace this notebook is in.

Directory, variables, functions and activation stay from cell to cell, as in a terminal; output appears while it is made.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

from autograder.exceptions import CourseError, UsageError
from autograder.jupyter import session
from autograder.jupyter.words import note

__all__ = ["register"]

TIMEOUT = 300.0
"""Seconds, unless the cell says otherwise."""
INTERRUPTED = 130
"""What a shell gives for a command that ^C ended: 128 + SIGINT."""
SHOW_EVERY = 0.2
"""Seconds between two messages with output, as ipykernel has it, which shows by itself what was last."""


class Unexpected(CourseError):
    """A lesson's cell did not end as the lesson says: the cell fails, and with it the lesson's test."""

    exit_status = 1


class _Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(
            f"%%shell doesn't understand its first line: {message}.",
            "Write `%%shell`, `%%shell --timeout 600` (seconds) or `%%shell --expect 1` (the exit status that is right here).",
        )


def _options(line: str) -> argparse.Namespace:
    parser = _Options(prog="%%shell", add_help=False)
    parser.add_argument("--timeout", type=float, default=TIMEOUT)
    parser.add_argument("--expect", type=int)
    try:
        words = shlex.split(line)
    except ValueError as error:
        parser.error(str(error))
    return parser.parse_args(words)


class _Alarm:
    """Interrupts the running command, as the learner's stop button does, when its time is over."""

    def __init__(self, seconds: float) -> None:
        self.rang = False
        self._over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def _ring(self) -> None:
        import _thread

        with self._lock:
            if not self._over:
                self.rang = True
                _thread.interrupt_main()

    @contextlib.contextmanager
    def set(self) -> Iterator[None]:
        self._timer.start()
        try:
            yield
        finally:
            with self._lock:  # from here on it can't interrupt what comes after the command
                self._over = True
            self._timer.cancel()


def run_cell(line: str, cell: str) -> int | None:
    """Run the commands and return their exit status; None if they were not run.

    Raises:
        Unexpected: the exit status isn't the one that the cell's first line expects.
    """
    options = _options(line)
    if session.grading():
        note("Not run again: what is graded is the state that was submitted.")
        return None
    shell = session.open_shell()

    shown = 0.0

    def write(text: str) -> None:
        nonlocal shown
        sys.stdout.write(text.replace("\0", ""))  # which no terminal shows, and which is six characters in a message
        # JupyterLab draws all of a cell's output anew for each message: what comes in hundreds of parts would hold up the page for minutes.
        if (now := time.monotonic()) - shown > SHOW_EVERY:
            sys.stdout.flush()
            shown = now

    alarm = _Alarm(options.timeout)
    status = INTERRUPTED
    with contextlib.suppress(KeyboardInterrupt), alarm.set():  # the shell takes it and ends the command, not itself
        status = shell.run(cell, write)
    sys.stdout.flush()
    if alarm.rang:
        note(
            f"Stopped: longer than {options.timeout:g} s.",
            "A cell that needs more time says so: `%%shell --timeout 900`.",
        )
        return status
    if options.expect is not None and status != options.expect:
        raise Unexpected(
            f"The last command ended with exit status {status}{_meaning(status)}; in this cell it should be {options.expect}.",
            "Run the notebook from its first cell again, if you changed something on the way.",
        )
    if status != 0:
        seen_coming = ", as this cell expects" if options.expect is not None else ""
        note(f"The last command ended with exit status {status}{_meaning(status)}{seen_coming}.")
    return status


def _meaning(status: int) -> str:
    """Say what shells mean by a few numbers (POSIX shell, 2.8.2 Exit Status for Commands)."""
    if status == 126:
        return ": it was found but could not be executed"
    if status == 127:
        return ": there is no such command"
    if status == INTERRUPTED:
        return ": it was interrupted. The shell is still where it was"
    if status > 128:
        return f": it was ended by signal {status - 128}"
    return ""


def register(shell: Any) -> None:
    """Add `%%shell` to an IPython shell; the exit status is left in `_exit_code`, where IPython's own `!` leaves it."""

    def magic(line: str, cell: str) -> None:
        """Run the cell's commands in the sandboxed shell; see `%%shell --timeout SECONDS --expect STATUS`."""
        shell.user_ns["_exit_code"] = run_cell(line, cell)

    shell.register_magic_function(magic, "cell", "shell")
