"""Find out which tiers work on this machine, by trying, and take the strongest."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import get_args

from autograder.exceptions import SandboxError
from autograder.sandbox import advice
from autograder.sandbox.basic import BasicSandbox, find_bash
from autograder.sandbox.landlock import landlock_abi, lost_at
from autograder.sandbox.medium import MediumSandbox
from autograder.sandbox.medium_trial import medium_trial
from autograder.sandbox.place import Index, Sandbox, Tier, TierReport
from autograder.sandbox.strong import StrongSandbox
from autograder.sandbox.trial import strong_pod_trial, strong_trial

__all__ = ["TIERS", "choose", "tiers"]

TIERS: tuple[Tier, ...] = get_args(Tier)
"""From the strongest to the weakest."""

_PROC = Path("/proc/self/stat")
_NO_PROC = "/proc is not mounted, and without it what runs can't be watched"
_GUARANTEES: dict[Tier, str] = {
    "strong": "Commands see only the workspace, reach only the index, are bounded and end as a whole.",
    "strong-pod": "As strong, but commands see the names and arguments of this machine's other processes.",
    "medium": "Commands read the system and write only the workspace, reach only the index, are bounded and end as a whole; "
    "they see the names of this machine's files, names and arguments of its processes, can change modes and times of files "
    "that are yours, and could reach another machine that listens on the very port of the index.",
    "basic": "Commands get a clean environment, a HOME and a Python of their own, and bounds: "
    "this guards against accidents, not against malice. They can read, write and end whatever is yours, and use the network.",
}


def _why_not(tier: Tier) -> str:
    """Say why a tier doesn't work here, as a part of a sentence; empty if it does. Each is tried once in a process."""
    if sys.platform == "linux" and not _PROC.exists():
        return _NO_PROC
    match tier:
        case "strong":
            return strong_trial().reason
        case "strong-pod":
            return strong_pod_trial().reason
        case "medium":
            return medium_trial() or ("" if find_bash() else "there is no bash")
        case "basic":
            return "" if find_bash() else "there is no bash"


def _how_to_get(tier: Tier, reason: str) -> str:
    if reason == _NO_PROC:
        return advice.for_proc()
    match tier:
        case "strong":
            return advice.for_strong(reason)
        case "strong-pod":
            return advice.for_strong_pod(reason)
        case "medium":
            return advice.for_basic() if "bash" in reason else advice.for_medium(reason)
        case "basic":
            return advice.for_basic()


def _guarantees(tier: Tier) -> str:
    """Say what a tier guarantees, and what this kernel takes from it."""
    lost = lost_at(landlock_abi()) if tier == "medium" and landlock_abi() else []
    if not lost:
        return _GUARANTEES[tier]
    return f"{_GUARANTEES[tier]} But this kernel's Landlock is old (ABI {landlock_abi()}): {'; '.join(lost)}."


def _report(tier: Tier) -> TierReport:
    reason = _why_not(tier)
    return TierReport(tier, not reason, reason, _guarantees(tier), _how_to_get(tier, reason) if reason else "")


def tiers(index: Index) -> list[TierReport]:
    """Report on every tier, the strongest first."""
    return [_report(tier) for tier in TIERS]


def _make(tier: Tier, index: Index) -> Sandbox:
    match tier:
        case "strong":
            tried = strong_trial()
            return StrongSandbox(index, tried.bubblewrap, privileged_port=tried.privileged_port)
        case "strong-pod":
            tried = strong_pod_trial()
            return StrongSandbox(index, tried.bubblewrap, privileged_port=tried.privileged_port, pod=True)
        case "medium":
            return MediumSandbox(index)
        case "basic":
            return BasicSandbox(index)


def choose(index: Index, *, tier: str | None = None) -> Sandbox:
    """Give the strongest tier that works when tried, or the one asked for by `tier` or `$WHEELHOUSE_TIER`.

    Raises:
        SandboxError: the one asked for doesn't work here, or there is none of that name, or none works at all.
    """
    wanted = tier or os.environ.get("WHEELHOUSE_TIER") or None
    if wanted is not None and wanted not in TIERS:
        raise SandboxError(
            f"There is no sandbox tier {wanted!r}.", f"The tiers are {', '.join(TIERS[:-1])} and {TIERS[-1]}."
        )
    asked = [one for one in TIERS if wanted in (None, one)]
    for one in asked:
        if not _why_not(one):
            return _make(one, index)
    last = _report(asked[-1])
    raise SandboxError(f"The {last.tier} sandbox doesn't work here: {last.reason}.", last.how_to_get)
