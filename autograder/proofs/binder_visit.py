"""Visit a pod with Chromium, as somebody does who pressed the badge: look at what opens, solve an exercise by typing, wait until it idles."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.exercise import Exercise
from proofs.binder_container import PODS
from proofs.binder_pod import Pod

sys.path.insert(0, str(PODS.parent))
import browsing
from browsing import chromium, open_notebook, page_of, photograph, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["Landing", "Solved", "arrive", "chromium", "idle_out", "page_of", "say", "solve"]

FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden)"
SHELL = ".jp-Terminal:not(.lm-mod-hidden)"

TERMINALS = """() => [...window.jupyterapp.shell.widgets('main')]
  .filter((widget) => widget.content?.session?.name && widget.content.session.connectionStatus)
  .map((widget) => [widget.content.session.name, widget.content.session.connectionStatus])"""

SHOW = """(name) => {
  const all = [...window.jupyterapp.shell.widgets('main')];
  const widget = all.find((one) => one.content?.session?.name === name && one.content.session.connectionStatus);
  window.jupyterapp.shell.activateById(widget.id);
  return widget.id;
}"""
"""Bring the shell of that name to the front, and give its id in the page."""

ASK = """async (code) => {
  const widget = [...window.jupyterapp.shell.widgets('main')].find((one) => one.sessionContext?.session?.kernel);
  let said = '';
  const asked = widget.sessionContext.session.kernel.requestExecute({ code, store_history: false });
  asked.onIOPub = (message) => {
    if (message.header.msg_type === 'stream') said += message.content.text;
    if (message.header.msg_type === 'error') said += message.content.traceback.join('\\n');
  };
  await asked.done;
  return said;
}"""
"""Run code in the kernel of the first notebook that has one, and give what it printed."""


@dataclass(frozen=True)
class Landing:
    """What opened: seconds until all of it was there, title of the notebook, where notebook and shell begin and how wide they are, in pixels, shells connected."""

    seconds: float
    title: str
    notebook: tuple[float, float]
    shell: tuple[float, float]
    shells: list[str]

    @property
    def side_by_side(self) -> bool:
        """Whether the notebook stands left of the shell, both wide enough to work in."""
        return sum(self.notebook) <= self.shell[0] + 2 and min(self.notebook[1], self.shell[1]) > 400


@dataclass(frozen=True)
class Solved:
    """An exercise done: seconds until its checklist stood there, until all of it was green, and the verdict's state and points."""

    begun: float
    seconds: float
    state: str
    score: str


def arrive(page: Page, pod: Pod, path: str, shot: str) -> Landing:
    """Open the badge's path, wait for notebook and shell, and look."""
    browsing.PATIENCE = 300_000.0  # a pod has one processor, and the machine may be busy with other things
    page.set_default_timeout(browsing.PATIENCE)
    began = time.monotonic()
    page.goto(pod.url(path))
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
    page.locator(f"{FRONT} .jp-Cell").first.wait_for()
    page.locator(f"{SHELL} .xterm-screen").wait_for()
    shells = until(page, TERMINALS, lambda seen: bool(seen) and all(one[1] == "connected" for one in seen))
    title = page.locator(f"{FRONT} h1").first
    title.wait_for()
    seconds = time.monotonic() - began
    notebook, shell = page.locator(FRONT).bounding_box(), page.locator(SHELL).bounding_box()
    assert notebook is not None
    assert shell is not None
    photograph(page, shot)
    text = title.inner_text().strip().rstrip("¶")
    return Landing(
        seconds, text, (notebook["x"], notebook["width"]), (shell["x"], shell["width"]), [one[0] for one in shells]
    )


def say(page: Page, *command: str) -> str:
    """Run a command in the pod, outside of the sandbox, from a notebook's kernel; give what it printed."""
    until(page, "() => document.readyState", lambda seen: bool(seen == "complete"))
    code = f"import subprocess as _s; print(_s.run({list(command)!r}, stdout=-1, stderr=-2, text=True).stdout)"
    return str(page.evaluate(ASK, code)).strip()


def solve(page: Page, exercise: Exercise, shot: str) -> Solved:
    """Begin an exercise in its notebook, open its shell, type each task's answer with real keys, and wait for green."""
    began = time.monotonic()
    open_notebook(page, f"exercises/{exercise.id}/{exercise.id}.ipynb")
    page.locator(f"{FRONT} .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator(f"{FRONT} .wh-checklist").first.wait_for()
    begun = time.monotonic() - began
    page.locator(FRONT).get_by_role("button", name="Open the shell").click()
    name = f"ex{exercise.number:02}"
    until(page, TERMINALS, lambda seen: [name, "connected"] in seen)
    screen = page.locator(f"[id='{page.evaluate(SHOW, name)}'] .xterm-screen")
    screen.wait_for()
    for task in exercise.tasks:
        screen.click()
        page.keyboard.type(f"(\n{task.answer.rstrip()}\n)\n")
        page.locator(f'{FRONT} .wh-task[data-task="{task.number}"][data-state="passed"]').wait_for()
    seconds = time.monotonic() - began
    photograph(page, shot)
    verdict = json.loads(say(page, "course", "check", str(exercise.number), "--json"))
    return Solved(begun, seconds, str(verdict["state"]), f"{verdict['score']} of {verdict['points']}")


def kernels(pod: Pod) -> int:
    """Count the kernels that run in a pod."""
    with urllib.request.urlopen(pod.url("api/kernels"), timeout=30) as answer:  # noqa: S310
        return len(json.load(answer))


def idle_out(pod: Pod, timeout: float) -> float:
    """Wait until the platform's rule has ended every kernel; the seconds that took, or infinity after `timeout`."""
    began = time.monotonic()
    while time.monotonic() < began + timeout:
        if kernels(pod) == 0:
            return time.monotonic() - began
        time.sleep(1)
    return float("inf")
