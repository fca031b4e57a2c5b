"""What people really do instead: each from the untouched start, with the check that must say so first."""

from __future__ import annotations

from autograder import Mistake
from autograder.catalog.ex06_virtual_environments import checks

__all__ = ["MISTAKES"]

# The other halves of a task, done right: so that a mistake stands alone.
_TILL = """
uv venv --quiet till/.venv
uv pip install --quiet --python till/.venv/bin/python shoplib==1.5
sed -i 's|\\.\\./shared|.venv|' till/run.sh
"""
_KIOSK = """
uv venv --quiet kiosk/.venv
uv pip install --quiet --python kiosk/.venv/bin/python shoplib==2.3
sed -i 's|\\.\\./shared|.venv|' kiosk/run.sh
"""
_REQUIREMENTS = """
printf 'shopfront==1.0\\nshoplib==2.3\\n' > website/requirements.txt
git -C website add requirements.txt
"""
_IGNORED = """
printf 'venv/\\n.venv/\\n' > website/.gitignore
git -C website add .gitignore
"""
_UNTRACKED = """
git -C website rm -r --quiet --cached venv
"""
_COMMIT = """
git -C website commit --quiet -m "Mend it"
"""

MISTAKES = [
    # ---- Task 1
    Mistake(
        "took the newest leftpad, since no version was asked for",
        task=1,
        commands="""
        python3 -m venv --without-pip labels/.venv
        pip --python labels/.venv/bin/python install leftpad
        """,
        caught_by=checks.leftpad_is_there,
        says=r"1\.2",
    ),
    Mistake(
        "activated an environment without pip, and used the system Python's pip without noticing",
        task=1,
        commands="""
        python3 -m venv --without-pip labels/.venv
        . labels/.venv/bin/activate
        pip install leftpad==1.1
        """,
        caught_by=checks.leftpad_is_there,
        says=r"`labels/\.venv`",
    ),
    Mistake(
        "copied the module in by hand",
        task=1,
        commands="""
        python3 -m venv --without-pip labels/.venv
        pip install --quiet --target /tmp/loose leftpad==1.1
        cp /tmp/loose/leftpad.py labels/.venv/lib/python3*/site-packages/
        """,
        caught_by=checks.leftpad_is_there,
        says=r"copied|by hand",
    ),
    Mistake(
        "installed 1.2 and wrote 1.1 over it",
        task=1,
        commands="""
        python3 -m venv --without-pip labels/.venv
        pip --python labels/.venv/bin/python install --quiet leftpad==1.2
        cd labels/.venv/lib/python3*/site-packages
        mv leftpad-1.2.dist-info leftpad-1.1.dist-info
        sed -i 's/^Version: 1.2$/Version: 1.1/' leftpad-1.1.dist-info/METADATA
        """,
        caught_by=checks.leftpad_is_there,
        says=r"METADATA|RECORD",
    ),
    Mistake(
        "keeps all environments in the home folder, and left a link",
        task=1,
        commands="""
        mkdir ~/environments
        python3 -m venv --without-pip ~/environments/labels
        pip --python ~/environments/labels/bin/python install --quiet leftpad==1.1
        ln -s ~/environments/labels labels/.venv
        """,
        caught_by=checks.leftpad_is_there,
        says=r"link",
    ),
    Mistake(
        "brought the environment along from a computer with another Python",
        task=1,
        commands="""
        python3 -m venv --without-pip labels/.venv
        pip --python labels/.venv/bin/python install --quiet leftpad==1.1
        cd labels/.venv
        mv lib/python3* lib/python3.9
        sed -i 's|^home = .*|home = /opt/python3.9/bin|; s|^version = .*|version = 3.9.18|' pyvenv.cfg
        """,
        caught_by=checks.leftpad_is_there,
        says=r"Python",
    ),
    Mistake(
        "took any folder for an environment",
        task=1,
        commands="pip install --quiet --target labels/.venv leftpad==1.1",
        caught_by=checks.leftpad_is_there,
        says=r"pyvenv\.cfg|no environment|not an environment",
    ),
    Mistake(
        "made an ordinary environment, pip and all",
        task=1,
        commands="""
        python3 -m venv labels/.venv
        labels/.venv/bin/pip install leftpad==1.1
        """,
        caught_by=checks.nothing_else,
        says=r"`pip`",
    ),
    Mistake(
        "let it look at the system Python's packages, to have a pip",
        task=1,
        commands="""
        python3 -m venv --without-pip --system-site-packages labels/.venv
        labels/.venv/bin/python -m pip install --ignore-installed leftpad==1.1
        """,
        caught_by=checks.sees_only_its_own,
        says=r"include-system-site-packages",
    ),
    # ---- Task 2
    Mistake(
        "put the till's version into the environment that both share",
        task=2,
        commands="uv pip install --python shared/bin/python shoplib==1.5",
        caught_by=checks.till_has_its_version,
        says=r"one environment holds one version",
    ),
    Mistake(
        "mixed the two versions up",
        task=2,
        commands=_KIOSK
        + """
        uv venv --quiet till/.venv
        uv pip install --quiet --python till/.venv/bin/python shoplib
        sed -i 's|../shared|.venv|' till/run.sh
        """,
        caught_by=checks.till_has_its_version,
        says=r"2\.3",
    ),
    Mistake(
        "copied the library from a colleague's computer",
        task=2,
        commands=_KIOSK
        + """
        uv venv --quiet till/.venv
        uv pip install --quiet --target /tmp/colleague shoplib==1.5
        cp -r /tmp/colleague/shoplib till/.venv/lib/python3*/site-packages/
        sed -i 's|../shared|.venv|' till/run.sh
        """,
        caught_by=checks.till_has_its_version,
        says=r"copied|by hand",
    ),
    Mistake(
        "copied the library over from the shared environment",
        task=2,
        commands=_TILL
        + """
        uv venv --quiet kiosk/.venv
        cp -r shared/lib/python3*/site-packages/shoplib kiosk/.venv/lib/python3*/site-packages/
        sed -i 's|../shared|.venv|' kiosk/run.sh
        """,
        caught_by=checks.kiosk_has_its_version,
        says=r"copied|by hand",
    ),
    Mistake(
        "made an environment with uv, and used plain pip in it",
        task=2,
        commands=_TILL
        + """
        uv venv kiosk/.venv
        . kiosk/.venv/bin/activate
        pip install shoplib==2.3
        sed -i 's|../shared|.venv|' kiosk/run.sh
        """,
        caught_by=checks.kiosk_has_its_version,
        says=r"`kiosk/\.venv`",
    ),
    Mistake(
        "made the environment and never used it",
        task=2,
        commands=_KIOSK + _TILL + "sed -i 's|^exec .venv|exec ../shared|' till/run.sh",
        caught_by=checks.till_runs,
        says=r"exit status 1",
    ),
    Mistake(
        "left the kiosk where it was, since it worked",
        task=2,
        commands=_KIOSK + _TILL + "sed -i 's|^exec .venv|exec ../shared|' kiosk/run.sh",
        caught_by=checks.kiosk_runs,
        says=r"`shared`",
    ),
    # ---- Task 3
    Mistake(
        "changed only what `activate` says",
        task=3,
        commands="sed -i 's|/warehouse/|/stock/|g' stock/.venv/bin/activate*",
        caught_by=checks.commands_start_here,
        says=r"warehouse/\.venv/bin",
    ),
    Mistake(
        "asked venv for an upgrade, which leaves the commands alone",
        task=3,
        commands="python3 -m venv --upgrade stock/.venv",
        caught_by=checks.commands_start_here,
        says=r"warehouse/\.venv/bin",
    ),
    Mistake(
        "left a link under the old name",
        task=3,
        commands="ln -s stock warehouse",
        caught_by=checks.commands_start_here,
        says=r"warehouse/\.venv/bin",
    ),
    Mistake(
        "gave the commands whatever Python comes first",
        task=3,
        commands="""
        sed -i '1s|^#!.*python.*|#!/usr/bin/env python3|' stock/.venv/bin/*
        sed -i 's|/warehouse/|/stock/|g' stock/.venv/bin/activate*
        """,
        caught_by=checks.commands_start_here,
        says=r"`env`",
    ),
    Mistake(
        "rebuilt it with whatever is newest",
        task=3,
        commands="""
        rm -r stock/.venv
        python3 -m venv stock/.venv
        stock/.venv/bin/pip install leftpad pricetag==1.0
        """,
        caught_by=checks.same_versions,
        says=r"1\.2",
    ),
    Mistake(
        "rebuilt it with uv, which leaves pip out",
        task=3,
        commands="""
        rm -r stock/.venv
        uv venv stock/.venv
        uv pip install --python stock/.venv/bin/python leftpad==1.1 pricetag==1.0
        """,
        caught_by=checks.pip_runs,
        says=r"pip",
    ),
    Mistake(
        "wrote a `pip` that does nothing, and does it well",
        task=3,
        commands="""
        sed -i 's|/warehouse/|/stock/|g' stock/.venv/bin/*
        printf '#!%s/stock/.venv/bin/python3\\nprint("pip 23.2.1")\\n' "$PWD" > stock/.venv/bin/pip
        """,
        caught_by=checks.pip_runs,
        says=r"something else",
    ),
    Mistake(
        "let `activate` end well before it does anything",
        task=3,
        commands="""
        sed -i 's|/warehouse/|/stock/|g' stock/.venv/bin/*
        sed -i '1i echo "$PWD/stock/.venv/bin/python"; exit 0' stock/.venv/bin/activate
        """,
        caught_by=checks.activating_works,
        says=r"nowhere",
    ),
    Mistake(
        "repaired the commands, and forgot `activate`",
        task=3,
        commands="stock/.venv/bin/python -m pip install --force-reinstall --no-deps pip leftpad==1.1 pricetag==1.0",
        caught_by=checks.activating_works,
        says=r"activate",
    ),
    # ---- Task 4
    Mistake(
        "found the one leak and not the other",
        task=4,
        commands="""
        uv pip install --python report/.venv/bin/python leftpad==1.1
        sed -i 's/= true/= false/' report/.venv/pyvenv.cfg
        """,
        caught_by=checks.comes_from_inside,
        says=r"`shoplib` comes from `report/legacy/shoplib\.py`",
    ),
    Mistake(
        "upgraded the copy that leaks",
        task=4,
        commands="""
        rm report/legacy/shoplib.py
        pip install --quiet --target report/legacy shoplib==2.3
        uv pip install --python report/.venv/bin/python leftpad==1.1
        sed -i 's/= true/= false/' report/.venv/pyvenv.cfg
        """,
        caught_by=checks.comes_from_inside,
        says=r"`shoplib` comes from `report/legacy/",
    ),
    Mistake(
        "closed both leaks, and left the environment without what had come through them",
        task=4,
        commands="""
        sed -i '/PYTHONPATH/d' report/run.sh
        sed -i 's/= true/= false/' report/.venv/pyvenv.cfg
        """,
        caught_by=checks.report_has_what_it_names,
        says=r"`leftpad` is not installed",
    ),
    Mistake(
        "made the report right, and left the door open",
        task=4,
        commands="""
        sed -i '/PYTHONPATH/d' report/run.sh
        uv pip install --python report/.venv/bin/python -r report/requirements.txt
        """,
        caught_by=checks.report_sees_only_its_own,
        says=r"include-system-site-packages",
    ),
    Mistake(
        "installed what was missing, in another version than the file names",
        task=4,
        commands="""
        sed -i '/PYTHONPATH/d' report/run.sh
        sed -i 's/= true/= false/' report/.venv/pyvenv.cfg
        uv pip install --python report/.venv/bin/python leftpad
        """,
        caught_by=checks.report_has_what_it_names,
        says=r"1\.2",
    ),
    # ---- Task 5
    Mistake(
        "believed that ignoring untracks",
        task=5,
        commands=_REQUIREMENTS + _IGNORED + _COMMIT,
        caught_by=checks.nothing_tracked,
        says=r"still tracks \d+ files below `venv`",
    ),
    Mistake(
        "deleted the folder, and didn't tell git",
        task=5,
        commands=_REQUIREMENTS + _IGNORED + "rm -r website/venv" + _COMMIT,
        caught_by=checks.nothing_tracked,
        says=r"still tracks \d+ files below `venv`",
    ),
    Mistake(
        "thought of one name only",
        task=5,
        commands=_REQUIREMENTS
        + _UNTRACKED
        + "echo venv/ > website/.gitignore; git -C website add .gitignore"
        + _COMMIT,
        caught_by=checks.both_names_ignored,
        says=r"`\.venv`",
    ),
    Mistake(
        "ignored it for this one clone",
        task=5,
        commands=_REQUIREMENTS
        + _UNTRACKED
        + "mkdir -p website/.git/info; printf 'venv/\\n.venv/\\n' > website/.git/info/exclude"
        + _COMMIT,
        caught_by=checks.both_names_ignored,
        says=r"no file `website/\.gitignore`",
    ),
    Mistake(
        "wrote the ignore file outside the repository",
        task=5,
        commands=_REQUIREMENTS + _UNTRACKED + "printf 'venv/\\n.venv/\\n' > .gitignore" + _COMMIT,
        caught_by=checks.both_names_ignored,
        says=r"no file `website/\.gitignore`",
    ),
    Mistake(
        "kept the ignore file to themselves",
        task=5,
        commands=_REQUIREMENTS + _UNTRACKED + "printf 'venv/\\n.venv/\\n.gitignore\\n' > website/.gitignore" + _COMMIT,
        caught_by=checks.both_names_ignored,
        says=r"doesn't track",
    ),
    Mistake(
        "left nothing in its place",
        task=5,
        commands=_IGNORED + _UNTRACKED + _COMMIT,
        caught_by=checks.versions_written_down,
        says=r"requirements\.txt",
    ),
    Mistake(
        "froze the system Python, whose pip was the one at hand",
        task=5,
        commands=_IGNORED
        + _UNTRACKED
        + """
        . website/venv/bin/activate
        pip freeze > website/requirements.txt
        git -C website add requirements.txt
        """
        + _COMMIT,
        caught_by=checks.versions_written_down,
        says=r"shopfront",
    ),
    Mistake(
        "wrote the versions down where nobody else sees them",
        task=5,
        commands=_IGNORED
        + _UNTRACKED
        + "printf 'shopfront==1.0\\nshoplib==2.3\\n' > website/requirements.txt"
        + _COMMIT,
        caught_by=checks.versions_written_down,
        says=r"doesn't track",
    ),
    Mistake(
        "staged everything and never committed it",
        task=5,
        commands=_IGNORED + _UNTRACKED + _REQUIREMENTS,
        caught_by=checks.committed,
        says=r"no commit",
    ),
    Mistake(
        "let run.sh print what the till would print, and never started the till",
        task=2,
        commands="""
python3 -m venv till/.venv
till/.venv/bin/python -m pip install -q shoplib==1.5
python3 -m venv kiosk/.venv
kiosk/.venv/bin/python -m pip install -q shoplib==2.3
sed -i 's|../shared/bin/python|.venv/bin/python|' kiosk/run.sh
echo 'echo "shoplib 1.5 in $PWD/till/.venv"' > till/run.sh
""",
        caught_by=checks.till_runs,
        says=r"doesn't run `till/till\.py`",
    ),
]
