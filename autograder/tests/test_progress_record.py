"""Tests of `autograder.progress.record`: written, read, and graded again from its snapshots."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder import acting, folder, runner
from autograder.exceptions import UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.folder import sandbox
from autograder.progress.envelope import seal, unseal
from autograder.progress.record import Record, account_of, make_record, read_record, verify
from recorded import NOON, record_of, verdict_of

ROUNDS = int(float(os.environ.get("WHEELHOUSE_ROUNDS", "1")))
EXERCISE = find_exercise("01")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, pristine: Callable[[Exercise], Path]) -> Iterator[bytes]:
    """The record of somebody who has done the first task of one exercise."""
    place = tmp_path_factory.mktemp("recorded") / "labs"
    subprocess.run(["cp", "-a", pristine(EXERCISE), place], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(place))
        live = folder.open_workspace(EXERCISE)
        live.sandbox.run(["bash", "-c", EXERCISE.tasks[0].answer], live.place)
        runner.check_live(live, acting=False, submit=False)
        yield make_record("Zoë", NOON)
    folder.remove_tree(place)


def changed(whole: bytes, **parts: bytes) -> Record:
    """Give a record with other parts and a right digest, as somebody makes it who knows how."""
    envelope = unseal(whole)
    new = dict(envelope.parts)
    for kind, data in parts.items():
        new[f"{EXERCISE.id}.{kind.replace('_', '.')}"] = data
    return read_record(seal(envelope.facts, new))


def test_a_record_graded_again_is_equal(whole: bytes) -> None:
    """Somebody else's machine comes to the same verdict, byte for byte, from the snapshot alone."""
    record = read_record(whole)
    (one,) = verify(record)

    assert (record.who, record.made) == ("Zoë", NOON)
    assert (one.result, one.recorded) == ("equal", one.verdict and one.verdict.score)
    (step,) = account_of(record).begun
    assert step.tasks[0].state == "done"
    assert step.history.looks


