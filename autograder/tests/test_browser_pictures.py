"""Every picture of the lessons in the course's own JupyterLab: by keyboard, by role, by axe-core, in the light, in the dark and without a kernel.

A picture is shown by the cells of its own lesson, taken from the built notebook, in one server and one page for all.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autograder.exercise import find_exercise
from autograder.jupyter.pictures import find_pictures
from autograder.places import course_root
from browsing import MARKS, READY, chromium, jupyterlab, open_lab, open_notebook, page_of, photograph, run_all, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = MARKS

SILENCE = 10_000.0
"""Milliseconds within which a picture must say that nobody answers."""
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "rules": {"target-size": {"enabled": True}},
}
FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden)"

BUSY = """() => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  kernel.requestExecute({ code: 'import time; time.sleep(3600)' });
}"""

LEAVE = "() => window.jupyterapp.serviceManager.sessions.shutdownAll()"

FOCUS = """() => {
  const one = document.activeElement;
  const picture = one.closest('.wh-picture');
  const name = one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent || '';
  const seen = getComputedStyle(one);
  return { inside: Boolean(picture), name: name.trim(), seen: seen.outlineStyle !== 'none' && parseFloat(seen.outlineWidth) >= 2 };
}"""


@dataclass(frozen=True)
class Question:
    """How a picture is asked something by keyboard, and what is then there."""

    stop: str
    """The name of the element on which is asked."""
    answer: str
    """What the picture says then, and didn't before."""
    types: str = ""
    """What is typed there first."""
    again: str = ""
    """The name of the element on which is asked once more; empty if it is the same."""
    key: str = "Enter"
    asks_kernel: bool = True
    told: tuple[str, ...] = field(default=())
    """What must be told also where no script runs."""


QUESTIONS = {
    "anatomy": Question(
        "Delete it: what breaks?", "✗ breaks", again="Delete it once more", told=("pyvenv.cfg", "home =")
    ),
    "cycle_graph": Question(
        "Move it into the functions that use it",
        "with 1 import moved",
        again="Put everything back",
        told=("imports", "circle"),
    ),
    "import_tracer": Question("Import statement", "json bound in", types="import json", told=("sys.path", "hours")),
    "lock_lens": Question("Make them all anew", "all of it was made anew", told=("netcore==1.1", "sha256", "let in")),
    "package_explorer": Question(
        "till/__init__.py is there", "Changed: ", key="Space", asks_kernel=False, told=("till/__init__.py", "unittest")
    ),
    "pyproject_form": Question("Build it", "Built by", told=("[project]",)),
    "release_simulator": Question(
        "Upload the same bytes again", "Upload the same bytes again 1.0", told=("shop-bell", "200")
    ),
    "resolver_board": Question("pip install …", "pip install leftpad", types="leftpad", told=("webfw", "real pip")),
}
"""For every picture; a new one needs a line here."""


def _small(notebooks: Path, picture: str) -> list[str]:
    """Give the cells of a lesson that show a picture: its first, those that make the folders which the picture names, and the picture's.

    Raises:
        LookupError: no lesson shows it.
    """
    for path in sorted(notebooks.glob("[0-9]*.ipynb")):
        cells = [
            "".join(cell["source"])
            for cell in json.loads(path.read_text("utf-8"))["cells"]
            if cell["cell_type"] == "code"
        ]
        shown = next((number for number, text in enumerate(cells) if text.startswith(f"{picture}(")), None)
        if shown is None:
            continue
        named = {found.partition("/")[0] for found in re.findall(r'"([\w./-]+)"', cells[shown])}
        makes = [re.compile(rf"(?:mkdir|venv|>)[^\n]*?(?<![\w/.-]){re.escape(one)}(?![\w.-])") for one in named]
        before = [text for text in cells[1:shown] if any(one.search(text) for one in makes)]
        return [cells[0], *before, cells[shown]]
    raise LookupError(picture)


