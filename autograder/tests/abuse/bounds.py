"""Attempts to take more than one's share, and to outlive the run; each has a sandbox to itself and is judged by what ran and what is left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from autograder.sandbox import Completed, Limits, Place, Sandbox

from .table import Outcome

__all__ = ["BOUNDS", "Judged", "alive", "outlive"]

Judged = tuple[Outcome, str]
"""The outcome, and what was seen."""

_BOMB = "bomb() { [ $1 = 0 ] || { bomb $(($1 - 1)) & bomb $(($1 - 1)) & sleep 20; }; }; bomb 8; wait"
"""Would make 510 processes and then end: were a bound broken, the machine would live."""


def alive(mark: str) -> list[int]:
    """List the processes of this machine whose command line holds `mark`, but for those that are dead and not yet buried."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def _kill_all(mark: str) -> None:
    for pid in alive(mark):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _named(done: Completed, *words: str) -> Judged:
    if done.stopped and any(word in done.stopped for word in words):
        return "bounded", done.stopped
    return "open", f"{done.exit_status} {done.stopped} {done.output[-100:]}"


def _bash(sandbox: Sandbox, place: Place, text: str, limits: Limits) -> Completed:
    return sandbox.run(["bash", "-c", text], place, limits=limits)


def write_a_gigabyte_of_output(sandbox: Sandbox, place: Place) -> Judged:
    done = _bash(sandbox, place, "head -c 1G /dev/zero", Limits(60, output_bytes=100_000))
    return ("open", f"{len(done.output)} characters") if len(done.output) > 100_000 else _named(done, "of output")


def bomb_by_forks(sandbox: Sandbox, place: Place) -> Judged:
    return _named(_bash(sandbox, place, _BOMB, Limits(60, processes=40)), "processes")


def take_memory_in_one_process(sandbox: Sandbox, place: Place) -> Judged:
    done = sandbox.run(["python", "-c", "bytearray(6 << 30)"], place, limits=Limits(60, memory_bytes=1 << 30))
    refused = "MemoryError" in done.output and done.exit_status == 1
    return ("bounded", "MemoryError") if refused else _named(done, "memory")


def take_memory_in_many_processes(sandbox: Sandbox, place: Place) -> Judged:
    text = "import os, time\nfor _ in range(11):\n    os.fork() or (b := bytearray(os.urandom(1 << 20) * 24), time.sleep(20))\ntime.sleep(20)"
    done = sandbox.run(["python", "-c", text], place, limits=Limits(15, tree_memory_bytes=150 << 20))
    return _named(done, "memory")


def take_the_processor(sandbox: Sandbox, place: Place) -> Judged:
    text = "spin() { while :; do :; done; }; spin & spin & wait"
    return _named(_bash(sandbox, place, text, Limits(30, cpu_seconds=1)), "processor")


def stay_too_long(sandbox: Sandbox, place: Place) -> Judged:
    return _named(_bash(sandbox, place, "exec >&- 2>&-; trap '' TERM HUP INT; sleep 60", Limits(0.4)), "longer")


def write_one_large_file(sandbox: Sandbox, place: Place) -> Judged:
    done = _bash(sandbox, place, "exec head -c 20M /dev/zero > big", Limits(60, file_bytes=1 << 20))
    size = (place.project / "big").stat().st_size
    return ("open", f"{size} bytes") if size > 1 << 20 else _named(done, "file of more")


def fill_the_disk_with_large_files(sandbox: Sandbox, place: Place) -> Judged:
    text = "for i in {1..60}; do head -c 4M /dev/zero > big$i; sleep 0.02; done"
    return _named(_bash(sandbox, place, text, Limits(60, disk_bytes=40 << 20)), "of new files")


def fill_the_disk_with_small_files(sandbox: Sandbox, place: Place) -> Judged:
    text = "for d in {1..60}; do mkdir d$d; for i in {1..50}; do : > d$d/$i; done; sleep 0.05; done"
    return _named(_bash(sandbox, place, text, Limits(60, new_files=500)), "500 new files")


def fill_shared_memory(sandbox: Sandbox, place: Place) -> Judged:
    mark = f"wheelhouse-abuse-{secrets.token_hex(8)}"
    done = _bash(sandbox, place, f"head -c 20M /dev/zero > /dev/shm/{mark}", Limits(30))
    with contextlib.suppress(FileNotFoundError):
        Path("/dev/shm", mark).unlink()
        return "open", "it is this machine's own"
    return ("bounded", "No space left") if "No space" in done.output else ("blocked", done.output[-80:])


def fill_the_temporary_folder(sandbox: Sandbox, place: Place) -> Judged:
    mark = f"wheelhouse-abuse-{secrets.token_hex(8)}"
    done = _bash(
        sandbox,
        place,
        f"cd /tmp && for i in 1 2 3; do head -c 250M /dev/zero > {mark}$i || exit 9; [ $WHEELHOUSE_TIER != basic ] || exit 8; done",
        Limits(30),
    )
    left = list(Path("/tmp").glob(f"{mark}*"))
    for file in left:
        file.unlink()
    if left:
        return "open", "it is this machine's own"
    if "No space" in done.output:
        return "bounded", "No space left"
    return (
        ("blocked", done.output[-80:])
        if "denied" in done.output
        else ("bounded" if done.stopped else "open", done.stopped)
    )


