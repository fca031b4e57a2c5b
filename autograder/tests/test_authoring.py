"""Tests of `autograder.authoring`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder import authoring
from autograder.authoring import build, lesson_notebook, solution_notebook
from autograder.exceptions import BrokenExercise, UsageError
from autograder.exercise import Exercise, find_exercises, load_exercise

CONFIG = Path(__file__).parents[2] / "nbgrader_config.py"
STUB = "# Type your commands here, or in the shell beside this page."

LESSON = """---
kernelspec: {name: python3, display_name: Python 3}
jupytext: {text_representation: {format_name: myst}}
---

# Shelves

```{code-cell} ipython3
:tags: [claim:B-108, hide-input]

print("cups")
```

```{code-cell} ipython3
print("saucers")
```

```{code-cell} ipython3
print("saucers")
```
"""

PAGE = """---
minutes: 5
---

# Label the shelves

Every shelf needs a label.

## Task 1: Write the label

It says what is on the shelf.

```{code-cell} ipython3
:tags: [answer]

%%shell
echo cups > label.txt
```

## Task 2: Hang it up

```{code-cell} ipython3
%%shell
ls
```

```{code-cell} ipython3
:tags: [answer, long]

%%shell
mkdir shelf
mv label.txt shelf/
```

Well done.
"""

CHECKS = '''
from autograder import Workspace, check


@check(task=1, points=2, hints=["Look.", "Write.", "Name it label.txt."])
def label_is_there(work: Workspace) -> None:
    """`label.txt` is there."""


@check(task=2, points=1)
def shelf_is_there(work: Workspace) -> None:
    """`shelf` is there."""


@check(task=2, points=3)
def label_hangs(work: Workspace) -> None:
    """The label is in `shelf`."""
'''


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalogue of one exercise."""
    folder = tmp_path / "catalog" / "ex42_label_the_shelves"
    folder.mkdir(parents=True)
    (folder / "exercise.md").write_text(PAGE)
    (folder / "checks.py").write_text(CHECKS)
    return folder.parent


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course of one lesson, not yet built."""
    root = tmp_path / "course"
    (root / "notebooks" / "source").mkdir(parents=True)
    (root / "notebooks" / "source" / "42-shelves.md").write_text(LESSON)
    shutil.copy(CONFIG, root)
    return root


def cells_of(data: bytes) -> Any:
    """Read a built notebook as strictly as Jupyter can."""
    notebook: Any = nbformat.reads(data.decode(), as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook.cells


def files_of(root: Path) -> dict[str, bytes]:
    """All files below a folder with their content."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_lesson_is_canonical(course: Path) -> None:
    """A lesson's notebook has no outputs, ids from its content, and no metadata but the kernel's name."""
    data = lesson_notebook(course / "notebooks" / "source" / "42-shelves.md")
    notebook = json.loads(data)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    title, cups, saucers, again = cells_of(data)
    assert title.source == "# Shelves"
    assert cups.metadata == {"jupyter": {"source_hidden": True}, "tags": ["claim:B-108", "hide-input"]}
    assert [cups.outputs, cups.execution_count] == [[], None]
    assert again.id == f"{saucers.id}-2"


def test_jupyter_writes_the_same_bytes(course: Path) -> None:
    """What Jupyter writes when it saves a notebook unchanged is what we built."""
    data = lesson_notebook(course / "notebooks" / "source" / "42-shelves.md")
    notebook: Any = nbformat.reads(data.decode(), as_version=4)  # type: ignore[no-untyped-call]
    assert nbformat.writes(notebook) + "\n" == data.decode()  # type: ignore[no-untyped-call]


def test_an_edit_changes_one_cell(course: Path) -> None:
    """Ids stand on content: a new cell above leaves all others as they were."""
    page = course / "notebooks" / "source" / "42-shelves.md"
    before = {cell.id for cell in cells_of(lesson_notebook(page))}
    page.write_text(LESSON.replace("# Shelves\n", "# Shelves\n\n```{code-cell} ipython3\n0\n```\n"))
    assert len({cell.id for cell in cells_of(lesson_notebook(page))} - before) == 1


