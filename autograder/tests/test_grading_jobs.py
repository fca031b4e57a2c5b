"""Tests of `autograder.grading.jobs`: what travels to workers and back."""

from __future__ import annotations

import json
import pickle

import pytest

from autograder.exercise import find_exercise
from autograder.grading import Job, Result, key_of

EXERCISE = find_exercise("01")


def test_a_job_survives_pickle_and_json() -> None:
    """Whatever carries a job, the worker gets the one that was sent."""
    job = Job(EXERCISE.id, key_of(EXERCISE, b"\x00\xff"), b"\x00\xff", "medium")
    assert pickle.loads(pickle.dumps(job)) == job
    assert Job.from_json(json.loads(json.dumps(job.as_json()))) == job


@pytest.mark.parametrize(
    "result",
    [
        Result("k", verdict="{}\n", seconds=1.5, worker="w"),
        Result("k", error="It broke.", ours=True, trouble="Traceback…"),
    ],
    ids=["verdict", "error"],
)
def test_a_result_survives_pickle_and_json(result: Result) -> None:
    """Whatever carries a result, the one who asked gets the one that was given."""
    assert pickle.loads(pickle.dumps(result)) == result
    assert Result.from_json(json.loads(json.dumps(result.as_json()))) == result


@pytest.mark.parametrize(
    "change",
    [{"key": 3}, {"verdict": None}, {"verdict": "x"}, {"error": ""}, {"seconds": "1"}, {"worker": []}, {"trouble": 1}],
    ids=lambda change: next(iter(change)) + str(next(iter(change.values()))),
)
def test_what_is_no_result_is_refused(change: dict[str, object]) -> None:
    """A worker's answer is a stranger's until read: wrong kinds, or a verdict together with an error, are no result."""
    record = Result("k", error="It broke.").as_json() | change
    with pytest.raises((ValueError, TypeError, KeyError)):
        Result.from_json(record)


@pytest.mark.parametrize("record", [None, 3, "x", [], {}], ids=str)
def test_what_is_no_record_is_refused(record: object) -> None:
    """JSON of another shape is no result."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        Result.from_json(record)


def test_equal_work_has_one_key() -> None:
    """The key depends on what was handed in, for what, and under which risk; on nothing else that differs between learners."""
    other = find_exercise("03")
    keys = [
        key_of(EXERCISE, b"a"),
        key_of(EXERCISE, b"b"),
        key_of(other, b"a"),
        key_of(EXERCISE, b"a", "medium"),
        key_of(EXERCISE, b"a", "basic"),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of(EXERCISE, b"a") == keys[0]
