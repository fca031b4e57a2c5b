"""Tests of how lessons are proven: a cell that fails must fail its notebook, whatever kind of error it ends with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("%%shell --expect 0\nfalse", "exit status"),
        ("lesson()", "TypeError"),
        ("%%shell --expect 0\ntrue", ""),
    ],
    ids=["our own error", "an exception", "none"],
)
def test_a_failing_cell_fails_its_lesson(cell: str, told: str, tmp_path: Path, labs: Path) -> None:
    """The run of a notebook is red when a cell of it is, and says what was told there."""
    cells = ['%load_ext autograder\nlesson("77")', cell, "print('the end')"]
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])  # type: ignore[no-untyped-call]
    page.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "77-lesson.ipynb"
    nbformat.write(page, path)  # type: ignore[no-untyped-call]

    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "--nbmake"]
    command += [str(path), str(HERE / "test_tree.py"), "-q", "--deselect", str(HERE / "test_tree.py")]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False, timeout=240)

    assert done.returncode == (1 if told else 0), done.stdout
    assert told in done.stdout
