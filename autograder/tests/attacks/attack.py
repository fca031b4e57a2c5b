"""What an attack is, and what its author may use."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from autograder.folder import index
from autograder.snapshot import pack
from autograder.tree import FolderTree

if TYPE_CHECKING:
    from attacks.classroom import Classroom

__all__ = ["ATTACKS", "Attack", "Attempt", "attack", "forge", "rezip"]

Notebook = dict[str, Any]


@dataclass
class Attempt:
    """One learner's submission in the making: a folder, a notebook, a snapshot."""

    room: Classroom
    learner: str
    folder: Path
    notebook: Notebook
    snapshot: bytes | None
    """What is handed in as snapshot; None hands in none."""
    start: Path
    """The workspace as it was begun, not to be changed."""
    work: Path
    """A copy of it, made by `edit`, to be changed."""
    write_notebook: bool = True
    exercise: str = ""

    def cell(self, grade_id: str) -> Notebook:
        """Find a cell by what nbgrader calls it."""
        return next(
            one for one in self.notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
        )

    @property
    def graded(self) -> list[Notebook]:
        """The cells that give points."""
        return [one for one in self.notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade")]

    def run(self, code: str) -> None:
        """Leave code in the first answer's cell, for whoever runs it."""
        self.cell("answer-1")["source"] = code

    def edit(self, files: dict[str, str | bytes] | None = None) -> Path:
        """Give a workspace to change, with these files in it; `hand_in` makes a snapshot of it."""
        if not self.work.exists():
            shutil.copytree(self.start, self.work, symlinks=True)
        for path, text in (files or {}).items():
            place = self.work / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.work

    def hand_in(self, **changed: Any) -> None:
        """Take the snapshot of the edited workspace, as `course check` would; `changed` replaces what it says of itself."""
        said = {**changed, "root": PurePosixPath(changed["root"])} if "root" in changed else dict(changed)
        exercise = said.pop("exercise", self.exercise)
        facts = replace(self.room.facts, **said)
        tree = FolderTree(self.edit(), facts.root)
        self.snapshot = pack(tree, facts, index().known, exercise=exercise)

    def program(self, body: str) -> None:
        """Hand in a workspace whose report is the right answer if `body` leaves `reached` true, and ends with an error otherwise.

        So a point for the first task is the proof that something was reached.
        """
        head = f"reached = False\ntry:\n{_indented(body)}\nexcept BaseException:\n    pass\n"
        self.edit({"report/report.py": f"{head}if not reached:\n    raise SystemExit(3)\n\n{RIGHT_REPORT}"})
        self.hand_in()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip("\n").splitlines())


RIGHT_REPORT = """
from pathlib import Path

SALES = [320, 175, 990]


def total(amounts):
    return sum(amounts)


if __name__ == "__main__":
    Path(__file__).with_name("out.txt").write_text(f"Sold today: {total(SALES)} cents\\n")
"""
"""What earns the first task of exercise 01."""

Prepare = Callable[[Attempt], None]
Harm = Callable[["Classroom", str], str]


@dataclass(frozen=True)
class Attack:
    """One thing that is tried, and what shall come of it."""

    id: str
    does: str
    """What is tried, in a few words, for the table."""
    prepare: Prepare = field(repr=False)
    outcome: str
    """`no effect` (the points are those that the state deserves), `human`, or `zero` (nothing was handed in)."""
    says: str = ""
    """A regular expression that the learner's feedback must match."""
    deserves: str = "untouched"
    """Whose points the state deserves: `untouched`, `partial` or `full`."""
    exercise: str = "01-modules"
    learner: str = ""
    """Under which name it is handed in; by default the id."""
    stock: bool = False
    """Whether it means something to stock nbgrader, which knows no snapshots."""
    harm: Harm | None = field(default=None, repr=False)
    """Looks from outside whether it did harm, beyond what is looked at for every attack; gives what, or nothing."""
    root_only: bool = False
    """Whether only root can prepare it."""

    @property
    def who(self) -> str:
        """The name under which it is handed in."""
        return self.learner or self.id.lower()


ATTACKS: list[Attack] = []


def attack(id: str, does: str, outcome: str = "no effect", says: str = "", **more: Any) -> Callable[[Prepare], Prepare]:
    """Add an attack to the corpus; see `Attack`."""

    def decorate(prepare: Prepare) -> Prepare:
        ATTACKS.append(Attack(id, does, prepare, outcome, says, **more))
        return prepare

    return decorate


def rezip(manifest: bytes, contents: bytes, **more: Any) -> bytes:
    """Put a snapshot's two members together as `pack` does."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (("manifest.json", manifest), ("contents", contents)):
            member = zipfile.ZipInfo(name)
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED, compresslevel=6)
    return buffer.getvalue()


def forge(snapshot: bytes, change: Callable[[dict[str, Any]], None], contents: bytes | None = None) -> bytes:
    """Write a snapshot's manifest anew, changed; and its contents, if given."""
    with zipfile.ZipFile(io.BytesIO(snapshot)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        joined = archive.read("contents")
    change(manifest)
    return rezip(json.dumps(manifest).encode(), joined if contents is None else contents)
