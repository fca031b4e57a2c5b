"""Tests of `autograder.progress.text`: reports for a terminal."""

from __future__ import annotations

import pytest

from autograder.exercise import find_exercise, find_exercises
from autograder.progress.record import account_of, read_record
from autograder.progress.text import columns, count, report_as_text, span, width
from recorded import record_of

FIRST = find_exercises()[0]


def test_a_report_tells_what_was_reached_and_where_it_is_stuck() -> None:
    """Name, sums, each exercise, each task of those begun, and the failing check with found and next step."""
    text = report_as_text(account_of(read_record(record_of("Ada", {FIRST.number: 1}, tries=4)), "ada.record"))
    check = FIRST.tasks[1].checks[0]

    assert text.startswith("Ada: progress on 2031-05-17 12:00 UTC\n")
    assert f"1 of {sum(len(one.tasks) for one in find_exercises())} tasks" in text
    assert f"{FIRST.tasks[0].points} of {sum(one.points for one in find_exercises())} points" in text
    assert f"Stuck in {FIRST.number:02}, task 2 ({FIRST.tasks[1].title}) after " in text
    assert check.says.split()[0] in text
    assert "found: There is `nothing`." in text
    assert "next step: Run `ls` to see it." in text
    assert text.count("\x1b") == 0


def test_no_line_is_wider_than_a_terminal() -> None:
    """Long texts of a learner are broken, and a text without spaces too."""
    found = "x" * 500 + " " + "word " * 100
    text = report_as_text(account_of(read_record(record_of("Ada", {FIRST.number: 1}, found=found)), "ada.record"))

    assert max(width(line) for line in text.splitlines()) <= 105


def test_columns_stand_below_each_other() -> None:
    """Letters that take two columns, and accents that take none, are counted as a terminal shows them."""
    rows = columns([("NAME", "N"), ("李雷", "1"), ("Zoe\u0308", "22")], right=(1,))

    assert [width(row) for row in rows] == [8, 8, 8]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "-"), (1, "1 min"), (89, "1 min"), (3599, "1 h 00 min"), (3660, "1 h 01 min"), (36_000, "10 h 00 min")],
)
def test_lengths_of_time_are_said_as_people_do(seconds: float, said: str) -> None:
    """No seconds, and nothing that was done takes no time."""
    assert span(seconds) == said


def test_numbers_have_their_words() -> None:
    """One try, two tries, two days."""
    assert [count(1, "try"), count(2, "try"), count(2, "day"), count(0, "hint")] == [
        "1 try",
        "2 tries",
        "2 days",
        "0 hints",
    ]


def test_a_finished_course_says_so() -> None:
    """Nothing is stuck, and nothing is estimated to be left."""
    everything = {one.number: len(one.tasks) for one in find_exercises()}
    account = account_of(read_record(record_of("Ada", everything, tries=0)), "ada.record")

    assert account.stuck == ()
    assert account.minutes_left == 0
    assert f"{len(everything)} of {len(everything)} exercises done" in report_as_text(account)
    assert find_exercise(str(FIRST.number)).title in report_as_text(account)
