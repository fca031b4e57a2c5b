"""Begin and reset of each exercise, from its kept start, beside its real commands in the same run; and the parts they are made of.

    python benchmarks/bench_workspace.py [--quick] [--on FOLDER …]

Prints milliseconds, the best of some rounds. `commands` is what an exercise's own `begin.sh` takes in folders of its own;
`begin` makes a workspace that wasn't there, `ready` one for which a system Python was prepared; `reset` puts an untouched one back; `worked` one in which things were installed and written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from autograder import folder
from autograder.exercise import find_exercises
from autograder.folder import LiveWorkspace
from autograder.folder.start import make_really, pythons_of
from autograder.places import other_labs
from autograder.sandbox import Place
from autograder.sandbox.seed import seed
from autograder.sandbox.system_python import make_system

WORK = "pip install -q leftpad; echo mine > mine.txt; python3 -m venv --without-pip mine; rm -rf $(ls | head -1)"


def took(work: Callable[..., object], *words: object) -> float:
    """Give the milliseconds it takes."""
    begun = time.perf_counter()
    work(*words)
    return (time.perf_counter() - begun) * 1000


def really(live: LiveWorkspace, top: Path) -> None:
    """Make a start by its commands."""
    place = Place(top / "project", top / "home", top / "system", published=top / "published")
    for one in (place.project, place.home, place.system, top / "published"):
        one.mkdir(parents=True)
    make_system(place.system, pythons_of(live))
    make_really(live, place)


def measure(on: Path, rounds: int, names: set[str]) -> None:
    """Print one table."""
    print(f"\n{on}")
    print(
        f"{'exercise':26}{'files':>6}{'commands':>10}{'begin':>8}{'ready':>8}{'reset':>8}{'worked':>8}{'reset/commands':>16}"
    )
    for exercise in find_exercises():
        if names and exercise.id[:2] not in names:
            continue
        with tempfile.TemporaryDirectory(dir=on, prefix="bench-") as scratch, other_labs(Path(scratch, "labs")):
            live = folder.begin(exercise)
            commands = min(took(really, live, Path(scratch, str(number))) for number in range(rounds))
            begins, ready, resets, worked = [], [], [], []
            for _ in range(rounds):
                folder.remove_tree(Path(scratch, "labs"))
                begins.append(took(folder.begin, exercise))
                folder.remove_tree(Path(scratch, "labs"))
                folder.prepare()
                ready.append(took(folder.begin, exercise))
            folder.reset(exercise)
            for _ in range(rounds):
                resets.append(took(folder.reset, exercise))
            for _ in range(rounds):
                live.sandbox.run(["bash", "-c", WORK], live.place)
                worked.append(took(folder.reset, exercise))
            files = sum(len(names) for _, _, names in os.walk(live.project))
            shown = f"{exercise.id:26}{files:6}{commands:10.0f}{min(begins):8.0f}{min(ready):8.0f}{min(resets):8.0f}{min(worked):8.0f}"
            print(f"{shown}{min(resets) / commands:16.2f}", flush=True)
            folder.remove_tree(Path(scratch, "labs"))


def measure_system(on: Path, rounds: int) -> None:
    """Print what a system Python takes, beside a plain copy of the same files."""
    with tempfile.TemporaryDirectory(dir=on, prefix="bench-") as scratch:
        one = Path(scratch, "system")
        new = [took(make_system, Path(scratch, str(number))) for number in range(rounds)]
        make_system(one)
        again = [took(make_system, one) for _ in range(rounds)]
        packages = next(one.glob("lib/*/site-packages"))
        copies = [took(shutil.copytree, packages, Path(scratch, f"copy{n}")) for n in range(rounds)]
        print(
            f"system Python: new {min(new):.0f}, reset {min(again):.0f}, shutil.copytree of the same {min(copies):.0f} ms"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two exercises, once")
    parser.add_argument("--on", nargs="*", type=Path, default=[Path("/dev/shm"), Path(tempfile.gettempdir())])  # noqa: S108
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}; first look at a seed: {took(seed):.0f}, next look: {took(seed):.1f} ms")
    for on in dict.fromkeys(options.on):
        rounds = 1 if options.quick else 5
        measure_system(on, rounds)
        measure(on, rounds, {"03", "06"} if options.quick else set())


if __name__ == "__main__":
    main()
