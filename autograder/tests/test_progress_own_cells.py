"""Tests of `autograder.progress.own_cells`, on the course's own notebooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autograder.places import course_root
from autograder.progress.own_cells import merged, own_cells, pristine, read_cells, safe_to_trust

ROOT = course_root()
assert ROOT is not None
BUILT = [*sorted(ROOT.glob("exercises/*/[0-9]*.ipynb")), *sorted(ROOT.glob("notebooks/[0-9]*.ipynb"))]


def opened(path: Path) -> dict[str, Any]:
    """A notebook as the course built it; what somebody has done in this copy of the course is not looked at."""
    notebook: dict[str, Any] = json.loads(path.read_bytes())
    return notebook


def written(notebook: dict[str, Any]) -> bytes:
    """A notebook as Jupyter saves it."""
    return json.dumps(notebook).encode()


@pytest.mark.parametrize("path", BUILT, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_built_notebooks_hold_nothing_of_a_learner(path: Path) -> None:
    """Each cell that the course built says of itself that it is unchanged, and is safe to be trusted."""
    notebook = opened(path)

    assert all(pristine(cell) for cell in notebook["cells"])
    assert own_cells(path.read_bytes()) == []
    assert safe_to_trust(notebook)


def test_what_a_learner_wrote_is_found_and_put_back() -> None:
    """An answer, a changed cell and a new one travel into a fresh notebook, each to its place; what is locked doesn't."""
    fresh = opened(BUILT[0])
    mine = opened(BUILT[0])
    answer = next(cell for cell in mine["cells"] if cell["metadata"].get("nbgrader", {}).get("solution"))
    answer.update(source=["%%shell\n", "echo mine"], outputs=[{"output_type": "stream", "text": ["shown-once"]}])
    locked = next(cell for cell in mine["cells"] if cell["metadata"].get("nbgrader", {}).get("locked"))
    locked["source"] = "changed by force"
    new = {"cell_type": "markdown", "id": "abc", "metadata": {}, "source": "A note"}
    mine["cells"].insert(3, new)

    cells = own_cells(written(mine))
    assert {one["source"] for one in cells} == {"%%shell\necho mine", "A note"}
    assert read_cells(json.loads(json.dumps(cells))) == cells
    text = merged(written(fresh), cells)

    assert text is not None
    back = json.loads(text)
    assert [cell["id"] for cell in back["cells"]] == [cell["id"] for cell in mine["cells"]]
    assert "changed by force" not in text
    assert "shown-once" not in text
    assert own_cells(text.encode()) == cells
    assert merged(text.encode(), cells) is None, "it stands there already"


@pytest.mark.parametrize("spoilt", [b"", b"[]", b'{"cells": 3}', b"[" * 100_000, b'{"cells": [1, {"source": 3}]}'])
def test_what_is_no_notebook_holds_nothing(spoilt: bytes) -> None:
    """A file which can't be read as a notebook is passed over."""
    assert own_cells(spoilt) == []
    assert merged(spoilt, [{"id": "a", "kind": "code", "source": "x", "after": ""}]) in (None, merged(spoilt, []))


@pytest.mark.parametrize(
    "cell",
    [
        {"id": "a", "kind": "code", "source": "x"},
        {"id": "a/b", "kind": "code", "source": "x", "after": ""},
        {"id": "a", "kind": "html", "source": "x", "after": ""},
        {"id": "a", "kind": "code", "source": "x" * 200_000, "after": ""},
        {"id": "a", "kind": "code", "source": "\ud800", "after": ""},
        {"id": 1, "kind": "code", "source": "x", "after": ""},
        [],
    ],
    ids=["short", "path", "kind", "long", "surrogate", "number", "list"],
)
def test_cells_from_anyone_are_looked_at(cell: Any) -> None:
    """Only what `own_cells` could have given is taken from a file."""
    with pytest.raises(ValueError, match="cells"):
        read_cells([cell])


def test_html_of_a_stranger_is_not_trusted() -> None:
    """A notebook with markup or an output which the course didn't write isn't signed."""
    notebook = opened(BUILT[0])
    notebook["cells"].append({"cell_type": "markdown", "id": "a", "metadata": {}, "source": "<img src=x onerror=y>"})
    assert not safe_to_trust(notebook)
    notebook["cells"][-1]["source"] = "A plain note"
    assert safe_to_trust(notebook)
    notebook["cells"][2]["outputs"] = [{"output_type": "display_data"}]
    assert not safe_to_trust(notebook)
