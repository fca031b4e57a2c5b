"""The command `course` inside the sandbox: it asks the course, which is outside, and prints what comes back.

It is copied beside the system Python of each workspace and runs with the standard library alone.
It can ask, and nothing more: what is answered is decided outside, by `autograder.folder.asking`.
"""
# Nothing from __future__: in the copy another string stands before this one.

import errno
import fcntl
import json
import os
import select
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

__all__ = ["main"]

DESCRIPTOR = 198
PATIENCE = 150.0
"""Seconds: the course gives up before."""


def main(words: Sequence[str] | None = None) -> int:
    """Ask what was typed; gives the exit status of the command outside."""
    typed = list(sys.argv[1:] if words is None else words)
    try:
        if not stat.S_ISSOCK(os.fstat(DESCRIPTOR).st_mode):
            raise OSError(errno.ENOTSOCK, "no socket")
    except OSError:
        _fail(
            "The course can't be asked from here, only from the sandbox's shell and from `%%shell` cells.",
            "Type the same in an ordinary terminal.",
        )
    try:
        with Path(__file__).open("rb") as turn:
            _take_turn(turn)
            answer = _ask(typed)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        _fail(f"The course can't be asked: {error}.", "Type the same in an ordinary terminal.")
    for stream, text in ((sys.stdout, answer["output"]), (sys.stderr, answer["errors"])):
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return int(answer["status"]) & 255


def _take_turn(turn: IO[bytes]) -> None:
    """Wait until no other `course` of this workspace is asking: the channel is one for all."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                _fail("Another `course` is still running in this workspace.", "End it, or wait for it.")
            time.sleep(0.02)
        else:
            return


def _ask(words: list[str]) -> dict[str, Any]:
    terminal = os.isatty(1)
    dull = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    mine = os.urandom(8).hex()
    question = {
        "id": mine,
        "words": words,
        "columns": os.get_terminal_size(1).columns if terminal else None,
        "colour": terminal and not dull,
    }
    line = json.dumps(question).encode() + b"\n"
    if len(line) > 1_000 or len(words) > 8 or not all(word.isprintable() and len(word) <= 100 for word in words):
        _fail("That is more than the course can be asked.", "Type `course help`.")
    os.set_blocking(DESCRIPTOR, True)
    os.write(DESCRIPTOR, line)
    end, rest = time.monotonic() + PATIENCE, b""
    while time.monotonic() < end:
        if not select.select([DESCRIPTOR], [], [], 1.0)[0]:
            continue
        data = os.read(DESCRIPTOR, 1 << 16)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for one in lines:
            try:
                told = json.loads(one)
            except ValueError:  # half an answer to somebody who has gone
                continue
            if isinstance(told, dict) and told.get("id") == mine:
                return told
    _fail("The course doesn't answer.", "Type the same in an ordinary terminal, or open a new shell.")


def _fail(sentence: str, next_step: str) -> NoReturn:
    print(f"course: {sentence} {next_step}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
