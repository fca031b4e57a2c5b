"""G: what lies in a submitted folder, and what it is called: links, pipes, devices, races, far too much of it, odd names."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from attacks.attack import Attempt, attack
from attacks.classroom import EXERCISE, Classroom

__all__: list[str] = []

AS_A_LINK = "as a link, a folder or a device"


def _instead_of_snapshot(make: Callable[[Attempt, Path], None]) -> Callable[[Attempt], None]:
    def prepare(one: Attempt) -> None:
        one.snapshot = None
        make(one, one.folder / f"{EXERCISE}.snapshot")

    return prepare


attack("G01", "a snapshot that is a link to another learner's", "human", AS_A_LINK)(
    _instead_of_snapshot(
        lambda one, path: path.symlink_to(one.room.grading / "submitted" / "aa-full" / EXERCISE / path.name)
    )
)
attack("G02", "a snapshot that is a pipe on which a reader waits for ever", "human", AS_A_LINK)(
    _instead_of_snapshot(lambda one, path: os.mkfifo(path))
)
attack("G03", "a snapshot that is a link to /dev/zero", "human", AS_A_LINK)(
    _instead_of_snapshot(lambda one, path: path.symlink_to("/dev/zero"))
)
attack("G04", "a snapshot that is a folder", "human", AS_A_LINK)(_instead_of_snapshot(lambda one, path: path.mkdir()))
attack("G05", "a snapshot that is a device", "human", AS_A_LINK, root_only=True)(
    _instead_of_snapshot(lambda one, path: os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, 5)))
)


@attack("G06", "a snapshot of 300 MB", "human", "too large|More than")
def large(one: Attempt) -> None:
    """Fill the grader's memory; the file has a hole for a body."""
    one.snapshot = None
    with (one.folder / f"{EXERCISE}.snapshot").open("wb") as file:
        file.truncate(300_000_000)


@attack("G07", "a pipe beside a right notebook and snapshot")
def pipe_beside(one: Attempt) -> None:
    """Let nbgrader's copying wait for ever."""
    os.mkfifo(one.folder / "notes.txt")


@attack("G08", "a notebook that is a pipe", "human", AS_A_LINK)
def notebook_pipe(one: Attempt) -> None:
    """Let whoever opens it wait for ever."""
    one.write_notebook = False
    os.mkfifo(one.folder / f"{EXERCISE}.ipynb")


@attack("G09", "a hard link to the instructor's secret")
def hard_link(one: Attempt) -> None:
    """Be a regular file of somebody else's, which is copied into the feedback."""
    os.link(one.room.secret, one.folder / "notes.txt")


@attack("G10", "links in a folder: to HOME, to /, to itself")
def linked_folders(one: Attempt) -> None:
    """Let whoever walks the folder leave it, or walk for ever."""
    (one.folder / "deep").mkdir()
    for name, target in (("home", one.room.home), ("all", "/"), ("again", ".")):
        (one.folder / "deep" / name).symlink_to(target)


@attack("G11", "3,000 files", "human", "More than")
def many_files(one: Attempt) -> None:
    """Cost time and room, thrice."""
    for number in range(3_000):
        (one.folder / f"{number}.txt").touch()


@attack("G12", "folders 60 deep", "human", "deep")
def deep(one: Attempt) -> None:
    """Overflow whoever walks down."""
    one.folder.joinpath(*["d"] * 60).mkdir(parents=True)


@attack("G13", "file names with a line break, escape codes, a bidi override and bytes that are no text")
def odd_names(one: Attempt) -> None:
    """Forge a line of the grader's log, or steer the instructor's terminal."""
    for name in (b"x\n[AutogradeApp] done", b"\x1b[2J\x1b]0;pwned\x07", "\u202etxt.exe".encode(), b"\xff\xfe", b"-rf"):
        Path(os.fsdecode(os.fsencode(one.folder) + b"/" + name)).touch()


@attack("G14", "a name that tells the gate that a link was set aside", "human", AS_A_LINK)
def refused_name(one: Attempt) -> None:
    """Use the gate's own words."""
    one.snapshot = None
    (one.folder / f"{EXERCISE}.snapshot.refused").touch()


