"""How long from a returned prompt to the checklist's tick, what the checklist costs while nothing happens, and what a prompt costs.

Run it with the course's Python: `python benchmarks/bench_prompt.py [--quick]`. It needs no browser: the tick is the moment at which the
checklist's list changes in the kernel. Its peers, measured in the same run, are a checklist that doesn't list what commands changed, and one
that doesn't hear of prompts and looks once a second. The prompt is the moment at which it can be read at the learner's end of the terminal.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROMPT = re.compile(rb"ex\d\d:[^\n]*?\$ ")


class Learner:
    """Somebody at `course shell`."""

    def __init__(self, exercise: str) -> None:
        """Open the terminal and wait for its prompt."""
        child, self.terminal = pty.fork()
        if child == 0:
            os.environ["TERM"] = "dumb"
            os.execv(sys.executable, [sys.executable, "-m", "autograder.cli", "shell", exercise, "--shell", "bash"])
        self.seen = b""
        self.read(PROMPT)
        time.sleep(0.5)

    def read(self, pattern: re.Pattern[bytes], seconds: float = 60) -> re.Match[bytes]:
        """Wait until something can be read, and take all up to it."""
        end = time.monotonic() + seconds
        while not (match := pattern.search(self.seen)):
            if time.monotonic() > end:
                raise SystemExit(f"{pattern!r} did not come: {self.seen!r}")
            if select.select([self.terminal], [], [], 1)[0]:
                self.seen += os.read(self.terminal, 1 << 16)
        self.seen = self.seen[match.end() :]
        return match

    def type(self, text: str) -> float:
        """Type a command, and give the moment of the prompt after it."""
        os.write(self.terminal, f"{text}\n".encode())
        self.read(re.compile(rb"\n"))
        self.read(PROMPT)
        return time.perf_counter()


def latencies(checklist: Any, learner: Learner, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Let a task be done and undone, and give the seconds from prompt to tick, to the begin of the look, and to the list of changes."""
    ticks: list[float] = []
    looks: list[float] = []
    lists: list[float] = []
    checklist.observe(lambda _: lists.append(time.perf_counter()), names="steps")
    checklist.observe(lambda _: ticks.append(time.perf_counter()), names="tasks")
    look = checklist._look

    def note() -> Any:
        looks.append(time.perf_counter())
        return look()

    checklist._look = note
    found, begun, told = [], [], []
    for number in range(rounds):
        ticks.clear()
        looks.clear()
        lists.clear()
        prompt = learner.type("mv kept .venv" if number % 2 == 0 else "mv .venv kept")
        end = time.monotonic() + 10
        while not ticks and time.monotonic() < end:
            time.sleep(0.002)
        found.append(max(0.0, ticks[0] - prompt) if ticks else 10.0)
        begun.append(max(0.0, looks[0] - prompt) if looks else 10.0)
        time.sleep(0.7 + 0.061 * (number % 9))  # no beat with whatever looks once a second
        told += [lists[0] - prompt] if lists else []
    checklist.unobserve_all()
    return found, begun, told


class Silent:
    """Follows no record."""

    def look(self) -> None:
        """Find nothing."""


def idle(seconds: float) -> float:
    """Give the part of one processor that this process takes while nothing happens."""
    before, begun = time.process_time(), time.monotonic()
    time.sleep(seconds)
    return (time.process_time() - before) / (time.monotonic() - begun)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as labs:
        os.environ["WHEELHOUSE_LABS"] = labs
        measure(6 if quick else 60, 4.0 if quick else 30.0)


def measure(rounds: int, still: float) -> None:
    """Measure in labs of our own."""
    from autograder import changes, folder
    from autograder.changes.listing import take
    from autograder.exercise import find_exercise
    from autograder.jupyter import checklist, waiting
    from autograder.places import labs

    module: Any = checklist
    clock: Any = waiting

    live = folder.begin(find_exercise("06"))
    live.sandbox.run(["python", "-m", "venv", "kept"], live.place)
    learner = Learner("06")
    nothing = idle(still)

    def of(name: str) -> None:
        one = module.Checklist(live)
        time.sleep(1.5)
        cost = idle(still) - nothing
        found, begun, told = latencies(one, learner, rounds)
        one.stop()
        one._thread.join(30)
        p95 = sorted(found)[int(0.95 * (len(found) - 1))]
        looks = statistics.median(begun)
        listed = f"{statistics.median(told) * 1000:14.0f}" if told else f"{'-':>14}"
        print(
            f"{name:34} {statistics.median(found) * 1000:8.0f} {p95 * 1000:8.0f} {looks * 1000:14.0f} {listed} {100 * max(0.0, cost):9.2f} %",
            flush=True,
        )

    print(
        f"{'prompt to tick, ms':34} {'median':>8} {'p95':>8} {'begins to look':>14} {'tells changes':>14} {'idle CPU':>11}"
    )
    of("told by the prompt")
    recent, module.Recent = module.Recent, lambda _: Silent()
    of("without what changed (peer)")
    module.Recent = recent
    heard, recorded, glances = clock.signal_file, clock.record_file, clock.GLANCES
    clock.signal_file = clock.record_file = lambda _: Path(labs(), "nothing", "nowhere")
    clock.GLANCES = 1
    of("looking once a second (peer)")
    clock.signal_file, clock.record_file, clock.GLANCES = heard, recorded, glances

    listing = take(live)
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        listing = take(live, listing)
        took.append(time.perf_counter() - begun)
    print(
        f"\none listing of {len(listing.files)} files: {min(took) * 1000:.1f} ms at best, {statistics.median(took) * 1000:.1f} ms in the median"
    )
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        changes.glance(live)
        took.append(time.perf_counter() - begun)
    print(f"one glance at the project's own files: {statistics.median(took) * 1000:.2f} ms")
    loop = "s=${EPOCHREALTIME/./}; for i in {1..500}; do %s; done; echo $(((${EPOCHREALTIME/./}-s)/500)) us"
    for name, command in (
        ("what a prompt tells, in the shell", "__wheelhouse_tell"),
        ("a prompt that tells nothing (peer)", ":"),
    ):
        os.write(learner.terminal, (loop % command + "\n").encode())
        match = learner.read(re.compile(rb"\n(\d+) us\r"))
        print(f"{name}: {int(match[1]) / 1000:.3f} ms")
        learner.read(PROMPT)
    os.write(learner.terminal, b"exit\n")


if __name__ == "__main__":
    main()
