"""Open the course as the README says, in a terminal of another machine: `make lab`, until it answers; then stop it."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proofs.machine import USER, CannotRunHere, Machine, Running

__all__ = ["Opened", "clone", "course_opened", "exercise_works", "opened"]

PATIENCE = 1500
"""Seconds after which a machine that says nothing new is given up."""

# asks as a browser does, with the token from the terminal: the page, a lesson of ours, and Jupyter's word for its kernels
_ASK = """
import json, sys, urllib.request
address, token = sys.argv[1:]
def ask(path):
    with urllib.request.urlopen(f"{address}{path}?token={token}", timeout=30) as answer:
        return answer.status, answer.read()
status, page = ask("/lab/workspaces/course")
assert status == 200 and b"jupyter-config-data" in page, page[:200]
names = [one["name"] for one in json.loads(ask("/api/contents/notebooks")[1])["content"]]
assert "06-virtual-environments.ipynb" in names, names
assert "python3" in json.loads(ask("/api/kernelspecs")[1])["kernelspecs"]
"""
_ADDRESS = r"(http://127\.0\.0\.1:\d+)/\S*\?token=(\w+)"


@dataclass(frozen=True)
class Opened:
    """`make lab` until it answered: seconds by the clock, seconds of processors' time, longest silence (s), all that was said."""

    seconds: float
    work: float
    silence: float
    output: str

    def within(self, goal: float) -> bool:
        """Tell whether it took at most `goal` seconds: by the clock, or, where others use this machine too, of processors' time."""
        return min(self.seconds, self.work) <= goal

    def figures(self) -> str:
        """Give the figures as the page shows them."""
        return f"answers after {self.seconds:.1f} s (processor time {self.work:.1f} s, longest silence {self.silence:.0f} s)"


def clone(made: Machine, where: str, user: str = USER) -> None:
    """Clone the repository there, as its owner would: `git clone … where`."""
    made.must(["git", "clone", "--quiet", "/srv/wheelhouse.git", where], user=user)


@contextlib.contextmanager
def course_opened(made: Machine, folder: str, words: str = "", **how: object) -> Iterator[tuple[Running, Opened]]:
    """Type `make lab` in a folder and wait until it answers; gives the running command and its figures, and stops it at the end."""
    running: Running = made.start(f"make lab LAB_ARGS=--no-browser {words}", folder=folder, **how)  # type: ignore[arg-type]
    try:
        address, token = running.expect(_ADDRESS, PATIENCE).groups()
        asked = running.look([sys.executable, "-I", "-c", _ASK, address, token])
        if asked.returncode:
            raise CannotRunHere(f"The course doesn't answer: {asked.stderr[-600:]}")
        yield running, Opened(running.seconds(), running.work(), running.silence(), running.output())
    except BaseException:
        running.kill()
        raise
    _stop(running)


def _stop(running: Running) -> None:
    """Stop it as a person does: Ctrl-C, and yes."""
    running.type("\x03")
    with contextlib.suppress(TimeoutError):
        running.expect(r"Shut\s?down this Jupyter server", 20)
        running.type("y\r")
    done = running.wait(60)
    if done.status == -9:
        raise CannotRunHere(f"Ctrl-C and yes didn't stop the course: {done.output[-600:]}")


def opened(made: Machine, folder: str, words: str = "", **how: object) -> Opened:
    """Open the course, see it answer, stop it.  Raises `CannotRunHere` or `TimeoutError` where it didn't."""
    with course_opened(made, folder, words, **how) as (_, figures):
        return figures


def exercise_works(
    made: Machine, folder: str, *, before: Sequence[str] = (), settings: str = "", **how: object
) -> tuple[str, bool]:
    """Work on task 1 of exercise 06 in the terminal; give the tier in force (or what was said instead), and whether the task passed.

    `before` are words put before each command there, `settings` assignments of variables in the shell.
    """

    def typed(words: str) -> str:
        command = [*before, "sh", "-c", f"{settings} . .venv/bin/activate && {words}"]
        return made.run(command, timeout=900, folder=folder, **how).output

    answer = "python3 -m venv --without-pip labels/.venv && pip --python labels/.venv/bin/python install leftpad==1.1"
    said = typed(f"course begin 06 && course shell 06 -- sh -c '{answer}'")
    verdict = typed("course check 06 --json")
    with contextlib.suppress(ValueError, KeyError, IndexError):
        task = json.loads(verdict[verdict.index("{") :])["tasks"][0]
        tier = re.search(r"(strong-pod|strong|medium|basic) is in force", typed("course doctor"))
        if tier and task["state"] == "passed":
            return tier[1], True
    return f"{said[-300:]} {verdict[-300:]}", False
