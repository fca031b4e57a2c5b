"""Notebooks from what authors write.

::

    notebooks/source/NN-name.md          -> notebooks/NN-name.ipynb
    catalog/exNN_name/exercise.md+checks -> solutions/NN-name/NN-name.ipynb   nbgrader's source, with the reference answers
                                         -> exercises/NN-name/NN-name.ipynb   by nbgrader's own generate_assignment

The same sources give the same bytes, anywhere: no outputs, no times, no paths; cell ids come from what is in the cell.
Pages are MyST text as jupytext reads it, less what plain JupyterLab doesn't render (directives, roles), which is refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.exceptions import BrokenExercise, UsageError
from autograder.exercise import CATALOG, Exercise, find_exercises
from autograder.pages import SHELL, Cell, read_exercise_page, read_page

__all__ = ["Drift", "build", "lesson_notebook", "released_notebooks", "solution_notebook"]

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Drift:
    """A built file that isn't what its source says."""

    path: str
    """Relative to the course's root."""
    reason: str
    mend: str = "make build"
    """The command that puts it right."""

    def __str__(self) -> str:
        """Give path, reason and remedy in one line."""
        return f"{self.path} {self.reason} (`{self.mend}`)"


# Writing notebooks


def _code(source: str) -> Cell:
    """Make a cell that stands in no page."""
    return Cell(Path(), 0, "code", source, {})


def _canonical(cells: Sequence[Cell]) -> bytes:
    """Write a notebook so that the same cells give the same bytes, as Jupyter would write it."""
    written = []
    seen: dict[str, int] = {}
    for cell in cells:
        metadata = dict(cell.metadata)
        for tag, hidden in (("hide-input", "source_hidden"), ("hide-output", "outputs_hidden")):
            if tag in cell.tags:  # the tag is for books; JupyterLab looks at this
                metadata["jupyter"] = {**metadata.get("jupyter", {}), hidden: True}
        content = hashlib.sha256(f"{cell.kind}\n{cell.source}".encode()).hexdigest()[:12]
        identity = metadata.get("nbgrader", {}).get("grade_id", content)
        seen[identity] = seen.get(identity, 0) + 1
        one: dict[str, Any] = {
            "cell_type": cell.kind,
            "id": identity if seen[identity] == 1 else f"{identity}-{seen[identity]}",
            "metadata": metadata,
            "source": cell.source.splitlines(keepends=True),
        }
        written.append({**one, "execution_count": None, "outputs": []} if cell.kind == "code" else one)
    notebook = {"cells": written, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def lesson_notebook(page: Path) -> bytes:
    """Give a lesson's notebook.

    Raises:
        BrokenExercise: the page can't be turned into one; the message begins with file and line.
    """
    return _canonical(read_page(page))


def _mark(cell: Cell, grade_id: str, **more: bool | int) -> Cell:
    """Tell nbgrader what a cell is."""
    kind = {"grade": False, "locked": False, "solution": False, "task": False}
    metadata = {**cell.metadata, "nbgrader": {**kind, "schema_version": 3, "grade_id": grade_id, **more}}
    return replace(cell, metadata=metadata)


def _answer(cell: Cell, number: int) -> Cell:
    """Make nbgrader's answer cell: the learner's copy keeps the magic line and loses what follows."""
    commands = cell.source.partition("\n")[2].strip()
    metadata = {name: value for name, value in cell.metadata.items() if name != "tags"}
    if len(cell.tags) > 1:
        metadata["tags"] = [tag for tag in cell.tags if tag != "answer"]
    source = f"{SHELL}\n### BEGIN SOLUTION\n{commands}\n### END SOLUTION"
    return _mark(replace(cell, source=source, metadata=metadata), f"answer-{number}", solution=True)


def solution_notebook(exercise: Exercise) -> bytes:
    """Give nbgrader's source notebook of an exercise: its page, the cell that begins it, and a graded cell after each answer.

    Learners can't change the text and the first cell; other cells are theirs.

    Raises:
        BrokenExercise: the page can't be turned into one; the message begins with file and line.
    """
    page = read_exercise_page(exercise.page)
    begin = f'%load_ext autograder\nbegin("{exercise.number:02}")'
    introduction = list(page.introduction)
    begins = [cell for cell in introduction if cell.kind == "code" and "begin(" in cell.source]
    for cell in begins:  # it may stand in the page, where a reader of the text expects it
        if cell.source.strip() != begin or cell is not begins[0]:
            remedy = (
                f'Write `%load_ext autograder`, and below it `begin("{exercise.number:02}")`; or leave the cell out.'
            )
            raise cell.broken("this isn't the cell that begins the exercise.", remedy)
    if not begins:
        introduction.insert(1, _code(begin))
    done = [_mark(cell, "begin", locked=True) if cell.source.strip() == begin else cell for cell in introduction]
    done = _with_locked_text(done, "title")
    for task, cells in zip(exercise.tasks, page.tasks, strict=True):
        for cell in _with_locked_text(cells, f"text-{task.number}"):
            if not cell.is_answer:
                done.append(cell)
                continue
            graded = _code(f"grade({task.number})")
            filled = replace(cell, source=exercise.variant.fill(cell.source))  # with the values of the empty seed
            done.append(_answer(filled, task.number))
            done.append(_mark(graded, f"task-{task.number}", grade=True, locked=True, points=task.points))
    return _canonical(done)


def _with_locked_text(cells: Sequence[Cell], grade_id: str) -> list[Cell]:
    """Lock the text among cells, so that what is ours stays as it is and is known as ours in what is handed in."""
    number = 0
    done = []
    for cell in cells:
        if cell.kind == "markdown":
            number += 1
            done.append(_mark(cell, grade_id if number == 1 else f"{grade_id}-{number}", locked=True))
        else:
            done.append(cell)
    return done


def released_notebooks(root: Path, solutions: dict[str, bytes]) -> dict[str, bytes]:
    """Let nbgrader make the learners' notebooks of its source notebooks, by exercise id, in a temporary copy of the course.

    The course's own `nbgrader_config.py` decides how; no gradebook is touched.

    Raises:
        UsageError: there is no such file in `root`.
        BrokenExercise: nbgrader refuses a notebook.
    """
    from nbgrader.converters import GenerateAssignment  # type: ignore[import-untyped]
    from nbgrader.converters.base import NbGraderException  # type: ignore[import-untyped]
    from nbgrader.coursedir import CourseDirectory  # type: ignore[import-untyped]
    from traitlets.config.loader import PyFileConfigLoader

    if not (root / "nbgrader_config.py").is_file():
        raise UsageError(f"{root} has no nbgrader_config.py.", "Run the command in a clone of the course's repository.")
    released = {}
    log = logging.getLogger("autograder.nbgrader")
    log.setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="wheelhouse-") as name:
        course = Path(os.path.realpath(name))
        shutil.copy(root / "nbgrader_config.py", course)
        config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
        config.CourseDirectory.root = str(course)
        config.SaveCells.enabled = False  # these two are what --no-db sets
        config.GenerateAssignment.no_database = True
        for identity, data in solutions.items():
            source = course / "solutions" / identity / f"{identity}.ipynb"
            source.parent.mkdir(parents=True)
            source.write_bytes(data)
            directory = CourseDirectory(config=config)
            directory.assignment_id = identity
            try:
                GenerateAssignment(coursedir=directory, config=config, log=log).start()
            except NbGraderException as error:
                raise BrokenExercise(
                    f"nbgrader can't make {identity} of its source.", "Its reasons stand above."
                ) from error
            released[identity] = (course / "exercises" / identity / f"{identity}.ipynb").read_bytes()
    return released


