"""Tests of `autograder.exercise`."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.exceptions import BrokenExercise, UsageError
from autograder.exercise import find_exercise, load_exercise

PAGE = """---
minutes: 5
---

# Label the shelves

Every shelf needs a label.

## Task 1: Write the label

The label says what is on the shelf.

```{code-cell} ipython3
:tags: [answer]

%%shell
echo cups > label.txt
```
"""

CHECKS = '''
from autograder import Failed, Workspace, check


@check(task=1, points=2, hints=["Look.", "Write.", "Name it label.txt."])
def label_is_there(work: Workspace) -> None:
    """`label.txt` is there."""


@check(task=1, points=1, after=label_is_there, acts=True)
def label_is_readable(work: Workspace) -> None:
    """`label.txt` can be read."""
'''


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """An exercise in the making, outside the package."""
    folder = tmp_path / "ex42_label_the_shelves"
    folder.mkdir()
    (folder / "exercise.md").write_text(PAGE)
    (folder / "checks.py").write_text(CHECKS)
    return folder


def test_one_folder_says_everything_once(draft: Path) -> None:
    """Id, title, points, tasks, answers and checks are put together from the one place each stands in."""
    exercise = load_exercise(draft)
    (task,) = exercise.tasks
    first, second = exercise.checks

    assert (exercise.id, exercise.number, exercise.minutes) == ("42-label-the-shelves", 42, 5)
    assert exercise.title == "Label the shelves"
    assert (task.title, task.text) == ("Write the label", "The label says what is on the shelf.")
    assert task.answer == "echo cups > label.txt\n"
    assert (exercise.points, task.points) == (3, 3)
    assert (first.name, first.says, first.acts) == ("label_is_there", "`label.txt` is there.", False)
    assert second.after is first


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("exercise.md", "# Label", "Label", "lacks its title"),
        ("exercise.md", "minutes: 5", "", "lacks its title or its `minutes:`"),
        ("exercise.md", "## Task 1:", "## Task 2:", "task 1 was due"),
        ("exercise.md", "[answer]", "[anwser]", "no cell tagged"),
        ("exercise.md", "%%shell\n", "", "doesn't start with %%shell"),
        ("checks.py", "task=1", "task=3", "has no check"),
        ("checks.py", "task=1, points=1", "task=2, points=1", "belongs to task 2"),
        ("checks.py", '    """`label.txt` is there."""', "    pass", "has no docstring"),
        ("checks.py", "points=2", "points=0", "has no points"),
        ("checks.py", "def label_is_there", "def label is there", "SyntaxError"),
    ],
)
def test_an_authors_slip_is_named(draft: Path, file: str, old: str, new: str, sentence: str) -> None:
    """What doesn't fit together is said in one sentence with the file's name, not in a traceback."""
    text = (draft / file).read_text()
    assert old in text
    (draft / file).write_text(text.replace(old, new))

    with pytest.raises(BrokenExercise, match=sentence):
        load_exercise(draft)


@pytest.mark.parametrize("name", ["06", "6", "06-virtual-environments", "virtual", "VIRTUAL-env"])
def test_an_exercise_is_found_by_number_id_or_part(name: str) -> None:
    """Whatever only one exercise has is enough."""
    assert find_exercise(name).id == "06-virtual-environments"


@pytest.mark.parametrize("name", ["99", "", "vitrual", "../06"])
def test_an_unknown_exercise_is_answered_with_the_known_ones(name: str) -> None:
    """A typing error gets the list."""
    with pytest.raises(UsageError, match="06-virtual-environments"):
        find_exercise(name)
