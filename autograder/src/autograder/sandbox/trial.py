"""Find out by trying whether the two strongest tiers work on this machine: versions and exit codes say nothing of it."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.exceptions import SandboxError
from autograder.sandbox.bubblewrap_wheel import fetched_bubblewrap
from autograder.sandbox.place import Limits, Place
from autograder.sandbox.ports import TLS_PORT, listen_inside
from autograder.sandbox.scratch import scratch_folder
from autograder.sandbox.seccomp import filter_program
from autograder.sandbox.sleepers import end_sleepers
from autograder.sandbox.strong import StrongSandbox, find_bubblewrap
from autograder.sandbox.system_python import STRONG_PORT, executable_name, seed, writable_parts
from autograder.sandbox.way import Way

__all__ = ["NoIndex", "Tried", "forget_trials", "strong_pod_trial", "strong_trial", "trial_folder"]

_TRIAL = r"""
: > written || exit 11
for folder in / /etc /usr /usr/bin /usr/local/lib /dev /run/wheelhouse; do
  ( : > "$folder/wheelhouse-trial" ) 2>/dev/null && exit 12
done
( : > /proc/sys/kernel/core_pattern ) 2>/dev/null && exit 19
( : > /proc/sysrq-trigger ) 2>/dev/null && exit 19
while read -r device rest; do
  case $device in Inter-*|face|lo:*) ;; *) exit 13 ;; esac
done < /proc/net/dev
while read -r key value rest; do
  case $key in
    Seccomp:) [ "$value" = 2 ] || exit 14 ;;
    NoNewPrivs:) [ "$value" = 1 ] || exit 15 ;;
    CapEff:|CapPrm:|CapInh:|CapAmb:) [ "$value" = 0000000000000000 ] || exit 16 ;;
  esac
done < /proc/self/status
[ -e "$1" ] && exit 17
[ "$$" -lt 10 ] || exit 18
# Whoever runs this, by the number that it has outside: in a pod its name can be seen, and nothing else may be.
# A low number may also be one of those inside.
[ "$2" -gt 100 ] && kill -0 "$2" 2>/dev/null && exit 20
if [ "$3" = pod ] || [ "$2" -gt 100 ]; then
  for part in root cwd exe fd/0; do [ -e "/proc/$2/$part" ] && exit 21; done
  for part in environ mem maps auxv; do ( read -r line < "/proc/$2/$part" ) 2>/dev/null && exit 21; done
  ( : > "/proc/$2/oom_score_adj" ) 2>/dev/null && exit 21
  [ "$3" = pod ] || [ ! -e "/proc/$2" ] || exit 18
fi
( unshare -U true ) 2>/dev/null && exit 22
( mount -t tmpfs tmpfs /tmp ) 2>/dev/null && exit 22
exit 42
"""
_FOUND = {
    11: "the workspace is not writable in it",
    12: "the system's own folders are writable in it",
    13: "this machine's network is visible in it",
    14: "its system call filter is not in force",
    15: "programs in it may gain privileges",
    16: "commands in it have privileges",
    17: "this machine's files are visible in it",
    18: "this machine's processes are visible in it",
    19: "this machine's kernel settings are writable in it",
    20: "this machine's processes can be ended from it",
    21: "this machine's processes can be looked into from it",
    22: "commands in it can make namespaces and mounts of their own",
}
_LEAST = "0.8"
"""The first bubblewrap that can keep commands from making users of their own; only for words: what works is found by trying."""


@dataclass(frozen=True)
class Tried:
    """What a trial found."""

    reason: str
    """Why the tier doesn't work, as a part of a sentence; empty if it does."""
    bubblewrap: str = ""
    """The program that works."""
    privileged_port: bool = False
    """Whether a port below 1024 can be listened on inside."""

    @property
    def works(self) -> bool:
        """Say whether the tier may be claimed."""
        return not self.reason


class NoIndex:
    """What answers nobody: trials need no index."""

    doors = None

    @contextlib.contextmanager
    def serve(
        self, listener: socket.socket, published: Path | None = None, secure: socket.socket | None = None
    ) -> Iterator[None]:
        """Serve nothing."""
        yield


class _Trial(StrongSandbox):
    """The strong tier around a shell that needs no system Python: nothing is made that the trial doesn't look at."""

    found_privileged_port = False

    def _way(self) -> Way:
        return Way("names", STRONG_PORT)

    def _listen(self, init: int) -> list[socket.socket]:
        for listener in listen_inside(init, STRONG_PORT, TLS_PORT) or ():
            self.found_privileged_port = True
            listener.close()
        return []

    def _settle(self, place: Place) -> Path:
        for part in writable_parts():
            (place.system / part).mkdir(parents=True)
        for name in (executable_name(), "uv"):
            (place.system / "bin" / name).touch()
        return seed()


@functools.cache
def strong_trial() -> Tried:
    """Try the strong tier, once in this process."""
    return _try(pod=False)


@functools.cache
def strong_pod_trial() -> Tried:
    """Try the strong tier as it is where `/proc` can't be mounted, once in this process."""
    return _try(pod=True)


def forget_trials() -> None:
    """Try anew when next asked."""
    strong_trial.cache_clear()
    strong_pod_trial.cache_clear()


def _try(*, pod: bool) -> Tried:
    """Try the system's bubblewrap, then the one from a wheel; where neither works, the first one's reason is given."""
    if sys.platform != "linux":
        return Tried(f"bubblewrap needs Linux, and this is {platform.system()}")
    if filter_program() is None:
        return Tried(f"no system call filter was written for {platform.machine()} yet")
    end_sleepers()
    first: Tried | None = None
    for bubblewrap in (find_bubblewrap(), fetched_bubblewrap()):
        if bubblewrap is not None:
            tried = _try_one(bubblewrap, pod=pod)
            if tried.works:
                return tried
            first = first or tried
    return first or Tried("bubblewrap is not installed")


def _try_one(bubblewrap: str, *, pod: bool) -> Tried:
    with trial_folder() as scratch:
        place = Place(scratch / "project", scratch / "home", scratch / "system")
        for folder in (place.project, place.home, place.system):
            folder.mkdir()
        trial = _Trial(NoIndex(), bubblewrap, pod=pod)
        words = ["/bin/sh", "-c", _TRIAL, "trial", str(scratch), str(os.getpid()), "pod" if pod else ""]
        try:
            done = trial.run(words, place, limits=Limits(10))
        except SandboxError as error:
            return Tried(_in_words(bubblewrap, str(error.message)))
    if done.exit_status == 42:
        return Tried("", bubblewrap, trial.found_privileged_port)
    return Tried(_FOUND.get(done.exit_status, f"the trial said {done.output.strip()[-200:]!r} {done.stopped}"))


def trial_folder() -> contextlib.AbstractContextManager[Path]:
    """Give a folder for a trial, where temporary files go: a sandbox has a /dev/shm of its own, so nothing would be learnt there."""
    return scratch_folder("wheelhouse-trial-", Path(tempfile.gettempdir()))


def _in_words(bubblewrap: str, said: str) -> str:
    """Say that it is too old where it knows no option that it must know."""
    if "nknown option" not in said:
        return said
    try:
        asked = subprocess.run([bubblewrap, "--version"], capture_output=True, text=True, timeout=5, check=False)
        version = asked.stdout.split()[-1]
    except (OSError, subprocess.SubprocessError, IndexError):
        return f"{bubblewrap} is too old: {_LEAST} or later is needed ({said})"
    return f"{bubblewrap} is too old: {_LEAST} or later is needed, and this is {version} ({said})"
