"""A class's machine: an instructor's course, an exchange, honest learners and attackers, each a real user; run inside `proofs.hub_machine`.

python -m exchange.room                 all attacks at once against our collect; JSON on standard output
python -m exchange.room --stock         one after the other against stock nbgrader's
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import pwd
import shutil
import signal
import sqlite3
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from nbgrader.apps import CollectApp  # type: ignore[import-untyped]

from exchange import attacks
from exchange.attempt import ATTACKS, EXERCISE, Attack, Attempt, hand_in, stamp
from proofs.results import COURSE

__all__ = ["HONEST", "PROF", "SECRET", "Room", "users"]

PROF, HONEST = "wh-prof", ("wh-aa", "wh-mm", "wh-zz")
SECRET = "sesame-2f81c6"
"""Stands in all that the instructor has and nobody else may read, and in a token in the instructor's variables."""
SNAPSHOT = f"{EXERCISE}.snapshot"
assert attacks  # it fills ATTACKS
GROWING = next(one.who for one in ATTACKS if one.id == "E32")
"""Whose work grows while it is read."""


def users() -> list[str]:
    """Name everybody: the instructor, those who are honest, and an attacker for each row."""
    return [PROF, *HONEST, *(one.who for one in ATTACKS)]


class Room:
    """The exchange and the instructor's course."""

    def __init__(self, *, stock: bool) -> None:
        """Make the instructor's course, with our collect or without."""
        self.place = Path(os.environ["WHEELHOUSE_CLASS"])
        self.prof = self.place / "home" / PROF
        self.course = self.prof / "course"
        self.inbound = self.place / "srv/exchange/wheelhouse/inbound"
        self.children: list[int] = []
        (self.place / "srv/worth-reading.txt").write_text(SECRET)
        with _as_user(PROF):
            self._make_course(stock)

    def _make_course(self, stock: bool) -> None:
        for part in ("solutions", "exercises"):
            folder = self.course / part / EXERCISE
            folder.mkdir(parents=True)
            shutil.copyfile(COURSE / part / EXERCISE / f"{EXERCISE}.ipynb", folder / f"{EXERCISE}.ipynb")
        with (self.course / "solutions" / EXERCISE / f"{EXERCISE}.ipynb").open("a") as file:
            file.write(f"\n{SECRET}\n")
        (self.course / "notebooks").mkdir()
        (self.course / ".grading").mkdir()
        config = (COURSE / "nbgrader_config.py").read_text()
        if not stock:
            (self.course / ".grading/gradebook.db").write_text(SECRET)  # not asked without --before-duedate
        else:
            config = "\n".join(line for line in config.splitlines() if "ExchangeFactory" not in line)
            with sqlite3.connect(
                self.course / ".grading/gradebook.db"
            ) as base:  # stock collect asks it for the due date
                base.execute(f"CREATE TABLE what_others_got_{SECRET[7:]} (secret TEXT DEFAULT '{SECRET}')")
        config += f'\nc.Exchange.root = "{self.inbound.parents[1]}"\n'
        (self.course / "nbgrader_config.py").write_text(config)

    def open_exchange(self) -> None:
        """Make the exchange as nbgrader's release does, empty."""
        shutil.rmtree(self.inbound.parents[1], ignore_errors=True)
        self.inbound.mkdir(parents=True)
        owner = pwd.getpwnam(PROF).pw_uid
        for path in (self.inbound.parents[1], self.inbound.parent, self.inbound):
            os.chown(path, owner, owner)
        self.inbound.parents[1].chmod(0o777)
        self.inbound.chmod(0o2733)
        shutil.rmtree(self.course / ".grading/submitted", ignore_errors=True)

    def hand_in_honestly(self) -> None:
        """Let the honest learners hand in twice; the later one counts."""
        for learner in HONEST:
            with _as_user(learner):
                hand_in(self.inbound, learner, stamp(), f"old work of {learner}", tag="a")
                hand_in(self.inbound, learner, stamp(), f"new work of {learner}", tag="b")

    def attack(self, one: Attack) -> None:
        """Let an attacker hand in good work first, and then what is bad; what goes on doing so is left at it until `end`."""
        with _as_user(one.who):
            first = hand_in(self.inbound, one.who, stamp(), f"old work of {one.who}", tag="first")
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            try:
                if not one.as_root:
                    _become(one.who)
                one.prepare(Attempt(one.who, self.inbound, self.prof, first, lambda: _said(os.write(write, b"r"))))
                if one.as_root:  # it belongs to the attacker all the same
                    uid = pwd.getpwnam(one.who).pw_uid
                    for path in self.inbound.glob(f"{one.who}+*"):
                        for inner in (path, *path.iterdir()):
                            if inner.lstat().st_uid == 0 and inner.lstat().st_nlink < 2 + inner.is_dir() * 100:
                                os.chown(inner, uid, uid, follow_symlinks=False)
                os.write(write, b"r")
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(write)
        if os.read(read, 1) != b"r":
            raise RuntimeError(f"{one.id} could not be prepared")
        os.close(read)
        self.children.append(child)

    def end(self) -> None:
        """End the attackers who are still at it."""
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
        self.children.clear()

    def collect(self, *words: str, timeout: float = 120) -> tuple[int, str, float]:
        """Type `nbgrader collect` as the instructor: exit status, what it wrote, seconds; -9 where it had to be stopped.

        It is the real command, in a process that has its modules already: importing them takes 4 s of a core.
        """
        begun = time.monotonic()
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if child == 0:
                _type_collect(self.course, said.fileno(), words)
            while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < begun + timeout:
                time.sleep(0.02)
            if ended == (0, 0):
                os.kill(child, signal.SIGKILL)
                ended = os.waitpid(child, 0)
            said.seek(0)
            text = said.read().decode("utf-8", "replace")
        return os.waitstatus_to_exitcode(ended[1]), text, time.monotonic() - begun

    def work_of(self, learner: str) -> str:
        """Say what of a learner's work was collected: `new`, `older`, `none`, or what else stands there."""
        try:
            text = (self.course / ".grading/submitted" / learner / EXERCISE / SNAPSHOT).read_text(errors="replace")
        except OSError:
            return "none"
        known = {f"new work of {learner}": "new", f"old work of {learner}": "older"}
        if learner == GROWING:  # it is collected as it was between two writes, if it happens to be read then
            text = text.rstrip("x")
        return known.get(text, f"other: {text[:30]!r}")

    def harm(self, begun: datetime, attacker: str) -> list[str]:
        """Look from outside at what was collected: all that should not be there, or isn't."""
        found = [f"{one} was not collected" for one in HONEST if self.work_of(one) == "none"]
        found += [f"{one}'s work was replaced" for one in HONEST if self.work_of(one) not in ("new", "none")]
        submitted = self.course / ".grading/submitted"
        if (submitted.parent / EXERCISE).exists():
            found.append("written beside the learners' folders")
        size = count = 0
        for folder, _, names in os.walk(submitted):
            for name in names:
                path = Path(folder, name)
                state = path.lstat()
                count += 1
                size += state.st_size
                if not stat.S_ISREG(state.st_mode):
                    found.append(f"{name} was collected as what it is, no file")
                elif state.st_mode & 0o6000:
                    found.append("a setuid program was collected")
                elif state.st_size < 1_000_000 and SECRET.encode() in path.read_bytes():
                    found.append(f"the instructor's own was copied into {name}")
        if size > 50_000_000:
            found.append(f"{size / 1e9:.1f} GB were copied")
        if count > 1_000:
            found.append(f"{count:,} files were copied")
        own = submitted / attacker / EXERCISE
        if own.is_dir():
            found += _odd_stamp(own / "timestamp.txt", begun)
            with contextlib.suppress(OSError):
                if not (own / "submission_secret.txt").is_file():
                    found.append("nobody's feedback can be released: there is no secret")
                elif not (own / "submission_secret.txt").read_bytes().isascii():
                    found.append("nobody's feedback can be released: the secret is no text")
        return list(dict.fromkeys(found))


