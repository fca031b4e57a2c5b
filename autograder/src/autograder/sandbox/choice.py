"""Find out which tiers work on this machine, by trying."""

from __future__ import annotations

import os
import shutil
import sys

from autograder.exceptions import SandboxError
from autograder.sandbox.basic import BasicSandbox, find_bash
from autograder.sandbox.place import Index, Sandbox, TierReport
from autograder.sandbox.strong import StrongSandbox
from autograder.sandbox.trial import strong_trial

__all__ = ["choose", "tiers"]

_GUARANTEES = {
    "strong": "Commands see only the workspace, reach only the index, are bounded and end as a whole.",
    "basic": "Commands get a clean environment, a HOME and a Python of their own, and bounds: "
    "this guards against accidents, not against malice.",
}


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
    reason = strong_trial().reason
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
            if name == "strong":
                tried = strong_trial()
                return StrongSandbox(index, tried.bubblewrap, privileged_port=tried.privileged_port)
            return BasicSandbox(index)
    first = reports[wanted or "basic"]
    raise SandboxError(f"The {first.tier} sandbox doesn't work here: {first.reason}.", first.how_to_get)
