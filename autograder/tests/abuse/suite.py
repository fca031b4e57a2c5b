"""Run the table in one tier, and say how each row ended."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from autograder.sandbox import Limits, Place, Sandbox, choose, tiers
from autograder.sandbox.system_python import empty_folder

from . import asks, bounds, traps
from .bounds import outlive
from .table import ASKS, BOUNDS, OUTLIVE, QUICK, ROWS, TRAPS, Outcome, Row
from .world import StillIndex, World, new_place, odd_files, world

__all__ = ["Ended", "run", "surprises", "why_not"]

_F = TypeVar("_F")
_ATTEMPTS = Path(__file__).with_name("attempts.py")


@dataclass(frozen=True)
class Ended:
    """How one row ended."""

    outcome: Outcome
    evidence: str
    """What was seen of it, or what stood in its way."""


def why_not(tier: str) -> str:
    """Say why a tier doesn't work here; empty if it does."""
    report = next((one for one in tiers(StillIndex()) if one.tier == tier), None)
    if report is None:
        return "no such tier"
    return "" if report.works else report.reason


def surprises(tier: str, ended: dict[str, Ended]) -> list[str]:
    """Say which rows did not end as the table says.

    In the basic tier nothing of ours stands in the way, so the machine itself may still stop what is called open;
    and where it has none of the files that an attempt is after, nothing can be had in any tier.
    """
    rows = {row.name: row for row in ROWS}
    found = []
    for name, one in ended.items():
        expected = rows[name].expected(tier)
        stopped_by_others = tier == "basic" and expected == "open" and (rows[name].unshown or os.getuid() != 0)
        needs = rows[name].needs
        nothing_there = expected == "open" and bool(needs) and not any(map(os.path.isfile, needs))
        if one.outcome != expected and not (stopped_by_others or nothing_there):
            found.append(f"{name} is {one.outcome}, not {expected}: {one.evidence}")
    return found


def _by_name(functions: Iterable[_F]) -> dict[str, _F]:
    return {str(getattr(one, "__name__", "")): one for one in functions}


def run(tier: str, names: list[str] | None = None) -> dict[str, Ended]:
    """Try every row, or those named, in a tier that works here; rows that can't disturb one another share one start."""
    rows = [row for row in ROWS if names is None or row.name in names]
    index, trapping = StillIndex(), _by_name(traps.TRAPS)
    bounding = _by_name((*bounds.BOUNDS, *asks.ASKS))
    sandbox = choose(index, tier=tier)
    ended: dict[str, Ended] = {}
    top = Path(tempfile.mkdtemp(prefix="wheelhouse-abuse-"))
    try:
        top.chmod(0o755)
        outside = top / "outside"
        outside.mkdir()
        with world(outside, [row.name for row in rows]) as there:
            if quick := [row for row in rows if row in QUICK]:
                ended |= _quick(sandbox, top, there, quick)
            for number, row in enumerate(row for row in rows if row in (*BOUNDS, *TRAPS, *ASKS)):
                place = new_place(top / str(number))
                if row.name in bounding:
                    judged = bounding[row.name](sandbox, place)
                else:
                    judged = trapping[row.name](sandbox, place, outside / row.name / "secret")
                ended[row.name] = Ended(*judged)
                empty_folder(top / str(number))
            if outliving := [row.name for row in rows if row in OUTLIVE]:
                left = outlive(sandbox, new_place(top / "outlive"))
                ended |= {name: Ended(*left[name]) for name in outliving}
    finally:
        empty_folder(top)
        top.rmdir()
    return ended


def _quick(sandbox: Sandbox, top: Path, there: World, rows: list[Row]) -> dict[str, Ended]:
    place = new_place(top / "quick")
    (place.project / "world.json").write_text(json.dumps(there.about))
    (place.project / "attempts.py").write_bytes(_ATTEMPTS.read_bytes())
    called: list[str] = []
    ended = threading.Event()
    caller = threading.Thread(target=_call, args=(there.about["offer"], called, ended))
    caller.start()
    try:
        done = sandbox.run(
            ["python", "-I", "attempts.py", "world.json", *(row.name for row in rows)],
            place,
            limits=Limits(wall_seconds=150),
        )
    finally:
        ended.set()
        caller.join()
    if done.exit_status or done.stopped:
        raise AssertionError(f"the attempts were not made: {done}")
    planted = [str(file) for file in there.planted()]
    odd = odd_files(place)
    return {row.name: _judge(row, place, there, planted, odd, called) for row in rows}


def _call(port: int, called: list[str], ended: threading.Event) -> None:
    """Try, from outside, whether somebody inside offers something."""
    while not ended.wait(0.2) and not called:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as client:
                client.settimeout(1)
                called.append(client.recv(200).decode())
        except OSError:
            continue


def _judge(row: Row, place: Place, there: World, planted: list[str], odd: list[str], called: list[str]) -> Ended:
    said, error = there.loot(place, row.name)
    evidence = ""
    if row.judge == "secret" and there.secret_in(said, row.name):
        evidence = "the secret got in"
    elif row.judge == "file":
        evidence = there.changed(row.name) or ("the secret got in" if there.secret_in(said, row.name) else "")
    elif row.judge == "call" and (row.name in there.events("call") or there.token in said):
        evidence = "the service was called"
    elif row.judge.startswith("SIG") and row.judge in there.events("signal"):
        evidence = "the victim got it"
    elif row.judge == "heard" and there.heard:
        evidence = "the course heard it"
    elif row.judge == "planted":
        evidence = " ".join(
            file
            for file in planted
            if file.startswith("/dev/shm/wheelhouse-abuse-mark") == ("shared_memory" in row.name)
        )
        evidence += " the secret got in" if there.secret_in(said, row.name) else ""
    elif row.judge == "odd":
        evidence = " ".join(name for name in odd if name.startswith("setuid") == ("setuid" in row.name)) or (
            "" if "setuid" in row.name else said
        )
    elif row.judge == "offered" and row.name in called:
        evidence = "it was called from outside"
    elif row.judge == "said":
        evidence = said
    # what can be seen outside counts whatever the row says that it does
    elif there.changed(row.name):
        evidence = there.changed(row.name)
    return Ended("open", evidence[:200]) if evidence else Ended("blocked", error or "it got nothing")
