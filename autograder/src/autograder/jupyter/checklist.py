"""The live checklist: what is done, what is missing and what to do next, while the learner works in any shell or editor.

It only shows what `runner.check_live` says. A thread looks, so that a busy cell doesn't stop it: at once when a shell of the course
shows its prompt again (see `autograder.changes`), within a second when a file of the project was saved by an editor, and every few
seconds in any case. Checks which run something wait until the state has been still for a moment, or until "Check now" is pressed.
The browser asks every two seconds whether this kernel still answers, so that an old picture is never taken for the present.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from autograder import folder, runner
from autograder.changes import glance, signal_file
from autograder.exceptions import CourseError
from autograder.jupyter import session
from autograder.jupyter.busy import answer_while_busy
from autograder.jupyter.words import inline_html, plain
from autograder.verdict import Verdict

__all__ = ["Checklist", "as_items", "stop_all"]

STATIC = Path(__file__).parent / "static"
PROMPT_PERIOD = 0.05
"""Seconds between two looks whether a prompt has returned: a file's time, and nothing else."""
PERIOD = 1.0
"""Seconds between two looks at the project's own files while the checklist can be seen."""
GLANCES = 8
"""Every so many of them the whole workspace is looked at, which costs some ten times as much."""
UNSEEN_PERIOD = 5.0
"""Seconds between two looks while it can't be seen."""
STILL = 0.3
"""Seconds after a prompt until checks which run something may: another command may come at once."""

SIGN = {"passed": "✓", "failed": "○", "waiting": "·", "running": "…", "error": "!"}
WORD = {
    "passed": "done",
    "failed": "to do",
    "waiting": "waits",
    "running": "not tried yet",
    "error": "our error",
}

_live: dict[str, Checklist] = {}


def as_items(verdict: Verdict) -> list[dict[str, Any]]:
    """Give a verdict's tasks as the browser wants them.

    To the verdict's states comes `running`: a check that runs something, was not run yet and waits for no other.
    """
    items = []
    for task in verdict.tasks:
        done = {one.check: one.state for one in task.outcomes}
        checks = []
        for one in task.outcomes:
            after = one.check.after
            free = after is None or done.get(after, "passed") == "passed"
            state = "running" if one.check.acts and one.state == "waiting" and free else one.state
            checks.append({**one.as_json(), "state": state})
        states = {check["state"] for check in checks}
        state = task.state if task.state != "failed" or "failed" in states or "running" not in states else "running"
        items.append(
            {
                "task": task.task.number,
                "title": task.task.title,
                "state": state,
                "score": task.score,
                "points": task.task.points,
                "checks": checks,
            }
        )
    return items


