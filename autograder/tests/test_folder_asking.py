"""Tests of `autograder.folder.asking`: what may be asked inside the sandbox, and that it is answered outside."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import folder
from autograder.exceptions import UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace, asking
from autograder.folder.asking import answerer, translate
from autograder.sandbox.questions import LONGEST_ANSWER, Answer, Question
from sandbox_places import TIERS, sandbox_of

Begun = Callable[[Exercise], LiveWorkspace]


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    """The exercise on virtual environments."""
    return find_exercise("06")


def always() -> bool:
    """Somebody waits."""
    return True


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("check", "check 06-virtual-environments"),
        ("check 06", "check 06-virtual-environments"),
        ("check 6 --json", "check 06-virtual-environments --json"),
        ("hint", "hint 06-virtual-environments"),
        ("hint 2", "hint 06-virtual-environments 2"),
        ("hint 06", "hint 06-virtual-environments"),
        ("hint 06 2 --answer", "hint 06-virtual-environments 2 --answer"),
        ("hint virtual 2", "hint 06-virtual-environments 2"),
        ("diff", "diff 06-virtual-environments"),
        ("diff --last 3 --json", "diff 06-virtual-environments --last 3 --json"),
        ("list", "list"),
        ("report", "report"),
    ],
)
def test_what_may_be_asked(typed: str, run: str, exercise: Exercise) -> None:
    """Looking and hints, for this shell's own exercise, which need not be named."""
    assert translate(tuple(typed.split()), exercise) == run.split()


@pytest.mark.parametrize(
    "typed",
    [
        *("reset", "reset 06 -y", "begin 07", "shell 06", "grade 06", "build", "import x", "export x", "doctor"),
        *("index serve", "claims", "messages 06", "--debug check", "-h", "../check", "", "check; reset", "\u202e"),
        *("check --snapshot /etc/passwd", "check --watch", "check --unsafe-basic", "check --json=1", "check -- --json"),
        *("check 07", "check 06 07", "check 99", "check /etc", "check ''", "hint 07", "hint 06 9", "hint 06 2 2"),
        *("hint 2 06", "hint --snapshot", "diff --last", "diff --last=9", "diff --last x", "diff --last -1"),
        *("diff --last 99999", "diff --last ٣", "diff 3", "list 06", "list --json", "report --html x"),
        *(
            "report 06",
            "report --class /etc",
            "report --csv x",
            "report --verify x",
            "report --record x",
            "report x.html",
        ),
    ],
)
def test_everything_else_is_refused(typed: str, exercise: Exercise) -> None:
    """What changes something, names a file, watches for ever or is of another exercise is answered with one sentence."""
    with pytest.raises(UsageError) as refused:
        translate(tuple(typed.split(" ")), exercise)

    assert refused.value.message
    assert refused.value.next_step


def test_a_shell_of_no_exercise_has_nothing_to_check() -> None:
    """It can only list."""
    assert translate(("list",), None) == ["list"]
    with pytest.raises(UsageError, match="belongs to no exercise"):
        translate(("check",), None)


@pytest.mark.parametrize("typed", ["", "help", "--help", "check --help"])
def test_help_says_what_can_be_asked(typed: str, begun: Begun, exercise: Exercise) -> None:
    """At once, without running anything."""
    answer = answerer(begun(exercise))(Question(tuple(typed.split())), always)

    assert answer.status == 0
    assert "course check" in answer.output
    assert max(map(len, answer.output.splitlines())) < 80


@pytest.mark.parametrize("tier", TIERS)
def test_it_works_where_it_is_typed(tier: str, labs: Path, exercise: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each tier a shell inside gets the checklist, its exit status and its hints, and can't reset anything."""
    sandbox_of(tier)
    monkeypatch.setenv("WHEELHOUSE_TIER", tier)
    folder.live.sandbox.cache_clear()
    live = folder.begin(exercise)
    assert live.tier == tier
    (live.project / "mine.txt").write_text("mine")
    said: list[str] = []
    shell = live.sandbox.shell(live.place, ask=answerer(live))
    try:
        found = shell.run("course check > list.txt; echo status=$?; cat list.txt; command -v course", said.append)
        shell.run("course reset -y; bash -c 'course hint 1' | cat", said.append)
    finally:
        shell.close()
        folder.live.sandbox.cache_clear()

    text = "".join(said)
    assert found == 0
    assert "status=1" in text
    assert "0 of 20 points" in text
    assert "Hint 1 of" in text
    assert "`course reset` can't be asked from inside the sandbox." in text
    assert (live.project / "mine.txt").read_text() == "mine"
    if tier == "strong":
        assert str(labs) not in text


def test_nothing_of_the_learners_is_imported_outside(
    begun: Begun, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules in the project, where the terminal outside may stand, are not what the course runs."""
    live = begun(exercise)
    for name in ("json", "autograder", "argparse", "sitecustomize", "platformdirs"):
        (live.project / f"{name}.py").write_text("raise SystemExit('planted')\n")
    monkeypatch.chdir(live.project)

    answer = answerer(live)(Question(("list",)), always)

    assert (answer.status, answer.errors) == (0, "")
    assert exercise.title in answer.output


def test_it_has_the_width_and_the_colours_of_the_learners_terminal(
    begun: Begun, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever those of the terminal outside are."""
    live = begun(exercise)
    monkeypatch.setenv("COLUMNS", "33")
    monkeypatch.setenv("FORCE_COLOR", "1")
    live.sandbox.run(["true"], live.place)

    narrow = answerer(live)(Question(("check",), columns=40), always)
    piped = answerer(live)(Question(("check",)), always)

    assert [
        one for one in narrow.output.splitlines() if len(one) > 40 and " " in re.sub("`.*?`", "", one).strip()
    ] == []
    assert max(map(len, piped.output.splitlines())) > 80
    assert "\x1b" not in narrow.output + piped.output


@pytest.mark.parametrize("why", ["nobody waits", "too long", "too much"])
def test_it_is_given_up(why: str, begun: Begun, exercise: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs then is ended, with all that it started."""
    monkeypatch.setattr(asking, "SECONDS", 0.0 if why == "too long" else 60.0)
    monkeypatch.setattr(asking, "LONGEST_ANSWER", 10 if why == "too much" else LONGEST_ANSWER)

    answer = answerer(begun(exercise))(Question(("list",)), (lambda: False) if why == "nobody waits" else always)

    assert answer == Answer(3, errors=answer.errors)
    assert "took too long" in answer.errors
