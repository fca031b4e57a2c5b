"""A class that types `python3 -m venv` at the same moment: in the sandboxed shell, beside stock Python outside of it, in one run.

`python benchmarks/bench_class.py`; `--quick` takes few learners, `--learners 40` as many as you like.
Seconds of the processor don't depend on how busy the machine is, those on the clock do: with C cores, N learners wait N / C times
the former at least. What a learner's JupyterLab takes in memory and at its start is measured by `python -m proofs hub`.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EXERCISE = "06"


@dataclass(frozen=True)
class Taken:
    """What it took until the last one had theirs, in seconds."""

    clock: float
    processor: float
    """Of all cores together, for each learner."""


def at_once(commands: Sequence[Sequence[str]], labs: Sequence[Path]) -> Taken:
    """Run commands at the same time, each with labs of its own.

    Raises:
        RuntimeError: one of them failed.
    """
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    running = [
        subprocess.Popen(
            command,
            cwd=place,
            env={**os.environ, "WHEELHOUSE_LABS": str(place)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for command, place in zip(commands, labs, strict=True)
    ]
    for one in running:
        said = one.communicate()[1]
        if one.returncode:
            raise RuntimeError(said.decode(errors="replace")[-1000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(time.perf_counter() - begun, spent / len(commands))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few learners")
    parser.add_argument("--learners", type=int, metavar="N", help="how many at most (default: 20)")
    arguments = parser.parse_args()
    most = arguments.learners or (4 if arguments.quick else 20)
    counts = sorted({1, min(4, most), min(10, most), most})
    course = [sys.executable, "-m", "autograder.cli"]
    base = getattr(sys, "_base_executable", sys.executable)
    with tempfile.TemporaryDirectory(prefix="wheelhouse-", ignore_cleanup_errors=True) as made:
        labs = [Path(made, str(number)) for number in range(most)]
        for place in labs:
            place.mkdir()
            at_once([[*course, "begin", EXERCISE]], [place])
        cores = os.cpu_count() or 1
        print(f"{cores} cores, load {os.getloadavg()[0]:.1f} at the beginning")
        print(
            f"{'learners at once':>16}  {'sandbox, s':>10}  {'processor, s':>12}  {'stock, s':>8}  {'processor, s':>12}  stock/ours"
        )
        for count in counts:
            name = f"venv-{count}"
            ours = at_once([[*course, "shell", EXERCISE, "--", "python3", "-m", "venv", name]] * count, labs[:count])
            stock = at_once([[base, "-m", "venv", name]] * count, labs[:count])
            ratio = stock.processor / ours.processor
            print(
                f"{count:>16}  {ours.clock:>10.1f}  {ours.processor:>12.2f}  {stock.clock:>8.1f}  {stock.processor:>12.2f}  {ratio:>9.1f}x"
            )


if __name__ == "__main__":
    main()
