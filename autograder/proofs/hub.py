"""A class on JupyterHub: real hub, proxy, users and exchange; release, fetch, solve, submit, collect, grade, feedback, CSV."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

from autograder.exercise import find_exercise
from proofs.hub_class import GROUPS, USERS
from proofs.hub_machine import enter
from proofs.hub_place import Place, make
from proofs.machine import CannotRunHere
from proofs.results import Row, record

__all__ = ["PROOF", "main", "run"]

PROOF = "hub"


def run(place: Place, exercise: str = "06", *, timeout: float = 600, quiet: bool = False) -> list[Row]:
    """Run a class with what is installed in `place`, and give what was found.

    Raises:
        CannotRunHere: this machine doesn't let us make users of its own.
        RuntimeError: the run broke, with what it said.
    """
    command = [sys.executable, "-m", "proofs.hub_class", str(place.folder), find_exercise(exercise).id]
    done = enter(command, USERS, groups=GROUPS, reachable=[place.folder], capture=True, errors=quiet, timeout=timeout)
    if done.returncode:
        raise RuntimeError(done.stderr or "the class broke; what it said stands above")
    return [Row(**row) for row in json.loads(done.stdout)]


def main(arguments: Sequence[str]) -> int:
    """Make what is needed, run the class, write down how it ended."""
    parser = argparse.ArgumentParser(prog="python -m proofs hub", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="nothing to keep: the class lies in memory")
    parser.parse_args(arguments)
    try:
        place = make()
        rows = run(place)
    except (CannotRunHere, subprocess.TimeoutExpired) as problem:
        print(f"The class can't be made: {problem}.", file=sys.stderr)
        return 2
    record(PROOF, rows, title="A class on JupyterHub", versions=place.versions)
    return 0 if all(row.good for row in rows) else 1
