"""The live checklist: what is done, what is missing and what to do next, while the learner works in any shell or editor.

It only shows what `runner.check_live` says. A thread looks, so that a busy cell doesn't stop it: at once when a shell of the course
shows its prompt again (see `autograder.changes`), within a second when a file of the project was saved by an editor, and every few
seconds in any case. Checks which run something are tried by another thread when the state has been still for a moment, or when
"Check now" is pressed; the next prompt ends a try of what is no more.
The browser asks every two seconds whether this kernel still answers, so that an old picture is never taken for the present.
Several notebooks may show the same exercise: each kernel has a list of its own, and all follow the one workspace.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from autograder import folder, runner
from autograder.changes import Recent, as_rows
from autograder.exceptions import CourseError
from autograder.exercise import Check
from autograder.jupyter import checklist_words, keeping, session
from autograder.jupyter.busy import answer_while_busy
from autograder.jupyter.checklist_words import SIGN, WORD, as_items
from autograder.jupyter.trying import Trial
from autograder.jupyter.waiting import PERIOD, Waiting, time_of
from autograder.jupyter.widget_files import script, style
from autograder.places import course_root
from autograder.verdict import Verdict

__all__ = ["WORD", "Checklist", "as_items", "stop_all"]

STILL = 0.3
"""Seconds after a prompt until checks which run something are tried: another command may come at once."""
_live: dict[str, Checklist] = {}


def stop_all() -> None:
    """End every checklist's thread."""
    for one in list(_live.values()):
        one.stop()