def _type_collect(course: Path, said: int, words: Sequence[str]) -> NoReturn:
    """Become the instructor, and then `nbgrader collect`; `/proc/self/environ` is readable again, as after an exec."""
    _become(PROF)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.chdir(course)
    os.environ.update(HOME=str(course.parent), USER=PROF, NO_COLOR="1")
    status = 1
    try:
        CollectApp.launch_instance(["collect", EXERCISE, *words][1:])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        logging.shutdown()
        sys.stderr.flush()
        os._exit(status)


def _said(_count: int) -> None:
    """Take no notice of how much was written."""


def _odd_stamp(path: Path, begun: datetime) -> Iterator[str]:
    try:
        text = path.read_text(errors="replace")[:60]
        when = datetime.strptime(text.strip(), "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
    except OSError:
        yield "there is no time"
    except ValueError:
        yield "the time is garbage, on which later collecting stops"
    else:
        if abs(when - begun) > timedelta(minutes=5):
            yield f"counts as handed in on {when:%Y-%m-%d}"


def _become(name: str) -> None:
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


@contextlib.contextmanager
def _as_user(name: str) -> Iterator[None]:
    """Make files as another user for a while."""
    user = pwd.getpwnam(name)
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _all_at_once(rows: Sequence[Attack]) -> dict[str, Any]:
    """Collect the whole class, with all attackers in it; then once more, and once more with `--update`."""
    room = Room(stock=False)
    room.open_exchange()
    room.hand_in_honestly()
    begun = datetime.now(UTC)
    try:
        for one in rows:
            room.attack(one)
        status, said, seconds = room.collect()
        found = {one.id: {"counts": room.work_of(one.who), "harm": room.harm(begun, one.who)} for one in rows}
        again = room.collect()
    finally:
        room.end()
    first = HONEST[0]
    with _as_user(first):
        hand_in(room.inbound, first, stamp(3), f"newest work of {first}", tag="c")
    later = room.collect("--update")
    return {
        "status": status,
        "seconds": seconds,
        "said": said,
        "rows": found,
        "again": again,
        "later": later,
        "updated": room.work_of(first),
    }


def _one_by_one(rows: Sequence[Attack]) -> dict[str, Any]:
    """Collect a class of three honest learners and one attacker, by stock nbgrader, for each attack."""
    room = Room(stock=True)
    found = {}
    for one in rows:
        room.open_exchange()
        room.hand_in_honestly()
        begun = datetime.now(UTC)
        try:
            room.attack(one)
            status, said, seconds = room.collect(timeout=100)
            harm = ["it never ends"] * (status == -9) + room.harm(begun, one.who)
        finally:
            room.end()
        found[one.id] = {"status": status, "counts": room.work_of(one.who), "harm": harm}
        sys.stderr.write(f"{one.id} {status} {seconds:.1f} s {found[one.id]}\n{said[-300:]}\n")
    return found


def _main() -> None:
    wanted = [word for word in sys.argv[1:] if word.startswith("E")]
    rows = [one for one in ATTACKS if not wanted or one.id in wanted]
    run = _one_by_one if "--stock" in sys.argv else _all_at_once
    sys.stdout.write(json.dumps(run(rows)))


if __name__ == "__main__":
    _main()
