"""What `course` says, word for word: the files in `goldens/`, and that nothing steers a terminal which isn't one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from goldens import FOLDER, SCENES, play, render


@pytest.mark.parametrize("name", SCENES)
def test_every_command_says_what_was_read_and_found_good(name: str) -> None:
    """After a change of words: `python -m goldens --write` in `tests/`, then read the difference aloud."""
    if name == "course" and sys.version_info[:2] != (3, 11):
        pytest.skip("argparse lays out its help differently in other versions of Python")

    played = play(name)

    assert played == render(name).read_text("utf-8")


def test_there_is_a_file_for_each_and_no_other() -> None:
    """What is no scene any more goes."""
    assert {path.stem for path in FOLDER.iterdir()} == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_no_file_steers_a_terminal_or_breaks_its_width(name: str) -> None:
    """No control characters; in a window only paths, commands and what was typed are wider than it."""
    text = render(name).read_text("utf-8")

    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text) == []
    for scene in text.split("\n$ course ")[0 if name == "course" else 1 :]:
        if found := re.search(r"\[(\d+) columns\]", scene.partition("\n")[0]):
            lines = [one for one in scene.splitlines()[1:] if not one.startswith(("err| ", "$ ", "sed "))]
            wide = [one for one in lines if len(one) > int(found[1]) and " " in re.sub(r"`[^`]*`", "", one).strip()]
            assert wide == [], scene.partition("\n")[0]


@pytest.mark.parametrize(
    ("variables", "steers"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colours_only_where_they_are_wanted(variables: dict[str, str], steers: bool, tmp_path: Path) -> None:
    """On a real terminal: NO_COLOR, TERM=dumb and an unknown terminal say no, FORCE_COLOR says yes."""
    program = "from autograder import report; print(report.colours(), report.width())"
    ours, theirs = os.openpty()
    try:
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "WHEELHOUSE_"))}
        subprocess.run(
            [sys.executable, "-c", program],
            env={**kept, **variables, "COLUMNS": "50"},
            stdout=theirs,
            cwd=tmp_path,
            check=True,
        )
        said = os.read(ours, 100).decode().split()
    finally:
        os.close(ours)
        os.close(theirs)

    assert said == [str(steers), "50"]


def test_a_terminal_without_our_signs_gets_question_marks(tmp_path: Path) -> None:
    """An old locale is no reason to break."""
    done = subprocess.run(
        [sys.executable, "-m", "autograder.cli", "diff", "99\N{CHECK MARK}"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "WHEELHOUSE_LABS": str(tmp_path / "labs")},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 2
    assert b"There is no exercise '99?'" in done.stderr
