"""The book's pages as Sphinx reads them, made of the lessons, the exercises' texts, the start page and the docs."""

from __future__ import annotations

import html
import json
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from autograder.exceptions import UsageError
from autograder.exercise import Exercise, find_exercises
from book.pictures import recorded_html
from book.recording import MIME

__all__ = ["Book", "description"]

_LINK = re.compile(r"(?<!!)\[((?:[^\[\]`]|`[^`]*`)*)\]\(([^()\s]+)\)")
_QUOTE = re.compile(r"(?:^>.*\n?)+", re.MULTILINE)
_TITLE = re.compile(r"\A# +(.+)$", re.MULTILINE)
_MINUTES = re.compile(r"^\*About (\d+) minutes", re.MULTILINE)


@dataclass
class Page:
    """One page of the book."""

    name: str
    """Its path in the book, without suffix."""
    title: str
    number: str = ""
    minutes: str = ""


@dataclass
class Book:
    """All pages, written one after the other into the folder which Sphinx then reads."""

    course: Path
    folder: Path
    open_url: str = ""
    """Where the course runs, with `{path}` where the notebook's path goes; empty if nobody has said."""
    lessons: list[Page] = field(default_factory=list)
    exercises: list[Page] = field(default_factory=list)
    docs: list[Page] = field(default_factory=list)
    descriptions: dict[str, str] = field(default_factory=dict)
    """For search engines, by page."""

    def lesson_paths(self) -> list[Path]:
        """Give the lessons' notebooks in their order, the start page left out."""
        return [
            path
            for path in sorted((self.course / "notebooks").glob("[0-9][0-9]-*.ipynb"))
            if not path.name.startswith("00")
        ]

    def add_lesson(self, path: Path, notebook: Any) -> None:
        """Write a lesson's page of its notebook, with whatever outputs that has."""
        name = f"lessons/{path.stem}"
        cells: list[Any] = []
        fold = False
        title = minutes = ""
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                text = self._markdown(cell.source, posixpath.join("notebooks", path.name), name)
                fold = _asks_to_predict(cell.source)
                if not title and (found := _TITLE.search(text)):
                    title = found[1]
                    minutes = "".join(_MINUTES.findall(text)[:1])
                    text = _TITLE.sub(lambda one: f"{one[0]}\n\n{self._reading(path, 'lesson')}", text, count=1)
                    self.descriptions[name] = description(cell.source)
                cells.append(nbformat.v4.new_markdown_cell(text))  # type: ignore[no-untyped-call]
            elif cell.cell_type == "code":
                outputs = [_shown(one) for one in cell.outputs]
                metadata = {
                    "tags": ["hide-output"],
                    "mystnb": {"code_prompt_show": "Show what happens", "code_prompt_hide": "Hide what happens"},
                }
                fresh = nbformat.v4.new_code_cell(cell.source, outputs=outputs)  # type: ignore[no-untyped-call]
                if fold and outputs and not any(MIME in one.get("data", {}) for one in cell.outputs):
                    fresh.metadata.update(metadata)
                fold = False
                cells.append(fresh)
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        page = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
        page.metadata.update(
            {
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                "language_info": {"name": "python", "pygments_lexer": "wheelhouse"},
            }
        )
        self._write(f"{name}.ipynb", nbformat.writes(page))  # type: ignore[no-untyped-call]
        self.lessons.append(Page(name, title or path.stem, path.stem[:2], minutes))

    def add_exercises(self) -> None:
        """Write a page for each exercise: its text, and for each task the lines of its checklist; no answers."""
        for exercise in find_exercises():
            path = self.course / "exercises" / exercise.id / f"{exercise.id}.ipynb"
            if not path.is_file():
                raise UsageError(f"{path} is missing.", "Run `make build`.")
            self._add_exercise(exercise, path)

    def _add_exercise(self, exercise: Exercise, path: Path) -> None:
        name = f"exercises/{exercise.id}"
        given = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        tasks = {f"grade({task.number})": task for task in exercise.tasks}
        title = f"Exercise {exercise.number:02}: {exercise.title}"
        parts = []
        for cell in given.cells:
            if cell.cell_type == "markdown":
                parts.append(self._markdown(cell.source, f"exercises/{exercise.id}/{path.name}", name))
            elif task := tasks.get(cell.source.strip()):
                lines = "\n".join(f"- {check.says}" for check in task.checks)
                points = f"{task.points} point{'s' if task.points != 1 else ''}"
                parts.append(f":::{{admonition}} Your checklist, {points}\n:class: wh-checks\n\n{lines}\n:::")
        text = "\n\n".join(parts)
        self.descriptions[name] = description(text)
        text = _TITLE.sub(f"# {title}\n\n{self._reading(path, 'exercise')}", text, count=1)
        self._write(f"{name}.md", text)
        self.exercises.append(Page(name, title, f"{exercise.number:02}", str(exercise.minutes)))

    def add_docs(self) -> None:
        """Write the pages of `autograder/docs`."""
        for path in sorted((self.course / "autograder" / "docs").glob("*.md")):
            name = f"about/{path.stem}"
            source = path.read_text("utf-8")
            text = self._markdown(source, f"autograder/docs/{path.name}", name)
            found = _TITLE.search(text)
            self.descriptions[name] = description(source)
            self._write(f"{name}.md", text)
            self.docs.append(Page(name, found[1] if found else path.stem))

    def add_start(self) -> None:
        """Write the first page: the start page's text, with a table of all lessons instead of one learner's progress."""
        notebook = nbformat.read(self.course / "notebooks" / "00-start.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        first, *others = texts
        # neither the title nor the last paragraph, which speaks of the cell below it
        story = "\n\n".join(first.split("\n\n")[1:-1])
        how = "\n\n".join(text for text in others if text.startswith("## How it works"))
        self.descriptions["index"] = description(story)
        exercises = {page.number: page for page in self.exercises}
        rows = []
        for page in self.lessons:
            other = exercises.get(page.number)
            link = f"[Exercise {page.number}](/{other.name}){_takes(other)}" if other else ""
            rows.append(f"| {page.number} | [{page.title}](/{page.name}){_takes(page)} | {link} |")
        table = "\n".join(["| | Lesson | To do |", "| --- | --- | --- |", *rows])
        order = [one for page in self.lessons for one in (page, exercises.get(page.number)) if one]
        order += [page for page in self.exercises if page not in order]
        listed = "\n".join(
            f"{page.title if page in self.exercises else f'{page.number} {page.title}'} <{page.name}>" for page in order
        )
        about = "\n".join(page.name for page in self.docs)
        self._write(
            "index.md",
            "\n\n".join(
                [
                    "# Wheelhouse",
                    "*Python's modules, imports, environments, pip, locking, `pyproject.toml` and publishing, by doing the real thing.*",
                    story,
                    f"## The lessons\n\n{table}",
                    f"## To read, and to do\n\n{self._about_the_book()}",
                    how,
                    f"```{{toctree}}\n:hidden:\n:caption: Lessons and exercises\n\n{listed}\n```",
                    *([f"```{{toctree}}\n:hidden:\n:caption: How the course works\n\n{about}\n```"] if about else []),
                ]
            ),
        )

    def finish(self) -> None:
        """Write what Sphinx is to know about all pages."""
        self._write("descriptions.json", json.dumps(self.descriptions, ensure_ascii=False, indent=1, sort_keys=True))

    # Parts

    def _about_the_book(self) -> str:
        text = (
            "These pages are the course as a book: every output was recorded from a real run, and the pictures play what was recorded.\n"
            "Where a page asks you to predict, what happens is folded away until you ask for it.\n"
            "To type the commands yourself, to break things and to let your work be checked, open the course"
        )
        if self.open_url:
            return f"{text}: [open it now]({self._url('notebooks/00-start.ipynb')}), or run `make lab` in a copy of it."
        return f"{text}: `make lab`, in a copy of it, is all it takes."

    def _reading(self, path: Path, kind: str) -> str:
        inside = path.relative_to(self.course).as_posix()
        if kind == "lesson":
            about = (
                "You are reading this lesson; its outputs were recorded. In the course you run the commands yourself."
            )
        else:
            about = "You are reading this exercise; in the course you do it, in a sandboxed shell, with a checklist that follows you."
        if self.open_url:
            where = f"[Open this {kind} in the course]({self._url(inside)})."
        else:
            where = f"`make lab` opens the course; this {kind} is `{inside}`."
        return f":::{{admonition}} To do it yourself\n:class: wh-reading\n\n{about}\n{where}\n:::"

    def _url(self, inside: str) -> str:
        return self.open_url.replace("{path}", inside)

    def _markdown(self, text: str, inside: str, name: str) -> str:
        """Give a text of the course as the book needs it: links that lead to its pages, boxes for what is set off."""
        return _QUOTE.sub(lambda quote: _box(quote[0]), _LINK.sub(lambda link: self._link(link, inside, name), text))

    def _link(self, link: re.Match[str], inside: str, name: str) -> str:
        text, target = link[1], link[2]
        if re.match(r"[a-z]+:|#", target):
            return link[0]
        path, _, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(inside), path))
        page = _page_of(place)
        if page == "" or not (self.course / place).exists():
            return text  # the file is in the course, not in the book
        return f"[{text}](/{page}{'#' + anchor if anchor else ''})"

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.rstrip() + "\n", "utf-8")


