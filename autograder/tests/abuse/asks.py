"""Attempts at the course itself, by the one door that a shell inside has to it: what its command `course` asks.

Each has a shell to itself, in which a program writes to that door as it likes; what the course would have run is noted outside.
After each an honest question must be answered, or "blocked" would prove nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autograder.exceptions import UsageError
from autograder.exercise import find_exercise
from autograder.folder.asking import translate
from autograder.sandbox import Limits, Place, Sandbox
from autograder.sandbox.questions import DESCRIPTOR, Answer, Question

from .bounds import Judged

__all__ = ["ASKS"]

_FINE = Answer(0, "fine\n")
_HONEST = ["check", "06-virtual-environments"]
_NOT_OFFERED = (
    *(
        "reset 06 -y",
        "reset",
        "grade 06",
        "grade 06 --workers 9",
        "begin 07",
        "shell 06",
        "shell 06 -- id",
        "build",
        "doctor",
    ),
    *(
        "import /etc/passwd",
        "export x",
        "index serve",
        "messages 06",
        "claims",
        "--debug check",
        "check; reset -y",
        "$(id)",
    ),
    *(
        "check --snapshot /etc/passwd",
        "check --watch",
        "check --unsafe-basic",
        "report --html /tmp/x",
        "report --record x",
    ),
    *(
        "report --verify x",
        "report --class /",
        "diff --last -1",
        "diff --last 99999999",
        "check 07",
        "hint 07",
        "hint /etc",
    ),
)


@dataclass
class _Course:
    """Answers as the course would, but only notes what it would have run."""

    answer: Answer = _FINE
    seconds: float = 0.0
    """How long an answer takes."""
    ran: list[list[str]] = field(default_factory=list)
    together: int = 0
    """The most answers that were in the making at one time."""
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Question, still_wanted: Callable[[], bool]) -> Answer:
        """Answer one."""
        with self._lock:
            self._now += 1
            self.together = max(self.together, self._now)
        try:
            self.ran.append(translate(question.words, find_exercise("06")) if question.words else [])
            time.sleep(self.seconds)
        except UsageError as error:
            return Answer(2, errors=str(error))
        finally:
            with self._lock:
                self._now -= 1
        return self.answer


@contextlib.contextmanager
def _asking(sandbox: Sandbox, place: Place, course: _Course, program: str) -> Iterator[Callable[[], str]]:
    """Run a program that may write to the door `D`, and then give what asks honestly in the same shell."""
    (place.project / "asks.py").write_text(f"import array, json, os, socket, sys, time\nD = {DESCRIPTOR}\n{program}\n")
    said: list[str] = []
    shell = sandbox.shell(place, limits=Limits(wall_seconds=100), ask=course.ask)

    def honest() -> str:
        said.clear()
        course.answer, course.seconds = _FINE, 0.0
        shell.run("course check", said.append)
        return "".join(said)

    try:
        status = shell.run("python -I asks.py", said.append)
        if status:
            raise AssertionError(f"it was not tried to its end: {''.join(said)}")
        yield honest
    finally:
        shell.close()


def _fine(course: _Course, honest: Callable[[], str]) -> str:
    """Say what is wrong with an honest question afterwards; empty if nothing is."""
    told = honest()
    return "" if told == "fine\n" and course.ran[-1:] == [_HONEST] else f"an honest question got {told[-200:]!r}"


def ask_for_what_is_not_offered(sandbox: Sandbox, place: Place) -> Judged:
    """What changes something, names a file, serves or never ends."""
    course = _Course()
    program = f"""
for number, words in enumerate({_NOT_OFFERED!r}):
    os.write(D, json.dumps({{"id": f"{{number:x}}", "words": words.split()}}).encode() + b"\\n")
    os.read(D, 100_000)
"""
    with _asking(sandbox, place, course, program) as honest:
        got = list(course.ran)
        wrong = _fine(course, honest)
    return ("open", f"{got} {wrong}") if got or wrong else ("blocked", "refused in a sentence each")


def ask_in_broken_ways(sandbox: Sandbox, place: Place) -> Judged:
    """Bytes that are no question, or nearly one."""
    course = _Course()
    program = r"""
told = {"id": "ab", "words": ["check"]}
for odd in (b"\0" * 300_000, b"[" * 100_000, b"{\"id\":" * 900, b"\xff\n" * 5_000, b"9" * 4_000_000, b"check\n", b"null\n"):
    os.write(D, odd)
    os.write(D, b"\n")
for change in ({"words": ["check"] * 5_000}, {"words": ["x" * 5_000]}, {"words": [["check"]]}, {"words": {"check": 1}},
               {"words": ["check\n"]}, {"words": ["\x1b]0;x"]}, {"id": "x" * 999}, {"id": None}, {"id": "../a"}):
    os.write(D, json.dumps({**told, **change}).encode() + b"\n")
"""
    with _asking(sandbox, place, course, program) as honest:
        time.sleep(0.3)
        got = list(course.ran)
        wrong = _fine(course, honest)
    return ("open", f"{got} {wrong}") if got or wrong else ("blocked", "passed over")


def ask_without_end(sandbox: Sandbox, place: Place) -> Judged:
    """Thousands of questions from several processes at once."""
    course = _Course(seconds=0.1)
    program = r"""
children = []
for part in range(4):
    child = os.fork()
    if not child:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            os.write(D, json.dumps({"id": "ab", "words": ["check"]}).encode() + b"\n")
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""
    began = time.monotonic()
    with _asking(sandbox, place, course, program) as honest:
        wrong = _fine(course, honest)
        cost = f"{len(course.ran)} answers in {time.monotonic() - began:.1f} s, {course.together} at a time"
        too_many = course.together != 1 or len(course.ran) > (time.monotonic() - began) / 0.1 + 2
    return ("open", f"{cost} {wrong}") if too_many or wrong else ("bounded", cost)


def leave_answers_unread(sandbox: Sandbox, place: Place) -> Judged:
    """Ask for much, again and again, and read nothing of it."""
    course = _Course(Answer(0, "x" * 1_000_000, "y" * 1_000_000))
    program = r"""
for number in range(4):
    os.write(D, json.dumps({"id": f"{number:x}", "words": ["check"]}).encode() + b"\n")
    time.sleep(0.3)
"""
    with _asking(sandbox, place, course, program) as honest:
        wrong = _fine(course, honest)
    return ("open", wrong) if wrong else ("bounded", "given up, and the next one is answered")


def pass_descriptors_out(sandbox: Sandbox, place: Place) -> Judged:
    """Send open files along, for the course to write into or to run out of descriptors."""
    course = _Course()
    program = r"""
held = [os.open(name, os.O_RDWR | os.O_CREAT) for name in ("wheelhouse-sent-out",) * 50]
rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", held))]
door = socket.socket(fileno=os.dup(D))
try:
    for number in range(50):
        door.sendmsg([json.dumps({"id": "ab", "words": ["list"]}).encode() + b"\n"], rights)
except OSError:
    pass
"""
    with _asking(sandbox, place, course, program) as honest:
        wrong = _fine(course, honest)
        held = [os.readlink(one) for one in Path("/proc/self/fd").iterdir() if os.path.lexists(one)]
    taken = [one for one in held if "wheelhouse-sent-out" in one]
    return ("open", f"{taken} {wrong}") if taken or wrong else ("blocked", "none was taken")


ASKS = (ask_for_what_is_not_offered, ask_in_broken_ways, ask_without_end, leave_answers_unread, pass_descriptors_out)
