"""Tests of `autograder.grading.copying`: what submissions have in common that few others have."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from traitlets.config import Config

from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace, index
from autograder.grading.classroom import Classroom
from autograder.grading.copying import FEWEST, Likeness, compare, compare_class, equal_states
from autograder.index.journal import Event, Journal

EXERCISE = find_exercise("01")
STUDENTS = ("ada", "bob", "cem", "dia", "eve", "fay")
ESSAY = """def {name}(orders):
    # whoever orders three teas gets the fourth for nothing, unless the fourth is the dearest of them all
    free = [order for number, order in enumerate(sorted(orders)) if number % 4 == 3]
    paid = sum(orders) - sum(free)
    print("to be paid at the till:", paid, "and free of charge:", len(free))
    return paid
"""
OWN = (
    "{0} wrote this note about {0}'s own way, which nobody else has, on day {0} of week {0}: {0} likes it, {0} does.\n"
)


@pytest.fixture
def live(begun: Callable[[Exercise], LiveWorkspace]) -> LiveWorkspace:
    """A workspace as begun, which plays every learner's in turn."""
    return begun(EXERCISE)


@pytest.fixture
def handed_in(live: LiveWorkspace) -> Callable[[dict[str, dict[str, str]]], dict[str, bytes]]:
    """Snapshots of a class: every learner with a note of their own, and the files that are given for them."""

    def give(files: dict[str, dict[str, str]]) -> dict[str, bytes]:
        found = {}
        for student in STUDENTS:
            written = {"note.txt": OWN.format(student), **files.get(student, {})}
            for name, text in written.items():
                (live.project / name).write_text(text, "utf-8")
            found[student] = live.snapshot()
            for name in written:
                (live.project / name).unlink()
        return found

    return give


def likenesses(class_: dict[str, bytes]) -> list[Likeness]:
    """Compare a class."""
    return compare(class_.items(), EXERCISE, index().known)


def test_a_text_is_known_again_in_another_file_with_another_name(
    handed_in: Callable[[dict[str, dict[str, str]]], dict[str, bytes]],
) -> None:
    """Two learners with one text, of which one changed a name and the file's name, are listed; nobody else is."""
    own = {"bob": {"sums.py": ESSAY.format(name="paid_for")}, "eve": {"till_sums.py": ESSAY.format(name="evening")}}
    (one,) = likenesses(handed_in(own))
    assert one.students == ("bob", "eve")
    assert one.sequences > 50
    assert 0.5 < one.share < 1
    assert "bob and eve: " in one.as_sentence


def test_equal_files_are_named(handed_in: Callable[[dict[str, dict[str, str]]], dict[str, bytes]]) -> None:
    """Two learners with one file of their own see it named, as the first of them calls it."""
    text = ESSAY.format(name="paid_for")
    (one,) = likenesses(handed_in({"cem": {"a.py": text}, "fay": {"b.py": text}}))
    assert (one.students, one.files) == (("cem", "fay"), ("a.py",))


def test_what_many_have_counts_for_nothing(
    handed_in: Callable[[dict[str, dict[str, str]]], dict[str, bytes]],
) -> None:
    """What half the class wrote, a slide of the lecture say, makes nobody alike; nor does the start, or a reference answer."""
    lecture = {name: {"lecture.py": ESSAY.format(name="shown")} for name in STUDENTS[:3]}
    assert likenesses(handed_in(lecture)) == []
    answer = {name: {"answer.sh": EXERCISE.tasks[0].answer} for name in STUDENTS[:2]}
    assert likenesses(handed_in(answer)) == []


def test_one_commit_in_two_repositories_is_no_chance(live: LiveWorkspace) -> None:
    """A commit holds its author and its second: two learners who have the same one did not make it both."""

    def commit(day: int) -> None:
        date = f"2026-11-{day:02} 10:00:00 +0000"
        script = (
            "rm -rf work && git init --quiet work && cd work && echo tea > tea.txt && git add . && "
            "git -c user.name=A -c user.email=a@shop.example commit --quiet -m tea"
        )
        environment = {
            "PATH": "/usr/bin:/bin",
            "GIT_COMMITTER_DATE": date,
            "GIT_AUTHOR_DATE": date,
            "HOME": "/nonexistent",
        }
        subprocess.run(["sh", "-c", script], cwd=live.project, env=environment, check=True)

    class_ = {}
    for day, student in enumerate(STUDENTS, 1):
        commit(1 if student == "dia" else day)
        class_[student] = live.snapshot()
    (one,) = likenesses(class_)
    assert one.students == ("ada", "dia")
    assert one.marks[0].startswith("the same git commit ")


