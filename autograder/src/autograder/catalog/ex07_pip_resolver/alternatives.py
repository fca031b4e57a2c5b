"""Other right answers: other tools, another order, another way of editing."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Alternative

__all__ = ["ALTERNATIVES"]

ALTERNATIVES = [
    # ---- Task 1
    Alternative(
        "uv, with both in one command",
        1,
        "uv pip install --python reports/.venv --upgrade legacytool moderntool",
    ),
    Alternative(
        "the environment made anew, from what one file asks for",
        1,
        """
        printf 'legacytool\\nmoderntool\\n' > reports/requirements.txt
        python3 -m venv --clear reports/.venv
        reports/.venv/bin/python -m pip install -r reports/requirements.txt
        """,
    ),
    Alternative(
        "in two steps, of which the second mends what the first broke; with the older shoplib 2",
        1,
        """
        pip --python reports/.venv install 'shoplib==2.0'
        pip --python reports/.venv install 'legacytool>=1.1' moderntool
        """,
    ),
    # ---- Task 2
    Alternative(
        "the one release that fits, by name",
        2,
        "sed -i 's/^kiosk-printer==1.0 .*/kiosk-printer==1.1/' kiosk/requirements.txt",
    ),
    Alternative(
        "a range, checked by uv, in another order of lines",
        2,
        """
        printf 'kiosk-fonts < 3\\nkiosk_screen == 2.0\\nKiosk-Printer >= 1.0, < 2\\n' > kiosk/requirements.txt
        uv pip compile --quiet kiosk/requirements.txt
        """,
    ),
    # ---- Task 3
    Alternative(
        "by pip inspect, and only the range",
        3,
        cleandoc("""
            pip --python till/.venv inspect > inspected.json
            python3 - <<'END'
            import json

            for one in json.load(open("inspected.json"))["installed"]:
                for needed in one["metadata"].get("requires_dist", []):
                    if needed.startswith("shoplib") and "<" in needed:
                        answer = {"distribution": one["metadata"]["name"], "requires": needed.removeprefix("shoplib").strip()}
                        json.dump(answer, open("till/limit.json", "w"))
            END
            rm inspected.json
        """),
    ),
    Alternative(
        "by asking for what can't be, and reading the refusal; uv, with spaces",
        3,
        """
        uv pip install --dry-run --python till/.venv 'shoplib>=2' legacytool==1.0 day-ledger till-flexi
        echo '{"requires": "shoplib < 2", "distribution": "LegacyTool"}' > till/limit.json
        """,
    ),
    # ---- Task 4
    Alternative(
        "from the module itself, under the old name",
        4,
        "sed -i 's/^from receipt_printer import Roll/from paperroll.roll import Roll/' receipts/receipt.py",
    ),
    Alternative(
        "the module imported, and its Roll taken from there",
        4,
        """
        sed -i 's/^from receipt_printer import Roll/import paperroll as receipt_printer/; s/= Roll(/= receipt_printer.Roll(/' receipts/receipt.py
        """,
    ),
    # ---- Task 5
    Alternative(
        "uv, with the range said",
        5,
        "uv pip install --python stock/.venv --upgrade 'shoplib<2'",
    ),
    Alternative(
        "with a file of constraints, made of what is there",
        5,
        """
        pip --python stock/.venv freeze --exclude shoplib > stock/constraints.txt
        pip --python stock/.venv install --upgrade --constraint stock/constraints.txt legacytool shoplib
        """,
    ),
    Alternative(
        "the version by name, after a look into the index",
        5,
        "pip --python stock/.venv install shoplib==1.9",
    ),
    # ---- Task 6
    Alternative(
        "by a small program",
        6,
        cleandoc("""
            python3 - <<'END'
            import json, re
            from pathlib import Path

            def read(place):
                lines = Path("ci", place, "freeze.txt").read_text().splitlines()
                pairs = (line.split("==") for line in lines)
                return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}

            here, there = read("laptop"), read("runner")
            pythons = {place: Path("ci", place, "python.txt").read_text().strip() for place in ("laptop", "runner")}
            answer = {
                "other version": sorted(name for name in here.keys() & there.keys() if here[name] != there[name]),
                "missing on the runner": sorted(here.keys() - there.keys()),
                "python": pythons,
            }
            Path("ci/diff.json").write_text(json.dumps(answer, indent=2))
            END
        """),
    ),
    Alternative(
        "by hand, in short, with the versions beside the names",
        6,
        """
        echo '{"other version": "shoplib==2.3", "missing on the runner": ["hours_backport==1.0"], "python": {"laptop": "3.11", "runner": "3.13"}}' > ci/diff.json
        """,
    ),
]
