"""Other right answers: other tools, another order, another way of editing."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Alternative

__all__ = ["ALTERNATIVES"]

_VIRTUALENV = """
python3 -m venv ~/tools
~/tools/bin/python -m pip install --quiet virtualenv
"""

ALTERNATIVES = [
    # ---- Task 1
    Alternative(
        "uv, which makes environments without pip anyway",
        1,
        """
        uv venv labels/.venv
        uv pip install --python labels/.venv leftpad==1.1
        """,
    ),
    Alternative(
        "virtualenv without pip, filled by uv in the activated environment",
        1,
        _VIRTUALENV
        + """
        ~/tools/bin/virtualenv --no-pip --no-setuptools labels/.venv 2>/dev/null || ~/tools/bin/virtualenv --no-pip labels/.venv
        . labels/.venv/bin/activate
        uv pip install 'leftpad<1.2,>=1.1'
        """,
    ),
    Alternative(
        "another environment's pip, called from within the folder",
        1,
        """
        python3 -m venv ~/tools
        cd labels
        python3 -m venv --without-pip .venv
        ~/tools/bin/pip --python .venv install --no-cache-dir leftpad==1.1
        """,
    ),
    Alternative(
        "an ordinary environment, from which everything but leftpad is taken away",
        1,
        """
        python3 -m venv labels/.venv
        labels/.venv/bin/pip install leftpad==1.1
        for name in setuptools pip; do
          pip --python labels/.venv/bin/python uninstall --yes "$name"
        done
        """,
    ),
    # ---- Task 2
    Alternative(
        "uv, the kiosk first, and run.sh written anew",
        2,
        cleandoc(r"""
            for pair in kiosk=2.3 till=1.5; do
              program=${pair%=*}
              uv venv "$program/.venv"
              uv pip install --python "$program/.venv/bin/python" "shoplib==${pair#*=}"
              cat > "$program/run.sh" <<END
            #!/bin/bash
            exec "\$(dirname "\$0")/.venv/bin/python" "\$(dirname "\$0")/$program.py"
            END
            done
        """),
    ),
    Alternative(
        "run.sh activates the environment",
        2,
        r"""
        for pair in till=1.5 kiosk=2.3; do
          program=${pair%=*}
          python3 -m venv "$program/.venv"
          (. "$program/.venv/bin/activate" && pip install "shoplib==${pair#*=}" && deactivate)
          sed -i "s|^exec .*|. .venv/bin/activate\nexec python $program.py|" "$program/run.sh"
        done
        rm -r shared
        """,
    ),
    Alternative(
        "virtualenv, with the versions in a requirements file",
        2,
        _VIRTUALENV
        + """
        echo shoplib==1.5 > till/requirements.txt
        echo shoplib==2.3 > kiosk/requirements.txt
        for program in till kiosk; do
          ~/tools/bin/virtualenv "$program/.venv"
          "$program/.venv/bin/pip" install -r "$program/requirements.txt"
          sed -i 's|\\.\\./shared|.venv|' "$program/run.sh"
        done
        """,
    ),
    # ---- Task 3
    Alternative(
        "each distribution installed once more, without its dependencies, and `activate` mended by sed",
        3,
        """
        stock/.venv/bin/python -m pip install --force-reinstall --no-deps pip leftpad==1.1 pricetag==1.0
        sed -i 's|/warehouse/|/stock/|g' stock/.venv/bin/activate*
        """,
    ),
    Alternative(
        "all names of the old folder replaced by sed",
        3,
        """
        grep -rlI --exclude-dir=site-packages warehouse stock/.venv | xargs sed -i 's|/warehouse/|/stock/|g'
        """,
    ),
    Alternative(
        "uv, with pip asked for",
        3,
        """
        uv pip freeze --python stock/.venv/bin/python > stock/requirements.txt
        rm -rf stock/.venv
        uv venv --seed stock/.venv
        uv pip install --python stock/.venv/bin/python -r stock/requirements.txt
        """,
    ),
    Alternative(
        "virtualenv, by hand",
        3,
        _VIRTUALENV
        + """
        ~/tools/bin/virtualenv --clear stock/.venv
        stock/.venv/bin/python -m pip install pricetag==1.0 leftpad==1.1
        """,
    ),
    # ---- Task 4
    Alternative(
        "the environment kept: one line of pyvenv.cfg edited, the missing library added by uv",
        4,
        """
        sed -i 's/^include-system-site-packages = true/include-system-site-packages = false/' report/.venv/pyvenv.cfg
        uv pip install --python report/.venv -r report/requirements.txt
        grep -v PYTHONPATH report/run.sh > run.new
        cat run.new > report/run.sh
        rm -r run.new report/legacy
        """,
    ),
    Alternative(
        "the variable left alone and refused by the Python that would read it, in an environment made by uv",
        4,
        """
        sed -i 's|^exec .*|exec .venv/bin/python -I report.py|' report/run.sh
        uv venv --clear report/.venv
        uv pip install --python report/.venv/bin/python --requirement report/requirements.txt
        """,
    ),
    Alternative(
        "virtualenv, and run.sh written anew",
        4,
        _VIRTUALENV
        + cleandoc("""
            ~/tools/bin/virtualenv --clear report/.venv
            report/.venv/bin/pip install shoplib==2.3 leftpad==1.1
            cat > report/run.sh <<'END'
            #!/bin/bash
            cd "$(dirname "$0")" && unset PYTHONPATH && .venv/bin/python report.py
            END
        """),
    ),
    # ---- Task 5
    Alternative(
        "the folder thrown away, the rest by uv, and several commits",
        5,
        """
        cd website
        uv pip freeze --python venv/bin/python > requirements.txt
        git add requirements.txt && git commit --quiet -m "Say what the website runs with"
        git rm -r --quiet venv && git commit --quiet -m "Take the environment out"
        echo '/*venv/' > .gitignore
        git add .gitignore && git commit --quiet -m "Keep environments out"
        uv venv .venv
        uv pip install --python .venv/bin/python -r requirements.txt
        """,
    ),
    Alternative(
        "requirements with hashes, one pattern for both names, one commit of all",
        5,
        cleandoc(r"""
            printf 'shopfront==1.0\nshoplib==2.3\n' | uv pip compile --quiet --generate-hashes --no-header - > website/requirements.txt
            cat > website/.gitignore <<'END'
            # environments
            *venv
            __pycache__/
            END
            git -C website rm -r --quiet --cached .
            git -C website add --all
            git -C website commit --quiet -m "Begin again without the environment"
        """),
    ),
]
