"""Tests of `autograder.unsafe_options`."""

from __future__ import annotations

import argparse

import pytest

from autograder.acting import _ALLOWED
from autograder.unsafe_options import add_unsafe_options


@pytest.mark.parametrize(
    ("words", "unsafe"), [([], ""), (["--unsafe-medium"], "medium"), (["--unsafe-basic"], "basic")]
)
def test_what_is_accepted_is_a_tier_that_grading_knows(words: list[str], unsafe: str) -> None:
    """Nothing is accepted unless it was said; what can be said is what the grader may be allowed, and no more."""
    parser = argparse.ArgumentParser()
    add_unsafe_options(parser, "run others' programs", "them")

    assert parser.parse_args(words).unsafe == unsafe
    assert unsafe in _ALLOWED


def test_it_is_said_what_is_run_and_whom_one_must_trust() -> None:
    """The help names the risk in words."""
    parser = argparse.ArgumentParser(prog="grade")
    add_unsafe_options(parser, "run others' programs", "those others")
    told = " ".join(parser.format_help().split())

    assert "run others' programs even if only the basic sandbox works: only if you trust those others" in told
    assert told.count("--unsafe-") == 2 * len([tier for tier in _ALLOWED if tier])
