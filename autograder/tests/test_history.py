"""Tests of `autograder.history`: what became of a workspace over time."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autograder import folder, history, runner
from autograder.changes import Observer
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.history import History, writing
from autograder.verdict import Outcome, State, Verdict

Begun = Callable[[Exercise], LiveWorkspace]

NOON = datetime(2031, 5, 17, 12, tzinfo=UTC)


def solve(live: LiveWorkspace, *tasks: int) -> None:
    """Type the reference answers of some tasks."""
    assert live.exercise is not None
    for number in tasks:
        live.sandbox.run(["bash", "-c", live.exercise.task(number).answer], live.place)


def looked(live: LiveWorkspace) -> Verdict:
    """Look without noting anything."""
    return runner.check_snapshot(live.snapshot(), acting=False, tier=live.tier, trusted=True)


def quick(live: LiveWorkspace) -> Verdict:
    """Check as the checklist does, with only the checks that read."""
    return runner.check_live(live, acting=False, submit=False)


@pytest.fixture
def live(begun: Begun) -> LiveWorkspace:
    """A workspace that was begun and never looked at."""
    one = begun(find_exercise("06"))
    (one.state / history.NAME).unlink(missing_ok=True)
    return one


def lines(live: LiveWorkspace) -> list[dict[str, object]]:
    """Give the lines of the file."""
    return [json.loads(line) for line in (live.state / history.NAME).read_text("ascii").splitlines()]


def test_a_check_notes_what_it_found(live: LiveWorkspace) -> None:
    """The untouched start is no try; a task that is then there was tried once, and is done."""
    quick(live)
    solve(live, 1)
    verdict = quick(live)
    found = history.read(live.state)

    assert [look.score for look in found.looks] == [0, verdict.score]
    assert found.attempts == 1
    assert (found.task(1).tries, found.task(1).failed_looks) == (1, 0)
    assert found.task(1).done_at == found.looks[-1].at
    assert found.looks[-1].passed(1)
    assert found.task(2).first_try is None


def test_the_same_verdict_is_noted_once(live: LiveWorkspace) -> None:
    """Looking again and again writes nothing, also from another process, whose memory is empty."""
    verdict = looked(live)
    for seconds in range(50):
        history.note(live, verdict, NOON + timedelta(seconds=seconds))
        writing._noted.clear()

    assert [line["kind"] for line in lines(live)] == ["begun", "look"]


def test_work_that_reaches_nothing_counts_as_time(live: LiveWorkspace) -> None:
    """Who changes things for ten minutes without another verdict has worked ten minutes; a pause of five or more has not been work."""
    verdict = looked(live)
    for minute in [*range(11), 60, 61]:
        (live.project / "notes.txt").write_text("." * minute)
        history.note(live, verdict, NOON + timedelta(minutes=minute))
    found = history.read(live.state)

    assert found.active_seconds == pytest.approx(11 * 60)
    assert found.attempts == 0
    assert found.task(1).active_seconds == pytest.approx(11 * 60)  # the first undone one


def test_asking_how_far_one_is_is_no_work(live: LiveWorkspace) -> None:
    """Looking at an unchanged workspace every minute, as a list or a report does, adds no time."""
    verdict = looked(live)
    for minute in range(20):
        writing._noted.clear()
        history.note(live, verdict, NOON + timedelta(minutes=minute))

    assert [line["kind"] for line in lines(live)] == ["begun", "look"]
    assert history.read(live.state).active_seconds == 0


def test_commands_between_two_looks_are_counted_and_are_work(live: LiveWorkspace) -> None:
    """A learner who types commands which change nothing for a while is at work; each command counts once."""
    quick(live)
    observer = Observer(live, "terminal")
    for number in range(3):
        began = time.time()
        time.sleep(0.1)  # which is what times are noted to
        observer.note(f"echo {number}", 0, began, time.time())
    counted = []
    for text in ("one", "two"):
        (live.project / "labels/.venv").write_text(text)
        history.note_hint(live, 1, "some_check", 1)
        counted.append(history.read(live.state).commands)

    assert counted == [3, 3]
    assert history.read(live.state).active_seconds > 0


def ended(verdict: Verdict, **states: State) -> Verdict:
    """Give a verdict in which some checks ended otherwise."""
    return replace(
        verdict,
        tasks=tuple(
            replace(
                task,
                outcomes=tuple(
                    Outcome(
                        one.check, states[one.check.name], found="so" if states[one.check.name] == "failed" else None
                    )
                    if one.check.name in states
                    else one
                    for one in task.outcomes
                ),
            )
            for task in verdict.tasks
        ),
    )


def test_what_was_not_run_now_is_remembered(live: LiveWorkspace) -> None:
    """A check that runs something counts as it ended last; that it was not run now is neither a try nor a loss."""
    untouched = looked(live)
    task = untouched.tasks[1]
    first, second = task.outcomes[0].check, next(one.check for one in task.outcomes if one.check.acts)
    states: list[dict[str, State]] = [
        {first.name: "passed", second.name: "failed"},
        {first.name: "passed", second.name: "waiting"},
        {first.name: "passed", second.name: "passed"},
        {first.name: "passed", second.name: "waiting"},
        {first.name: "failed", second.name: "waiting"},
    ]
    for minute, one in enumerate([{}, *states]):
        history.note(live, ended(untouched, **one), NOON + timedelta(minutes=minute))
    found = history.read(live.state)

    noted = [look.tasks[2][second.name] for look in found.looks]
    assert noted == ["waiting", "failed", "passed", "waiting"]
    assert found.attempts == 3
    assert found.task(2).failed_checks[second.name] == 1
    assert found.task(2).failed_looks == 2


def test_each_failure_that_differs_is_a_failed_look(live: LiveWorkspace) -> None:
    """Two wrong ways to do one task are two failed looks at it, and none at the others; the right one ends it."""
    quick(live)
    wrong = live.project / "labels/.venv"
    wrong.write_text("no environment")
    quick(live)
    wrong.unlink()
    live.sandbox.run(["python3", "-m", "venv", "--without-pip", "labels/.venv"], live.place)
    quick(live)
    found = history.read(live.state)
    tried = [number for number, one in found.tasks.items() if one.failed_looks]

    assert len(tried) == 1
    assert found.task(tried[0]).failed_looks >= 2
    assert found.task(tried[0]).done_at is None
    assert max(found.task(tried[0]).failed_checks.values()) == found.task(tried[0]).failed_looks


def test_hints_answers_and_resets_are_noted(live: LiveWorkspace) -> None:
    """They stand with their task; the history outlives a reset."""
    exercise = live.exercise
    assert exercise is not None
    runner.next_hint(live, 2)
    runner.next_hint(live, 2)
    history.note_answer(live, 3)
    quick(live)
    again = folder.reset(exercise)
    history.note_reset(again)
    quick(again)
    found = history.read(again.state)

    assert (found.hints, found.resets) == (2, 1)
    assert (found.task(2).hints, found.task(2).answer_shown) == (2, False)
    assert (found.task(3).hints, found.task(3).answer_shown) == (0, True)
    assert found.attempts == 0


def test_a_half_written_line_is_ignored_and_ended(live: LiveWorkspace) -> None:
    """Whoever is killed while writing loses that line only, at whatever byte it was."""
    verdict = looked(live)
    file = live.state / history.NAME
    history.note(live, verdict, NOON)
    whole = file.read_bytes()
    start = whole.index(b"\n") + 1
    for cut in sorted(random.Random(7).sample(range(start, len(whole)), 20)):
        file.write_bytes(whole[:cut])
        writing._noted.clear()
        assert history.read(live.state).looks == ()
        history.note(live, verdict, NOON + timedelta(seconds=1))
        assert len(history.read(live.state).looks) == 1


def _note_often(live: LiveWorkspace, verdicts: list[str], start: int) -> None:
    for number in range(start, start + 20):
        history.note_hint(live, 1 + number % 3, "some_check", 1, NOON + timedelta(seconds=number))


def test_several_processes_lose_nothing(live: LiveWorkspace) -> None:
    """Terminal, notebook and checklist note at once; each line is whole."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_note_often, args=(live, [], 20 * number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert history.read(live.state).hints == 80
    assert len(lines(live)) == 81