class Checklist(anywidget.AnyWidget):
    """One exercise's live checklist; a newer one of the same exercise in the same notebook takes over from it."""

    _esm = script("changes_panel", "checklist")
    _css = style("checklist")

    title = traitlets.Unicode().tag(sync=True)
    tier = traitlets.Unicode().tag(sync=True)
    tasks: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    score = traitlets.Int(0).tag(sync=True)
    points = traitlets.Int(0).tag(sync=True)
    hints = traitlets.Dict().tag(sync=True)
    """By task: the text of the hint that was asked for last."""
    steps: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """The last commands and what they changed, oldest first: see `autograder.changes.as_rows`."""
    busy = traitlets.Unicode("").tag(sync=True)
    """What is being done that takes a moment."""
    trying = traitlets.Dict().tag(sync=True)
    """Which check runs now: `number`, `of`, `says`, and whether it was `asked` for; empty while none does."""
    message = traitlets.Unicode("").tag(sync=True)
    """What happened last, or why nothing can be shown."""
    terminal = traitlets.Unicode("").tag(sync=True)
    """The name of the terminal that is this exercise's sandboxed shell; empty where there is no such terminal."""
    notice = traitlets.Unicode("").tag(sync=True)
    wish = traitlets.Unicode("").tag(sync=True)
    """What was asked for and isn't so: another tier."""
    hand_in = traitlets.Unicode("").tag(sync=True)
    """Where the snapshot lies that is handed in."""
    retired = traitlets.Bool(False).tag(sync=True)
    """Whether a newer list in this notebook has taken over."""
    signs = traitlets.Dict(SIGN).tag(sync=True)
    words = traitlets.Dict(WORD).tag(sync=True)

    def __init__(self, live: folder.LiveWorkspace, *, period: float = PERIOD) -> None:
        """Show a workspace's state and keep showing it."""
        exercise = live.exercise
        assert exercise is not None
        number = f"{exercise.number:02}"
        ordinary = session.ordinary_terminals()
        super().__init__(
            title=exercise.title,
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
        self._waiting = Waiting(live, period, self._show_steps)
        self._recent = Recent(live)
        self._work = threading.Lock()
        """Held while somebody looks, or starts over."""
        self._showing = threading.Lock()
        self._record = self._made = 0
        self._trial: Trial | None = None
        self._asked = False
        self._state = 0
        """Counts the states that were looked at: what was tried of an older one is no news."""
        self._tried = -1
        self._still_at = time.monotonic() + STILL
        self._broken: dict[str, dict[str, Any]] = {}
        """What broke of ours when it was tried in this state, by check: it isn't tried again before anything changes."""
        older = _live.get(exercise.id)
        if older is not None:
            older.retired = True
            older.stop()
        _live[exercise.id] = self
        self._look()
        self._show_steps()
        self.on_msg(self._on_message)
        self._thread = threading.Thread(target=self._watch, name=f"checklist-{exercise.id}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; the browser then says that this is not live."""
        self._waiting.end()
        if self._trial is not None:
            self._trial.end()
        for name, one in list(_live.items()):
            if one is self:
                del _live[name]

    # --- looking

    def _watch(self) -> None:
        try:
            while not self._waiting.over():
                changed = self._waiting.wait(self._due)
                if self._waiting.over():
                    return
                if changed:
                    self._changed()
                if self._look() and not changed:
                    self._changed()
                self._show_steps()  # after the tick, which is what one waits for
                self._try()
        finally:
            self._waiting.close()

    def _changed(self) -> None:
        """Take note that the state is another: what is being tried of the old one is in vain."""
        self._state += 1
        self._still_at = time.monotonic() + STILL
        self._broken = {}
        if self._trial is not None:
            self._trial.end()

    def _due(self) -> float | None:
        """Give the moment at which checks that run something may be tried; None while there is nothing to try."""
        if self._trial is not None:
            return None
        if self._asked:
            return 0.0
        untried = any(task["state"] == "running" for task in self.tasks)
        return self._still_at if untried and self._tried != self._state else None

    def _look(self) -> bool:
        """Look once at what can be read; True if that is news. What goes wrong is said in the list and never ends the thread."""
        live = self._workspace
        try:
            with self._work:
                made = time_of(live.state / "begun")
                if (stamp := time_of(live.state / "workspace.json")) != self._record or made != self._made:
                    if self._made not in (0, made):  # started over, here or in another notebook
                        self.hints = {}
                    self._record, self._made = stamp, made
                    folder.refresh(live)
                    self._say_where()
                verdict = session.check(live, acting=False)
        except CourseError as error:
            self.message = str(error)
            return False
        except Exception as error:  # half-written files, a workspace that is being replaced
            self.message = f"The workspace could not be checked just now ({type(error).__name__})."
            return False
        if self.message.startswith("The workspace"):
            self.message = ""
        return self._show(verdict)

    def _show(self, verdict: Verdict) -> bool:
        """Show a verdict; True if it says anything else than what is shown."""
        items = as_items(verdict)
        for task in items:
            for number, check in enumerate(task["checks"]):
                if check["state"] == "running" and check["check"] in self._broken:
                    task["checks"][number] = self._broken[check["check"]]
                    task["state"] = "error"
        with self._showing, self.hold_sync():
            news = items != self.tasks
            finished = any(
                new["state"] == "passed" != old["state"] for new, old in zip(items, self.tasks, strict=False)
            )
            if news:
                self.tasks = items
            self.score = verdict.score
        if finished:
            keeping.after_a_task(lambda text: self.set_trait("message", text))
        return news

    def _show_steps(self) -> None:
        try:
            steps = self._recent.look()
        except OSError:
            return
        if steps is not None:
            self.steps = [as_rows(step) for step in steps]

    def _say_where(self) -> None:
        live, root = self._workspace, course_root()
        where = folder.submit_folder(live)
        self.tier, self.wish = live.tier, folder.wish_for_another_tier(live)
        if where is None or live.exercise is None:
            self.hand_in = ""
            return
        file = where / runner.snapshot_name(live.exercise)
        self.hand_in = str(file.relative_to(root) if root is not None and file.is_relative_to(root) else file)

    # --- trying

    def _try(self) -> None:
        """Try the checks which run something, if that was asked for or the state has been still."""
        due = self._due()
        if due is None or time.monotonic() < due or self._waiting.over():
            return
        asked, self._asked = self._asked, False
        state = self._tried = self._state
        self.trying = {"number": 0, "of": 0, "says": "", "asked": asked}
        self._trial = Trial(
            self._workspace, asked=asked, tell=self._tell, ended=lambda *given: self._ended(state, *given)
        )
        self._trial.start()

    def _tell(self, trial: Trial, check: Check, number: int, of: int) -> None:
        self.trying = {"number": number, "of": of, "says": check.says, "asked": trial.asked}

    def _ended(self, state: int, trial: Trial, found: Verdict | BaseException | None) -> None:
        """Show what a try has found, if the workspace is still as it was then."""
        self._trial = None
        self.trying = {}
        if isinstance(found, Verdict) and state == self._state:
            items = as_items(found)
            self._broken = {
                check["check"]: check for task in items for check in task["checks"] if check["state"] == "error"
            }
            self._show(found)
        if trial.asked and isinstance(found, Verdict):
            self.message = f"Checked at {time.strftime('%H:%M:%S')}: {found.score} of {self.points} points."
        elif trial.asked and found is None and state != self._state:
            self._asked = True  # the state has changed meanwhile: try what is there now
        elif isinstance(found, BaseException):
            self.message = str(found) if isinstance(found, CourseError) else self._broke(found)
        self._waiting.ring()

    @staticmethod
    def _broke(error: BaseException) -> str:
        return f"Something of ours broke ({type(error).__name__}: {error}). Nothing is lost: run this cell again."

    # --- what the learner presses

    def _on_message(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """Answer the browser: at once for a ping, else from a thread, since much may take seconds."""
        if self._waiting.over():
            return  # silence: the browser will say that this list isn't live
        kind, task = message.get("type"), message.get("task")
        if kind in ("ping", "seen"):
            self._waiting.note_page(message)
            if kind == "ping":
                self.send({"type": "pong"})
        elif kind == "check":
            self._ask()
        elif kind == "cancel":
            self._cancel()
        elif kind in ("hint", "reset") and not self.busy:
            self.busy = "Looking for a hint …" if kind == "hint" else "Starting over …"
            number = task if isinstance(task, int) else None
            action = self._reset if kind == "reset" else lambda: self._hint(number)
            threading.Thread(target=self._do, args=(action,), daemon=True).start()

    def _ask(self) -> None:
        self.message, trial = "", self._trial
        if trial is not None:  # what runs already is what is asked for
            trial.asked = True
            self.trying = {**self.trying, "asked": True}
        else:
            self._asked = True
            self._waiting.ring()

    def _cancel(self) -> None:
        self._asked, trial = False, self._trial
        if trial is not None:
            trial.asked = False
            trial.end()
            self.message = "Stopped. What was found before still stands."

    def _do(self, action: Callable[[], None]) -> None:
        try:
            self.message = ""
            action()
        except CourseError as error:
            self.message = str(error)
        except Exception as error:
            self.message = self._broke(error)
        finally:
            self.busy = ""
            self._changed()
            self._waiting.ring()

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
        self._changed()
        with self._work:
            self._workspace = session.start_over(self._workspace.exercise)
            self.hints = {}
            self._show(session.check(self._workspace, acting=False))
        self.message = (
            "Started over. A shell that was open still stands in the old workspace: close it and open a new one."
        )

    # --- where no widget can live

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Add the list as text and as HTML."""
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return {**data, "text/plain": self.as_text(), "text/html": self.as_html()}, dict(metadata)

    @property
    def _notices(self) -> list[str]:
        return [one for one in (self.notice, self.wish) if one]

    def as_text(self) -> str:
        """Give the list as plain text."""
        return checklist_words.as_text(self.title, self.tier, self.points, self.tasks, self._notices)

    def as_html(self) -> str:
        """Give the list as HTML without script, as it was at this moment."""
        return checklist_words.as_html(self.title, self.points, self.tasks, self._notices)
