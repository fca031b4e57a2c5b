"""Tests of `autograder.jupyter.pictures.resolver_board`: it answers the page, and can be read without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autograder import folder
from autograder.folder import LiveWorkspace
from autograder.jupyter.pictures.resolver_board import EXAMPLES, ResolverBoard
from autograder.jupyter.resolver_search import words_of


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace with nothing in it."""
    one = folder.begin_free("board")
    yield one
    folder.remove_tree(one.project)


def test_the_picture_answers_and_says_why_not(live: LiveWorkspace) -> None:
    """A question from the page changes the board; one that can't be answered leaves it and says why."""
    picture = ResolverBoard(live, "leftpad", two=False)
    picture.ask({"text": "pricetag leftpad<1.2", "two": False}, 7)
    assert (picture.problem, picture.answered) == ("", 7)
    assert picture.board["outcome"] == "It ends with `leftpad 1.1` and `pricetag 1.1`."

    for question in ({"text": "leftpad", "two": True}, {"text": "rm -rf /", "two": False}, {"text": 1, "two": 2}, {}):
        picture.ask(question)
        assert picture.problem
    assert picture.board["text"] == "pricetag leftpad<1.2"


def test_without_a_kernel_it_is_text_and_plain_html(live: LiveWorkspace) -> None:
    """Board, steps and what pip did stay readable; limits such as `<2` never become markup."""
    picture = ResolverBoard(live, "moderntool legacytool==1.0", two=True)

    text, page = picture.as_text(), picture.as_html()
    assert (
        text.index("Command 1.")
        < text.index("Command 2.")
        < text.index("Damage:")
        < text.index("What the real pip did")
    )
    assert "a model, by resolvelib" in text
    assert "<script" not in page
    assert "shoplib&lt;2" in page
    assert page.count("<li") == len(picture.board["steps"])
    assert "<strong>✓ 1.9</strong>" in page


def test_the_examples_can_be_shown() -> None:
    """Each example is something that the board takes."""
    assert all(1 <= len(words_of(one)) <= 4 for one in EXAMPLES)
