"""`python -m tests.abuse`: run the table, from the folder `autograder/`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from . import docs
from .suite import run, surprises, why_not
from .table import ROWS, TIERS


def main() -> None:
    """Run the tiers that work here; `--json` for a program that reads it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=TIERS, action="append")
    parser.add_argument("--row", action="append")
    parser.add_argument("--group", choices=dict.fromkeys(row.group for row in ROWS), action="append")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--write", action="store_true", help="write the table into docs/sandbox.md, if all ended as it says"
    )
    asked = parser.parse_args()
    rows = asked.row or [row.name for row in ROWS if not asked.group or row.group in asked.group]
    found = {}
    for tier in asked.tier or TIERS:
        if reason := why_not(tier):
            print(f"{tier}: {reason}", file=sys.stderr)
            continue
        found[tier] = run(tier, rows)
    if asked.json:
        print(
            json.dumps(
                {tier: {name: dataclasses.asdict(one) for name, one in ended.items()} for tier, ended in found.items()}
            )
        )
        return
    surprised = [f"{tier}: {one}" for tier, ended in found.items() for one in surprises(tier, ended)]
    if asked.write:
        if surprised or set(found) != set(TIERS) or len(rows) != len(ROWS):
            raise SystemExit(
                "\n".join(["Not written: every row of every tier must end as the table says.", *surprised])
            )
        docs.write()
        return
    for tier, ended in found.items():
        for row in ROWS:
            if row.name in ended:
                one = ended[row.name]
                mark = "  " if one.outcome == row.expected(tier) else "! "
                print(f"{mark}{tier:10} {row.name:42} {one.outcome:8} {one.evidence!r:.110}")


if __name__ == "__main__":
    main()
