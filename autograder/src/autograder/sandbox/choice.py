"""Find out which tiers work on this machine, by trying."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from autograder.exceptions import SandboxError
from autograder.sandbox.basic import BasicSandbox, find_bash
from autograder.sandbox.place import Index, Limits, Place, Sandbox, TierReport
from autograder.sandbox.ports import TLS_PORT, listen_inside
from autograder.sandbox.seccomp import filter_program
from autograder.sandbox.strong import StrongSandbox, find_bubblewrap
from autograder.sandbox.system_python import STRONG_PORT, executable_name, seed, writable_parts
from autograder.sandbox.way import Way

__all__ = ["choose", "tiers"]

_GUARANTEES = {
    "strong": "Commands see only the workspace, reach only the index, are bounded and end as a whole.",
    "basic": "Commands get a clean environment, a HOME and a Python of their own, and bounds: "
    "this guards against accidents, not against malice.",
}

_TRIAL = r"""
: > written || exit 11
for folder in / /etc /usr /usr/bin /usr/local/lib /dev /run/wheelhouse; do
  ( : > "$folder/wheelhouse-trial" ) 2>/dev/null && exit 12
done
[ -w /proc/sys/kernel/core_pattern ] && exit 19
while read -r device rest; do
  case $device in Inter-*|face|lo:*) ;; *) exit 13 ;; esac
done < /proc/net/dev
while read -r key value rest; do
  case $key in
    Seccomp:) [ "$value" = 2 ] || exit 14 ;;
    NoNewPrivs:) [ "$value" = 1 ] || exit 15 ;;
    CapEff:) [ "$value" = 0000000000000000 ] || exit 16 ;;
  esac
done < /proc/self/status
[ -e "$1" ] && exit 17
[ "$$" -lt 10 ] || exit 18
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
    19: "this machine's kernel settings are writable in it",
    18: "this machine's processes are visible in it",
}


class _NoIndex:
    doors = None

    @contextlib.contextmanager
    def serve(
        self, listener: socket.socket, published: Path | None = None, secure: socket.socket | None = None
    ) -> Iterator[None]:
        yield


class _Trial(StrongSandbox):
    """The strong tier around a shell that needs no system Python: nothing is made that the trial doesn't look at."""

    found_privileged_port = False

    def _way(self) -> Way:
        return Way("names", STRONG_PORT)

    def _listen_for_tls(self, init: int) -> None:
        if (listener := listen_inside(init, TLS_PORT)) is not None:
            self.found_privileged_port = True
            listener.close()

    def _settle(self, place: Place) -> Path:
        for part in writable_parts():
            (place.system / part).mkdir(parents=True)
        for name in (executable_name(), "uv"):
            (place.system / "bin" / name).touch()
        return seed()


@functools.cache
def _tried() -> tuple[str, bool]:
    """Say why the strong tier doesn't work, empty if it does; and whether a port below 1024 can be listened on inside."""
    if sys.platform != "linux":
        return f"bubblewrap needs Linux, and this is {platform.system()}", False
    bubblewrap = find_bubblewrap()
    if bubblewrap is None:
        return "bubblewrap is not installed", False
    if filter_program() is None:
        return f"no system call filter was written for {platform.machine()} yet", False
    with tempfile.TemporaryDirectory(prefix="wheelhouse-trial-") as scratch:
        place = Place(Path(scratch, "project"), Path(scratch, "home"), Path(scratch, "system"))
        for folder in (place.project, place.home, place.system):
            folder.mkdir()
        trial = _Trial(_NoIndex(), bubblewrap)
        try:
            done = trial.run(["/bin/sh", "-c", _TRIAL, "trial", scratch], place, limits=Limits(10))
        except SandboxError as error:
            return str(error.message), False
    if done.exit_status == 42:
        return "", trial.found_privileged_port
    return _FOUND.get(done.exit_status, f"the trial said {done.output.strip()[-200:]!r} {done.stopped}"), False


def _how_to_get_strong(reason: str) -> str:
    if sys.platform != "linux":
        return "Run the course in a Linux container or virtual machine, or on Binder."
    if "not installed" in reason or "nknown option" in reason:
        for tool, command in (
            ("apt-get", "sudo apt install bubblewrap"),
            ("dnf", "sudo dnf install bubblewrap"),
            ("pacman", "sudo pacman -S bubblewrap"),
            ("zypper", "sudo zypper install bubblewrap"),
            ("apk", "sudo apk add bubblewrap"),
        ):
            if shutil.which(tool):
                return f"Run `{command}` (0.8 or later is needed)."
        return "Install bubblewrap 0.8 or later with your system's package manager."
    if "uid map" in reason or "RTM_NEWADDR" in reason:
        return (
            "Allow bubblewrap to make user namespaces: on Ubuntu run `sudo apt install apparmor-profiles` "
            "and load its profile `bwrap-userns-restrict`."
        )
    if "namespace" in reason or "proc" in reason:
        return "This container or kernel forbids namespaces: ask whoever runs it to allow them."
    return "Tell us what `course doctor` says."


def tiers(index: Index) -> list[TierReport]:
    """Report on every tier, the strongest first."""
    reason, _ = _tried()
    bash = find_bash()
    return [
        TierReport(
            "strong",
            not reason,
            reason,
            _GUARANTEES["strong"],
            _how_to_get_strong(reason) if reason else "",
        ),
        TierReport(
            "basic",
            bash is not None,
            "" if bash else "there is no bash",
            _GUARANTEES["basic"],
            "" if bash else "Install bash with your system's package manager.",
        ),
    ]


def choose(index: Index, *, tier: str | None = None) -> Sandbox:
    """Give the strongest tier that works when tried, or the one asked for by `tier` or `$WHEELHOUSE_TIER`.

    Raises:
        SandboxError: the one asked for doesn't work here, or there is none of that name, or none works at all.
    """
    wanted = tier or os.environ.get("WHEELHOUSE_TIER") or None
    reports = {str(report.tier): report for report in tiers(index)}
    if wanted is not None and wanted not in reports:
        raise SandboxError(f"There is no sandbox tier {wanted!r}.", f"The tiers are {' and '.join(reports)}.")
    for name, report in reports.items():
        if wanted in (None, name) and report.works:
            bubblewrap = find_bubblewrap()
            if name == "strong" and bubblewrap is not None:
                return StrongSandbox(index, bubblewrap, privileged_port=_tried()[1])
            return BasicSandbox(index)
    first = reports[wanted or "basic"]
    raise SandboxError(f"The {first.tier} sandbox doesn't work here: {first.reason}.", first.how_to_get)
