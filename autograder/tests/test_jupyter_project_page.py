"""Tests of `autograder.jupyter.project_page`: an index's page in the output of a cell."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from autograder.exceptions import UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.index.journal import Event, Journal
from autograder.jupyter import session
from autograder.jupyter.project_page import project_page


@pytest.fixture
def live(begun: Callable[[Exercise], LiveWorkspace], monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveWorkspace]:
    """A workspace that was just begun, and a notebook in it."""
    workspace = begun(find_exercise("06"))
    monkeypatch.setattr(session, "_state", session._State(live=workspace))
    InteractiveShell.instance()
    yield workspace
    InteractiveShell.clear_instance()


def shown(*words: str, **more: str) -> tuple[str, str]:
    """Show a page; gives what a terminal and what a browser sees of it."""
    with capture_output() as captured:
        project_page(*words, **more)  # type: ignore[arg-type]
    (output,) = captured.outputs
    found = re.fullmatch(
        r'<iframe sandbox="" title="[^"<>]*" srcdoc="([^"]*)" style="[^"]*"></iframe>', output.data["text/html"]
    )
    assert found
    return output.data["text/plain"], html.unescape(found[1])


@pytest.mark.usefixtures("live")
def test_page_is_shown_in_a_frame_that_can_do_nothing() -> None:
    """The whole page is in the cell: no script, no server, no way to another page."""
    text, page = shown("LeftPad")
    assert text == "The page of leftpad on pypi."
    assert "<h1>leftpad <span" in page
    assert "Receipts look better" in page
    assert not re.search(r"<script|<img|<form|<a href", page)
    assert "1.0" in shown("leftpad", "1.0.0")[1].partition("</title>")[0]


def test_what_the_workspace_published_is_there(live: LiveWorkspace) -> None:
    """A release published from this workspace has its page, with its yank, on the index it was published to."""
    assert live.place.published is not None
    journal = Journal(live.place.published)
    told = partial(Event, site="testpypi", project="shop-till", version="1.0")
    journal.append(told(kind="create", details={"name": "shop-till", "id": "6f1b8f6e-4f0e-4b8e-9d0c-0f6f3f6d3a11"}))
    sha256 = journal.keep(b"not a wheel")
    journal.append(told(kind="upload", filename="shop_till-1.0-py3-none-any.whl", sha256=sha256, size=11))
    journal.append(told(kind="yank", reason="It was no wheel"))
    page = shown("shop-till", index="testpypi")[1]
    assert sha256 in page
    assert "It was no wheel" in page
    assert "This project is yours." in page
    with pytest.raises(UsageError) as caught:
        project_page("shop-till")
    assert caught.value.next_step == "It is on testpypi."


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("leftpda",), "Did you mean `leftpad`?"),
        (("zzzzzzzz",), "Look how its name is written."),
        (("leftpad", "9.9"), "There are 1.0, 1.1, 1.2."),
        (("leftpad", "new"), "'new' is no version."),
        (("internal-auth", None, "compny"), "There are pypi, testpypi, company."),
    ],
)
def test_typing_errors_get_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    """A wrong name, version or index is answered with what there is."""
    name, version, index = (*words, None, None)[:3]
    with pytest.raises(UsageError, match=re.escape(sentence)):
        project_page(str(name), version, index=index or "pypi")
