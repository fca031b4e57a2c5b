"""A fresh machine: the README's two commands in an empty Debian, as an ordinary user and as root, with little, wrong or nothing there.

Only what is committed counts: the machine clones the repository.  Times say both what the clock and what the processors did, since
others may use this machine meanwhile.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from proofs.machine import USER, CannotRunHere, Machine, base, machine
from proofs.opening import clone, course_opened, exercise_works, opened
from proofs.results import COURSE, Row, record

__all__ = ["PROOF", "main"]

PROOF = "fresh"
PACKAGES = ("python3", "make", "git", "ca-certificates")
HOME = f"/home/{USER}"
PLAIN, STRANGE = f"{HOME}/wheelhouse", f"{HOME}/Mes cours d'été/Wheel häuser 学"
NEWER = ("trixie", "forky")
"""The Debians with Python 3.13 and 3.14."""
COLD, AGAIN = 40, 5
"""Seconds in which `make lab` shall answer the first time, and when nothing changed."""
SLICE = (
    "test_archive or test_tree or test_wording or test_distribution or test_environment or test_proofs or test_places"
)
VENV = re.compile(r"type `sudo (apt-get install python3[.\d]*-venv)`")


class Proof:
    """One machine, and what is tried on it one after the other; each step gives rows."""

    def __init__(self, made: Machine, full: bool) -> None:
        """Give the machine the repository, as a place to clone from."""
        self.made, self.full = made, full
        bare = made.root / "srv/wheelhouse.git"
        command = ["git", "-c", f"safe.directory={COURSE}", "clone", "--quiet", "--bare", str(COURSE), str(bare)]
        subprocess.run(command, check=True)
        subprocess.run(["chmod", "-R", "a+rX", str(bare)], check=True)
        made.must("git config --system --add safe.directory '*'", user="root", offline=True)

    # --- what is missing is said in a sentence

    def without_venv(self) -> Iterator[Row]:
        """Debian's python3 alone: one sentence, and the command it names is all that was missing."""
        clone(self.made, "wheelhouse")
        done = self.made.run("make lab", folder=PLAIN)
        found = VENV.search(done.output)
        lines = [line for line in done.output.splitlines() if not line.startswith("make: ")]
        yield Row(
            "`make lab` where Debian's python3 has no venv package",
            f"after {done.seconds:.1f} s, status {done.status}: {' '.join(lines)}",
            bool(found) and len(lines) == 1 and done.status == 2,
        )
        command = found[1] if found else "apt-get install python3-venv"
        self.made.must("apt-get -qq update", user="root")
        added = self.made.run(command.replace("install", "install --yes -qq"), user="root")
        yield Row("the command that the sentence names, typed", f"status {added.status}", added.status == 0)

    def without_python(self) -> Iterator[Row]:
        """No Python at all, and one that is too old."""
        for what, words in (
            ("no Python at all", "PYTHON=/nowhere/python3"),
            ("a Python that is too old", "PYTHON=/usr/local/bin/python-of-old"),
        ):
            old = self.made.root / "usr/local/bin/python-of-old"
            old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n', encoding="ascii")
            old.chmod(0o755)
            done = self.made.run(f"make lab {words}", folder=PLAIN)
            lines = [line for line in done.output.splitlines() if not line.startswith("make: ")]
            good = done.status == 2 and len(lines) == 1 and "3.11 or newer" in lines[0]
            yield Row(f"`make lab` with {what}", " ".join(lines), good)

    def full_disk(self) -> Iterator[Row]:
        """A disk of 120 MB: the environment doesn't fit."""
        folder = "/small/venv"
        done = self.made.run(f"make lab WHEELHOUSE_VENV={folder}", folder=PLAIN, small="120m")
        said = [line for line in done.output.splitlines() if "disk is full" in line]
        found = said[0] if said else done.output[-300:]
        yield Row("`make lab` where the disk has 120 MB", found, bool(said) and "Traceback" not in done.output)

    # --- stopped, and gone on with

    def stopped(self) -> Iterator[Row]:
        """Ctrl-C while it fetches, then a power cut while it installs; the same command goes on."""
        running = self.made.start("make lab LAB_ARGS=--no-browser", folder=PLAIN)
        try:
            running.expect("Installing up to", 300)
            running.type("\x03")
            done = running.wait(60)
        finally:
            running.kill()
        good = "Stopped; the same command goes on." in done.output and "Traceback" not in done.output
        yield Row("Ctrl-C while distributions are fetched", done.output.strip().splitlines()[-2], good)
        running = self.made.start("make lab LAB_ARGS=--no-browser", folder=PLAIN)
        try:
            running.expect("putting them in place|compiling them", 600)
        finally:
            running.kill()
        running = self.made.start("make lab LAB_ARGS=--no-browser", folder=PLAIN)
        try:
            said = running.expect(r"^.*half made.*$", 300)[0].strip()
        finally:
            running.kill()
        yield Row("everything killed (-9) while they are installed; the next `make lab`", said, True)

    # --- the course opens

    def cold(self) -> Iterator[Row]:
        """The first time, with nothing but Python: no uv, no cache."""
        self.made.must(f"rm -rf .venv .venv.* .cache {HOME}/.cache", folder=PLAIN)
        first = opened(self.made, PLAIN)
        yield Row("`make lab`, the first time, no uv on the machine", first.figures(), first.within(COLD))
        size = self.made.run("du -sm .venv .cache | cut -f 1", folder=PLAIN).output.split()
        yield Row("what it takes on disk", f".venv {size[0]} MB, .cache {size[1]} MB", True)
        again = opened(self.made, PLAIN)
        yield Row("`make lab` when nothing changed", again.figures(), again.within(AGAIN))

    def offline(self) -> Iterator[Row]:
        """No network at all: the course opens, and an exercise is worked on with pip."""
        again = opened(self.made, PLAIN, offline=True)
        yield Row("`make lab` without a network, after a first time with one", again.figures(), True)
        tier, passed = exercise_works(self.made, PLAIN, offline=True)
        said = f"sandbox {tier}, task 1 {'passed' if passed else 'did not pass'}"
        yield Row("exercise 06, task 1, with venv and pip in the shell, without a network", said, passed)

    def with_uv(self) -> Iterator[Row]:
        """The machine has uv: cold, warm, and offline from its cache."""
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if uv is None:
            yield Row("`make lab` where uv is installed", "not tried: there is no uv here", True)
            return
        shutil.copy2(uv, self.made.root / "usr/local/bin/uv")
        self.made.must(f"rm -rf .venv .venv.* .cache {HOME}/.cache", folder=PLAIN)
        first = opened(self.made, PLAIN)
        yield Row("`make lab`, the first time, with uv", first.figures(), first.within(COLD))
        self.made.must("rm -rf .venv", folder=PLAIN)
        warm = opened(self.made, PLAIN)
        yield Row("`make lab` after `.venv` was removed, with uv's cache", warm.figures(), True)
        self.made.must("rm -rf .venv", folder=PLAIN)
        alone = opened(self.made, PLAIN, offline=True)
        yield Row("the same without a network", alone.figures(), True)

    def strange_path(self) -> Iterator[Row]:
        """A path with spaces, an apostrophe and letters of three alphabets."""
        clone(self.made, STRANGE)
        there = opened(self.made, STRANGE)
        tier, passed = exercise_works(self.made, STRANGE)
        said = f"{there.figures()}; sandbox {tier}, task 1 of exercise 06 {'passed' if passed else 'did not pass'}"
        yield Row(f"`make lab` in `{STRANGE}`", said, passed)

    def other_pythons(self) -> Iterator[Row]:
        """Newer Pythons, made visible from this machine."""
        for series in ("3.12", "3.13"):
            places = sorted((Path.home() / ".pyenv/versions").glob(f"{series}.*/bin/python3"))
            if not places:
                yield Row(f"`make lab` with Python {series}", "not tried: this machine has none", True)
                continue
            there = str(places[-1].parents[1])  # under its own path: its libraries are looked for there
            self.made.shown[places[-1].parents[1]] = there
            self.made.must("chmod 711 /root", user="root", offline=True)
            folder = f"{HOME}/with-{series}"
            clone(self.made, folder)
            words = f"PYTHON={there}/bin/python3"
            done = opened(self.made, folder, words)
            tier, passed = exercise_works(self.made, folder)
            said = f"{done.figures()}; sandbox {tier}, task 1 of exercise 06 {'passed' if passed else 'did not pass'}"
            version = places[-1].parents[1].name
            yield Row(f"`make lab {words.partition('=')[0]}=…` with Python {version}", said, passed)
            yield self.tested(folder, f"with Python {version}", words)
            self.made.must(f"rm -rf '{folder}'")

    def newer_debians(self) -> Iterator[Row]:
        """Debians after this machine's, each with its own Python and its own everything."""
        for release in NEWER:
            with machine(base(PACKAGES, "bare", release), release=release) as made:
                there = Proof(made, full=False)
                list(there.without_venv())
                version = made.must("python3 --version", offline=True).output.split()[-1]
                what = f"Debian {release} and its Python {version}"
                done = opened(made, PLAIN)
                tier, passed = exercise_works(made, PLAIN)
                said = (
                    f"{done.figures()}; sandbox {tier}, task 1 of exercise 06 {'passed' if passed else 'did not pass'}"
                )
                yield Row(f"`make lab` in {what}", said, passed)
                yield there.tested(PLAIN, f"in {what}")

    def root(self) -> Iterator[Row]:
        """As root, as in a container."""
        clone(self.made, "/root/wheelhouse", user="root")
        with course_opened(self.made, "/root/wheelhouse", user="root") as (_, figures):
            pass
        tier, passed = exercise_works(self.made, "/root/wheelhouse", user="root")
        said = f"{figures.figures()}; sandbox {tier}, task 1 of exercise 06 {'passed' if passed else 'did not pass'}"
        yield Row("`make lab` as root", said, passed)

    def tests(self) -> Iterator[Row]:
        """`make test`: a slice, or with --full everything."""
        yield self.tested(PLAIN, "as an ordinary user", whole=self.full)

    def tested(self, folder: str, how: str, words: str = "", *, whole: bool = False) -> Row:
        """Type `make test` there, for the whole or for the slice."""
        words += "" if whole else f" TEST_ARGS=\"-k '{SLICE}'\""
        done = self.made.run(f"make test {words}", folder=folder, timeout=7200)
        summary = re.findall(r"^=+ (.*(?:passed|failed|error).*) =+$", done.output, re.M)
        order = "in order" if "built files are in order" in done.output else "NOT in order"
        how_bad = "failed" if done.status else "failed beside others and passed by itself"
        broken = "".join(
            f"; {name} {how_bad}" for name in dict.fromkeys(re.findall(r"^(?:FAILED|ERROR) (\S+)", done.output, re.M))
        )
        said = f"{', then '.join(summary) or done.output[-300:]}{broken}; style, types and built files {order}"
        what = "`make test`" if whole else "`make test` of the parts that read archives, trees and environments"
        return Row(f"{what}, {how}", said, done.status == 0)


