"""The `course` command: everything the notebook can do, without Jupyter.

Exit status: 0 all is well (for `check`: all passed), 1 something failed, 2 the command was used wrongly, 3 our error.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import io
import json
import os
import re
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from autograder import __version__, grade_commands, index_commands, progress_commands
from autograder.exceptions import CourseError, UsageError
from autograder.unsafe_options import add_unsafe_options

if TYPE_CHECKING:
    from autograder.verdict import Verdict

__all__ = ["main"]

# Imports of the package's own modules stand in the functions: `course --help` and `course shell` start at once.


def _say(text: str = "") -> None:
    print(text, flush=True)


def _tell(text: str) -> None:
    """Say it in lines that the terminal can show whole; in a file each stays one."""
    from autograder import report

    _say(report.wrapped(text, report.width()))


def _begin(arguments: argparse.Namespace) -> int:
    from autograder import folder
    from autograder.exercise import find_exercise

    exercise = find_exercise(arguments.exercise)
    live = folder.begin(exercise)
    _tell(f"{exercise.title}: your workspace is {live.project}.")
    if wish := folder.wish_for_another_tier(live):
        _tell(wish)
    _tell(
        f"Open its shell with `course shell {exercise.number:02}`, and look at it with `course check {exercise.number:02}`."
    )
    return 0


def _reset(arguments: argparse.Namespace) -> int:
    from autograder import folder, history
    from autograder.exercise import find_exercise

    exercise = find_exercise(arguments.exercise)
    if not arguments.yes and sys.stdin.isatty():
        answer = input(f"Put {exercise.id} back to its start? What you did is kept until the next reset. [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            _say("Nothing was changed.")
            return 1
    try:
        begun = bool(folder.open_workspace(exercise))
    except UsageError:
        begun = False
    live = folder.reset(exercise)
    history.note_reset(live)
    kept = f" What you had done is in {live.state / 'before-reset'} until the next reset."
    _tell(f"{exercise.id} is as new.{kept if begun else ''}")
    return 0


def _shell(arguments: argparse.Namespace) -> int:
    from autograder import folder
    from autograder.changes import Observer
    from autograder.exercise import find_exercise
    from autograder.folder.asking import answerer
    from autograder.sandbox import Limits

    if arguments.exercise:
        live = folder.begin(find_exercise(arguments.exercise))
    else:
        live = folder.current() or folder.begin_free()
    zsh = _wants_zsh(arguments.shell, there=live.sandbox.has_zsh())
    if arguments.command:
        observer, began = Observer(live, "command"), time.time()
        done = live.sandbox.run(arguments.command, live.place, limits=Limits(wall_seconds=600))
        observer.note(shlex.join(arguments.command), done.exit_status, began, time.time())
        sys.stdout.write(done.output)
        if done.stopped:
            _say(done.stopped)
        return done.exit_status
    if live.exercise is None:
        _tell("No exercise is begun yet, so this is a scratch workspace.")
        _tell(
            "Run the first cell of an exercise, or type `course begin 06` in an ordinary terminal, then open a new shell."
        )
    if wish := folder.wish_for_another_tier(live):
        _tell(wish)
    while True:
        began = time.monotonic()
        status = live.sandbox.interactive(
            live.place, title=live.name, zsh=zsh, hear=Observer(live, "terminal").hear, ask=answerer(live)
        )
        if not arguments.again or status != 128 + signal.SIGKILL or time.monotonic() - began < 1:
            return status
        _tell("That shell was ended, and all that ran in it; your files are still there. Here is a new shell.\n")


def _wants_zsh(asked: str | None, *, there: bool) -> bool:
    """Whether to open a zsh: on request, or where it is the user's own shell and the sandbox has it."""
    if asked == "zsh" and not there:
        raise UsageError("There is no zsh in the sandbox.", "Install zsh on this machine, or use `--shell bash`.")
    return asked == "zsh" or (asked is None and there and Path(os.environ.get("SHELL", "")).name == "zsh")


