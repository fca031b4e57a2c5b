"""Tests of `autograder.catalog.ex01_modules`: what its checks hold for right is what Python really does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import folder
from autograder.catalog.ex01_modules import checks
from autograder.exceptions import Failed
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace, index
from autograder.runner import check_live, check_snapshot
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
    assert tuple(commands) == checks._LETTERS
    assert live.exercise is not None
    right = live.exercise.variant["commands"]
    for name, command in commands.items():
        said = live.sandbox.run(["bash", "-c", command], live.place, cwd="kiosk").output
        first = re.search(r"looked first in '(.*)'", said)
        origin = re.search(r"settings come from (.*)", said)
        assert first, said
        assert origin, said
        top = f"{live.root}/kiosk"
        assert (first[1] or top).replace(f"{top}/", "").replace(top, ".") == right[f"{name}.first"]
        assert origin[1] == f"{top}/{right[f'{name}.origin']}"


def test_a_neighbours_answer_is_no_answer(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learners get the commands under other letters; each one's own reference answer is right, also after a reset, and another's is not."""
    right: dict[str, str] = {}
    for learner in ("ada", "bob"):
        monkeypatch.setenv("WHEELHOUSE_LEARNER", learner)
        folder.remove_tree(labs)
        folder.begin(find_exercise("01"))
        live = folder.reset(find_exercise("01"))
        assert live.facts.seed == learner
        assert live.exercise is not None
        live.sandbox.run(["bash", "-c", live.exercise.task(2).answer], live.place)
        verdict = check_live(live, submit=False).task(2)
        assert verdict.state == "passed"
        right[learner] = (live.project / "kiosk/answer.json").read_text()
        assert check_snapshot(live.snapshot(), trusted=True).task(2) == verdict
    assert right["ada"] != right["bob"]
    (live.project / "kiosk/answer.json").write_text(right["ada"])
    said = check_live(live, submit=False).task(2).first_failed
    assert said is not None
    assert said.check.name == checks.first_entries_are_right.name


def test_a_random_learner_is_drawn_once(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody's name is known the draw is random, and stays the same for as long as the workspace lives."""
    monkeypatch.delenv("WHEELHOUSE_LEARNER", raising=False)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    seed = folder.begin(find_exercise("01")).facts.seed
    assert len(seed) == 16
    assert folder.begin(find_exercise("01")).facts.seed == seed
    assert folder.reset(find_exercise("01")).facts.seed == seed
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    assert folder.open_workspace(find_exercise("01")).facts.seed == seed
    folder.remove_tree(labs)
    assert folder.begin(find_exercise("01")).facts.seed == "ada"


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
    work = Workspace(live.tree, live.facts, index().known, variant=find_exercise("01").variant)

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
        checks.origins_are_right.function(
            Workspace(live.tree, live.facts, index().known, variant=find_exercise("01").variant)
        )
