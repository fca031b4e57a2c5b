"""The rules that every exercise keeps, proven on every folder that is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest

from autograder.exercise import Alternative, Check, Exercise, Mistake, find_exercises
from autograder.folder import LiveWorkspace, index
from autograder.grading import Job, key_of
from autograder.grading.record import graded_of
from autograder.grading.work import work
from autograder.runner import check_live, check_snapshot, evaluate
from autograder.sandbox import Limits
from autograder.snapshot import SnapshotTree
from autograder.submission import grade_submission
from autograder.verdict import Outcome, Verdict

Begun = Callable[[Exercise], LiveWorkspace]

EXERCISES = find_exercises()


def _each(parts: Callable[[Exercise], list[object]], name: Callable[[object], str]) -> list[object]:
    """Give pytest one case for each part of each exercise, an exercise's all in one worker."""
    return [
        pytest.param(exercise, part, id=f"{exercise.id}-{name(part)}", marks=pytest.mark.xdist_group(exercise.id))
        for exercise in EXERCISES
        for part in parts(exercise)
    ]


def _label(part: object) -> str:
    assert isinstance(part, Mistake | Alternative)
    return re.sub(r"\W+", "-", f"task{part.task}-{part.name}").strip("-").lower()


every_exercise = pytest.mark.parametrize(
    "exercise",
    [pytest.param(exercise, id=exercise.id, marks=pytest.mark.xdist_group(exercise.id)) for exercise in EXERCISES],
)


def _type(live: LiveWorkspace, commands: str) -> str:
    """Run commands as a learner would in the sandboxed shell, at the top of the workspace."""
    done = live.sandbox.run(["bash", "-c", commands], live.place, limits=Limits(wall_seconds=120))
    assert not done.stopped, f"{done.stopped}\n{done.output}"
    return done.output


def _says_the_same_everywhere(live: LiveWorkspace, verdict: Verdict) -> None:
    """Hand the state in: each face gives, byte for byte, what `course check` and the checklist gave for it.

    The others are a worker's (`course grade`, `nbgrader autograde`), and the cells `grade(1)` in nbgrader's own kernel.
    """
    assert live.exercise is not None
    snapshot = live.snapshot()
    result = work(Job(live.exercise.id, key_of(live.exercise, snapshot), snapshot))
    assert result.verdict == verdict.to_json()

    beside = live.state / "handed-in"
    beside.mkdir()
    (beside / f"{live.exercise.id}.snapshot").write_bytes(snapshot)
    assert grade_submission(live.exercise, beside) == graded_of(live.exercise, result)


@cache
def _snapshots() -> dict[tuple[str, str], bytes]:
    return {}


def _after(begun: Begun, exercise: Exercise, commands: str) -> tuple[LiveWorkspace | None, bytes]:
    """Give the snapshot of the start plus these commands; typed once a worker."""
    known = _snapshots()
    key = (exercise.id, commands)
    live = None
    if key not in known:
        live = begun(exercise)
        _type(live, commands)
        known[key] = live.snapshot()
    return live, known[key]


@every_exercise
def test_untouched_start_earns_nothing_and_breaks_nothing(exercise: Exercise, begun: Begun) -> None:
    """Whoever has done nothing has no point, and sees no error of ours."""
    verdict = check_live(begun(exercise), submit=False)

    assert verdict.score == 0
    assert verdict.state == "failed", _troubles(verdict)


@every_exercise
def test_reference_answer_earns_everything(exercise: Exercise, begun: Begun) -> None:
    """The answers on the page, typed one after the other, bring about every task."""
    live = begun(exercise)
    said = "".join(_type(live, task.answer) for task in exercise.tasks)

    verdict = check_live(live, submit=False)

    assert verdict.state == "passed", verdict.to_json() + said + _troubles(verdict)
    assert exercise.points == verdict.score
    _says_the_same_everywhere(live, verdict)


@every_exercise
def test_tasks_do_not_depend_on_one_another(exercise: Exercise, begun: Begun) -> None:
    """Each task can be done alone, and doing it spoils and gives away no other."""
    for task in exercise.tasks:
        _, snapshot = _after(begun, exercise, task.answer)
        verdict = check_snapshot(snapshot)

        assert {task.number} == {one.task.number for one in verdict.tasks if one.state == "passed"}, verdict.to_json()


@pytest.mark.parametrize(("exercise", "alternative"), _each(lambda one: list(one.alternatives()), _label))
def test_alternative_earns_its_task(exercise: Exercise, alternative: Alternative, begun: Begun) -> None:
    """Another honest way to the same state gets the same points."""
    live = begun(exercise)
    said = _type(live, alternative.commands)

    whole = check_live(live, submit=False)
    verdict = whole.task(alternative.task)

    assert verdict.state == "passed", f"{[one.as_json() for one in verdict.outcomes]}\n{said}"
    _says_the_same_everywhere(live, whole)


def _ways(exercise: Exercise, tool: str) -> list[Alternative]:
    return [one for one in exercise.alternatives() if re.search(rf"\b{tool}\b", one.name)]


