"""The live checklist as a learner meets it in a real JupyterLab: what each command changed, checks that run, two notebooks, a restart.

One JupyterLab serves all of it, so that each test costs little; each has notebooks, and so kernels, of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from autograder.exercise import Exercise, find_exercise
from autograder.places import course_root
from browsing import MARKS, READY, chromium, jupyterlab, open_notebook, page_of, photograph, run_all, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = MARKS

FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden)"
TERMINAL = """async () => {
  const known = [...window.jupyterapp.shell.widgets('main')].find((one) => one.content?.session?.name === 'ex03');
  const widget = known || await window.jupyterapp.commands.execute('terminal:open', { name: 'ex03' });
  await widget.content.ready;
  return widget.content.session.connectionStatus;
}"""
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
LAST_CELL = """async (source) => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = panel.content.model.cells.length - 1;
  panel.content.activeCell.model.sharedModel.setSource(source);
  if (panel.content.activeCell.model.type !== 'code') await window.jupyterapp.commands.execute('notebook:change-cell-to-code');
  await window.jupyterapp.commands.execute('notebook:run-cell');
}"""
"""Puts a text into the last cell of the notebook in front, and runs it."""


class Lab(NamedTuple):
    """A course that is open in JupyterLab."""

    address: str
    course: Path
    exercise: Exercise

    def notebook(self) -> str:
        """Give one more copy of the exercise's notebook, beside it: a notebook with a kernel of its own."""
        folder = self.course / "exercises" / self.exercise.id
        copy = folder / f"copy-{uuid.uuid4().hex[:6]}.ipynb"
        shutil.copy(folder / f"{self.exercise.id}.ipynb", copy)
        return str(copy.relative_to(self.course))

    @property
    def labs(self) -> Path:
        """Where its workspaces lie."""
        return self.course / "labs"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The course's own JupyterLab on a copy of the course; the exercise on broken imports has checks that run programs."""
    scratch, exercise = tmp_path_factory.mktemp("checklist"), find_exercise("03")
    root, made = course_root(), scratch / "course"
    assert root is not None
    made.mkdir()
    shutil.copy(root / "nbgrader_config.py", made)
    (made / "notebooks").mkdir()
    ours = shutil.ignore_patterns("*.snapshot", ".ipynb_checkpoints")
    shutil.copytree(root / "exercises" / exercise.id, made / "exercises" / exercise.id, ignore=ours)
    with jupyterlab(made, scratch) as address:
        yield Lab(address, made, exercise)
    subprocess.run(["rm", "-rf", str(made)], check=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as one:
        yield one


def _open(page: Page, lab: Lab, notebook: str) -> Locator:
    """Open a notebook in a JupyterLab of its own layout, run its first cell, and give its checklist."""
    page.goto(f"{lab.address}/lab/workspaces/{uuid.uuid4().hex}?reset")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
    open_notebook(page, notebook)
    return _begin(page)


def _begin(page: Page) -> Locator:
    page.locator(f"{FRONT} .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    live = page.locator(f"{FRONT} .wh-checklist:not(.wh-off)")
    problem = page.locator(f"{FRONT} .jp-RenderedHTML.jp-OutputArea-output")
    live.or_(problem).first.wait_for()
    assert problem.count() == 0, problem.first.inner_text()
    live.locator(".wh-task").first.wait_for()
    return live


def _open_again(page: Page, lab: Lab, notebook: str) -> Locator:
    """Open a notebook whose kernel runs and whose list was saved, and give that list.

    On a slow page jupyterlab-widgets 3.0 sometimes draws before it has asked the kernel ("model not found"); a learner then loads it anew.
    """
    live = page.locator(f"{FRONT} .wh-checklist:not(.wh-off) .wh-task")
    lost = page.locator(f"{FRONT} .jp-OutputArea", has_text="Error displaying widget")
    for _ in range(6):
        page.goto(f"{lab.address}/lab/workspaces/{uuid.uuid4().hex}?reset")
        page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
        open_notebook(page, notebook)
        live.or_(lost).first.wait_for()
        if live.count():
            break
    live.first.wait_for()
    return page.locator(f"{FRONT} .wh-checklist:not(.wh-off)")


def _type(page: Page, checklist: Locator, command: str) -> None:
    """Type a command into the exercise's shell with real keys, and wait until the list tells of it."""
    until(page, TERMINAL, lambda seen: bool(seen == "connected"))
    page.locator(".jp-Terminal .xterm-screen").first.click()
    page.keyboard.type(f"{command}\n")
    checklist.locator(".wh-command", has_text=command).first.wait_for(state="attached")


def test_what_each_command_changed(browser: Browser, lab: Lab) -> None:
    """What lies outside the project is named first and in words; earlier commands are one keypress away; it folds away, and says when it isn't live."""
    with page_of(browser) as page:
        checklist = _open(page, lab, lab.notebook())
        panel = checklist.locator(".wh-changes")
        mark = uuid.uuid4().hex[:6]
        _type(page, checklist, "pip install webfw")
        newest = panel.locator(".wh-stepitem").first
        newest.locator(".wh-section").first.wait_for()
        first = newest.locator(".wh-section").first.inner_text()
        assert "outside the project" in first
        assert "webfw" in first
        assert checklist.locator(".wh-latest", has_text="outside the project").count() == 1
        checklist.locator(".wh-spoken", has_text="Outside the project! pip install webfw").wait_for(state="attached")
        photograph(page, "changes-outside-light")

        _type(page, checklist, f"echo {mark} > new-{mark}.txt")
        _type(page, checklist, f"export SHOP={mark}")
        newest.locator(".wh-line", has_text=f"SHOP={mark}").wait_for()
        assert newest.locator(".wh-section").inner_text().startswith("This shell, until it ends")

        # Back by keyboard: one stop for Tab, arrows between commands, Enter unfolds.
        checklist.locator(".wh-latest").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        earlier = panel.locator(".wh-stepitem").nth(1)
        earlier.locator(".wh-below", has_text=f"+ {mark}").wait_for()
        assert panel.locator(".wh-step[tabindex='0']").count() == 1
        assert earlier.locator(".wh-step").get_attribute("aria-expanded") == "true"
        assert earlier.locator(".wh-step").evaluate("one => one === document.activeElement")
        page.emulate_media(color_scheme="dark")
        photograph(page, "changes-dark")

        panel.locator("> summary").press("Enter")
        panel.locator(".wh-steps").wait_for(state="hidden")
        panel.locator("> summary", has_text=f"SHOP={mark}").wait_for()
        panel.locator("> summary").press("Enter")

        page.evaluate(RESTART)
        page.locator(f"{FRONT} .wh-checklist.wh-off").wait_for()
        checklist = page.locator(f"{FRONT} .wh-checklist.wh-off")
        assert checklist.locator(".wh-stale").first.inner_text() == "Not live: run this cell again."
        assert checklist.locator(".wh-command", has_text=f"SHOP={mark}").count() > 0


def test_check_now_can_be_stopped_by_the_same_key(browser: Browser, lab: Lab) -> None:
    """Checks that run programs are told one by one; the button that began them stops them, and the focus stays on it."""
    with page_of(browser) as page:
        notebook = lab.notebook()
        checklist = _open(page, lab, notebook)
        button = checklist.locator(".wh-checknow")
        button.focus()
        page.keyboard.press("Enter")
        checklist.locator(".wh-message", has_text="Checked at").wait_for()
        assert button.evaluate("one => one === document.activeElement")
        assert button.inner_text() == "Check now"
        where = f"exercises/{lab.exercise.id}/{lab.exercise.id}.snapshot"
        assert where in checklist.locator(".wh-foot").first.inner_text()
        assert (lab.course / where).is_file()


def test_two_notebooks_and_two_pages_on_one_exercise(browser: Browser, lab: Lab) -> None:
    """Another notebook with a kernel of its own, and the same notebook on a second page, are all live; a newer list says where it is."""
    task = lab.exercise.task(1)
    done = f'.wh-task[data-task="{task.number}"][data-state="passed"]'
    first, second = lab.notebook(), lab.notebook()
    with page_of(browser) as page, page_of(browser) as other:
        _open(page, lab, second)
        open_notebook(page, first)
        _begin(page)
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        both = page.locator(".jp-NotebookPanel .wh-checklist:not(.wh-off)")
        again = _open_again(other, lab, first)

        (lab.labs / lab.exercise.id / "answer.sh").write_text(task.answer)
        _type(page, again, "bash answer.sh")
        for shown in (both.nth(0), both.nth(1), again):
            shown.locator(done).wait_for(state="attached")
            shown.locator(".wh-command", has_text="bash answer.sh").first.wait_for(state="attached")
        photograph(other, "two-notebooks")

        # The list of the first page, pressed on the second one, is followed by the other notebook's.
        again.get_by_role("button", name="Start over").click()
        again.get_by_role("button", name="Yes, start over").click()
        again.locator(".wh-message", has_text="Started over").wait_for()
        for shown in (both.nth(0), both.nth(1), again):
            shown.locator(f'.wh-task[data-task="{task.number}"]:not([data-state="passed"])').wait_for(state="attached")

        # A second list in one notebook: the older one says where the live one is.
        other.evaluate(LAST_CELL, 'begin("03")')
        other.locator(f"{FRONT} .wh-checklist.wh-off .wh-stale", has_text="a newer list of this exercise").wait_for(
            state="attached"
        )


def test_restart_and_run_all(browser: Browser, lab: Lab) -> None:
    """After Restart and Run All there is one list, and it is live."""
    with page_of(browser) as page:
        _open(page, lab, lab.notebook())
        page.evaluate(RESTART)
        page.locator(f"{FRONT} .wh-checklist.wh-off").wait_for()
        until(page, READY, lambda seen: bool(seen == "ready"))
        run_all(page)
        page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.node.scrollTop = 0; }")
        page.locator(f"{FRONT} .wh-checklist:not(.wh-off) .wh-task").first.wait_for()
        until(page, READY, lambda seen: bool(seen == "ready"))
        assert page.locator(f"{FRONT} .wh-checklist").count() == 1
