"""Tests of `autograder.jupyter.session`: what a notebook's own functions show of the shell's work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from autograder import folder
from autograder.jupyter import session


@pytest.fixture
def notebook(labs: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A notebook in a workspace of no exercise; what it shows is collected."""
    shown: list[Any] = []
    monkeypatch.setattr(session, "show", shown.append)
    monkeypatch.setattr(session, "_state", session._State(live=folder.begin_free("session")))
    yield shown
    session.close_shell()
    folder.remove_tree(labs)


def test_a_cell_is_followed_by_what_it_changed(notebook: list[Any]) -> None:
    """`changed()` right after a `%%shell` cell tells of that cell, and with a number of the cells before it."""
    session.changed()
    assert notebook[-1]["text/plain"] == "No command was typed in the course's shell yet."

    shell = session.open_shell()
    for number in range(5):
        shell.run(f"echo {number} > file{number}.txt", lambda _: None)
        session.changed()
        assert f"file{number}.txt" in notebook[-1]["text/plain"]
        assert f"file{number - 1}.txt" not in notebook[-1]["text/plain"]
    session.changed(3)

    assert [name in notebook[-1]["text/html"] for name in ("file1.txt", "file2.txt", "file4.txt")] == [
        False,
        True,
        True,
    ]
