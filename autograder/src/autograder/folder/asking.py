"""Answer what is asked inside a workspace's sandbox by the command `course`, by running the real one out here.

What may be asked is a closed list: look, take a hint, see what changed. None of it takes a path, writes a file that is named from inside
or changes a workspace, and a shell speaks for its own exercise only. What it can bring about is what pressing "Check now" and "Hint" does.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO

from autograder.exceptions import UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.folder.live import LiveWorkspace
from autograder.places import cache, course_root, labs
from autograder.sandbox import ISOLATING
from autograder.sandbox.questions import LONGEST_ANSWER, Answer, Ask, Question
from autograder.wording import code

__all__ = ["answerer", "translate"]

SECONDS = 120.0
"""After which an answer isn't waited for any more."""
_LOOK_EVERY = 0.2
_NUMBERED = {"hint": "", "diff": "--last"}
"""Commands that take a number: by itself, or after an option."""
_FLAGS = {"check": ("--json",), "hint": ("--answer",), "diff": ("--json",), "list": (), "report": ()}
"""What may be asked, with the options that are words by themselves."""
_ELSEWHERE = {
    "reset": "Press Start over in the checklist, or type it in an ordinary terminal.",
    "shell": "You are in the shell. Another one opens in an ordinary terminal.",
}
_HELP = """\
You are in the sandbox, and the course is outside of it.
This much it can be asked from here:

  course check           what is done and what is missing
  course hint            the next hint; `course hint 2`: for task 2
  course hint 2 --answer one right answer to task 2
  course diff            what the last command changed
  course diff --last 3   what the last three changed
  course list            the exercises, with your progress
  course report          the same at length: tries, hints, time

It answers for this shell's own exercise.
All else, such as `course reset`, is for an ordinary terminal
or for the checklist beside this shell.
"""


def translate(words: tuple[str, ...], exercise: Exercise | None) -> list[str]:
    """Make the arguments of the command outside from what was typed inside.

    Raises:
        UsageError: it isn't one of the few things that may be asked.
    """
    verb, *rest = words
    if verb not in _FLAGS:
        if verb in _ELSEWHERE or verb.isalpha():
            raise UsageError(
                f"{code(f'course {verb}')} can't be asked from inside the sandbox.",
                _ELSEWHERE.get(verb, "Type `course help` to see what can; the rest is for an ordinary terminal."),
            )
        raise UsageError(f"{code(verb)} is no command.", "Type `course help`.")
    options, numbers = [], []
    waiting = ""
    for word in rest:
        if waiting:
            options += [waiting, _count(word, waiting)]
            waiting = ""
        elif word in _FLAGS[verb]:
            options.append(word)
        elif word == _NUMBERED.get(verb) and word:
            waiting = word
        elif word.startswith("-"):
            raise UsageError(f"{code(f'course {verb} {word}')} can't be asked from inside the sandbox.", _HELPS)
        else:
            numbers.append(word)
    if waiting:
        raise UsageError(f"After {code(waiting)} a number is missing.", f"Type `course {verb} {waiting} 3`.")
    if verb in ("list", "report"):
        if numbers:
            raise UsageError(f"`course {verb}` takes nothing more here.", f"Type `course {verb}`.")
        return [verb]
    if exercise is None:
        raise UsageError("This shell belongs to no exercise.", "Run the first cell of an exercise, and open its shell.")
    task = _task(verb, numbers, exercise)
    return [verb, exercise.id, *([task] if task else []), *options]


_HELPS = "Type `course help` to see what can."


def _count(word: str, option: str) -> str:
    if not word.isascii() or not word.isdigit() or len(word) > 4:
        raise UsageError(f"{code(word)} is no number.", f"Write {option} with a number, as in `{option} 3`.")
    return str(int(word))


