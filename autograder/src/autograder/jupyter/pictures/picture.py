"""What all pictures have in common: they answer the page's questions, and can be read where no kernel and no widget lives.

A picture's page is `static/picture.js` followed by its own script, and so is its style, so both are written once.
All that was read stays in the page, and the notebook's file holds it as HTML without script.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import anywidget
import traitlets

from autograder.exceptions import CourseError
from autograder.jupyter import widget_files
from autograder.jupyter.busy import answer_while_busy

__all__ = ["Picture", "script", "style"]


def script(name: str) -> str:
    """Give the script of a picture: what all share, then its own, which ends in `export default { render }`."""
    return widget_files.script("picture", name)


def style(name: str) -> str:
    """Give the style of a picture: what all share under `.wh-picture`, then its own."""
    return widget_files.style("picture", name)


class Picture(anywidget.AnyWidget):
    """A picture of something real.

    A subclass has `_esm = script("NAME")` and `_css = style("NAME")`, keeps what it shows in synchronised traits, and gives
    `as_text` and `as_html`.  Where the page may ask for something to be tried, it gives `answer`, too.
    """

    problem = traitlets.Unicode("").tag(sync=True)
    """Why the last question has no answer: a sentence and the next step; empty if it has one."""
    heard = traitlets.Int(0).tag(sync=True)
    """The number of the last question that came here: the page takes silence for a kernel that is gone."""
    answered = traitlets.Int(0).tag(sync=True)
    """The number of the last question that was dealt with."""

    def __init__(self, **shown: Any) -> None:
        """Show what the traits say."""
        super().__init__(**shown)
        answer_while_busy(self)
        self._one_at_a_time = threading.Lock()
        self.on_msg(self._on_message)

    def answer(self, question: dict[str, Any]) -> None:
        """Deal with a question from the page, by changing traits; it is what a stranger may have sent, so look at it closely.

        Raises:
            CourseError: it can't be answered; the page shows why.
        """
        raise CourseError("This picture answers no questions.")

    def ask(self, question: dict[str, Any], number: int = 0) -> None:
        """Answer a question, one at a time, and say in `problem` why it couldn't be."""
        with self._one_at_a_time:
            self.problem = ""
            try:
                self.answer(question)
            except CourseError as error:
                self.problem = str(error)
            finally:
                self.answered = number

    # ---- In the web book, where no kernel lives

    remembers = False
    """Whether an answer depends on what was asked before."""

    def recordings(self) -> Iterable[Sequence[dict[str, Any]]]:
        """Give the questions whose answers the web book records: series of them, each asked of the picture as it was first shown."""
        return ()

    def begin_again(self, first: dict[str, Any]) -> None:
        """Show again what was shown at first."""
        with self.hold_sync():
            for name, value in first.items():
                setattr(self, name, value)

    def _on_message(self, _: Any, message: dict[str, Any], __: Any) -> None:
        question, number = message.get("ask"), message.get("number")
        if isinstance(question, dict) and isinstance(number, int):
            self.heard = number
            threading.Thread(target=self.ask, args=(question, number), daemon=True).start()

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Add the picture as text and as HTML, for wherever no widget can live."""
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return {**data, "text/plain": self.as_text(), "text/html": self.as_html()}, dict(metadata)

    def as_text(self) -> str:
        """Say in plain text what the picture shows."""
        raise NotImplementedError

    def as_html(self) -> str:
        """Give what the picture shows as HTML without script."""
        raise NotImplementedError
