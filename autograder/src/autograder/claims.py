"""The ledger of facts: what tutorials claim of our subject, whether it is so, and which lesson's cells show it.

::

    notebooks/source/claims.csv     one claim a row: id, claim, verdict, correction, and how it was checked
    :tags: [claim:B-031]            on a cell of a lesson that shows it to be true
    :tags: [myth:B-108]             on a cell that measures against it: it is false, misleading, outdated or unsupported
    :tags: [opinion:B-057]          on a cell that shows what an opinion rests on

Lessons are run by the tests, so a claim that is tagged there has been demonstrated.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.exceptions import BrokenExercise
from autograder.pages import read_page

__all__ = ["Claim", "Ledger", "Place", "read_claims", "read_ledger"]

KINDS = {
    "true": "claim",
    "opinion": "opinion",
    "false": "myth",
    "misleading": "myth",
    "outdated": "myth",
    "unsupported": "myth",
}
"""How a cell must name a claim with this verdict."""

_TAG = re.compile(r"(claim|myth|opinion):(.*)")


@dataclass(frozen=True)
class Claim:
    """One thing that tutorials say."""

    id: str
    text: str
    verdict: str
    correction: str
    """What is so instead; empty where the claim is true."""


@dataclass(frozen=True)
class Place:
    """A cell that names a claim."""

    page: Path
    line: int
    kind: str
    """`claim`, `myth` or `opinion`."""
    claim: str
    runs: bool
    """Whether it is a code cell: nothing else demonstrates anything."""

    def __str__(self) -> str:
        """Write it as editors and terminals link it."""
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Ledger:
    """The claims, and where lessons deal with them."""

    claims: dict[str, Claim]
    places: tuple[Place, ...]

    @property
    def covered(self) -> dict[str, list[Place]]:
        """The places of each claim that is demonstrated, in order of the claims."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            if place.runs and place.claim in self.claims:
                found.setdefault(place.claim, []).append(place)
        return {name: found[name] for name in self.claims if name in found}

    @property
    def missing(self) -> list[Claim]:
        """The claims that no lesson deals with yet."""
        covered = self.covered
        return [claim for claim in self.claims.values() if claim.id not in covered]

    @property
    def lessons(self) -> Counter[str]:
        """How many claims each lesson deals with, by the page's name."""
        return Counter(page for page, _ in sorted({(place.page.stem, place.claim) for place in self.places}))

    @property
    def problems(self) -> list[str]:
        """What is wrong with the tags: a claim that isn't in the table, or is taught as what it isn't."""
        found = []
        for place in self.places:
            claim = self.claims.get(place.claim)
            if claim is None:
                found.append(f"{place}: there is no claim {place.claim!r}.")
            elif KINDS[claim.verdict] != place.kind:
                said = f"{place}: {claim.id} is tagged `{place.kind}:`, and its verdict is *{claim.verdict}*."
                found.append(f"{said} Tag it `{KINDS[claim.verdict]}:`, and teach: {claim.correction or claim.text}")
            elif not place.runs:
                found.append(f"{place}: {claim.id} is named by a cell that isn't run. Tag the one that shows it.")
        return found


def read_claims(table: Path) -> dict[str, Claim]:
    """Read the table of claims, by their ids.

    Raises:
        BrokenExercise: the table isn't there, an id occurs twice, or a verdict is none of those we know.
    """
    found: dict[str, Claim] = {}
    try:
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                claim = Claim(row["id"], row["claim"], row["verdict"], row["correction"])
                if claim.id in found or claim.verdict not in KINDS:
                    raise BrokenExercise(
                        f"{table.name}: {claim.id} occurs twice, or has no verdict ({claim.verdict!r}).",
                        f"A verdict is one of {', '.join(KINDS)}.",
                    )
                found[claim.id] = claim
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise BrokenExercise(
            f"{table} can't be read as a table of claims: {error}.", "Take the one from the repository."
        ) from error
    return found


def read_ledger(table: Path, pages: Iterable[Path]) -> Ledger:
    """Read the claims and look for them in the tags of lessons' cells.

    Raises:
        BrokenExercise: the table or a page can't be read.
    """
    places = []
    for page in pages:
        for cell in read_page(page):
            for tag in cell.tags:
                named = _TAG.fullmatch(tag)
                if named:
                    places.append(Place(page, cell.line, named[1], named[2].strip(), cell.kind == "code"))
    return Ledger(read_claims(table), tuple(places))
