"""Our face in nbgrader: its own commands, gradebook and feedback, without running anything that a learner wrote.

`nbgrader autograde` converts a submission twice. The course's `nbgrader_config.py` puts these in place of nbgrader's own parts::

    set_links_aside    before nbgrader copies the submission: links in it would be followed
    SubmissionReader   reads the submitted notebook as data, in both passes
    RestoreNotebook    1st pass: which cells are graded, and for how much, comes from the gradebook; from the learner only their text
    GradeSnapshot      2nd pass, in place of Execute: no kernel; verdicts of the snapshot beside the notebook
    SaveScores         2nd pass: points go to the gradebook from the verdict, never by way of a notebook's outputs
    FeedbackPage       `nbgrader generate_feedback`: a page that needs no network

What was handed in is hostile until read; what can't be graded is left to a human, with the reason in the feedback.
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from jinja2 import DictLoader
from nbconvert.exporters import HTMLExporter, NotebookExporter
from nbformat import NotebookNode, from_dict
from nbgrader.api import Gradebook  # type: ignore[import-untyped]
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades  # type: ignore[import-untyped]
from nbgrader.utils import is_grade, is_solution  # type: ignore[import-untyped]
from traitlets import Enum, default

from autograder.exercise import Exercise, find_exercises
from autograder.report import notice_bundle
from autograder.submission import REFUSED, Graded, Refused, grade_submission, read_regular

__all__ = ["FeedbackPage", "GradeSnapshot", "RestoreNotebook", "SaveScores", "SubmissionReader", "set_links_aside"]

LARGEST_NOTEBOOK = 5_000_000
"""In bytes; a released one has about 20,000."""
MOST_CELLS = 1_000
LONGEST_CELL = 100_000
"""In characters; more is cut."""

Resources = dict[str, Any]


def set_links_aside(*, notebooks: list[str], **_: Any) -> None:
    """Rename what is neither file nor folder in a submission, so that nbgrader doesn't copy what it leads to.

    nbgrader copies submitted files into `autograded` and from there into the learner's feedback, and follows links at that: the
    grader's own files would travel. Notebooks are left: `SubmissionReader` opens those, and follows none.
    """
    for folder in {Path(notebook).parent for notebook in notebooks}:
        for place, _folders, files in os.walk(folder):
            for name in files:
                path = Path(place, name)
                if path.suffix in (".ipynb", REFUSED) or stat.S_ISREG(path.lstat().st_mode):
                    continue
                path.rename(path.with_name(name + REFUSED))


def _text(value: Any) -> str:
    """Give a cell's source, as one of the two kinds that the format allows, cut and fit to be written as UTF-8."""
    joined = "".join(part for part in value if isinstance(part, str)) if isinstance(value, list) else value
    if not isinstance(joined, str):
        return ""
    if len(joined) > LONGEST_CELL:
        joined = joined[:LONGEST_CELL] + "\n[the rest was cut]"
    return joined.encode("utf-8", "replace").decode()


def _read(path: Path) -> list[dict[str, Any]]:
    """Read a notebook's cells; whatever is no cell is left out, and a file that is no notebook has none."""
    try:
        notebook = json.loads(read_regular(path, LARGEST_NOTEBOOK))
    except (FileNotFoundError, Refused, ValueError, RecursionError):
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


class SubmissionReader(NotebookExporter):
    """Reads a notebook without following links, without believing its format, within bounds.

    A notebook that can't be read counts as one without cells: the snapshot beside it is graded all the same.
    """

    def from_filename(
        self, filename: str, resources: Resources | None = None, **kw: Any
    ) -> tuple[NotebookNode, Resources]:
        """Read and convert one notebook; see `nbconvert.exporters.Exporter`."""
        path = Path(filename)
        resources = {} if resources is None else resources
        resources["metadata"] = {"name": path.stem, "path": str(path.parent), "modified_date": ""}
        cells = _notebook(_read(path))
        found: tuple[NotebookNode, Resources] = self.from_notebook_node(cells, resources, **kw)  # type: ignore[no-untyped-call]
        return found


