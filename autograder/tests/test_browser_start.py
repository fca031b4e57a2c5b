"""The start page as a learner uses it: one button to go on, progress kept as a file, and brought back."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder.exercise import find_exercise
from autograder.places import course_root
from browsing import MARKS, PATIENCE, chromium, jupyterlab, open_notebook, page_of, photograph, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = MARKS

Serve = Callable[..., AbstractContextManager[str]]
PLACES = """() => Object.fromEntries([...window.jupyterapp.shell.widgets('main')].filter((widget) => widget.isVisible).map((widget) =>
  [widget.context?.path ?? widget.content?.session?.name, [widget.node.getBoundingClientRect().x, widget.node.getBoundingClientRect().width]]))"""
ALL = """() => [...window.jupyterapp.shell.widgets('main')].map((widget) => widget.context?.path ?? widget.content?.session?.name)"""


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Path]:
    """A copy of the course; nobody has done anything yet."""
    root, made = course_root(), tmp_path / "course"
    assert root is not None
    made.mkdir()
    shutil.copy(root / "nbgrader_config.py", made)
    for folder in ("notebooks", "exercises"):
        shutil.copytree(root / folder, made / folder, ignore=shutil.ignore_patterns("*.snapshot", ".ipynb_checkpoints"))
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=False)


@pytest.fixture
def serve(tmp_path: Path, course: Path) -> Serve:
    """Start a JupyterLab on that copy."""

    @contextmanager
    def start() -> Iterator[str]:
        with jupyterlab(course, tmp_path) as address:
            yield address

    return start


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as one:
        yield one


def open_start(page: Page, address: str) -> None:
    """Open the course as `make lab` does, and run the start page's first cell."""
    page.goto(f"{address}/lab/workspaces/course")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
    open_notebook(page, "notebooks/00-start.ipynb")
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator(".wh-start table").wait_for()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so on the disk."""
    end = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_one_button_opens_lesson_exercise_and_shell(browser: Browser, serve: Serve, course: Path) -> None:
    """From the start page one press, by keyboard, opens all one needs: the notebook that comes next left and wide, the shell right."""
    lesson = next((course / "notebooks").glob("01-*.ipynb")).relative_to(course).as_posix()
    exercise = next((course / "exercises").glob("06-*/*.ipynb")).relative_to(course).as_posix()
    with serve() as address, page_of(browser) as page:
        open_start(page, address)
        photograph(page, "start-light")
        page.get_by_role("button", name="Begin here: 01").focus()
        page.keyboard.press("Enter")
        seen = until(page, PLACES, lambda found: bool({lesson, "ex01"} <= found.keys()))
        assert seen[lesson][0] < seen["ex01"][0]
        assert seen[lesson][1] > 1.2 * seen["ex01"][1]
        photograph(page, "start-begun-light")

        # a notebook opens beside this page also when the last click was in the terminal's column
        open_notebook(page, "notebooks/00-start.ipynb")
        page.locator(".jp-Terminal").first.click()
        page.get_by_role("button", name="Exercise 06").click()
        seen = until(page, PLACES, lambda found: bool(exercise in found))
        assert seen[exercise][0] < seen["ex01"][0]


def test_progress_is_kept_and_brought_back(browser: Browser, serve: Serve, course: Path, tmp_path: Path) -> None:
    """A file is saved with one press and taken back with another; what is there meanwhile is asked about and moved aside."""
    mine = course / "labs" / find_exercise("01").id / "mine.txt"
    with serve() as address, page_of(browser) as page:
        open_start(page, address)
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
        page.get_by_text("Exercise 01 is begun here already.").wait_for()
        photograph(page, "start-asked-light")
        page.keyboard.press("Escape")
        page.get_by_role("status").filter(has_text="Nothing was changed.").wait_for()
        assert mine.read_text() == "newer"
        page.locator(".wh-file").set_input_files(file)
        page.get_by_role("button", name="Yes, bring it back").wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("status").filter(has_text="01 is back").wait_for()
        photograph(page, "start-back-light")
        assert mine.read_text() == "mine"
        assert [one.read_text() for one in (course / "labs").glob("before-import-1/*/mine.txt")] == ["newer"]

        file.write_bytes(file.read_bytes()[:-1])
        page.locator(".wh-file").set_input_files(file)
        page.get_by_role("status").filter(has_text="can't be used").wait_for()