def test_solution_is_what_nbgrader_wants(catalog: Path) -> None:
    """Each answer is marked as a solution and followed by a locked cell with its task's points."""
    cells = cells_of(solution_notebook(load_exercise(catalog / "ex42_label_the_shelves")))
    marks = [cell.metadata.get("nbgrader") for cell in cells]
    assert [mark and mark["grade_id"] for mark in marks] == [
        *("title", "begin", "text-1", "answer-1", "task-1"),
        *("text-2", None, "answer-2", "task-2", "text-2-2"),
    ]
    assert cells[1].source == '%load_ext autograder\nbegin("42")'
    assert cells[3].source == "%%shell\n### BEGIN SOLUTION\necho cups > label.txt\n### END SOLUTION"
    assert "tags" not in cells[3].metadata
    assert cells[7].metadata["tags"] == ["long"]
    assert [(mark["solution"], mark["grade"], mark["locked"]) for mark in marks[3:5]] == [
        (True, False, False),
        (False, True, True),
    ]
    assert [(cells[at].source, marks[at]["points"]) for at in (4, 8)] == [("grade(1)", 2), ("grade(2)", 4)]


def test_begin_may_stand_in_the_page(catalog: Path) -> None:
    """A page that shows the first cell gets it where it stands, once."""
    page = catalog / "ex42_label_the_shelves" / "exercise.md"
    begin = '```{code-cell} ipython3\n%load_ext autograder\nbegin("42")\n```\n\n'
    page.write_text(PAGE.replace("## Task 1", f"{begin}Go on.\n\n## Task 1"))
    cells = cells_of(solution_notebook(load_exercise(page.parent)))
    assert [cell.source for cell in cells].count('%load_ext autograder\nbegin("42")') == 1
    assert cells[1].metadata["nbgrader"]["grade_id"] == "begin"
    page.write_text(page.read_text().replace('begin("42")', 'begin("41")'))
    with pytest.raises(BrokenExercise, match=r"exercise\.md:9: this isn't the cell that begins the exercise"):
        solution_notebook(load_exercise(page.parent))


def test_learners_copy_keeps_the_magic_and_loses_the_answer(course: Path, catalog: Path) -> None:
    """The released answer cell is %%shell and the stub, and no word of any answer is left in the notebook."""
    build(course, catalog=catalog)
    name = "42-label-the-shelves"
    data = (course / "exercises" / name / f"{name}.ipynb").read_bytes()
    answers = [cell for cell in cells_of(data) if cell.metadata.get("nbgrader", {}).get("solution")]
    assert [cell.source for cell in answers] == [f"%%shell\n{STUB}"] * 2
    assert b"label.txt" not in data
    locked = [cell.metadata for cell in cells_of(data) if cell.metadata.get("nbgrader", {}).get("locked")]
    assert len(locked) == 7
    assert all(one["editable"] is False and one["deletable"] is False for one in locked)


