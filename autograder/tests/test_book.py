"""The web book: built by its one command from a small course, then read as a file, in a browser, on a phone, without script and by axe-core."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import nbformat
import pytest

from autograder.places import course_root
from browsing import MARKS, chromium, photograph

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = MARKS

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("WHEELHOUSE_ROUNDS", "1"))
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "rules": {"target-size": {"enabled": True}},
}
LESSON = "lessons/01-short"
WIDE = "print('x' * 300)"
COLOURED = "print(*(f'\\x1b[{colour}mcolour {colour}\\x1b[0m' for colour in range(30, 38)))"
TABLE = "| " + " | ".join(f"column{number}" for number in range(30)) + " |"
SHORT = [
    "# A short lesson\n\n*About 5 minutes, and then the exercise.*\n\nThis lesson says what a page of the book must keep.",
    '%load_ext autograder\nlesson("77")',
    "## Guess\n\n> **Predict before you run.**\n> What is printed?",
    "%%shell --expect 0\necho forty-two is $((6 * 7)), in $PWD",
    f"> **Myth against measurement.**\n> *Pages fit everywhere.*\n\n{TABLE}\n{'|---' * 30}|\n{TABLE}",
    "import os, tempfile, datetime\nprint(object(), datetime.datetime.now(datetime.UTC), '/tmp/pip-build-abcd1234/x')\n"
    f"print(os.getcwd(), tempfile.gettempdir(), os.environ['WHEELHOUSE_LABS'])\n{WIDE}\n{COLOURED}",
    "## Watch it",
    'import_tracer("import json")',
    "<details>\n<summary>What is six times seven?</summary>\n\nIt is *forty-two*.\n\n</details>\n\n"
    "[The exercise](../exercises/06-virtual-environments/06-virtual-environments.ipynb), [the code](../README.md).",
]
"""A lesson's cells, text and code in turn."""


@dataclass(frozen=True)
class Built:
    """A built book, the course it was built from, and what the command said."""

    course: Path
    folder: Path
    said: str

    def pages(self) -> list[Path]:
        """Give every page."""
        return sorted(self.folder.rglob("*.html"))


def _write_lesson(path: Path, sources: list[str]) -> None:
    cells = []
    for number, source in enumerate(sources):
        make = nbformat.v4.new_markdown_cell if source.startswith(("#", ">", "<")) else nbformat.v4.new_code_cell
        cell = make(source, id=f"cell-{number}")  # type: ignore[no-untyped-call]
        cell.metadata["tags"] = ["claim:A-14"]
        cells.append(cell)
    page = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    page.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(page, path)  # type: ignore[no-untyped-call]


def _course(place: Path, sources: list[str]) -> Path:
    """Make a course of one short lesson and one real one, with all exercises and docs."""
    root = course_root()
    assert root is not None
    place.mkdir()
    shutil.copy(root / "nbgrader_config.py", place)
    shutil.copytree(root / "exercises", place / "exercises", ignore=shutil.ignore_patterns("*.snapshot"))
    shutil.copytree(root / "autograder" / "docs", place / "autograder" / "docs")
    (place / "notebooks").mkdir()
    (place / "README.md").write_text("not in the book\n", "utf-8")
    for name in ("00-start.ipynb", "06-virtual-environments.ipynb"):
        shutil.copy(root / "notebooks" / name, place / "notebooks")
    _write_lesson(place / "notebooks" / "01-short.ipynb", sources)
    return place


