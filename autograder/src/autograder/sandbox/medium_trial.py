"""Find out by trying whether the medium tier holds on this machine: a command in it tries to get out, in each way that it should close."""

from __future__ import annotations

import functools
import platform
import socket
import sys
from pathlib import Path

from autograder.exceptions import SandboxError
from autograder.sandbox.landlock import landlock_abi, why_no_landlock
from autograder.sandbox.medium import MediumSandbox
from autograder.sandbox.place import Limits, Place
from autograder.sandbox.seccomp import filter_program
from autograder.sandbox.system_python import executable_name, seed, writable_parts
from autograder.sandbox.trial import NoIndex, trial_folder

__all__ = ["forget_medium_trial", "medium_trial"]

_TRIAL = """
import os, sys
import _socket
abi, other, secret = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
own = int(os.environ["WHEELHOUSE_LOOPBACK"].rpartition(":")[2])
def escaped(number, attempt, *arguments):
    try:
        attempt(*arguments)
    except OSError:
        return
    os._exit(number)
def must(number, attempt, *arguments):
    try:
        return attempt(*arguments)
    except OSError:
        os._exit(number)
def tcp(port, protocol=0):
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, protocol)
    made.settimeout(5)
    made.connect(("127.0.0.1", port))
def fast_open(port):
    _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).sendto(b"x", 0x20000000, ("127.0.0.1", port))
must(11, open, "written", "w")
escaped(12, open, secret)
escaped(12, os.listdir, os.path.dirname(secret))
escaped(13, open, secret, "a")
escaped(13, os.truncate, secret, 0)
escaped(13, os.unlink, secret)
escaped(13, os.mkdir, secret + "-folder")
escaped(13, os.rename, "written", secret + "-moved")
escaped(14, os.link, secret, "linked")
for family, kind, protocol in ((2, 2, 0), (2, 3, 1), (2, 1, 262), (10, 1, 0), (1, 1, 0), (1, 2, 0), (16, 3, 0), (40, 1, 0)):
    escaped(15, _socket.socket, family, kind, protocol)
escaped(15, fast_open, other)
escaped(15, _socket.socketpair, _socket.AF_UNIX, _socket.SOCK_DGRAM)
must(16, tcp, own)
if abi >= 4:
    escaped(17, tcp, other)
if abi >= 6:
    escaped(18, os.kill, os.getppid(), 0)
escaped(19, open, f"/proc/{os.getppid()}/environ")
status = dict(line.split(None, 1) for line in open("/proc/self/status") if len(line.split()) > 1)
for name, wanted in (("Seccomp:", "2"), ("NoNewPrivs:", "1"), ("CapEff:", "0" * 16)):
    if status[name].strip() != wanted:
        os._exit(20)
os._exit(42)
"""
_FOUND = {
    11: "the workspace is not writable in it",
    12: "this machine's files can be read in it",
    13: "this machine's files can be changed in it",
    14: "this machine's files can be linked to in it",
    15: "its system call filter lets other sockets through than the index needs",
    16: "the index can't be reached in it",
    17: "this machine's own services can be reached in it",
    18: "this machine's processes can be ended in it",
    19: "this machine's processes can be looked into in it",
    20: "programs in it may gain privileges",
}


class _Trial(MediumSandbox):
    """The medium tier around a program that needs no system Python: nothing is made that the trial doesn't look at."""

    def _settle(self, place: Place) -> Path:
        for part in writable_parts():
            (place.system / part).mkdir(parents=True)
        return seed()

    def _environment(self, place: Place, *, terminal: bool, title: str) -> dict[str, str]:
        return {}

    def _readable(self, place: Place) -> list[Path]:
        tops = ("/usr", "/lib", "/lib64", "/nix/store", "/gnu/store", "/proc")
        return [*map(Path, tops), Path(sys.base_prefix, "lib"), seed()]


@functools.cache
def medium_trial(abi: int | None = None) -> str:
    """Say why the medium tier doesn't work, as a part of a sentence; empty if it does. Tried once in this process.

    `abi` holds Landlock to what an older kernel has.
    """
    if reason := why_no_landlock():
        return reason
    if filter_program(confined=True) is None:
        return f"no system call filter was written for {platform.machine()} yet"
    with trial_folder() as scratch:
        place = Place(scratch / "project", scratch / "home", scratch / "system")
        for folder in (place.project, place.home, place.system):
            folder.mkdir()
        secret = scratch / "secret"
        secret.write_text("secret", encoding="ascii")
        trial = _Trial(NoIndex(), abi=abi)
        with socket.create_server(("127.0.0.1", 0)) as other:
            promised = landlock_abi() if abi is None else abi
            program = [str(seed() / "bin" / executable_name()), "-I", "-S", "-c", _TRIAL]
            program += [str(promised), str(other.getsockname()[1]), str(secret)]
            try:
                done = trial.run(program, place, limits=Limits(10))
            except SandboxError as error:
                return str(error.message).rstrip(".")
        if done.exit_status == 42 and secret.read_text("ascii") != "secret":
            return _FOUND[13]
    if done.exit_status == 42:
        return ""
    return _FOUND.get(done.exit_status, f"the trial said {done.output.strip()[-200:]!r} {done.stopped}".strip())


def forget_medium_trial() -> None:
    """Try anew when next asked."""
    medium_trial.cache_clear()
