"""Our face in nbgrader: its own commands, gradebook and feedback, without running anything that a learner wrote.

`nbgrader autograde` converts a submission twice. The course's `nbgrader_config.py` puts these in place of nbgrader's own parts::

    set_links_aside    before nbgrader copies the submission: only what the gate knows is left for it to copy
    SubmissionReader   reads the submitted notebook as data, in both passes
    RestoreNotebook    1st pass: which cells are graded, and for how much, comes from the gradebook; from the learner only their text
    GradeSnapshot      2nd pass, in place of Execute: no kernel; verdicts of the snapshot beside the notebook
    SaveScores         2nd pass: points go to the gradebook from the verdict, never by way of a notebook's outputs
    FeedbackPage       `nbgrader generate_feedback`: a page that needs no network

What was handed in is hostile until read; what can't be graded is left to a human, with the reason in the feedback.
`course grade` does the same for a whole class at once: the two share their results and leave the same notebooks and the same points.
"""

from __future__ import annotations

import atexit
import functools
import os
import stat
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import DictLoader
from nbconvert.exporters import HTMLExporter, NotebookExporter
from nbformat import NotebookNode, from_dict
from nbgrader.api import Gradebook  # type: ignore[import-untyped]
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades  # type: ignore[import-untyped]
from nbgrader.utils import is_solution  # type: ignore[import-untyped]
from traitlets import Enum, default
from traitlets.config import Config

from autograder.exceptions import CourseError
from autograder.exercise import Exercise, find_exercises
from autograder.folder import remove_tree
from autograder.grading import batch, feedback
from autograder.grading.aside import STAMP, put_aside, settle_time
from autograder.grading.classroom import Classroom
from autograder.grading.gradebook import Entry, master_of
from autograder.grading.jobs import UNSAFE
from autograder.grading.journal import Journal
from autograder.grading.local import LocalExecutor
from autograder.grading.notebook import as_notebook, read_cells, rebuild
from autograder.runner import snapshot_name
from autograder.submission import REFUSED, Refused, admit, read_regular

__all__ = ["FeedbackPage", "GradeSnapshot", "RestoreNotebook", "SaveScores", "SubmissionReader", "set_links_aside"]

LARGEST_NOTEBOOK = 5_000_000
"""In bytes; a released one has about 20,000."""
_MANY = 50
"""More strangers than that are put into one folder: nbgrader asks of each name whether to ignore it, at 8 ms each."""

Resources = dict[str, Any]


def _exercise(name: str) -> Exercise | None:
    return next((one for one in find_exercises() if one.id == name), None)


def set_links_aside(*, notebooks: list[str], **_: Any) -> None:
    """Rename what the gate doesn't know in a submission, and make its time one that can be trusted.

    nbgrader copies all submitted files into `autograded` and from there into the learner's feedback, and follows links at that: the
    grader's own files would travel, and a pipe would hold up the class. Notebooks are left: `SubmissionReader` opens those, and follows no link.
    """
    for folder in sorted({Path(notebook).parent for notebook in notebooks}):
        named = [_exercise(Path(notebook).stem) for notebook in notebooks if Path(notebook).parent == folder]
        exercise = next((one for one in named if one is not None), None)
        known = {STAMP, batch.SECRET} | ({snapshot_name(exercise)} if exercise else set())
        strangers = []
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            regular = stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
            if not (entry.name in known and regular) and not entry.name.endswith((".ipynb", REFUSED)):
                strangers.append(Path(entry.path))
        if len(strangers) > _MANY:
            together = folder / f"{len(strangers)}-files"
            while os.path.lexists(together) or os.path.lexists(f"{together}{REFUSED}"):
                together = together.with_name(f"{together.name}-more")
            together.mkdir()
            for path in strangers:
                path.rename(together / path.name)
            strangers = [together]
        for path in strangers:
            put_aside(path)
        if exercise is not None:
            try:
                received = admit(exercise, folder).received
            except Refused:
                received = None
            settle_time(folder, received)


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
        try:
            data = read_regular(path, LARGEST_NOTEBOOK)
        except (FileNotFoundError, Refused):
            data = b""
        notebook = _node(as_notebook(read_cells(data)))
        found: tuple[NotebookNode, Resources] = self.from_notebook_node(notebook, resources, **kw)  # type: ignore[no-untyped-call]
        return found


def _node(value: dict[str, Any]) -> Any:
    """Give a part of a notebook as nbformat's own kind of dictionary."""
    return from_dict(value)  # type: ignore[no-untyped-call]


