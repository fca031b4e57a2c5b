"""Tests of `autograder.jupyter.pictures.pyproject_form`: it answers the page, and can be read without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autograder import folder
from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter.pictures.pyproject_form import PyprojectForm, pyproject_form
from autograder.jupyter.project_form import FIELDS


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace in whose sandbox is built."""
    one = folder.begin_free("pyproject-form")
    yield one
    folder.remove_tree(one.project)


def test_the_picture_answers_and_says_why_not(live: LiveWorkspace) -> None:
    """A change is checked at once and built only when asked; what is no form is refused, and changes nothing."""
    picture = PyprojectForm(live, FIELDS)
    assert picture.built == {}

    picture.ask({"fields": {**FIELDS, "license": "MIT License"}}, 5)
    assert (picture.problem, picture.answered) == ("", 5)
    assert [one["field"] for one in picture.problems] == ["license"]
    assert 'license = "MIT License"' in picture.toml
    assert picture.built == {}

    picture.ask({"fields": {**FIELDS, "version": "2.0"}, "build": True}, 6)
    assert "Version: 2.0" in picture.built["metadata"]
    assert picture.built["toml"] == picture.toml

    for question in ({}, {"fields": "none"}, {"fields": {"name": "x"}}):
        picture.ask(question, 7)
        assert picture.problem
    assert 'version = "2.0"' in picture.toml


def test_without_a_kernel_it_is_text_and_plain_html(live: LiveWorkspace) -> None:
    """File, remarks and what was built stay readable, and nothing that was typed becomes markup."""
    picture = PyprojectForm(live, {**FIELDS, "description": "<script>alert(1)</script>", "scripts": "<b> = x"})
    picture.ask({"fields": picture.fields, "build": True})
    text, page = picture.as_text(), picture.as_html()

    assert "uv_build stopped" in text
    assert "[project]" in text
    assert "! scripts: " in text
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page


def test_an_unknown_field_is_named() -> None:
    """A mistyped word gets a sentence and the words there are."""
    with pytest.raises(UsageError, match=r"no field 'licence'.*There are: name"):
        pyproject_form(licence="MIT")
