"""Notebooks from anyone, through the gate and nbgrader's reader: whatever the bytes, cells come out, or none.

`WHEELHOUSE_ROUNDS=200` makes 10,000 mutants of one.
"""

from __future__ import annotations

import copy
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.exercise import find_exercise
from autograder.nbgrader_plugin import SubmissionReader
from autograder.places import course_root
from autograder.submission import admit

ROUNDS = int(os.environ.get("WHEELHOUSE_ROUNDS", "1"))
EXERCISE = find_exercise("06")
STRANGE: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        2**70,
        1e308,
        "",
        "\ud800",
        "\0",
        "a" * 200_000,
        [],
        [[]],
        {},
        {"a": {}},
        [None] * 20,
        ["x\udc80", 3],
    ),
    *(
        "code",
        "<script>alert(1)</script>",
        {"grade_id": ["task-1"]},
        {"nbgrader": {"grade": True, "points": 1e9}},
        "4.5",
    ),
)


@pytest.fixture(scope="module")
def released() -> bytes:
    """The notebook as learners get it."""
    root = course_root()
    assert root is not None
    return (root / "exercises" / EXERCISE.id / f"{EXERCISE.id}.ipynb").read_bytes()


def mutant(good: bytes, dice: random.Random) -> bytes:
    """Change some bytes, or some values."""
    if dice.random() < 0.3:
        data = bytearray(good)
        for _ in range(dice.choice((1, 3, 20))):
            place = dice.randrange(len(data))
            data[place : place + dice.choice((0, 1, 40))] = dice.randbytes(dice.choice((0, 1, 3)))
        return bytes(data)
    if dice.random() < 0.05:
        return dice.choice(
            (
                b"",
                b"[" * 500_000,
                b'{"cells":' * 5_000,
                b"null",
                b"3",
                b"[]",
                b'{"cells": {}}',
                b"\xef\xbb\xbf{}",
                b"NaN",
            )
        )
    notebook = json.loads(good)
    for _ in range(dice.choice((1, 1, 2, 5))):
        here: Any = notebook
        for _ in range(dice.randrange(1, 7)):
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = dice.choice(keys)
            if isinstance(here[key], dict | list) and here[key] and dice.random() < 0.8:
                here = here[key]
                continue
            if dice.random() < 0.7:
                here[key] = copy.deepcopy(dice.choice(STRANGE))
            elif dice.random() < 0.5:
                del here[key]
            elif isinstance(here, list):
                here.extend(copy.deepcopy(here[key : key + 1] * dice.choice((1, 50))))
            break
    return json.dumps(notebook).encode("utf-8", "surrogatepass")


@pytest.mark.timeout(300 * ROUNDS)
@pytest.mark.filterwarnings("ignore")
def test_mutated_notebooks_are_read(released: bytes, tmp_path: Path) -> None:
    """No notebook brings a crash or a hang, and what is read of it is a valid notebook without outputs, ready to be written."""
    folder = tmp_path / EXERCISE.id
    folder.mkdir()
    (folder / f"{EXERCISE.id}.snapshot").write_bytes(b"snapshot")
    path = folder / f"{EXERCISE.id}.ipynb"
    dice, reader, filled = random.Random(6), SubmissionReader(), 0  # type: ignore[no-untyped-call]
    for number in range(50 * ROUNDS):
        data = mutant(released, dice)
        path.write_bytes(data)
        start = time.process_time()
        assert admit(EXERCISE, folder).notebook == data, number
        text, _ = reader.from_filename(str(path))
        notebook = nbformat.reads(text, 4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
        text.encode()
        filled += bool(notebook.cells)
        assert not any(cell.get("outputs") for cell in notebook.cells), number
        assert time.process_time() - start < 20, number
    assert filled > 25 * ROUNDS, "most mutants still have cells"
    assert sorted(one.name for one in folder.iterdir()) == [f"{EXERCISE.id}.ipynb", f"{EXERCISE.id}.snapshot"]
