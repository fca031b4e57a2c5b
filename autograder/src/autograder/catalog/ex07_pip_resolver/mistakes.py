"""What people really do instead: each from the untouched start, with the check that must say so first."""

from __future__ import annotations

from autograder import Mistake
from autograder.catalog.ex07_pip_resolver import checks

__all__ = ["MISTAKES"]

_PAPERROLL = "sed -i 's/receipt_printer/paperroll/' receipts/receipt.py\n"

MISTAKES = [
    # ---- Task 1
    Mistake(
        "took away the one that did the damage",
        task=1,
        commands="""
        pip --python reports/.venv uninstall --yes legacytool
        pip --python reports/.venv install --upgrade shoplib
        """,
        caught_by=checks.damage_is_undone,
        says=r"`legacytool` is not installed",
    ),
    Mistake(
        "brought back the newest shoplib, and so broke the other one",
        task=1,
        commands="pip --python reports/.venv install --upgrade shoplib",
        caught_by=checks.damage_is_undone,
        says=r"`legacytool` 1\.0 needs `shoplib<2`, and `shoplib` 2\.3",
    ),
    Mistake(
        "installed moderntool once more, as if that could mend it",
        task=1,
        commands="pip --python reports/.venv install --force-reinstall --no-deps moderntool",
        caught_by=checks.damage_is_undone,
        says=r"`moderntool` 1\.0 needs `shoplib>=2`, and `shoplib` 1\.9",
    ),
    Mistake(
        "installed both with the system's pip",
        task=1,
        commands="pip install --upgrade legacytool moderntool",
        caught_by=checks.damage_is_undone,
        says=r"`moderntool` 1\.0 needs `shoplib>=2`",
    ),
    Mistake(
        "told the metadata what it should say",
        task=1,
        commands="sed -i 's/^Requires-Dist: shoplib.*/Requires-Dist: shoplib/' reports/.venv/lib/python3*/site-packages/*tool-*.dist-info/METADATA",
        caught_by=checks.damage_is_undone,
        says=r"METADATA",
    ),
    Mistake(
        "took the newest shoplib, and taught the installed legacytool about it by hand",
        task=1,
        commands="""
        pip --python reports/.venv install --upgrade shoplib
        sed -i 's/shoplib.total(prices)/sum(prices)/' reports/.venv/lib/python3*/site-packages/legacytool.py
        """,
        caught_by=checks.damage_is_undone,
        says=r"legacytool\.py` is another",
    ),
    Mistake(
        "tried it with a shoplib of their own first, and forgot it there",
        task=1,
        commands="""
        printf 'def total(prices):\\n    return sum(prices)\\n' > reports/shoplib.py
        pip --python reports/.venv install --upgrade legacytool moderntool
        """,
        caught_by=checks.both_figures_are_printed,
        says=r"exit status 1",
    ),
    # ---- Task 2
    Mistake(
        "threw the pin away that stood in the way",
        task=2,
        commands="sed -i '/kiosk-printer/d' kiosk/requirements.txt",
        caught_by=checks.one_line_is_relaxed,
        says=r"`kiosk-printer==1\.0` is gone",
    ),
    Mistake(
        "relaxed the printer and dropped the limit with the odd remark",
        task=2,
        commands="sed -i 's/kiosk-printer==1.0/kiosk-printer~=1.0/; /kiosk-fonts/d' kiosk/requirements.txt",
        caught_by=checks.one_line_is_relaxed,
        says=r"`kiosk-fonts<3` is gone",
    ),
    Mistake(
        "took all versions out",
        task=2,
        commands="sed -i -E 's/(==|<)[0-9.]+//' kiosk/requirements.txt",
        caught_by=checks.one_line_is_relaxed,
        says=r"3 lines were changed",
    ),
    Mistake(
        "asked for one more, to decide the quarrel",
        task=2,
        commands="echo 'kiosk-fonts==2.4' >> kiosk/requirements.txt",
        caught_by=checks.one_line_is_relaxed,
        says=r"one more line, `kiosk-fonts==2\.4`",
    ),
    Mistake(
        "relaxed two lines, to be on the safe side",
        task=2,
        commands="sed -i 's/^kiosk-printer==1.0/kiosk-printer~=1.0/; s/^kiosk-screen==2.0/kiosk-screen>=2.0/' kiosk/requirements.txt",
        caught_by=checks.one_line_is_relaxed,
        says=r"2 lines were changed: those of `kiosk-printer` and `kiosk-screen`",
    ),
    Mistake(
        "relaxed what everybody quarrels about",
        task=2,
        commands="sed -i 's/^kiosk-fonts<3/kiosk-fonts/' kiosk/requirements.txt",
        caught_by=checks.both_programs_work,
        says=r"Even with `kiosk-fonts`",
    ),
    Mistake(
        "thought of a release that was never made",
        task=2,
        commands="sed -i 's/^kiosk-printer==1.0/kiosk-printer==1.5/' kiosk/requirements.txt",
        caught_by=checks.both_programs_work,
        says=r"Even with `kiosk-printer==1\.5`",
    ),
    Mistake(
        "opened the printer to every release there is",
        task=2,
        commands="sed -i 's/^kiosk-printer==1.0/kiosk-printer>=1.0/' kiosk/requirements.txt",
        caught_by=checks.both_programs_work,
        says=r"kiosk-printer.2\.0.*prints no ticket",
    ),
    Mistake(
        "relaxed the screen",
        task=2,
        commands="sed -i 's/^kiosk-screen==2.0/kiosk-screen/' kiosk/requirements.txt",
        caught_by=checks.both_programs_work,
        says=r"kiosk-screen.1\.0.*draws no box",
    ),
    # ---- Task 3
    Mistake(
        "copied the first name that pip show gives",
        task=3,
        commands="""echo '{"distribution": "day-ledger", "requires": "shoplib>=1.5"}' > till/limit.json""",
        caught_by=checks.the_holder_is_named,
        says=r"would take a newer one",
    ),
    Mistake(
        "copied all the names that pip show gives",
        task=3,
        commands="""echo '{"distribution": ["day-ledger", "legacytool", "till-flexi"], "requires": "<2"}' > till/limit.json""",
        caught_by=checks.the_holder_is_named,
        says=r"only one thing can stand there",
    ),
    Mistake(
        "copied the whole line that pip show gives",
        task=3,
        commands="""echo '{"distribution": "day-ledger, legacytool, till-flexi", "requires": "<2"}' > till/limit.json""",
        caught_by=checks.the_holder_is_named,
        says=r"more than one name",
    ),
    Mistake(
        "named the one that is held back",
        task=3,
        commands="""echo '{"distribution": "shoplib", "requires": "<2"}' > till/limit.json""",
        caught_by=checks.the_holder_is_named,
        says=r"what is held back",
    ),
    Mistake(
        "wrote it down, but not as JSON",
        task=3,
        commands="echo 'legacytool: shoplib<2' > till/limit.json",
        caught_by=checks.the_holder_is_named,
        says=r"can't be read",
    ),
    Mistake(
        "gave the version that is installed",
        task=3,
        commands="""echo '{"distribution": "legacytool", "requires": "shoplib==1.9"}' > till/limit.json""",
        caught_by=checks.its_limit_is_told,
        says=r"`shoplib==1\.9`.*another matter",
    ),
    Mistake(
        "gave the wish instead of the limit",
        task=3,
        commands="""echo '{"distribution": "legacytool", "requires": "shoplib>=2"}' > till/limit.json""",
        caught_by=checks.its_limit_is_told,
        says=r"`shoplib>=2`",
    ),
    # ---- Task 4
    Mistake(
        "found something on the index that sounds alike",
        task=4,
        commands="pip --python receipts/.venv install receipt-print",
        caught_by=checks.right_name_is_imported,
        says=r"You added `receipt-print 0\.2`.*already there",
    ),
    Mistake(
        "installed it once more",
        task=4,
        commands="pip --python receipts/.venv install --force-reinstall receipt-printer",
        caught_by=checks.right_name_is_imported,
        says=r"imports `receipt_printer`",
    ),
    Mistake(
        "gave the driver a second name by copying it",
        task=4,
        commands="cd receipts/.venv/lib/python3*/site-packages && cp -r paperroll receipt_printer",
        caught_by=checks.right_name_is_imported,
        says=r"brought no module of that name",
    ),
    Mistake(
        "found the name in the end, and left behind what was installed on the way",
        task=4,
        commands="pip --python receipts/.venv install receipt-print\n" + _PAPERROLL,
        caught_by=checks.environment_is_as_it_was,
        says=r"receipt-print 0\.2",
    ),
    Mistake(
        "imported the right module, and not what the program uses of it",
        task=4,
        commands="sed -i 's/^from receipt_printer import Roll/import paperroll/' receipts/receipt.py",
        caught_by=checks.receipt_is_printed,
        says=r"exit status 1",
    ),
    Mistake(
        "let the program print the text, and not the driver",
        task=4,
        commands="""printf 'import paperroll\\n\\nprint("TOTAL        7.70")\\n' > receipts/receipt.py""",
        caught_by=checks.receipt_is_printed,
        says=r"no `Roll`",
    ),
    # ---- Task 5
    Mistake(
        "asked for what is there already",
        task=5,
        commands="pip --python stock/.venv install shoplib",
        caught_by=checks.newest_that_fits,
        says=r"1\.5 is installed, and the index has a newer one",
    ),
    Mistake(
        "insisted",
        task=5,
        commands="pip --python stock/.venv install --upgrade shoplib",
        caught_by=checks.newest_that_fits,
        says=r"`legacytool` 1\.0 needs `shoplib<2`, and `shoplib` 2\.3",
    ),
    Mistake(
        "moved legacytool along with it",
        task=5,
        commands="pip --python stock/.venv install --upgrade shoplib legacytool",
        caught_by=checks.newest_that_fits,
        says=r"not there any more",
    ),
    Mistake(
        "upgraded the system Python's, for want of a pip in the environment",
        task=5,
        commands="pip install --upgrade 'shoplib<2'",
        caught_by=checks.newest_that_fits,
        says=r"1\.5 is installed",
    ),
    Mistake(
        "took legacytool away, to be rid of its limit",
        task=5,
        commands="""
        pip --python stock/.venv uninstall --yes legacytool
        pip --python stock/.venv install --upgrade 'shoplib<2'
        """,
        caught_by=checks.legacytool_stays,
        says=r"`legacytool` is not installed",
    ),
    Mistake(
        "chose the right shoplib, and let legacytool move all the same",
        task=5,
        commands="pip --python stock/.venv install --upgrade legacytool 'shoplib<2'",
        caught_by=checks.legacytool_stays,
        says=r"`legacytool` 1\.1",
    ),
    # ---- Task 6
    Mistake(
        "wrote down what diff says, word for word",
        task=6,
        commands="""echo '{"other version": ["Shelf.Signs_XL", "shoplib"], "missing on the runner": ["hours-backport"], "python": {"laptop": "3.11.9", "runner": "3.13.1"}}' > ci/diff.json""",
        caught_by=checks.other_versions,
        says=r"`shelf-signs-xl` doesn't belong there.*however it is spelt",
    ),
    Mistake(
        "took another spelling for another distribution",
        task=6,
        commands="""echo '{"other version": ["shoplib"], "missing on the runner": ["hours-backport", "Shelf.Signs_XL"], "python": {"laptop": "3.11.9", "runner": "3.13.1"}}' > ci/diff.json""",
        caught_by=checks.missing_ones,
        says=r"`shelf-signs-xl` doesn't belong there",
    ),
    Mistake(
        "stopped at what the log says",
        task=6,
        commands="""echo '{"other version": [], "missing on the runner": ["hours_backport"], "python": {"laptop": "", "runner": ""}}' > ci/diff.json""",
        caught_by=checks.other_versions,
        says=r"lists nothing yet",
    ),
    Mistake(
        "asked the Python that was at hand",
        task=6,
        commands="""echo '{"other version": ["shoplib"], "missing on the runner": ["hours-backport"], "python": {"laptop": "3.11.9", "runner": "3.11.9"}}' > ci/diff.json""",
        caught_by=checks.both_pythons,
        says=r"`3\.11\.9` for the runner, which has another",
    ),
]
