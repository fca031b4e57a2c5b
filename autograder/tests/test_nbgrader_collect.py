"""Tests of `autograder.nbgrader_collect`: the real command, real users, and all that learners can put into an exchange.

`docs/classroom.md` has the table, which `PYTHONPATH=.:tests python -m exchange.table --write` builds.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchange.attempt import ATTACKS, EXERCISE, Attack, hand_in, stamp
from exchange.room import HONEST
from exchange.table import PAGE, run, table, table_in
from proofs.hub_machine import why_not
from proofs.results import COURSE

pytestmark = [pytest.mark.promise, pytest.mark.slow, pytest.mark.xdist_group("exchange"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What came of a class in which every attacker handed in: one `nbgrader collect`, one more, and one with `--update`."""
    if why := why_not():
        pytest.skip(why)
    return run()


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.id) for one in ATTACKS])
def test_an_attack_gets_nothing_and_stops_nobody(found: dict[str, Any], attack: Attack) -> None:
    """Nothing is collected but the learner's own work, the others' is collected, and the list at the end says what was odd."""
    row = found["rows"][attack.id]
    assert row["harm"] == []
    assert row["counts"] in attack.counts.split("|")
    about = "\n".join(line for line in found["said"].splitlines() if f"  {attack.who}: " in line)
    assert re.search(attack.says, about), found["said"]


def test_the_list_at_the_end_is_a_line_each(found: dict[str, Any]) -> None:
    """No name or text of a learner's begins a line or steers a terminal, and nbgrader ends well."""
    assert found["status"] == 0
    lines = found["said"].splitlines()
    assert all(line.startswith("[CollectApp | ") for line in lines)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", found["said"])
    everybody = len(ATTACKS) + len(HONEST)
    assert f"{everybody} learners: {everybody} collected" in lines[-1]


def test_what_was_collected_stays_unless_there_is_something_newer(found: dict[str, Any]) -> None:
    """A second collect takes nothing, one with `--update` takes newer work: stock nbgrader's own rule."""
    status, said, _ = found["again"]
    assert status == 0
    assert "as before" in said.splitlines()[-1]
    assert not re.search(r"Collecting|Updating", said)
    status, said, _ = found["later"]
    assert status == 0
    assert f"Updating submission: {HONEST[0]}" in said
    assert f"No newer submission to collect: {HONEST[1]}" in said
    assert "newest work" in found["updated"]


def test_the_table_in_the_docs_is_that_of_the_corpus() -> None:
    """`python -m exchange.table --write` was run after the last change."""
    assert table_in(Path(PAGE).read_text()) == table()


class OwnCourse:
    """A course and an exchange of the user who tests, who is instructor and learner at once."""

    def __init__(self, place: Path) -> None:
        """Make them, below a folder of the test's."""
        self.me = pwd.getpwuid(os.getuid()).pw_name
        self.root, self.inbound = place / "course", place / "exchange/wheelhouse/inbound"
        self.inbound.mkdir(parents=True)
        (self.root / "notebooks").mkdir(parents=True)
        (self.root / ".grading").mkdir()
        shutil.copy(COURSE / "nbgrader_config.py", self.root)
        with (self.root / "nbgrader_config.py").open("a") as file:
            file.write(f"\nc.Exchange.root = {str(place / 'exchange')!r}\n")

    def nbgrader(self, *words: str) -> str:
        """Type an nbgrader command; give what it wrote."""
        command = [sys.executable, "-m", "nbgrader", *words]
        variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # it calls alembic
        done = subprocess.run(
            command, cwd=self.root, env=variables, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def submitted(self, learner: str = "", exercise: str = EXERCISE) -> Path:
        """Where a learner's work is collected to."""
        return self.root / ".grading/submitted" / (learner or self.me) / exercise


@pytest.fixture
def own(tmp_path: Path) -> OwnCourse:
    """A course of one."""
    return OwnCourse(tmp_path)


def test_before_duedate_takes_the_last_that_was_in_time(own: OwnCourse) -> None:
    """With a due date and `--before-duedate` late work waits, as in stock nbgrader, by the time that the file system knows."""
    hand_in(own.inbound, own.me, stamp(-30), "in time", tag="a")
    hand_in(own.inbound, own.me, stamp(60), "late", tag="b")
    hand_in(own.inbound, own.me, "2026-01-02 03:04:05.000000 UTC", "late, and says otherwise", tag="c")
    due = stamp(-10)
    own.nbgrader("db", "assignment", "add", EXERCISE, f"--duedate={due}")
    own.nbgrader("collect", EXERCISE, "--before-duedate")
    assert (own.submitted() / f"{EXERCISE}.snapshot").read_text() == "in time"
    own.nbgrader("collect", EXERCISE, "--update")
    assert (own.submitted() / f"{EXERCISE}.snapshot").read_text() == "late"


def test_without_an_owner_s_name_nothing_is_taken_unless_told(own: OwnCourse) -> None:
    """`check_owner` is nbgrader's own switch: on, another's name is refused; off, it is taken and said that anybody may be anybody."""
    hand_in(own.inbound, "somebody-else", stamp(), "work")
    said = own.nbgrader("collect", EXERCISE)
    assert "belongs to" in said
    assert not own.submitted("somebody-else").exists()
    said = own.nbgrader("collect", EXERCISE, "--ExchangeCollect.check_owner=False")
    assert "hand in under any name" in said
    assert (own.submitted("somebody-else") / f"{EXERCISE}.snapshot").read_text() == "work"


def test_another_s_assignment_is_collected_whole(own: OwnCourse) -> None:
    """An assignment that isn't of this course comes with all its regular files, but for what nbgrader's settings leave out; a link in it is refused."""
    folder = own.inbound / f"{own.me}+essay+{stamp()}+tag"
    (folder / "pictures").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    for name in ("essay.ipynb", "pictures/one.png", "__pycache__/x.pyc"):
        (folder / name).write_text(name)
    own.nbgrader("collect", "essay")
    place = own.submitted(exercise="essay")
    names = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert names == {"essay.ipynb", "pictures/one.png", "timestamp.txt", "submission_secret.txt"}
    later = own.inbound / f"{own.me}+essay+{stamp(60)}+tag"
    (later / "pictures").mkdir(parents=True)
    (later / "essay.ipynb").write_text("newer")
    (later / "pictures/two.png").symlink_to("/etc/hostname")
    said = own.nbgrader("collect", "essay", "--update")
    assert "`two.png` is a link, not a file" in said
    assert not (place / "pictures/two.png").exists()
    assert (place / "essay.ipynb").read_text() == "essay.ipynb"


def test_an_empty_exchange_is_said(own: OwnCourse) -> None:
    """Where nobody handed in, a sentence says so; where there is no exchange, another one."""
    assert "No submissions of" in own.nbgrader("collect", EXERCISE)
    assert json.dumps("refused") not in own.nbgrader("collect", EXERCISE)
    own.inbound.rmdir()
    command = [sys.executable, "-m", "nbgrader", "collect", EXERCISE]
    done = subprocess.run(command, cwd=own.root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert "can't be read: No such file" in done.stderr
    assert "Traceback" not in done.stderr
