"""The course's own JupyterLab and a real Chromium, for tests: nothing here knows what is looked at.

What a terminal shows is a picture on a canvas, so it is known by its effects. Screenshots go to `$WHEELHOUSE_SHOTS`, if that names a folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from autograder.jupyter import launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = [
    *(
        "MARKS",
        "PATIENCE",
        "PROMPTS",
        "READY",
        "chromium",
        "described",
        "jupyterlab",
        "open_lab",
        "open_notebook",
        "page_of",
    ),
    *("photograph", "run_all", "until"),
]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = Path(
    os.environ.get("WHEELHOUSE_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), "/usr/bin/chromium")
)
"""The same names as `bootstrap.py` looks for."""
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE = 90_000.0
"""Milliseconds; a machine that runs other tests too is slow."""

MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM.is_file() and not os.environ.get("CI"),
        reason=f"there is no {CHROMIUM}: install Debian's chromium, or set WHEELHOUSE_CHROMIUM",
    ),
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("browser"),
]
"""For the `pytestmark` of a module that uses a browser: one at a time is enough for a small machine."""

READY = """async () => {
  const app = window.jupyterapp;
  if (!app) return 'no app';
  await app.restored;
  const widget = app.shell.currentWidget;
  if (!widget || !widget.sessionContext) return 'no notebook';
  await widget.context.ready;
  await widget.sessionContext.ready;
  await widget.revealed;
  const kernel = widget.sessionContext.session && widget.sessionContext.session.kernel;
  if (!kernel) return 'no kernel';
  await kernel.info;
  return kernel.connectionStatus === 'connected' && kernel.status === 'idle' ? 'ready' : kernel.status;
}"""
"""Whether the notebook in front has a kernel that answers: before that, Run is lost without a word."""

RUN_ALL = """() => {
  const { commands, shell } = window.jupyterapp;
  for (const cell of shell.currentWidget.content.widgets) if (cell.model.type === 'code') cell.setPrompt('');
  commands.execute('notebook:run-all-cells');
}"""

GO_TO_LAST = """() => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.length - 1;
  notebook.mode = 'command';
  notebook.activate();
}"""

PROMPTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter((cell) => cell.model.type === 'code').map((cell) => cell.prompt ?? '')"""

DESCRIBED = """() => {
  const widget = window.jupyterapp?.shell?.currentWidget;
  const kernel = widget?.sessionContext?.session?.kernel;
  return {
    address: location.pathname,
    front: widget?.context?.path ?? widget?.title?.label,
    kernel: kernel ? [kernel.status, kernel.connectionStatus] : null,
    prompts: widget?.content?.widgets?.map((cell) => cell.prompt ?? null),
    dialog: document.querySelector('.jp-Dialog')?.textContent,
    text: (widget?.node ?? document.body).textContent.slice(0, 3000),
  };
}"""

OPEN = """async (path) => {
  const widget = await window.jupyterapp.commands.execute('docmanager:open', { path });
  window.jupyterapp.shell.activateById(widget.id);
}"""


@contextmanager
def jupyterlab(
    course: Path, scratch: Path, started_as: Literal["make lab", "jupyter lab", "jupyter notebook"] = "make lab"
) -> Iterator[str]:
    """Start the course's JupyterLab (or one without our configuration, or Notebook 7 with it), and give its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "WHEELHOUSE_COURSE": str(course),
        "WHEELHOUSE_CACHE": os.environ["WHEELHOUSE_CACHE"],
    }
    for name in ("WHEELHOUSE_TIER", "WHEELHOUSE_SCREEN_READER"):
        if name in os.environ:
            environment[name] = os.environ[name]
    words = [
        *("--no-browser", f"--port={port}", "--IdentityProvider.token=", "--ServerApp.password="),
        "--LabApp.expose_app_in_browser=True",
    ]
    other = ["--allow-root", f"--ServerApp.root_dir={course}", "--ServerApp.port_retries=0"]
    program = {
        "make lab": ["autograder.jupyter.launch"],
        "jupyter lab": ["jupyterlab", *other],
        "jupyter notebook": ["notebook", *other],
    }
    if started_as == "jupyter notebook":
        environment = launch.environment(environment)
        words[-1] = words[-1].replace("LabApp", "JupyterNotebookApp")
    log = scratch / "jupyter.log"
    process = subprocess.Popen(
        [sys.executable, "-m", *program[started_as], *words],
        cwd=course,
        env=environment,
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, log)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).read()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a real Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield one
        one.close()


@contextmanager
def page_of(browser: Browser, scheme: str = "light") -> Iterator[Page]:
    """Give a page of a user of its own; where a test fails, it is photographed."""
    context = browser.new_context(viewport={"width": 1500, "height": 950}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    try:
        yield page
    except BaseException:
        photograph(page, f"failed-{scheme}")
        sys.stderr.write(described(page))
        raise
    finally:
        context.close()


def photograph(page: Page, name: str) -> None:
    """Keep what the page looks like, if `$WHEELHOUSE_SHOTS` says where."""
    folder = os.environ.get("WHEELHOUSE_SHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def until(page: Page, script: str, wanted: Callable[[Any], bool]) -> Any:
    """Ask the page again and again until the answer is what is wanted, and give it."""
    end = time.monotonic() + PATIENCE / 1000
    seen = None
    while time.monotonic() < end:
        seen = page.evaluate(script)
        if wanted(seen):
            return seen
        time.sleep(0.1)
    raise AssertionError(f"waited in vain; last seen: {seen}")


def open_notebook(page: Page, path: str) -> None:
    """Bring a notebook to the front of a JupyterLab that is open, and wait until its kernel answers."""
    page.evaluate(OPEN, path)
    page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")
    until(page, READY, lambda seen: bool(seen == "ready"))


def run_all(page: Page) -> None:
    """Run all cells of the notebook in front to their end and go to the last; press again where that is lost, as a learner would."""
    end = time.monotonic() + PATIENCE / 1000
    again = 0.0
    prompts: list[str] = []
    while not prompts or not all(prompts) or "*" in prompts:
        assert time.monotonic() < end, f"waited in vain: {prompts}"
        if not any(prompts) and time.monotonic() > again:
            page.evaluate(RUN_ALL)
            again = time.monotonic() + PATIENCE / 6000
        time.sleep(0.1)
        prompts = page.evaluate(PROMPTS)
    page.evaluate(GO_TO_LAST)


def open_lab(page: Page, address: str) -> None:
    """Open an empty JupyterLab in a page, fit for axe-core: its body has no height and hides what overflows, so all text would be unseen."""
    page.goto(f"{address}/lab?reset")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
    page.add_style_tag(content="html, body { width: 100vw; height: 100vh; }")


def described(page: Page) -> str:
    """Say what a page shows, for the report of a test that failed on a machine where nobody looks."""
    try:
        return "\n".join(f"{name}: {value}" for name, value in page.evaluate(DESCRIBED).items())
    except Exception as error:  # whatever ended the page, the test's own error is what counts
        return f"the page can't be asked any more: {error}"
