"""Tests of `autograder.grading.journal`: results outlive whatever ends a run."""

from __future__ import annotations

import json
from pathlib import Path

from autograder.grading import Result
from autograder.grading.journal import Journal

FIRST, SECOND = Result("1", verdict="{}\n", seconds=0.25), Result("2", error="It is damaged.")


def test_results_are_found_again(tmp_path: Path) -> None:
    """What one run has written down the next one knows, by its key and by what it told."""
    with Journal(tmp_path / "new" / "x.jsonl") as journal:
        assert "1" not in journal
        journal.add(FIRST)
        journal.add(SECOND)
        assert journal.get("1") == FIRST
    with Journal(tmp_path / "new" / "x.jsonl") as journal:
        assert len(journal) == 2
        assert [journal.get(key) for key in "12"] == [FIRST, SECOND]
        assert journal.find(SECOND.told) == SECOND
        assert journal.get("3") is None
        assert journal.find("") is None


def test_a_fault_of_ours_is_tried_again(tmp_path: Path) -> None:
    """A result that failed through a fault of ours is written down, and does not keep the next run from trying."""
    with Journal(tmp_path / "x.jsonl") as journal:
        journal.add(Result("1", error="Our grader broke.", ours=True, trouble="Traceback"))
        assert "1" not in journal
        assert b"Traceback" in (tmp_path / "x.jsonl").read_bytes()
        journal.add(FIRST)
        assert journal.get("1") == FIRST


def test_half_a_line_counts_as_none(tmp_path: Path) -> None:
    """A run that was killed while it wrote leaves half a line: it is ignored, and what is written next stands in its place."""
    path = tmp_path / "x.jsonl"
    with Journal(path) as journal:
        journal.add(FIRST)
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole.replace(b'"1"', b'"9"')[:-cut])
        with Journal(path) as journal:
            assert "9" not in journal
            journal.add(SECOND)
        assert [json.loads(line)["key"] for line in path.read_bytes().splitlines()] == ["1", "2"]


def test_a_damaged_line_costs_only_itself(tmp_path: Path) -> None:
    """Results before and after a line that can't be read are kept."""
    path = tmp_path / "x.jsonl"
    with Journal(path) as journal:
        journal.add(FIRST)
    path.write_bytes(path.read_bytes() + b"\xff\xfe[\n{}\nnull\n")
    with Journal(path) as journal:
        journal.add(SECOND)
    with Journal(path) as journal:
        assert [journal.get(key) for key in "12"] == [FIRST, SECOND]


def test_two_may_write(tmp_path: Path) -> None:
    """What `nbgrader autograde` adds while `course grade` runs is neither lost nor overwritten."""
    with Journal(tmp_path / "x.jsonl") as one, Journal(tmp_path / "x.jsonl") as other:
        one.add(FIRST)
        other.add(SECOND)
        one.add(Result("3", error="Third."))
        assert one.get("2") == SECOND
    with Journal(tmp_path / "x.jsonl") as journal:
        assert len(journal) == 3
