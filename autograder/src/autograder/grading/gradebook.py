"""The one writer: points, times and penalties into nbgrader's gradebook, and the notebook that formgrader and feedback show.

What `nbgrader autograde` would leave is left, row for row and byte for byte; but a class at a time, in few transactions.
What a human gave is never touched: nbgrader counts a manual score before an automatic one, and a changed one asks for a second look.
Whatever ends it in the middle, writing the same again completes it: a submission's files come first, its row after them.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from autograder.exceptions import CourseError, UsageError
from autograder.folder import remove_tree
from autograder.grading.classroom import Classroom
from autograder.grading.notebook import Cell, Master

if TYPE_CHECKING:
    from autograder.exercise import Exercise

__all__ = ["Entry", "Gradebook", "Row", "master_of"]

BATCH = 25
"""How many submissions go into one transaction: while it lasts, formgrader can't write."""
PATIENCE = 60.0
"""How long others may hold the gradebook, in seconds."""


@dataclass(frozen=True)
class Entry:
    """One submission, as it shall stand in the gradebook."""

    student: str
    scores: dict[str, float | None]
    """By graded cell; None where a human must look."""
    files: dict[str, bytes]
    """What lies in the folder that formgrader and feedback read, by name."""
    received: datetime | None
    """When it was handed in; None where nothing was, or nothing could be read: then nothing is said about the time."""


@dataclass
class Row:
    """One submission, as it stands in the gradebook."""

    received: datetime | None = None
    duedate: datetime | None = None
    scores: dict[str, float | None] = field(default_factory=dict)
    """By graded cell: what was given automatically."""
    manual: dict[str, float] = field(default_factory=dict)
    """By graded cell: what a human gave."""
    waits: set[str] = field(default_factory=set)
    """The graded cells for which a human shall look."""
    penalty: float | None = None

    @property
    def late(self) -> float:
        """By how many seconds it came late; 0 where that isn't known."""
        if self.received is None or self.duedate is None:
            return 0.0
        return max(0.0, (self.received - self.duedate).total_seconds())

    def holds(self, entry: Entry) -> bool:
        """Say whether there is nothing to write."""
        unsettled = {name for name, score in entry.scores.items() if score is None and name not in self.manual}
        return (
            self.scores == entry.scores
            and unsettled <= self.waits
            and (entry.received is None or self.received == _naive(entry.received))
        )


def _naive(when: datetime) -> datetime:
    """Give a time as nbgrader's database holds it: in UTC, without saying so."""
    return when.astimezone(UTC).replace(tzinfo=None)


def master_of(notebook: Any) -> Master:
    """Give what was released, from a `nbgrader.api.Notebook`."""
    points = {cell.name: float(cell.max_score) for cell in (*notebook.grade_cells, *notebook.task_cells)}
    graded, solutions, tasks = (
        {cell.name for cell in kind} for kind in (notebook.grade_cells, notebook.solution_cells, notebook.task_cells)
    )
    cells: dict[str, Cell] = {}
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
        cells[cell.name] = {"cell_type": cell.cell_type, "source": cell.source, "metadata": {"nbgrader": mark}}
    return Master(cells, json.loads(notebook.kernelspec or "{}"))