# Building the course


def build(root: Path, *, check: bool = False, catalog: Path = CATALOG) -> list[Drift]:
    """Build everything of the course in `root` and write what differs; with `check` only say what would be.

    Nothing is written unless all of it can be built.

    Raises:
        BrokenExercise: an author's mistake, with file and line.
    """
    wanted: dict[str, bytes] = {}
    for page in sorted((root / "notebooks" / "source").glob("[0-9][0-9]-*.md")):
        wanted[f"notebooks/{page.stem}.ipynb"] = lesson_notebook(page)
    for page in sorted(catalog.glob("ex[0-9][0-9]_*/exercise.md")):
        read_exercise_page(page)  # before anything else reads it, since this says the line of a mistake
    solutions = {one.id: solution_notebook(one) for one in find_exercises(catalog)}
    for folder, notebooks in (("solutions", solutions), ("exercises", released_notebooks(root, solutions))):
        wanted |= {f"{folder}/{identity}/{identity}.ipynb": data for identity, data in notebooks.items()}
    drifted = []
    for path, data in wanted.items():
        try:
            reason = "" if (root / path).read_bytes() == data else "isn't what its source says"
        except FileNotFoundError:
            reason = "is missing"
        if reason:
            drifted.append(Drift(path, reason))
        if reason and not check:
            _write(root / path, data)
    return drifted + (_orphans(root, wanted) if check else [])


def _orphans(root: Path, wanted: dict[str, bytes]) -> list[Drift]:
    """Find built notebooks whose source is gone; a human removes them, since a learner may have put a copy there."""
    found = [
        *root.glob("notebooks/[0-9][0-9]-*.ipynb"),
        *root.glob("solutions/[0-9][0-9]-*/*.ipynb"),
        *root.glob("exercises/[0-9][0-9]-*/*.ipynb"),
    ]
    paths = sorted(one.relative_to(root).as_posix() for one in found)
    return [Drift(path, "has no source", f"git rm {path}") for path in paths if path not in wanted]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