def _notebook(cells: list[dict[str, Any]]) -> Any:
    """Make a notebook of cells without outputs; its ids are positions."""
    whole = [
        {**cell, "id": f"cell-{number}"}
        | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})
        for number, cell in enumerate(cells)
    ]
    return _node({"cells": whole, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def _node(value: dict[str, Any]) -> Any:
    """Give a part of a notebook as nbformat's own kind of dictionary."""
    return from_dict(value)  # type: ignore[no-untyped-call]


def _literal(text: str) -> str:
    """Show what a learner wrote as they wrote it: as Markdown it could bring scripts and pictures into the instructor's browser."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _with_text(cell: dict[str, Any], text: str) -> dict[str, Any]:
    """Give a cell with what the learner wrote into it, unless it was not theirs to change."""
    if cell["metadata"].get("nbgrader", {}).get("locked"):
        return cell
    return {**cell, "source": text if cell["cell_type"] == "code" else _literal(text)}


class RestoreNotebook(NbGraderPreprocessor):  # type: ignore[misc]
    """Rebuilds a submitted notebook: what nbgrader knows of a cell comes from the gradebook, and cells that were deleted come back."""

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Give the notebook as it may be shown and graded."""
        where = resources["nbgrader"]
        with Gradebook(where["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(where["notebook"], where["assignment"])
            masters = _masters(notebook)
            kernelspec = json.loads(notebook.kernelspec or "{}")
        cells: list[dict[str, Any]] = []
        seen: set[str] = set()
        for cell in reversed(nb.cells):  # of several with one id nbgrader takes the last
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if isinstance(name, str) and name in masters and name not in seen:
                seen.add(name)
                cells.insert(0, _with_text(masters[name], cell.source))
            else:
                kind = "code" if cell.cell_type == "code" else "markdown"
                own = {"cell_type": kind, "source": "", "metadata": {}}
                cells.insert(0, _with_text(own, cell.source))
        before = None
        for name, master in masters.items():
            if name not in seen:
                names = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in cells]
                cells.insert(names.index(before) + 1 if before else 0, master)
            before = name
        restored = _notebook(cells)
        restored.metadata["kernelspec"] = kernelspec
        return restored, resources


def _masters(notebook: Any) -> dict[str, dict[str, Any]]:
    """Give the cells that the gradebook holds, in their order, as they were released."""
    points = {cell.name: float(cell.max_score) for cell in (*notebook.grade_cells, *notebook.task_cells)}
    graded, solutions, tasks = (
        {cell.name for cell in kind} for kind in (notebook.grade_cells, notebook.solution_cells, notebook.task_cells)
    )
    masters = {}
    for cell in notebook.source_cells:
        mark = {
            "cell_type": cell.cell_type,
            "checksum": cell.checksum,
            "grade": cell.name in graded,
            "grade_id": cell.name,
            "locked": bool(cell.locked),
            "schema_version": 3,
            "solution": cell.name in solutions,
            "task": cell.name in tasks,
        }
        if cell.name in points:
            mark["points"] = points[cell.name]
        masters[cell.name] = {"cell_type": cell.cell_type, "source": cell.source, "metadata": {"nbgrader": mark}}
    return masters


class GradeSnapshot(NbGraderPreprocessor):  # type: ignore[misc]
    """Stands where nbgrader's Execute stands, and starts no kernel: the verdict comes from the snapshot that was handed in."""

    tier = Enum(
        ["strong", "basic"],
        "strong",
        help="The sandbox for checks that run something. `basic` protects from accidents, not from malice.",
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Put each task's report and points under its cell, and keep the points for `SaveScores`."""
        where = resources["nbgrader"]
        directory = self.parent.parent.coursedir  # the exporter's converter's
        folder = Path(
            directory.format_path(directory.submitted_directory, where["student"], where["assignment"])
        ).absolute()
        exercise = next((one for one in find_exercises() if one.id == where["notebook"]), None)
        if exercise is None:
            self.log.warning("%s is no exercise of this course: it is left to a human.", where["notebook"])
            resources["wheelhouse"] = {}
            return nb, resources
        tasks = {
            f"task-{number}": graded for number, graded in grade_submission(exercise, folder, tier=self.tier).items()
        }
        scores: dict[str, float | None] = {}
        for cell in nb.cells:
            if not is_grade(cell):
                continue
            name, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
            graded = tasks.get(name)
            if graded is None or graded.points != points:
                graded = _changed(exercise, points)
            scores[name] = graded.score
            cell.execution_count = 1
            cell.outputs = [_node({"output_type": "display_data", "data": graded.bundle, "metadata": {}})]
            if graded.score is not None:  # how nbgrader, too, reads partial credit
                result = {"output_type": "execute_result", "data": {"text/plain": repr(graded.score)}}
                cell.outputs.append(_node({**result, "execution_count": 1, "metadata": {}}))
        resources["wheelhouse"] = scores
        return nb, resources


def _changed(exercise: Exercise, points: float) -> Graded:
    """Leave a task to a human where the gradebook and the catalogue speak of different exercises."""
    notice = "The exercise has changed since it was released, so a human will look at this task."
    return Graded(None, points, notice_bundle(exercise.title, notice), ours=True)


class SaveScores(SaveAutoGrades):  # type: ignore[misc]
    """Stands where nbgrader's SaveAutoGrades stands: points come from the verdict; where there are none a human must look."""

    def _add_score(self, cell: NotebookNode, resources: Resources) -> None:
        name = cell.metadata.nbgrader.grade_id
        scores = resources.get("wheelhouse", {})
        if name not in scores and is_solution(cell):  # a written answer: nbgrader's own rule, which never gives points
            super()._add_score(cell, resources)
            return
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        grade.auto_score = scores.get(name)
        grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None
        self.gradebook.db.commit()

    def _add_comment(self, cell: NotebookNode, resources: Resources) -> None:
        """Say no "No response" of an untouched answer cell: the work may have been done in the terminal."""
        if not resources.get("wheelhouse"):
            super()._add_comment(cell, resources)
            return
        name = cell.metadata.nbgrader.grade_id
        comment = self.gradebook.find_comment(name, self.notebook_id, self.assignment_id, self.student_id)
        comment.auto_comment = None
        self.gradebook.db.commit()


class FeedbackPage(HTMLExporter):
    """The page a learner gets back, as nbgrader makes it, but without the script that it would load from a stranger's server."""

    @default("extra_loaders")
    def _without_mathjax(self) -> list[DictLoader]:
        return [DictLoader({"mathjax.html.j2": "{% macro mathjax(url='') %}{% endmacro %}"})]