def _diff(arguments: argparse.Namespace) -> int:
    from autograder import changes, folder, report
    from autograder.exercise import find_exercise

    if not 1 <= arguments.last <= 1000:
        raise UsageError(
            f"{arguments.last} commands can't be shown.", "Write a number from 1 to 1000, as in `--last 3`."
        )
    live = folder.open_workspace(find_exercise(arguments.exercise)) if arguments.exercise else folder.current()
    if live is None:
        raise UsageError("No exercise is begun yet.", "Run `course begin 06`.")
    steps = changes.last(live, arguments.last)
    if arguments.json:
        _say(json.dumps({"version": 1, "workspace": live.name, "steps": [step.as_json() for step in steps]}, indent=1))
    else:
        colour = report.colours()
        text = changes.as_text(steps, colour=colour)
        _say(text if colour else report.wrapped(text, report.width()))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from autograder import folder, report, runner
    from autograder.exercise import find_exercise

    exercise = find_exercise(arguments.exercise)

    def look() -> Verdict:
        if arguments.snapshot:
            verdict = runner.check_snapshot(Path(arguments.snapshot), unsafe=arguments.unsafe)
            if verdict.exercise.id != exercise.id:
                raise UsageError(
                    f"{arguments.snapshot} is a snapshot of {verdict.exercise.id}.",
                    f"Run `course check {verdict.exercise.number:02} --snapshot …`.",
                )
            return verdict
        return runner.check_live(folder.open_workspace(exercise))

    verdict = look()
    while arguments.watch and verdict.state != "passed":
        steers = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        _say("\033[H\033[2J" * steers + report.as_text(verdict, report.width()))
        shown = verdict
        while verdict == shown:
            time.sleep(1)
            verdict = look()
    if arguments.json:
        _say(verdict.to_json().rstrip("\n"))
    else:
        _say(report.as_text(verdict, report.width()))
        if not arguments.snapshot and (place := folder.submit_folder(folder.open_workspace(exercise))) is not None:
            _say(f"\nTo hand in, with the notebook beside it:\n  {_short(place / runner.snapshot_name(exercise))}")
    return {"passed": 0, "failed": 1}.get(verdict.state, 3)


