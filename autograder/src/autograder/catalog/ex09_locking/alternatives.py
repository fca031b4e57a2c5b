"""Other right answers: other tools, another order, another way of editing."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Alternative

__all__ = ["ALTERNATIVES"]

ALTERNATIVES = [
    # ---- Task 1
    Alternative(
        "pip-tools, with a pip that knows how old things are",
        1,
        "cd website && pip-compile --quiet --generate-hashes --strip-extras requirements.in",
    ),
    Alternative(
        "uv, from the top of the workspace",
        1,
        "uv pip compile --quiet --generate-hashes website/requirements.in --output-file website/requirements.txt",
    ),
    Alternative(
        "without a compiler: download, and write down what came with its hash",
        1,
        cleandoc("""
            pip download --quiet --dest downloaded -r website/requirements.in
            pip hash downloaded/* | python3 -c "
            import re, sys
            found = re.findall(r'([^/]+?)-([^-]+)-py3.*:\\n(--hash\\S+)', sys.stdin.read())
            print('\\n'.join(f'{name}=={version} {digest}' for name, version, digest in found))
            " > website/requirements.txt
            rm -r downloaded
        """),
    ),
    Alternative(
        "frozen from a fresh environment, and the hashes fetched by compiling that",
        1,
        """
        python3 -m venv fresh && fresh/bin/python -m pip install --quiet -r website/requirements.in
        fresh/bin/python -m pip freeze > frozen.txt
        uv pip compile --quiet --generate-hashes --no-annotate --no-header frozen.txt --output-file website/requirements.txt
        """,
    ),
    # ---- Task 2
    Alternative(
        "uv, with its short option",
        2,
        "cd till && uv pip compile --quiet --generate-hashes -P shoplib requirements.in --output-file requirements.txt",
    ),
    Alternative(
        "by a wish which the old pin doesn't fulfil",
        2,
        """
        cd till && sed -i 's/^shoplib$/shoplib>=2/' requirements.in
        pip-compile --quiet --generate-hashes --strip-extras requirements.in
        """,
    ),
    Alternative(
        "by hand, the version and its hashes, to the first release 2",
        2,
        cleandoc("""
            cd till
            pip download --quiet --no-deps --dest new shoplib==2.0
            digest=$(sha256sum new/shoplib-2.0-*.whl | cut -d ' ' -f 1)
            python3 - "$digest" <<'END'
            import re, sys
            from pathlib import Path

            lock = Path("requirements.txt")
            lock.write_text(re.sub(r"shoplib==1.9[^#]*", f"shoplib==2.0 --hash=sha256:{sys.argv[1]}\\n    ", lock.read_text()))
            END
            rm -r new
        """),
    ),
    # ---- Task 3
    Alternative(
        "uv, which has a sync of its own", 3, "uv pip sync --quiet --python stock/.venv stock/requirements.txt"
    ),
    Alternative(
        "pip alone: taken out first, then installed",
        3,
        """
        pip --python stock/.venv uninstall --quiet --yes orm netcore
        pip --python stock/.venv install --quiet -r stock/requirements.txt
        """,
    ),
    Alternative(
        "the environment made anew from the lock",
        3,
        """
        python3 -m venv --without-pip --clear stock/.venv
        pip --python stock/.venv install --quiet --require-hashes -r stock/requirements.txt
        """,
    ),
    Alternative(
        "pip-tools installed into the environment itself",
        3,
        """
        stock/.venv/bin/python -m pip install --quiet pip-tools
        cd stock && .venv/bin/pip-sync --quiet
        """,
    ),
    # ---- Task 4
    Alternative(
        "pip's own hash command, the delivery's file thrown away, and the rest taken from it",
        4,
        cleandoc("""
            digest=$(pip hash accounts/wheels/price_rounding-1.0-py3-none-any.whl | grep -o 'sha256:.*')
            printf '{"sha256": "%s",\\n "file": "accounts/wheels/price_rounding-1.0-py3-none-any.whl"}\\n' "$digest" > accounts/verdict.json
            rm accounts/wheels/price_rounding-*
            python3 -m venv accounts/.venv
            accounts/.venv/bin/python -m pip install --quiet --find-links accounts/wheels -r accounts/requirements.txt
        """),
    ),
    Alternative(
        "uv, and a small program that compares",
        4,
        cleandoc("""
            python3 - <<'END'
            import hashlib, json
            from pathlib import Path

            lock = Path("accounts/requirements.txt").read_text()
            for file in Path("accounts/wheels").iterdir():
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                if digest not in lock:
                    Path("accounts/verdict.json").write_text(json.dumps({"file": file.name, "sha256": digest.upper()}))
            END
            uv venv --quiet accounts/.venv
            uv pip sync --quiet --python accounts/.venv --require-hashes accounts/requirements.txt
        """),
    ),
    # ---- Task 5
    Alternative(
        "uv, as an export of a project",
        5,
        cleandoc("""
            cd kiosk
            uv init --quiet --bare --name kiosk
            uv add --quiet -r requirements.in
            uv export --quiet --format pylock.toml --output-file pylock.toml
            uv pip sync --quiet --python .venv pylock.toml
        """),
    ),
    Alternative(
        "a new pip, which locks and installs; under a longer name",
        5,
        """
        cd kiosk && python3 -m venv .venv
        .venv/bin/python -m pip install --quiet --upgrade pip
        .venv/bin/python -m pip lock --quiet -r requirements.in --output pylock.kiosk.toml
        .venv/bin/python -m pip install --quiet -r pylock.kiosk.toml
        """,
    ),
    # ---- Task 6
    Alternative(
        "uv, in two steps, checked between",
        6,
        """
        cd labels
        uv lock --quiet && uv lock --check --offline
        uv sync --quiet --locked
        """,
    ),
    Alternative(
        "the wishes added once more, as if they were new",
        6,
        "cd labels && uv add --quiet opening-hours 'shoplib>=2'",
    ),
    Alternative(
        "locked by uv, installed by pip from what uv exports",
        6,
        """
        uv export --quiet --project labels --no-emit-project > labels/requirements.txt
        python3 -m venv --without-pip labels/.venv
        pip --python labels/.venv install --quiet -r labels/requirements.txt
        """,
    ),
]
