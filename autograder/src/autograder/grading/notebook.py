"""The notebook that instructors and learners see of a graded submission: rebuilt from what was released, with the reports in it.

What nbgrader knows of a cell comes from the gradebook's master cells; of what was handed in only the text of cells that were a learner's to
change is kept, as text. Plain data, no Jupyter: both `nbgrader autograde` and `course grade` write these very bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

from autograder.exercise import Exercise
from autograder.report import notice_bundle
from autograder.submission import Graded

__all__ = ["Mark", "Master", "as_notebook", "graded_notebook", "mark_of", "read_cells", "rebuild", "to_text"]

MOST_CELLS = 1_000
LONGEST_CELL = 100_000
"""In characters; more is cut."""

Cell = dict[str, Any]
Notebook = dict[str, Any]

_MARK = "wheelhouse"
_WORDS = {None: "null", True: "true", False: "false"}


@dataclass(frozen=True)
class Master:
    """One exercise's notebook as it was released, from the gradebook."""

    cells: Mapping[str, Cell]
    """By nbgrader's name, in order: each with `cell_type`, `source` and nbgrader's metadata."""
    kernelspec: Mapping[str, Any]

    @property
    def points(self) -> dict[str, float]:
        """What each graded cell may give, by its name."""
        marks = {name: cell["metadata"]["nbgrader"] for name, cell in self.cells.items()}
        return {name: float(mark["points"]) for name, mark in marks.items() if mark["grade"] or mark["task"]}


@dataclass(frozen=True)
class Mark:
    """What a graded notebook says of its own making."""

    told: str
    """Of the result it shows, see `jobs.Result.told`; empty if the gate refused it."""
    snapshot: str
    """The SHA-256 of the snapshot, in hexadecimal; empty if there was none."""


def _text(value: Any) -> str:
    """Give a cell's source, as one of the two kinds that the format allows, cut and fit to be written as UTF-8."""
    joined = "".join(part for part in value if isinstance(part, str)) if isinstance(value, list) else value
    if not isinstance(joined, str):
        return ""
    if len(joined) > LONGEST_CELL:
        joined = joined[:LONGEST_CELL] + "\n[the rest was cut]"
    return joined.encode("utf-8", "replace").decode()


def read_cells(data: bytes | None) -> list[Cell]:
    """Read a submitted notebook's cells; whatever is no cell is left out, and bytes that are no notebook have none."""
    try:
        notebook = json.loads(data or b"")
    except (ValueError, RecursionError):
        return []
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    good = []
    for cell in cells[:MOST_CELLS] if isinstance(cells, list) else []:
        if isinstance(cell, dict) and cell.get("cell_type") in ("code", "markdown", "raw"):
            metadata = cell.get("metadata")
            mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
            good.append(
                {
                    "cell_type": cell["cell_type"],
                    "source": _text(cell.get("source")),
                    "metadata": {"nbgrader": mark} if isinstance(mark, dict) else {},
                }
            )
    return good


