"""Tests of `autograder.jupyter.package_readers`, and of `package_probe` which it sends into the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from autograder import folder
from autograder.folder import LiveWorkspace
from autograder.jupyter.package_readers import (
    READERS,
    RECORDED,
    SWITCHES,
    WAYS,
    Results,
    key,
    project,
    read_project,
    record,
    recorded,
    reexports,
)

WHOLE = frozenset(one.name for one in SWITCHES)
Seen = Callable[..., str]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """What the readers see, tried once."""
    labs = tmp_path_factory.mktemp("labs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(labs))
        yield read_project(folder.begin_free("readers"))
    folder.remove_tree(labs)


@pytest.fixture
def seen(results: Results) -> Seen:
    """Give what a reader sees with everything there but some, in one line each."""

    def give(name: str, *without: str) -> str:
        (reader,) = (one for one in READERS if one.name == name)
        return "\n".join(f"{tone}: {words}" for tone, words in results[name][key(reader, WHOLE.difference(without))])

    return give


def test_every_state_was_tried(results: Results) -> None:
    """Whatever the reader of the page ticks, there is an answer."""
    assert {one.name: len(results[one.name]) for one in READERS} == {one.name: 2 ** len(one.depends) for one in READERS}
    assert all(lines for states in results.values() for lines in states.values())


def test_nobody_misses_anything_where_all_is_there(seen: Seen) -> None:
    """With every file, and spelt right, all readers see what was meant."""
    assert [one.name for one in READERS if "lacking" in seen(one.name) or "odd" in seen(one.name)] == []


def test_a_package_without_its_file(seen: Seen) -> None:
    """It can be imported, and is empty; packing tools leave it at home or refuse."""
    assert "odd: `till` is a namespace package" in seen("import", "init")
    assert "lacking: `from till import total`: ImportError" in seen("import", "init")
    assert "no `till.receipts`" in seen("find_packages", "init")
    assert "lacking" not in seen("find_namespace", "init")
    assert seen("wheel", "init") == "lacking: no wheel: uv misses `till/__init__.py`"


def test_a_folder_below_without_its_file(seen: Seen) -> None:
    """Only the old finder of setuptools stops there."""
    assert "lacking: no `till.receipts`" in seen("find_packages", "sub")
    assert "good: `till/receipts/paper.py`" in seen("wheel", "sub")
    assert "lacking" not in seen("import", "sub")


def test_a_star_without_a_list(seen: Seen) -> None:
    """It brings modules, and hides only what begins with an underscore."""
    assert "`os`" in seen("star", "all")
    assert "cents" not in seen("star", "all")
    assert "`cents`" in seen("star", "all", "underscore")
    assert seen("star", "underscore") == "good: `total`"


def test_tests_in_plain_folders(seen: Seen) -> None:
    """No test is left for unittest, and pytest trips over two files of one name."""
    assert seen("unittest", "tests") == "lacking: 0 tests"
    assert "import file mismatch" in seen("pytest", "tests") or "not tried" in seen("pytest", "tests")


def test_a_folder_misspelt(seen: Seen) -> None:
    """Its wrong name imports without a word, and is packed without a word."""
    assert "ModuleNotFoundError" in seen("import", "spelt")
    assert "odd: `import till.reciepts`" in seen("import", "spelt")
    assert "good: `till/reciepts/paper.py`" in seen("wheel", "spelt")


def test_what_was_recorded_is_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """ruff, asked now, complains where it was recorded to complain; mypy's record knows every state, too."""
    pytest.importorskip("ruff")
    then = recorded()["ruff"]
    now: Any = record(["ruff"])
    held = json.loads(RECORDED.read_text("utf-8"))

    assert {state: [tone for tone, _ in lines] for state, lines in now["results"]["ruff"].items()} == {
        state: [tone for tone, _ in lines] for state, lines in then.items()
    }
    assert set(held["versions"]) == set(held["results"]) == set(held["reexports"]) == {"mypy", "ruff"}


@pytest.mark.parametrize("tool", ["mypy", "ruff"])
def test_a_name_fetched_for_others_must_be_said_to_be(tool: str) -> None:
    """Asked now or recorded: an import alone is complained of, a listed name and one imported as itself are not."""
    when, said = reexports(tool)

    assert when == "asked just now" or when.startswith("recorded, version ")
    assert {way: bool(words) for way, words in said.items()} == dict(zip(WAYS, [True, False, False], strict=True))
    assert {way: bool(words) for way, words in json.loads(RECORDED.read_text("utf-8"))["reexports"][tool].items()} == {
        way: bool(words) for way, words in said.items()
    }


def test_the_workspace_is_not_touched(labs: object) -> None:
    """The readers look at copies elsewhere."""
    live: LiveWorkspace = folder.begin_free("untouched")
    before = sorted(str(path) for path in live.project.rglob("*"))
    read_project(live)

    assert sorted(str(path) for path in live.project.rglob("*")) == before


def test_a_state_is_a_project(seen: Seen) -> None:
    """The files on show are those which the readers were given."""
    assert "till/receipts/__init__.py" in project(WHOLE)
    assert "till/reciepts/paper.py" in project(WHOLE - {"spelt"})
    assert "__all__" not in project(WHOLE - {"all"})["till/__init__.py"]
    assert "def cents" in project(WHOLE - {"underscore"})["till/__init__.py"]
