"""Tests of `autograder.import_graph`: who imports whom, when, and which circles that makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.exceptions import Failed
from autograder.import_graph import ImportGraph, circles
from autograder.tree import FolderTree

Write = Callable[..., ImportGraph]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into a folder of a workspace, and read its graph."""

    def give(files: dict[str, str], *, lenient: bool = False) -> ImportGraph:
        for name, text in files.items():
            path = tmp_path / "shop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return ImportGraph(FolderTree(tmp_path), "shop", lenient=lenient)

    return give


def _arrows(graph: ImportGraph) -> set[tuple[str, str, str]]:
    return {(edge.importer, edge.imported, edge.when) for edge in graph.edges}


def test_only_the_folders_own_modules_are_drawn(write: Write) -> None:
    """What comes from the standard library or from nowhere is left out, and so is what an environment holds."""
    graph = write(
        {
            "till.py": "import json, basket\nimport no_such_thing",
            "basket.py": "",
            ".hidden/x.py": "",
            "not-a-name.py": "import till",
            "venv/pyvenv.cfg": "",
            "venv/lib/y.py": "",
            "__pycache__/z.py": "",
        }
    )

    assert graph.modules == ("basket", "till")
    assert _arrows(graph) == {("till", "basket", "import")}


def test_each_arrow_says_when_it_is_walked(write: Write) -> None:
    """On import, on a call, when run as a program, or never."""
    graph = write(
        {
            "a.py": (
                "from typing import TYPE_CHECKING\nimport b\nif TYPE_CHECKING:\n    import c\n"
                "def f():\n    import d\nif __name__ == '__main__':\n    import e\ntry:\n    from f import g\nexcept ImportError:\n    pass\n"
            ),
            **{f"{name}.py": "" for name in "bcdef"},
        }
    )

    assert _arrows(graph) == {
        ("a", "b", "import"),
        ("a", "c", "never"),
        ("a", "d", "call"),
        ("a", "e", "run"),
        ("a", "f", "import"),
    }
    assert [edge.statement.line for edge in graph.edges] == [2, 4, 6, 8, 10]


def test_packages_and_relative_imports_find_the_file_they_mean(write: Write) -> None:
    """`from . import b` means the module `b` where there is one, and else the package itself."""
    graph = write(
        {
            "pkg/__init__.py": "from .a import x",
            "pkg/a.py": "from . import b, version\nfrom .sub.c import y\nimport pkg.b as other",
            "pkg/b.py": "import pkg.sub.nothing",
            "pkg/sub/c.py": "from ..b import z\nfrom ... import too_far",
        }
    )

    assert _arrows(graph) == {
        ("pkg", "pkg.a", "import"),
        ("pkg.a", "pkg.b", "import"),
        ("pkg.a", "pkg", "import"),
        ("pkg.a", "pkg.sub.c", "import"),
        ("pkg.b", "pkg", "import"),
        ("pkg.sub.c", "pkg.b", "import"),
    }


def test_a_circle_counts_only_what_is_walked_on_import(write: Write) -> None:
    """An import in a function, or for type checkers, makes no circle unless one asks for it."""
    graph = write({"a.py": "import b", "b.py": "def f():\n    import a\n"})

    assert graph.circles() == []
    assert graph.circles(lambda edge: edge.when in ("import", "call")) == [("a", "b")]


def test_circles_are_short_and_told_once() -> None:
    """Every arrow that goes round is in a circle that is told, and none is told twice; what only leads there is in none."""
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "a"), ("z", "a"), ("c", "y"), ("s", "s"), ("p", "q"), ("q", "p")]

    assert circles("abcpqsyz", edges) == [("s",), ("a", "b"), ("p", "q"), ("a", "b", "c")]


def test_what_cannot_be_read_is_told(write: Write) -> None:
    """A file that is no Python fails a check, and is named where somebody only looks."""
    files = {"a.py": "import b", "b.py": "def"}
    with pytest.raises(Failed, match=r"can't read `shop/b\.py`"):
        write(files)

    graph = write(files, lenient=True)

    assert graph.modules == ("a", "b")
    assert "shop/b.py" in graph.unread["b"]
    assert _arrows(graph) == {("a", "b", "import")}


def test_there_is_an_end_to_what_is_read(write: Write) -> None:
    """A folder with hundreds of files is read in part."""
    graph = write({f"m{number:03}.py": "" for number in range(200)})

    assert len(graph.modules) == 60
