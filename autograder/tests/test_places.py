"""Tests of `autograder.places`."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.places import cache, course_root, labs


def test_the_course_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever in a course one stands, it is that one, and its labs and its cache go with it."""
    course = tmp_path / "a course"
    (course / "notebooks" / "source").mkdir(parents=True)
    (course / "nbgrader_config.py").touch()
    monkeypatch.chdir(course / "notebooks" / "source")
    for name in ("WHEELHOUSE_COURSE", "WHEELHOUSE_LABS", "WHEELHOUSE_CACHE"):
        monkeypatch.delenv(name, raising=False)

    assert course_root() == course
    assert labs() == course / "labs"
    assert cache() == course / ".cache" / "wheelhouse"


def test_elsewhere_it_is_the_one_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable install knows its own course."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WHEELHOUSE_COURSE", raising=False)

    assert course_root() == Path(__file__).parents[2]


def test_variables_move_each_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's owner sets comes first."""
    monkeypatch.setenv("WHEELHOUSE_COURSE", str(tmp_path / "course"))
    monkeypatch.setenv("WHEELHOUSE_LABS", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path / "cached"))

    assert course_root() == tmp_path / "course"
    assert labs() == tmp_path / "elsewhere"
    assert cache() == tmp_path / "cached"
