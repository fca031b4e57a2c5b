"""Tests of `autograder.jupyter.pictures.cycle_graph`: what is drawn, and what really happens when an import moves."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from autograder import folder
from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter.pictures.cycle_graph import CycleGraph, try_moves

FILES = {
    "basket.py": "from discounts import discount\nfrom member import Member\n\ndef rounded(cents): return 5 * round(cents / 5)\n"
    "class Basket:\n    def __init__(self, member: Member): self.member = member\n    def total(self): return rounded(100 - discount(100))\n",
    "discounts.py": "from basket import rounded\n\ndef discount(cents): return rounded(cents * 0.1)\n",
    "member.py": "from basket import Basket\n\nclass Member:\n    def enter(self): return Basket(self)\n",
    "till.py": "from member import Member\n\nprint('To pay:', Member().enter().total())\n",
}


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace with a folder in which two circles go through one file."""
    one = folder.begin_free("circles")
    (one.project / "shop").mkdir()
    for name, text in FILES.items():
        (one.project / "shop" / name).write_text(text)
    yield one
    folder.remove_tree(one.project)


def _arrow(picture: CycleGraph, importer: str, imported: str) -> int:
    (found,) = (
        number
        for number, one in enumerate(picture.arrows)
        if (one["importer"], one["imported"]) == (importer, imported)
    )
    return found


def _fates(picture: CycleGraph) -> dict[str, str]:
    return {fate["first"]: fate["what"] for fate in picture.fates}


def test_circles_are_seen_and_each_door_is_tried(live: LiveWorkspace) -> None:
    """What is drawn comes from the source, and what is said of each module from a fresh Python."""
    picture = CycleGraph(live, "shop", "till.py")

    assert picture.rings == [["basket", "discounts"], ["basket", "member"]]
    assert [one["circling"] for one in picture.arrows] == [True, True, True, True, False]
    fates = {fate["first"]: fate for fate in picture.fates}
    assert {name: fates[name]["what"] for name in ("basket", "discounts", "member", "till")} == dict.fromkeys(
        ("basket", "discounts", "member", "till"), "ImportError"
    )
    assert fates["basket"]["where"] == "discounts.py:1"
    assert fates["python till.py"]["works"] is False


def test_moves_add_up_until_everything_works(live: LiveWorkspace) -> None:
    """One circle is broken in a function, the other one for type checkers, and then each module can come first."""
    picture = CycleGraph(live, "shop", "till.py")

    picture.ask({"arrow": _arrow(picture, "discounts", "basket"), "how": "function"})
    assert picture.rings == [["basket", "member"]]
    assert _fates(picture)["discounts"] == "works"
    assert _fates(picture)["basket"] == "ImportError"

    hint = _arrow(picture, "basket", "member")
    picture.ask({"arrow": hint, "how": "typing"})
    assert picture.rings == []
    if sys.version_info < (3, 14):
        assert _fates(picture)["basket"] == "NameError"

    picture.ask({"arrow": hint, "how": "postponed"})
    assert picture.problem == ""
    assert _fates(picture) == {
        **dict.fromkeys(("basket", "discounts", "member", "till"), "works"),
        "python till.py": "To pay: 90",
    }
    loads = {fate["first"]: fate["loads"] for fate in picture.fates}
    assert loads["discounts"] == ("discounts",)

    picture.ask({"back": True})
    assert picture.moves == {}
    assert len(picture.rings) == 2


def test_the_files_themselves_stay_as_they_are(live: LiveWorkspace) -> None:
    """What is moved is moved in a copy."""
    try_moves(live, "shop", {0: "function", 1: "typing"})

    assert {name: (live.project / "shop" / name).read_text() for name in FILES} == FILES
    assert sorted(one.name for one in (live.project / "shop").iterdir()) == sorted(FILES)


def test_what_is_not_there_is_told(live: LiveWorkspace) -> None:
    """No folder, no Python in it, too much of it, or files that changed meanwhile: a sentence each."""
    with pytest.raises(UsageError, match="no folder nowhere"):
        CycleGraph(live, "nowhere")
    (live.project / "empty").mkdir()
    with pytest.raises(UsageError, match="no Python file in empty"):
        CycleGraph(live, "empty")
    for number in range(20):
        (live.project / "empty" / f"m{number}.py").touch()
    with pytest.raises(UsageError, match="20 modules, more than fit"):
        CycleGraph(live, "empty")

    picture = CycleGraph(live, "shop")
    (live.project / "shop/basket.py").write_text("import member\nimport discounts\n")
    picture.ask({"arrow": 0, "how": "function"})
    assert "have changed meanwhile" in picture.problem
    assert picture.moves == {}


def test_a_message_from_the_page_can_name_nothing_else(live: LiveWorkspace) -> None:
    """Neither another arrow, nor another way, nor another type."""
    picture = CycleGraph(live, "shop")

    for question in ({"arrow": "0", "how": "function"}, {"arrow": 0, "how": "rm"}, {}, {"arrow": 0, "how": ["typing"]}):
        picture.ask(question)
    assert picture.moves == {}
    picture.ask({"arrow": 77, "how": "typing"})
    assert "no such import" in picture.problem
    picture.ask({"arrow": -1, "how": "typing"})
    assert "no such import" in picture.problem


def test_programs_that_never_end_and_files_that_are_no_python(live: LiveWorkspace) -> None:
    """An early end and a broken file are told; the others are tried all the same."""
    (live.project / "shop/leaves.py").write_text("import os\nos._exit(3)\n")
    (live.project / "shop/broken.py").write_text("def\n")
    picture = CycleGraph(live, "shop")

    assert _fates(picture)["leaves"] == "an early end"
    assert _fates(picture)["broken"] == "SyntaxError"
    assert any("shop/broken.py" in one for one in picture.unread)


def test_the_picture_without_a_kernel(live: LiveWorkspace) -> None:
    """Drawing, list, circles and what was tried are in the page as HTML without script, and as text."""
    (live.project / "shop/basket.py").write_text(FILES["basket.py"] + "raise type('<script>', (Exception,), {})\n")
    (live.project / "shop/discounts.py").write_text("")
    (live.project / "shop/member.py").write_text("")
    picture = CycleGraph(live, "shop")
    data, _ = picture._repr_mimebundle_()

    assert "<svg role=" in data["text/html"]
    assert "<script" not in data["text/html"]
    assert "<code>basket</code> imports <code>discounts</code> in line 1 when the file is imported" in data["text/html"]
    assert "no circle" in data["text/plain"]
    assert "basket: ImportError at basket.py:1" in data["text/plain"]
