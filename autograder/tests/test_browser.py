"""The main path as a learner walks it: the course's own JupyterLab, a real Chromium, keys typed into the terminal, nbgrader at the end.

Everything lies in a temporary copy of the course with a HOME of its own.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autograder import authoring
from autograder.exercise import Exercise, find_exercise
from autograder.jupyter import launch
from autograder.places import course_root
from autograder.runner import check_snapshot
from browsing import MARKS, PATIENCE, READY, chromium, jupyterlab, open_notebook, page_of, photograph, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = MARKS

TERMINALS = """() => [...window.jupyterapp.shell.widgets('main')]
  .filter((widget) => widget.content?.session?.name && widget.content.session.connectionStatus)
  .map((widget) => [widget.content.session.name, widget.content.session.connectionStatus])"""

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    """The exercise on virtual environments."""
    return find_exercise("06")


@pytest.fixture
def course(tmp_path: Path, exercise: Exercise) -> Iterator[Path]:
    """A copy of the course with one exercise, with which it therefore opens; nobody has done anything yet."""
    root = course_root()
    assert root is not None
    made = tmp_path / "course"
    made.mkdir()
    shutil.copy(root / "nbgrader_config.py", made)
    shutil.copytree(root / "notebooks", made / "notebooks")
    authoring.build(made)
    for other in (made / "exercises").iterdir():
        if other.name != exercise.id:
            shutil.rmtree(other)
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=False)


@pytest.fixture
def serve(tmp_path: Path, course: Path) -> Serve:
    """Start a JupyterLab on that copy."""

    @contextmanager
    def start(*started_as: Any) -> Iterator[str]:
        with jupyterlab(course, tmp_path, *started_as) as address:
            yield address

    return start


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as one:
        yield one


def _open_exercise(page: Page, address: str, exercise: Exercise, *, where: str = "/lab/workspaces/course") -> None:
    """Open JupyterLab at the exercise's notebook, and wait until its kernel answers."""
    page.goto(address + where)
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
    open_notebook(page, f"exercises/{exercise.id}/{exercise.id}.ipynb")


def _run_first_cell(page: Page) -> None:
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    problem = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-RenderedHTML.jp-OutputArea-output")
    page.locator(".wh-checklist").or_(problem).first.wait_for()
    assert problem.count() == 0, problem.first.inner_text()


def _type(page: Page, commands: str) -> None:
    """Type commands into the terminal with real keys; the round brackets keep its directory where it is."""
    page.locator(".jp-Terminal .xterm-screen").first.click()
    page.keyboard.type(f"(\n{commands.rstrip()}\n)\n")


def _wait_for_file(path: Path) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.1)


def test_from_the_first_cell_to_nbgraders_points(
    browser: Browser, serve: Serve, course: Path, exercise: Exercise
) -> None:
    """The layout opens, the checklist follows what is typed into the terminal, and nbgrader gives the same points elsewhere."""
    state = course / "labs" / ".wheelhouse" / exercise.id
    with serve() as address, page_of(browser) as page:
        _open_exercise(page, address, exercise)
        until(page, TERMINALS, lambda seen: seen == [["ex06", "connected"]])
        notebook = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)").bounding_box()
        terminal = page.locator(".jp-Terminal").bounding_box()
        assert notebook is not None
        assert terminal is not None
        assert notebook["x"] + notebook["width"] <= terminal["x"] + 2
        assert 1.3 < notebook["width"] / terminal["width"] < 1.7
        _run_first_cell(page)
        photograph(page, "begun-light")
        assert page.get_by_text("not the sandbox").count() == 0

        # The terminal is the sandbox: its HOME is the workspace's own, and its network name isn't this machine's.
        _type(page, "hostname > ~/proof.new; echo $HOME >> ~/proof.new; mv ~/proof.new ~/proof")
        _wait_for_file(state / "home" / "proof")
        proof = (state / "home" / "proof").read_text().split()
        assert proof[1] != os.environ.get("HOME")
        if proof[0] != socket.gethostname():
            assert proof == ["wheelhouse", "/home/learner"]

        for task in exercise.tasks:
            _type(page, task.answer)
            page.locator(f'.wh-task[data-task="{task.number}"][data-state="passed"]').wait_for()
        everything = f"All {len(exercise.tasks)} tasks done: {exercise.points} of {exercise.points} points"
        page.get_by_role("status").filter(has_text=everything).wait_for()
        photograph(page, "done-light")

        snapshot = course / "exercises" / exercise.id / f"{exercise.id}.snapshot"
        assert snapshot.is_file()
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        submitted = course / ".grading" / "submitted" / "learner" / exercise.id
        shutil.copytree(course / "exercises" / exercise.id, submitted)

    shutil.rmtree(course / "labs", ignore_errors=True)  # the grader has nothing but what was submitted
    for command in ("generate_assignment", "autograde"):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", command, exercise.id, "--force"],
            cwd=course,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },  # nbgrader calls alembic by name
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    verdict = check_snapshot(submitted / snapshot.name)
    assert verdict.state == "passed", verdict.to_json()
    with sqlite3.connect(course / ".grading" / "gradebook.db") as gradebook:
        scores = [row[0] for row in gradebook.execute("SELECT auto_score FROM grade WHERE auto_score IS NOT NULL")]
    feedback = (course / ".grading" / "autograded" / "learner" / exercise.id / f"{exercise.id}.ipynb").read_text(
        "utf-8"
    )
    assert "next step" not in feedback, feedback
    assert sorted(scores) == sorted(float(task.points) for task in exercise.tasks)


