"""Tests of `autograder.jupyter.project_form`: whatever is typed becomes TOML, is judged by `packaging`, and built by a real backend."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import folder
from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter.project_form import BACKENDS, FIELDS, build, clean, problems, write_toml


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace in whose sandbox is built."""
    one = folder.begin_free("form")
    yield one
    folder.remove_tree(one.project)


def _told(**changed: str) -> dict[str, str]:
    return {one.field: one.says for one in problems({**FIELDS, **changed})}


def test_the_first_form_is_in_order() -> None:
    """What the form holds at first is a whole project file, and nothing is wrong with it."""
    written = tomllib.loads(write_toml(FIELDS))

    assert _told() == {}
    assert written["project"]["dependencies"] == ["leftpad>=1.1", "drawer-lock; sys_platform == 'win32'"]
    assert written["project"]["scripts"] == {"slip": "till_slip:main"}
    assert written["dependency-groups"] == {"test": ["pytest"], "dev": [{"include-group": "test"}, "twine"]}


def test_several_specifiers_stay_together() -> None:
    """A comma within a requirement is none between two."""
    fields = {**FIELDS, "extras": "web = webfw[storage,report]>=1.0,<2, leftpad"}

    assert tomllib.loads(write_toml(fields))["project"]["optional-dependencies"]["web"] == [
        "webfw[storage,report]>=1.0,<2",
        "leftpad",
    ]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "packaging.metadata"),
        ("name", "Till Slip", "packaging.metadata"),
        ("name", "Till.Slip", "the same as `till-slip`"),
        ("version", "1.0.0-x.7", "PEP 440"),
        ("version", "", "packaging.metadata"),
        ("requires_python", "3.11", "specifier"),
        ("requires_python", ">=3.11,<4", "nobody can lift"),
        ("license", "MIT License", "SPDX"),
        ("dependencies", "leftpad>=1.1\nfoo bar", "`foo bar` is no requirement"),
        ("scripts", "slip = till_slip.py", "a module, a colon and a function"),
        ("scripts", "slip", "a module, a colon and a function"),
        ("extras", "dev = pytest", "would be published"),
        ("extras", "web = foo bar", "`foo bar` is no requirement"),
        ("groups", "dev = {tst}", "can't be resolved"),
        ("groups", "dev = foo bar", "can't be resolved"),
        ("groups", "a = {b}\nb = {a}", "can't be resolved"),
    ],
)
def test_each_field_is_judged(field: str, value: str, says: str) -> None:
    """A value that an index, an installer or a frontend wouldn't take gets a sentence at its field, and at no other."""
    told = _told(**{field: value})

    assert list(told) == [field]
    assert says in told[field]


@given(st.fixed_dictionaries({name: st.text(max_size=40) for name in FIELDS if name != "backend"}))
@settings(max_examples=60, deadline=None)
def test_whatever_is_typed_becomes_toml(typed: dict[str, str]) -> None:
    """No text can leave its place in the file, and none ends in an error of ours."""
    fields = clean({**typed, "backend": "hatchling"})
    written = tomllib.loads(write_toml(fields))

    assert written["build-system"]["build-backend"] == "hatchling.build"
    assert set(written) <= {"build-system", "project", "dependency-groups"}
    problems(fields)


def test_a_strange_message_is_refused() -> None:
    """Missing, too long or unknown things are told in a sentence."""
    for fields in ({}, {**FIELDS, "name": 3}, {**FIELDS, "name": "x" * 2000}, {**FIELDS, "backend": "make"}):
        with pytest.raises(UsageError):
            clean(fields)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_builds(live: LiveWorkspace, backend: str) -> None:
    """A wheel and an sdist come out, with the metadata that the form asked for and the command."""
    built = build(live, {**FIELDS, "backend": backend})

    assert built.stopped == ""
    assert [one["name"].rpartition(".")[2] for one in built.files] == ["whl", "gz"]
    assert "License-Expression: MIT" in built.metadata
    assert "slip" in built.entry_points
    assert all("till_slip/__init__.py" in " ".join(one["names"]) for one in built.files)


def test_a_refusal_is_an_answer(live: LiveWorkspace) -> None:
    """A backend that stops is quoted; a name that is none leads to no file outside of the project."""
    built = build(live, {**FIELDS, "name": "../../up", "license": "MIT License"})

    assert built.stopped
    assert built.metadata == ""
    assert built.files == []
