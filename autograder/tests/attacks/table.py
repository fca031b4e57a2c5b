"""The table of attacks in docs/grading.md, from a run: what was tried, what stock nbgrader did, what happened here instead.

From the folder `tests`::

    python -m attacks.table              run everything here, and say whether the table is as it should be
    python -m attacks.table --write      write it
    python -m attacks.table --stock      run the same submissions through stock nbgrader, in a jail (20 minutes; goes on where it stopped)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attacks import gates, notebooks, pages, programs, snapshots
from attacks.attack import ATTACKS, Attack
from attacks.classroom import EXERCISE, Classroom, Seen
from autograder.exercise import find_exercise

__all__ = ["GROUPS", "PAGE", "Row", "rows_of", "run", "table_of", "tables_in"]

GROUPS = {
    "N": (notebooks, "The notebook"),
    "S": (snapshots, "The snapshot"),
    "G": (gates, "The submitted folder"),
    "P": (programs, "Programs that checks run"),
    "F": (pages, "What comes back"),
}
PAGE = Path(__file__).parents[2] / "docs" / "grading.md"
STOCK_RUN = Path(__file__).with_name("stock.json")
BEGIN, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"
POINTS = find_exercise(EXERCISE).points
TASKS = [f"task-{task.number}" for task in find_exercise(EXERCISE).tasks]


@dataclass(frozen=True)
class Row:
    """What came of one attack."""

    attack: Attack
    seen: Seen
    told: str
    """What stands under the graded cells."""
    harm: str
    """What it did that it should not have; empty if nothing."""

    @property
    def outcome(self) -> str:
        """One of the words of `Attack.outcome`, or what else it was."""
        scores = [self.seen.scores.get(name) for name in TASKS]
        if all(score is None for score in scores):
            return "human" if self.seen.scores else "lost"
        if "Nothing was submitted" in self.told:
            return "zero" if not any(scores) else f"{self.seen.points} points"
        deserved = {"untouched": 0.0, "partial": 4.0, "full": float(POINTS)}[self.attack.deserves]
        return "no effect" if self.seen.points == deserved else f"{self.seen.points} points"

    @property
    def words(self) -> str:
        """What happened instead, for the table: the same in every run."""
        if self.harm:
            return f"**{self.harm}**"
        if "|" in self.attack.outcome:
            return "left to a human, or the points that its state deserves"
        if self.outcome == "human":
            notice = next((line for line in self.told.splitlines() if line.startswith("  ! ")), "")
            sentence = notice.removeprefix("  ! ").removeprefix("The snapshot can't be graded. ")
            return "left to a human: " + _first(sentence)
        if self.outcome == "zero":
            return "0 points: " + _first(re.sub(r".*?(Nothing was submitted)", r"\1", self.told, flags=re.DOTALL))
        if self.seen.points is None:
            return "**not in the gradebook**"
        points = f"{self.seen.points:g} of {POINTS} points"
        return f"{points}, as its state deserves" if self.outcome == "no effect" else f"**{points}**"


def _first(text: str) -> str:
    """Give a text's first sentence, fit for a cell of a table."""
    sentence = re.split(r"(?<=[.])\s", text.strip(), maxsplit=1)[0]
    return sentence.replace("|", "\\|").replace("<", "&lt;")


def rows_of(room: Classroom, attacks: list[Attack]) -> list[Row]:
    """Look at what came of each attack, from outside."""
    seen = room.seen()
    return [
        Row(one, seen.get(one.who, Seen()), room.told(one.who), one.harm(room, one.who) if one.harm else "")
        for one in attacks
    ]


def run(room: Classroom, *command: str, attacks: list[Attack] | None = None) -> tuple[list[Row], list[str], int]:
    """Let everybody hand in and have it graded by a command; give what came of each, what leaked, and the exit status."""
    chosen = ATTACKS if attacks is None else attacks
    room.forget()
    room.fill(chosen)
    done = room.type(*command)
    return rows_of(room, chosen), list(room.leaks()), done.returncode


def _stock() -> dict[str, str]:
    return dict(json.loads(STOCK_RUN.read_text())["rows"]) if STOCK_RUN.is_file() else {}


def _keep_stock(found: dict[str, Any]) -> None:
    STOCK_RUN.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def table_of(rows: list[Row]) -> str:
    """Write the tables, a group each."""
    stock = _stock()
    parts = []
    for letter, (_, heading) in GROUPS.items():
        parts += [f"### {letter}: {heading}", ""]
        parts += ["| | tried | stock nbgrader | here |", "| --- | --- | --- | --- |"]
        for row in rows:
            if row.attack.id.startswith(letter):
                does = row.attack.does.replace("|", "\\|").replace("<", "&lt;")
                parts.append(f"| {row.attack.id} | {does} | {stock.get(row.attack.id, '-')} | {row.words} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def tables_in(page: str) -> str:
    """Give the part of the page that is built."""
    return page.partition(BEGIN)[2].partition(END)[0].strip() + "\n"


def main() -> int:
    """Run the corpus, and compare the page with it, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--stock", action="store_true")
    arguments = parser.parse_args()
    if arguments.stock:
        from attacks.stock import run_stock

        run_stock(_keep_stock, _stock())
        return 0
    with tempfile.TemporaryDirectory(prefix="wheelhouse-", ignore_cleanup_errors=True) as place:
        room = Classroom(Path(place) / "room")
        try:
            room.begin()
            rows, leaks, _ = run(room, "course", "grade", EXERCISE)
        finally:
            room.close()
    for trouble in [*leaks, *(f"{row.attack.id}: {row.words}" for row in rows if "**" in row.words)]:
        sys.stderr.write(f"{trouble}\n")
    page = PAGE.read_text()
    built = table_of(rows)
    if arguments.write:
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{built}\n{END}{rest.partition(END)[2]}")
        return 0
    sys.stdout.write(built)
    return 0 if tables_in(page) == built else 1


if __name__ == "__main__":
    sys.exit(main())
