"""Which Pythons a workspace has besides the plain system Python: a marker that refuses installing (PEP 668), a second interpreter.

An exercise asks for them in one file of its folder, `pythons.toml`; a lesson with the same words as arguments::

    managed = true          # `pip install` outside environments is refused; or a text of one's own
    second = "beside"       # a second interpreter in /opt/python/bin; on PATH "first" or "last", or "beside" it

Inside, the variable `WHEELHOUSE_SECOND_PYTHON` is the path of the second one.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from autograder.exceptions import BrokenExercise
from autograder.sandbox.bases import Base, base_at, other_bases, own_base
from autograder.sandbox.seed import seed

__all__ = [
    "PLAIN",
    "SECOND_VARIABLE",
    "STRONG_SECOND",
    "Pythons",
    "Second",
    "choose_second",
    "marker",
    "pythons_asked_for",
    "read_pythons",
    "remembered",
    "write_pythons",
]

STRONG_SECOND = PurePosixPath("/opt/python")
"""Where the strong tier shows the second interpreter's prefix."""
SECOND_VARIABLE = "WHEELHOUSE_SECOND_PYTHON"
_FILE = ".pythons"
_SECOND_FILE = ".second"
_PLACES = ("", "beside", "first", "last")
_REFUSAL = """\
This Python belongs to the machine: its packages are managed from outside, not by pip.

Make an environment and install there:

    python3 -m venv .venv
    .venv/bin/python -m pip install ...

A program that you only want to run is installed by itself with `uv tool install ...`.
What overrides this is --break-system-packages: it does what its name says.
"""


@dataclass(frozen=True)
class Pythons:
    """What a workspace asks for."""

    managed: str = ""
    """The text with which installing outside environments is refused; empty: it isn't."""
    second: str = ""
    """Where a second interpreter stands to PATH: `first`, `last`, `beside`; empty: there is none."""


PLAIN = Pythons()


@dataclass(frozen=True)
class Second:
    """A second interpreter, as placed."""

    base: Base
    seed: Path

    @property
    def parts(self) -> tuple[str, str, str]:
        """Its folders which are the learner's, relative to its prefix."""
        return "bin", "share", f"lib/{self.base.name}/site-packages"


def pythons_asked_for(managed: bool | str = False, second: str = "") -> Pythons:
    """Give what is asked for by these words.

    Raises:
        BrokenExercise: the second interpreter's place is none of the three.
    """
    if second not in _PLACES:
        raise BrokenExercise(f"A second Python can't stand {second!r} to PATH.", "Write first, last or beside.")
    return Pythons(managed if isinstance(managed, str) else _REFUSAL if managed else "", second)


def read_pythons(exercise: Path) -> Pythons:
    """Read what an exercise's folder asks for.

    Raises:
        BrokenExercise: `pythons.toml` can't be read, or says something else.
    """
    file = exercise / "pythons.toml"
    if not file.is_file():
        return PLAIN
    try:
        said = tomllib.loads(file.read_text("utf-8"))
        if not said.keys() <= {"managed", "second"} or not isinstance(said.get("managed", ""), bool | str):
            raise BrokenExercise(
                f"{exercise.name}/pythons.toml holds something unknown.", "It may say `managed` and `second`."
            )
        return pythons_asked_for(**said)
    except (OSError, ValueError) as error:
        raise BrokenExercise(f"{exercise.name}/pythons.toml can't be read: {error}.", "Mend that file.") from error


def marker(pythons: Pythons) -> str:
    """Give the text of the file `EXTERNALLY-MANAGED` (PEP 668); empty where there shall be none."""
    if not pythons.managed:
        return ""
    lines = pythons.managed.strip().splitlines()
    return "[externally-managed]\nError=" + "\n ".join(line or " " for line in lines) + "\n"


# --- a system Python's folder remembers what was asked for


def write_pythons(system: Path, pythons: Pythons) -> None:
    """Remember it."""
    file = system / _FILE
    if pythons == PLAIN:
        file.unlink(missing_ok=True)
    elif (text := json.dumps(asdict(pythons))) != (file.read_text("utf-8") if file.is_file() else ""):
        file.write_text(text, encoding="utf-8")


def remembered(system: Path) -> Pythons:
    """Recall it; a plain system Python where nothing, or nothing legible, is remembered."""
    try:
        return Pythons(**json.loads((system / _FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return PLAIN


def choose_second(system: Path) -> Second:
    """Give the second interpreter: the one chosen before, else another version that this machine has, else the same version again.

    Raises:
        SandboxError: its seed can't be made.
    """
    file = system / _SECOND_FILE
    before = file.read_text("utf-8") if file.is_file() else ""
    base = own_base() if before == str(own_base().executable) else base_at(before) if before else None
    if base is None:
        base = next(other_bases(), own_base())
        file.write_text(str(base.executable), encoding="utf-8")
    return Second(base, seed(base=base, prefix=str(STRONG_SECOND)))
