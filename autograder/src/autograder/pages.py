"""Pages as authors write them: MyST text, read by jupytext, cell by cell with the line of each.

Refused, with file and line, is what would look wrong in plain JupyterLab (directives, roles, comments, fences never closed) and,
in an exercise, what can't be graded: tasks out of order, a task without its one answer.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from jupytext.myst import MystMetadataParsingError, myst_to_notebook  # type: ignore[import-untyped]
from markdown_it import MarkdownIt
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin
from nbformat.validator import NotebookValidationError

from autograder.exceptions import BrokenExercise

__all__ = ["SHELL", "Cell", "ExercisePage", "read_exercise_page", "read_page"]

SHELL = "%%shell"

_TASK = re.compile(r"## Task ([0-9]+): \S.*")


@dataclass
class Cell:
    """A cell and where it stands in its page."""

    page: Path
    line: int
    """Counted from 1."""
    kind: str
    """`markdown`, `code` or `raw`."""
    source: str
    metadata: dict[str, Any]

    def broken(self, problem: str, remedy: str) -> BrokenExercise:
        """Say what is wrong with this cell, and where it is."""
        return _broken(self.page, self.line, problem, remedy)

    @property
    def tags(self) -> list[str]:
        """The tags it was given in the text."""
        return list(self.metadata.get("tags", []))

    @property
    def is_answer(self) -> bool:
        """Whether it holds the reference answer to a task."""
        return "answer" in self.tags


def _broken(page: Path, line: int, problem: str, remedy: str) -> BrokenExercise:
    """Say where in a page an author's mistake is, as editors and terminals link it."""
    shown = "/".join(page.parts[-2:])
    return BrokenExercise(f"{shown}:{line}: {problem}", remedy)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table")
    return parser.use(front_matter_plugin).use(myst_block_plugin).use(myst_role_plugin)


def _refuse_what_lab_does_not_render(page: Path, text: str) -> None:
    """Refuse MyST that plain JupyterLab shows as raw text, and fences that were never closed."""
    lines = text.splitlines()
    line = 1
    for token in _parser().parse(text):
        if token.map:
            line = token.map[0] + 1
        if token.type == "fence":
            name = re.match(r"\{[^}]*\}?", token.info)
            if name and (name.group() not in ("{code-cell}", "{raw-cell}") or token.level):
                raise _broken(
                    page, line, f"JupyterLab doesn't render the directive {name.group()} here.", _instead(name.group())
                )
            if token.map and not lines[min(token.map[1], len(lines)) - 1].lstrip("> \t").startswith(token.markup):
                raise _broken(page, line, f"the {token.markup} opened here is never closed.", "Close it.")
            if re.match(r"(?::\w.*\n)*:tags: *[^\[\s]", token.content):
                raise _broken(page, line, "the cell's tags are no list.", "Write `:tags: [one, another]`.")
        if token.type in ("myst_line_comment", "myst_target"):
            raise _broken(page, line, "JupyterLab shows this MyST comment or label as text.", "Take it out.")
        for offset, written in enumerate(token.content.split("\n") if token.type == "inline" else []):
            colons = re.match(r" {0,3}:{3,}\s*(\{[^}]*\})?", written)
            if colons:
                name_there = colons.group(1) or ":::"
                raise _broken(
                    page, line + offset, f"JupyterLab doesn't render the directive {name_there}.", _instead(name_there)
                )
        for child in token.children or []:
            if child.type == "myst_role":
                role = child.meta["name"]
                raise _broken(
                    page,
                    line,
                    f"JupyterLab doesn't render the role {{{role}}}.",
                    "Write a plain Markdown link or code.",
                )


def _instead(directive: str) -> str:
    if directive == "{code-cell}":
        return "Begin the cell at the start of its line."
    if directive in ("{figure}", "{image}"):
        return "Write a plain picture: `![what it shows](picture.png)`."
    if directive == "{math}":
        return "Write `$$ … $$`."
    return "Write a quotation, as in `> **Note.** …`, or `<details><summary>…</summary>…</details>`."