def _write(path: Path, sources: list[str]) -> None:
    code: dict[str, Any] = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    cells = [{**code, "id": f"cell-{number}", "source": text} for number, text in enumerate(sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), "utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the course in which nobody has done anything yet, with a small notebook for each picture."""
    root = course_root()
    assert root is not None
    made = tmp_path_factory.mktemp("browser") / "course"
    made.mkdir()
    shutil.copy(root / "nbgrader_config.py", made)
    shutil.copytree(root / "notebooks", made / "notebooks")
    shutil.copytree(root / "exercises", made / "exercises")
    (made / "small").mkdir()
    for picture in find_pictures():
        _write(made / "small" / f"{picture}.ipynb", _small(made / "notebooks", picture))
    busy = ["%load_ext autograder", 'import_tracer("import json")', "import time\ntime.sleep(3600)"]
    _write(made / "small" / "busy.ipynb", busy)
    yield made
    subprocess.run(["rm", "-rf", str(made.parent)], check=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def lab(browser: Browser, course: Path) -> Iterator[Page]:
    """JupyterLab, open in a page."""
    with jupyterlab(course, course.parent) as address, page_of(browser) as page:
        page.set_viewport_size({"width": 1500, "height": 1600})
        open_lab(page, address)
        yield page


@pytest.fixture
def page(lab: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """That page, in the light; whatever breaks in its scripts fails the test."""
    broken: list[str] = []
    note = lambda error: broken.append(str(error))  # noqa: E731
    lab.on("pageerror", note)
    lab.emulate_media(color_scheme="light")
    yield lab
    lab.remove_listener("pageerror", note)
    photograph(lab, f"last-{request.node.name}")
    lab.evaluate(LEAVE)
    assert broken == []


def _look(page: Page, selector: str, name: str) -> None:
    """Let axe-core look at a part of the page, in the light and in the dark."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    axe = Axe()
    for scheme, light in (("light", "true"), ("dark", "false")):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")
        page.locator("#jupyterlab-splash").wait_for(state="detached")  # it lies over all while the theme changes
        photograph(page, f"{name}-{scheme}")
        found = axe.run(page, context=f"{FRONT} {selector}", options=RULES)
        seen = next((len(one["nodes"]) for one in found.response["passes"] if one["id"] == "color-contrast"), 0)
        assert found.violations_count == 0, f"{scheme}: {found.generate_report()}"
        assert seen > 5, f"{scheme}: axe-core looked at the colours of {seen} elements only"


def _walk_to(page: Page, wanted: str) -> None:
    """Go through the whole picture with Tab, out of it, and back to the wanted stop with Shift and Tab."""
    stops: list[str] = []
    for _ in range(150):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS)
        if here["inside"]:
            assert here["name"], f"the stop after {stops} has no name"
            assert here["seen"], f"nobody sees that {here['name']} has the focus"
            stops.append(here["name"])
        elif stops:
            break
    else:
        raise AssertionError(f"no way in, or no way out: {stops}")
    for _ in range(150):
        page.keyboard.press("Shift+Tab")
        if page.evaluate(FOCUS)["name"] == wanted:
            return
    raise AssertionError(f"{wanted} is not among {stops}")


def _ask(page: Page, question: Question) -> None:
    if question.types:
        page.keyboard.press("Control+a")
        page.keyboard.type(question.types)
    page.keyboard.press(question.key)


def _saved(page: Page, notebook: Path) -> dict[str, Any]:
    """Save the notebook, and give what its file holds of the picture."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    outputs = json.loads(notebook.read_text("utf-8"))["cells"][-1]["outputs"]
    return next(one["data"] for one in outputs if "text/html" in one["data"])


def _text(joined: str | list[str]) -> str:
    return joined if isinstance(joined, str) else "".join(joined)


@pytest.mark.parametrize("name", list(find_pictures()))
def test_a_picture_lives_in_jupyterlab(browser: Browser, page: Page, course: Path, name: str) -> None:
    """It is drawn, named, asked by keyboard alone, free of axe's violations, and readable when the kernel and the script are gone."""
    question = QUESTIONS[name]
    notebook = course / "small" / f"{name}.ipynb"
    open_notebook(page, f"small/{name}.ipynb")
    run_all(page)
    picture = page.locator(f"{FRONT} .wh-picture")
    picture.wait_for()
    assert page.get_by_role("region", name=picture.get_attribute("aria-label") or "?", exact=True).count() >= 1

    cells = page.locator(f"{FRONT} .jp-CodeCell").count()
    answer = picture.get_by_text(question.answer)
    assert answer.count() == 0
    _walk_to(page, question.stop)
    _ask(page, question)
    answer.first.wait_for()
    page.wait_for_function(
        f"() => ({FOCUS})().inside"
    )  # where it was switched off while the picture waited, it comes back
    picture.get_by_role("button").first.focus()
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert page.locator(f"{FRONT} .jp-CodeCell").count() == cells, "the notebook took the picture's keys for its own"
    _look(page, ".wh-picture", name)

    held = _saved(page, notebook)
    assert "<script" not in _text(held["text/html"])
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.set_content(_text(held["text/html"]))
    for one in question.told:
        assert one in (plain.locator("body").text_content() or "")
    plain.context.close()

    shown = picture.inner_text()
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    assert len(picture.inner_text()) > 0.9 * len(shown)
    if question.asks_kernel:
        again = question.again or question.stop
        picture.get_by_role("button", name=again, exact=True).or_(picture.get_by_label(again, exact=True)).focus()
        _ask(page, question)
        picture.get_by_text("There is no answer").wait_for(timeout=SILENCE)
        assert len(picture.inner_text()) > 0.9 * len(shown)
    photograph(page, f"{name}-gone")


def test_a_busy_kernel_is_not_taken_for_a_dead_one(page: Page) -> None:
    """A question is answered while a cell runs."""
    open_notebook(page, "small/busy.ipynb")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    picture = page.locator(f"{FRONT} .wh-picture")
    picture.wait_for()
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets[2].prompt === '*'")

    picture.get_by_label("Import statement").fill("import csv")
    page.keyboard.press("Enter")

    picture.get_by_text("csv bound in").wait_for()
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets[2].prompt") == "*"


def test_the_start_page_leads_on(page: Page) -> None:
    """What works on this machine stands below the list of lessons, and a lesson's name there opens it in JupyterLab."""
    open_notebook(page, "notebooks/00-start.ipynb")
    health = page.locator(f"{FRONT} .jp-RenderedHTML table", has_text="free for workspaces")
    health.wait_for(state="attached")
    _look(page, ".jp-RenderedHTML table", "start")
    lesson = page.get_by_role("button", name=re.compile("^Lesson 01"))
    lesson.wait_for(state="attached")
    lesson.click()
    until(
        page,
        "() => window.jupyterapp.shell.currentWidget.context?.path",
        lambda seen: str(seen).startswith("notebooks/01-"),
    )
    until(page, READY, lambda seen: bool(seen == "ready"))  # else its session is ended below while it begins


def test_the_checklist_passes_axe_and_lives_while_a_cell_runs(page: Page) -> None:
    """Nothing in an exercise's live checklist hinders anybody that axe-core knows of; a long cell doesn't make it stale."""
    exercise = find_exercise("06")
    open_notebook(page, f"exercises/{exercise.id}/{exercise.id}.ipynb")
    page.locator(f"{FRONT} .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.get_by_role("button", name="Hint for task 1").click()
    page.get_by_text("Hint 1 of").wait_for()
    page.evaluate(BUSY)
    began = time.monotonic()
    _look(page, ".wh-checklist", "checklist")
    page.wait_for_timeout(max(0.0, 10_000 - 1000 * (time.monotonic() - began)))  # it would say so after 6.5 seconds
    assert page.locator(".wh-checklist.wh-off").count() == 0
    page.get_by_role("button", name="Hint for task 1").click()
    page.get_by_text("Hint 2 of").wait_for()
