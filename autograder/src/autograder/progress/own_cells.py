"""What a learner wrote into the course's notebooks: told apart from the course's own cells, and put back among them.

Each cell that the course built says what it held: by its id, which is a hash of it, or by nbgrader's checksum.
So no copy of the built notebooks is needed, only what is the learner's travels, and the course's own text is never replaced.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["LARGEST_NOTEBOOK", "merged", "own_cells", "pristine", "read_cells", "safe_to_trust"]

LARGEST_NOTEBOOK = 5_000_000
"""In bytes; a larger one is passed over."""
_MOST_CELLS = 300
_LONGEST = 100_000
_KINDS = ("code", "markdown", "raw")
_ID = r"[A-Za-z0-9_-]{1,64}"


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _marks(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) else {}


def pristine(cell: Mapping[str, Any]) -> bool:
    """Say whether a cell is as the course built it."""
    marks, source, kind = _marks(cell), _source(cell), str(cell.get("cell_type"))
    if "checksum" in marks:
        points = str(float(marks.get("points") or 0)) if marks.get("grade") else ""
        flags = "".join(str(bool(marks.get(name))) for name in ("grade", "solution", "locked"))
        told = f"{source}{kind}{flags}{marks.get('grade_id')}{points}"
        return hashlib.md5(told.encode("utf-8", "replace")).hexdigest() == str(marks["checksum"])  # noqa: S324  nbgrader's
    content = hashlib.sha256(f"{kind}\n{source}".encode("utf-8", "replace")).hexdigest()[:12]
    return re.fullmatch(rf"{content}(-[0-9]+)?", str(cell.get("id"))) is not None


def _cells(notebook: bytes) -> list[dict[str, Any]]:
    try:
        cells = json.loads(notebook)["cells"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    return [one for one in cells if isinstance(one, dict)] if isinstance(cells, list) else []


def own_cells(notebook: bytes) -> list[dict[str, str]]:
    """Give the cells of a notebook that are the learner's: id, kind, source, and after which cell they stand.

    Empty cells, outputs and what is locked are left out.
    """
    found: list[dict[str, str]] = []
    after = ""
    for cell in _cells(notebook)[:5000]:
        name, source = str(cell.get("id", "")), _source(cell)
        own = not pristine(cell) and not _marks(cell).get("locked")
        if own and source.strip() and len(source) <= _LONGEST and len(found) < _MOST_CELLS:
            found.append({"id": name, "kind": str(cell.get("cell_type")), "source": source, "after": after})
        after = name
    return [one for one in found if _is_one(one)]


def _is_one(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and set(one) == {"id", "kind", "source", "after"}
        and all(isinstance(value, str) for value in one.values())
        and re.fullmatch(_ID, one["id"]) is not None
        and re.fullmatch(f"{_ID}|", one["after"]) is not None
        and one["kind"] in _KINDS
        and len(one["source"]) <= _LONGEST
        and not re.search("[\ud800-\udfff]", one["source"])
    )


def read_cells(told: Any) -> list[dict[str, str]]:
    """Take what `own_cells` gave, from a file that anybody may have written; raises ValueError."""
    if not isinstance(told, list) or len(told) > _MOST_CELLS or not all(_is_one(one) for one in told):
        raise ValueError("its notebooks' cells aren't as they should be")
    return told


def merged(notebook: bytes, cells: Sequence[Mapping[str, str]]) -> str | None:
    """Put a learner's cells into a notebook; None if they stand there already, or it can't be read."""
    try:
        whole = json.loads(notebook)
        there: list[dict[str, Any]] = whole["cells"]
        before = copy.deepcopy(there)
        for one in cells:
            at = next((number for number, cell in enumerate(there) if cell.get("id") == one["id"]), None)
            if at is None:
                where = next((n for n, cell in enumerate(there) if cell.get("id") == one["after"]), len(there) - 1)
                there.insert(where + 1 if one["after"] else 0, _new(one))
            elif not _marks(there[at]).get("locked") and _source(there[at]) != one["source"]:
                there[at]["source"] = one["source"].splitlines(keepends=True)
                if there[at].get("cell_type") == "code":
                    there[at].update(outputs=[], execution_count=None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if there == before:
        return None
    return json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _new(one: Mapping[str, str]) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": one["kind"], "id": one["id"], "metadata": {}}
    cell["source"] = one["source"].splitlines(keepends=True)
    return {**cell, "execution_count": None, "outputs": []} if one["kind"] == "code" else cell


def safe_to_trust(notebook: Mapping[str, Any]) -> bool:
    """Say whether nothing in a notebook would run by being looked at: no outputs, and HTML only where the course wrote it."""
    return not any(
        cell.get("outputs") or (cell.get("cell_type") != "code" and "<" in _source(cell) and not pristine(cell))
        for cell in notebook.get("cells", ())
    )