def read_page(page: Path) -> list[Cell]:
    """Read a page's cells with jupytext.

    Raises:
        BrokenExercise: it isn't UTF-8, isn't what jupytext reads, or holds what JupyterLab doesn't render.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = page.read_bytes()[: error.start].count(b"\n") + 1
        raise _broken(page, line, "this isn't UTF-8.", "Save the file as UTF-8.") from error
    _refuse_what_lab_does_not_render(page, text)
    try:
        notebook = myst_to_notebook(text, add_source_map=True)
    except (MystMetadataParsingError, NotebookValidationError, yaml.YAMLError) as error:
        said = str(error)
        at = re.search(r"at line (\d+)", said)
        raise _broken(
            page, int(at.group(1)) if at else 1, said.replace("\n", " "), "Mend the YAML or JSON there."
        ) from error
    lines = text.splitlines()
    cells = []
    for node, start in zip(notebook.cells, notebook.metadata["source_map"], strict=True):
        line = start if node.cell_type != "markdown" else start + 1
        while node.cell_type == "markdown" and not lines[line - 1].strip():
            line += 1
        cell = Cell(
            page, line, str(node.cell_type), str(node.source), json.loads(json.dumps(node.metadata, default=str))
        )
        cells.append(cell)
    return cells


def _split(cell: Cell) -> list[Cell]:
    """Cut a Markdown cell before each heading of the second level, so that each task's text is a cell of its own."""
    if cell.kind != "markdown":
        return [cell]
    lines = cell.source.split("\n")
    starts = [
        token.map[0]
        for token in _parser().parse(cell.source)
        if token.type == "heading_open" and token.markup == "##" and not token.level and token.map
    ]
    edges = sorted({0, *starts, len(lines)})
    return [
        replace(cell, line=cell.line + start, source="\n".join(lines[start:end]).strip("\n"))
        for start, end in itertools.pairwise(edges)
    ]


@dataclass(frozen=True)
class ExercisePage:
    """An exercise's page, cut where its tasks begin."""

    introduction: list[Cell]
    """Its first cell begins with the title."""
    tasks: list[list[Cell]]
    """Each begins with the cell of its heading and holds exactly one answer."""


def read_exercise_page(page: Path) -> ExercisePage:
    """Read an exercise's page.

    Raises:
        BrokenExercise: it can't be graded as it is; the message begins with file and line.
    """
    sections: list[list[Cell]] = [[]]
    for cell in [part for whole in read_page(page) for part in _split(whole)]:
        heading = cell.source.split("\n", 1)[0] if cell.kind == "markdown" else ""
        if sections == [[]] and not heading.startswith("# "):
            raise cell.broken("the page doesn't begin with its title.", "Write `# Title` above all else.")
        if re.match(r"##\s+task\b", heading, re.IGNORECASE):
            match = _TASK.fullmatch(heading)
            if match is None:
                raise cell.broken(f"`{heading}` is no task's heading.", "Write it like `## Task 1: Title`.")
            if int(match.group(1)) != len(sections):
                problem = f"this is task {match.group(1)}, but task {len(sections)} was due."
                raise cell.broken(problem, "Number them 1, 2, 3 …")
            sections.append([])
        sections[-1].append(cell)
    for number, cells in enumerate(sections):
        _refuse_bad_answers(number, cells)
    if len(sections) == 1:
        raise _broken(page, 1, "the page has no task.", "Write `## Task 1: Title`, and an answer below it.")
    return ExercisePage(sections[0], sections[1:])


def _refuse_bad_answers(number: int, cells: list[Cell]) -> None:
    """Refuse a task that has not exactly one answer, and an answer that is none; section 0 is the introduction."""
    answers = [cell for cell in cells if cell.is_answer]
    if number == 0 and answers:
        raise answers[0].broken("this answer belongs to no task.", "Put it below its task's heading.")
    if number and not answers:
        raise cells[0].broken(f"task {number} has no answer.", "Add a cell tagged [answer] to it.")
    if len(answers) > 1:
        raise answers[1].broken(f"task {number} has a second answer.", "Put both into one cell.")
    for cell in answers:
        first, _, commands = cell.source.partition("\n")
        if cell.kind != "code" or first.strip() != SHELL or not commands.strip():
            problem = f"the answer to task {number} isn't {SHELL} with commands below it."
            raise cell.broken(problem, f"Write {SHELL} as the cell's first line.")
        if "BEGIN SOLUTION" in commands or "END SOLUTION" in commands:
            raise cell.broken("the answer marks its solution itself.", "Take the marks out.")
