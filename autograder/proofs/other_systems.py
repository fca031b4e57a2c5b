"""Other systems: what is left of the course where a mechanism is really absent, for systems that can't be had here.

Nothing is faked: a namespace that may not be made is refused by the kernel, `/proc` that isn't there is not mounted, a command that
another system lacks is not on PATH.  What only that system itself could show is said to be not tried.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from proofs.fresh_machine import PACKAGES, PLAIN, Proof
from proofs.machine import CannotRunHere, Machine, base, machine
from proofs.opening import exercise_works, opened
from proofs.results import COURSE, Row, record

__all__ = ["PROOF", "main"]

PROOF = "systems"
PODS = "/opt/pods.py"

# what a Mac's /usr/bin and /bin hold too, of all that the course may call; nothing of util-linux, iproute2, apt or bubblewrap
ON_A_MAC = (
    *(
        "[",
        "awk",
        "basename",
        "bash",
        "cat",
        "chmod",
        "cp",
        "cut",
        "date",
        "df",
        "dirname",
        "du",
        "env",
        "expr",
        "false",
        "find",
    ),
    *(
        "git",
        "grep",
        "head",
        "id",
        "install",
        "kill",
        "ln",
        "ls",
        "make",
        "mkdir",
        "mktemp",
        "mv",
        "od",
        "ps",
        "pwd",
        "python3",
    ),
    *(
        "rm",
        "rmdir",
        "sed",
        "sh",
        "sleep",
        "sort",
        "stat",
        "stty",
        "tail",
        "tar",
        "tee",
        "test",
        "touch",
        "tr",
        "true",
        "tty",
    ),
    *("uname", "uniq", "wc", "which", "xargs"),
)
# constructs that GNU make has learned after 3.81, by its NEWS
AFTER_3_81 = (
    r"::=",
    r"\$\(file\b",
    r"\$\(guile\b",
    r"^\.ONESHELL",
    r"^\.RECIPEPREFIX",
    r"^\.SHELLFLAGS",
    r"\w\s*!=",
    r"^private\b",
    r"^undefine\b",
)


@dataclass(frozen=True)
class Situation:
    """One kind of machine: what is absent there, the tier that must be in force or why none is, and how it is brought about."""

    what: str
    tier: str
    refusal: str = ""
    before: Sequence[str] = ()
    without: Sequence[str] = ()
    settings: str = ""
    user: str = "learner"


def _pod(profile: str, *without: str) -> tuple[str, ...]:
    """Give the words that start a command as a container's (tests/pods.py, which root starts and which becomes user 1000)."""
    taken = [word for one in without for word in ("--without", one)]
    return ("python3", PODS, profile, *taken, "--", "env", "HOME=/home/learner", "USER=learner")


SITUATIONS = (
    Situation("Linux with user namespaces and /proc, bubblewrap fetched as a wheel (as in WSL2)", "strong"),
    Situation("the same without /dev/shm", "strong", without=("shm",)),
    Situation(
        "a pod that allows user namespaces (profile P0 of tests/pods.py)", "strong-pod", before=_pod("P0"), user="root"
    ),
    Situation(
        "a locked-down pod (P1: no namespaces, a filter of system calls)", "medium", before=_pod("P1"), user="root"
    ),
    Situation(
        "a pod without namespaces whose kernel lacks Landlock", "basic", before=_pod("P1", "landlock"), user="root"
    ),
    Situation(
        "as little of Linux as a Mac has: no namespaces, no Landlock, no filters, no /dev/shm, PATH with a Mac's commands only",
        "basic",
        before=_pod("P1", "landlock", "seccomp"),
        without=("shm",),
        settings="PATH=/opt/mac;",
        user="root",
    ),
    Situation("no /proc at all", "none", "/proc is not mounted", without=("proc",)),
    Situation(
        "a userland that isn't GNU's (busybox first on PATH), basic tier",
        "basic",
        settings="PATH=/opt/busybox:$PATH; export WHEELHOUSE_TIER=basic;",
    ),
)


