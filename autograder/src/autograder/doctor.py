"""What works on this machine, and what to do about what doesn't."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from autograder.exceptions import CourseError
from autograder.exercise import chosen_exercises
from autograder.folder import index, sandbox
from autograder.index.company import company_lock
from autograder.places import cache, course_root, labs
from autograder.sandbox import ISOLATING, tiers
from autograder.sandbox.bases import other_bases
from autograder.sandbox.seed import seed_amiss
from autograder.sandbox.system_python import system_python_version
from autograder.sandbox.tools import tool_names
from autograder.settings import FILE, Policy, settings

__all__ = ["Finding", "examine"]

ROOM = 500_000_000
"""Bytes below which an exercise with several environments may fill the disk."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    about: str
    found: str
    good: bool
    next_step: str = ""


def _in_force() -> Finding:
    """Say in which tier commands run, and for what that is enough."""
    tier = sandbox().tier
    asked = ", as WHEELHOUSE_TIER asks for" if os.environ.get("WHEELHOUSE_TIER") == tier else ""
    if tier in ISOLATING:
        return Finding("sandbox", f"{tier} is in force{asked}", True)
    found = f"{tier} is in force{asked}: enough for one's own work; other people's is graded in it only with `--unsafe-{tier}`"
    return Finding("sandbox", found, tier != "basic", "See the tiers below for a stronger one.")


def _door() -> Finding:
    """Say how commands in the sandbox get to the index."""
    match sandbox().door:
        case "names":
            return Finding("door", "commands reach the index by the names that tools know it by, with TLS", True)
        case "proxy":
            found = "commands reach the index by the names that tools know it by, through the sandbox's proxy"
            return Finding("door", found, True)
    why = index().why_no_doors
    found = f"commands are told the index's bare address, and trusted publishing can't be tried. {why.message if why else ''}"
    return Finding("door", found.strip(), False, why.next_step if why else "Run `make lab` again.")


def _system_python() -> Iterator[Finding]:
    """Say whether the sandbox's Python is what was made, and which the second one would be."""
    amiss = seed_amiss()
    yield Finding(
        "system Python",
        f"the sandbox's copy is not what was made: {amiss}"
        if amiss
        else "the sandbox's copy is what was made, file by file",
        not amiss,
        f"Remove the folder {cache() / 'system-python'}: it is made again.",
    )
    other = next(other_bases(), None)
    same = (
        f"a second {system_python_version()} under another path, since this machine has no other Python with ensurepip"
    )
    found = f"{other.version} in {other.prefix}" if other else same
    yield Finding("second Python", f"{found}; for what is about two of them", True)


def _company() -> Iterator[Finding]:
    """Say what `wheelhouse.toml` sets, and whether it can be so here."""
    try:
        said, chosen = settings(), chosen_exercises()
        company_lock()
    except CourseError as error:
        yield Finding(FILE, error.message, False, error.next_step)
        return
    told = []
    if said.track or said.exercises:
        numbers = ", ".join(f"{one.number:02}" for one in chosen)
        told.append(f"exercises {numbers}{f' (track {said.track})' if said.track else ''}")
    row, usual = said.policy.row, Policy()
    if said.policy.python != usual.python:
        told.append(f"projects for Python {row['python']}")
    if said.policy.build_backends:
        told.append(f"built by {row['backends']}")
    if said.policy.cooldown_days:
        told.append(f"releases wait {row['cooldown']}")
    if said.index.distributions:
        told.append(f"your own {', '.join(said.index.distributions)} on the twin of the company's index")
    runs = system_python_version()
    fits = runs in SpecifierSet(said.policy.python)
    yield Finding(
        FILE,
        f"{'; '.join(told) or 'nothing is set'}{'' if fits else f'. The Python of the course is {runs}: not one of these'}",
        fits,
        "Start the course with a Python that the policy allows, `make lab PYTHON=` and its name: nothing can be built for one that isn't there.",
    )


def examine() -> Iterator[Finding]:
    """Look at the sandbox, Python, index, disk and tools; each finding as soon as it is there."""
    root = course_root()
    yield Finding("course", str(root or "installed package only"), True)
    yield Finding("workspaces", str(labs()), True)
    supported = sys.version_info >= (3, 11)
    yield Finding(
        "Python",
        f"{platform.python_version()} in {sys.base_prefix}; the sandbox's is {system_python_version()}",
        supported,
        "Use Python 3.11 or newer: `make lab PYTHON=python3.13`.",
    )
    yield from _company()
    yield from _system_python()
    try:
        yield _in_force()
        yield _door()
    except CourseError as error:
        yield Finding("sandbox", error.message, False, error.next_step)
    for one in tiers(index()):
        yield Finding(
            f"tier {one.tier}",
            f"{'works' if one.works else one.reason}. {one.guarantees}",
            one.works,
            one.how_to_get,
        )
    missing = len(index().missing)
    yield Finding(
        "index",
        f"{len(index().projects)} projects, {f'{missing} real distributions not fetched' if missing else 'all there'}",
        not missing,
        "Run `course index fetch` once with a network.",
    )
    names = tool_names()
    yield Finding(
        "tools",
        ", ".join(names) or "not fetched: twine, build, pip-tools, zizmor and others are missing in the sandbox",
        bool(names),
        "Run `course index fetch` once with a network.",
    )
    where = next(folder for folder in (labs(), *labs().parents) if folder.exists())
    free = shutil.disk_usage(where).free
    yield Finding(
        "disk",
        f"{free / 1e9:.1f} GB free for workspaces",
        free > ROOM,
        "Make room, or set WHEELHOUSE_LABS to a folder on another disk.",
    )
    for tool, use in (("git", "exercise 06, task 5"), ("bash", "the sandboxed shell")):
        there = shutil.which(tool)
        yield Finding(tool, there or "not found", there is not None, f"Install {tool}: {use} needs it.")
