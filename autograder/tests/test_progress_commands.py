"""Tests of `autograder.progress_commands`: what is typed, what is written, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.cli import main
from autograder.exercise import Exercise, find_exercises
from autograder.folder import LiveWorkspace
from autograder.progress.carrying import export_to
from recorded import record_of

FIRST = find_exercises()[0]


def typed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Type a command; give its exit status, what it printed, and what it noted."""
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_list_and_report_of_a_fresh_machine(labs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is begun: each exercise is there, with all its tasks open, and one is told where to begin."""
    status, listed, _ = typed(capsys, "list")
    told = json.loads(typed(capsys, "list", "--json")[1])
    reported = json.loads(typed(capsys, "report", "--json", "--name", "Ada")[1])

    assert status == 0
    assert f"Go on with `course begin {FIRST.number:02}`." in listed
    assert [len(one["tasks"]) for one in told["exercises"]] == [len(one.tasks) for one in find_exercises()]
    assert {task["state"] for one in told["exercises"] for task in one["tasks"]} == {"open"}
    assert (reported["learner"], reported["score"], reported["tasks_done"]) == ("Ada", 0, 0)
    assert typed(capsys, "report")[1].rstrip().endswith(f"Go on with `course begin {FIRST.number:02}`.")


def test_a_record_is_written_graded_again_and_gathered(
    begun: Callable[[Exercise], LiveWorkspace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a workspace to the instructor's table, beside a progress file; one changed byte ends it with a sentence."""
    begun(FIRST)
    place = tmp_path / "records"
    place.mkdir()
    file, page = place / "ada.record", tmp_path / "again.html"
    written = typed(capsys, "report", "--record", file, "--name", "Ada")
    again = typed(capsys, "report", "--verify", file, "--html", page)
    export_to(place / "bob.wheelhouse")
    everybody = typed(capsys, "report", "--class", place, "--csv", tmp_path / "class.csv")
    table = typed(capsys, "report", "--class", place)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    refused = typed(capsys, "report", "--verify", file)

    assert written[0] == again[0] == everybody[0] == table[0] == 0
    assert "SHA-256" in written[1]
    assert "1 exercise graded again: 1 equal." in again[1]
    assert "Graded again" in page.read_text("utf-8")
    assert [line.split()[0] for line in table[1].splitlines()[3:5]] == ["Ada", "bob"]
    assert (tmp_path / "class.csv").read_text("utf-8").count("\n") == 1 + 2 * sum(
        len(one.tasks) for one in find_exercises()
    )
    assert refused[0] == 2
    assert "a byte of it was changed" in refused[2]
    assert refused[1] == ""


def test_a_forged_record_is_not_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole file whose snapshot can't be graded ends with 1, and says so of that exercise."""
    (tmp_path / "a.record").write_bytes(record_of("Ada", {FIRST.number: len(FIRST.tasks)}))
    status, said, _ = typed(capsys, "report", "--verify", tmp_path / "a.record")
    told = json.loads(typed(capsys, "report", "--verify", tmp_path / "a.record", "--json")[1])

    assert status == 1
    assert "REFUSED" in said
    assert [(one["result"], one["score"]) for one in told["exercises"]] == [("refused", None)]


def test_a_page_that_cannot_be_written_is_said(labs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing half written is left in its place."""
    status, _, said = typed(capsys, "report", "--html", tmp_path / "missing" / "page.html")

    assert status == 3
    assert "can't be written" in said
    assert list(tmp_path.glob("**/*page*")) == []


def test_only_what_a_report_wrote_is_written_over(
    labs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that was mistyped costs nobody a file; yesterday's page is replaced."""
    page, notes = tmp_path / "page.html", tmp_path / "notes.md"
    notes.write_text("mine")
    statuses = [typed(capsys, "report", "--html", file)[0] for file in (page, page, notes)]

    assert statuses == [0, 0, 2]
    assert notes.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--csv", "x.csv"), "for a class"),
        (("--again",), "for a class"),
        (("--unsafe-basic",), "grading a record again"),
        (("--verify", "missing.record"), "can't be read"),
        (("--class", "missing"), "There is no folder"),
    ],
    ids=["csv-alone", "again-alone", "unsafe-alone", "no-file", "no-folder"],
)
def test_what_does_not_belong_together_is_said(
    labs: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Used wrongly: one sentence, the next step, and exit status 2."""
    status, printed, noted = typed(capsys, "report", *words)

    assert (status, printed) == (2, "")
    assert said in noted
