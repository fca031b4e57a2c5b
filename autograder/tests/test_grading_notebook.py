"""Tests of `autograder.grading.notebook`: the notebook of a graded submission, rebuilt as data."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

from autograder.exercise import find_exercise
from autograder.grading.notebook import Mark, Master, graded_notebook, mark_of, read_cells, rebuild, to_text
from autograder.submission import Graded

EXERCISE = find_exercise("01")


def master() -> Master:
    """A small released notebook: a title, an answer, and two graded cells."""

    def cell(name: str, kind: str, source: str, **mark: Any) -> dict[str, Any]:
        usual = {"grade": False, "solution": False, "task": False, "locked": True, "schema_version": 3}
        return {
            "cell_type": kind,
            "source": source,
            "metadata": {"nbgrader": usual | {"grade_id": name, "cell_type": kind, "checksum": "0"} | mark},
        }

    cells = [
        cell("title", "markdown", "# Title"),
        cell("answer-1", "code", "%%shell\n", solution=True, locked=False),
        cell("task-1", "code", "grade(1)", grade=True, points=4.0),
        cell("task-2", "code", "grade(2)", grade=True, points=9.0),
    ]
    return Master(
        {one["metadata"]["nbgrader"]["grade_id"]: one for one in cells}, {"name": "python3", "display_name": "Python 3"}
    )


def graded() -> dict[int, Graded]:
    """A task with points, and one that no longer has those that the gradebook knows."""
    bundle = {"text/plain": "Ünï\n\u2028x", "text/html": "<p>\x0bx</p>"}
    return {1: Graded(3.0, 4.0, bundle), 2: Graded(2.0, 3.0, bundle)}


def submitted(*cells: dict[str, Any]) -> bytes:
    """A notebook as it might be handed in."""
    return json.dumps({"cells": [{"cell_type": "code", "metadata": {}, **cell} for cell in cells]}).encode()


def named(name: str, **more: Any) -> dict[str, Any]:
    """A cell that claims a name."""
    return {"metadata": {"nbgrader": {"grade_id": name, "points": 100}}, **more}


def test_bytes_are_those_that_nbformat_writes() -> None:
    """Whoever writes the notebook, nbgrader or we, its bytes are the same: strange line ends, empty cells and letters included."""
    data = submitted(
        {"source": "a\r\nb\x0cc\u2029d\x1ce"}, {"source": ""}, {"source": ["x\n", "é"], "cell_type": "raw"}
    )
    notebook, _ = graded_notebook(EXERCISE, data, master(), graded(), Mark("t", "s"))
    read = nbformat.reads(to_text(notebook), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(read)
    assert to_text(notebook) == nbformat.writes(read) + "\n"  # type: ignore[no-untyped-call]


def test_points_and_reports_come_from_the_verdict() -> None:
    """A graded cell has its report and its points; where the gradebook knows other points than the exercise a human must look."""
    forged = named("task-1", outputs=[{"output_type": "execute_result", "data": {"text/plain": "4"}}], source="4")
    notebook, scores = graded_notebook(EXERCISE, submitted(forged), master(), graded(), Mark("t", "s"))
    assert scores == {"task-1": 3.0, "task-2": None}
    cell = notebook["cells"][2]
    assert cell["source"] == "grade(1)"
    assert [one["data"]["text/plain"] for one in cell["outputs"]] == ["Ünï\n\u2028x", "3.0"]
    assert len(notebook["cells"][3]["outputs"]) == 1
    assert "has changed" in notebook["cells"][3]["outputs"][0]["data"]["text/plain"]


def test_an_instructors_own_question_is_left_to_them() -> None:
    """Its answer is shown as it was given, without points and without a word of ours."""
    question = {"grade": True, "solution": True, "task": False, "locked": False, "schema_version": 3, "points": 2.0}
    metadata = {"nbgrader": question | {"grade_id": "why", "cell_type": "code", "checksum": "0"}}
    why = {"cell_type": "code", "source": "", "metadata": metadata}
    released = Master({**master().cells, "why": why}, master().kernelspec)
    notebook, scores = graded_notebook(
        EXERCISE, submitted(named("why", source="because")), released, graded(), Mark("", "")
    )
    (answer,) = [one for one in notebook["cells"] if one["source"] == "because"]
    assert scores["why"] is None
    assert answer["outputs"] == []


def test_a_notebook_says_which_result_it_shows() -> None:
    """Its mark is read again; bytes of another's making have none."""
    notebook, _ = graded_notebook(EXERCISE, None, master(), graded(), Mark("t", "s"))
    assert mark_of(to_text(notebook).encode()) == Mark("t", "s")
    for data in (b"", b"{}", b"[]", b'{"metadata": {"wheelhouse": 3}}', b"[" * 100_000):
        assert mark_of(data) is None


def test_deleted_and_doubled_cells() -> None:
    """Released cells come back in their places; of several with one name the last counts, the others stay as text."""
    data = submitted(
        named("task-2"), named("answer-1", source="first"), named("answer-1", source="last"), {"source": "own"}
    )
    names = [
        cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in rebuild(read_cells(data), master())["cells"]
    ]
    assert sorted(filter(None, names)) == ["answer-1", "task-1", "task-2", "title"]
    sources = [cell["source"] for cell in rebuild(read_cells(data), master())["cells"]]
    assert sources.count("first") == sources.count("last") == sources.count("own") == 1
    assert rebuild([], master())["cells"] == [
        {**cell, "id": f"cell-{number}"} | ({"outputs": [], "execution_count": None} if number else {})
        for number, cell in enumerate(master().cells.values())
    ]


def test_what_a_learner_wrote_is_shown_as_text() -> None:
    """Markdown of theirs can bring neither a picture nor a script into the instructor's browser, however it is fenced."""
    evil = "````\n<script>alert(1)</script>"
    (cell,) = (
        one
        for one in rebuild(read_cells(submitted({"cell_type": "markdown", "source": evil})), master())["cells"]
        if "script" in one["source"]
    )
    assert cell["source"] == f"`````\n{evil}\n`````"


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"\xff",
        b"[" * 100_000,
        b"3",
        b'{"cells": 3}',
        b'{"cells": [null, 3, {"cell_type": "spam"}]}',
        b"{" * 10,
    ],
    ids=["none", "empty", "no-text", "deep", "number", "no-list", "no-cells", "cut"],
)
def test_what_is_no_notebook_has_no_cells(data: bytes | None) -> None:
    """Whatever was handed in as a notebook, it can be read."""
    assert read_cells(data) == []


def test_bounds() -> None:
    """Neither many cells nor long ones come through whole."""
    data = submitted(*({"source": "x"} for _ in range(1_100)))
    assert len(read_cells(data)) == 1_000
    (cell,) = read_cells(submitted({"source": "y" * 200_000}))
    assert len(cell["source"]) < 101_000
    (cell,) = read_cells(b'{"cells": [{"cell_type": "code", "source": "\\ud800"}]}')
    cell["source"].encode()
