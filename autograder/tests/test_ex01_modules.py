"""Tests of `autograder.catalog.ex01_modules`: what its checks hold for right is what Python really does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from autograder.catalog.ex01_modules import checks
from autograder.exceptions import Failed
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace, index
from autograder.workspace import Workspace

Begun = Callable[[Exercise], LiveWorkspace]

pytestmark = pytest.mark.xdist_group("01-modules")


@pytest.fixture
def live(begun: Begun) -> LiveWorkspace:
    """The exercise, just begun."""
    return begun(find_exercise("01"))


def test_the_expected_answers_are_what_the_commands_say(live: LiveWorkspace) -> None:
    """Each of the three commands looks first, and finds its settings, where the checks say."""
    lines = (live.project / "kiosk/commands.txt").read_text().splitlines()
    commands = dict(line.split(":  ", 1) for line in lines if ":  " in line)
    assert commands.keys() == checks._FIRST.keys()
    for name, command in commands.items():
        said = live.sandbox.run(["bash", "-c", command], live.place, cwd="kiosk").output
        first = re.search(r"looked first in '(.*)'", said)
        origin = re.search(r"settings come from (.*)", said)
        assert first, said
        assert origin, said
        top = f"{live.root}/kiosk"
        assert (first[1] or top).replace(f"{top}/", "").replace(top, ".") == checks._FIRST[name]
        assert origin[1] == f"{top}/{checks._ORIGIN[name]}"


def test_the_start_hides_an_edit(live: LiveWorkspace) -> None:
    """The till takes the old price although the file says the new one, as the exercise needs it."""
    said = live.sandbox.run(["bash", "run.sh"], live.place, cwd="till").output

    assert "3.20" in said
    assert "3.80" in (live.project / "till/prices.py").read_text()


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("tools", True),
        ("./tools/", True),
        ("kiosk/tools", True),
        ("{root}/kiosk/tools", True),
        ("", False),
        ("..", False),
        ("/tools", False),
        ("kiosk", False),
    ],
)
def test_a_folder_may_be_written_in_several_ways(live: LiveWorkspace, written: str, right: bool) -> None:
    """As seen from `kiosk`, from the top or from the root of the disk: it is the same folder."""
    other = {"b": {"first": "", "origin": "settings.py"}, "c": {"first": "tools", "origin": "tools/settings.py"}}
    answer = {"a": {"first": written.format(root=live.root), "origin": "tools/settings.py"}, **other}
    (live.project / "kiosk/answer.json").write_text(str(answer).replace("'", '"'))
    work = Workspace(live.tree, live.facts, index().known)

    if right:
        checks.first_entries_are_right.function(work)
    else:
        with pytest.raises(Failed, match="that isn't so"):
            checks.first_entries_are_right.function(work)


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 100_000, '{"a": 1}', '{"a": {"first": 1, "origin": 2}}', "\x00", "NaN"]
)
def test_an_answer_in_another_form_is_told_so(live: LiveWorkspace, text: str) -> None:
    """Whatever stands in answer.json, the learner hears which form it should have."""
    (live.project / "kiosk/answer.json").write_text(text)

    with pytest.raises(Failed, match=r"JSON|no `first`"):
        checks.origins_are_right.function(Workspace(live.tree, live.facts, index().known))
