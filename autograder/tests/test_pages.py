"""Tests of `autograder.pages`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.exceptions import BrokenExercise
from autograder.pages import read_exercise_page, read_page

EXERCISE = """---
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
:tags: [answer]

%%shell
mv label.txt shelf/
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Path]:
    """Write a page into an exercise's folder."""

    def write(text: str) -> Path:
        place = tmp_path / "ex42_shelves" / "exercise.md"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(text.encode())
        return place

    return write


def test_cells_know_their_lines(page: Callable[[str], Path]) -> None:
    """A cell's line is that of its text, whatever stands before it."""
    cells = read_page(page("---\nminutes: 5\n---\n\n\n# Title\n\n```{code-cell} ipython3\n1\n```\n\n+++\n\nEnd.\n"))
    assert [(cell.kind, cell.line, cell.source) for cell in cells] == [
        ("markdown", 6, "# Title"),
        ("code", 8, "1"),
        ("markdown", 14, "End."),
    ]


def test_tags_are_kept(page: Callable[[str], Path]) -> None:
    """What an author tags a cell with arrives, on code and on text."""
    text = (
        '```{code-cell} ipython3\n:tags: [claim:B-108, hide-input]\n\n1\n```\n\n+++ {"tags": ["claim:A-13"]}\n\nText.\n'
    )
    assert [cell.tags for cell in read_page(page(text))] == [["claim:B-108", "hide-input"], ["claim:A-13"]]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("Text.\n\n:::{note}\nMind.\n:::\n", 3, "{note}"),
        ("Text,\ngoing on:\n:::{tip}\nMind.\n:::\n", 3, "{tip}"),
        ("::::{grid}\n::::\n", 1, "{grid}"),
        ("# Title\n\n```{warning}\nMind.\n```\n", 3, "{warning}"),
        ("1. One\n\n   ```{code-cell} ipython3\n   1\n   ```\n", 3, "{code-cell}"),
        ("Text.\n\nSee {doc}`other` for more.\n", 3, "{doc}"),
        ("| a | b |\n| --- | --- |\n| 1 | {term}`venv` |\n", 3, "{term}"),
        ("Text.\n\n% a remark of mine\n", 3, "comment or label"),
        ("(label)=\n# Title\n", 1, "comment or label"),
        ("# Title\n\n```{code-cell} ipython3\n1\n", 3, "never closed"),
        ("# Title\n\n```{code-cell} ipython3\n:tags: answer\n\n1\n```\n", 3, "no list"),
        ("# Title\n\n```{code-cell} ipython3\n:tags: [answer\n\n1\n```\n", 3, "Invalid YAML"),
        ("# Title\n\n+++ {tags\n\nText.\n", 3, "could not be read"),
    ],
)
def test_what_lab_does_not_render_is_refused(page: Callable[[str], Path], text: str, line: int, says: str) -> None:
    """A mistake is told with file and line, and with what to write instead."""
    with pytest.raises(BrokenExercise) as caught:
        read_page(page(text))
    assert caught.value.message.startswith(f"ex42_shelves/exercise.md:{line}: ")
    assert says in caught.value.message
    assert caught.value.next_step


def test_latin_1_is_refused_with_its_line(tmp_path: Path) -> None:
    """A page in another encoding is told as such."""
    place = tmp_path / "latin.md"
    place.write_bytes(b"# Title\n\ncaf\xe9\n")
    with pytest.raises(BrokenExercise, match=r"latin\.md:3: this isn't UTF-8"):
        read_page(place)


@pytest.mark.parametrize(
    "text",
    [
        "Names such as `{name}` and `a{b}` stay, `x{y}` too.\n",
        "````\n```{note}\n:::{tip}\n```\n````\n",
        "> ```bash\n> echo 1\n> ```\n",
        "```{code-cell} ipython3\n%%shell\ncat <<'END'\n:::{note}\nEND\n```\n",
        "> **Note.** A quotation.\n\n<details><summary>More</summary>\n\nText.\n\n</details>\n",
    ],
)
def test_plain_markdown_is_taken(page: Callable[[str], Path], text: str) -> None:
    """Nothing that JupyterLab renders is refused, nor MyST shown as an example in a fence."""
    assert read_page(page(text))


def test_tasks_are_cut_at_their_headings(page: Callable[[str], Path]) -> None:
    """Each task begins with the cell that holds its heading and nothing of the task before."""
    found = read_exercise_page(page(EXERCISE))
    assert [cell.source for cell in found.introduction] == ["# Label the shelves\n\nEvery shelf needs a label."]
    assert [[cell.line for cell in cells] for cells in found.tasks] == [[9, 13], [20, 22]]
    assert [[cell.is_answer for cell in cells] for cells in found.tasks] == [[False, True], [False, True]]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("# Label the shelves\n", "Label the shelves.\n", 5, "doesn't begin with its title"),
        ("## Task 2:", "## Task 3:", 20, "task 2 was due"),
        ("## Task 2:", "## Task 1:", 20, "task 2 was due"),
        ("## Task 2: Hang", "## Task two, hang", 20, "no task's heading"),
        ("## Task 2: Hang it up", "## task 2: hang it up", 20, "no task's heading"),
        ("## Task 2: Hang it up\n", "", 21, "task 1 has a second answer"),
        (":tags: [answer]\n\n%%shell\necho", "%%shell\necho", 9, "task 1 has no answer"),
        (":tags: [answer]\n\n%%shell\nmv", "%%shell\nmv", 20, "task 2 has no answer"),
        ("%%shell\nmv", "%%bash\nmv", 22, "isn't %%shell"),
        ("%%shell\nmv label.txt shelf/", "%%shell", 22, "isn't %%shell"),
        ("mv label.txt", "### BEGIN SOLUTION\nmv label.txt", 22, "marks its solution"),
        ("Every shelf", "```{code-cell}\n:tags: [answer]\n\n%%shell\n1\n```\nEvery shelf", 7, "belongs to no task"),
    ],
)
def test_authors_mistakes_are_told_with_their_line(
    page: Callable[[str], Path], old: str, new: str, line: int, says: str
) -> None:
    """What can't be graded is refused where it stands."""
    assert EXERCISE.count(old) == 1
    with pytest.raises(BrokenExercise) as caught:
        read_exercise_page(page(EXERCISE.replace(old, new)))
    assert caught.value.message.startswith(f"ex42_shelves/exercise.md:{line}: ")
    assert says in caught.value.message


def test_page_without_task_is_refused(page: Callable[[str], Path]) -> None:
    """There is nothing to grade on a page without tasks."""
    with pytest.raises(BrokenExercise, match=r"exercise\.md:1: the page has no task"):
        read_exercise_page(page("# Title\n\nText.\n"))