def _takes(page: Page) -> str:
    return f", {page.minutes} min" if page.minutes else ""


def _page_of(place: str) -> str:
    """Give the page of the book that a file of the course became; empty if there is none."""
    for pattern, page in (
        (r"notebooks/(?:source/)?00-[\w-]+\.(?:ipynb|md)", "index"),
        (r"notebooks/(?:source/)?(\d\d-[\w-]+)\.(?:ipynb|md)", r"lessons/\1"),
        (r"(?:exercises|solutions)/(\d\d-[\w-]+)/\1\.ipynb", r"exercises/\1"),
        (r"autograder/docs/([\w-]+)\.md", r"about/\1"),
    ):
        if found := re.fullmatch(pattern, place):
            return found.expand(page)
    return ""


def _box(quote: str) -> str:
    """Make a box of a quotation that begins with a strong title."""
    lines = [re.sub(r"^> ?", "", line) for line in quote.rstrip("\n").split("\n")]
    title = re.fullmatch(r"\*\*(.+?)\*\*", lines[0].strip())
    if not title:
        return quote
    first = title[1].split()[0].lower()
    kind = first if first in ("predict", "myth") else "aside"
    body = "\n".join(lines[1:])
    return f":::{{admonition}} {title[1].rstrip('.')}\n:class: wh-{kind}\n\n{body}\n:::\n"


def _asks_to_predict(text: str) -> bool:
    """Whether a text ends with the question what will happen."""
    return text.rstrip().rpartition("\n\n")[2].startswith("> **Predict")


def _shown(output: Any) -> Any:
    """Give an output as a page can show it."""
    data = output.get("data")
    if not data:
        return output
    if MIME in data:
        data = {"text/html": recorded_html(data[MIME], data["text/html"])}
    elif "text/html" in data:
        data = {"text/html": f'<div class="wh-html">{data["text/html"]}</div>'}
    return nbformat.v4.new_output(
        output.output_type, data=data, **({"execution_count": None} if output.output_type == "execute_result" else {})
    )  # type: ignore[no-untyped-call]


def description(text: str) -> str:
    """Give a page's first sentences as plain text of at most 160 characters, for search engines."""
    for part in re.split(r"\n\s*\n", text):
        if re.match(r"\s*[#*|<>`:\-]", part):
            continue
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", part)
        plain = " ".join(re.sub(r"[`*]", "", plain).split())
        short = plain if len(plain) <= 160 else plain[:159].rsplit(" ", 1)[0] + "…"
        return html.unescape(short)
    return ""