class Gradebook:
    """A class's gradebook, open. nbgrader is imported here and nowhere else in grading."""

    def __init__(self, classroom: Classroom, exercise: Exercise) -> None:
        """Open it; where there is none nbgrader makes one.

        Raises:
            UsageError: nbgrader is not installed.
            CourseError: it can't be opened.
        """
        self.classroom = classroom
        self.exercise = exercise
        try:
            self.api = _api()
        except ImportError:
            raise UsageError(
                "nbgrader, which keeps the gradebook, is not installed.", "Run `pip install 'autograder[nbgrader]'`."
            ) from None
        self.trouble = sys.modules["sqlalchemy"].exc.SQLAlchemyError
        url = classroom.db_url
        if classroom.database is not None:
            classroom.database.parent.mkdir(parents=True, exist_ok=True)
            url += ("&" if "?" in url else "?") + f"timeout={min(5.0, PATIENCE):g}"
        with self._understood(), _tools_on_path():
            self._make_whole()
            self._book = self.api.Gradebook(url, classroom.course_id or "default_course")
        self.db = self._book.db

    def _make_whole(self) -> None:
        """Have nbgrader make the database elsewhere and move it here: it notes its version late, and killed before never again."""
        database = self.classroom.database
        if database is None or database.exists():
            return
        self.sweep()
        self._elsewhere.mkdir(parents=True)
        fresh = self._elsewhere / database.name
        usual = tempfile.tempdir
        tempfile.tempdir = str(self._elsewhere)  # what nbgrader writes meanwhile goes with it
        try:
            self.api.Gradebook(f"sqlite:///{fresh}", self.classroom.course_id or "default_course").close()
        finally:
            tempfile.tempdir = usual
        try:
            os.link(fresh, database)
        except FileExistsError:  # nbgrader itself made it meanwhile
            pass
        except OSError:  # a disk that knows no second names
            fresh.rename(database)
        self.sweep()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; what was not committed is as if it had not been."""
        self._book.close()

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Tell a database's trouble in a sentence."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of SQLAlchemy's about nbgrader's own ways
            try:
                yield
            except self.trouble as error:
                cause = str(getattr(error, "orig", error))
                if "locked" in cause or "busy" in cause:
                    raise CourseError(
                        "The gradebook is locked: another program is writing to it (a formgrader, a backup, an open database browser?).",
                        "Close that and run the command again: what was graded is kept.",
                    ) from error
                raise CourseError(
                    f"The gradebook {self.classroom.database or self.classroom.db_url} can't be used: {cause}.",
                    "If nbgrader was upgraded, make a copy of it and run `nbgrader db upgrade`.",
                ) from error

    def master(self) -> Master | None:
        """Give what was released of the exercise; None where it was never put into this gradebook."""
        with self._understood():
            try:
                return master_of(self._book.find_notebook(self.exercise.id, self.exercise.id))
            except self.api.MissingEntry:
                return None

    def release(self, lock: int | None = None) -> None:
        """Put the exercise into the gradebook, as `nbgrader generate_assignment` does, but leave what is released untouched.

        `lock` is the descriptor of a lock that nbgrader, too, shall hold: it would write on if only we were killed.

        Raises:
            CourseError: nbgrader could not.
        """
        source = self.classroom.source(self.exercise.id)
        if not (source / f"{self.exercise.id}.ipynb").is_file():
            raise UsageError(
                f"The gradebook doesn't know {self.exercise.id}, and {source} doesn't hold its source.",
                f"Run `make build`, then `nbgrader generate_assignment {self.exercise.id}`.",
            )
        self.sweep()
        self._elsewhere.mkdir(parents=True)
        with contextlib.ExitStack() as after, _tools_on_path():
            after.callback(self.sweep)
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "nbgrader", "generate_assignment", self.exercise.id, "--force"),
                    f"--CourseDirectory.release_directory={self._elsewhere}",
                ],
                cwd=self.classroom.root,
                pass_fds=() if lock is None else (lock,),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0 or self.master() is None:
            words = [line for line in done.stderr.splitlines() if line.strip()]
            raise CourseError(
                f"{self.exercise.id} can't be put into the gradebook: {words[-1][:300] if words else 'nbgrader said nothing'}.",
                f"Run `nbgrader generate_assignment {self.exercise.id}` and see what it says.",
            )

    def rows(self) -> dict[str, Row]:
        """Give all that stands in it for the exercise, by learner."""
        api = self.api
        found: dict[str, Row] = {}
        submitted, notebook, grade = api.SubmittedAssignment, api.SubmittedNotebook, api.Grade
        with self._understood():
            assignment = self._book.find_assignment(self.exercise.id)
            query = (
                self.db.query(submitted.student_id, submitted.timestamp, submitted.extension)
                .add_columns(notebook.late_submission_penalty, api.BaseCell.name)
                .add_columns(grade.auto_score, grade.manual_score, grade.needs_manual_grade)
                .join(notebook, notebook.assignment_id == submitted.id)
                .join(grade, grade.notebook_id == notebook.id)
                .join(api.BaseCell, api.BaseCell.id == grade.cell_id)
                .filter(submitted.assignment_id == assignment.id)
            )
            for student, received, extension, penalty, cell, auto, manual, waits in query:
                row = found.setdefault(student, Row(received, penalty=penalty))
                if assignment.duedate is not None:
                    row.duedate = assignment.duedate + extension if extension else assignment.duedate
                row.scores[cell] = auto
                if manual is not None:
                    row.manual[cell] = manual
                if waits:
                    row.waits.add(cell)
            self.db.rollback()  # nothing was changed: let go of it
        return found

    def is_written(self, entry: Entry, row: Row | None) -> bool:
        """Say whether a submission stands in the gradebook and in its folder as it shall, whatever the penalty is."""
        if row is None or not row.holds(entry):
            return False
        place = self.classroom.autograded(entry.student, self.exercise.id)
        try:
            return all((place / name).read_bytes() == data for name, data in entry.files.items())
        except OSError:
            return False

    def sweep(self, student: str = "") -> None:
        """Remove what a killed writer left half made: of a submission's folder, or of gradebook and release; nobody else writes meanwhile."""
        remove_tree(_fresh(self.classroom.autograded(student, self.exercise.id)) if student else self._elsewhere)

    @property
    def _elsewhere(self) -> Path:
        return self.classroom.kept / ".making"

    def write(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Write submissions, and give each learner's name when theirs is safe.

        Raises:
            CourseError: the gradebook, or the disk, can't be written to; what was given is safe all the same.
        """
        batch: list[Entry] = []
        for entry in entries:
            batch.append(entry)
            if len(batch) == BATCH:
                yield from self._write(batch)
                batch = []
        if batch:
            yield from self._write(batch)

    def _write(self, batch: Sequence[Entry]) -> list[str]:
        for entry in batch:
            try:
                self._place(entry)
            except OSError as error:
                place = self.classroom.autograded(entry.student, self.exercise.id)
                raise CourseError(
                    f"{place} can't be written: {error.strerror or error}.", "Make room, or make it writable."
                ) from error
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with self._understood():
                    self._enter(batch)
                    self.db.commit()
                return [entry.student for entry in batch]
            except CourseError as trouble:
                with contextlib.suppress(self.trouble):
                    self.db.rollback()
                if "locked" not in trouble.message or time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def _enter(self, batch: Sequence[Entry]) -> None:
        """Put submissions into the open transaction, with few questions to the database: it is they that cost time."""
        api = self.api
        assignment = self._book.find_assignment(self.exercise.id)
        names = [entry.student for entry in batch]
        submitted = api.SubmittedAssignment
        there = {one.id for one in self.db.query(api.Student).filter(api.Student.id.in_(names))}
        known = {
            one.student_id: one
            for one in self.db.query(submitted).filter(
                submitted.assignment_id == assignment.id, submitted.student_id.in_(names)
            )
        }
        self.db.add_all(api.Student(id=name) for name in names if name not in there)
        with self.db.no_autoflush:
            fresh = {name: self._submission(assignment, name) for name in names if name not in known}
        self.db.flush()
        for entry in batch:
            submission = known.get(entry.student) or fresh[entry.student]
            if entry.received is not None:
                submission.timestamp = _naive(entry.received)
            notebook = self._notebook(assignment, submission)
            for grade in notebook.grades:
                score = entry.scores.get(grade.name)
                if grade.auto_score != score or grade.manual_score is None:
                    grade.auto_score = score
                    grade.needs_manual_grade = score is None or grade.manual_score is not None
            for comment in notebook.comments:
                comment.auto_comment = None
            self._penalize(submission, notebook, entry.student)

    def _submission(self, assignment: Any, student: str) -> Any:
        """Make a submission with all that belongs to it."""
        submission = self.api.SubmittedAssignment(id=self.api.new_uuid(), student_id=student)
        submission.assignment = assignment
        for released in assignment.notebooks:
            self._add_notebook(submission, released)
        self.db.add(submission)
        return submission

    def _add_notebook(self, submission: Any, released: Any) -> Any:
        api = self.api
        notebook = api.SubmittedNotebook(id=api.new_uuid(), notebook=released, assignment=submission)
        for cell in (*released.grade_cells, *released.task_cells):
            api.Grade(id=api.new_uuid(), cell=cell, notebook=notebook)
        for cell in (*released.solution_cells, *released.task_cells):
            api.Comment(id=api.new_uuid(), cell=cell, notebook=notebook)
        return notebook

    def _notebook(self, assignment: Any, submission: Any) -> Any:
        """Give the exercise's notebook in a submission; make those that were released since it was first graded."""
        have = {one.notebook_id: one for one in submission.notebooks}
        for released in assignment.notebooks:
            if released.id not in have:
                have[released.id] = self._add_notebook(submission, released)
        return next(have[one.id] for one in assignment.notebooks if one.name == self.exercise.id)

    def _penalize(self, submission: Any, notebook: Any, student: str) -> None:
        """Take off for lateness what the plugin takes that nbgrader is configured with."""
        penalty = None
        if submission.total_seconds_late > 0:
            self.db.flush()
            self.db.expire(notebook)
            penalties = self._penalties
            penalty = penalties.plugin_inst.late_submission_penalty(
                student, notebook.score, submission.total_seconds_late
            )
            if penalty is not None:
                penalty = penalties._check_late_penalty(notebook, penalty)
        if notebook.late_submission_penalty != penalty:
            notebook.late_submission_penalty = penalty

    @functools.cached_property
    def _penalties(self) -> Any:
        penalties = importlib.import_module("nbgrader.preprocessors").AssignLatePenalties(config=self.classroom.config)
        penalties.init_plugin()
        return penalties

    def _place(self, entry: Entry) -> None:
        """Put a submission's files where formgrader looks, all at once."""
        target = self.classroom.autograded(entry.student, self.exercise.id)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.sweep(entry.student)
        fresh = _fresh(target)
        fresh.mkdir()
        for name, data in entry.files.items():
            (fresh / name).write_bytes(data)
        source = self.classroom.source(self.exercise.id)
        for path in _files(source, [*self.classroom.ignore, "*.ipynb"]) if source.is_dir() else []:
            copy = fresh / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        for path in fresh.rglob("*"):
            if path.is_file():
                path.chmod(self.classroom.permissions)
        shutil.rmtree(target, ignore_errors=True)
        remove_tree(target)  # where that was not enough
        fresh.rename(target)


def _fresh(target: Path) -> Path:
    """Name the folder in which a submission's files are put together: always the same, so that the next writer finds it."""
    return target.with_name(f".{target.name}.fresh")


def _files(folder: Path, ignored: list[str]) -> Iterator[Path]:
    """Give the files of a folder that nbgrader would copy."""
    for path in sorted(folder.iterdir()):
        if any(fnmatch.fnmatch(path.name, one) for one in ignored) or path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path, ignored)
        elif path.is_file():
            yield path


def _api() -> Any:
    """Import nbgrader's gradebook, and of nbgrader and what it imports nothing else: 0.7 s of a processor instead of 2.8.

    nbgrader's package imports all its server extensions, and jsonschema compiles a grammar of web addresses that no notebook needs.
    A copy of our own is imported, so that whoever imports nbgrader later finds nothing half done.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "nbgrader" in sys.modules:
            return importlib.import_module("nbgrader.api")
        spec = importlib.util.find_spec("nbgrader")
        if spec is None:
            raise ImportError("nbgrader")
        sys.modules["nbgrader"] = importlib.util.module_from_spec(spec)  # its own code is not run
        grammar = "rfc3987_syntax"
        unwanted = grammar not in sys.modules
        if unwanted:
            sys.modules[grammar] = None  # type: ignore[assignment]  # how Python marks what can't be imported
        try:
            return importlib.import_module("nbgrader.api")
        finally:
            if unwanted:
                del sys.modules[grammar]
            for name in [name for name in sys.modules if name.partition(".")[0] == "nbgrader"]:
                del sys.modules[name]


@contextlib.contextmanager
def _tools_on_path() -> Iterator[None]:
    """Let nbgrader find `alembic`, which it calls where it makes a gradebook, also where no environment is active."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before
