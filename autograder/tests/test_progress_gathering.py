"""Tests of `autograder.progress.gathering` and what shows it: many learners' files, read as strangers'."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest

from autograder.exceptions import UsageError
from autograder.exercise import find_exercise, find_exercises
from autograder.progress import gathering
from autograder.progress.class_page import as_page
from autograder.progress.class_text import as_csv, as_text
from autograder.progress.gathering import gather
from recorded import record_of

NUMBERS = [one.number for one in find_exercises()]
FIRST, SECOND = NUMBERS[:2]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the records of three learners: one did all of the first exercise, two are stuck in its second task."""
    everything = len(find_exercise(str(FIRST)).tasks)
    (tmp_path / "team").mkdir()
    (tmp_path / "zoe.record").write_bytes(record_of("Zoë", {FIRST: everything, SECOND: 0}, tries=0))
    (tmp_path / "ada.record").write_bytes(record_of("Ada", {FIRST: 1}, tries=4))
    (tmp_path / "team/lei.record").write_bytes(record_of("李雷", {FIRST: 1}, tries=2))
    return tmp_path


def test_everybody_is_told_by_name(place: Path) -> None:
    """Each has a row, with a sign for each task; columns stand below each other, also with wide letters."""
    found = gather(place)
    text = as_text(found)
    rows = text.splitlines()[2:6]

    assert [account.name for account in found.accounts] == ["Ada", "Zoë", "李雷"]
    assert found.set_aside == ()
    assert "✓◐" in rows[1]
    wide = [row.replace("李雷", "....") for row in rows]
    at = rows[0].index(f"{SECOND:02}")
    assert [row[at - 1] for row in wide] == [" "] * 4
    assert [row[at] for row in wide[1:]] == ["·"] * 3


def test_where_people_get_stuck_is_counted(place: Path) -> None:
    """The check before which most stand comes first, with the tries that failed at it and by how many learners."""
    found = gather(place)
    first = found.hurdles[0]
    task = find_exercise(str(FIRST)).tasks[1]

    assert (first.exercise.number, first.task.number, first.check.name) == (FIRST, 2, task.checks[0].name)
    assert (first.stuck, first.learners) == (2, 2)
    assert first.tries >= 6
    (sums,) = [one for one in found.tasks if one.exercise.number == FIRST and one.task.number == 1]
    assert sums.done == 3
    assert sums.median_seconds > 0


def test_files_that_are_none_are_set_aside_and_named(place: Path) -> None:
    """Damaged, foreign, linked and waiting files stop nothing; each is said, none is followed or waited for."""
    damaged = bytearray((place / "ada.record").read_bytes())
    damaged[-1] ^= 1
    (place / "damaged.record").write_bytes(damaged)
    (place / "notes.txt").write_text("hello")
    (place / "short.wheelhouse").write_bytes(b"PK")
    (place / "link.record").symlink_to("ada.record")
    os.mkfifo(place / "pipe.record")
    found = gather(place)

    assert len(found.accounts) == 3
    assert [name for name, _ in found.set_aside] == ["damaged.record", "notes.txt", "short.wheelhouse"]
    assert "a byte of it was changed" in dict(found.set_aside)["damaged.record"]
    for shown in (as_text(found), as_page(found, "today")):
        assert "damaged.record" in shown


def test_two_files_of_one_name_are_both_shown(place: Path) -> None:
    """Nobody hides another's record by taking their name."""
    (place / "other.record").write_bytes(record_of("Ada", {FIRST: 0}))
    found = gather(place)

    assert [found.label(one) for one in found.accounts][:2] == ["Ada (ada.record)", "Ada (other.record)"]
    assert "More than one file says that it is of Ada." in as_text(found)


@pytest.mark.parametrize("again", [False, True], ids=["as-told", "graded-again"])
def test_points_count_as_told_or_as_graded(tmp_path: Path, again: bool) -> None:
    """A record whose snapshots can't be graded has the points that it tells only where nobody grades it again; then it is said."""
    (tmp_path / "a.record").write_bytes(record_of("Ada", {FIRST: 2}))
    found = gather(tmp_path, again=again)

    (account,) = found.accounts
    assert bool(account.noticed) == again
    assert ("graded again here" in as_text(found)) == again


def test_too_many_files_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong folder, such as somebody's home, is not searched for hours."""
    monkeypatch.setattr(gathering, "MOST_FILES", 3)
    with pytest.raises(UsageError, match="more than 3 files"):
        gather(place)


def test_a_folder_without_records_is_said(tmp_path: Path) -> None:
    """With the reason of the first file that lies there."""
    (tmp_path / "x.record").write_bytes(b"no")
    with pytest.raises(UsageError, match=r"x\.record: It is neither"):
        gather(tmp_path)
    with pytest.raises(UsageError, match="There is no folder"):
        gather(tmp_path / "missing")


HOSTILE = "=cmd|'/C calc'!A1<script>alert(1)</script>\x1b[31m\u202e\"><img src=x onerror=alert(1)>"


def test_what_a_learner_chose_is_text_everywhere(tmp_path: Path) -> None:
    """A name or a found text is no tag, no control character, no formula of a spreadsheet, in table, page and CSV."""
    (tmp_path / "a.record").write_bytes(record_of(HOSTILE, {FIRST: 1}, found=HOSTILE))
    (tmp_path / "=1+1\x1b<b>.record").write_bytes(record_of("", {FIRST: 1}, found=HOSTILE))
    (tmp_path / "<i>\x1b[2J.txt").write_text("no")
    found = gather(tmp_path)
    text, page = as_text(found), as_page(found, "today")
    rows = list(csv.reader(io.StringIO(as_csv(found))))

    for shown in (text, page, as_csv(found)):
        assert not [one for one in shown if (ord(one) < 32 and one not in "\r\n") or one in "\x7f\x9b\u202e"]
    assert "<script>" not in page
    assert "<img" not in page
    assert "<i>" not in page
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r")]


def test_csv_has_a_row_for_each_learner_and_task(place: Path) -> None:
    """With numbers as numbers, and times that a spreadsheet understands."""
    rows = list(csv.DictReader(io.StringIO(as_csv(gather(place)))))
    ada = [row for row in rows if row["learner"] == "Ada" and row["exercise"] == find_exercise(str(FIRST)).id]

    assert len(rows) == 3 * sum(len(one.tasks) for one in find_exercises())
    assert [row["state"] for row in ada][:2] == ["done", "begun"]
    assert int(ada[1]["failed_looks"]) >= 4
    assert ada[1]["stuck_at"] == find_exercise(str(FIRST)).tasks[1].checks[0].name
    assert ada[0]["done_at"].startswith("2031-05-1")