def _build(course: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the one command, as `make book` does."""
    settings = {**os.environ, "WHEELHOUSE_COURSE": str(course)}
    words = [sys.executable, "-m", "book", str(out), "--results", str(course.parent / "results"), *options]
    return subprocess.run(
        words, cwd=HERE.parent, env=settings, capture_output=True, text=True, check=False, timeout=540
    )


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """A book of which the short lesson was really run."""
    place = tmp_path_factory.mktemp("book")
    course = _course(place / "course", SHORT)
    done = _build(course, place / "site", "--run", "01", "--open", "https://hub.example/lab/tree/{path}")
    assert done.returncode == 0, done.stdout + done.stderr
    yield Built(course, place / "site", done.stdout)
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a reader who dislikes motion; it asks no network, and nothing breaks in its scripts."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    one = context.new_page()
    broken: list[str] = []
    one.on("pageerror", lambda error: broken.append(str(error)))
    asked: list[str] = []
    one.on("request", lambda request: asked.append(request.url))
    yield one
    context.close()
    assert broken == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


class _Head(HTMLParser):
    """Collects what a page links to, loads and says of itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sort a tag's attributes."""
        given = dict(attrs)
        self.tags.append((tag, given))
        if given.get("id"):
            self.ids.add(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        elif tag == "link" and given.get("href"):
            (self.links if given.get("rel") in ("next", "prev", "search", "index") else self.loads).append(
                str(given["href"])
            )
        elif given.get("src"):
            self.loads.append(str(given["src"]))


def _problems(built: Built) -> list[str]:
    """Find links that lead nowhere and whatever would be loaded from elsewhere."""
    read = {path: _Head(path.read_text("utf-8")) for path in built.pages()}
    found = []
    for path, head in read.items():
        for url in (*head.links, *head.loads):
            if re.match(r"https?:|//", url):
                if url in head.loads:
                    found.append(f"{path.name} loads {url}")
                continue
            if url.startswith("data:"):
                continue
            target, _, anchor = url.partition("#")
            there = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
            if not there.is_file():
                found.append(f"{path.name}: there is no {url}")
            elif anchor and there in read and unquote(anchor) not in read[there].ids:
                found.append(f"{path.name}: nothing in the page is called {url}")
    for sheet in built.folder.rglob("*.css"):
        loads = re.findall(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", sheet.read_text("utf-8"))
        found += [f"{sheet.name} loads {url}" for url in loads]
    return found


def _look(page: Page, name: str) -> None:
    """Let axe-core look at a page in the light and in the dark, wide and on a phone, where nothing but its own parts scrolls sideways."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    for width, scheme in ((1200, "light"), (375, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, media="screen")  # type: ignore[arg-type]
        photograph(page, f"book-{name.replace('/', '-')}-{scheme}-{width}")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, f"{name}, {scheme}, {width}: {found.generate_report()}"
        beyond = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{name} is {beyond} pixels wider than {width}"


def test_its_command_says_what_it_does(book: Built) -> None:
    """One command builds lessons, exercises, docs and a first page, and tells of each lesson."""
    assert "[1/2] 01-short: running its cells" in book.said
    assert "[2/2] 06-virtual-environments: without outputs" in book.said
    names = {path.relative_to(book.folder).as_posix() for path in book.pages()}
    docs = {f"about/{path.stem}.html" for path in (book.course / "autograder" / "docs").glob("*.md")}
    assert names >= {"index.html", "search.html", f"{LESSON}.html", "exercises/06-virtual-environments.html", *docs}


def test_the_first_page_tells_the_story_and_speaks_of_no_cell(book: Built) -> None:
    """It is made of the start page, whose cells are shown to learners only."""
    shown = (book.folder / "index.html").read_text("utf-8")
    assert "small shop" in shown
    assert "How it works" in shown
    assert "Shift+Enter" not in shown


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(book: Built) -> None:
    """Links between pages and to parts of pages resolve, and no page or style names another host for what it shows."""
    assert _problems(book) == []


def test_a_page_says_what_it_is(book: Built) -> None:
    """Each has its language, a width for phones and one title, and all that are made of text have a description; none has a canonical address."""
    for path in book.pages():
        tags = _Head(path.read_text("utf-8")).tags
        assert ("html", "en") in [(tag, given.get("lang")) for tag, given in tags]
        assert any(given.get("name") == "viewport" for _, given in tags), path
        assert [tag for tag, _ in tags].count("h1") == 1, path
        assert not any(given.get("rel") == "canonical" for _, given in tags), path
        told = [str(given["content"]) for _, given in tags if given.get("name") == "description"]
        assert path.name == "search.html" or (len(told) == 1 and 20 < len(told[0]) <= 160), path


def test_nothing_of_the_machine_and_nothing_of_the_authors_is_in_a_page(book: Built) -> None:
    """No page names a folder of this machine, a port or a tag of a cell, though the lesson prints some."""
    shown = (book.folder / f"{LESSON}.html").read_text("utf-8")
    assert "~/wheelhouse/notebooks" in shown
    assert re.search(r"object object at 0x…&gt; YYYY-MM-DD hh:mm:ss\S* /tmp/pip-build-…/x", shown)
    for path in book.pages():
        text = path.read_text("utf-8")
        for one in (str(book.course), str(HERE.parent.parent), "wheelhouse-book-", "127.0.0.1:", "claim:", "jp-Cell"):
            assert one not in text, f"{path.name} says {one}"


def test_an_exercise_shows_no_answer(book: Built) -> None:
    """Its page has every task with the lines of its checklist, and no cell."""
    text = (book.folder / "exercises" / "06-virtual-environments.html").read_text("utf-8")
    assert text.count("Your checklist, ") == text.count("<h2>Task ") == 5
    assert "cell_input" not in text


def test_built_twice_it_is_the_same(book: Built, tmp_path: Path) -> None:
    """With the results kept, every byte is; a book is replaced as a whole, and what is no book never is."""
    again = tmp_path / "again"
    shutil.copytree(book.folder, again)
    (again / "left.html").write_text("of an older book", "utf-8")
    done = _build(book.course, again, "--run", "01", "--open", "https://hub.example/lab/tree/{path}")
    assert "01-short: as it ran before" in done.stdout, done.stdout + done.stderr
    assert not (again / "left.html").exists()
    files = [path.relative_to(again) for path in sorted(again.rglob("*")) if path.is_file()]
    assert files == [path.relative_to(book.folder) for path in sorted(book.folder.rglob("*")) if path.is_file()]
    assert [str(one) for one in files if (again / one).read_bytes() != (book.folder / one).read_bytes()] == []
    refused = _build(book.course, book.course, "--run", "none")
    assert refused.returncode == 2
    assert "holds something that is not a book" in refused.stderr


def test_what_it_lacks_and_what_fails_is_told_in_a_sentence(tmp_path: Path) -> None:
    """A missing distribution, and a cell of a lesson that fails, are named, and nothing is written."""
    lacking = "import book.__main__ as one; one.NEEDED['furo_of_nobody'] = 'furo'; raise SystemExit(one.main(['x']))"
    done = subprocess.run(
        [sys.executable, "-c", lacking], cwd=HERE.parent, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "The book needs furo" in done.stderr
    course = _course(tmp_path / "course", ["# Broken\n\nIt breaks.", "print(1 / 0)"])
    failed = _build(course, tmp_path / "site", "--run", "01")
    assert failed.returncode == 1
    assert "A cell of 01-short.ipynb failed" in failed.stderr
    assert "ZeroDivisionError" in failed.stderr
    assert "Traceback" not in failed.stderr.partition("A cell of")[0]
    assert not (tmp_path / "site").exists()


def test_a_lesson_is_read_and_its_picture_plays_without_a_kernel(book: Built, page: Page) -> None:
    """What was recorded answers; what wasn't is said to be in the course; axe-core finds nothing, in the light and in the dark."""
    page.goto((book.folder / f"{LESSON}.html").as_uri())
    assert page.get_by_role("link", name="Open this lesson in the course").get_attribute("href") == (
        "https://hub.example/lab/tree/notebooks/01-short.ipynb"
    )
    told = page.get_by_text("forty-two is 42")
    assert not told.is_visible()  # first one predicts
    page.get_by_text("Show what happens").click()
    told.wait_for()

    picture = page.get_by_role("region", name="Import tracer")
    picture.get_by_label("as a module, with -m").check()
    picture.get_by_role("button", name="Trace it").click()
    picture.get_by_text("python3 -m start_here").wait_for()
    statement = picture.get_by_label("Import statement")
    statement.fill("import nothing_of_the_kind")
    statement.press("Enter")
    picture.get_by_text("ModuleNotFoundError").first.wait_for()
    statement.fill("import antigravity")
    statement.press("Enter")
    picture.get_by_text("Nothing is recorded for this").wait_for()
    _look(page, LESSON)
    assert page.locator(".table-wrapper[tabindex]").count() == 1  # what scrolls can be reached by keyboard


@pytest.mark.parametrize("name", ["index", "exercises/06-virtual-environments", "search"])
def test_a_page_is_for_everybody(book: Built, page: Page, name: str) -> None:
    """Axe-core finds no violation of WCAG 2.2 AA, in the light and in the dark, and a phone needn't scroll sideways."""
    page.goto((book.folder / f"{name}.html").as_uri())
    _look(page, name)


def test_search_needs_no_server(book: Built, page: Page) -> None:
    """A word of a lesson is found in the files alone."""
    page.goto((book.folder / "search.html").as_uri() + "?q=forty")
    page.locator("#search-results a", has_text="A short lesson").first.wait_for()


def test_it_can_be_read_without_script_and_on_paper(book: Built, browser: Browser, tmp_path: Path) -> None:
    """Fold-outs open, the picture is there as text, and on paper all is unfolded."""
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto((book.folder / f"{LESSON}.html").as_uri())
    answer = plain.get_by_text("It is forty-two.")
    assert not answer.is_visible()
    plain.get_by_text("What is six times seven?").click()
    answer.wait_for()
    assert plain.get_by_text("What happened, in order").is_visible()
    plain.emulate_media(media="print")
    assert plain.get_by_text("What happened, in order").is_visible()
    plain.context.close()
    scripted = browser.new_page()
    scripted.goto((book.folder / f"{LESSON}.html").as_uri())
    assert not scripted.get_by_text("What happened, in order").is_visible()
    scripted.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    scripted.emulate_media(media="print")
    assert scripted.get_by_text("It is forty-two.").is_visible()
    assert scripted.get_by_text("forty-two is 42").is_visible()
    assert scripted.get_by_text("What happened, in order").is_visible()
    scripted.close()


@pytest.mark.skipif(ROUNDS < 2, reason="runs all lessons for minutes: WHEELHOUSE_ROUNDS=2 does it")
@pytest.mark.timeout(7200)
def test_the_whole_book(browser: Browser, tmp_path: Path) -> None:
    """Every lesson is run, every picture plays, every page is free of axe's violations, and no page names this machine."""
    out = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "book", str(out)], cwd=HERE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    root = course_root()
    assert root is not None
    built = Built(root, out, done.stdout)
    assert _problems(built) == []
    one = browser.new_page(reduced_motion="reduce")
    broken: list[str] = []
    one.on("pageerror", lambda error: broken.append(str(error)))
    played: dict[str, int] = {}
    for path in built.pages():
        text = path.read_text("utf-8")
        for word in (str(root), str(Path.home()), "wheelhouse-book-", "127.0.0.1:"):
            # not the end of another word: `/proc/*/root` is no home
            assert len(word) < 3 or not re.search(rf"(?<![\w*]){re.escape(word)}", text), f"{path.name} says {word}"
        one.goto(path.as_uri())
        _look(one, path.relative_to(out).with_suffix("").as_posix())
        pictures: list[Any] = one.evaluate(
            "() => [...document.querySelectorAll('.wh-recorded')].map((one) => [one.dataset.picture, one.querySelectorAll('.wh-live .wh-picture').length])"
        )
        played.update(dict(pictures))
    records = [
        json.loads(found)
        for path in built.pages()
        for found in re.findall(r'<script type="application/json">(.*?)</script>', path.read_text("utf-8"))
    ]
    assert broken == []
    assert set(played.values()) == {1}
    assert len(played) == len(records) == 8
