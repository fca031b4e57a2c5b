"""Kernel, terminal, server and browser are killed while a learner works: progress and workspace are intact each time.

`WHEELHOUSE_ROUNDS=17` makes 51 kills; `WHEELHOUSE_SEED` chooses others.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder import folder, history, runner
from autograder.changes import signal_file
from autograder.exercise import find_exercise
from autograder.folder import LiveWorkspace
from autograder.places import course_root
from autograder.sandbox import Limits
from autograder.snapshot import SnapshotTree
from browsing import CHROMIUM, FLAGS, MARKS, PATIENCE, jupyterlab, open_notebook, photograph, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

ROUNDS = int(os.environ.get("WHEELHOUSE_ROUNDS") or 1)
SEED = int(os.environ.get("WHEELHOUSE_SEED") or 20261121)
pytestmark = [
    *(one for one in MARKS if one.name != "timeout"),
    pytest.mark.timeout(900 + 300 * ROUNDS),
]
EXERCISE = find_exercise("01")
VICTIMS = ("kernel", "terminal", "server", "browser")
KILLS = max(len(VICTIMS), 3 * ROUNDS)
NOTEBOOK = f"exercises/{EXERCISE.id}/{EXERCISE.id}.ipynb"
TERMINALS = """() => [...window.jupyterapp.shell.widgets('main')]
  .filter((widget) => widget.content?.session?.name && widget.content.session.connectionStatus)
  .map((widget) => widget.content.session.connectionStatus)"""
BUSY = "n=0; while [ $n -lt 1500 ]; do n=$((n+1)); echo line $n >> log.txt; cp log.txt again.txt; sleep 0.03; done"
"""What the learner's shell is at: files change all the time, so the checklist looks, and writes, all the time too."""


