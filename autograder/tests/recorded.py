"""Completion records as learners hand them in, made from nothing but what they tell: for tests of those who read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from autograder.exercise import Exercise, find_exercises
from autograder.progress.envelope import seal
from autograder.verdict import Outcome, State, TaskVerdict, Verdict

__all__ = ["NOON", "record_of", "verdict_of"]

NOON = datetime(2031, 5, 17, 12, tzinfo=UTC)


def verdict_of(exercise: Exercise, done: int, found: str = "There is `nothing`.") -> Verdict:
    """Give a verdict in which the first tasks are done, and the first check of the next one failed."""

    def outcome(task: int, position: int) -> tuple[State, str | None]:
        if task <= done:
            return "passed", None
        return ("failed", found) if position == 0 else ("waiting", None)

    tasks = []
    for task in exercise.tasks:
        ends = [(one, *outcome(task.number, position)) for position, one in enumerate(task.checks)]
        tasks.append(
            TaskVerdict(
                task,
                tuple(
                    Outcome(one, state, text and "It is there.", text, text and "Run `ls` to see it.")
                    for one, state, text in ends
                ),
            )
        )
    return Verdict(exercise, tuple(tasks))


def history_of(exercise: Exercise, done: int, tries: int) -> bytes:
    """Give the history of somebody who did the first tasks, one every four minutes, and failed at the next so often."""
    lines: list[dict[str, object]] = [{"at": _written(NOON), "kind": "begun", "version": 1}]
    looks = [(reached, 0) for reached in range(done + 1)] + [(done, number + 1) for number in range(tries)]
    for number, (reached, failed) in enumerate(looks):
        tasks = {}
        for one in verdict_of(exercise, reached).tasks:
            mark = f"{failed:08}" if one.task.number == reached + 1 else "0" * 8
            states = {end.check.name: end.state for end in one.outcomes}
            tasks[str(one.task.number)] = {
                "checks": states,
                "found": {name: mark for name, state in states.items() if state == "failed"},
            }
        at = NOON + timedelta(minutes=4 * number + 1, days=exercise.number % 3)
        lines.append({"at": _written(at), "kind": "look", "score": reached, "tasks": tasks, "active": 200.0})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def record_of(
    name: str, reached: Mapping[int, int], *, tries: int = 3, found: str = "There is `nothing`.", snapshot: bytes = b""
) -> bytes:
    """Write the record of somebody who has done the first so many tasks of some exercises, by number."""
    parts: dict[str, bytes] = {}
    for exercise in find_exercises():
        if exercise.number in reached:
            done = reached[exercise.number]
            parts[f"{exercise.id}.snapshot"] = snapshot
            parts[f"{exercise.id}.verdict.json"] = verdict_of(exercise, done, found).to_json().encode()
            parts[f"{exercise.id}.history.jsonl"] = history_of(exercise, done, tries)
    facts = {"format": "wheelhouse-record", "version": 1, "course": "0.1.0", "learner": name}
    return seal({**facts, "made": NOON.isoformat(), "lessons": [1]}, parts)