def _literal(text: str) -> str:
    """Show what a learner wrote as they wrote it: as Markdown it could bring scripts and pictures into the instructor's browser."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _with_text(cell: Cell, text: str) -> Cell:
    """Give a cell with what the learner wrote into it, unless it was not theirs to change."""
    if cell["metadata"].get("nbgrader", {}).get("locked"):
        return cell
    return {**cell, "source": text if cell["cell_type"] == "code" else _literal(text)}


def _name(cell: Cell) -> str | None:
    name = cell["metadata"].get("nbgrader", {}).get("grade_id")
    return name if isinstance(name, str) else None


def rebuild(cells: list[Cell], master: Master) -> Notebook:
    """Put a notebook together again: deleted cells come back in their places, and nothing that was claimed of a cell is believed.

    `cells` are such as `read_cells` gives.
    """
    whole: list[Cell] = []
    seen: set[str] = set()
    for cell in reversed(cells):  # of several with one name nbgrader takes the last
        name = _name(cell)
        if name is not None and name in master.cells and name not in seen:
            seen.add(name)
            whole.append(_with_text(master.cells[name], cell["source"]))
        else:
            kind = "code" if cell["cell_type"] == "code" else "markdown"
            whole.append(_with_text({"cell_type": kind, "source": "", "metadata": {}}, cell["source"]))
    whole.reverse()
    before = None
    for name, one in master.cells.items():
        if name not in seen:
            names = [_name(cell) for cell in whole]
            whole.insert(names.index(before) + 1 if before else 0, one)
        before = name
    return as_notebook(whole, {"kernelspec": dict(master.kernelspec)} if master.kernelspec else {})


def as_notebook(cells: list[Cell], metadata: Mapping[str, Any] | None = None) -> Notebook:
    """Make a valid notebook of cells without outputs; its ids are positions."""
    whole = [
        {**cell, "id": f"cell-{number}"}
        | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})
        for number, cell in enumerate(cells)
    ]
    return {"cells": whole, "metadata": dict(metadata or {}), "nbformat": 4, "nbformat_minor": 5}


def graded_notebook(
    exercise: Exercise, submitted: bytes | None, master: Master, graded: Mapping[int, Graded], mark: Mark
) -> tuple[Notebook, dict[str, float | None]]:
    """Give a submission's notebook with each task's report under its cell, and the points by graded cell, None where a human must look.

    `submitted` is the notebook that was handed in, None if there is none.
    """
    notebook = rebuild(read_cells(submitted), master)
    notebook["metadata"][_MARK] = {"told": mark.told, "snapshot": mark.snapshot}
    tasks = {f"task-{number}": one for number, one in graded.items()}
    points = master.points
    scores: dict[str, float | None] = {}
    for cell in notebook["cells"]:
        name = _name(cell)
        if name is None or name not in points:
            continue
        one = tasks.get(name)
        if one is None and cell["metadata"]["nbgrader"]["solution"]:
            scores[name] = None  # an instructor's own question, for a human: its answer stands in it
            continue
        if one is None or one.points != points[name]:
            one = _changed(exercise, points[name])
        scores[name] = one.score
        if cell["cell_type"] != "code":
            continue
        cell["execution_count"] = 1
        cell["outputs"] = [{"output_type": "display_data", "data": one.bundle, "metadata": {}}]
        if one.score is not None:  # how nbgrader, too, reads partial credit
            result = {"output_type": "execute_result", "data": {"text/plain": repr(one.score)}}
            cell["outputs"].append({**result, "execution_count": 1, "metadata": {}})
    return notebook, scores


def _changed(exercise: Exercise, points: float) -> Graded:
    """Leave a task to a human where the gradebook and the catalogue speak of different exercises."""
    notice = "The exercise has changed since it was released, so a human will look at this task."
    return Graded(None, points, notice_bundle(exercise.title, notice), ours=True)


def mark_of(data: bytes) -> Mark | None:
    """Read what a graded notebook says of its own making; None if it is none of ours."""
    try:
        mark = json.loads(data)["metadata"][_MARK]
        return Mark(str(mark["told"]), str(mark["snapshot"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def to_text(notebook: Notebook) -> str:
    """Write a notebook as nbformat does (its version 5.11): keys sorted, one space, texts split into lines, a newline at the end."""
    cells = []
    for cell in notebook["cells"]:
        outputs = [
            {**one, "data": {kind: text.splitlines(keepends=True) for kind, text in one["data"].items()}}
            for one in cell.get("outputs", [])
        ]
        cells.append(
            {**cell, "source": cell["source"].splitlines(keepends=True)}
            | ({"outputs": outputs} if "outputs" in cell else {})
        )
    return _dump({**notebook, "cells": cells}, "\n") + "\n"


def _dump(value: Any, line: str) -> str:
    """Write JSON with an indent of 1 and sorted keys; `json.dumps` does the same, but four times slower where it indents."""
    if isinstance(value, str):
        return encode_basestring(value)
    inner = line + " "
    if isinstance(value, dict) and value:
        parts = [f"{encode_basestring(key)}: {_dump(value[key], inner)}" for key in sorted(value)]
        return f"{{{inner}{f',{inner}'.join(parts)}{line}}}"
    if isinstance(value, list | tuple) and value:
        return f"[{inner}{f',{inner}'.join([_dump(one, inner) for one in value])}{line}]"
    return _WORDS[value] if value is None or isinstance(value, bool) else json.dumps(value)


def fingerprint(data: bytes) -> str:
    """Hash bytes: 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