class Desk:
    """A learner's browser, their JupyterLab, and what runs in it."""

    def __init__(self, course: Path, scratch: Path, playwright: Playwright) -> None:
        """Start nothing yet."""
        self.course, self.scratch = course, scratch
        self._playwright = playwright
        self._stack = contextlib.ExitStack()
        self._browser: Browser | None = None
        self.page: Page
        self.address = ""

    def start_server(self) -> None:
        """Start JupyterLab as `make lab` does."""
        self.address = self._stack.enter_context(jupyterlab(self.course, self.scratch))

    def open_page(self) -> None:
        """Open JupyterLab in a browser with nothing but the exercise, and run its first cell."""
        if self._browser is None:
            self._browser = self._playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        self.page = self._browser.new_context(viewport={"width": 1500, "height": 950}).new_page()
        self.page.set_default_timeout(PATIENCE)
        died = self.page.locator(".jp-Dialog .jp-mod-accept")  # JupyterLab tells of each kernel that died
        self.page.add_locator_handler(died.first, lambda button: button.click(), no_wait_after=True)
        self.page.goto(f"{self.address}/lab?reset")
        self.page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)")
        self.begin()

    def begin(self) -> None:
        """Run the exercise's first cell until there is a live checklist: what was pressed while JupyterLab tells of a death is lost."""
        live = self.page.locator(".wh-checklist:not(.wh-off)").first
        give_up = time.monotonic() + 2 * PATIENCE / 1000
        while time.monotonic() < give_up:
            open_notebook(self.page, NOTEBOOK)
            self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content").first.click()
            self.page.keyboard.press("Shift+Enter")
            soon = time.monotonic() + 20
            while time.monotonic() < soon:
                if live.is_visible():
                    return
                time.sleep(0.2)
        raise AssertionError("no live checklist came")

    def type(self, commands: str, live: LiveWorkspace, *, fresh: bool) -> None:
        """Type into the exercise's terminal: a fresh one when it shows its prompt, else after what runs there was ended."""
        signal_file(live).unlink(missing_ok=True)
        self.page.evaluate("() => window.jupyterapp.commands.execute('terminal:open', {name: 'ex01'})")
        until(self.page, TERMINALS, lambda seen: bool(seen == ["connected"]))
        self.page.locator(".jp-Terminal:not(.lm-mod-hidden) .xterm-screen").first.click()
        if not fresh:
            self.page.keyboard.press("Control+C")  # which would end a shell that is only starting
        until_true(signal_file(live).exists)
        self.page.keyboard.type(f"{commands}\n")

    def pids(self, mark: str) -> list[int]:
        """Find processes of this test's course by a word of their command line."""
        found = []
        for one in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (one / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                ours = f"WHEELHOUSE_COURSE={self.course}".encode() in (one / "environ").read_bytes().split(b"\0")
                if ours and mark in words:
                    found.append(int(one.name))
        return found

    def kill(self, victim: str) -> None:
        """Kill one of the four, with all that dies with it."""
        if victim == "browser":
            assert self._browser is not None
            for pid in children_of(os.getpid(), str(CHROMIUM.name)):
                os.kill(pid, signal.SIGKILL)
            self._browser = None
            return
        marks = {"kernel": "ipykernel_launcher", "terminal": "autograder.cli shell", "server": "-m jupyterlab"}
        pids = self.pids(marks[victim])
        assert pids, f"no {victim} is there"
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if victim == "server":
            self._stack.close()

    def recover(self, victim: str) -> None:
        """Do what a learner does then, and no more."""
        if victim == "server":
            self.page.context.close()
            for mark in ("ipykernel_launcher", "autograder.cli shell"):
                for pid in self.pids(mark):  # they end by themselves; a learner starts again sooner or later
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
            self.start_server()
            self.open_page()
        elif victim == "browser":
            self.open_page()
        elif victim == "kernel":
            self.begin()
        else:
            until(self.page, "() => document.querySelectorAll('.jp-Terminal').length", lambda count: count == 0)

    def close(self) -> None:
        """End all of it."""
        if self._browser is not None:
            with contextlib.suppress(Exception):
                self._browser.close()
        self._stack.close()


def until_true(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def children_of(pid: int, mark: str) -> list[int]:
    """Find the processes below one whose command line has a word."""
    found = []
    todo = [pid]
    while todo:
        here = todo.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{here}/task").iterdir():
                for child in (task / "children").read_text().split():
                    todo.append(int(child))
                    if mark in Path(f"/proc/{child}/cmdline").read_text("utf-8", "replace"):
                        found.append(int(child))
    return found


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A copy of the course with one task done, open in a browser."""
    from playwright.sync_api import sync_playwright

    root, made = course_root(), tmp_path / "course"
    assert root is not None
    made.mkdir()
    shutil.copy(root / "nbgrader_config.py", made)
    for name in ("notebooks", f"exercises/{EXERCISE.id}"):
        shutil.copytree(root / name, made / name, ignore=shutil.ignore_patterns("*.snapshot", ".ipynb_checkpoints"))
    monkeypatch.setenv("WHEELHOUSE_COURSE", str(made))
    monkeypatch.delenv("WHEELHOUSE_LABS", raising=False)
    live = folder.begin(EXERCISE)
    done = live.sandbox.run(["bash", "-c", EXERCISE.tasks[0].answer], live.place, limits=Limits(wall_seconds=120))
    assert done.exit_status == 0, done.output
    with sync_playwright() as playwright:
        one = Desk(made, tmp_path, playwright)
        try:
            one.start_server()
            one.open_page()
            yield one
        except BaseException:
            with contextlib.suppress(Exception):
                photograph(one.page, "failed-kills")
            raise
        finally:
            one.close()
            subprocess.run(["rm", "-rf", str(made)], check=False)


def longer(file: Path, size: int) -> bool:
    """Whether a file has grown beyond a size."""
    return file.exists() and file.stat().st_size > size


def whole(live: LiveWorkspace, snapshot: Path) -> None:
    """See to it that no file is half written that anybody reads."""
    assert json.loads((live.state / "workspace.json").read_bytes())["exercise"] == EXERCISE.id
    SnapshotTree.open(snapshot.read_bytes(), folder.index().known)
    for file in (live.state / history.NAME, live.state / "records" / "commands.jsonl"):
        lines = file.read_bytes().split(b"\n") if file.exists() else [b""]
        for line in lines[:-1]:  # a last line without its end is being written, and nobody takes it
            json.loads(line)


def test_kills_lose_nothing(desk: Desk, tmp_path: Path) -> None:
    """While files, record, history and snapshot are written all the time, one of the four is killed at a random moment, and work goes on."""
    draw = random.Random(SEED)
    live = folder.open_workspace(EXERCISE)
    snapshot = desk.course / "exercises" / EXERCISE.id / f"{EXERCISE.id}.snapshot"
    reached = runner.check_live(live, submit=False).score
    assert reached > 0
    told: Counter[str] = Counter()
    work: dict[str, str] = {}
    fresh = True
    for number in range(KILLS):
        victim = VICTIMS[number] if number < len(VICTIMS) else draw.choice(VICTIMS)
        name = f"work-{number}.txt"
        work[name] = f"done {number}\n"
        log = live.project / "log.txt"
        before = log.stat().st_size if log.exists() else 0
        desk.type(f"printf 'done {number}\\n' > {name}; {BUSY}", live, fresh=fresh)
        until_true(functools.partial(longer, live.project / name, len(work[name]) - 1))
        until_true(functools.partial(longer, log, before + 60))
        until_true(snapshot.exists)
        time.sleep(draw.uniform(0, 1.5))
        noted, lines = (live.state / history.NAME).read_bytes(), log.read_bytes()

        desk.kill(victim)

        told[victim] += 1
        fresh = victim in ("terminal", "server")
        story = f"seed {SEED}, kill {number}: {victim}"
        whole(live, snapshot)
        assert log.read_bytes().startswith(lines), story
        assert (live.state / history.NAME).read_bytes().startswith(noted[: noted.rfind(b"\n") + 1]), story
        assert {one: (live.project / one).read_text() for one in work} == work, story
        assert runner.check_live(live, acting=False, submit=False).score >= reached, story
        desk.recover(victim)
        print(f"\n{story}, history of {len(noted)} bytes, log of {len(lines)}", end="", flush=True)
    desk.type("true", live, fresh=fresh)
    done = subprocess.run(
        [sys.executable, "-m", "autograder.cli", "check", "01", "--json"], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout)["score"] == reached, done.stderr
    assert history.read(live.state).task(1).done_at is not None
    whole(live, snapshot)
    photograph(desk.page, "after-kills")
    print(f"\n{told.total()} kills: {dict(told)}")