def test_its_size_is_bounded_and_what_is_reached_is_still_noted(
    live: LiveWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the file is full, only a check that passes for the first time is worth a line."""
    monkeypatch.setattr(writing, "MOST_BYTES", 2000)
    quick(live)
    for number in range(100):
        history.note_hint(live, 1, "some_check", number, NOON + timedelta(seconds=number))
    full = (live.state / history.NAME).stat().st_size
    (live.project / "labels/.venv").write_text("wrong")
    quick(live)
    (live.project / "labels/.venv").unlink()
    still = (live.state / history.NAME).stat().st_size
    solve(live, 1)
    quick(live)

    assert full < 2500
    assert still == full
    assert b'"passed"' in (live.state / history.NAME).read_bytes()[full:]


def test_what_cannot_be_written_is_not_noted(live: LiveWorkspace) -> None:
    """A history is never worth a check."""
    (live.state / history.NAME).mkdir()

    assert runner.check_live(live).score == 0
    assert history.read(live.state) == History()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n\n\n",
        b"not json\n",
        b"[" * 100_000 + b"\n",
        b'{"at": 5, "kind": "look"}\n',
        b'{"at": "2031-13-45T12:00:00Z", "kind": "look"}\n',
        b'{"at": "2031-05-17T12:00:00Z", "kind": "look", "tasks": {"1": {"checks": {"<b>": "passed"}, "found": {}}}}\n',
        b'{"at": "2031-05-17T12:00:00Z", "kind": "look", "tasks": {"0": {"checks": {}, "found": {}}}}\n',
        b'{"at": "2031-05-17T12:00:00Z", "kind": "look", "tasks": {"1": {"checks": {"a": "good"}, "found": {}}}}\n',
        b'{"at": "2031-05-17T12:00:00Z", "kind": "hint", "task": true}\n',
        b'{"at": "2031-05-17T12:00:00Z", "kind": "hint", "task": 1e400, "active": -5, "commands": NaN}\n',
        b"\xff\xfe\0\n",
    ],
    ids=[
        *("empty", "blank-lines", "no-json", "deep", "number-for-time", "impossible-day"),
        *("markup-for-a-check", "task-zero", "unknown-state", "true-for-a-task", "infinite", "no-text"),
    ],
)
def test_a_strangers_history_breaks_nothing(text: bytes) -> None:
    """What isn't as it should be is left out: it may come from a stranger."""
    found = history.parse(text)

    assert (found.looks, found.hints, found.commands, found.active_seconds) == ((), 0, 0, 0.0)


def test_claimed_time_is_bounded_by_the_clock() -> None:
    """Nobody has worked for longer between two moments than lies between them."""
    told = [
        {"at": "2031-05-17T12:00:00Z", "kind": "begun"},
        {"at": "2031-05-17T12:00:10Z", "kind": "same", "active": 9e8},
        {"at": "2031-05-17T11:00:00Z", "kind": "same", "active": 50},
    ]
    found = history.parse("".join(json.dumps(line) + "\n" for line in told).encode())

    assert found.active_seconds == 10


def test_reading_takes_no_link(tmp_path: Path) -> None:
    """A link in its place isn't followed."""
    (tmp_path / "elsewhere").write_bytes(b'{"at": "2031-05-17T12:00:00Z", "kind": "reset"}\n')
    (tmp_path / history.NAME).symlink_to("elsewhere")

    assert history.read(tmp_path) == History()
