"""Tests of `autograder.jupyter.pictures.release_simulator`: real requests to the index, and what pip then takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import folder
from autograder.folder import LiveWorkspace
from autograder.jupyter.pictures.release_simulator import NAME, ReleaseSimulator


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace in which the picture is shown."""
    one = folder.begin_free("releases")
    yield one
    folder.remove_tree(one.project)


@pytest.fixture
def picture(live: LiveWorkspace) -> Iterator[ReleaseSimulator]:
    """A picture with an empty index."""
    one = ReleaseSimulator(live)
    yield one
    one.close()


def click(picture: ReleaseSimulator, do: str, version: str = "1.0") -> tuple[int, str]:
    """Press a button; gives status and reason."""
    picture.ask({"do": do, "version": version})
    assert picture.problem == ""
    last = picture.clicks[-1]
    return last["status"], last["reason"]


def takes(picture: ReleaseSimulator) -> list[str]:
    """What pip would take for each of the three requirements."""
    return [one["takes"] + ("!" if one["warns"] else "") for one in picture.choices]


def states(picture: ReleaseSimulator) -> list[str]:
    """How each file stands that ever was there."""
    return [one["state"] for one in picture.files]


def test_the_same_bytes_may_come_twice_and_others_may_not(picture: ReleaseSimulator) -> None:
    """PyPI's three answers to an upload, with its own reasons."""
    assert click(picture, "upload") == (200, "OK")
    assert click(picture, "same") == (200, "OK")
    assert states(picture) == ["offered"]
    status, reason = click(picture, "changed")
    assert status == 400
    assert reason.startswith("File already exists ('shop_bell-1.0-py3-none-any.whl'")
    assert "http" not in reason
    assert takes(picture) == ["1.0", "1.0", "1.0"]
    assert [line.split()[0] for line in picture.journal] == ["create", "upload"]


def test_a_yank_leaves_the_release_to_those_who_pin_it(picture: ReleaseSimulator) -> None:
    """And can be taken back, while a deleted name is burned for ever."""
    click(picture, "upload")
    click(picture, "upload", "1.1")
    click(picture, "yank", "1.1")
    assert takes(picture) == ["1.0", "1.1!", ""]
    assert states(picture) == ["offered", "yanked"]
    click(picture, "unyank", "1.1")
    assert takes(picture) == ["1.1", "1.1", "1.1"]
    click(picture, "delete", "1.1")
    assert takes(picture) == ["1.0", "", ""]
    assert states(picture) == ["offered", "deleted"]
    status, reason = click(picture, "same", "1.1")
    assert (status, "previously used" in reason) == (400, True)
    text, page = picture.as_text(), picture.as_html()
    for told in ("Delete 1.1: 200 OK", "yank shop-bell 1.1", "pip install 'shop-bell==1.1' fails", "burned for ever"):
        assert told in text
        assert told.replace("'", "&#x27;") in page


def test_what_cannot_be_is_refused_by_the_index_itself(picture: ReleaseSimulator) -> None:
    """A release that isn't there can't be yanked, and neither can one twice."""
    assert click(picture, "yank")[0] == 404
    click(picture, "upload")
    click(picture, "yank")
    assert click(picture, "yank") == (400, f"{NAME} 1.0 is yanked already: un-yank it first to give another reason.")
    assert takes(picture)[1] == "1.0!"


def test_the_workspace_sees_nothing_of_it(live: LiveWorkspace) -> None:
    """What is published goes into a folder that is gone with the picture, and no token is shown."""
    picture = ReleaseSimulator(live)
    scratch = Path(picture._scratch.name)
    click(picture, "upload")
    assert (scratch / "published/journal.jsonl").exists()
    assert not (live.state / "published/journal.jsonl").exists()
    assert "pypi-" not in picture.as_text() + picture.as_html()
    picture.close()
    assert not scratch.exists()


def test_a_message_from_the_page_can_name_nothing_else(picture: ReleaseSimulator) -> None:
    """Neither another action nor another version is sent anywhere."""
    for question in ({"do": "rm", "version": "1.0"}, {"do": "upload", "version": "../x"}, {"do": ["upload"]}, {}):
        picture.ask(question)
    assert picture.clicks == []
    assert "nothing yet" in picture.as_text()
