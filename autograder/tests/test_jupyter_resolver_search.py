"""Tests of `autograder.jupyter.resolver_search`: a search over the index's real metadata, compared with the real pip."""

from __future__ import annotations

import ensurepip
from collections.abc import Iterator

import pytest
from packaging.version import Version

from autograder import folder
from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter.resolver_search import read_projects, search, words_of

TELLS_REJECTIONS = Version(ensurepip.version()) >= Version("23.1")
"""Whether the resolver in this Python's pip says which releases it rejects; Debian 12's doesn't yet."""


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace with nothing in it."""
    one = folder.begin_free("board")
    yield one
    folder.remove_tree(one.project)


def test_metadata_is_read_as_it_is_on_the_index() -> None:
    """All that the search may come to is there, newest first, with what this Python needs, and why a release may not be taken."""
    found = read_projects(["opening-hours", "webfw"], "3.13.1")
    assert list(found) == ["opening-hours", "webfw", "netcore"]
    assert list(found["webfw"]) == ["2.0", "1.2", "1.0"]
    assert found["webfw"]["1.2"]["requires"] == ["netcore<2,>=1.1"]
    assert "hours-backport" in read_projects(["opening-hours"], "3.11.7")

    assert read_projects(["shoplib"], "3.13.1")["shoplib"]["1.4"]["yanked"]
    assert read_projects(["shelf-labels"], "3.13.1")["shelf-labels"]["2.0"]["python"] == ">=3.99"


def test_it_goes_back_as_pip_does(live: LiveWorkspace) -> None:
    """The newest is taken first, given up when nothing is left, and model and pip come to the same."""
    board = search(live, "webfw stock-count", two=False)

    kinds = [step["kind"] for step in board["steps"]]
    assert kinds == ["ask", "take", *(["reject"] if TELLS_REJECTIONS else []), "back", "take", "take", "take", "done"]
    assert board["steps"][1]["pins"] == {"webfw": "2.0"}
    assert board["steps"][1]["crossed"]["netcore"]["1.1"] == "webfw 2.0 wants netcore>=2.0"
    if TELLS_REJECTIONS:
        assert set(board["steps"][2]["crossed"]["netcore"]) == {"2.0", "1.1", "1.0"}
        assert board["steps"][2]["tried"] == ["stock-count", "1.0"]
    assert board["steps"][kinds.index("back")]["crossed"]["webfw"] == {"2.0": "tried, and given up"}
    assert board["outcome"] == "It ends with `netcore 1.1`, `stock-count 1.0` and `webfw 1.2`."
    assert board["same"]
    assert board["pip"]["says"].endswith("exit status 0.")


def test_one_command_refuses_and_two_do_damage(live: LiveWorkspace) -> None:
    """The switch shows what the lesson is about, and the real pip agrees both times."""
    one = search(live, "moderntool legacytool==1.0", two=False)
    assert one["outcome"].startswith("Impossible: `legacytool 1.0` wants `shoplib<2`")
    assert one["pip"]["lines"] == ["legacytool 1.0 depends on shoplib<2", "moderntool 1.0 depends on shoplib>=2"]

    two = search(live, "moderntool legacytool==1.0", two=True)
    assert two["commands"] == ["pip install moderntool", "pip install legacytool==1.0"]
    assert two["outcome"] == "Damage: `moderntool` 1.0 needs `shoplib>=2`, and `shoplib` 1.9 is there."
    last = two["steps"][-1]
    assert last["bad"] == ["moderntool"]
    assert last["installed"]["shoplib"] == "1.9"
    assert sorted(last["wants"]["shoplib"]) == [["shoplib<2", "legacytool 1.0"], ["shoplib>=2", "moderntool 1.0"]]
    assert "exit status 0 and 0" in two["pip"]["says"]
    assert two["pip"]["says"].endswith("`pip check` ends with 1.")
    assert one["same"]
    assert two["same"]


def test_what_is_installed_is_kept_where_it_fits(live: LiveWorkspace) -> None:
    """The second command takes the release that is there, though it might have chosen another."""
    board = search(live, "shoplib<2 legacytool", two=True)

    assert any(step["says"].startswith("`shoplib` 1.9 is installed, and fits: it is kept.") for step in board["steps"])
    assert board["commands"][0] == "pip install 'shoplib<2'"
    assert board["same"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b c d e",
        "x" * 200,
        "--index-url=x",
        "shoplib @ http://x.example/y.whl",
        "webfw[storage]",
        "shoplib;'a'=='b'",
        "../x",
    ],
)
def test_what_the_board_cannot_show_is_said(text: str) -> None:
    """A stranger's text gets a sentence."""
    with pytest.raises(UsageError):
        words_of(text)


def test_limits_of_the_board(live: LiveWorkspace) -> None:
    """A name that isn't there, and one requirement in two commands, are refused with the next step."""
    with pytest.raises(UsageError, match="no wheel of no-such-thing"):
        search(live, "no-such-thing", two=False)
    with pytest.raises(UsageError, match="Two commands need two"):
        search(live, "shoplib", two=True)
