"""What a sandbox costs: commands in each tier against the same command outside of any, in the same run, turn by turn.

`bare` is the same command with the same environment, which is built from nothing, against the same index, as a plain process.
The target is strong <= 1.3x bare + 30 ms.

    python benchmarks/bench_sandbox.py [--quick] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autograder.exceptions import SandboxError
from autograder.index import PackageIndex
from autograder.sandbox import Limits, Place, Sandbox, choose, tiers
from autograder.sandbox.basic import BasicSandbox
from autograder.sandbox.system_python import empty_folder, make_system

TARGET, SLACK = 1.3, 0.030
COMMANDS: Mapping[str, str] = {
    "start (true)": "true",
    "python -m venv": "python -m venv --clear v",
    "pip install": "v/bin/python -m pip install -q --force-reinstall --no-cache-dir leftpad",
    "uv venv": "uv venv -q --clear u",
    "uv pip install": "uv pip install -q --reinstall --no-cache -p u/bin/python leftpad",
}


class Bare:
    """Commands outside of any sandbox, with the environment of the basic tier, while a command of that tier keeps the index at its address."""

    tier = "bare"

    def __init__(self, index: PackageIndex, place: Place) -> None:
        """Use this place, and no other."""
        self._index = index
        self._place = place
        self._environment: dict[str, str] = {}

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Learn what a command of the basic tier is given, and keep that alive."""
        go, given = self._place.home / "go", self._place.home / "environment"
        text = f"env -0 > {given}; touch {go}; while [ -e {go} ]; do sleep 0.2; done"
        limits = Limits(wall_seconds=None, cpu_seconds=600)
        box = BasicSandbox(self._index)
        waiting = threading.Thread(
            target=lambda: box.run(["bash", "-c", text], self._place, limits=limits), daemon=True
        )
        waiting.start()
        while not go.exists():
            time.sleep(0.01)
        pairs = (line.partition("=") for line in given.read_text("utf-8").split("\0") if line)
        self._environment = {name: value for name, _, value in pairs}
        try:
            yield
        finally:
            go.unlink()
            waiting.join()

    def run(self, command: str) -> None:
        """Run a line of bash."""
        argv, project = ["bash", "-c", command], self._place.project
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        done = subprocess.run(argv, cwd=project, env=self._environment, check=False, **pipes)
        if done.returncode:
            raise SandboxError(f"{command} failed bare: {done.stdout} {done.stderr}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    times = 3 if asked.quick else 15
    index = PackageIndex.open()
    memory = Path("/dev/shm")  # noqa: S108
    top = Path(tempfile.mkdtemp(prefix="wheelhouse-bench-", dir=memory if os.access(memory, os.W_OK) else None))
    bare = Bare(index, _place(top / "bare"))
    boxes: dict[str, Sandbox | Bare] = {"bare": bare}
    for report in tiers(index):
        if report.works:
            boxes[report.tier] = choose(index, tier=report.tier)
        else:
            print(f"{report.tier}: {report.reason}")
    try:
        places = {name: _place(top / name) for name in boxes if name != "bare"} | {"bare": bare._place}
        found: dict[str, dict[str, list[float]]] = {name: {} for name in (*COMMANDS, "reset")}
        with bare.served():
            for command, text in COMMANDS.items():
                for turn in range(times + 1):
                    for name, box in boxes.items():
                        taken = _timed(lambda box=box, name=name, text=text: _run(box, text, places[name]))  # type: ignore[misc]
                        if turn:  # the first fills caches
                            found[command].setdefault(name, []).append(taken)
            for _ in range(times):
                for name in boxes:
                    if name == "bare":
                        taken = _timed(lambda: _copy(places["bare"]))
                    else:
                        taken = _timed(lambda name=name: _reset(places[name]))  # type: ignore[misc]
                    found["reset"].setdefault(name, []).append(taken)
    finally:
        empty_folder(top)
        top.rmdir()
    if asked.json:
        print(json.dumps(found))
        return
    _print(found, list(boxes), times)


def _place(folder: Path) -> Place:
    place = Place(folder / "project", folder / "home", folder / "system")
    for made in (place.project, place.home, place.system):
        made.mkdir(parents=True)
    make_system(place.system)
    return place


def _run(box: Sandbox | Bare, text: str, place: Place) -> None:
    if isinstance(box, Bare):
        box.run(text)
        return
    done = box.run(["bash", "-c", text], place)
    if done.exit_status:
        raise SandboxError(f"{text} failed in {box.tier}: {done.output} {done.stopped}")


def _reset(place: Place) -> None:
    for folder in (place.project, place.home):
        empty_folder(folder)
    make_system(place.system)


def _copy(place: Place) -> None:
    """Do what a reset without any cleverness does: copy a system Python's own packages again."""
    packages = next((place.system / "lib").glob("python3*")) / "site-packages"
    again = place.system / "again"
    shutil.copytree(packages, again, symlinks=True)
    shutil.rmtree(again)


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _print(found: Mapping[str, Mapping[str, list[float]]], names: list[str], times: int) -> None:
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, median of {times}, ms (and times bare)\n")
    rows = [["", *names, "strong within 1.3x + 30 ms"]]
    for command, taken in found.items():
        bare = statistics.median(taken["bare"])
        row = [command]
        for name in names:
            median = statistics.median(taken[name])
            row.append(f"{1000 * median:.0f}" + ("" if name == "bare" else f" ({median / bare:.2f}x)"))
        strong = statistics.median(taken.get("strong", [float("nan")]))
        row.append("yes" if strong <= TARGET * bare + SLACK else "no")
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