def test_a_changed_byte_anywhere_is_refused(whole: bytes) -> None:
    """At any position: first line, what it says of itself, each snapshot, verdict and history."""
    envelope = unseal(whole)
    start = len(whole) - sum(map(len, envelope.parts.values()))
    chosen = random.Random(11)
    positions = [0, 19, 20, 83, 84, 85, start - 1]
    for part in envelope.parts.values():
        positions += [start, start + len(part) // 2, start + len(part) - 1]
        start += len(part)
    positions += [chosen.randrange(len(whole)) for _ in range(300 * ROUNDS)]
    for position in positions:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << chosen.randrange(8)
        with pytest.raises(UsageError, match="can't be used"):
            read_record(bytes(flipped))


def test_points_that_were_written_in_are_found_out(whole: bytes) -> None:
    """Who changes the verdict and writes another digest has a whole record, of which grading again says what isn't so."""
    best = verdict_of(EXERCISE, len(EXERCISE.tasks)).to_json().encode()
    record = changed(whole, verdict_json=best)
    (one,) = verify(record)

    assert account_of(record).points[0] == EXERCISE.points  # what it says
    assert one.result == "differs"
    assert one.recorded == EXERCISE.points
    assert one.verdict is not None
    assert one.verdict.score < EXERCISE.points
    assert "recorded as passed" in one.says
    assert account_of(record, fresh={EXERCISE.id: one.verdict}).points[0] == one.verdict.score


def test_another_text_in_a_verdict_is_found_out(whole: bytes) -> None:
    """Not only points: what was expected, found and advised must be what grading says."""
    told = json.loads(unseal(whole).parts[f"{EXERCISE.id}.verdict.json"])
    told["tasks"][1]["checks"][0]["found"] = "The grader is broken."
    text = json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    (one,) = verify(changed(whole, verdict_json=text.encode()))

    assert one.result == "differs"


@pytest.mark.parametrize("data", [b"", b"PK", b"\0" * 5000], ids=["empty", "two-letters", "zeros"])
def test_a_snapshot_that_is_none_is_refused_alone(whole: bytes, data: bytes) -> None:
    """One bad snapshot is said so in a sentence, and stops no other."""
    (one,) = verify(changed(whole, snapshot=data))

    assert one.result == "refused"
    assert one.says.endswith(".")


def test_a_snapshot_under_another_exercises_name_is_refused(whole: bytes) -> None:
    """Work at an easy exercise doesn't count for another."""
    envelope = unseal(whole)
    other = find_exercise("06").id
    parts = {name.replace(EXERCISE.id, other): part for name, part in envelope.parts.items()}
    (one,) = verify(read_record(seal(envelope.facts, parts)))

    assert one.result == "refused"
    assert EXERCISE.id in one.says


def test_below_strong_programs_run_only_if_allowed_in_words(whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same refusal as in grading: whoever verifies takes a stranger's programs."""
    monkeypatch.setattr(acting, "sandbox", lambda tier=None: sandbox("basic"))
    monkeypatch.setattr(runner, "recall", lambda one, kept: None)
    (one,) = verify(read_record(whole))

    assert one.result == "error"
    assert "--unsafe-basic" in one.says


def described(**facts: Any) -> bytes:
    """Write a record with other facts."""
    envelope = unseal(record_of("Ada", {1: 1}))
    return seal({**envelope.facts, **facts}, envelope.parts)


@pytest.mark.parametrize(
    "facts",
    [
        {"format": "other"},
        {"version": 0},
        {"version": True},
        {"learner": 5},
        {"learner": "x" * 2000},
        {"made": "yesterday"},
        {"made": "2031-13-41T00:00:00+00:00"},
        {"course": "<b>"},
        {"lessons": ["1"]},
        {"lessons": [True]},
        {"lessons": list(range(1, 99)) * 2},
    ],
    ids=[
        *("format", "version", "true", "number-for-a-name", "long-name", "no-time", "impossible-day", "markup"),
        *("text-lesson", "true-lesson", "many-lessons"),
    ],
)
def test_facts_of_another_kind_are_refused(facts: dict[str, Any]) -> None:
    """What a record says of itself has its form, or the record is none."""
    with pytest.raises(UsageError, match="can't be used"):
        read_record(described(**facts))


def test_a_newer_record_is_told_apart() -> None:
    """It isn't damaged: the course is old."""
    with pytest.raises(UsageError, match="newer course"):
        read_record(described(version=2))


def test_other_parts_than_a_record_has_are_refused() -> None:
    """A part too many, one that is missing, one of another name."""
    envelope = unseal(record_of("Ada", {1: 1}))
    kinds = [dict(envelope.parts), dict(envelope.parts), dict(envelope.parts)]
    kinds[0][f"{EXERCISE.id}.exe"] = b"x"
    kinds[1].pop(f"{EXERCISE.id}.snapshot")
    kinds[2]["readme"] = b"x"
    for parts in kinds:
        with pytest.raises(UsageError, match="can't be used"):
            read_record(seal(envelope.facts, parts))


def test_names_are_made_harmless() -> None:
    """A learner's name steers no terminal, and doesn't turn the direction of writing."""
    record = read_record(described(learner="Ada\x1b[2J\u202e\n<b>"))

    assert record.who == "Ada\N{REPLACEMENT CHARACTER}[2J" + "\N{REPLACEMENT CHARACTER}" * 2 + "<b>"


def test_a_verdict_that_is_none_breaks_nothing(whole: bytes) -> None:
    """Whatever stands in its place, the record can be shown, and grading again says what is so."""
    for text in (b"", b"[]", b"{}", b"\xff", b"[" * 50_000, b'{"format": "wheelhouse-verdict", "version": 1}'):
        record = changed(whole, verdict_json=text)
        (step,) = account_of(record).begun
        assert step.trouble == "its verdict can't be read"
    (one,) = verify(record)
    assert one.result == "differs"
    assert one.verdict is not None


def test_an_exercise_that_this_course_lacks_is_told() -> None:
    """A record of a company's own exercise is read for the rest of it."""
    envelope = unseal(record_of("Ada", {1: 1}))
    parts = {**envelope.parts, **{f"77-flying.{name.partition('.')[2]}": part for name, part in envelope.parts.items()}}
    record = read_record(seal(envelope.facts, parts))

    assert any("77-flying" in said for said in account_of(record).noticed)
    assert [one.result for one in verify(replace(record, parts={"77-flying": record.parts["77-flying"]}))] == [
        "refused"
    ]


def test_nothing_begun_is_nothing_to_record(labs: Path) -> None:
    """It is said so, with the next step."""
    with pytest.raises(UsageError, match="Nothing is begun"):
        make_record()
