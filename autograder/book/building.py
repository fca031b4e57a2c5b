"""Build the book: run the lessons, write Sphinx's sources, let Sphinx make the pages, and put them in their place as a whole."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import nbformat

from autograder.exceptions import CourseError, UsageError
from autograder.places import cache
from book import pictures
from book.execution import execute
from book.pages import Book

__all__ = ["BookIsBroken", "build"]

SITE = Path(__file__).parent / "site"
MARK = "wheelhouse-book.txt"
"""Lies in every built book, so that nothing else is ever replaced."""

MENDED = [
    ('<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
    ('<th class="head"><p></p></th>', "<td></td>"),
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    ('<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="Contents of the book">'),
    ('<aside class="toc-drawer">', '<aside class="toc-drawer" aria-label="Contents of this page">'),
    ('<aside class="toc-drawer no-toc">', '<aside class="toc-drawer no-toc" aria-label="Contents of this page">'),
    ('<noscript>\n<div class="admonition error">', '<h1>Search</h1>\n<noscript>\n<div class="admonition error">'),
]
"""What axe-core finds in the theme, and what there is instead."""


class BookIsBroken(CourseError):
    """Sphinx has something to say against the pages: a link that leads nowhere, text that it can't read."""

    exit_status = 1


def build(
    course: Path,
    out: Path,
    *,
    run: Callable[[Path], bool] = lambda _: True,
    fresh: bool = False,
    results: Path | None = None,
    open_url: str = "",
    tell: Callable[[str], None] = print,
) -> int:
    """Build the book of a course into `out` and give the number of its pages.

    `run` says which lessons are run; the others come without outputs.  `fresh` runs them even if nothing has changed
    since their results were put into the folder `results`, which by default is one of the cache.

    Raises:
        UsageError: `out` holds something else, or the course isn't built.
        LessonFails: a cell of a lesson failed.
        BookIsBroken: Sphinx refuses a page, or a link leads nowhere.
    """
    out = out.absolute()
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARK).is_file())):
        raise UsageError(f"{out} holds something that is not a book.", "Name a folder that is empty, or not there yet.")
    with tempfile.TemporaryDirectory(prefix="wheelhouse-book-") as name:
        work = Path(name)
        book = Book(course, work / "source", open_url)
        paths = book.lesson_paths()
        for number, path in enumerate(paths, 1):
            say = f"[{number}/{len(paths)}] {path.stem}: "
            if run(path):
                notebook = execute(path, results or cache() / "book", fresh=fresh, tell=_Telling(tell, say))
            else:
                tell(f"{say}without outputs")
                notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
            book.add_lesson(path, notebook)
        book.add_exercises()
        book.add_docs()
        book.add_start()
        book.finish()
        _add_looks(work / "source")
        tell("Sphinx writes the pages …")
        pages = _sphinx(work)
        _put(work / "pages", out)
    return pages


class _Telling:
    """Says which lesson is spoken of."""

    def __init__(self, tell: Callable[[str], None], before: str) -> None:
        self._tell, self._before = tell, before

    def __call__(self, what: str) -> None:
        """Say it."""
        self._tell(self._before + what)


def _add_looks(source: Path) -> None:
    static = source / "_static"
    static.mkdir(parents=True)
    shutil.copy(SITE / "conf.py", source)
    for name in ("book.css", "book.js"):
        shutil.copy(SITE / name, static)
    (static / "pictures.css").write_text(pictures.style(), "utf-8")
    (static / "pictures.js").write_text(pictures.script(), "utf-8")


def _sphinx(work: Path) -> int:
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    said = io.StringIO()
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")  # no page says when it was built
    source = work / "source"
    with warnings.catch_warnings(), docutils_namespace(), patch_docutils(str(source)):
        warnings.simplefilter("ignore")
        app = Sphinx(
            str(source),
            str(source),
            str(work / "pages"),
            str(work / "doctrees"),
            "html",
            status=None,
            warning=said,
            freshenv=True,
        )
        app.build(force_all=True)
    if told := said.getvalue().strip():
        plain = re.sub(r"\x1b\[[0-9;]*m", "", told).replace(f"{source}/", "")
        raise BookIsBroken(f"Sphinx says:\n{plain}", "Mend the page it names, and build again.")
    return len(app.project.docnames)


def _put(pages: Path, out: Path) -> None:
    """Put the finished pages where they belong, as a whole."""
    for left in (".buildinfo", "objects.inv", ".doctrees"):
        path = pages / left
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in pages.rglob("*.html"):
        text = path.read_text("utf-8")
        for found, said in MENDED:
            text = text.replace(found, said)
        path.write_text(text, "utf-8")
    (pages / MARK).write_text("Built by `make book`; built anew, all of this folder is replaced.\n", "utf-8")
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    shutil.move(pages, fresh / "new")
    if out.exists():
        out.rename(fresh / "old")
    (fresh / "new").rename(out)
    shutil.rmtree(fresh)
