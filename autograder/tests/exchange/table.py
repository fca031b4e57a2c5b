"""The table of attacks on the exchange in docs/classroom.md, from a run: what was tried, what stock collect did, what ours did instead.

From the folder `autograder`, as root, with `PYTHONPATH=.:tests`::

    python -m exchange.table              run them all, and say whether the table is as it should be
    python -m exchange.table --write      write it
    python -m exchange.table --stock      run them against stock nbgrader, one after the other (some minutes)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from exchange.attempt import ATTACKS
from exchange.room import SECRET, users
from proofs.hub_machine import enter
from proofs.results import COURSE

__all__ = ["BEGIN", "END", "PAGE", "run", "table", "table_in"]

TESTS = Path(__file__).resolve().parents[1]
PAGE = COURSE / "autograder/docs/classroom.md"
STOCK_RUN = Path(__file__).with_name("stock.json")
BEGIN, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"


def run(*words: str, timeout: float = 290) -> dict[str, Any]:
    """Run `exchange.room` on a machine with a class, and give what it found.

    Raises:
        CannotRunHere: no such machine can be made.
        RuntimeError: the run itself broke, with what it said.
    """
    command = [sys.executable, "-m", "exchange.room", *words]
    variables = {"PYTHONPATH": str(TESTS), "JUPYTERHUB_API_TOKEN": SECRET}
    done = enter(command, users(), environment=variables, timeout=timeout, capture=True, cwd=TESTS)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table() -> str:
    """Write the table; what ours does is the same in every run, and the tests hold it to that."""
    stock = json.loads(STOCK_RUN.read_text())["rows"] if STOCK_RUN.is_file() else {}
    lines = ["| | tried | stock nbgrader | here |", "| --- | --- | --- | --- |"]
    for one in ATTACKS:
        words = {
            "older": "refused; the work handed in before counts",
            "new": "collected, without what doesn't belong there",
            "older|new": "own work is collected, the newer or the older",
        }
        if one.counts == "new" and "time at which" in one.says:
            words["new"] = "collected, with the time that the file system knows"
        lines.append(f"| {one.id} | {_cell(one.does)} | {_cell(stock.get(one.id, '-'))} | {words[one.counts]} |")
    return "\n".join(lines) + "\n"


def _stock_words(row: dict[str, Any]) -> str:
    harm = [re.sub(r"^wh-..'s", "another learner's", text) for text in row["harm"]]
    missing = [text for text in harm if text.endswith("was not collected")]
    if missing:
        others = "nobody else" if len(missing) == 3 else f"{len(missing)} of 3 others"
        rest = [text for text in harm if text not in missing]
        return f"**succeeds**: it stops, and {others} {'is' if len(missing) == 3 else 'are not'} collected" + (
            f"; {rest[0]}" if rest else ""
        )
    if harm:
        return f"**succeeds**: {'; '.join(harm[:2])}"
    return {"new": "collected", "older": "the older work counts", "none": "nothing of this learner's is collected"}.get(
        row["counts"], "something else is collected"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def table_in(page: str) -> str:
    """Give the part of the page that is built."""
    return page.partition(BEGIN)[2].partition(END)[0].strip() + "\n"


def main() -> int:
    """Run the corpus, and compare the page with it, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("rows", nargs="*", metavar="ID", help="with --stock: these rows only, such as E06")
    arguments = parser.parse_args()
    if arguments.stock:
        rows = run("--stock", *arguments.rows, timeout=3_000)
        before = json.loads(STOCK_RUN.read_text())["rows"] if arguments.rows else {}
        fresh = {name: _stock_words(row) for name, row in rows.items()}
        told = {"nbgrader": version("nbgrader"), "rows": dict(sorted({**before, **fresh}.items()))}
        sys.stderr.write(json.dumps(rows, indent=1))
        STOCK_RUN.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        return 0
    found = run()
    bad = {
        one.id: found["rows"][one.id]
        for one in ATTACKS
        if found["rows"][one.id]["harm"] or found["rows"][one.id]["counts"] not in one.counts.split("|")
    }
    for name, row in bad.items():
        sys.stderr.write(f"{name}: {row}\n")
    if arguments.write and not bad:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}")
        return 0
    sys.stdout.write(table())
    return 1 if bad or table_in(PAGE.read_text()) != table() else 0


if __name__ == "__main__":
    sys.exit(main())
