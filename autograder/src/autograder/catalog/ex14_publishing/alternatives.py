"""Other right answers: other tools, another order, another way of editing."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Alternative
from autograder.catalog.ex14_publishing.mistakes import GOOD_WORKFLOW

__all__ = ["ALTERNATIVES"]

ALTERNATIVES = [
    # ---- Task 1
    Alternative(
        "uv from the first step to the last",
        1,
        """
        cd stickers && uv version --frozen 1.0.0 && rm dist/* && uv build
        UV_PUBLISH_TOKEN=$(pypi-manage token) uv publish
        uv venv proof && uv pip install --python proof/bin/python price-stickers
        """,
    ),
    Alternative(
        "with a rehearsal, the sdist first, and a clean-up after the old build had gone along",
        1,
        """
        sed -i 's/0.9.0/1.0.0/' stickers/pyproject.toml
        pyproject-build stickers
        export TWINE_USERNAME=__token__
        export TWINE_PASSWORD=$(pypi-manage token --testpypi)
        twine upload -r testpypi stickers/dist/*1.0.0*
        export TWINE_PASSWORD=$(pypi-manage token)
        twine upload stickers/dist/*.tar.gz
        twine upload stickers/dist/*1.0.0*.whl
        pypi-manage delete price-stickers 0.9.0 --yes
        python3 -m venv stickers/proof
        pip --python stickers/proof install price-stickers
        """,
    ),
    Alternative(
        "by a workflow that PyPI trusts, without any token",
        1,
        """
        cd stickers && sed -i 's/0.9.0/1.0.0/' pyproject.toml && rm dist/* && pyproject-build
        pypi-manage publisher add price-stickers --pending --repository shop/stickers --workflow release.yml
        pypi-manage workflow --repository shop/stickers --workflow release.yml -- twine upload dist/*
        python3 -m venv proof && proof/bin/pip install price-stickers
        """,
    ),
    # ---- Task 2
    Alternative(
        "uv, which also takes the number one higher",
        2,
        """
        cd rounding
        sed -i 's|return .*|return round(cents / 5) * 5|' cash_rounding.py
        uv version --frozen --bump patch && uv build
        UV_PUBLISH_TOKEN=$(pypi-manage token --project cash-rounding) uv publish dist/*1.0.1*
        """,
    ),
    Alternative(
        "everything in dist once more, since the same bytes may come twice; and the old release yanked",
        2,
        """
        cp -r rounding/dist released
        sed -i 's|return .*|return 5 * ((2 * cents + 5) // 10)|' rounding/cash_rounding.py
        sed -i 's/1.0.0/1.0.1/' rounding/pyproject.toml
        pyproject-build rounding
        TWINE_USERNAME=__token__ TWINE_PASSWORD=$(pypi-manage token) twine upload rounding/dist/*
        pypi-manage yank cash-rounding 1.0.0 --reason "Rounds down only"
        """,
    ),
    # ---- Task 3
    Alternative(
        "at the second go, with a reason",
        3,
        """
        pypi-manage yank receipt-footer 1.0.2
        pypi-manage unyank receipt-footer 1.0.2
        pypi-manage yank receipt-footer 1.0.2 --reason "see you in 0 days"
        """,
    ),
    Alternative(
        "by the form that the command posts, and the oldest one withdrawn as well",
        3,
        """
        page=$WHEELHOUSE_LOOPBACK/pypi/manage/project/receipt-footer/release/1.0.2/
        python3 -c 'import sys, urllib.request as ask; ask.urlopen(sys.argv[1], data=b"action=yank&reason=Prints+0+days")' $page
        pypi-manage yank receipt-footer 1.0.0 --reason "Old and forgotten"
        """,
    ),
    # ---- Task 4
    Alternative(
        "what it needs first, by name, and then it alone",
        4,
        """
        sed -i '/pip install/c .venv/bin/python -m pip install label-sizes leftpad\\n.venv/bin/python -m pip install --no-deps -i "$WHEELHOUSE_TESTPYPI" sign-writer' signs/try.sh
        """,
    ),
    Alternative(
        "uv, with an index that is asked for one name only",
        4,
        cleandoc("""
        cat > signs/try.sh <<'END'
        set -e
        cd "$(dirname "$0")"
        rm -rf .venv pyproject.toml uv.lock
        cat > pyproject.toml <<TOML
        [project]
        name = "try-signs"
        version = "0"
        requires-python = ">=3.11"
        dependencies = ["sign-writer"]
        [tool.uv.sources]
        sign-writer = { index = "testing" }
        [[tool.uv.index]]
        name = "testing"
        url = "$WHEELHOUSE_TESTPYPI"
        explicit = true
        TOML
        uv sync
        END
        """),
    ),
    # ---- Task 5
    Alternative(
        "uv builds and publishes, in an environment with an address",
        5,
        GOOD_WORKFLOW
        + """
        sed -i -E 's|^( *)- uses: pypa.*|\\1- run: uv publish --trusted-publishing always|; s|^( *)environment: .*|\\1environment:\\n\\1  name: release\\n\\1  url: https://shop.example/|' menu/.github/workflows/publish.yml
        sed -i 's|python -m build|uv build|; s|needs: build|needs: [build]|' menu/.github/workflows/publish.yml
        """,
    ),
    Alternative(
        "with a job of tests in between, and the permission to read at the top",
        5,
        GOOD_WORKFLOW
        + cleandoc("""
        python3 - <<'END'
        import pathlib
        path = pathlib.Path("menu/.github/workflows/publish.yml")
        text = path.read_text().replace("permissions: {}", "permissions:\\n  contents: read")
        tests = "  try-it:\\n    needs: [build]\\n    runs-on: ubuntu-latest\\n    steps:\\n      - run: echo fine\\n"
        path.write_text(text.replace("  publish:\\n    needs: build", tests + "  publish:\\n    needs: [try-it]"))
        END
        """),
    ),
]
