"""Tests of `autograder.claims`: what counts as covered, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.claims import Ledger, read_claims, read_ledger
from autograder.exceptions import BrokenExercise
from autograder.places import course_root

TABLE = """id,source,topic,claim,verdict,correction,how_checked
A-01,x,modules,Water is wet,true,,tried
A-02,x,modules,Tea is cheap,misleading,Some tea is,tried
B-01,y,pip,Cups are blue,false,They are white,tried
B-02,y,pip,Tea beats coffee,opinion,,asked
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table with a true claim, two that aren't so, and an opinion."""
    path = tmp_path / "claims.csv"
    path.write_text(TABLE)
    return path


def ledger(table: Path, *cells: str) -> Ledger:
    """A ledger with one lesson of these cells."""
    page = table.parent / "01-tea.md"
    page.write_text(
        "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n# Tea\n\n" + "\n\n".join(cells)
    )
    return read_ledger(table, [page])


def cell(tags: str) -> str:
    """A code cell with tags."""
    return f"```{{code-cell}} ipython3\n:tags: [{tags}]\n\nprint('{tags}')\n```"


def test_what_is_tagged_is_covered(table: Path) -> None:
    """A claim is covered by every code cell that names it as what it is; the rest is missing."""
    found = ledger(table, cell("claim:A-01, myth:B-01"), cell("claim:A-01, hide-input"))

    assert found.problems == []
    assert {name: len(places) for name, places in found.covered.items()} == {"A-01": 2, "B-01": 1}
    assert [claim.id for claim in found.missing] == ["A-02", "B-02"]
    assert found.lessons == {"01-tea": 2}


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        ("claim:C-99", "no claim 'C-99'"),
        ("claim:A-02", "Tag it `myth:`, and teach: Some tea is"),
        ("myth:A-01", "Tag it `claim:`"),
        ("claim:B-02", "Tag it `opinion:`"),
    ],
)
def test_what_is_taught_as_what_it_is_not_is_told(table: Path, tag: str, says: str) -> None:
    """An unknown claim, and one whose verdict says otherwise, is named with file and line, and with what is so."""
    found = ledger(table, cell("claim:A-01"), cell(tag))

    (problem,) = found.problems
    assert says in problem
    assert problem.startswith("01-tea.md:15")


def test_prose_demonstrates_nothing(table: Path) -> None:
    """A claim named by a cell that isn't run is not covered."""
    found = ledger(table, '+++ {"tags": ["claim:A-01"]}\n\nWater is wet.')

    assert found.covered == {}
    assert "isn't run" in found.problems[0]


@pytest.mark.parametrize("damage", ["A-01,x,m,Again,true,,\n", "A-03,x,m,Odd,perhaps,,\n"])
def test_a_table_that_cannot_be_right_is_refused(table: Path, damage: str) -> None:
    """An id twice, or a verdict that we don't know, is the author's mistake."""
    table.write_text(TABLE + damage)

    with pytest.raises(BrokenExercise):
        read_claims(table)


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    """No table, a sentence."""
    with pytest.raises(BrokenExercise, match="can't be read"):
        read_claims(tmp_path / "none.csv")


def test_every_lesson_teaches_what_is_so() -> None:
    """No lesson of the course names an unknown claim, or teaches one against its verdict."""
    root = course_root()
    assert root is not None
    source = root / "notebooks" / "source"

    assert read_ledger(source / "claims.csv", sorted(source.glob("*.md"))).problems == []