def _time_of(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def stop_all() -> None:
    """End every checklist's thread."""
    for one in list(_live.values()):
        one.stop()


class Checklist(anywidget.AnyWidget):
    """One exercise's live checklist; a newer one of the same exercise takes over from it."""

    _esm = STATIC / "checklist.js"
    _css = STATIC / "checklist.css"

    title = traitlets.Unicode().tag(sync=True)
    tier = traitlets.Unicode().tag(sync=True)
    tasks: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    score = traitlets.Int(0).tag(sync=True)
    points = traitlets.Int(0).tag(sync=True)
    hints = traitlets.Dict().tag(sync=True)
    """By task: the text of the hint that was asked for last."""
    busy = traitlets.Unicode("").tag(sync=True)
    """What is being done that takes a moment."""
    message = traitlets.Unicode("").tag(sync=True)
    """What happened last, or why nothing can be shown."""
    terminal = traitlets.Unicode("").tag(sync=True)
    """The name of the terminal that is this exercise's sandboxed shell; empty where there is no such terminal."""
    notice = traitlets.Unicode("").tag(sync=True)
    signs = traitlets.Dict(SIGN).tag(sync=True)
    words = traitlets.Dict(WORD).tag(sync=True)
    visible = traitlets.Bool(True).tag(sync=True)

    def __init__(self, live: folder.LiveWorkspace, *, period: float = PERIOD) -> None:
        """Show a workspace's state and keep showing it."""
        exercise = live.exercise
        assert exercise is not None
        number = f"{exercise.number:02}"
        ordinary = session.ordinary_terminals()
        super().__init__(
            title=exercise.title,
            tier=live.tier,
            points=exercise.points,
            terminal="" if ordinary else f"ex{number}",
            notice=(
                "This Jupyter's terminals are ordinary shells, **not the sandbox**. "
                f"Start the course with `make lab`, or type `course shell {number}` in any terminal."
                if ordinary
                else ""
            ),
        )
        answer_while_busy(self)
        self._workspace = live
        self._period = period
        self._stop = threading.Event()
        self._look_now = threading.Event()
        self._work = threading.Lock()
        self._told = _time_of(signal_file(live))
        self._seen = glance(live)
        older = _live.get(exercise.id)
        if older is not None:
            older.stop()
        _live[exercise.id] = self
        self._look(acting=False)
        self.on_msg(self._on_message)
        self._thread = threading.Thread(target=self._watch, name=f"checklist-{exercise.id}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; the browser then says that this is not live."""
        self._stop.set()
        self._look_now.set()
        for name, one in list(_live.items()):
            if one is self:
                del _live[name]

    def _watch(self) -> None:
        before: list[Any] | None = None
        prompt = False
        while not self._stop.is_set():
            untried = any(task["state"] == "running" for task in self.tasks)
            prompt = self._wait(STILL if prompt and untried else None)
            if self._stop.is_set():
                return
            if self.busy:
                continue
            with self._work:
                self._look(acting=False)
                untried = any(task["state"] == "running" for task in self.tasks)
                if untried and before == self.tasks:  # still since the last look
                    self._look(acting=True)
                before = self.tasks

    def _wait(self, seconds: float | None) -> bool:
        """Wait until it is worth looking; True if it is because a prompt returned."""
        signal, period, glances = signal_file(self._workspace), self._period, GLANCES
        if not self.visible:
            period, glances = max(period, UNSEEN_PERIOD), 1
        if seconds is not None:
            period, glances = seconds, 1
        next_glance = time.monotonic() + period
        while not self._look_now.wait(PROMPT_PERIOD if self.visible else period):
            told = _time_of(signal)
            if told != self._told and self.visible:
                self._told = told
                return True
            if time.monotonic() >= next_glance:
                glances -= 1
                next_glance += period
                seen = glance(self._workspace)
                if glances <= 0 or seen != self._seen:
                    self._seen = seen
                    break
        self._look_now.clear()
        self._told = _time_of(signal)
        return False

    def _look(self, *, acting: bool) -> None:
        """Look once. What goes wrong is said in the list and never ends the thread."""
        try:
            verdict = session.check(self._workspace, acting=acting)
        except CourseError as error:
            self.message = str(error)
            return
        except Exception as error:  # half-written files, a workspace that is being replaced
            self.message = f"The workspace could not be checked just now ({type(error).__name__})."
            return
        if self.message.startswith("The workspace"):
            self.message = ""
        with self.hold_sync():
            items = as_items(verdict)
            if items != self.tasks:
                self.tasks = items
            self.score = verdict.score

    def _on_message(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """Answer the browser: at once for a ping, else from a thread, since checks may take seconds."""
        if self._stop.is_set():
            return  # silence: the browser will say that this list isn't live
        kind = message.get("type")
        if kind == "ping":
            self.send({"type": "pong"})
            return
        task = message.get("task")
        actions: dict[str, tuple[str, Callable[[], None]]] = {
            "check": ("Checking …", lambda: self._look(acting=True)),
            "hint": (
                "Looking for a hint …",
                lambda: self._hint(task if isinstance(task, int) else None),
            ),
            "reset": ("Starting over …", self._reset),
        }
        if kind in actions and not self.busy:
            self.busy, action = actions[kind]
            threading.Thread(target=self._do, args=(action,), daemon=True).start()

    def _do(self, action: Callable[[], None]) -> None:
        try:
            with self._work:
                self.message = ""
                action()
        except CourseError as error:
            self.message = str(error)
        except Exception as error:
            self.message = (
                f"Something of ours broke ({type(error).__name__}: {error}). Nothing is lost: run this cell again."
            )
        finally:
            self.busy = ""

    def _hint(self, task: int | None) -> None:
        with session.checking():
            found = runner.next_hint(self._workspace, task)
        if found is None:
            self.message = "Nothing is left to do there."
            return
        text = f"**Hint {found.number} of {found.of}:** {found.text}"
        if found.number == found.of:
            number = f"{self._workspace.exercise.number:02}" if self._workspace.exercise else ""
            text += f" (That was the last one. An answer: `course hint {number} {found.task.number} --answer`.)"
        self.hints = {**self.hints, str(found.task.number): text}

    def _reset(self) -> None:
        assert self._workspace.exercise is not None
        self._workspace = session.start_over(self._workspace.exercise)
        self.hints = {}
        self._look(acting=False)
        self.message = (
            "Started over. A shell that was open still stands in the old workspace: close it and open a new one."
        )

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Add the list as text and as HTML, for wherever no widget can live."""
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return {**data, "text/plain": self.as_text(), "text/html": self.as_html()}, dict(metadata)

    def as_text(self) -> str:
        """Give the list as plain text."""
        lines = [f"{self.title}: {self.score} of {self.points} points ({self.tier} sandbox)"]
        for task in self.tasks:
            lines.append(f"{SIGN[task['state']]} Task {task['task']}: {task['title']} ({WORD[task['state']]})")
            lines += [f"    {SIGN[one['state']]} {plain(one['says'])} ({WORD[one['state']]})" for one in task["checks"]]
        return "\n".join([*lines, *([plain(self.notice)] if self.notice else [])])

    def as_html(self) -> str:
        """Give the list as HTML without script, as it was at this moment."""
        tasks = "".join(
            f"<li>{SIGN[task['state']]} <strong>Task {task['task']}: {html.escape(task['title'])}</strong> "
            f"({WORD[task['state']]}, {task['score']} of {task['points']} points)<ul style='list-style:none'>"
            + "".join(
                f"<li>{SIGN[one['state']]} {inline_html(one['says'])} ({WORD[one['state']]})</li>"
                for one in task["checks"]
            )
            + "</ul></li>"
            for task in self.tasks
        )
        return (
            f"<section aria-label='{html.escape(self.title, quote=True)}'><p><strong>{html.escape(self.title)}</strong>: "
            f"{self.score} of {self.points} points, as it was when this cell was run.</p>"
            f"<ul style='list-style:none;padding-left:0'>{tasks}</ul>"
            + (f"<p>{inline_html(self.notice)}</p>" if self.notice else "")
            + "</section>"
        )
