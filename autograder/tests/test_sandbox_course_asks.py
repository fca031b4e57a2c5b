"""Tests of `autograder.sandbox.course_asks`: the command `course` as it is typed inside, with somebody outside who answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

from autograder.sandbox import course_asks, questions
from autograder.sandbox.questions import Answer, Question, QuestionChannel

PROGRAM = str(Path(course_asks.__file__))
MOVE = "import os, sys; os.dup2(int(sys.argv[1]), 198); os.execv(sys.executable, [sys.executable, '-I', *sys.argv[2:]])"
"""Puts the channel where the sandbox's first program puts it."""


class Outside:
    """The course's side: answers with what it was asked."""

    def __init__(self) -> None:
        """Listen."""
        self.asked: list[Question] = []
        self.then: Callable[[Question], Answer] = lambda question: Answer(0, " ".join(question.words) + "\n")
        self.channel = QuestionChannel(lambda question, _: self._answer(question))
        self.end = socket.socket(fileno=os.dup(next(iter(self.channel.descriptors.values()))))
        self.channel.started()

    def _answer(self, question: Question) -> Answer:
        self.asked.append(question)
        return self.then(question)

    def typed(self, *words: str, **options: object) -> subprocess.Popen[str]:
        """Start the command as inside."""
        number = self.end.fileno()
        command = [sys.executable, "-I", "-c", MOVE, str(number), PROGRAM, *words]
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(command, pass_fds=[number], text=True, **given)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def outside() -> Iterator[Outside]:
    """Somebody who answers, until the test is over."""
    made = Outside()
    yield made
    made.end.close()


def test_what_comes_back_is_printed(outside: Outside) -> None:
    """Output and errors where they belong, and the exit status of the command outside."""
    outside.then = lambda _: Answer(1, "to do: é\n", "course: oh\n")

    done = outside.typed("check", "06")

    assert done.communicate(timeout=60) == ("to do: é\n", "course: oh\n")
    assert done.returncode == 1
    assert outside.asked == [Question(("check", "06"))]


def test_numbers_agree() -> None:
    """The command stands alone inside, and so repeats where the channel is."""
    assert questions.DESCRIPTOR == course_asks.DESCRIPTOR


@pytest.mark.parametrize(
    ("variables", "colour"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)],
)
def test_it_tells_what_its_terminal_can_show(outside: Outside, variables: dict[str, str], colour: bool) -> None:
    """How wide it is, and whether colours are wanted: NO_COLOR and TERM=dumb say no."""
    ours, theirs = os.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 47, 0, 0))
    try:
        done = outside.typed("diff", stdout=theirs, env=variables)
        assert done.wait(60) == 0
        assert os.read(ours, 100) == b"diff\r\n"
    finally:
        os.close(ours)
        os.close(theirs)

    assert outside.asked == [Question(("diff",), 47, colour)]


@pytest.mark.parametrize("words", [["x" * 101], ["check"] * 9, ["check\n"], ["\x1b[2J"]])
def test_what_is_too_much_is_said_at_once(outside: Outside, words: list[str]) -> None:
    """Nothing is asked outside."""
    done = outside.typed(*words)

    assert "more than the course can be asked" in done.communicate(timeout=60)[1]
    assert (done.returncode, outside.asked) == (2, [])


def test_several_at_once_get_each_their_own(outside: Outside) -> None:
    """They take turns."""
    started = [outside.typed("hint", str(number)) for number in range(5)]

    assert [one.communicate(timeout=60)[0] for one in started] == [f"hint {number}\n" for number in range(5)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_goes_away_leaves_the_next_in_peace(outside: Outside, number: int) -> None:
    """After ^C, or a kill while it waits, the next gets the next answer."""
    gone = threading.Event()

    def slow(question: Question) -> Answer:
        if question.words == ("check",):
            gone.wait(60)
        return Answer(0, f"{question.words}\n" * 1000)

    outside.then = slow
    first = outside.typed("check")
    end = time.monotonic() + 60
    while not outside.asked:
        assert time.monotonic() < end
        time.sleep(0.01)
    first.send_signal(number)
    said = first.communicate(timeout=60)
    gone.set()

    assert said[0] == ""
    assert "Traceback" not in said[1]
    assert outside.typed("list").communicate(timeout=60)[0] == "('list',)\n" * 1000


def test_a_reader_that_has_seen_enough_is_no_error(outside: Outside) -> None:
    """As in `course check | head -1`."""
    outside.then = lambda _: Answer(0, "line\n" * 15_000)
    reading, writing = os.pipe()
    done = outside.typed("check", stdout=writing)
    os.close(writing)
    os.read(reading, 5)
    os.close(reading)

    assert done.communicate(timeout=60)[1] == ""
    assert done.returncode == 0


@pytest.mark.parametrize("channel", ["none", "a file", "nobody"])
def test_without_a_course_it_is_one_sentence(channel: str, tmp_path: Path) -> None:
    """Where nothing answers, as in a command that the course runs by itself, with what to do."""
    (tmp_path / "file").touch()
    ours, theirs = socket.socketpair()
    ours.close()
    with (tmp_path / "file").open() as file, theirs:
        number = {"none": -1, "a file": file.fileno(), "nobody": theirs.fileno()}[channel]
        command = [sys.executable, "-I", *(["-c", MOVE, str(number)] if number >= 0 else []), PROGRAM, "check"]
        passed = [number] if number >= 0 else []
        done = subprocess.run(command, pass_fds=passed, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("course: The course ")
    assert done.stderr.count("\n") == 1
    assert "ordinary terminal" in done.stderr


def test_answers_of_others_are_passed_over() -> None:
    """Rubbish, half an answer and somebody else's answer before one's own do no harm."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-I", "-c", MOVE, str(theirs.fileno()), PROGRAM, "list"]
        done = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True)
        ours.settimeout(60)
        asked = json.loads(ours.recv(2000))
        told = {"status": 0, "output": "mine\n", "errors": ""}
        for line in (
            b'{"id": "half',
            b"\xff\xfe",
            b"7",
            json.dumps({**told, "id": "cafe", "output": "theirs\n"}).encode(),
        ):
            ours.sendall(line + b"\n")
        ours.sendall(json.dumps({**told, "id": asked["id"]}).encode() + b"\n")

        assert done.communicate(timeout=60)[0] == "mine\n"
