"""Tests of `autograder.facts`."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from autograder.facts import Facts

FACTS = Facts(PurePosixPath("/home/learner/project"), "/usr/local/bin", "3.11.7")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/learner/project/.venv/bin/python", ".venv/bin/python"),
        ("/home/learner/project/shop/../.venv", ".venv"),
        ("/home/learner/project", "."),
        ("/home/learner/project/../other", "/home/learner/project/../other"),
        ("/home/learner/projects/.venv", "/home/learner/projects/.venv"),
        ("/usr/bin/python3", "/usr/bin/python3"),
    ],
)
def test_paths_of_the_workspace_are_shown_as_the_learner_types_them(path: str, shown: str) -> None:
    """Whatever lies in the workspace is named from its top; all else as it is."""
    assert FACTS.show(path) == shown


def test_the_series_is_that_of_the_library() -> None:
    """The folder of a library has two numbers of the version in its name, however long these are."""
    assert FACTS.python_series == "3.11"
    assert Facts(PurePosixPath("/w"), "/usr/bin", "3.14.0rc1").python_series == "3.14"