def test_one_upload_in_two_journals_is_no_chance(live: LiveWorkspace) -> None:
    """The moment of an upload is known to the microsecond: a journal that was passed on is seen by it."""
    class_ = {}
    for number, student in enumerate(STUDENTS):
        published = live.state / "published"
        subprocess.run(["rm", "-rf", published], check=True)
        when = f"2026-11-21T10:00:00.{0 if student == 'eve' else number:06}Z"
        journal = Journal(published)
        journal.append(
            Event(site="testpypi", kind="upload", when=when, project="tea", version="1.0", filename="tea-1.0.tar.gz")
        )
        class_[student] = live.snapshot()
    (one,) = likenesses(class_)
    assert (one.students, one.share) == (("ada", "eve"), 0.0)
    assert one.marks == ("the same upload of tea-1.0.tar.gz at 2026-11-21T10:00:00.000000Z",)


def test_among_few_nothing_is_rare(handed_in: Callable[[dict[str, dict[str, str]]], dict[str, bytes]]) -> None:
    """Of fewer than five submissions nothing is said, whatever they share."""
    text = ESSAY.format(name="paid_for")
    class_ = handed_in({name: {"a.py": text} for name in STUDENTS[:2]})
    few = dict(list(class_.items())[: FEWEST - 1])
    assert likenesses(few) == []


def test_a_damaged_snapshot_is_like_no_other(
    handed_in: Callable[[dict[str, dict[str, str]]], dict[str, bytes]],
) -> None:
    """What can't be read stops nobody's comparison, and makes no pair."""
    text = ESSAY.format(name="paid_for")
    class_ = handed_in({name: {"a.py": text} for name in STUDENTS[:2]})
    class_ |= {"gus": b"garbage", "hal": b"garbage"}
    assert [one.students for one in likenesses(class_)] == [("ada", "bob")]


def test_a_class_is_compared(
    handed_in: Callable[[dict[str, dict[str, str]]], dict[str, bytes]], tmp_path: Path
) -> None:
    """What was handed in goes through the gate, equal states and likenesses are told, and what is refused is left out."""
    classroom = Classroom(tmp_path, Config())
    text = ESSAY.format(name="paid_for")
    class_ = handed_in({"bob": {"sums.py": text}, "eve": {"sums.py": text + "# mine\n"}})
    class_["gus"] = class_["ada"]
    for student, data in class_.items():
        place = classroom.submitted(student, EXERCISE.id)
        place.mkdir(parents=True)
        (place / f"{EXERCISE.id}.snapshot").write_bytes(data)
    linked = classroom.submitted("hal", EXERCISE.id)
    linked.mkdir(parents=True)
    (linked / f"{EXERCISE.id}.snapshot").symlink_to(classroom.submitted("ada", EXERCISE.id) / f"{EXERCISE.id}.snapshot")
    found = compare_class(classroom, EXERCISE, classroom.students(EXERCISE.id), index().known)
    assert (found.students, found.equal) == (7, [("ada", "gus")])
    assert ("bob", "eve") in [one.students for one in found.alike]
    assert "no accusations" in found.as_text
    assert "  ada, gus\n" in found.as_text
    assert json.loads(json.dumps(found.as_json()))["equal"] == [["ada", "gus"]]


def test_equal_states_are_grouped() -> None:
    """Learners whose snapshots hash alike stand together, the largest group first; who is alone isn't listed."""
    digests = {"ada": "1", "bob": "2", "cem": "1", "dia": "3", "eve": "2", "fay": "1"}
    assert equal_states(digests) == [("ada", "cem", "fay"), ("bob", "eve")]


def test_nothing_of_a_snapshot_is_run(
    handed_in: Callable[[dict[str, dict[str, str]]], dict[str, bytes]], tmp_path: Path
) -> None:
    """Code in a submission is compared as text."""
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n" + ESSAY.format(name="trap")
    class_ = handed_in({name: {"conftest.py": trap, "setup.py": trap} for name in STUDENTS[:2]})
    assert likenesses(class_)[0].students == ("ada", "bob")
    assert not (tmp_path / "sprung").exists()
