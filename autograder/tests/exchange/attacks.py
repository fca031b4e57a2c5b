"""E: what learners put into nbgrader's exchange: links, pipes, other people's names, odd times, far too much, and files that change."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import stat
import time
from pathlib import Path

from exchange.attempt import EXERCISE, Attempt, at_once, attack, hand_in, stamp

__all__: list[str] = []

NOTEBOOK, SNAPSHOT = f"{EXERCISE}.ipynb", f"{EXERCISE}.snapshot"


# --- what the research tried on stock nbgrader


@attack("E01", "a notebook that is a link to the instructor's solution", "older", "is a link, not a file")
def link_to_solution(one: Attempt) -> None:
    """Hand in the instructor's own answers."""
    path = one.folder() / NOTEBOOK
    path.unlink()
    path.symlink_to(one.prof / "course/solutions" / EXERCISE / NOTEBOOK)


@attack("E02", "a snapshot that is a link to the gradebook", "older", "is a link, not a file")
def link_to_gradebook(one: Attempt) -> None:
    """Have everybody's points copied into one's own submission."""
    one.snapshot().symlink_to(one.prof / "course/.grading/gradebook.db")


@attack("E03", "a file beside it that is a link to /proc/self/environ", "new", "Left where they are: `env.txt`")
def link_to_environment(one: Attempt) -> None:
    """Have the instructor's variables, with the token in them."""
    (one.folder() / "env.txt").symlink_to("/proc/self/environ")


@attack("E04", "a folder beside it that is a link to /etc", "new", "Left where they are: `etc`")
def link_to_folder(one: Attempt) -> None:
    """Have a whole tree copied, until something in it stops the copying."""
    (one.folder() / "etc").symlink_to("/etc")


@attack("E05", "a folder that names another learner", "older", "It names `wh-aa`, but belongs to `wh-e05`")
def another_name(one: Attempt) -> None:
    """Replace another's work by nothing, with a later time."""
    hand_in(one.inbound, "wh-aa", stamp(60), "forged", tag="forged")


@attack("E06", "a folder whose name says a time before the deadline", "new", "the time at which it was last changed")
def back_dated(one: Attempt) -> None:
    """Have been in time, and take back what wasn't."""
    shutil.rmtree(one.first)
    one.folder("2026-01-02 09:00:00.000000 UTC")


@attack("E07", "a snapshot that is a pipe", "older", "is a pipe, not a file")
def pipe(one: Attempt) -> None:
    """Let whoever opens it wait for ever."""
    os.mkfifo(one.snapshot())


@attack("E08", "a pipe beside it", "new", "Left where they are: `notes.txt`")
def pipe_beside(one: Attempt) -> None:
    """Stop whoever copies all that is there."""
    os.mkfifo(one.folder() / "notes.txt")


@attack("E09", "a snapshot that only its owner may read", "older", "can't be read: Permission denied")
def unreadable(one: Attempt) -> None:
    """Stop whoever copies it."""
    (one.folder() / SNAPSHOT).chmod(0o000)


@attack("E10", "a snapshot of 60 GB, all of it a hole", "older", "is too large")
def sparse(one: Attempt) -> None:
    """Fill the instructor's disk."""
    with one.snapshot().open("wb") as file:
        file.truncate(60 << 30)


@attack("E11", "a file of 60 GB beside it", "new", "Left where they are: `data.bin`")
def sparse_beside(one: Attempt) -> None:
    """The same, under another name."""
    with (one.folder() / "data.bin").open("wb") as file:
        file.truncate(60 << 30)


@attack("E12", "a name that holds no date", "new", "no time at which it can have been handed in")
def odd_date(one: Attempt) -> None:
    """Stop whoever reads it."""
    one.folder("yesterday")


@attack("E13", "no submission_secret.txt", "new", "can't fetch the feedback")
def no_secret(one: Attempt) -> None:
    """Stop the release of everybody's feedback."""
    (one.folder() / "submission_secret.txt").unlink()


@attack("E14", "a notebook that is a hard link to the instructor's file", "older", "is a hard link", as_root=True)
def hard_link(one: Attempt) -> None:
    """Be a regular file, and yet another's; a kernel with protected_hardlinks lets no learner make it."""
    path = one.folder() / NOTEBOOK
    path.unlink()
    os.link(one.inbound.parents[2] / "worth-reading.txt", path)


# --- our own


@attack("E15", "file names with a line break and escape codes", "new", "Left where they are")
def odd_names(one: Attempt) -> None:
    """Forge a line of the log, or steer the instructor's terminal."""
    folder = one.folder()
    for name in ("x\n[CollectApp] Collecting submission: wh-nobody", "\x1b[2J\x1b]0;pwned\x07", "\u202egpj.exe"):
        (folder / name).touch()


@attack("E16", "20,000 files beside it", "new", "More than 500 other files")
def many_files(one: Attempt) -> None:
    """Cost time and room."""
    folder = one.folder()
    for number in range(20_000):
        (folder / f"{number}.txt").touch()


@attack("E17", "a snapshot that is a device", "older", "is a device, not a file", as_root=True)
def device(one: Attempt) -> None:
    """Be endless zeros."""
    os.mknod(one.snapshot(), stat.S_IFCHR | 0o666, os.makedev(1, 5))


@attack("E18", "a snapshot that is a socket", "older", "is a socket, not a file")
def a_socket(one: Attempt) -> None:
    """Stop whoever opens it."""
    path = one.snapshot()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


