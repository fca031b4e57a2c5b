"""Tests of `autograder.sandbox.questions`: what comes out of the sandbox as a question, and how little it can cost."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.sandbox import questions
from autograder.sandbox.questions import (
    DESCRIPTOR,
    LONGEST_ANSWER,
    Answer,
    Question,
    QuestionChannel,
    read_question,
)


def line(*words: object, asker: object = "ab", **more: object) -> bytes:
    """Write a question as the command inside does."""
    return json.dumps({"id": asker, "words": list(words), **more}).encode()


@pytest.mark.parametrize(
    ("written", "columns", "colour"),
    [
        (line("check", columns=80, colour=True), 80, True),
        (line("check"), None, False),
        (line("check", columns=3), 20, False),
        (line("check", columns=5000), 400, False),
        (line("check", columns=-1, colour=1), None, False),
        (line("check", columns=True), None, False),
        (line("check", columns="80"), None, False),
    ],
)
def test_a_question_says_what_its_terminal_can_show(written: bytes, columns: int | None, colour: bool) -> None:
    """The width within bounds, colour only where it is asked for plainly."""
    assert read_question(written) == ("ab", Question(("check",), columns, colour))


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"check",
        b"\xff\xfe",
        b"[" * 900,
        b'{"a":' * 150,
        b"1" * 900,
        b"null",
        b'"check"',
        b'["check"]',
        line("check", asker=7),
        line("check", asker=""),
        line("check", asker="a" * 33),
        line("check", asker='"}\n'),
        json.dumps({"id": "ab", "words": "check"}).encode(),
        json.dumps({"id": "ab", "words": {"check": 1}}).encode(),
        json.dumps({"id": "ab"}).encode(),
        line(*["check"] * 9),
        line("x" * 101),
        line(7),
        line(["check"]),
        line("check\n"),
        line("check\0"),
        line("\x1b[2J"),
        line("\u202echeck"),
        line("\ud800"),
        line("check", more="x" * 1000),
    ],
)
def test_anything_else_is_no_question(written: bytes) -> None:
    """Odd bytes, deep nesting, other types, control characters and too much of anything are passed over without a word."""
    assert read_question(written) is None


class Inside:
    """The sandbox's side of a channel."""

    def __init__(self, channel: QuestionChannel) -> None:
        """Keep a copy of the descriptor, as a shell would."""
        self.socket = socket.socket(fileno=os.dup(channel.descriptors[DESCRIPTOR]))
        self.socket.settimeout(30)
        self.rest = b""
        channel.started()

    def answer(self, asker: str = "ab") -> dict[str, object]:
        """Wait for somebody's answer."""
        while True:
            one, end, rest = self.rest.partition(b"\n")
            if not end:
                data = self.socket.recv(1 << 16)
                assert data
                self.rest += data
                continue
            self.rest = rest
            with contextlib.suppress(ValueError):
                told = json.loads(one)
                if told["id"] == asker:
                    assert isinstance(told, dict)
                    return told


class Course:
    """Whoever answers: notes what was asked."""

    def __init__(self) -> None:
        """Answer at once, until told otherwise."""
        self.asked: list[tuple[str, ...]] = []
        self.then: Callable[[Callable[[], bool]], Answer] = lambda _: Answer(0, "done\n")

    def __call__(self, question: Question, still_wanted: Callable[[], bool]) -> Answer:
        """Answer."""
        self.asked.append(question.words)
        return self.then(still_wanted)


@pytest.fixture
def course() -> Course:
    """Somebody who answers."""
    return Course()