@attack(
    "G15", "a snapshot that changes between own work and a link to another's, 1,000 times a second", "no effect|human"
)
def race(one: Attempt) -> None:
    """Be the one when it is looked at, the other when it is opened."""
    path, mine, link = (one.folder / name for name in (f"{EXERCISE}.snapshot", ".mine", ".link"))
    assert one.snapshot is not None
    data, one.snapshot = one.snapshot, None
    other = one.room.grading / "submitted" / "aa-full" / EXERCISE / path.name
    path.write_bytes(data)

    def flip() -> None:
        end = time.monotonic() + 120
        while one.folder.exists() and not one.room.closed and time.monotonic() < end:
            try:
                mine.write_bytes(data)
                mine.rename(path)
                link.symlink_to(other)
                link.rename(path)
            except OSError:  # being cleared away
                return
            time.sleep(0.001)

    threading.Thread(target=flip, daemon=True).start()


@attack("G16", "a timestamp of the year 9999", harm=lambda room, who: _counted(room, who, "9999"))
def far_future(one: Attempt) -> None:
    """Overflow the calendar."""
    (one.folder / "timestamp.txt").write_text("9999-12-31 23:59:59 +9999")


@attack("G17", "a timestamp that is a link to the secret", "no effect")
def linked_timestamp(one: Attempt) -> None:
    """Have it read as a date, and told that it is none."""
    (one.folder / "timestamp.txt").symlink_to(one.room.secret)


@attack("G18", "modification times of 1970 on all files", harm=lambda room, who: _counted(room, who, "1970"))
def old_times(one: Attempt) -> None:
    """Have been in time, without a timestamp."""
    assert one.snapshot is not None
    path = one.folder / f"{EXERCISE}.snapshot"
    path.write_bytes(one.snapshot)
    os.utime(path, (0, 0))


def _counted(room: Classroom, who: str, year: str) -> str:
    import sqlite3

    base = sqlite3.connect(room.grading / "gradebook.db")
    rows = base.execute("SELECT timestamp FROM submitted_assignment WHERE student_id = ?", (who,)).fetchall()
    base.close()
    return "".join(f"counts as handed in on {stamp}" for (stamp,) in rows if stamp and stamp.startswith(year))


@attack("G19", "a learner called `'; DROP TABLE grade; --`", learner="'; DROP TABLE grade; --")
def sql_name(one: Attempt) -> None:
    """Be a command of the gradebook's."""


@attack("G20", "a learner called `$(touch pwned)`", learner="$(touch pwned)")
def shell_name(one: Attempt) -> None:
    """Be a command of the shell's."""


@attack("G21", "a learner whose name is a script of the browser's", learner="<img src=x onerror=alert(1)>")
def html_name(one: Attempt) -> None:
    """Be a part of the page."""


@attack("G22", "a learner called `--force`", learner="--force")
def option_name(one: Attempt) -> None:
    """Be an option of a command's."""


@attack("G23", "a learner whose name turns the writing direction and clears the terminal", learner="\u202eeve\x1b[2J")
def bidi_name(one: Attempt) -> None:
    """Look like another in the instructor's list."""


@attack("G24", "a notebook of 6 MB")
def large_notebook(one: Attempt) -> None:
    """Cost more than it is worth."""
    one.run("#" * 6_000_000)


@attack("G25", "20,000 cells of one id")
def many_cells(one: Attempt) -> None:
    """Cost time in every step that looks for a cell."""
    cell = {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "task-1"}}, "source": "x", "outputs": []}
    one.notebook["cells"] += [cell] * 20_000
    assert len(json.dumps(one.notebook)) < 5_000_000


@attack("G26", "a name of 255 letters before a link to the secret")
def long_name(one: Attempt) -> None:
    """Be too long to be renamed, so that whoever sets strangers aside stops before the link."""
    (one.folder / ("!" * 255)).touch()
    (one.folder / "z.txt").symlink_to(one.room.secret)
