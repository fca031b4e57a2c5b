"""Tests of `autograder.jupyter.pictures.anatomy`: what is said of a real environment, and what really breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from autograder import folder
from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter.pictures.anatomy import Anatomy, dissect, try_without


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace with an environment in a folder, with pip and one distribution."""
    one = folder.begin_free("anatomy")
    done = one.sandbox.run(
        ["bash", "-ec", "python3 -m venv till/.venv; till/.venv/bin/python -m pip install --quiet shoplib==1.5"],
        one.place,
    )
    assert done.exit_status == 0, done.output
    yield one
    folder.remove_tree(one.project)


@pytest.fixture
def outcome(live: LiveWorkspace) -> Callable[[str], dict[str, str]]:
    """Delete one part and give what became of each command, by a word of it."""

    def give(part: str) -> dict[str, str]:
        found = try_without(live, "till/.venv", part)
        assert all(one.before and "Traceback" not in one.before for one in found), found
        names = {
            "sys.prefix": "python",
            "activate": "activate",
            "pip list": "python -m pip",
            "bin/pip ": "pip",
            "shoplib": "import",
        }
        return {name: one.outcome for one in found for word, name in names.items() if word in one.command}

    return give


def test_the_files_speak_for_themselves(live: LiveWorkspace) -> None:
    """Every part is shown with what it really says, in an order that can be told."""
    parts = {part.path: part for part in dissect(live.tree, "till/.venv")}

    assert next(iter(parts)) == "pyvenv.cfg"
    assert f"home = {live.facts.python_home}" in parts["pyvenv.cfg"].content
    assert parts["bin/python"].kind == "link"
    assert parts["bin/pip"].content.startswith(f"#!{live.root}/till/.venv/bin/python")
    assert "VIRTUAL_ENV" in parts["bin/activate"].content
    (record,) = (path for path in parts if path.endswith("/shoplib-1.5.dist-info/RECORD"))
    assert parts[record].level == 5
    for path in ("pyvenv.cfg", "bin", "bin/python", "bin/activate", "bin/pip", "lib", record):
        assert parts[path].about


def test_without_the_configuration_it_is_no_environment(outcome: Callable[[str], dict[str, str]]) -> None:
    """The interpreter still starts, and no longer knows where it belongs."""
    found = outcome("pyvenv.cfg")

    assert found["python"] == "differs"
    assert found["activate"] == "same"
    assert found["import"] == "breaks"


def test_without_activate_only_activation_breaks(outcome: Callable[[str], dict[str, str]]) -> None:
    """A convenience, as the lesson says."""
    assert outcome("bin/activate") == {
        "python": "same",
        "activate": "breaks",
        "python -m pip": "same",
        "pip": "same",
        "import": "same",
    }


def test_without_the_script_pip_still_runs_as_a_module(outcome: Callable[[str], dict[str, str]]) -> None:
    """Why `python -m pip` is the safer habit."""
    found = outcome("bin/pip")

    assert found["pip"] == "breaks"
    assert found["python -m pip"] == "same"


def test_the_original_is_not_touched(live: LiveWorkspace) -> None:
    """What is deleted is deleted in a copy."""
    try_without(live, "till/.venv", "bin")

    assert (live.project / "till/.venv/bin/pip").is_file()


def test_what_is_not_there_is_told(live: LiveWorkspace) -> None:
    """No environment, or a part that went away meanwhile: a sentence each."""
    with pytest.raises(UsageError, match=r"no `nothing/.venv`"):
        Anatomy(live, "nothing/.venv")
    with pytest.raises(UsageError, match="any more"):
        try_without(live, "till/.venv", "bin/pipx")


def test_the_picture_without_a_kernel(live: LiveWorkspace) -> None:
    """Everything that was read and tried is in the page as HTML without script, and as text."""
    (live.project / "till/.venv/pyvenv.cfg").open("a").write("note = <script>alert(1)</script>\n")
    picture = Anatomy(live, "till/.venv")
    picture.ask({"part": "bin/activate"}, 7)
    data, _ = picture._repr_mimebundle_()

    assert "<script" not in data["text/html"]
    assert "&lt;script&gt;" in data["text/html"]
    assert "Without <code>bin/activate</code>" in data["text/html"]
    assert "pyvenv.cfg" in data["text/plain"]
    assert "Without bin/activate:" in data["text/plain"]


def test_only_a_part_that_is_shown_can_be_deleted(live: LiveWorkspace) -> None:
    """A message from the browser can't name anything else."""
    picture = Anatomy(live, "till/.venv")

    picture.ask({"part": "../../till"})

    assert picture.trials == {}
    assert picture.problem == ""
