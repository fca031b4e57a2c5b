"""Tests of `autograder.submission.arrival`."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.submission.arrival import received

CAME = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def state(written: datetime = CAME, came: datetime = CAME) -> os.stat_result:
    """What the file system says of a snapshot that was written and came at these times."""
    return os.stat_result((0o100644, 1, 1, 1, 0, 0, 1, 0, int(written.timestamp()), int(came.timestamp())))


@pytest.mark.parametrize(
    "stamp",
    [
        b"2026-03-09 12:00:00.000000 UTC\n",
        b"2026-03-09 12:00:00 UTC",
        b"2026-03-09T12:00:00Z",
        b"2026-03-09 12:00",
        b"2026-03-09 13:00:00.123456 +0100",
        b"2026-03-09T07:00:00-05:00",
    ],
)
def test_a_possible_time_counts(stamp: bytes) -> None:
    """What nbgrader wrote when the work was handed in counts, if it lies between the work and its coming here."""
    for written in (CAME, CAME - timedelta(days=1, minutes=1)):
        when, odd = received(state(written), stamp)
        assert when.replace(microsecond=0) == CAME - timedelta(days=1)
        assert odd == ""


@pytest.mark.parametrize(
    ("stamp", "says"),
    [
        (None, "no `timestamp.txt`"),
        (b"", "no time"),
        (b"yesterday", "no time"),
        (b"2026-02-31 12:00:00 UTC", "no time"),
        (b"2026-03-09 12:00:00 CEST", "no time"),
        (b"2026-03-09 12:00:00 +9999", "no time"),
        (b"\xff\xfe2\x000\x002\x006\x00", "no time"),
        ("\N{FULLWIDTH DIGIT TWO}026-03-09 12:00:00 UTC".encode(), "no time"),
        (b"9" * 200, "no time"),
        (b"1999-01-01 00:00:00 UTC", "no time"),
        (b"0001-01-01 00:00:00 +2359", "no time"),
        (b"9999-12-31 23:59:59 -2359", "no time"),
        (b"2026-03-10 12:06:00 UTC", "after"),
        (b"9999-12-31 23:59:59 UTC", "after"),
    ],
)
def test_an_impossible_time_does_not(stamp: bytes | None, says: str) -> None:
    """Garbage, a time before there was a course, and a time after the work came here are replaced by the time at which it came."""
    when, odd = received(state(), stamp)
    assert when == CAME
    assert says in odd


def test_work_is_not_handed_in_before_it_was_done() -> None:
    """A time before the snapshot was written is replaced by that, where the file's own time was kept by whoever collected it."""
    written = CAME - timedelta(days=2)
    when, odd = received(state(written), b"2026-03-01 12:00:00 UTC")
    assert when == written
    assert "before that" in odd
    assert received(state(), b"2026-03-01 12:00:00 UTC")[0] == datetime(2026, 3, 1, 12, tzinfo=UTC), (
        "collecting wrote it anew"
    )
    assert received(state(CAME + timedelta(days=300)), None)[0] == CAME, "a time of change that lies ahead says nothing"


def test_clocks_may_differ_a_little() -> None:
    """Five minutes between two honest machines are no forgery."""
    assert received(state(), b"2026-03-10 12:04:00 UTC")[1] == ""
    assert received(state(CAME - timedelta(days=1)), b"2026-03-09 11:56:00 UTC")[1] == ""


@given(st.one_of(st.none(), st.binary(max_size=60)), st.integers(-(1 << 40), 1 << 40), st.integers(-(1 << 40), 1 << 40))
def test_any_bytes_and_times_give_a_time(stamp: bytes | None, written: int, came: int) -> None:
    """Whatever stands in the file, and whatever the file system says, the answer is a time in UTC, never after the arrival."""
    try:
        at = datetime.fromtimestamp(came, UTC)
    except (ValueError, OverflowError):
        at = None
    when, _ = received(os.stat_result((0o100644, 1, 1, 1, 0, 0, 1, 0, written, came)), stamp)
    assert when.tzinfo is UTC
    assert at is None or when <= max(at, at + timedelta(minutes=5) if at.year < 9999 else at)
