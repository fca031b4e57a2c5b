"""Let what runs in the sandbox ask the course a question: one line goes out, text comes back, and nothing else passes.

The command `course` inside (course_asks.py) writes a line of JSON to an inherited descriptor; a thread of ours reads it out here.
Anything inside can write there as often and whatever it likes, so a line is taken for what it is, hostile input:

* it is short, and of a few plain words; what they may be is decided by whoever answers (see `autograder.folder.asking`);
* one question is answered at a time, and of those that waited only the newest: who asks in earnest asks one and waits;
* who has cost more than some seconds waits between two answers as long as the last one took: half a processor's time is the most;
* descriptors that are sent along are never taken; an answer that nobody reads is given up.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "DESCRIPTOR",
    "LONGEST_ANSWER",
    "LONGEST_QUESTION",
    "Answer",
    "Ask",
    "Question",
    "QuestionChannel",
    "read_question",
]

DESCRIPTOR = 198
"""By which number the command inside knows the channel."""
LONGEST_QUESTION = 1_000
"""Bytes of one line."""
LONGEST_ANSWER = 100_000
"""Characters of the output, and of the errors, that go back."""
MOST_WORDS = 8
_LONGEST_WORD = 100
_NARROWEST, _WIDEST = 20, 400
_AT_ONCE = 64 * 1024
_CREDIT = 10.0
"""Seconds of answering that are had without waiting; each second in which nothing is asked gives one back."""
_PAUSE = 0.02
"""Seconds between two looks, however much is written."""
_UNREAD = 5.0
"""Seconds for which an answer waits to be read."""


@dataclass(frozen=True)
class Question:
    """What was typed inside after `course`, and what the terminal there can show."""

    words: tuple[str, ...]
    columns: int | None = None
    """How wide the terminal is; None where it is none."""
    colour: bool = False


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    status: int
    output: str = ""
    errors: str = ""


Ask = Callable[[Question, Callable[[], bool]], Answer]
"""Takes a question, and a function that says whether anybody still waits for its answer."""


def read_question(line: bytes) -> tuple[str, Question] | None:
    """Read one line: whose question it is (a text that goes back with the answer), and the question; None if it is none."""
    if len(line) > LONGEST_QUESTION:
        return None
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    asker, words, columns = told.get("id"), told.get("words"), told.get("columns")
    if not isinstance(asker, str) or not re.fullmatch(r"[0-9a-f]{1,32}", asker):
        return None
    if not isinstance(words, list) or len(words) > MOST_WORDS or not all(map(_plain, words)):
        return None
    wide = isinstance(columns, int) and not isinstance(columns, bool) and 0 < columns < 100_000
    held = min(max(int(columns or 0), _NARROWEST), _WIDEST) if wide else None
    return asker, Question(tuple(words), held, told.get("colour") is True)


def _plain(word: Any) -> bool:
    return isinstance(word, str) and len(word) <= _LONGEST_WORD and word.isprintable()


class QuestionChannel:
    """The channel of one shell, and the thread that answers on it."""

    def __init__(self, ask: Ask) -> None:
        """Make both ends; `ask` is called from a thread of its own, and what it raises is told as our error."""
        self._ask = ask
        self._ours, self._theirs = socket.socketpair()

    @property
    def descriptors(self) -> dict[int, int]:
        """The descriptor to pass, by its number inside."""
        return {DESCRIPTOR: self._theirs.fileno()}

    def started(self) -> None:
        """Let go of the end that the shell has now, and listen."""
        self._theirs.close()
        threading.Thread(target=self._listen, name="wheelhouse-questions", daemon=True).start()

    def failed(self) -> None:
        """Close both ends: there is no shell."""
        self._theirs.close()
        self._ours.close()

    def _listen(self) -> None:
        """Answer until all inside have gone."""
        rest, owed, ended = b"", 0.0, time.monotonic()
        with self._ours, contextlib.suppress(OSError):
            while data := self._ours.recv(_AT_ONCE):
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[: LONGEST_QUESTION + 1]  # the end of a line that is too long doesn't make it shorter
                began = time.monotonic()
                asked = next((one for line in reversed(lines) if (one := read_question(line)) is not None), None)
                if asked is not None:
                    self._answer(*asked)
                    taken = time.monotonic() - began
                    owed = max(0.0, owed - (began - ended)) + taken
                    if owed > _CREDIT:
                        time.sleep(taken)
                    ended = time.monotonic()
                time.sleep(_PAUSE)

    def _still_wanted(self) -> bool:
        """Say whether the shell lives and nobody has asked anew: who asks takes turns, so whoever asked before has gone."""
        self._ours.setblocking(False)
        try:
            return self._ours.recv(1, socket.MSG_PEEK) is None
        except BlockingIOError:
            return True
        finally:
            self._ours.setblocking(True)

    def _answer(self, asker: str, question: Question) -> None:
        try:
            answer = self._ask(question, self._still_wanted)
        except Exception as error:
            answer = Answer(3, errors=f"course: something of ours broke ({type(error).__name__}).\n")
        told = {
            "id": asker,
            "status": answer.status,
            "output": answer.output[:LONGEST_ANSWER],
            "errors": answer.errors[:LONGEST_ANSWER],
        }
        # the line end before it ends an answer that was given up half-way
        self._send(f"\n{json.dumps(told)}\n".encode("ascii"))

    def _send(self, data: bytes) -> None:
        end = time.monotonic() + _UNREAD
        view = memoryview(data)
        self._ours.setblocking(False)
        try:
            while view and time.monotonic() < end:
                if select.select([], [self._ours], [], 0.2)[1]:
                    with contextlib.suppress(BlockingIOError):
                        view = view[self._ours.send(view) :]
        finally:
            self._ours.setblocking(True)