class RestoreNotebook(NbGraderPreprocessor):  # type: ignore[misc]
    """Rebuilds a submitted notebook: what nbgrader knows of a cell comes from the gradebook, and cells that were deleted come back."""

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Give the notebook as it may be shown and graded."""
        return _node(rebuild(nb.cells, _master(resources))), resources


def _master(resources: Resources) -> Any:
    """Give what was released, from the gradebook."""
    where = resources["nbgrader"]
    with Gradebook(where["db_url"]) as gradebook:
        return master_of(gradebook.find_notebook(where["notebook"], where["assignment"]))


@functools.cache
def _executor() -> LocalExecutor:
    """Start a worker that stays as long as this process: one that a submission kills takes nothing of nbgrader's with it."""
    executor = LocalExecutor(1)
    executor.__enter__()
    atexit.register(executor.__exit__)
    return executor


class GradeSnapshot(NbGraderPreprocessor):  # type: ignore[misc]
    """Stands where nbgrader's Execute stands, and starts no kernel: the verdict comes from the snapshot that was handed in."""

    unsafe = Enum(
        list(UNSAFE),
        "",
        help="Run submitted programs even if only the `medium` or the `basic` sandbox works here: only if you trust those who "
        "handed in. `basic` protects from accidents, not from malice.",
    ).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Put each task's report and points under its cell, and keep the points for `SaveScores`.

        Raises:
            CourseError: something else was handed in meanwhile.
        """
        where = resources["nbgrader"]
        exercise = _exercise(where["notebook"])
        if exercise is None:
            self.log.warning("%s is no exercise of this course: it is left to a human.", where["notebook"])
            resources["wheelhouse"] = {}
            return nb, resources
        classroom = _classroom(self.parent.parent.coursedir)  # the exporter's converter's
        with Journal(classroom.kept / f"{exercise.id}.jsonl") as journal:
            handed, jobs = batch.take_in(classroom, exercise, [where["student"]], journal, self.unsafe)
            failed = {}
            try:
                failed = {one.key: one for one in batch.grade(jobs, _executor(), journal) if one.ours}
            except CourseError as error:
                self.log.error("%s", error)
            (standing,) = batch.standings(exercise, handed, journal, failed)
        entry = batch.entry_of(classroom, exercise, standing, _master(resources))
        if entry is None:
            raise CourseError(f"{where['student']} handed in something else while this was graded.", "Run it again.")
        _tidy(classroom, exercise, entry)
        resources["wheelhouse"] = entry.scores
        notebook: NotebookNode = nbformat.reads(entry.files[f"{exercise.id}.ipynb"].decode(), as_version=4)  # type: ignore[no-untyped-call]
        return notebook, resources


def _classroom(directory: Any) -> Classroom:
    """Say where things lie, from nbgrader's own settings, whoever made them: file, command line or formgrader."""
    names = ("course_id", "db_url", "directory_structure", "submitted_directory", "autograded_directory")
    settings = {name: getattr(directory, name) for name in (*names, "source_directory", "ignore", "groupshared")}
    return Classroom(Path(directory.root), Config(CourseDirectory=settings))


def _tidy(classroom: Classroom, exercise: Exercise, entry: Entry) -> None:
    """Leave in the graded folder what `course grade` would: what was graded, and nothing else that was handed in."""
    place = classroom.autograded(entry.student, exercise.id)
    source = {path.name for path in classroom.source(exercise.id).glob("*")}
    for path in place.iterdir():
        if path.name not in entry.files.keys() | source:
            remove_tree(path)
    for name, data in entry.files.items():
        if not name.endswith(".ipynb"):
            (place / name).unlink(missing_ok=True)
            (place / name).write_bytes(data)


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
    """The page a learner gets back: per check what was expected, what was found and the next step; it loads and runs nothing."""

    @default("extra_loaders")
    def _our_template(self) -> list[DictLoader]:
        return [DictLoader({"index.html.j2": feedback.TEMPLATE.read_text("utf-8")})]

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: Resources | None = None, **kw: Any
    ) -> tuple[str, Resources]:
        """Write the page; see `nbconvert.exporters.Exporter`."""
        made, resources = super().from_notebook_node(nb, resources, **kw)
        return feedback.harmless(made), resources

    def _preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        """Let nbgrader add points and comments, and order all by task."""
        done, resources = super()._preprocess(nb, resources)  # type: ignore[no-untyped-call]
        where = resources["nbgrader"]
        with Gradebook(where["db_url"]) as gradebook:
            grades = gradebook.find_submission_notebook(where["notebook"], where["assignment"], where["student"]).grades
            ungraded = {one.name for one in grades if one.auto_score is None and one.manual_score is None}
        resources["page"] = feedback.page_of(where["notebook"], done.cells, ungraded)
        return done, resources
