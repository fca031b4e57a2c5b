"""Tests of `autograder.report`."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from autograder import report
from autograder.exercise import Check, Exercise, Task
from autograder.verdict import Outcome, TaskVerdict, Verdict

HOSTILE = "`<img src=x onerror=alert(1)>` \x1b[31mred\x1b[0m \N{RIGHT-TO-LEFT OVERRIDE}txt & **bold**"


class Tags(HTMLParser):
    """Collects what a browser would make of some HTML."""

    def __init__(self, text: str) -> None:
        """Read it at once."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and the names of its attributes."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note what would be read."""
        self.words += data


@pytest.fixture
def verdict() -> Verdict:
    """One task in which a check ended in each of the four ways, on a hostile learner's files."""

    def check(name: str, says: str, after: Check | None = None) -> Check:
        return Check(name, says, 1, 2, lambda work: None, after)

    exists = check("exists", "There is an environment, `.venv`.")
    pinned = check("pinned", "`leftpad` 1.1 is in it.", exists)
    runs = check("runs", "The program runs.", pinned)
    ours = check("ours", "Our own check holds.", exists)
    task = Task(1, "Just what it needs", "", "", (exists, pinned, runs, ours))
    outcomes = (
        Outcome(exists, "passed"),
        Outcome(pinned, "failed", "`leftpad` 1.1.", HOSTILE, "Run `pip list`."),
        Outcome(runs, "waiting"),
        Outcome(ours, "error", None, "Our check broke.", "Please report it."),
    )
    return Verdict(Exercise("42-shelves", "Label the shelves", 5, Path(), (task,)), (TaskVerdict(task, outcomes),))


def test_text_says_it_without_colour(verdict: Verdict) -> None:
    """Each state is a word and a sign; a failure tells expected, found and next step; a waiting check what it waits for."""
    lines = report.task_as_text(verdict, 1).splitlines()
    assert lines[0] == "Task 1: Just what it needs (2 of 8 points)"
    assert [line.split()[:2] for line in lines[1:] if line.startswith("  ") and line[2] != " "] == [
        ["✓", "passed"],
        ["✗", "failed"],
        ["…", "waiting"],
        ["!", "error"],
    ]
    words = "\n".join(lines)
    assert "expected: `leftpad` 1.1." in words
    assert "next step: Run `pip list`." in words
    assert "waits for: `leftpad` 1.1 is in it." in words
    assert "found: Our check broke." in words


def test_text_cannot_steer_a_terminal(verdict: Verdict) -> None:
    """No control character, and nothing that turns the writing direction, comes through."""
    assert all(letter == "\n" or letter.isprintable() for letter in report.as_text(verdict))


def test_html_holds_no_markup_of_the_learners(verdict: Verdict) -> None:
    """What a learner named a file is text in the HTML; only our few tags are there, and none that loads or runs anything."""
    page = report.task_as_html(verdict, 1)
    found = Tags(page)
    assert found.tags == {"div", "p", "strong", "ul", "li", "code"}
    assert found.attributes == {"class", "style"}
    assert "<img src=x onerror=alert(1)>" in found.words
    for word in ("passed", "failed", "waiting", "error", "expected", "found", "next step", "Run pip list."):
        assert word in found.words
    assert "<strong>bold</strong>" in page


def test_whole_verdict_ends_with_its_score(verdict: Verdict) -> None:
    """The last line is the sum."""
    assert report.as_text(verdict).splitlines()[-1] == "Label the shelves: 2 of 8 points."


def test_notice_is_escaped(verdict: Verdict) -> None:
    """A sentence in place of a verdict is as harmless as a verdict."""
    bundle = report.notice_bundle("Task 1: <b>", HOSTILE)
    assert Tags(bundle["text/html"]).tags == {"div", "p", "strong", "code"}
    assert "\x1b" not in bundle["text/plain"] + bundle["text/html"]


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (None, "  ✗ failed  `a b` is there, as it was to be."),
        (80, "  ✗ failed  `a b` is there, as it was to be."),
        (62, "  ✗ failed  `a b` is there, as it was to be."),
        (30, "  ✗ failed  `a b` is there, as\n      it was to be."),
        (20, "  ✗ failed  `a b` is\n      there, as it\n      was to be."),
    ],
)
def test_lines_are_broken_between_words(columns: int | None, wanted: str) -> None:
    """Further lines stand under the text, in a narrow window further left; a command stays whole."""
    assert report.wrapped("  ✗ failed  `a b` is there, as it was to be.", columns) == wanted


def test_what_is_copied_stays_whole() -> None:
    """Commands and paths are wider than the window rather than broken; empty lines and short ones stay as they are."""
    text = "next step: Run `ls -A one two three` now.\n\n/a/long/path/to/somewhere/else\nshort"

    assert report.wrapped(text, 20).split("\n") == [
        "next step: Run",
        "`ls -A one two three`",
        "now.",
        "",
        "/a/long/path/to/somewhere/else",
        "short",
    ]


@pytest.mark.parametrize("listens", [True, False])
def test_who_listens_hears_words_only(verdict: Verdict, listens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign beside a word that says the same is left out in a terminal, and stays in what nbgrader keeps."""
    monkeypatch.setenv("WHEELHOUSE_SCREEN_READER", "1" if listens else "")

    assert any(sign in report.as_text(verdict) for sign in report.SIGNS.values() if sign != "!") is not listens
    assert re.search(r"^  \S (passed|failed|waiting|error)", report.task_as_text(verdict, 1), re.MULTILINE)
