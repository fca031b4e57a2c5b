"""What people really do instead: each from the untouched start, with the check that must say so first."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Mistake
from autograder.catalog.ex01_modules import checks

__all__ = ["MISTAKES"]

_GUARD = r"""
sed -i '/^print("Writing/i if __name__ == "__main__":' report/report.py
sed -i '/^if /,$ { /^if /! s/^/    / }' report/report.py
"""


def _answers(**changed: tuple[str, str]) -> str:
    """Write answer.json, right but for what is changed."""
    right = {"a": ("tools", "tools/settings.py"), "b": (".", "settings.py"), "c": ("tools", "tools/settings.py")}
    rows = (f'"{name}": {{"first": "{one}", "origin": "{two}"}}' for name, (one, two) in (right | changed).items())
    return f"\necho '{{{', '.join(rows)}}}' > kiosk/answer.json\n"


_RUN = "\nsed -i 's|^python3 .*|python3 -m tools.greet|' kiosk/run.sh\n"

MISTAKES = [
    # ---- Task 1
    Mistake(
        "took the prints away and left the writing",
        task=1,
        commands="sed -i '/^print(/d' report/report.py",
        caught_by=checks.import_is_silent,
        says=r"silent, but it still writes",
    ),
    Mistake(
        "put everything into a function and called it at the end",
        task=1,
        commands=cleandoc(r"""
            cd report
            sed -i 's/^print("Writing/def main():\nprint("Writing/' report.py
            sed -i '/^def main/,$ { /^def /! s/^/    / }' report.py
            echo 'main()' >> report.py
        """),
        caught_by=checks.import_is_silent,
        says=r"prints something",
    ),
    Mistake(
        "opened a guard and didn't indent what belongs to it",
        task=1,
        commands="""
        sed -i '/^print("Writing/i if __name__ == "__main__":' report/report.py
        """,
        caught_by=checks.import_is_silent,
        says=r"can't read",
    ),
    Mistake(
        "put the guard around the function as well",
        task=1,
        commands=r"""
        sed -i '/^def total/i if __name__ == "__main__":' report/report.py
        sed -i '/^if /,$ { /^if /! s/^/    / }' report/report.py
        """,
        caught_by=checks.total_still_adds,
        says=r"there is no `report\.total`",
    ),
    Mistake(
        "took all of it away that made a noise",
        task=1,
        commands="sed -i '/^print(\"Writing/,$d' report/report.py",
        caught_by=checks.running_still_writes,
        says=r"no longer writes",
    ),
    Mistake(
        "misspelt the guard",
        task=1,
        commands=_GUARD + "sed -i 's/__main__/main/' report/report.py",
        caught_by=checks.running_still_writes,
        says=r"`__name__ == 'main'`",
    ),
    # ---- Task 2
    Mistake(
        "believed that PYTHONPATH comes before everything",
        task=2,
        commands=_answers(b=("tools", "tools/settings.py")) + _RUN,
        caught_by=checks.first_entries_are_right,
        says=r"command `b`.* first in `tools`",
    ),
    Mistake(
        "believed that a script looks first where one stands",
        task=2,
        commands=_answers(a=(".", "tools/settings.py")) + _RUN,
        caught_by=checks.first_entries_are_right,
        says=r"command `a`.* first in `\.`",
    ),
    Mistake(
        "knew where Python looks, and took the wrong file for it all the same",
        task=2,
        commands=_answers(c=("tools", "settings.py")) + _RUN,
        caught_by=checks.origins_are_right,
        says=r"command `c`",
    ),
    Mistake(
        "wrote the answer as Python would",
        task=2,
        commands=_RUN + "echo \"{'a': {'first': 'tools'}}\" > kiosk/answer.json",
        caught_by=checks.first_entries_are_right,
        says=r"can't be read as JSON",
    ),
    Mistake(
        "put the folder into PYTHONPATH and went on starting the file",
        task=2,
        commands=_answers() + "sed -i 's|^python3|PYTHONPATH=. python3|' kiosk/run.sh",
        caught_by=checks.run_sh_takes_the_other,
        says=r"before `PYTHONPATH`",
    ),
    Mistake(
        "moved the settings for tests out of the way",
        task=2,
        commands=_answers() + "mv kiosk/tools/settings.py kiosk/tools/test_settings.py",
        caught_by=checks.run_sh_takes_the_other,
        says=r"`kiosk/tools/settings\.py` is gone",
    ),
    Mistake(
        "copied the right settings over the wrong ones",
        task=2,
        commands=_answers() + "cp kiosk/settings.py kiosk/tools/settings.py",
        caught_by=checks.run_sh_takes_the_other,
        says=r"`kiosk/tools/settings\.py` was edited",
    ),
    Mistake(
        "let the program change sys.path",
        task=2,
        commands=_answers()
        + "sed -i 's/^import settings/sys.path.insert(0, \".\")\\nimport settings/' kiosk/tools/greet.py",
        caught_by=checks.run_sh_takes_the_other,
        says=r"`kiosk/tools/greet\.py` was edited",
    ),
    Mistake(
        "let run.sh print the greeting",
        task=2,
        commands=_answers() + "echo 'echo Good morning! Tea is on the house today.' > kiosk/run.sh",
        caught_by=checks.run_sh_takes_the_other,
        says=r"doesn't run `kiosk/tools/greet\.py`",
    ),
    # ---- Task 3
    Mistake(
        "let the till's script read the price out of the file",
        task=3,
        commands="rm -r till/__pycache__; sed -i 's/^python3 .*/grep = prices.py/' till/run.sh",
        caught_by=checks.next_edit_is_seen,
        says=r"doesn't run `till/till\.py`",
    ),
    Mistake(
        "touched the file and started the till",
        task=3,
        commands="touch till/prices.py; bash till/run.sh",
        caught_by=checks.next_edit_is_seen,
        says=r"again trusted by time and size",
    ),
    Mistake(
        "threw the bytecode away, and thought no further",
        task=3,
        commands="rm -r till/__pycache__",
        caught_by=checks.next_edit_is_seen,
        says=r"at its next start",
    ),
    Mistake(
        "compiled with the hash, and let compileall think that nothing was to do",
        task=3,
        commands="python3 -m compileall --invalidation-mode checked-hash till",
        caught_by=checks.old_bytecode_is_gone,
        says=r"still holds `3\.20`",
    ),
    Mistake(
        "forbade Python to write bytecode, and left it what it had",
        task=3,
        commands="sed -i 's/^python3/python3 -B/' till/run.sh",
        caught_by=checks.old_bytecode_is_gone,
        says=r"still holds `3\.20`",
    ),
    Mistake(
        "let run.sh clean up at each start, and didn't start it",
        task=3,
        commands="sed -i 's/^python3/rm -rf __pycache__; python3/' till/run.sh",
        caught_by=checks.old_bytecode_is_gone,
        says=r"still holds `3\.20`",
    ),
    Mistake(
        "chose the hash that is never checked",
        task=3,
        commands="python3 -m compileall -f --invalidation-mode unchecked-hash till",
        caught_by=checks.next_edit_is_seen,
        says=r"never checked",
    ),
    Mistake(
        "forbade Python to write bytecode, after it had written new one",
        task=3,
        commands="touch till/prices.py; bash till/run.sh; sed -i 's/^python3/python3 -B/' till/run.sh",
        caught_by=checks.next_edit_is_seen,
        says=r"again trusted by time and size",
    ),
    Mistake(
        "threw the bytecode away, and sent the next one out of sight",
        task=3,
        commands="rm -r till/__pycache__; sed -i 's/^python3/PYTHONPYCACHEPREFIX=elsewhere python3/' till/run.sh",
        caught_by=checks.next_edit_is_seen,
        says=r"only written into another folder",
    ),
    # ---- Task 4
    Mistake(
        "wrote to the log only once",
        task=4,
        commands=cleandoc(r"""
            sed -i 's/^with/if not Path(__file__).with_name("opened.log").exists():\n  with/; s/^    log/      log/' stock/warehouse/conn.py
        """),
        caught_by=checks.executed_once,
        says=r"2 times, as `conn` and `warehouse\.conn`",
    ),
    Mistake(
        "carried the list from one module to the other",
        task=4,
        commands="""
        sed -i 's/^for line/labels.conn.sold = sales.conn.sold\\nfor line/' stock/app.py
        """,
        caught_by=checks.executed_once,
        says=r"One file under two names is two modules",
    ),
    Mistake(
        "wrote the path by hand and changed no import",
        task=4,
        commands="sed -i 's/append(str(here/insert(0, str(here/' stock/app.py",
        caught_by=checks.executed_once,
        says=r"`conn` and `warehouse\.conn`",
    ),
    Mistake(
        "took the line with sys.path away, and not what needed it",
        task=4,
        commands="sed -i '/^sys/d' stock/app.py",
        caught_by=checks.executed_once,
        says=r"error before it has imported",
    ),
    Mistake(
        "gave each of the two a file of its own",
        task=4,
        commands="""
        cp stock/warehouse/conn.py stock/warehouse/conn2.py
        sed -i 's/^import conn$/import conn2 as conn/' stock/warehouse/labels.py
        """,
        caught_by=checks.count_is_right,
        says=r"not one list",
    ),
]
