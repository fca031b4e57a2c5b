"""Other right answers: other words, another order, another way of editing."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Alternative

__all__ = ["ALTERNATIVES"]

_ANSWERS = """
python3 - <<'END'
import json
right = {"a": ("tools", "tools/settings.py"), "b": (".", "settings.py"), "c": ("tools", "tools/settings.py")}
with open("kiosk/answer.json", "w") as file:
    json.dump({name: dict(zip(("first", "origin"), pair)) for name, pair in right.items()}, file)
END
"""

ALTERNATIVES = [
    # ---- Task 1
    Alternative(
        "the guard around the last lines as they are, the other way round",
        1,
        r"""
        cd report
        sed -i '/^print("Writing/i if "__main__" == __name__:' report.py
        sed -i '/^if /,$ { /^if /! s/^/    / }' report.py
        """,
    ),
    Alternative(
        "the writing moved to a file of its own, which the guard imports",
        1,
        cleandoc(r"""
            cd report
            sed '1,/^    return/d; /^$/d' report.py | sed 's/^/    /' > body
            { printf 'from pathlib import Path\nfrom report import SALES, total\n\ndef write():\n'; cat body; } > writing.py
            sed -i '/^print("Writing/,$d' report.py
            printf 'if __name__ == "__main__":\n    import writing\n    writing.write()\n' >> report.py
            rm body
        """),
    ),
    Alternative(
        "a main function, called where the module's name is looked up by another way",
        1,
        r"""
        cd report
        sed -i 's/^print("Writing/def main():\nprint("Writing/' report.py
        sed -i '/^def main/,$ { /^def /! s/^/    / }' report.py
        printf '\n\nif globals()["__name__"] in ("__main__",):\n    main()\n' >> report.py
        """,
    ),
    # ---- Task 2
    Alternative(
        "safe path: the script's folder left out, the right one by PYTHONPATH",
        2,
        _ANSWERS + "sed -i 's|^python3 |PYTHONPATH=. python3 -P |' kiosk/run.sh",
    ),
    Alternative(
        "the same by variables, in a script written anew; absolute paths in the answer",
        2,
        cleandoc(r"""
            printf '#!/bin/bash\nexport PYTHONSAFEPATH=1 PYTHONPATH="$(dirname "$0")"\nexec python3 "$PYTHONPATH/tools/greet.py"\n' > kiosk/run.sh
            cd kiosk
            python3 - <<'END'
            import json, os
            here = os.getcwd()
            a = {"first": here + "/tools", "origin": here + "/tools/settings.py"}
            b = {"first": "", "origin": here + "/settings.py"}
            json.dump({"a": a, "b": b, "c": a}, open("answer.json", "w"))
            END
        """),
    ),
    Alternative(
        "-c, where the folder one stands in comes first",
        2,
        _ANSWERS.replace('"tools"', '"./tools/"')
        + """
        sed -i 's|^python3 .*|python3 -c "import tools.greet"|' kiosk/run.sh
        """,
    ),
    # ---- Task 3
    Alternative(
        "compiled by force, with the hash that is checked",
        3,
        "python3 -m compileall -q -f --invalidation-mode checked-hash till/prices.py",
    ),
    Alternative(
        "no bytecode any more, by a variable in run.sh",
        3,
        """
        rm -r till/__pycache__
        sed -i 's/^python3/PYTHONDONTWRITEBYTECODE=1 python3/' till/run.sh
        """,
    ),
    Alternative(
        "no bytecode any more, by an option; the old one deleted afterwards",
        3,
        """
        sed -i 's/python3/exec python3 -B/' till/run.sh
        bash till/run.sh
        find till -name '*.pyc' -delete
        """,
    ),
    Alternative(
        "compiled anew by run.sh itself, each time",
        3,
        """
        sed -i 's/^python3/python3 -m compileall -q -f --invalidation-mode checked-hash . \\&\\& python3/' till/run.sh
        bash till/run.sh
        """,
    ),
    # ---- Task 4
    Alternative(
        "short names everywhere: the folder is on the path anyway",
        4,
        """
        sed -i 's/^from warehouse //' stock/app.py stock/warehouse/sales.py
        """,
    ),
    Alternative(
        "relative imports within the folder",
        4,
        """
        cd stock
        sed -i 's/^\\(from warehouse \\)\\?import conn/from . import conn/' warehouse/*.py
        sed -i '/^import labels/d; s/import sales/import labels, sales/; /sys/d' app.py
        """,
    ),
    Alternative(
        "the file moved up, to where both find it under its short name",
        4,
        """
        cd stock
        mv warehouse/conn.py .
        sed -i 's/^from warehouse import conn/import conn/' warehouse/sales.py
        """,
    ),
]
