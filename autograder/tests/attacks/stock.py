"""The same submissions through stock nbgrader, in a jail: it runs what they say as whoever grades.

One at a time, since some of them end nbgrader. In the jail this machine is read-only but for the course's folder, and processes and
memory are bounded. What outlives, or calls this machine's loopback, is seen from outside. Nothing here is part of the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attacks.attack import ATTACKS
from attacks.classroom import DAEMON, EXERCISE, STOCK, Classroom, processes_of
from attacks.table import POINTS, TASKS, Row, rows_of
from autograder.sandbox.fence import Fence

__all__ = ["run_stock"]

PROCESSES = 400
MEMORY = 8 << 30


def _words(row: Row, new: list[str], ended: int) -> str:
    """Say what came of it: succeeded, contained (it cost only itself), stopped."""
    points, deserved = row.seen.points, float(POINTS) if row.attack.deserves == "full" else 0.0
    if row.attack.deserves == "full":
        lost = points is None or points < deserved
        return f"**false zero**: {points:g} of {POINTS} points" if lost and points is not None else f"{points} points"
    by_hand = sum(score or 0 for name, score in row.seen.manual.items())
    if row.seen.scores.get("why") == 3.0 and not row.seen.flagged.get("why"):
        return "**succeeds**: 3 points for an empty answer that a human should have read"
    if points is not None and points > deserved:
        return f"**succeeds**: {points:g} of {POINTS} points"
    if by_hand and row.attack.id == "N10":
        return f"**succeeds**: {by_hand:g} points of its own making"
    if row.harm:
        return f"**succeeds**: {row.harm}"
    if new:
        return f"**succeeds**: {new[0]}"
    if ended not in (0, 1):
        return "**succeeds**: ends nbgrader, and the rest of the class stays ungraded"
    if not row.seen.scores or all(row.seen.scores.get(name) is None for name in TASKS):
        return "contained: this submission stays ungraded"
    return "stopped: 0 points"


def run_stock(keep: Callable[[dict[str, Any]], None], known: dict[str, str]) -> None:
    """Grade one after the other; `keep` what came of each so far, and the versions. Those in `known` are not tried again."""
    fence = Fence.build(PROCESSES)
    rows = dict(known)
    versions = {name: version(name) for name in ("nbgrader", "nbconvert", "nbclient", "ipykernel", "ipython")}
    versions["python"] = sys.version.split()[0]
    with tempfile.TemporaryDirectory(prefix="wheelhouse-", dir="/var/tmp", ignore_cleanup_errors=True) as place:
        jail = [
            *("prlimit", f"--as={MEMORY}", "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--bind", "/proc", "/proc"),
            *("--tmpfs", "/tmp", "--bind", place, place, "--unshare-ipc", "--unshare-uts", "--die-with-parent"),
        ]
        room = Classroom(Path(place) / "room", STOCK, jail=jail)
        room.begin()
        _warm(room)
        if fence is not None:
            fence.take(os.getpid())
        for one in [one for one in ATTACKS if one.stock and one.id not in known]:
            room.forget()
            room.calls.clear()
            room.fill([one])
            if one.id == "N11":
                room.type("nbgrader", "autograde", EXERCISE, "--force", "--student=aa-full")
            before = {*room.leaks()}
            begun = time.monotonic()
            ended = room.type("nbgrader", "autograde", EXERCISE, "--force", f"--student={one.who}").returncode
            new = sorted({leak.replace(str(room.place), "…") for leak in {*room.leaks()} - before})
            if one.id == "N27":
                room.type("nbgrader", "generate_feedback", EXERCISE, "--force", f"--student={one.who}")
            if one.id == "N27" and "<script>alert(1)</script>" in room.page(one.who):
                new.append("the script is in the feedback")
            (row,) = rows_of(room, [one])
            rows[one.id] = _words(row, new, ended)
            sys.stderr.write(f"{one.id} {time.monotonic() - begun:5.1f} s  {rows[one.id]}\n")
            keep({"versions": versions, "rows": rows})
            _restore(room)
        room.close()


def _warm(room: Classroom) -> None:
    """Have the results of the honest states kept: in the jail no strong sandbox can be made, and none is needed then."""
    from autograder.runner import check_snapshot

    before = os.environ.get("WHEELHOUSE_CACHE")
    os.environ["WHEELHOUSE_CACHE"] = str(room.cache)
    for snapshot in room.honest.values():
        check_snapshot(snapshot, tier="strong")
    del os.environ["WHEELHOUSE_CACHE"]
    if before is not None:
        os.environ["WHEELHOUSE_CACHE"] = before


def _restore(room: Classroom) -> None:
    """Take away what one attack left, so that the next is judged by itself."""
    room.victim.chmod(0o755)
    room.interpreter.chmod(0o755)
    subprocess.run(["rm", "-rf", str(room.home / ".ipython"), str(room.home / ".local")], check=False)
    for path in (*room.home.rglob("pwned*"), *room.root.rglob("pwned*")):
        path.unlink(missing_ok=True)
    for pid in processes_of(DAEMON):
        os.kill(pid, 9)