def test_the_checklist_by_keyboard_and_in_the_dark(
    browser: Browser, serve: Serve, course: Path, exercise: Exercise
) -> None:
    """Roles and names, hints and starting over by keyboard alone, and the word when a restart has made the list stale."""
    with serve() as address, page_of(browser, "dark") as page:
        _open_exercise(page, address, exercise)
        _run_first_cell(page)
        checklist = page.get_by_role("region", name=f"Checklist: {exercise.title}")
        checklist.wait_for()
        photograph(page, "begun-dark")

        assert checklist.get_by_role("progressbar", name="Points earned").count() == 1
        assert checklist.locator("ol.wh-tasks > li").count() == len(exercise.tasks)
        unnamed = "list => list.filter(one => !(one.getAttribute('aria-label') || one.textContent).trim()).length"
        assert checklist.locator("button").evaluate_all(unnamed) == 0
        assert checklist.locator(".wh-sign:not([aria-hidden=true])").count() == 0
        assert checklist.locator(".wh-tasks details[open]").count() == 1
        assert "Next step" in checklist.locator(".wh-tasks details[open]").inner_text()

        hint = checklist.get_by_role("button", name="Hint for task 1")
        hint.focus()
        page.keyboard.press("Enter")
        checklist.get_by_role("status").filter(has_text="Hint 1 of").wait_for()

        work = course / "labs" / exercise.id / "mine.txt"
        work.write_text("work")
        checklist.get_by_role("button", name="Start over").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert work.exists()
        page.keyboard.press("Enter")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        checklist.get_by_role("status").filter(has_text="Started over").wait_for()
        assert not work.exists()

        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        checklist.get_by_role("status").filter(has_text="Not live: run this cell again.").wait_for()
        photograph(page, "stale-dark")
        until(page, READY, lambda seen: bool(seen == "ready"))
        _run_first_cell(page)
        page.locator(".wh-checklist:not(.wh-off)").wait_for()
        assert page.locator(".wh-checklist").count() == 1


def test_the_button_opens_the_shell(browser: Browser, serve: Serve, exercise: Exercise) -> None:
    """One press opens the exercise's shell right of the notebook; a second one comes back to it."""
    with serve() as address, page_of(browser) as page:
        _open_exercise(page, address, exercise, where="/lab?reset")
        _run_first_cell(page)
        assert page.evaluate(TERMINALS) == []
        for _ in range(2):
            page.get_by_role("button", name="Open the shell").click()
            until(page, TERMINALS, lambda seen: seen == [["ex06", "connected"]])
        photograph(page, "button-light")


def test_another_jupyter_is_told_apart(browser: Browser, serve: Serve, exercise: Exercise) -> None:
    """In a JupyterLab that isn't the course's own, the list says that terminals are ordinary shells, and offers none."""
    with serve("jupyter lab") as address, page_of(browser) as page:
        _open_exercise(page, address, exercise, where="/lab?reset")
        _run_first_cell(page)

        page.get_by_text("This Jupyter's terminals are ordinary shells, not the sandbox.").wait_for()
        assert page.get_by_role("button", name="Open the shell").count() == 0
        photograph(page, "other-light")


def test_notebook_7_is_a_face_too(browser: Browser, serve: Serve, course: Path, exercise: Exercise) -> None:
    """There each page and each shell is a tab of the browser: the start page shows itself and leads on, and terminals are the sandbox."""
    with serve("jupyter notebook") as address, page_of(browser) as page:
        page.goto(f"{address}/notebooks/notebooks/00-start.ipynb")
        page.locator(".wh-start table").wait_for()
        photograph(page, "notebook7-start-light")
        with page.expect_popup() as opened:
            page.get_by_role("link", name="Exercise 06").click()
        notebook = opened.value
        notebook.locator(".jp-CodeCell .cm-content").first.wait_for()
        until(notebook, READY, lambda seen: bool(seen == "ready"))
        _run_first_cell(notebook)
        photograph(notebook, "notebook7-exercise-light")
        with notebook.expect_popup() as opened:
            notebook.get_by_role("button", name="Open the shell").click()
            notebook.get_by_role("button", name="Run Once").click()  # this notebook was never trusted by `make lab`
        shell = opened.value
        shell.locator(".jp-Terminal .xterm-screen").wait_for()
        assert shell.url == f"{address}/terminals/ex06"
        _type(shell, f"{exercise.tasks[0].answer}\nhostname > ~/proof")
        notebook.locator('.wh-task[data-task="1"][data-state="passed"]').wait_for()
        _wait_for_file(course / "labs" / ".wheelhouse" / exercise.id / "home" / "proof")
        photograph(shell, "notebook7-shell-light")


def test_the_configuration_is_the_repositorys() -> None:
    """`binder/start` names this folder too."""
    assert (launch.CONFIG / "jupyter_server_config.json").is_file()
    assert (launch.CONFIG / "labconfig" / "default_setting_overrides.json").is_file()
