"""Tests of `autograder.grading.batch`: what is known of a class's submissions before anything is graded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from traitlets.config.loader import Config

from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace, index
from autograder.grading.batch import take_in
from autograder.grading.classroom import Classroom
from autograder.grading.journal import Journal
from autograder.runner import snapshot_name
from autograder.snapshot import drawn_for, pack

Begun = Callable[[Exercise], LiveWorkspace]


@pytest.fixture
def classroom(tmp_path: Path) -> Classroom:
    """An empty class of nbgrader's."""
    return Classroom(tmp_path, Config())


def test_whose_questions_they_are_is_told(begun: Begun, classroom: Classroom) -> None:
    """A snapshot whose variant was drawn for another of the class is named so, and graded; a stranger's name says nothing."""
    exercise = find_exercise("01")
    live = begun(exercise)

    def drawn(seed: str) -> bytes:
        return pack(live.tree, replace(live.facts, seed=seed), index().known, exercise=exercise.id)

    for student, seed in (("ada", "ada"), ("bob", "ada"), ("cem", "d41d8cd98f00b204"), ("dia", "")):
        place = classroom.submitted(student, exercise.id)
        place.mkdir(parents=True)
        (place / snapshot_name(exercise)).write_bytes(drawn(seed))

    handed, jobs = take_in(classroom, exercise, ["ada", "bob", "cem", "dia"], Journal(classroom.root / "journal"))

    said = {one.student: [text for text in one.noticed if "drawn" in text] for one in handed}
    assert said == {
        "ada": [],
        "bob": ["Its questions are those that were drawn for `ada`."],
        "cem": [],
        "dia": [],
    }
    assert len(jobs) == 3
    alone, _ = take_in(classroom, exercise, ["bob"], Journal(classroom.root / "journal"))
    assert any("`ada`" in text for text in alone[0].noticed)


@pytest.mark.parametrize("data", [b"", b"PK\5\6" + b"\0" * 18, b"x" * 100])
def test_what_is_no_snapshot_is_drawn_for_nobody(data: bytes) -> None:
    """The gate and the grader say what is wrong with it; this only looks."""
    assert drawn_for(data) == ""
