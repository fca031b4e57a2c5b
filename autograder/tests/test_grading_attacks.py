"""Whatever is submitted gets the points that its state deserves, harms nobody, and is told so: attacks on the real pipeline.

`docs/grading.md` has the table, which `python -m attacks.table --write` builds (from the folder `tests`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from attacks.attack import ATTACKS, Attack
from attacks.classroom import EXERCISE, HONEST, Classroom, Seen
from attacks.table import PAGE, Row, run, table_of, tables_in

pytestmark = [pytest.mark.promise, pytest.mark.slow, pytest.mark.xdist_group("attacks"), pytest.mark.timeout(600)]

ROUNDS = float(os.environ.get("WHEELHOUSE_ROUNDS", "1"))
RUN = [one for one in ATTACKS if not one.root_only or os.getuid() == 0]
BY_NBGRADER = [one for one in RUN if ROUNDS > 1 or one.id[0] in "NGF"]
"""What a submitted folder and a notebook can do to nbgrader's own code; snapshots get the same verdict either way."""
POINTS = {"untouched": 0.0, "partial": 4.0, "full": 15.0, "full, later": 15.0}


class Came(NamedTuple):
    """What came of a run."""

    rows: dict[str, Row]
    leaks: list[str]
    status: int
    seen: dict[str, Seen]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """A course with a gradebook, honest learners and attackers."""
    made = Classroom(tmp_path_factory.mktemp("attacks") / "room")
    made.begin()
    yield made
    made.close()


def _came(room: Classroom, *command: str, attacks: list[Attack]) -> Came:
    rows, leaks, status = run(room, *command, attacks=attacks)
    return Came({row.attack.id: row for row in rows}, leaks, status, room.seen())


@pytest.fixture(scope="module")
def by_course(room: Classroom) -> Came:
    """The whole class, graded by `course grade`."""
    return _came(room, "course", "grade", EXERCISE, attacks=RUN)


@pytest.fixture(scope="module")
def by_nbgrader(room: Classroom, by_course: Came) -> Came:
    """The class again, graded by `nbgrader autograde` with the course's configuration; then feedback for all."""
    came = _came(room, "nbgrader", "autograde", EXERCISE, attacks=BY_NBGRADER)
    room.type("nbgrader", "generate_feedback", EXERCISE)
    return Came(came.rows, [*room.leaks()], came.status, came.seen)


def _judge(row: Row) -> None:
    assert not row.harm
    assert row.outcome in row.attack.outcome.split("|"), (row.seen, row.told)
    assert re.search(row.attack.says, row.told), row.told


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.id) for one in RUN])
def test_course_grade_gives_what_the_state_deserves(by_course: Came, attack: Attack) -> None:
    """No point more, no point of another's, and whoever can't be graded is left to a human with the reason."""
    _judge(by_course.rows[attack.id])


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.id) for one in BY_NBGRADER])
def test_nbgrader_gives_what_the_state_deserves(by_nbgrader: Came, attack: Attack) -> None:
    """The same through nbgrader's own command."""
    _judge(by_nbgrader.rows[attack.id])


def test_both_ways_leave_the_same_reports(by_course: Came, by_nbgrader: Came) -> None:
    """What a learner is told, expected, found and next step, is the same text whichever command graded it."""
    same = [one.id for one in BY_NBGRADER if "|" not in one.outcome]
    assert {name: by_nbgrader.rows[name].told for name in same} == {name: by_course.rows[name].told for name in same}


@pytest.mark.parametrize("came", ["by_course", "by_nbgrader"])
def test_nothing_came_out_and_nobody_else_was_harmed(came: str, request: pytest.FixtureRequest) -> None:
    """No secret, file, process or call came out, and honest learners, graded before or after, have their points."""
    found: Came = request.getfixturevalue(came)
    assert found.leaks == []
    for learner, whose in HONEST.items():
        assert found.seen[learner].points == POINTS[whose], learner
    assert all(not any(one.manual.values()) for one in found.seen.values())
    assert all(one.flagged.get("why") for one in found.seen.values())


def test_no_page_that_comes_back_runs_anything(room: Classroom, by_nbgrader: Came) -> None:
    """In the feedback what a learner wrote is text: no script, nothing loaded from elsewhere, nothing that steers a terminal."""
    from test_nbgrader_plugin import Loads

    for one in BY_NBGRADER:
        page = room.page(one.who)
        if page:
            assert Loads(page).found == [], one.id
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page), one.id


def test_the_corpus_is_as_large_as_was_promised() -> None:
    """The 34 that were tried on stock nbgrader, and more than twenty of our own; each with a name of its own."""
    names = [one.id for one in ATTACKS]
    assert len(names) == len(set(names)) == len({one.who for one in ATTACKS})
    assert sum(one.id.startswith("N") for one in ATTACKS) >= 34
    assert sum(not one.id.startswith("N") for one in ATTACKS) >= 20


def test_the_table_in_the_docs_is_that_of_the_run(by_course: Came) -> None:
    """`python -m attacks.table --write` was run after the last change."""
    if len(RUN) < len(ATTACKS):
        pytest.skip("only root can prepare all of them")
    assert tables_in(Path(PAGE).read_text()) == table_of(list(by_course.rows.values()))