@pytest.mark.parametrize(
    ("exercise", "tool"),
    [
        pytest.param(exercise, tool, id=f"{exercise.id}-{tool}", marks=pytest.mark.xdist_group(exercise.id))
        for exercise in EXERCISES
        for tool in ("uv", "virtualenv")
        if _ways(exercise, tool)
    ],
)
def test_a_tool_chain_earns_everything(exercise: Exercise, tool: str, begun: Begun) -> None:
    """Who uses one tool wherever it serves comes to all points, too."""
    live = begun(exercise)
    said = ""
    for task in exercise.tasks:
        ways = [one for one in _ways(exercise, tool) if one.task == task.number]
        said += _type(live, ways[0].commands if ways else task.answer)

    assert check_live(live, submit=False).score == exercise.points, said


@pytest.mark.parametrize(("exercise", "mistake"), _each(lambda one: list(one.mistakes()), _label))
def test_mistake_is_caught_as_named(exercise: Exercise, mistake: Mistake, begun: Begun) -> None:
    """The first check to fail is the one that the mistake names, and its message says what was found."""
    live = begun(exercise)
    said = _type(live, mistake.commands)

    verdict = check_live(live, submit=False)
    failed = verdict.task(mistake.task).first_failed

    assert failed is not None, f"nothing caught it\n{said}"
    assert mistake.caught_by.name == failed.check.name, f"{failed.as_json()}\n{said}\n{failed.trouble}"
    assert failed.state == "failed", failed.trouble
    assert re.search(mistake.says, failed.found or ""), failed.found
    _says_the_same_everywhere(live, verdict)
    _shows_what_it_speaks_of(live, failed)


def _shows_what_it_speaks_of(live: LiveWorkspace, failed: Outcome) -> None:
    """Run the command that the learner is told to run: its output must show what the message is about."""
    command = re.search(r"\bRun `([^`]+)`", failed.next_step or "")
    assert command, f"the next step names no command: {failed.next_step}"
    assert failed.evidence, f"no evidence is named for: {failed.next_step}"
    output = _type(live, command.group(1))

    assert re.search(failed.evidence, output, re.MULTILINE), f"$ {command.group(1)}\n{output}"


@every_exercise
def test_first_messages_show_what_they_speak_of(exercise: Exercise, begun: Begun) -> None:
    """What a learner is told before having done anything can be followed too."""
    live = begun(exercise)
    for task in check_live(live, submit=False).tasks:
        for outcome in task.outcomes:
            if outcome.state == "failed":
                _shows_what_it_speaks_of(live, outcome)


@pytest.mark.timeout(900)  # every mistake of an exercise, one after the other, beside other tests
@every_exercise
def test_each_check_is_needed(exercise: Exercise, begun: Begun) -> None:
    """Without any one check some mistake would pass: none is decoration."""
    needed: set[Check] = set()
    for mistake in exercise.mistakes():
        _, snapshot = _after(begun, exercise, mistake.commands)
        tree = SnapshotTree.open(snapshot, index().known)
        for check in exercise.task(mistake.task).checks:
            rest = [one for one in exercise.checks if one != check]
            if evaluate(exercise, tree, checks=rest).task(mistake.task).state == "passed":
                needed.add(check)

    assert [check.name for check in exercise.checks if check not in needed] == []


@every_exercise
def test_snapshot_gives_the_same_verdict(
    exercise: Exercise, begun: Begun, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is submitted is judged, byte for byte, as it was in the learner's own folder."""
    live = begun(exercise)
    _type(live, exercise.tasks[0].answer)
    beside = tmp_path_factory.mktemp("submitted")
    live.submit_to = beside

    here = check_live(live)
    there = check_snapshot(beside / f"{exercise.id}.snapshot")

    assert here.to_json() == there.to_json()
    assert 0 < here.score < exercise.points


@every_exercise
def test_there_are_enough_mistakes_alternatives_and_hints(exercise: Exercise) -> None:
    """Each task has three mistakes, two alternatives and three hints, none of which gives the answer away."""
    for task in exercise.tasks:
        hints = [hint for check in task.checks for hint in check.hints]
        answer = {line.strip() for line in task.answer.splitlines() if len(line.strip()) > 12}

        assert sum(one.task == task.number for one in exercise.mistakes()) >= 3, task.title
        assert sum(one.task == task.number for one in exercise.alternatives()) >= 2, task.title
        assert len(hints) >= 3, task.title
        assert all(check.hints for check in task.checks), task.title
        assert not [hint for hint in hints for line in answer if line in hint], task.title


@every_exercise
def test_the_page_and_the_messages_keep_the_answer_to_themselves(exercise: Exercise) -> None:
    """No line of a reference answer stands in a task's text or in a check's line."""
    for task in exercise.tasks:
        told = task.text + "\n".join(check.says for check in task.checks)

        assert not [line for line in task.answer.splitlines() if len(line.strip()) > 12 and line.strip() in told]


@every_exercise
def test_a_checklist_line_is_one_line(exercise: Exercise) -> None:
    """A check's docstring is one sentence that fits into a checklist."""
    for check in exercise.checks:
        assert "\n" not in check.says, check.name
        assert check.says.endswith("."), check.name
        assert len(check.says) <= 120, check.name


def _troubles(verdict: Verdict) -> str:
    return "\n".join(one.trouble for task in verdict.tasks for one in task.outcomes if one.trouble)
