"""`leaks.py TIER RUNS KILLS SEED`: run commands in a sandbox, some of which are killed at random moments, and count what is left of them.

Each run is a process of its own, forked from this one, which stands for the course. Killed, with SIGKILL, is in turn that process,
the first process of its sandbox (bubblewrap, the supervisor), or one of those inside. All orphans come to us, so none can hide.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from abuse.world import StillIndex, new_place
from autograder.sandbox import Limits, Place, Sandbox, choose
from autograder.sandbox.system_python import empty_folder
from autograder.sandbox.trial import forget_trials

_COMMAND = "mkdir -p $$; (setsid sleep 30 > /dev/null 2>&1 &); (trap '' TERM; sleep 30) & sleep 0.03; rmdir $$"
_WHOM = ("the course", "the first process", "one inside")


def _children(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            found += [int(one) for one in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    return found


def _descendants(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        below = _children(waiting.pop())
        found += below
        waiting += below
    return found


def _one_run(sandbox: Sandbox, place: Place) -> int:
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            sandbox.run(["bash", "-c", _COMMAND], place, limits=Limits(20))
            os._exit(0)
        os._exit(1)
    return child


def _kill(child: int, whom: str, chance: random.Random) -> None:
    targets = [child]
    if whom == "the first process":
        targets = [one for one in _children(child) if b"doorkeeper" not in _command_of(one)]
    elif whom == "one inside":
        targets = [below for one in _children(child) for below in _descendants(one)]
    if targets:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(targets), signal.SIGKILL)


def _command_of(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _bury(seconds: float, ours: list[int]) -> list[int]:
    """Wait until nothing is below us but what is ours; give what is."""
    end = time.monotonic() + seconds
    while left := [one for one in _descendants(os.getpid()) if one not in ours]:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    return left


def _groups() -> set[str]:
    """List the control groups that are the course's."""
    found: set[str] = set()
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, inside = line.split(":", 2)
        for top in ("/sys/fs/cgroup" + inside, f"/sys/fs/cgroup/{controllers}{inside}"):
            found |= {str(one) for one in Path(top).glob("wheelhouse-*")}
    return found


def _files(top: Path) -> set[str]:
    return {str(one.relative_to(top)) for one in top.rglob("*")}


def _mounts() -> int:
    return Path("/proc/self/mountinfo").read_text().count("wheelhouse")


def main() -> None:
    """Run, kill, and say what is left, as JSON."""
    tier, runs, kills, chance = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), random.Random(int(sys.argv[4]))
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    top = Path(tempfile.mkdtemp(prefix="leaks-"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(top / "temporary")
    (top / "temporary").mkdir()
    sandbox, place = choose(StillIndex(), tier=tier), new_place(top / "place")
    os.waitpid(_one_run(sandbox, place), 0)
    killed, ended = dict.fromkeys(_WHOM, 0), 0
    ours = _descendants(os.getpid())  # the course's own helper
    before = _files(top), _mounts(), len(os.listdir("/proc/self/fd"))
    victims = dict(zip(sorted(chance.sample(range(runs), kills)), _WHOM * kills, strict=False))
    mine = set()
    for number in range(runs):
        child = _one_run(sandbox, place)
        mine.add(child)
        if number in victims:
            time.sleep(chance.uniform(0, 0.15))
            _kill(child, victims[number], chance)
            killed[victims[number]] += 1
        ended += os.waitpid(child, 0)[1] == 0
    # what a killed course can't remove by itself, the next one does
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            forget_trials()
            choose(StillIndex(), tier=tier).run(["true"], place)
        os._exit(0)
    os.waitpid(child, 0)
    left = _bury(20, ours)
    told = {
        "runs": runs,
        "killed": killed,
        "ended well": ended,
        "processes": [_command_of(one).decode("utf-8", "replace") for one in left],
        "mounts": _mounts() - before[1],
        "groups": sorted(one for one in _groups() if int(Path(one).name.split("-")[1]) in mine),
        # a folder named by a process was made by a command that was killed: it is the learner's own
        "files": sorted(name for name in _files(top) - before[0] if not name.rpartition("/")[2].isdigit()),
        "descriptors": len(os.listdir("/proc/self/fd")) - before[2],
    }
    for one in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    empty_folder(top)
    top.rmdir()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