@pytest.mark.slow
def test_nbgraders_own_command_gives_the_same_bytes(course: Path, catalog: Path, tmp_path: Path) -> None:
    """`nbgrader generate_assignment`, as an instructor types it, releases what `build` released."""
    build(course, catalog=catalog)
    name = "42-label-the-shelves"
    built = (course / "exercises" / name / f"{name}.ipynb").read_bytes()
    shutil.rmtree(course / "exercises")
    bin_folder = Path(sys.executable).parent
    done = subprocess.run(
        [bin_folder / "nbgrader", "generate_assignment", name],
        cwd=course,
        env={"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (course / "exercises" / name / f"{name}.ipynb").read_bytes() == built
    assert (course / ".grading" / "gradebook.db").is_file()
    assert not (course / "gradebook.db").exists()


def test_rebuild_changes_nothing(course: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second build writes nothing, and one elsewhere, from another directory and with another hash seed, gives the same bytes."""
    assert [one.path for one in build(course, catalog=catalog)] == [
        "notebooks/42-shelves.ipynb",
        "solutions/42-label-the-shelves/42-label-the-shelves.ipynb",
        "exercises/42-label-the-shelves/42-label-the-shelves.ipynb",
    ]
    built = files_of(course)
    assert build(course, catalog=catalog) == []
    assert files_of(course) == built
    other = tmp_path / "a folder elsewhere" / "course"
    shutil.copytree(course / "notebooks" / "source", other / "notebooks" / "source")
    shutil.copy(CONFIG, other)
    script = "import sys, pathlib; from autograder.authoring import build; build(pathlib.Path(sys.argv[1]), catalog=pathlib.Path(sys.argv[2]))"
    subprocess.run(
        [sys.executable, "-c", script, other, catalog],
        cwd="/",
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True,
    )
    assert files_of(other) == built


def test_check_tells_drift_and_writes_nothing(course: Path, catalog: Path) -> None:
    """What was edited by hand, what is missing and what has no source any more is told, each with the command that mends it."""
    build(course, catalog=catalog)
    edited = course / "notebooks" / "42-shelves.ipynb"
    edited.write_text(edited.read_text().replace("saucers", "plates"))
    shutil.rmtree(course / "solutions")
    orphan = course / "notebooks" / "41-gone.ipynb"
    orphan.write_text("{}")
    (course / "notebooks" / "Untitled.ipynb").write_text("{}")
    before = files_of(course)
    assert [str(one) for one in build(course, check=True, catalog=catalog)] == [
        "notebooks/42-shelves.ipynb isn't what its source says (`make build`)",
        "solutions/42-label-the-shelves/42-label-the-shelves.ipynb is missing (`make build`)",
        "notebooks/41-gone.ipynb has no source (`git rm notebooks/41-gone.ipynb`)",
    ]
    assert files_of(course) == before
    build(course, catalog=catalog)
    orphan.unlink()
    assert build(course, check=True, catalog=catalog) == []


def test_a_mistake_leaves_everything_as_it_was(course: Path, catalog: Path) -> None:
    """Nothing is written unless all of it can be built."""
    page = catalog / "ex42_label_the_shelves" / "exercise.md"
    page.write_text(PAGE.replace(":tags: [answer, long]\n\n", ""))
    before = files_of(course)
    with pytest.raises(BrokenExercise, match=r"ex42_label_the_shelves/exercise\.md:20: task 2 has no answer"):
        build(course, catalog=catalog)
    assert files_of(course) == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [("task=2", "task=1", "task 2"), ("task=1, points=2", "task=3, points=2", "task 1 has no check")],
)
def test_page_and_checks_must_fit(course: Path, catalog: Path, old: str, new: str, says: str) -> None:
    """A task without a check, or a check without a task, is an author's mistake."""
    checks = catalog / "ex42_label_the_shelves" / "checks.py"
    checks.write_text(CHECKS.replace(old, new))
    with pytest.raises(BrokenExercise, match=says):
        build(course, catalog=catalog)


def test_a_folder_that_is_no_course_is_told(tmp_path: Path, catalog: Path) -> None:
    """Without the course's configuration nothing is guessed."""
    with pytest.raises(UsageError, match=r"has no nbgrader_config\.py"):
        build(tmp_path, catalog=catalog)


@pytest.mark.parametrize("exercise", find_exercises(), ids=lambda one: one.id)
def test_catalogue_and_notebook_hold_the_same_answers(exercise: Exercise) -> None:
    """The answers that the proofs run are those which the solution shows."""
    cells = {cell.id: cell.source for cell in cells_of(authoring.solution_notebook(exercise))}
    for task in exercise.tasks:
        assert cells[f"answer-{task.number}"] == f"%%shell\n### BEGIN SOLUTION\n{task.answer.strip()}\n### END SOLUTION"
        assert cells[f"task-{task.number}"] == f"grade({task.number})"