STEPS: tuple[Callable[[Proof], Iterator[Row]], ...] = (
    *(Proof.without_venv, Proof.without_python, Proof.full_disk, Proof.stopped, Proof.cold, Proof.offline),
    *(Proof.with_uv, Proof.strange_path, Proof.other_pythons, Proof.newer_debians, Proof.root, Proof.tests),
)


def main(arguments: Sequence[str]) -> int:
    """Run all steps on one new machine and record them; with --only, run some and record nothing."""
    parser = argparse.ArgumentParser(prog="python -m proofs fresh", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the machine's folder where it is")
    parser.add_argument("--full", action="store_true", help="the whole of `make test` (half an hour of two cores)")
    names = [step.__name__ for step in STEPS]
    parser.add_argument(
        "--only", action="append", choices=names, help="run this step (and what it needs); not recorded"
    )
    options = parser.parse_args(arguments)
    wanted = {"without_venv", *options.only} if options.only else set(names)
    rows: list[Row] = []
    try:
        with machine(base(PACKAGES, "bare"), keep=options.keep) as made:
            proof = Proof(made, options.full)
            for step in STEPS:
                if step.__name__ not in wanted:
                    continue
                print(f"== {(step.__doc__ or '').strip()}", flush=True)
                try:
                    for row in step(proof):
                        rows.append(row)
                        print(f"{'ok  ' if row.good else 'NOT '} {row.what}: {row.found}", flush=True)
                except (CannotRunHere, TimeoutError) as problem:
                    rows.append(Row(str(step.__doc__).strip(), f"broke off: {problem}"[:600], False))
                    print(f"NOT  {rows[-1].what} {rows[-1].found}", flush=True)
    except CannotRunHere as problem:
        print(problem, file=sys.stderr)
        return 2
    if not options.only:
        load = f"{os.getloadavg()[1]:.1f} processes wanted a processor while it ran"
        record(PROOF, [*rows, Row("this machine meanwhile", load, True)], title="A fresh machine")
    return 0 if all(row.good for row in rows) else 1