def _task(verb: str, words: list[str], exercise: Exercise) -> str:
    """Read what stands after the command: this shell's exercise, which may be left out, and for a hint the number of a task.

    A single digit means a task where there is one of that number: "2" is task 2, "02" is exercise 02.
    """
    rest = list(words)
    takes_task = verb == "hint"
    tasks = [str(task.number) for task in exercise.tasks]
    if rest and not (takes_task and len(rest) == 1 and rest[0] in tasks):
        named = find_exercise(rest.pop(0))
        if named.id != exercise.id:
            raise UsageError(
                f"This shell is of {exercise.id}, and answers for that alone.",
                f"Type `course {verb} {named.number:02}` in the shell of {named.id}, or in an ordinary terminal.",
            )
    if takes_task and rest:
        word = rest.pop(0)
        if word not in tasks:
            raise UsageError(f"{exercise.id} has no task {code(word)}.", f"It has the tasks {', '.join(tasks)}.")
        if not rest:
            return word
    if rest:
        raise UsageError(f"`course {verb}` doesn't know what to do with {code(rest[0])}.", _HELPS)
    return ""


def answerer(live: LiveWorkspace) -> Ask:
    """Give what answers the questions of one workspace's shells."""

    def ask(question: Question, still_wanted: Callable[[], bool]) -> Answer:
        words = question.words
        if not words or words[0] in ("help", "--help", "-h") or words[-1] in ("--help", "-h"):
            return Answer(0, _HELP)
        try:
            arguments = translate(words, live.exercise)
        except UsageError as error:
            return Answer(error.exit_status, errors=f"course: {error}\n")
        answer = _run(arguments, question, still_wanted)
        return _without_paths(answer) if live.tier in ISOLATING else answer

    return ask


def _without_paths(answer: Answer) -> Answer:
    """Leave out where the course lies on this machine, which those inside don't know."""
    places = [str(labs()), str(cache()), *([str(root)] if (root := course_root()) else [])]
    hidden = re.compile("|".join(re.escape(place) for place in sorted(places, key=len, reverse=True)))
    return Answer(answer.status, hidden.sub("…", answer.output), hidden.sub("…", answer.errors))


def _environment(question: Question) -> dict[str, str]:
    built = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    }
    root = course_root()
    built |= {"WHEELHOUSE_LABS": str(labs()), "WHEELHOUSE_CACHE": str(cache()), "PYTHONIOENCODING": "utf-8"}
    built |= {"WHEELHOUSE_COURSE": str(root)} if root else {}
    built |= {"FORCE_COLOR": "1", "TERM": "xterm-256color"} if question.colour else {"NO_COLOR": "1", "TERM": "dumb"}
    return built | ({"COLUMNS": str(question.columns)} if question.columns else {})


def _run(arguments: list[str], question: Question, still_wanted: Callable[[], bool]) -> Answer:
    """Run the real command until it ends, nobody waits any more, or it says or takes too much.

    It must never import from where it is started: that may be a folder of the learner's (`-P`, and `/` to stand in).
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "autograder.cli", *arguments],
        cwd="/",
        env=_environment(question),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        try:
            said = _read(process.stdout, process.stderr, still_wanted)
            status = process.wait(10) if said is not None else -1
        except subprocess.TimeoutExpired:
            said = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if said is None:
        return Answer(
            3, errors="course: That took too long, or said too much. Type the same in an ordinary terminal.\n"
        )
    output, errors = said
    return Answer(status if 0 <= status <= 255 else 3, output, errors)


def _read(output: IO[bytes], errors: IO[bytes], still_wanted: Callable[[], bool]) -> tuple[str, str] | None:
    """Read both streams to their ends; None if it isn't worth it any more."""
    found: dict[IO[bytes], bytearray] = {output: bytearray(), errors: bytearray()}
    end = time.monotonic() + SECONDS
    with selectors.DefaultSelector() as selector:
        for stream in found:
            selector.register(stream, selectors.EVENT_READ, stream)
        while selector.get_map():
            for key, _ in selector.select(_LOOK_EVERY):
                data = os.read(key.fd, 1 << 16)
                found[key.data] += data
                if not data:
                    selector.unregister(key.fileobj)
                if len(found[key.data]) > LONGEST_ANSWER:
                    return None
            if time.monotonic() > end or not still_wanted():
                return None
    texts = [found[stream].decode("utf-8", "replace") for stream in (output, errors)]
    return texts[0], texts[1]
