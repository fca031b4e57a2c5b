"""The start page as a learner uses it: one button to go on, progress kept as a file, and brought back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder.exercise import find_exercise
from autograder.places import course_root
from browsing import MARKS, PATIENCE, PROMPTS, READY, chromium, jupyterlab, open_notebook, page_of, photograph, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = MARKS

START = "notebooks/00-start.ipynb"
FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden) "
PLACES = """() => Object.fromEntries([...window.jupyterapp.shell.widgets('main')].filter((widget) => widget.isVisible).map((widget) =>
  [widget.context?.path ?? widget.content?.session?.name, [widget.node.getBoundingClientRect().x, widget.node.getBoundingClientRect().width]]))"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the course; nobody has done anything yet."""
    root, made = course_root(), tmp_path_factory.mktemp("start") / "course"
    assert root is not None
    made.mkdir()
    shutil.copy(root / "nbgrader_config.py", made)
    for folder in ("notebooks", "exercises"):
        shutil.copytree(root / folder, made / folder, ignore=shutil.ignore_patterns("*.snapshot", ".ipynb_checkpoints"))
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=False)


@pytest.fixture(scope="module")
def page(course: Path) -> Iterator[Page]:
    """The course as `make lab` opens it: nobody has pressed a key."""
    with jupyterlab(course, course.parent) as address, chromium() as browser, page_of(browser) as one:
        one.goto(f"{address}/lab/workspaces/course")
        one.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
        one.locator(".wh-start table").wait_for()
        yield one


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so on the disk."""
    end = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def _beside(notebook: list[float], shell: list[float]) -> bool:
    """Whether a page stands left of the shell, and is the wider one; while JupyterLab lays them out they may stand anywhere."""
    return notebook[0] < shell[0] and notebook[1] > 1.2 * shell[1]


def test_it_shows_itself(page: Page) -> None:
    """Progress and health are there without a key, also after the page was loaded again, when the kernel has run the cells before."""
    for again in (False, True):
        if again:
            page.reload()
            until(page, READY, lambda seen: bool(seen == "ready"))
        until(page, PROMPTS, lambda seen: all(one.isdigit() for one in seen))
        page.locator(".wh-start table").wait_for()
        page.locator(FRONT).get_by_text("free for workspaces").first.wait_for()
        assert page.get_by_text("already loaded").count() == 0


def test_one_button_opens_lesson_exercise_and_shell(page: Page, course: Path) -> None:
    """From the start page one press, by keyboard, opens all one needs: the notebook that comes next left and wide, the shell right."""
    lesson = next((course / "notebooks").glob("01-*.ipynb")).relative_to(course).as_posix()
    exercise = next((course / "exercises").glob("06-*/*.ipynb")).relative_to(course).as_posix()
    open_notebook(page, START)
    photograph(page, "start-light")
    page.get_by_role("button", name=re.compile("here: 01")).focus()
    page.keyboard.press("Enter")
    until(page, PLACES, lambda found: {lesson, "ex01"} <= found.keys() and _beside(found[lesson], found["ex01"]))
    page.locator('.wh-go[aria-busy="false"]').wait_for(state="attached")
    photograph(page, "start-begun-light")

    # a notebook opens beside this page also when the last click was in the terminal's column
    open_notebook(page, START)
    page.locator(".jp-Terminal").first.click()
    page.get_by_role("button", name="Exercise 06").click()
    until(page, PLACES, lambda found: {exercise, "ex01"} <= found.keys() and _beside(found[exercise], found["ex01"]))


def test_progress_is_kept_and_brought_back(page: Page, course: Path, tmp_path: Path) -> None:
    """A file is saved with one press and taken back with another; what is there meanwhile is asked about and moved aside."""
    mine = course / "labs" / find_exercise("01").id / "mine.txt"
    open_notebook(page, START)
    # the shell beside the page has begun exercise 01
    wait_for((course / "labs" / ".wheelhouse" / mine.parent.name / "workspace.json").exists)
    mine.write_text("mine")
    with page.expect_download() as download:
        page.get_by_role("button", name="Keep my progress").press("Enter")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == "my-progress.wheelhouse"
    photograph(page, "start-kept-light")

    mine.write_text("newer")
    page.locator(".wh-file").set_input_files(file)
    page.get_by_text("Begun here already: 01.").wait_for()
    page.locator(".wh-asked button:focus").wait_for()
    photograph(page, "start-asked-light")
    page.keyboard.press("Escape")
    page.get_by_role("status").filter(has_text="Nothing was changed.").wait_for()
    assert mine.read_text() == "newer"
    page.locator(".wh-file").set_input_files(file)
    page.locator(".wh-asked button:focus").filter(has_text="Yes, bring it back").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="01 is back").wait_for()
    photograph(page, "start-back-light")
    assert mine.read_text() == "mine"
    assert [one.read_text() for one in (course / "labs").glob("before-import-1/*/mine.txt")] == ["newer"]

    file.write_bytes(file.read_bytes()[:-1])
    page.locator(".wh-file").set_input_files(file)
    page.get_by_role("status").filter(has_text="can't be used").wait_for()


def test_the_next_exercises_shell_takes_no_room_from_the_page(page: Page, course: Path) -> None:
    """The shell of a second exercise stands where the first one's stood, as a tab: page and shell keep their places and widths."""
    exercise = next((course / "exercises").glob("06-*/*.ipynb")).relative_to(course).as_posix()
    open_notebook(page, START)
    page.get_by_role("button", name="Exercise 06").click()
    before = until(page, PLACES, lambda found: found.keys() == {exercise, "ex01"} and _beside(*found.values()))
    page.locator(FRONT + ".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator(FRONT).get_by_role("button", name="Open the shell").click()
    after = {exercise: before[exercise], "ex06": before["ex01"]}
    until(page, PLACES, lambda found: bool(found == after))
    photograph(page, "start-second-shell-light")


def test_only_the_courses_own_cells_run_by_themselves(page: Page, course: Path) -> None:
    """What somebody else wrote into the start page waits until its reader runs it."""
    file = course / START
    open_notebook(page, START)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")
    notebook = json.loads(file.read_text("utf-8"))
    ours, theirs = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    theirs["source"] = "health()\nopen('theirs', 'w')"
    for cell in (ours, theirs):
        cell.update(outputs=[], execution_count=None)
    file.write_text(json.dumps(notebook), "utf-8")
    open_notebook(page, START)
    page.locator(".wh-start table").wait_for()
    assert [bool(prompt) for prompt in page.evaluate(PROMPTS)] == [True, False]
    assert not file.with_name("theirs").exists()
