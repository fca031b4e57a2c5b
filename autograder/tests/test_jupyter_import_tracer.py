"""Tests of `autograder.jupyter.pictures.import_tracer`: it answers the page, and can be read without it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from autograder import folder
from autograder.folder import LiveWorkspace
from autograder.jupyter.import_trace import STARTS
from autograder.jupyter.pictures.import_tracer import ImportTracer


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace with two files of one name."""
    one = folder.begin_free("tracer")
    for name in ("tools", "night"):
        (one.project / name).mkdir()
        (one.project / name / "hours.py").write_text(f"HOURS = {name!r}\n")
    yield one
    folder.remove_tree(one.project)


def test_the_picture_answers_and_says_why_not(live: LiveWorkspace) -> None:
    """A question from the page changes what is shown; one that can't be answered leaves it and says why."""
    picture = ImportTracer(live, "import hours", "script", "tools", "")
    assert set(picture.starts) == set(STARTS)

    picture.ask({"statement": "import hours", "start": "-P", "pythonpath": "night"}, 7)
    assert (picture.problem, picture.answered) == ("", 7)
    assert picture.trace["outcome"] == "`hours` is `night/hours.py`."

    for question in ({"statement": "1 + 1", "start": "-c", "pythonpath": ""}, {"statement": 1}, {}):
        picture.ask(question)
        assert picture.problem
    assert picture.trace["outcome"] == "`hours` is `night/hours.py`."


def test_without_a_kernel_it_is_text_and_plain_html(live: LiveWorkspace) -> None:
    """What was seen stays readable, in order, and nothing of a learner's becomes markup."""
    (live.project / "tools/hours.py").write_text("raise ValueError('<script>alert(1)</script>')\n")
    picture = ImportTracer(live, "import hours", "script", "tools", "")

    text, page = picture.as_text(), picture.as_html()
    assert re.search(r"tools  \(the folder of the started file\)   <- hours is here", text)
    assert text.index("is not in `sys.modules`") < text.index("The spec says") < text.index("It fails")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<li") == len(picture.trace["entries"]) + len(picture.trace["steps"])
