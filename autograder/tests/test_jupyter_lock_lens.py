"""Tests of `autograder.jupyter.pictures.lock_lens`: the locks are real, and what is told of them is so."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from packaging.pylock import Pylock

from autograder import folder
from autograder.jupyter.lock_forms import MARKS, TITLES, mark
from autograder.jupyter.pictures.lock_lens import LockLens
from autograder.places import other_labs

NETCORE = "netcore==1.1\n    # via orm\n"


pytestmark = pytest.mark.xdist_group("lock lens")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LockLens]:
    """A lens in a workspace with nothing in it; made once, since five tools are at work."""
    with other_labs(tmp_path_factory.mktemp("labs")):
        yield LockLens(folder.begin_free("lens"))


def test_each_form_is_what_its_tool_writes(picture: LockLens) -> None:
    """There are five locks beside the wishes, in their formats, with the same versions."""
    texts = {one["kind"]: "\n".join(one["lines"]) for one in picture.forms}
    assert list(texts) == list(TITLES)
    Pylock.from_dict(tomllib.loads(texts["pylock"]))
    assert {one["name"] for one in tomllib.loads(texts["uv"])["package"]} > {"terminal", "netcore", "orm"}
    assert "netcore==1.1\n" in texts["freeze"]
    assert NETCORE in texts["compiled"]
    assert "--hash=sha256:" in texts["hashed"]


def test_marks_and_the_lines_that_show_them(picture: LockLens) -> None:
    """What a form tells, and by which line."""
    told = {one["kind"]: "".join(mark["has"][0] for mark in one["marks"].values()) for one in picture.forms}
    assert told == {
        "wishes": "ynnnnn",
        "freeze": "nynnnn",
        "compiled": "yynnrn",
        "hashed": "yyynrn",
        "pylock": "nyyyyy",
        "uv": "yyyyyy",
    }
    for one in picture.forms:
        for found in one["marks"].values():
            assert (found["line"] >= 0) == (found["has"] != "no")
            assert found["line"] < len(one["lines"])


def test_what_comes_of_each(picture: LockLens) -> None:
    """Only the wishes move on Wednesday; only hashes keep the changed file out."""
    assert {one["kind"] for one in picture.forms if not one["later"]["good"]} == {"wishes"}
    assert {one["kind"] for one in picture.forms if not one["exchanged"]["good"]} == {"wishes", "freeze", "compiled"}
    assert all("rounded to 15" in one["exchanged"]["says"] for one in picture.forms if not one["exchanged"]["good"])


def test_without_a_kernel_it_is_text_and_plain_html(picture: LockLens) -> None:
    """The table and all files stay readable, and nothing in them becomes markup."""
    text, page = picture.as_text(), picture.as_html()
    assert text.count("--- ") == len(TITLES)
    assert all(words in text and words in page for words in MARKS.values())
    assert page.count("<details>") == len(TITLES)
    assert "<script" not in page


def test_a_question_nobody_should_ask(picture: LockLens) -> None:
    """Whatever else the page sends is refused in a sentence."""
    for question in ({}, {"again": 1}, {"again": True, "more": 1}):
        picture.ask(question, 3)
        assert picture.problem
        assert picture.answered == 3


def test_a_lock_of_another_tool_is_told_honestly() -> None:
    """A remark is no promise, and a line of options is an address."""
    assert mark("compiled", "python", "# by pip-compile with Python 3.11\n")["has"] == "remark"
    assert mark("compiled", "index", "--index-url https://packages.shop.example/\n")["line"] == 0
    assert mark("compiled", "direct", "netcore==1.1\n    # via\n    #   -r requirements.in\n    #   orm\n")["line"] == 2
