"""Binder: the image that repo2docker would build, built step by step, and the course used in it through Chromium.

Not proven: conda's own packages, how long a node takes to fetch the image, AppArmor. Hence one launch by hand before each release
(`docs/binder.md`).
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.exercise import find_exercise
from proofs.binder_base import KEPT, ubuntu
from proofs.binder_container import Way
from proofs.binder_image import Image, build, packed
from proofs.binder_pod import MEMORY, Pod, pod
from proofs.binder_recipe import ask, environment
from proofs.binder_visit import arrive, chromium, idle_out, page_of, say, solve
from proofs.machine import CannotRunHere
from proofs.reach import Reach
from proofs.results import COURSE, Row, record

__all__ = ["PROOF", "badge_path", "main"]

PROOF = "binder"
TITLE = "Binder, as repo2docker builds it and BinderHub starts it"
EXERCISE = "06"
BOUND = 10**9
"""Bytes that a whole pod may use: half of what mybinder.org gives."""
IDLE = 20
"""Seconds that stand for mybinder.org's ten minutes."""
TIERS = {"P1": "medium", "P0": "strong-pod"}
_MADE = ("system-python", "tools", "index")
"""What the image brings along in the cache; a few kB beside them belong to a session."""
_TOLD = {
    "P1": "a container runtime's default filter: no user namespaces",
    "P0": "no filter, as Kubernetes has it by default",
}


def badge_path() -> str:
    """Give what the badge asks BinderHub to open, read from the page that people press it on.

    Raises `ValueError` where no page has a badge.
    """
    for name in ("README.md", "autograder/docs/binder.md"):
        match = re.search(r"mybinder\.org/v2/\S+?\?urlpath=([^\s)\"&]+)", (COURSE / name).read_text(encoding="utf-8"))
        if match:
            return urllib.parse.unquote(match[1])
    raise ValueError("neither README.md nor docs/binder.md has Binder's badge")


def main(arguments: Sequence[str]) -> int:
    """Run the proof; 0 when all is as it should be, 1 when something isn't, 2 where it can't run."""
    parser = argparse.ArgumentParser(prog="python -m proofs binder", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the image and what was written in the pods")
    parser.add_argument("--mirror", default="", help="the archive of Ubuntu to use (default: debootstrap's own)")
    parser.add_argument("--shots", type=Path, help="a folder for pictures of what Chromium saw")
    chosen = parser.parse_args(arguments)
    if chosen.shots:
        chosen.shots.mkdir(parents=True, exist_ok=True)
        os.environ["WHEELHOUSE_SHOTS"] = str(chosen.shots.absolute())
    KEPT.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="wheelhouse-binder-"))
    work.chmod(0o755)
    try:
        versions, rows = _prove(work, chosen.mirror)
    except CannotRunHere as why:
        print(f"The proof can't run here. {why}", file=sys.stderr)
        return 2
    finally:
        if chosen.keep:
            print(f"Kept: {work}", flush=True)
        else:
            subprocess.run(["rm", "-rf", "--one-file-system", work], check=False)
    record(PROOF, rows, title=TITLE, versions=versions)
    return 0 if all(row.good for row in rows) else 1


def _prove(work: Path, mirror: str) -> tuple[dict[str, str], list[Row]]:
    rows: list[Row] = []

    def note(row: Row) -> None:
        rows.append(row)
        print(f"{'ok ' if row.good else 'NO '} {row.what}: {row.found}", flush=True)

    clone = work / "clone"
    subprocess.run(["git", "clone", "--quiet", f"file://{COURSE}", clone], check=True)
    recipe = ask(environment(KEPT / "repo2docker"), clone)
    way = Way.of(Reach.of_this_machine(), work / "way")
    base = ubuntu(recipe.base_image, way, mirror)
    steps = sum(step.word in ("COPY", "RUN") for step in recipe.steps())
    note(
        Row(
            "what repo2docker makes of the repository",
            f"{recipe.buildpack}, Python {recipe.python}, from {recipe.base_image}: {steps} steps that write",
            recipe.buildpack == "PythonBuildPack" and recipe.python == "3.12",
        )
    )
    note(
        Row(
            "replaced",
            f"FROM (by {base.name} with buildpack-deps' packages) and the step that installs conda's packages (by CPython from source and "
            "the same versions of JupyterLab and its kin from pip's index); all other steps were done as written",
            True,
        )
    )
    began = time.monotonic()
    image = build(recipe, clone, base, way, work)
    for row in _about_the_image(image, time.monotonic() - began):
        note(row)
    for profile in TIERS:
        for row in _lived_in(image, work, profile):
            note(row)
    for row in _left_alone(image, work):
        note(row)
    load = f"{os.getloadavg()[2]:.0f} processes wanted {os.cpu_count()} processors; seconds of processor time don't depend on that"
    note(Row("how busy this machine was meanwhile", load, True))
    return {"repo2docker": recipe.version}, rows