def open_too_many_files(sandbox: Sandbox, place: Place) -> Judged:
    text = "import os\nn = 0\ntry:\n    while n < 5000: os.open('/dev/null', 0); n += 1\nexcept OSError: print(n)"
    done = sandbox.run(["python", "-c", text], place, limits=Limits(30, open_files=200))
    return (
        ("bounded", "Too many open files")
        if done.output.strip().isdigit() and int(done.output) < 200
        else ("open", done.output)
    )


_TERMINAL = """
import os, select, sys
from pathlib import Path, PurePosixPath
from autograder.sandbox import Place, choose
from abuse.world import StillIndex
top = Path(sys.argv[2])
typing = "import fcntl\\nfor one in b'pwned': fcntl.ioctl(0, 0x5412, bytes([one]))"
choose(StillIndex(), tier=sys.argv[1]).interactive(Place(top / "project", top / "home", top / "system"), ["python", "-c", typing])
os.set_blocking(0, False)
import termios, tty
tty.setraw(0, termios.TCSANOW)
print("[typed]" if select.select([0], [], [], 0)[0] else "[nothing]")
"""


def type_into_the_terminal(sandbox: Sandbox, place: Place) -> Judged:
    """Push keys into the learner's terminal (TIOCSTI): the shell outside would take them for typed."""
    ours, theirs = os.openpty()
    tests = str(Path(__file__).parents[1])
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _TERMINAL, sandbox.tier, str(place.project.parent)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])},
        )
    finally:
        os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while block := os.read(ours, 4096):
            said += block
    os.close(ours)
    process.wait(30)
    if b"[nothing]" in said:
        return "blocked", said.decode("utf-8", "replace")[-100:]
    return "open", said.decode("utf-8", "replace")[-200:]


_OUTLIVE = r"""
import os, signal, subprocess, sys, time
mark = sys.argv[1]
def start(name, prelude):
    subprocess.Popen([sys.executable, "-c", "import os, signal, sys, time\n" + prelude + "\ntime.sleep(60)", mark + name],
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
start("leave_a_daemon", "os.setsid()")
start("fork_twice", "os.fork() and os._exit(0)\nos.setsid()\nos.fork() and os._exit(0)\nos.chdir('/')")
start("ignore_every_signal", "[signal.signal(n, signal.SIG_IGN) for n in signal.valid_signals() if n not in (9, 19)]")
start("stop_oneself", "os.kill(os.getpid(), signal.SIGSTOP)")
start("hop_from_process_to_process", "import itertools\nfor _ in itertools.repeat(0, 3000):\n    os.fork() and os._exit(0)\n    time.sleep(0.003)")
time.sleep(0.5)
"""
OUTLIVE = ("leave_a_daemon", "fork_twice", "ignore_every_signal", "stop_oneself", "hop_from_process_to_process")


def outlive(sandbox: Sandbox, place: Place) -> dict[str, Judged]:
    """Leave five kinds of processes behind in one run, and see which are there when it has ended."""
    mark = f"wheelhouse-abuse-{secrets.token_hex(8)}-"
    seen = dict.fromkeys(OUTLIVE, False)
    sandbox.run(["python", "-c", _OUTLIVE, mark], place, limits=Limits(30))
    try:
        for name in seen:
            seen[name] = bool(alive(mark + name))
    finally:
        _kill_all(mark)
    return {name: ("open", "it lives") if there else ("blocked", "it is dead") for name, there in seen.items()}


def stop_everything(sandbox: Sandbox, place: Place) -> Judged:
    """Stop all that one started, and oneself, and let the clock run out."""
    mark = f"wheelhouse-abuse-{secrets.token_hex(8)}"
    text = f"for i in 1 2 3; do bash -c 'while :; do sleep 1; done' {mark} & kill -STOP $!; done; kill -STOP $$"
    done = _bash(sandbox, place, text, Limits(1))
    left = alive(mark)
    _kill_all(mark)
    return ("open", "it lives") if left else _named(done, "longer")


def kill_the_supervisor(sandbox: Sandbox, place: Place) -> Judged:
    """Kill whoever started us, and live on."""
    mark = f"wheelhouse-abuse-{secrets.token_hex(8)}"
    text = f"bash -c 'trap \"\" HUP TERM; while :; do sleep 1; done' {mark} & kill -9 $PPID; kill -STOP $PPID; sleep 1"
    _bash(sandbox, place, text, Limits(10))
    time.sleep(0.2)
    left = alive(mark)
    _kill_all(mark)
    return ("open", "what it started lives") if left else ("blocked", "all are dead")


BOUNDS: tuple[Callable[[Sandbox, Place], Judged], ...] = (
    write_a_gigabyte_of_output,
    bomb_by_forks,
    take_memory_in_one_process,
    take_memory_in_many_processes,
    take_the_processor,
    stay_too_long,
    write_one_large_file,
    fill_the_disk_with_large_files,
    fill_the_disk_with_small_files,
    fill_shared_memory,
    fill_the_temporary_folder,
    open_too_many_files,
    stop_everything,
    kill_the_supervisor,
    type_into_the_terminal,
)
