"""What different readers make of one small project, with and without its `__init__.py` files and the rest: all tried in the sandbox.

The project is written in every state that matters to a reader, and the reader is let loose on each: Python itself, unittest, pytest,
setuptools, and uv, which builds a wheel. mypy and ruff are not in the sandbox: what they said was recorded (see `record`).
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder import folder
from autograder.exceptions import CourseError
from autograder.jupyter import package_probe
from autograder.sandbox import Limits, Place
from autograder.sandbox.system_python import make_system

__all__ = [
    "FILES",
    "READERS",
    "RECORDED",
    "SWITCHES",
    "WAYS",
    "Line",
    "Reader",
    "Results",
    "Switch",
    "key",
    "project",
    "read_project",
    "record",
    "recorded",
    "recorded_with",
    "reexports",
]

RECORDED = Path(__file__).with_name("static") / "package_explorer.recorded.json"

Line = list[str]
"""What a reader makes of one thing: `good`, `lacking`, `odd` or `quiet`, and words (Markdown) for it."""
Results = dict[str, dict[str, list[Line]]]
"""By reader, and by the state of the switches which matter to it."""


@dataclass(frozen=True)
class Switch:
    """Something about the project that can be so or not."""

    name: str
    label: str
    """What it is when on, in Markdown."""


@dataclass(frozen=True)
class Piece:
    """Some lines of a file, or a whole one, that are there only in some states."""

    text: str
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def there(self, on: frozenset[str]) -> bool:
        """Say whether it is there when these switches are on."""
        return on.issuperset(self.needs) and not on.intersection(self.unless)


@dataclass(frozen=True)
class Reader:
    """Somebody who looks at a project."""

    name: str
    title: str
    command: str
    """What is typed, as shown."""
    depends: tuple[str, ...]
    """The switches that matter to it."""
    recorded: bool = False


SWITCHES = (
    Switch("init", "`till/__init__.py` is there"),
    Switch("all", 'it says `__all__ = ["total"]`'),
    Switch("underscore", "its helper is called `_cents`, not `cents`"),
    Switch("sub", "`__init__.py` in the folder below, too"),
    Switch("spelt", "that folder is spelt `receipts`, not `reciepts`"),
    Switch("tests", "`__init__.py` in `tests` and `tests/slow`"),
)

FILES: dict[str, tuple[Piece, tuple[Piece, ...]]] = {
    "use.py": (
        Piece(""),
        (Piece("from till import total\nfrom till.receipts import paper\n\nprint(total([320, 175]), paper.WIDTH)\n"),),
    ),
    "till/__init__.py": (
        Piece("", ("init",)),
        (
            Piece("import os\n\nfrom .prices import total\n\n"),
            Piece('__all__ = ["total"]\n\n', ("all",)),
            Piece('SHOP = os.environ.get("SHOP", "Main Street")\n\n\n'),
            Piece("def _cents(amount: int) -> str:\n", ("underscore",)),
            Piece("def cents(amount: int) -> str:\n", (), ("underscore",)),
            Piece('    return f"{amount / 100:.2f}"\n'),
        ),
    ),
    "till/prices.py": (Piece(""), (Piece("def total(prices: list[int]) -> int:\n    return sum(prices)\n"),)),
    "till/receipts/__init__.py": (Piece("", ("sub", "spelt")), ()),
    "till/receipts/paper.py": (Piece("", ("spelt",)), (Piece("WIDTH = 58\n"),)),
    "till/reciepts/__init__.py": (Piece("", ("sub",), ("spelt",)), ()),
    "till/reciepts/paper.py": (Piece("", (), ("spelt",)), (Piece("WIDTH = 58\n"),)),
    "tests/__init__.py": (Piece("", ("tests",)), ()),
    "tests/test_sums.py": (
        Piece(""),
        (
            Piece(
                "import unittest\n\n\nclass QuickTest(unittest.TestCase):\n    def test_sum(self) -> None:\n        assert 1 + 1 == 2\n"
            ),
        ),
    ),
    "tests/slow/__init__.py": (Piece("", ("tests",)), ()),
    "tests/slow/test_sums.py": (
        Piece(""),
        (
            Piece(
                "import unittest\n\n\nclass SlowTest(unittest.TestCase):\n    def test_sum(self) -> None:\n        assert sum([1] * 9) == 9\n"
            ),
        ),
    ),
}
"""Each file: when it is there, and the pieces of it."""

READERS = (
    Reader("import", "Python", "import till, till.receipts", ("init", "sub", "spelt")),
    Reader("star", "Star import", "from till import *", ("init", "all", "underscore")),
    Reader("unittest", "unittest", "python3 -m unittest discover", ("tests",)),
    Reader("pytest", "pytest", "pytest", ("tests",)),
    Reader("find_packages", "find_packages", 'setuptools, include=["till*"]', ("init", "sub", "spelt")),
    Reader(
        "find_namespace",
        "find_namespace_packages",
        'setuptools, include=["till*"]',
        ("init", "sub", "spelt"),
    ),
    Reader("wheel", "uv's wheel", "uv build --wheel", ("init", "sub", "spelt")),
    Reader("mypy", "mypy", "mypy --strict use.py", ("init", "all", "sub", "spelt"), recorded=True),
    Reader("ruff", "ruff", "ruff check --select F401,INP", ("init", "all", "sub", "spelt", "tests"), recorded=True),
)


WAYS = {
    "imported, no more": "from .price import PriceTag\n",
    "listed in `__all__`": 'from .price import PriceTag\n\n__all__ = ["PriceTag"]\n',
    "imported `as` itself": "from .price import PriceTag as PriceTag\n",
}
"""How an `__init__.py` can fetch a name for others."""


def key(reader: Reader, on: frozenset[str]) -> str:
    """Name a state as far as a reader can tell it from others: a digit for each switch that matters to it."""
    return "".join("1" if name in on else "0" for name in reader.depends)


def project(on: frozenset[str]) -> dict[str, str]:
    """Give the project's files in one state."""
    return {
        path: "".join(piece.text for piece in pieces if piece.there(on))
        for path, (whole, pieces) in FILES.items()
        if whole.there(on)
    }


