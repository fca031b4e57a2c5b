"""Tests of `autograder.jupyter.pictures.package_explorer`: what its page is given, and what is left without a kernel."""

from __future__ import annotations

import pytest

from autograder.exceptions import UsageError
from autograder.jupyter.package_readers import READERS, SWITCHES, Results, key, project, recorded
from autograder.jupyter.pictures.package_explorer import PackageExplorer, package_explorer

WHOLE = [one.name for one in SWITCHES]


@pytest.fixture
def results() -> Results:
    """What the readers might have said: a line that names the state, and a hostile one."""
    tried = {
        one.name: {
            f"{number:0{len(one.depends)}b}": [["good", f"`{one.name}` <script>"]]
            for number in range(2 ** len(one.depends))
        }
        for one in READERS
        if not one.recorded
    }
    return {**tried, **recorded()}


def test_the_page_can_work_out_every_state(results: Results) -> None:
    """The files' rules and the readers' keys, as the page applies them, give what Python gives."""
    picture = PackageExplorer(results, WHOLE)
    for without in ([], ["init"], ["sub", "spelt"], ["tests", "all"]):
        on = frozenset(WHOLE).difference(without)
        there = [
            one["path"] for one in picture.files if on.issuperset(one["needs"]) and not on.intersection(one["unless"])
        ]

        assert there == list(project(on))
        for reader in picture.readers:
            name = "".join("1" if one in on else "0" for one in reader["depends"])
            assert name == key(next(one for one in READERS if one.name == reader["name"]), on)
            assert picture.results[reader["name"]][name]


def test_the_picture_without_a_kernel(results: Results) -> None:
    """Each state that differs by one tick is told in HTML without script, and the one on show in plain text."""
    picture = PackageExplorer(results, [name for name in WHOLE if name != "init"])
    data, _ = picture._repr_mimebundle_()

    assert "<script" not in data["text/html"]
    assert data["text/html"].count("<details") == 2 + len(SWITCHES)
    assert "does not explicitly export" in data["text/html"]
    assert "till/__init__.py" not in data["text/plain"].partition("\n\n")[0]
    assert "mypy (mypy --strict use.py, recorded)" in data["text/plain"]


def test_a_question_to_it_is_answered_with_a_sentence(results: Results) -> None:
    """Nothing is asked of the kernel, so whoever asks is told so."""
    picture = PackageExplorer(results, WHOLE)
    picture.ask({"delete": "everything"}, 3)

    assert picture.problem
    assert picture.answered == 3


def test_an_unknown_switch_is_named() -> None:
    """A mistyped word gets a sentence and the words there are."""
    with pytest.raises(UsageError, match=r"no switch 'inti'.*There are: init"):
        package_explorer(without=["inti"])
