"""Other right answers: other ways of writing, of starting, of editing."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Alternative

__all__ = ["ALTERNATIVES"]

ALTERNATIVES = [
    # ---- Task 1
    Alternative(
        "absolute imports and a tuple, at the top of the file",
        1,
        cleandoc("""
            python3 - <<'END'
            from pathlib import Path

            path = Path("labels/tags/__init__.py")
            doc, rest = path.read_text().split("\\n\\n", 1)
            new = "from tags.price import PriceTag\\nfrom tags.shelf import ShelfLabel\\n\\n__all__ = 'PriceTag', 'ShelfLabel'"
            path.write_text(f"{doc}\\n\\n{new}\\n{rest}")
            END
        """),
    ),
    Alternative(
        "each module says what it offers, and the package adds it up",
        1,
        cleandoc("""
            echo '__all__ = ["PriceTag"]' >> labels/tags/price.py
            echo '__all__ = ["ShelfLabel"]' >> labels/tags/shelf.py
            cat >> labels/tags/__init__.py <<'END'
            from . import price, shelf
            from .price import *
            from .shelf import *

            __all__ = price.__all__ + shelf.__all__
            END
        """),
    ),
    Alternative(
        "fetched when first asked for, and the helpers in a module of their own",
        1,
        cleandoc("""
            mv labels/tags/__init__.py labels/tags/_helpers.py
            cat > labels/tags/__init__.py <<'END'
            from importlib import import_module

            from ._helpers import PAPER, _cents

            __all__ = []
            __all__.append("PriceTag")
            __all__ += ["ShelfLabel"]
            _HOMES = {"PriceTag": ".price", "ShelfLabel": ".shelf"}


            def __getattr__(name):
                if name in _HOMES:
                    return getattr(import_module(_HOMES[name], __name__), name)
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
            END
        """),
    ),
    Alternative(
        "the list made from the classes themselves",
        1,
        cleandoc("""
            cat >> labels/tags/__init__.py <<'END'
            from .price import PriceTag
            from .shelf import ShelfLabel

            __all__ = [one.__name__ for one in (PriceTag, ShelfLabel)]
            END
        """),
    ),
    # ---- Task 2
    Alternative(
        "a __main__.py, so that the package itself can be started",
        2,
        """
        printf 'from .cli import main\\n\\nmain()\\n' > till/receipts/__main__.py
        sed -i 's|receipts/cli.py|-m receipts|' till/run.sh
        """,
    ),
    Alternative(
        "a starter beside the package",
        2,
        """
        printf 'from receipts.cli import main\\n\\nmain()\\n' > till/start.py
        sed -i 's|receipts/cli.py|start.py|' till/run.sh
        """,
    ),
    Alternative(
        "-m from anywhere, with the folder above the package on the path",
        2,
        cleandoc("""
            cat > till/run.sh <<'END'
            #!/bin/bash
            here=$(cd "$(dirname "$0")" && pwd)
            PYTHONPATH=$here python3 -m receipts.cli "$here/basket.txt" "$here/receipt.txt"
            END
        """),
    ),
    Alternative(
        "runpy, in one line of Python",
        2,
        """
        sed -i "s|receipts/cli.py|-c 'import runpy; runpy.run_module(\\"receipts.cli\\", run_name=\\"__main__\\", alter_sys=True)'|" till/run.sh
        """,
    ),
    # ---- Task 3
    Alternative(
        "the words kept, under a name without meaning for Python",
        3,
        "mv staff/office/crew/__init__.py staff/office/crew/README.py",
    ),
    Alternative(
        "made as a merge of two repositories would make it",
        3,
        """
        mkdir -p new/crew
        mv staff/office/crew/wages new/crew/
        rm -r staff/office/crew
        mv new/crew staff/office/
        rmdir new
        """,
    ),
    # ---- Task 4
    Alternative(
        "by find, whatever folders there are",
        4,
        "find stock/tests -type d -not -name '__*' -exec touch {}/__init__.py ';'",
    ),
    Alternative(
        "by Python, with a word in each, and pytest told where the code is",
        4,
        cleandoc("""
            python3 - <<'END'
            from pathlib import Path

            for folder in {test.parent for test in Path("stock/tests").rglob("test_*.py")}:
                (folder / "__init__.py").write_text(f'"Tests: {folder.name}."\\n')
            END
            printf '[pytest]\\npythonpath = .\\n' > stock/pytest.ini
        """),
    ),
    Alternative(
        "with pytest's newer way of importing beside it",
        4,
        """
        touch stock/tests/{,shelf/,storeroom/}__init__.py
        printf '[tool.pytest.ini_options]\\naddopts = ["--import-mode=importlib"]\\npythonpath = ["."]\\n' > stock/pyproject.toml
        """,
    ),
]
