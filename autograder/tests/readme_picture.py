"""The README's picture: the real course in a real Chromium, in the middle of exercise 06, typed with real keys.

From the folder `autograder`, after what a learner sees has changed::

    PYTHONPATH=.:tests python -m readme_picture          writes notebooks/images/course.png; look at it
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from autograder.changes import signal_file
from autograder.exercise import find_exercise
from autograder.folder import open_workspace
from autograder.places import cache, course_root
from browsing import chromium, jupyterlab, open_notebook, page_of, until

COMMANDS = (
    "python3 -m venv --without-pip labels/.venv",
    "pip --python labels/.venv/bin/python install -q leftpad==1.1",
    "python3 -m venv till/.venv",
    "till/.venv/bin/pip install -q shoplib==2.3",
    "till/.venv/bin/pip list",
    "bash till/run.sh",
    "course hint 06 2",
)
"""Quiet ones, since what pip says otherwise names the index's host."""
CONNECTED = """async () => {
  const shell = [...window.jupyterapp.shell.widgets('main')].find((one) => one.content?.session?.name === 'ex06');
  return shell ? (await shell.content.ready, shell.content.session.connectionStatus) : 'closed';
}"""


def main() -> int:
    """Make the picture."""
    root = course_root()
    assert root is not None
    os.environ.setdefault("WHEELHOUSE_CACHE", str(cache()))
    exercise = find_exercise("06")
    with tempfile.TemporaryDirectory() as scratch:
        course = Path(scratch, "wheelhouse")
        os.environ["WHEELHOUSE_LABS"] = str(course / "labs")
        course.mkdir()
        shutil.copy(root / "nbgrader_config.py", course)
        ours = shutil.ignore_patterns("*.snapshot", ".ipynb_checkpoints")
        for folder in ("notebooks", "exercises"):
            shutil.copytree(root / folder, course / folder, ignore=ours)
        with jupyterlab(course, Path(scratch)) as address, chromium() as browser, page_of(browser) as page:
            page.goto(f"{address}/lab?reset")
            page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
            open_notebook(page, f"notebooks/{exercise.id}.ipynb")
            open_notebook(page, f"exercises/{exercise.id}/{exercise.id}.ipynb")
            page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content").first.click()
            page.keyboard.press("Shift+Enter")
            checklist = page.locator(".wh-checklist")
            checklist.locator(".wh-task").first.wait_for()
            page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
            checklist.get_by_role("button", name="Open the shell").click()
            until(page, CONNECTED, lambda seen: bool(seen == "connected"))
            prompt = signal_file(open_workspace(exercise))
            until(page, "() => null", lambda _: prompt.exists())
            page.locator(".jp-Terminal .xterm-screen").first.click()
            for command in COMMANDS:
                page.keyboard.type(f"{command}\n")
                checklist.locator(".wh-command", has_text=command).first.wait_for(state="attached")
            checklist.locator('[data-task="1"][data-state="passed"]').wait_for()
            page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer").evaluate(
                "node => { node.scrollTop = 290; }"
            )
            page.wait_for_timeout(1500)  # until what moves has moved
            page.screenshot(path=str(root / "notebooks" / "images" / "course.png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