@attack("E19", "a snapshot that is own work and a link to the gradebook by turns, all the time", "older|new", "")
def race(one: Attempt) -> None:
    """Be the one when it is looked at, the other when it is opened."""
    folder = one.folder()
    path = folder / SNAPSHOT
    one.ready()
    while True:
        at_once(path, lambda aside: aside.symlink_to(one.prof / "course/.grading/gradebook.db"))
        time.sleep(0.0005)
        at_once(path, lambda aside: _write(aside, f"new work of {one.name}"))
        time.sleep(0.0005)


def _write(path: Path, text: str) -> None:
    path.write_text(text)


@attack("E20", "a folder that is own work and a link to the solutions by turns, all the time", "older|new", "")
def race_of_folders(one: Attempt) -> None:
    """Be the one when it is listed, the other when it is entered."""
    folder = one.folder()
    mine = folder.with_name(f".mine-{one.name}")
    one.ready()
    while True:
        folder.rename(mine)
        folder.symlink_to(one.prof / "course/solutions" / EXERCISE)
        time.sleep(0.0005)
        folder.unlink()
        mine.rename(folder)
        time.sleep(0.0005)


@attack("E21", "a notebook and a snapshot that are setuid programs", "new", "")
def setuid(one: Attempt) -> None:
    """Have a program copied that runs as the instructor."""
    folder = one.folder()
    for name in (NOTEBOOK, SNAPSHOT):
        (folder / name).chmod(0o6755)


@attack("E22", "folders 300 deep with names of 200 letters", "new", "Left where they are")
def deep(one: Attempt) -> None:
    """Have a path that is longer than a path can be."""
    os.chdir(one.folder())
    for _ in range(300):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)


@attack("E23", "two newest folders of one and the same time", "new", "")
def twins(one: Attempt) -> None:
    """Let chance decide, or nobody."""
    when = stamp(2)
    one.folder(when, tag="first")
    one.folder(when, tag="second")


@attack("E24", "a name that says the year 2099", "new", "which is after the time at which it was last changed")
def future(one: Attempt) -> None:
    """Stay the newest for ever, so that nothing handed in later is collected."""
    one.folder("2099-12-31 23:59:59.000000 UTC")


@attack("E25", "a snapshot that is a folder", "older", "is a folder, not a file")
def a_folder(one: Attempt) -> None:
    """Stop whoever opens it."""
    one.snapshot().mkdir()


@attack("E26", "in place of the folder a link to the solutions", "older", "It is a link, not a folder")
def linked_folder(one: Attempt) -> None:
    """Hand in the instructor's own folder."""
    place = one.inbound / f"{one.name}+{EXERCISE}+{stamp(1)}+evil"
    place.symlink_to(one.prof / "course/solutions" / EXERCISE)


@attack("E27", "in place of the folder a file", "older", "not a folder")
def a_file(one: Attempt) -> None:
    """Stop whoever lists it."""
    (one.inbound / f"{one.name}+{EXERCISE}+{stamp(1)}+evil").write_text("no folder")


@attack("E28", "a snapshot held by a lease, so that whoever opens it waits for 45 s", "older", "is held by a program")
def lease(one: Attempt) -> None:
    """Let a class of 200 cost hours."""
    with (one.folder() / SNAPSHOT).open("r+b") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        one.ready()
        time.sleep(300)


@attack("E29", "a timestamp.txt that is a link to the instructor's solution", "new", "")
def linked_time(one: Attempt) -> None:
    """Have it read as a date, and told that it is none."""
    path = one.folder() / "timestamp.txt"
    path.unlink()
    path.symlink_to(one.prof / "course/solutions" / EXERCISE / NOTEBOOK)


@attack("E30", "a submission_secret.txt that is no text", "new", "can't fetch the feedback")
def odd_secret(one: Attempt) -> None:
    """Stop the release of everybody's feedback."""
    (one.folder() / "submission_secret.txt").write_bytes(b"\xff\xfe\x00" * 50)


@attack("E31", "5,000 folders", "new", "more folders of this learner's were not looked at")
def many_folders(one: Attempt) -> None:
    """Cost time for each."""
    for number in range(5_000):
        (one.inbound / f"{one.name}+{EXERCISE}+2026-01-02 09:00:00.{number:06} UTC+x").mkdir()
    one.folder(stamp(2))


@attack("E32", "a snapshot that grows while it is read", "older|new", "")
def growing(one: Attempt) -> None:
    """Never end."""
    with (one.folder() / SNAPSHOT).open("ab", buffering=0) as file:
        one.ready()
        while file.tell() < 100_000_000:
            file.write(b"x" * 4096)
            time.sleep(0.0005)
        time.sleep(300)


@attack("E33", "a folder that is closed to all but its owner", "older", "Its folder can't be read: Permission denied")
def closed(one: Attempt) -> None:
    """Stop whoever lists it."""
    one.folder().chmod(0o000)


@attack("E34", "a folder that names the learner `..`", "older", "It names `..`, but belongs to")
def upward(one: Attempt) -> None:
    """Be written beside the other learners' folders."""
    hand_in(one.inbound, "..", stamp(1), "upward")


@attack("E35", "an empty folder, newer than the work", "older", "nothing in it that the course wrote")
def empty(one: Attempt) -> None:
    """Be collected in place of the work, by mistake."""
    (one.inbound / f"{one.name}+{EXERCISE}+{stamp(1)}+evil").mkdir()


@attack(
    "E36",
    "a file of another learner's in the folder, put there by both",
    "older",
    "is not a file of the learner's",
    as_root=True,
)
def anothers_file(one: Attempt) -> None:
    """Hand in what another wrote, who keeps the right to change it."""
    os.chown(one.folder() / SNAPSHOT, 61_101, 61_101)