class Systems:
    """One machine on which the course was set up, and what is taken from it."""

    def __init__(self, made: Machine) -> None:
        """Set the course up as `make lab` does, and lay out the other systems' folders of commands."""
        self.made = made
        proof = Proof(made, full=False)
        list(proof.without_venv())
        made.must("python3 autograder/bootstrap.py lab", folder=PLAIN, timeout=1500)
        shutil.copyfile(COURSE / "autograder/tests/pods.py", made.root / PODS.lstrip("/"))
        made.must(
            "mkdir -p /opt/mac && cd /opt/mac && for one in "
            + " ".join(f"'{name}'" for name in ON_A_MAC)
            + "; do there=$(command -v /usr/bin/$one || command -v /bin/$one) && ln -s $there $one; done; true",
            user="root",
        )

    def sandboxes(self) -> Iterator[Row]:
        """The tier in force where mechanisms are absent, and an exercise worked on in it."""
        busybox = shutil.which("busybox")
        for number, one in enumerate(SITUATIONS):
            if "busybox" in one.settings:
                if busybox is None:
                    yield Row(one.what, "not tried: there is no busybox here", True)
                    continue
                shutil.copy2(busybox, self.made.root / "opt/busybox-itself")
                # all of its applets but the shell, which Debian's and a Mac's are nearer to each other than to it
                self.made.must(
                    "mkdir -p /opt/busybox && /opt/busybox-itself --install -s /opt/busybox && rm -f /opt/busybox/sh /opt/busybox/ash",
                    user="root",
                )
            labs = f"/home/learner/labs-{number}"
            settings = f"{one.settings} export WHEELHOUSE_LABS={labs};"
            tier, passed = exercise_works(
                self.made, PLAIN, before=one.before, settings=settings, without=one.without, user=one.user
            )
            if one.refusal:  # then `tier` is what was said instead
                yield Row(one.what, tier, not passed and one.refusal in tier)
                continue
            said = f"sandbox {tier}, task 1 of exercise 06 passed" if passed else f"task 1 did not pass: {tier}"
            yield Row(one.what, said, passed and tier == one.tier)

    def opens(self) -> Iterator[Row]:
        """`make lab` itself with as little as a Mac has."""
        variables = {"PATH": "/opt/mac", "WHEELHOUSE_LABS": "/home/learner/labs-mac", "WHEELHOUSE_TIER": "basic"}
        done = opened(self.made, PLAIN, variables=variables, without=("shm",))
        yield Row("`make lab` with a Mac's commands only on PATH, no /dev/shm", done.figures(), True)

    def makefile(self) -> Iterator[Row]:
        """The Makefile and the shells of other systems."""
        text = (COURSE / "Makefile").read_text(encoding="utf-8")
        used = [one for one in AFTER_3_81 if re.search(one, text, re.M)]
        made = self.made.run("make --version | head -n 1", offline=True).output.strip()
        found = f"none of {len(AFTER_3_81)} constructs that came later is in it" if not used else f"it has {used}"
        yield Row(f"the Makefile, for GNU make 3.81 (run here by {made})", found, not used)
        yield Row("GNU make 3.81 itself, bash 3.2 itself", "not tried: neither can be had here", True)

    def windows(self) -> Iterator[Row]:
        """Windows' own Python has neither fcntl nor os.geteuid."""
        code = "import sys; sys.modules['fcntl'] = None; sys.argv = ['bootstrap.py', 'lab']; import runpy; runpy.run_path('autograder/bootstrap.py', run_name='__main__')"
        done = self.made.run(["python3", "-c", code], folder=PLAIN, offline=True)
        good = done.status == 1 and len(done.output.strip().splitlines()) == 1 and "WSL" in done.output
        yield Row("a Python without `fcntl`, as Windows' own", done.output.strip()[-300:], good)
        for what in ("macOS itself", "Windows in WSL2 itself", "Linux on ARM"):
            yield Row(what, "not tried: there is none here", True)


STEPS: tuple[Callable[[Systems], Iterator[Row]], ...] = (
    Systems.sandboxes,
    Systems.opens,
    Systems.makefile,
    Systems.windows,
)


def main(arguments: Sequence[str]) -> int:
    """Set up one machine, take mechanisms from it, and record what is left; with --only, run some and record nothing."""
    parser = argparse.ArgumentParser(prog="python -m proofs systems", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the machine's folder where it is")
    names = [step.__name__ for step in STEPS]
    parser.add_argument("--only", action="append", choices=names, help="run this step only; not recorded")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    try:
        with machine(base(PACKAGES, "bare"), keep=options.keep) as made:
            systems = Systems(made)
            for step in STEPS:
                if options.only and step.__name__ not in options.only:
                    continue
                print(f"== {(step.__doc__ or '').strip()}", flush=True)
                for row in step(systems):
                    rows.append(row)
                    print(f"{'ok  ' if row.good else 'NOT '} {row.what}: {row.found}", flush=True)
    except (CannotRunHere, TimeoutError, subprocess.SubprocessError) as problem:
        print(problem, file=sys.stderr)
        return 2
    if not options.only:
        record(PROOF, rows, title="Other systems, by what they lack")
    return 0 if all(row.good for row in rows) else 1