def _about_the_image(image: Image, seconds: float) -> Iterator[Row]:
    own = image.steps[-len(image.own) :]
    total = sum(step.size for step in own)
    parts = []
    for name, mark in {
        "apt": "apt-get",
        "requirements": "bin/pip",
        "the repository": "COPY src/ ",
        "postBuild": "RUN ./binder",
    }.items():
        found = [step for step in own if mark in step.text]
        size, processor = sum(step.size for step in found), sum(step.processor for step in found)
        parts.append(f"{name} {size / 1e6:.0f} MB, {processor:.0f} s")
    yield Row(
        "the build, as user 1000 with one processor and 2 GB",
        f"{seconds:.0f} s; of the course's own steps, size and processor time: {'; '.join(parts)}",
        True,
    )
    yield Row(
        "what the course adds to the image",
        f"{total / 1e6:.0f} MB of files, {packed(image.own) / 1e6:.0f} MB packed, which a node fetches that has the rest",
        total < BOUND,
    )


def _lived_in(image: Image, work: Path, profile: str) -> Iterator[Row]:
    """Do in a pod what a learner does."""
    about = f"in a pod with {_TOLD[profile]}"
    with pod(image, work / profile, profile=profile) as one, chromium() as browser, page_of(browser) as page:
        yield Row(
            f"start {about}",
            f"the server answers after {one.seconds:.1f} s, {one.processor:.1f} s of processor time",
            one.processor < 30,
        )
        landing = arrive(page, one, badge_path(), f"binder-{profile}-landing")
        yield Row(
            "the badge's address opens",
            f"“{landing.title}” left, {landing.notebook[1]:.0f} pixels wide, and the shell of {', '.join(landing.shells)} right, "
            f"{landing.shell[1]:.0f} wide, after {landing.seconds:.1f} s",
            landing.side_by_side,
        )
        doctor = say(page, "course", "doctor")
        found = re.search(r"\b(\S+) is in force", doctor)
        tier = found[1] if found else "none"
        yield Row(f"`course doctor` {about}", f"{tier} is in force", tier == TIERS[profile])
        missing = [line.strip() for line in doctor.splitlines() if "not fetched" in line]
        yield Row("index and tools", "; ".join(missing) or "everything is there", not missing)
        yield from _platform_settings(one)
        if profile == "P1":
            solved = solve(page, find_exercise(EXERCISE), "binder-solved")
            yield Row(
                f"exercise {EXERCISE}, typed into the shell in Chromium",
                f"{solved.state}, {solved.score} points: begun in {solved.begun:.1f} s, all green after {solved.seconds:.0f} s",
                solved.state == "passed",
            )
        yield _memory(one)
        yield _nothing_fetched(one, image)


def _platform_settings(one: Pod) -> Iterator[Row]:
    """Look whether our settings reach the server, beside those of the platform."""
    with urllib.request.urlopen(one.url("lab"), timeout=60) as answer:  # noqa: S310
        text = answer.read().decode("utf-8")
    news = re.search(r'"news": (\{[^}]*\})', text)
    quiet = news is not None and '"disabled": true' in news[1]
    try:
        urllib.request.urlopen(one.url("formgrader"), timeout=60).close()  # noqa: S310
        formgrader = 200
    except urllib.error.HTTPError as refused:
        formgrader = refused.code
    yield Row(
        "what learners on Binder don't need",
        f"news {'off' if quiet else 'on'}, formgrader answers {formgrader}",
        quiet and formgrader == 404,
    )


def _memory(one: Pod) -> Row:
    if not one.group.folders:
        return Row("memory of the whole pod", "not measured: no control group can be made here", False)
    killed = one.group.killed()
    return Row(
        "memory of the whole pod, cached files apart",
        f"{one.idle / 1e6:.0f} MB when the server answers, {one.peak / 1e6:.0f} MB at most; {killed} processes killed for want of memory "
        f"(limit {MEMORY / 1e9:.0f} GB, one processor)",
        one.peak < BOUND and not killed,
    )


def _nothing_fetched(one: Pod, image: Image) -> Row:
    """See what was asked for, and what was made anew though the image should have it."""
    cache = one.written / image.variables["HOME"].lstrip("/") / ".cache" / "wheelhouse"
    made = {kind: sum(path.stat().st_size for path in (cache / kind).rglob("*") if path.is_file()) for kind in _MADE}
    names = sorted(set(one.names))
    return Row(
        "fetched or made anew after the build (the pod has no network)",
        f"names asked for: {', '.join(names) or 'none'}; "
        + ", ".join(f"{kind} {size / 1e6:.2f} MB" for kind, size in made.items()),
        not names and sum(made.values()) < 10**6,
    )


def _left_alone(image: Image, work: Path) -> Iterator[Row]:
    """Let the platform's rule end what idles, in seconds instead of minutes."""
    with (
        pod(image, work / "idle", profile="P1", memory=BOUND, idle=IDLE) as one,
        chromium() as browser,
        page_of(browser) as page,
    ):
        arrive(page, one, badge_path(), "binder-idle")
        seconds = idle_out(one, 180)
        yield Row(
            "mybinder.org's rule for those who go away, in seconds instead of minutes, under half of its memory",
            "kernels still run after 180 s"
            if math.isinf(seconds)
            else f"no kernel is left {seconds:.0f} s after the page was there; the rule says {IDLE} s",
            not math.isinf(seconds),
        )