def _short(path: Path) -> Path:
    """Write a path as one would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if here.parents and path.is_relative_to(here) else path


def _hint(arguments: argparse.Namespace) -> int:
    from autograder import folder, history, runner
    from autograder.exercise import find_exercise

    exercise = find_exercise(arguments.exercise)
    if arguments.answer:
        if arguments.task is None:
            raise UsageError("Whose answer?", f"Name the task: `course hint {exercise.number:02} 1 --answer`.")
        task = exercise.task(arguments.task)
        with contextlib.suppress(UsageError):  # an answer may be read before anything is begun
            history.note_answer(folder.open_workspace(exercise), task.number)
        _say(f"Task {task.number}: {task.title}. One way to do it:\n\n{task.answer.rstrip()}")
        return 0
    hint = runner.next_hint(folder.open_workspace(exercise), arguments.task)
    if hint is None:
        _tell("Nothing is left to do there.")
        return 0
    _tell(f"Task {hint.task.number}, {hint.task.title}. Still missing: {hint.check.says}")
    _tell(f"Hint {hint.number} of {hint.of}: {hint.text}")
    if hint.number == hint.of:
        _tell(
            f"That was the last hint. To see an answer: `course hint {exercise.number:02} {hint.task.number} --answer`."
        )
    return 0


def _doctor(_: argparse.Namespace) -> int:
    from autograder import doctor

    problems = 0
    for finding in doctor.examine():
        _tell(f"{'ok  ' if finding.good else 'note'}  {finding.about}: {finding.found}")
        if not finding.good:
            problems += 1
            _tell(f"      {finding.next_step}")
    return 1 if problems else 0


def _build(arguments: argparse.Namespace) -> int:
    from autograder import authoring
    from autograder.places import course_root

    root = course_root()
    if root is None:
        raise UsageError("This is no copy of the course.", "Run the command in a clone of its repository.")
    drifted = authoring.build(root, check=arguments.check)
    for drift in drifted:
        _say(str(drift) if arguments.check else f"written: {drift.path}")
    if arguments.check and drifted:
        _say("What is committed isn't what the sources say. Run `make build` and commit the result.")
        return 1
    _say("All that is built is up to date.")
    return 0


def _claims(arguments: argparse.Namespace) -> int:
    from autograder.claims import read_ledger
    from autograder.places import course_root

    root = course_root()
    if root is None:
        raise UsageError("This is no copy of the course.", "Run the command in a clone of its repository.")
    source = root / "notebooks" / "source"
    ledger = read_ledger(source / "claims.csv", sorted(source.glob("*.md")))
    covered = ledger.covered
    for claim in ledger.claims.values():
        places = covered.get(claim.id, [])
        if bool(places) == arguments.missing:
            continue
        if arguments.missing or arguments.long:
            _say(f"{claim.id}  {claim.verdict:11} {claim.text}")
            for line in (claim.correction, ", ".join(map(str, places))):
                if line:
                    _say(f"       {line}")
    for lesson, count in ledger.lessons.items():
        _say(f"{lesson:32} {count:4} claims")
    _say(f"{len(covered)} of {len(ledger.claims)} claims are covered, {len(ledger.missing)} not yet.")
    for problem in ledger.problems:
        _say(f"wrong: {problem}")
    return 1 if ledger.problems else 0


def _messages(arguments: argparse.Namespace) -> int:
    from autograder.exercise import find_exercise, find_exercises
    from autograder.messages import messages

    uncaught = 0
    for exercise in [find_exercise(arguments.exercise)] if arguments.exercise else find_exercises():
        for message in messages(exercise, arguments.task):
            _say(f"{exercise.id}, task {message.task.number}: {message.after.name}")
            outcome = message.outcome
            if outcome is None:
                uncaught += 1
                _say("    Nothing was said: no check caught it.\n")
                continue
            _say(f"    ✗ {outcome.check.says}")
            for name, text in (
                ("Expected", outcome.expected),
                ("Found", outcome.found),
                ("Next step", outcome.next_step),
            ):
                if text:
                    _say(f"    {name}: {text}")
            _say()
    return 1 if uncaught else 0


class _Parser(argparse.ArgumentParser):
    """Answers a typing error with a sentence and the next step, where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and end with exit status 2."""
        said = _in_words(message)
        self.exit(
            2,
            f"{self.prog}: {said}{'' if said.endswith('?') else '.'} Run `{self.prog} --help` to see how it is used.\n",
        )


def _in_words(message: str) -> str:
    """Say argparse's own messages as we would, the same with every Python."""
    if found := re.fullmatch(r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", message):
        commands = re.findall(r"\w+", found[2])
        near = difflib.get_close_matches(found[1], commands, 1)
        return f"there is no command '{found[1]}'" + (f"; did you mean `course {near[0]}`?" if near else "")
    if found := re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", message):
        return f"{found[1]} can't be '{found[2]}', only {found[3].replace(chr(39), '').replace(', ', ' or ')}"
    if found := re.fullmatch(r"argument (\S+): invalid int value: '(.*)'", message):
        return f"{found[1]} is to be a number, not '{found[2]}'"
    if found := re.fullmatch(r"the following arguments are required: (.*)", message):
        return f"{found[1]} is missing"
    if found := re.fullmatch(r"argument (\S+): expected one argument", message):
        return f"after {found[1]} a word is missing"
    if found := re.fullmatch(r"unrecognized arguments: (.*)", message):
        return f"it can't do anything with {found[1]}"
    return message


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="course",
        description="Learn Python packaging by doing it.",
        epilog="Example: course begin 06 && course shell 06",
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"Wheelhouse {__version__}",
        help="say which version of the course this is",
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback where something of ours breaks")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str, example: str) -> argparse.ArgumentParser:
        sentence = f"{text[0].upper()}{text[1:]}."
        one = commands.add_parser(name, help=text, description=sentence, epilog=f"Example: {example}")
        one.set_defaults(run=run, parser=one)
        return one

    def exercise(one: argparse.ArgumentParser, *, count: Literal["?"] | None = None) -> None:
        one.add_argument("exercise", metavar="EX", nargs=count, help="a number, an id, or any part of it only one has")

    progress_commands.add_commands(add)
    exercise(add("begin", _begin, "make an exercise's workspace, or open it again", "course begin 06"))
    one = add("reset", _reset, "put a workspace back to its start", "course reset 06")
    exercise(one)
    one.add_argument("-y", "--yes", action="store_true", help="don't ask")
    one = add(
        "shell",
        _shell,
        "open the sandboxed shell, or run one command in it",
        "course shell 06 -- python --version",
    )
    exercise(one, count="?")
    one.add_argument("--shell", choices=["bash", "zsh"], help="by default zsh where it is your own shell, else bash")
    one.add_argument("--again", action="store_true", help="open a new shell when one was killed, as by a bound")
    one = add(
        "diff",
        _diff,
        "say what the last command changed, inside and outside of the project",
        "course diff 06 --last 3",
    )
    exercise(one, count="?")
    one.add_argument("--last", metavar="N", type=int, default=1, help="the last N commands")
    one.add_argument("--json", action="store_true", help="for programs")
    one = add("check", _check, "say what is done and what is missing", "course check 06 --watch")
    exercise(one)
    one.add_argument("--json", action="store_true", help="the whole verdict, for programs")
    one.add_argument(
        "--watch",
        action="store_true",
        help="look again whenever something changes, until all is done",
    )
    one.add_argument("--snapshot", metavar="FILE", help="check a submitted snapshot instead of the workspace")
    add_unsafe_options(one, "run a snapshot's programs", "them")
    one = add("hint", _hint, "give the next hint", "course hint 06 2")
    exercise(one)
    one.add_argument(
        "task",
        metavar="TASK",
        type=int,
        nargs="?",
        help="the task's number; by default the first undone one",
    )
    one.add_argument("--answer", action="store_true", help="show one right answer to the task")
    add(
        "doctor",
        _doctor,
        "say what works on this machine, and what to do about what doesn't",
        "course doctor",
    )
    one = add(
        "build",
        _build,
        "make notebooks, solutions and exercises from their sources",
        "course build --check",
    )
    one.add_argument("--check", action="store_true", help="write nothing; fail if something would be written")
    one = add("claims", _claims, "for authors: which facts the lessons cover", "course claims --missing")
    one.add_argument("--missing", action="store_true", help="list the claims that no lesson covers yet")
    one.add_argument("--long", action="store_true", help="list the covered claims with the cells that show them")
    one = add(
        "messages",
        _messages,
        "for authors: make each mistake, and print what the learner is then told",
        "course messages 06 2",
    )
    exercise(one, count="?")
    one.add_argument("task", metavar="TASK", type=int, nargs="?", help="one task only")
    grade_commands.add_options(
        add("grade", grade_commands.grade, "grade a class into nbgrader's gradebook", "course grade 06 --workers 4")
    )
    index_commands.add_commands(
        add(
            "index",
            index_commands.list_projects,
            "look at the course's own indexes, serve them, read a journal",
            "course index show leftpad",
        )
    )
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = list(sys.argv[1:] if words is None else words)
    command: list[str] = []
    if "--" in given:  # what follows is the sandbox's, with its own options
        at = given.index("--")
        given, command = given[:at], given[at + 1 :]
    parser = _parser()
    if not given:
        parser.print_help()
        return 0
    arguments, too_many = parser.parse_known_args(given)
    if too_many:
        arguments.parser.error(f"unrecognized arguments: {' '.join(too_many)}")
    arguments.command = command
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without the letter shows a question mark instead
            stream.reconfigure(errors="replace")
    try:
        return int(arguments.run(arguments))
    except CourseError as error:
        from autograder import report

        print(report.wrapped(f"course: {error}", report.width() if sys.stderr.isatty() else None), file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(
            "\ncourse: stopped. Nothing is lost; run the command again when you like.",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            print(
                "course: the disk is full. Make room and run the command again; nothing is lost.",
                file=sys.stderr,
            )
            return 3
        print(
            f"course: something of ours broke ({type(error).__name__}: {error}). "
            "Run the command with --debug before its name and report what it prints.",
            file=sys.stderr,
        )
        return 3


if __name__ == "__main__":
    sys.exit(main())