def _states(reader: Reader) -> Iterator[frozenset[str]]:
    """Give each state that a reader can tell from the others; what doesn't matter to it is on."""
    others = {switch.name for switch in SWITCHES}.difference(reader.depends)
    for size in range(len(reader.depends) + 1):
        for chosen in itertools.combinations(reader.depends, size):
            yield frozenset([*others, *chosen])


def read_project(live: folder.LiveWorkspace) -> Results:
    """Let the readers look at the project in every state, in the sandbox of a workspace, which is not touched itself.

    Raises:
        CourseError: the trial did not come to its end.
    """
    jobs = [
        {"reader": reader.name, "key": key(reader, on), "files": project(on)}
        for reader in READERS
        if not reader.recorded
        for on in _states(reader)
    ]
    with tempfile.TemporaryDirectory(prefix="wheelhouse-") as scratch:
        place = Place(Path(scratch) / "project", Path(scratch) / "home", Path(scratch) / "system")
        for one in (place.project, place.home, place.system):
            one.mkdir()
        make_system(place.system)
        (place.project / "jobs.json").write_text(json.dumps(jobs), "utf-8")
        (place.project / "probe.py").write_text(Path(package_probe.__file__).read_text("utf-8"), "utf-8")
        done = live.sandbox.run(["python3", "probe.py"], place, limits=Limits(wall_seconds=100))
        results = place.project / "results.json"
        try:
            found: Results = json.loads(results.read_text("utf-8"))
        except (OSError, ValueError):
            raise CourseError(
                f"The readers did not come to an end. {done.stopped}".strip(), "Run this cell again."
            ) from None
        finally:
            folder.remove_tree(place.project)
    return {**found, **recorded()}


def recorded() -> Results:
    """Give what mypy and ruff said when they were asked last."""
    found: Results = json.loads(RECORDED.read_text("utf-8"))["results"]
    return found


def recorded_with() -> dict[str, str]:
    """Give the versions of mypy and ruff that were asked."""
    found: dict[str, str] = json.loads(RECORDED.read_text("utf-8"))["versions"]
    return found


def record(names: Sequence[str] = ("mypy", "ruff")) -> dict[str, object]:
    """Ask mypy and ruff, which must be installed beside this Python, about every state: what RECORDED holds."""
    results: Results = {}
    for reader in READERS:
        if reader.recorded and reader.name in names:
            asked = {key(reader, on): _ask(reader.name, project(on)) for on in _states(reader)}
            results[reader.name] = {
                state: [["lacking", row] for row in rows] or [["good", "no complaint"]] for state, rows in asked.items()
            }
    versions = {}
    for name in names:
        said = subprocess.run([sys.executable, "-m", name, "--version"], capture_output=True, text=True)
        versions[name] = said.stdout.split()[1]
    return {"versions": versions, "results": results, "reexports": {name: _ask_about_reexports(name) for name in names}}


def reexports(tool: str) -> tuple[str, dict[str, str]]:
    """Tell what mypy or ruff says to each of WAYS, and when it said so; an empty text is no complaint.

    It is asked at once where it is installed beside this Python; otherwise it was recorded.
    """
    if importlib.util.find_spec(tool) is not None:
        return "asked just now", _ask_about_reexports(tool)
    held = json.loads(RECORDED.read_text("utf-8"))
    return f"recorded, version {held['versions'][tool]}", held["reexports"][tool]


def _ask_about_reexports(tool: str) -> dict[str, str]:
    files = {"use.py": "from till import PriceTag\n\nprint(PriceTag)\n", "till/price.py": "class PriceTag: ...\n"}
    return {way: " ".join(_ask(tool, {**files, "till/__init__.py": text})) for way, text in WAYS.items()}


def _ask(tool: str, files: dict[str, str]) -> list[str]:
    """Let a tool of this Python's look at some files, and give its complaints."""
    options = {
        "mypy": ["--strict", "--cache-dir=/dev/null", "--no-color-output", "use.py"],
        "ruff": ["check", "--isolated", "--no-cache", "--select=F401,INP", "--output-format=concise", "."],
    }[tool]
    with tempfile.TemporaryDirectory(prefix="wheelhouse-") as scratch:
        package_probe.write(Path(scratch), files)
        done = subprocess.run(
            [sys.executable, "-m", tool, *options],
            cwd=scratch,
            capture_output=True,
            text=True,
            env={"NO_COLOR": "1", "PATH": "/usr/bin:/bin"},
        )
    marks = (": error: ", " F401 ", " INP001 ")
    return [_short(row) for row in done.stdout.splitlines() if any(mark in row for mark in marks)]


def _short(row: str) -> str:
    """Leave out the column and the advice."""
    return re.sub(r"^(\S+?:\d+):\d+:", r"\1:", re.split(r"; consider| Add an ", " ".join(row.split()))[0])


if __name__ == "__main__":  # python -m autograder.jupyter.package_readers, where mypy and ruff are installed
    RECORDED.write_text(json.dumps(record(), indent=1) + "\n", "utf-8")
