"""The start page's list: what is done, one button that opens all one needs to go on, and progress kept as a file and brought back.

All that it does goes through the kernel, so it works wherever the kernel's page is shown; nothing is asked of the server.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from autograder.exceptions import CourseError
from autograder.jupyter.busy import answer_while_busy
from autograder.jupyter.widget_files import script, style
from autograder.jupyter.words import plain
from autograder.places import course_root
from autograder.progress import Step, carrying, continue_with, steps
from autograder.progress.carried import Carried

__all__ = ["StartPage", "on_binder", "session_ends"]

SERVER_ROOT = "WHEELHOUSE_SERVER_ROOT"
"""Set by our server's extension: the folder that the page's paths are relative to."""


def on_binder() -> bool:
    """Whether this is a session on a public Binder, which sets these variables itself."""
    return any(os.environ.get(name) for name in ("BINDER_LAUNCH_HOST", "BINDER_SERVICE_HOST", "BINDER_REPO_URL"))


def session_ends() -> str:
    """Say when this session ends by itself, in Markdown; empty where it doesn't."""
    if not on_binder():
        return ""
    return (
        "This is a session on Binder: it ends after **ten minutes** in which you do nothing, and after six hours in any case, "
        "and then all files in it are gone. **Keep my progress** gives you a file with which you go on in the next one."
    )


def _path(notebook: Path | None) -> str:
    """Give a notebook's path as the page knows it; empty where that can't be told."""
    root, top = course_root(), os.environ.get(SERVER_ROOT)
    if notebook is None or root is None or not top:
        return ""
    path = os.path.relpath(root / notebook, top)
    return "" if path.startswith("..") else Path(path).as_posix()


def _row(step: Step, onward: Step | None) -> dict[str, Any]:
    return {
        "number": f"{step.exercise.number:02}",
        "title": step.exercise.title,
        "lesson": _path(step.lesson),
        "exercise": _path(step.notebook),
        "lesson_minutes": step.lesson_minutes,
        "minutes": step.exercise.minutes,
        "score": step.score or 0,
        "points": step.exercise.points,
        "state": step.state,
        "done": step.done,
        "begun": _worked_on(step),
        "next": step == onward,
    }


def _worked_on(step: Step) -> bool:
    """Say whether anything was done: that a shell was opened, as JupyterLab does by itself, makes a workspace, but no beginning."""
    return step.score is not None and bool(step.score or step.lesson_opened or step.history.attempts)


class StartPage(anywidget.AnyWidget):
    """The lessons with one's points, and what one does with all of it."""

    _esm = script("start_page")
    _css = style("start_page")

    rows: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    task = traitlets.Unicode("").tag(sync=True)
    """The task to go on with, in words."""
    terminals = traitlets.Bool(False).tag(sync=True)
    """Whether this server's terminals are the sandboxed shell."""
    reminder = traitlets.Unicode("").tag(sync=True)
    busy = traitlets.Unicode("").tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    question = traitlets.Unicode("").tag(sync=True)
    """What must be answered before anything is replaced."""

    def __init__(self, found: Sequence[Step], text: str, page: str) -> None:
        """Show these steps; `text` and `page` say the same for whoever can't show a widget."""
        super().__init__(terminals=os.environ.get("WHEELHOUSE_TERMINAL") == "sandbox", reminder=session_ends())
        answer_while_busy(self)
        self._text, self._page = text, page
        self._carried: Carried | None = None
        self._show(found)
        self.on_msg(self._on_message)

    def _show(self, found: Sequence[Step]) -> None:
        onward = continue_with(tuple(found))
        with self.hold_sync():
            self.rows = [_row(step, onward) for step in found]
            task = onward.next_task if onward is not None and _worked_on(onward) else None
            self.task = f"Task {task.task.number}: {task.task.title}" if task is not None else ""

    def _on_message(self, _: Any, message: Any, buffers: Sequence[Any]) -> None:
        """Do what was asked for in a thread, since it may take seconds."""
        data = bytes(buffers[0]) if buffers else b""
        actions: dict[str, tuple[str, Callable[[], None]]] = {
            "keep": ("Packing …", self._keep),
            "bring": ("Reading …", lambda: self._read(data)),
            "yes": ("Putting everything back …", self._bring),
            "no": ("", self._leave),
            "look": ("", lambda: self._show(steps())),
        }
        kind = message.get("type") if isinstance(message, dict) else None
        if kind in actions and not self.busy:
            self.busy, action = actions[kind]
            threading.Thread(target=self._do, args=(action,), daemon=True).start()

    def _do(self, action: Callable[[], None]) -> None:
        try:
            action()
        except CourseError as error:
            self.message = str(error)
        except Exception as error:
            self.message = f"Something of ours broke ({type(error).__name__}: {error}). Nothing is lost."
        finally:
            self.busy = ""

    def _keep(self) -> None:
        data = carrying.exported()
        self.send({"type": "file", "name": carrying.AUTOMATIC}, [data])
        kilobytes = max(1, round(len(data) / 1000))
        self.message = (
            f"Your progress is in the file `{carrying.AUTOMATIC}` ({kilobytes} kB) which your browser saves now. "
            "**Bring progress back** on any other start page takes it."
        )

    def _read(self, data: bytes) -> None:
        self._carried = None
        self.question = ""
        carried = carrying.opened(data)
        told = carrying.to_replace(carried)
        self._carried = carried
        if not told:
            self._bring()
            return
        self.message = ""
        self.question = f"{told} Go on?"

    def _bring(self) -> None:
        carried, self._carried = self._carried, None
        self.question = ""
        if carried is not None:
            arrived = carrying.bring_back(carried)
            self._show(steps())
            self.message = " ".join(arrived.sentences) or "There was nothing in that file."

    def _leave(self) -> None:
        self._carried = None
        self.question = ""
        self.message = "Nothing was changed."

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Add the list as text and as HTML, for wherever no widget can live."""
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        reminder = f"\n{plain(self.reminder)}" if self.reminder else ""
        return {**data, "text/plain": self._text + reminder, "text/html": self._page}, dict(metadata)
