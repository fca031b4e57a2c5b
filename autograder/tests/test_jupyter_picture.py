"""Tests of `autograder.jupyter.pictures.picture`: questions from the page, and what is left without a kernel."""

from __future__ import annotations

import time
from typing import Any

import pytest
import traitlets

from autograder.exceptions import UsageError
from autograder.jupyter.pictures import find_pictures
from autograder.jupyter.pictures.picture import Picture, script, style


class Twice(Picture):
    """Doubles a number, slowly enough to be asked again meanwhile."""

    _esm = script("anatomy")
    _css = style("anatomy")
    doubled: traitlets.List[int] = traitlets.List().tag(sync=True)
    busy = 0

    def answer(self, question: dict[str, Any]) -> None:
        """Double it; raises UsageError if it is no number."""
        if not isinstance(question.get("number"), int):
            raise UsageError("That is no number.", "Type 1.")
        self.busy += 1
        time.sleep(0.05)
        assert self.busy == 1
        self.doubled = [*self.doubled, 2 * question["number"]]
        self.busy -= 1

    def as_text(self) -> str:
        """Say it."""
        return f"doubled: {self.doubled}"

    def as_html(self) -> str:
        """Say it in bold."""
        return f"<b>{self.doubled}</b>"


def _wait(picture: Picture, number: int) -> None:
    ends = time.monotonic() + 10
    while picture.answered != number and time.monotonic() < ends:
        time.sleep(0.01)
    assert picture.answered == number


def test_questions_are_answered_one_at_a_time() -> None:
    """Two questions at once are answered one after the other, in threads."""
    picture = Twice()

    picture._on_message(None, {"ask": {"number": 2}, "number": 11}, None)
    picture._on_message(None, {"ask": {"number": 3}, "number": 12}, None)

    ends = time.monotonic() + 10
    while len(picture.doubled) < 2 and time.monotonic() < ends:
        time.sleep(0.01)
    assert sorted(picture.doubled) == [4, 6]


def test_a_question_is_heard_while_another_one_is_answered() -> None:
    """What waits for its turn was heard at once: the page must not take the kernel for dead."""
    picture = Twice()

    with picture._one_at_a_time:
        picture._on_message(None, {"ask": {"number": 2}, "number": 11}, None)
        assert picture.heard == 11
        assert picture.answered == 0

    _wait(picture, 11)


def test_what_cannot_be_answered_is_told_and_forgotten() -> None:
    """A problem is a sentence with its next step; the next answer clears it."""
    picture = Twice()

    picture._on_message(None, {"ask": {"number": "x"}, "number": 1}, None)
    _wait(picture, 1)
    assert "That is no number." in picture.problem
    assert "Type 1." in picture.problem

    picture._on_message(None, {"ask": {"number": 1}, "number": 2}, None)
    _wait(picture, 2)
    assert picture.problem == ""


@pytest.mark.parametrize("message", [{}, {"ask": "x", "number": 1}, {"ask": {}}, {"ask": {}, "number": "1"}])
def test_a_message_that_is_no_question_is_ignored(message: dict[str, Any]) -> None:
    """Anything may come from a page: what isn't a question changes nothing."""
    picture = Twice()

    picture._on_message(None, message, None)

    assert (picture.answered, picture.problem) == (0, "")


@pytest.mark.parametrize("name", list(find_pictures()))
def test_every_picture_has_its_parts(name: str) -> None:
    """A picture's script gives one default export and writes no markup, and its style names only what is its own."""
    assert script(name).count("export default") == 1
    assert "innerHTML" not in script(name)
    assert script(name).count("wh-picture") >= 1
    assert ".wh-picture {" in style(name)
