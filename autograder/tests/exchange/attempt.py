"""What an attack on the exchange is, and what its author may use: it runs as the learner's own user, with a shell's rights."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["ATTACKS", "EXERCISE", "Attack", "Attempt", "attack", "hand_in", "stamp"]

EXERCISE = "06-virtual-environments"


def stamp(seconds: float = 0) -> str:
    """Write the time, so many seconds from now, as nbgrader's submit does."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f UTC")


def hand_in(inbound: Path, learner: str, when: str, text: str, *, tag: str = "AbCdEfGhIjKl") -> Path:
    """Leave in the exchange what nbgrader's submit leaves there; the snapshot's text says whose it is and which."""
    folder = inbound / f"{learner}+{EXERCISE}+{when}+{tag}"
    folder.mkdir()
    (folder / f"{EXERCISE}.ipynb").write_text("{}")
    (folder / f"{EXERCISE}.snapshot").write_text(text)
    (folder / "timestamp.txt").write_text(when)
    (folder / "submission_secret.txt").write_text("5ec2e7" * 20)
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o777)
    return folder


@dataclass
class Attempt:
    """One learner at work."""

    name: str
    inbound: Path
    prof: Path
    """The instructor's HOME, which is closed."""
    first: Path
    """The good work that was handed in first."""
    ready: Callable[[], None]
    """To be called by an attack that goes on while submissions are collected, when it has begun."""

    def folder(self, when: str | None = None, tag: str = "evil") -> Path:
        """Hand in good work, newer than all before; what is wrong with it is added to it then."""
        return hand_in(self.inbound, self.name, when or stamp(1), f"new work of {self.name}", tag=tag)

    def snapshot(self, folder: Path | None = None) -> Path:
        """Hand in, without the snapshot; give its path."""
        path = (folder or self.folder()) / f"{EXERCISE}.snapshot"
        path.unlink()
        return path


@dataclass(frozen=True)
class Attack:
    """One thing that is tried, and what shall come of it."""

    id: str
    does: str
    prepare: Callable[[Attempt], None] = field(repr=False)
    counts: str
    """What counts for this learner then: `older` work, which was handed in first, or the `new`; `older|new` where it is a race."""
    says: str
    """A regular expression that the list at the end must match."""
    as_root: bool = False
    """Prepared by root, since the kernel lets no learner do it."""

    @property
    def who(self) -> str:
        """The learner's name."""
        return f"wh-{self.id.lower()}"


ATTACKS: list[Attack] = []


def attack(
    id: str, does: str, counts: str, says: str, *, as_root: bool = False
) -> Callable[[Callable[[Attempt], None]], Callable[[Attempt], None]]:
    """Add an attack to the corpus; see `Attack`."""

    def decorate(prepare: Callable[[Attempt], None]) -> Callable[[Attempt], None]:
        ATTACKS.append(Attack(id, does, prepare, counts, says, as_root))
        return prepare

    return decorate


def at_once(path: Path, make: Callable[[Path], None]) -> None:
    """Put something in a path's place without a moment at which nothing stands there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    make(aside)
    aside.rename(path)
