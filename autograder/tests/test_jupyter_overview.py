"""Tests of `autograder.jupyter.overview`: the start page's two tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.exercise import Exercise, find_exercise, find_exercises
from autograder.folder import LiveWorkspace
from autograder.jupyter import overview
from autograder.places import course_root


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What a cell shows, where notebooks stand."""
    found: list[dict[str, str]] = []
    monkeypatch.setattr(overview, "show", found.append)
    root = course_root()
    assert root is not None
    monkeypatch.chdir(root / "notebooks")
    return found


def test_every_link_leads_to_a_notebook(labs: object, shown: list[dict[str, str]]) -> None:
    """Lessons and exercises are linked as seen from the start page, and the first is where to begin."""
    overview.progress()

    page = shown[0]["text/html"]
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == 2 * len(find_exercises()) + 1
    assert [link for link in links if not Path(link).is_file()] == []
    assert f'Begin here:</strong> <a style="text-decoration:underline" href="{links[0]}">' in page
    assert find_exercises()[0].id in shown[0]["text/plain"]


def test_what_is_begun_is_continued(begun: Callable[[Exercise], LiveWorkspace], shown: list[dict[str, str]]) -> None:
    """An exercise begun last is where to continue, and its points stand in words beside the bar."""
    exercise = find_exercise("06")
    begun(exercise)

    overview.progress()

    page = shown[0]["text/html"]
    assert "Continue here:" in page
    assert f"→ 0 of {exercise.points} points" in page


def test_health_says_what_the_doctor_found(shown: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every finding of `course doctor` is in the table, as text and as HTML."""
    monkeypatch.setattr(overview, "note", lambda *_: None)

    overview.health()

    for word in ("sandbox", "Python", "index"):
        assert word in shown[0]["text/plain"]
        assert word in shown[0]["text/html"]
