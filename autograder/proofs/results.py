"""Write down how a proof ended, and render all results into one page.

A proof hands its rows to `record`; nothing else writes `results/*.json` or the page.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["COURSE", "PAGE", "RESULTS", "Result", "Row", "begin", "page", "read", "record"]

COURSE = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent / "results"
PAGE = COURSE / "autograder/docs/where-it-runs.md"
FORMAT = 1

HEAD = """\
# Where it runs

Each table here was written by a run of the proof above it, on the day and the machine that it names; none is written by hand.
A proof does what a person would do on such a machine, and looks at what came of it.
From the folder `autograder/`, `python -m proofs` lists the proofs, and `python -m proofs NAME` runs one.
"""


@dataclass(frozen=True)
class Row:
    """One thing that was tried: what, what was found (with its figures and units), and whether that is as it should be.

    A row whose `found` begins with "not tried" is shown as that.
    """

    what: str
    found: str
    good: bool


@dataclass(frozen=True)
class Result:
    """How one proof ended: its rows, and on what it ran."""

    proof: str
    title: str
    date: str
    commit: str
    machine: str
    versions: dict[str, str]
    rows: list[Row]


def record(
    proof: str,
    rows: Sequence[Row],
    *,
    title: str = "",
    versions: Mapping[str, str] | None = None,
    folder: Path = RESULTS,
) -> Path:
    """Write `results/<proof>.json` and the page anew; give the path of the former.

    `title` is the heading of the proof's table, `versions` what it ran with (name -> version) besides this Python.
    Raises `ValueError` where there is nothing to write: a proof without rows proves nothing.
    """
    if not rows:
        raise ValueError(f"the proof {proof} found nothing")
    result = Result(
        proof=proof,
        title=title or proof,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        commit=begin(),
        machine=_machine(),
        versions={"Python": platform.python_version(), **(versions or {})},
        rows=list(rows),
    )
    with _alone(folder):
        path = folder / f"{proof}.json"
        _replace(path, json.dumps({"format": FORMAT, **asdict(result)}, indent=1, ensure_ascii=False) + "\n")
        if folder == RESULTS:
            _replace(PAGE, page())
    return path


def read(folder: Path = RESULTS) -> list[Result]:
    """Give all results, in the order of their names.  Raises `ValueError` for a file of another format."""
    found = []
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("format", None) != FORMAT:
            raise ValueError(f"{path.name} has another format; run its proof again")
        found.append(Result(**{**data, "rows": [Row(**row) for row in data["rows"]]}))
    return found


def page(folder: Path = RESULTS) -> str:
    """Render all results as one page of Markdown."""
    return "\n".join([HEAD, *(_section(result) for result in read(folder))])


def _section(result: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    lines = [
        f"## {result.title}",
        "",
        f"`python -m proofs {result.proof}`, {result.date}, at commit {result.commit}, on {result.machine}; {versions}.",
        "",
        "| what | found | as it should be |",
        "| --- | --- | --- |",
        *(f"| {_cell(row.what)} | {_cell(row.found)} | {_judged(row)} |" for row in result.rows),
    ]
    return "\n".join(lines) + "\n"


def _judged(row: Row) -> str:
    return "not tried" if row.found.startswith("not tried") else "yes" if row.good else "**no**"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _machine() -> str:
    """Say on what this runs, without naming the machine: system, cores, memory."""
    names = {}
    with contextlib.suppress(OSError):
        names = platform.freedesktop_os_release()
    system = names.get("PRETTY_NAME") or f"{platform.system()} {platform.release()}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = platform.release().partition("-")[0]
    return f"{system}, kernel {kernel}, {os.cpu_count()} cores, {memory:.0f} GiB"


@functools.cache
def begin() -> str:
    """Name the commit that is proven, which is the one when the proof began: it works on a clone of that."""
    command = ["git", "-c", f"safe.directory={COURSE}", "-C", str(COURSE), "rev-parse", "--short=10", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one proof at a time write, so that the page holds what both found."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    """Put a file in place in one step: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as new:
        new.write(text)
    Path(new.name).chmod(0o644)
    Path(new.name).replace(path)