@pytest.fixture
def inside(course: Course) -> Iterator[Inside]:
    """A sandbox that can ask; when it is gone nobody listens any more."""
    made = Inside(QuestionChannel(course))
    yield made
    made.socket.close()
    end = time.monotonic() + 60
    while any(one.name == "wheelhouse-questions" for one in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_text_comes_back(inside: Inside, course: Course) -> None:
    """Output, errors and exit status, to whoever asked."""
    course.then = lambda _: Answer(1, "to do: é\n", "oh\n")

    inside.socket.sendall(line("check", asker="cafe") + b"\n")

    assert inside.answer("cafe") == {"id": "cafe", "status": 1, "output": "to do: é\n", "errors": "oh\n"}
    assert course.asked == [("check",)]


def test_our_error_is_an_answer(inside: Inside, course: Course) -> None:
    """What breaks outside is told as ours, without details, and the next question is answered."""

    def broken(_: Callable[[], bool]) -> Answer:
        raise RuntimeError("/home/secret")

    course.then = broken
    inside.socket.sendall(line("check") + b"\n")
    told = inside.answer()
    course.then = lambda _: Answer(0)
    inside.socket.sendall(line("list", asker="cd") + b"\n")

    assert told["status"] == 3
    assert "secret" not in str(told)
    assert inside.answer("cd")["status"] == 0


def test_rubbish_is_passed_over(inside: Inside, course: Course) -> None:
    """After a megabyte of it, some without any end of line, an honest question is answered."""
    for rubbish in (b"\0" * 500_000, b"\n" * 100_000, b"{" * 500_000, b"\n"):
        inside.socket.sendall(rubbish)

    inside.socket.sendall(line("check") + b"\n")

    assert inside.answer()["output"] == "done\n"
    assert course.asked == [("check",)]


def test_of_those_that_wait_the_newest_is_answered(inside: Inside, course: Course) -> None:
    """A thousand questions at once cost a handful of answers; who asked before is not waited for."""
    gate = threading.Event()
    wanted: list[bool] = []

    def slow(still_wanted: Callable[[], bool]) -> Answer:
        gate.wait(30)
        wanted.append(still_wanted())
        return Answer(0)

    course.then = slow
    inside.socket.sendall(line("check", asker="1") + b"\n")
    end = time.monotonic() + 30
    while not course.asked:
        assert time.monotonic() < end
        time.sleep(0.01)
    inside.socket.sendall(b"".join(line("check", asker=f"{number:x}") + b"\n" for number in range(2, 1002)))
    gate.set()

    inside.answer(f"{1001:x}")
    assert wanted[0] is False
    assert wanted[-1] is True
    assert len(course.asked) < 10


def test_who_asks_without_end_waits(inside: Inside, course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond some seconds of answering, as long as the last answer took."""
    naps: list[float] = []
    monkeypatch.setattr(questions, "_CREDIT", 0.3)
    monkeypatch.setattr(questions, "time", type("Time", (), {"monotonic": time.monotonic, "sleep": naps.append}))

    def slow(_: Callable[[], bool]) -> Answer:
        time.sleep(0.2)
        return Answer(0)

    course.then = slow
    for number in range(3):
        inside.socket.sendall(line("check", asker=f"{number:x}") + b"\n")
        inside.answer(f"{number:x}")

    assert [nap > 0.15 for nap in naps if nap > 0.1][:1] == [True]


def test_an_answer_is_bounded(inside: Inside, course: Course) -> None:
    """More than a page of many thousand characters never comes back."""
    course.then = lambda _: Answer(0, "x" * (LONGEST_ANSWER + 5), "y" * (LONGEST_ANSWER + 5))

    inside.socket.sendall(line("check") + b"\n")

    told = inside.answer()
    assert (len(str(told["output"])), len(str(told["errors"]))) == (LONGEST_ANSWER, LONGEST_ANSWER)


def test_an_answer_that_nobody_reads_is_given_up(
    inside: Inside, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one who reads gets theirs, whatever half of another stands before it."""
    monkeypatch.setattr(questions, "_UNREAD", 0.3)
    course.then = lambda _: Answer(0, "x" * LONGEST_ANSWER, "y" * LONGEST_ANSWER)
    for number in range(8):
        inside.socket.sendall(line("check", asker=f"f{number}") + b"\n")
        end = time.monotonic() + 30
        while len(course.asked) <= number:
            assert time.monotonic() < end
            time.sleep(0.01)

    course.then = lambda _: Answer(0, "short")
    inside.socket.sendall(line("list", asker="ab") + b"\n")

    assert inside.answer("ab")["output"] == "short"


def test_descriptors_that_are_sent_along_are_not_taken(inside: Inside, course: Course, tmp_path: Path) -> None:
    """No file of theirs is ever open with us, so nothing of ours can be written into it."""
    (tmp_path / "theirs").write_text("")
    with (tmp_path / "theirs").open("w") as theirs:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()] * 20))]
        mine = len(list(Path("/dev/fd").iterdir()))
        inside.socket.sendmsg([line("check") + b"\n"], rights)
        inside.answer()

        assert len(list(Path("/dev/fd").iterdir())) == mine


def test_no_shell_no_channel(course: Course) -> None:
    """Where the shell can't be started, both ends are closed."""
    before = len(list(Path("/dev/fd").iterdir()))

    QuestionChannel(course).failed()

    assert len(list(Path("/dev/fd").iterdir())) == before
