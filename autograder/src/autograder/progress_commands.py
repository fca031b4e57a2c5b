"""`course list`, `course report`, and what carries progress from one machine to another.

Exit status: 0 all is well, 1 something isn't as it should be, 2 the command was used wrongly, 3 something of ours broke.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from autograder.exceptions import CourseError, UsageError
from autograder.unsafe_options import add_unsafe_options

__all__ = ["add_commands"]

# Imports of the package's own modules stand in the functions: `course --help` starts at once.


class _Add(Protocol):
    """How `cli` adds a command: its name, what runs it, what it does, an example."""

    def __call__(
        self, name: str, run: Callable[[argparse.Namespace], int], text: str, example: str, /
    ) -> argparse.ArgumentParser: ...


def add_commands(add: _Add) -> None:
    """Add the commands to `course`."""
    one = add("list", _list, "list lessons and exercises, with your progress", "course list")
    one.add_argument("--json", action="store_true", help="for programs")
    _add_report(add)
    one = add("export", _export, "put all your progress into one small file", "course export my-progress.wheelhouse")
    one.add_argument("file", metavar="FILE", type=Path, nargs="?", default=Path("my-progress.wheelhouse"))
    one.add_argument("-y", "--yes", action="store_true", help="replace a file of that name")
    one = add(
        "import", _import, "go on here with progress from another machine", "course import my-progress.wheelhouse"
    )
    one.add_argument("file", metavar="FILE", type=Path)
    one.add_argument("-y", "--yes", action="store_true", help="don't ask: what is here already is moved aside")


def _say(text: str = "") -> None:
    print(text, flush=True)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- course list


def _list(arguments: argparse.Namespace) -> int:
    from autograder.progress import continue_with, steps
    from autograder.progress.text import listing

    found = steps()
    onward = continue_with(found)
    if arguments.json:
        _say(
            json.dumps(
                {
                    "format": "wheelhouse-progress",
                    "version": 1,
                    "continue_with": onward.exercise.id if onward else None,
                    "exercises": [step.as_json() for step in found],
                },
                indent=1,
                ensure_ascii=False,
            )
        )
    else:
        _say(listing(found, onward))
    return 0


# --- course export, course import


def _export(arguments: argparse.Namespace) -> int:
    from autograder.progress.carrying import export_to

    size = export_to(arguments.file, replace=arguments.yes)
    _say(f"Your progress is in {arguments.file}, {max(1, round(size / 1000))} kB.")
    _say(f"Take that file along. Where you go on: `course import {arguments.file.name}`.")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from autograder.progress.carrying import bring_back, opened, read_file, to_replace

    carried = opened(read_file(arguments.file))
    told = to_replace(carried)
    if told and not arguments.yes:
        if not sys.stdin.isatty():
            raise UsageError(told, "Run the command with --yes if you want that. Nothing was changed.")
        _say(told)
        if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            _say("Nothing was changed.")
            return 1
    arrived = bring_back(carried)
    for line in arrived.sentences:
        _say(line)
    if carried.current:
        _say(f"Go on with `course shell {carried.current[:2]}`.")
    return 0


# --- course report


def _add_report(add: _Add) -> None:
    one = add(
        "report",
        _report,
        "tell how far you are, where it is stuck, and how long it took; for you, an instructor, a manager",
        "course report --html report.html",
    )
    what = one.add_mutually_exclusive_group()
    what.add_argument("--class", dest="folder", metavar="FOLDER", help="tell of all whose records lie there")
    what.add_argument(
        "--record", metavar="FILE", help="check everything, and write a record which anyone can grade again"
    )
    what.add_argument("--verify", metavar="FILE", help="grade a record again, and say whether it comes to the same")
    one.add_argument("--html", metavar="FILE", help="write a page that needs no network, for a browser or for paper")
    one.add_argument("--csv", metavar="FILE", help="with --class: write a row for each learner and task")
    one.add_argument("--again", action="store_true", help="with --class: grade every record again")
    one.add_argument("--json", action="store_true", help="for programs")
    one.add_argument("--name", help="what the learner is called in it (default: WHEELHOUSE_LEARNER, or JupyterHub's)")
    add_unsafe_options(one, "with --verify and --again: run a record's programs", "them")


def _report(arguments: argparse.Namespace) -> int:
    if arguments.csv and not arguments.folder:
        raise UsageError("`--csv` is for a class.", "Run `course report --class FOLDER --csv FILE`.")
    if arguments.unsafe and not (arguments.verify or arguments.again):
        raise UsageError(f"`--unsafe-{arguments.unsafe}` is for grading a record again.", "Add `--verify FILE`.")
    if arguments.again and not arguments.folder:
        raise UsageError("`--again` is for a class.", "Run `course report --class FOLDER --again`.")
    if arguments.folder:
        return _class(arguments)
    if arguments.record:
        return _record(arguments)
    if arguments.verify:
        return _verify(arguments)
    return _own(arguments)


def _own(arguments: argparse.Namespace) -> int:
    from autograder.progress.account import here
    from autograder.progress.learner_page import as_page
    from autograder.progress.text import report_as_text

    account = here(arguments.name)
    if arguments.html:
        _write_page(arguments.html, as_page(account))
    if arguments.json:
        _say(json.dumps(account.as_json(), indent=1, ensure_ascii=False))
    elif not arguments.html:
        _say(report_as_text(account))
    return 0


def _write_page(file: str, text: str) -> None:
    _write(Path(file), text.encode())
    _note(f"{file} is written: open it in a browser, send it, or print it.")


def _class(arguments: argparse.Namespace) -> int:
    from autograder.progress.class_page import as_page
    from autograder.progress.class_text import as_csv, as_text
    from autograder.progress.gathering import gather
    from autograder.progress.text import day

    found = gather(Path(arguments.folder), again=arguments.again, unsafe=arguments.unsafe, say=_note)
    if arguments.html:
        _write_page(arguments.html, as_page(found, day(datetime.now(UTC))))
    if arguments.csv:
        _write(Path(arguments.csv), as_csv(found).encode())
        _note(f"{arguments.csv} is written.")
    if arguments.json:
        told = {"format": "wheelhouse-class", "version": 1, "set_aside": [list(one) for one in found.set_aside]}
        people = [{**one.as_json(), "file": one.source} for one in found.accounts]
        _say(json.dumps({**told, "learners": people}, indent=1, ensure_ascii=False))
    elif not (arguments.html or arguments.csv):
        _say(as_text(found))
    return 1 if found.set_aside else 0


def _record(arguments: argparse.Namespace) -> int:
    from autograder.progress.record import account_of, make_record, read_record
    from autograder.progress.text import count, summary

    data = make_record(arguments.name, say=_note)
    record = read_record(data)
    _write(Path(arguments.record), data)
    account = account_of(record)
    _say(f"{account.name}: {', '.join(summary(account))}.")
    _say(f"{arguments.record} holds {count(len(record.parts), 'exercise')} in {len(data):,} bytes.")
    _say(f"SHA-256 {record.digest}")
    _say(f"Whoever has the course can grade it again: `course report --verify {Path(arguments.record).name}`.")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from autograder.progress.envelope import read_bounded
    from autograder.progress.learner_page import as_page
    from autograder.progress.record import account_of, read_record, verify
    from autograder.progress.text import regraded_as_text

    record = read_record(read_bounded(Path(arguments.verify)))
    found = verify(record, unsafe=arguments.unsafe, say=_note)
    fresh = {one.exercise: one.verdict for one in found if one.verdict is not None}
    account = account_of(record, arguments.verify, fresh)
    if arguments.html:
        _write_page(arguments.html, as_page(account, found))
    if arguments.json:
        rows = [
            {
                "exercise": one.exercise,
                "result": one.result,
                "says": one.says,
                "recorded": one.recorded,
                "score": one.verdict.score if one.verdict is not None else None,
                "points": one.verdict.exercise.points if one.verdict is not None else None,
            }
            for one in found
        ]
        told = {"format": "wheelhouse-verified-record", "version": 1, "digest": record.digest}
        _say(json.dumps({**told, "learner": record.who, "exercises": rows}, indent=1, ensure_ascii=False))
    else:
        _say(regraded_as_text(account, found, record.digest))
    results = {one.result for one in found}
    return 3 if "error" in results else 1 if results - {"equal"} else 0


def _write(target: Path, data: bytes) -> None:
    """Write a file whole or not at all; one of another kind is not written over.

    Raises:
        UsageError: what is there is no report, record or table that a command of ours wrote.
    """
    if target.is_file() and target.stat().st_size:
        with target.open("rb") as there:
            if there.read(12) != data[:12]:
                raise UsageError(f"{target} is a file of another kind.", "Name another one, or move it away first.")
    try:
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=f".{target.name}-", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                umask = os.umask(0)
                os.umask(umask)
                Path(file.name).chmod(0o666 & ~umask)
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise CourseError(
            f"{target} can't be written: {error.strerror or error}.", "Name a file in a folder you may write to."
        ) from error
