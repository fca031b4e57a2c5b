"""Tests of `course grade`: a real class, nbgrader's real gradebook, real workers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from autograder import folder
from autograder.cli import main
from autograder.exercise import find_exercise
from autograder.grading import Result, batch, gradebook
from autograder.grading.aside import stamp_of
from autograder.grading.jobs import key_of
from autograder.places import cache
from autograder.runner import check_snapshot
from autograder.sandbox import Limits, choose
from autograder.snapshot import pack

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nbgrader")]

EXERCISE = find_exercise("01")
NAME = EXERCISE.id
COURSE = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("WHEELHOUSE_ROUNDS", "1"))
RECEIVED = "2026-11-20 10:00:00.500000 UTC"

ROWS = """
select s.student_id, s.timestamp, n.late_submission_penalty, b.name, g.auto_score, g.manual_score, g.needs_manual_grade
from submitted_assignment s join submitted_notebook n on n.assignment_id = s.id
join grade g on g.notebook_id = n.id join base_cell b on b.id = g.cell_id order by s.student_id, b.name
"""
COMMENTS = """
select s.student_id, b.name, c.auto_comment, c.manual_comment from submitted_assignment s
join submitted_notebook n on n.assignment_id = s.id join comment c on c.notebook_id = n.id
join base_cell b on b.id = c.cell_id order by s.student_id, b.name
"""


class Class:
    """One class's folder, as an instructor has it."""

    def __init__(self, root: Path) -> None:
        """Look at it."""
        self.root = root
        self.grading = root / ".grading"

    def hand_in(self, learner: str, snapshot: bytes | None, stamp: str = RECEIVED) -> Path:
        """Submit the released notebook with a snapshot, perhaps none, and the time that nbgrader adds."""
        place = self.grading / "submitted" / learner / NAME
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.root / "exercises" / NAME / f"{NAME}.ipynb", place)
        (place / "timestamp.txt").write_text(stamp)
        if snapshot is not None:
            (place / f"{NAME}.snapshot").write_bytes(snapshot)
        return place

    @contextlib.contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The gradebook as a database; what is done to it is kept."""
        with contextlib.closing(sqlite3.connect(self.grading / "gradebook.db", timeout=30)) as database:
            yield database
            database.commit()

    def everything(self) -> tuple[list[Any], list[Any], dict[str, bytes]]:
        """All that grading leaves: rows, comments, and the files which formgrader shows."""
        with self.database() as database:
            rows, comments = database.execute(ROWS).fetchall(), database.execute(COMMENTS).fetchall()
        place = self.grading / "autograded"
        files = {f"{path.relative_to(place)}": path.read_bytes() for path in place.rglob("*") if path.is_file()}
        return rows, comments, files

    def scores(self, learner: str) -> list[float | None]:
        """What one learner has, task by task."""
        return [row[4] for row in self.everything()[0] if row[0] == learner]

    def run(self, *words: str, wait: bool = True) -> subprocess.Popen[str]:
        """Type a command of this environment in the folder."""
        bin_folder = Path(sys.executable).parent
        scratch = self.root / "tmp"  # what a killed run leaves goes with the test
        scratch.mkdir(exist_ok=True)
        run = subprocess.Popen(
            [bin_folder / words[0], *words[1:]],
            cwd=self.root,
            env={
                "PATH": f"{bin_folder}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.root),
                "TMPDIR": str(scratch),
                "WHEELHOUSE_CACHE": str(cache()),
                "WHEELHOUSE_LABS": str(self.root / "labs"),
                "PYTHONWARNINGS": "ignore",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if wait:
            said, _ = run.communicate(timeout=240)
            run.stdout = None
            assert run.returncode in (0, 1), said
        return run


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """What learners hand in who did nothing, the first task, all."""
    place = tmp_path_factory.mktemp("labs")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(place))
        live = folder.begin(EXERCISE)
        for task in (None, *EXERCISE.tasks):
            if task is not None:
                live.sandbox.run(["bash", "-c", task.answer], live.place, limits=Limits(wall_seconds=120))
            made[f"{task.number if task else 0}"] = pack(live.tree, live.facts, folder.index().known, exercise=NAME)
    made["all"] = made[f"{len(EXERCISE.tasks)}"]
    yield made
    folder.remove_tree(place)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, snapshots: dict[str, bytes]) -> Path:
    """A class in which one learner was graded: so the exercise is in the gradebook, and some results are kept."""
    root = tmp_path_factory.mktemp("class") / "course"
    for step in ("solutions", "exercises"):
        shutil.copytree(COURSE / step / NAME, root / step / NAME)
    shutil.copy(COURSE / "nbgrader_config.py", root)
    one = Class(root)
    (one.grading / "submitted").mkdir(parents=True)
    one.hand_in("ada", snapshots["all"])
    said, _ = one.run("course", "grade", "01", wait=False).communicate(timeout=240)
    assert "put there from its source" in said
    assert one.scores("ada") == [float(task.points) for task in EXERCISE.tasks], said
    return root


@pytest.fixture
def school(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Class:
    """A class of the test's own, in whose folder one is."""
    root = tmp_path / "course"
    shutil.copytree(released, root)
    monkeypatch.chdir(root)
    return Class(root)


@pytest.fixture
def grade(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """`course grade 01` with options, in this process: its exit status, and what it printed."""

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["grade", "01", *words])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


Grade = Callable[..., tuple[int, str]]


def record_in(said: str) -> dict[str, Any]:
    """The JSON in what was printed."""
    found: dict[str, Any] = json.JSONDecoder().raw_decode(said[said.index("{") :])[0]
    return found


def twin(school: Class, name: str) -> Class:
    """A copy of the class; without the one whose time is that at which their files came here, which a copy changes."""
    shutil.rmtree(school.grading / "submitted" / "odd-time")
    shutil.copytree(school.root, school.root.parent / name, symlinks=True)
    return Class(school.root.parent / name)


@pytest.fixture
def full_class(school: Class, snapshots: dict[str, bytes]) -> Class:
    """One learner of each kind: more and less done, copied, damaged, nothing, a link, an odd time, strangers' files."""
    for number in range(3):
        school.hand_in(f"did-{number}", snapshots[f"{number}"])
    school.hand_in("did-2-too", snapshots["2"])
    school.hand_in("damaged", b"PK" * 100)
    school.hand_in("nothing", None)
    school.hand_in("odd-time", snapshots["all"], "on friday\x1b[31m")
    place = school.hand_in("linked", None)
    (place / f"{NAME}.snapshot").symlink_to(school.grading / "submitted" / "ada" / NAME / f"{NAME}.snapshot")
    place = school.hand_in("litter", snapshots["1"])
    (place / "notes.txt").write_text("mine")
    (place / "deep").mkdir()
    (place / "deep" / "link").symlink_to("/etc/passwd")
    (place / "submission_secret.txt").write_text("abc")
    (place / f"{NAME}.ipynb").write_bytes(b"no notebook")
    return school


def test_a_class_is_graded(
    full_class: Class, snapshots: dict[str, bytes], grade: Grade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each learner has the points of their state; what can't be graded waits for a human; a table says so; and once is enough."""
    status, said = grade()
    assert status == 1
    for number in range(3):
        verdict = check_snapshot(snapshots[f"{number}"])
        assert full_class.scores(f"did-{number}") == [float(one.score) for one in verdict.tasks]
        assert re.search(rf"^did-{number} +{verdict.score} +{EXERCISE.points}$", said, re.MULTILINE)
    assert full_class.scores("did-2-too") == full_class.scores("did-2")
    assert full_class.scores("litter") == full_class.scores("did-1")
    assert full_class.scores("odd-time") == full_class.scores("ada")
    none = [None] * len(EXERCISE.tasks)
    assert full_class.scores("damaged") == full_class.scores("linked") == none
    assert full_class.scores("nothing") == [0.0] * len(EXERCISE.tasks)
    assert re.search(r"^damaged +- .*a human must look: The snapshot can't be graded", said, re.MULTILINE)
    assert re.search(r"^linked +- .*was submitted as a link", said, re.MULTILINE)
    assert re.search(r"^nothing +0 .*Nothing was submitted", said, re.MULTILINE)
    assert "10 submissions, 7 graded, 1 without a snapshot, 2 for a human to look at." in said
    assert "9 written, 1 as they should be" in said
    assert "\x1b" not in said
    before = full_class.everything()
    assert all(row[6] == (row[4] is None) for row in before[0])
    monkeypatch.setattr(subprocess, "Popen", None)  # a second run starts no worker and writes nothing
    status, said = grade("--yes")
    assert status == 1
    assert "0 written, 10 as they should be" in said
    assert "0 different snapshots graded" in said
    assert full_class.everything() == before


def test_equal_snapshots_are_graded_once(school: Class, snapshots: dict[str, bytes], grade: Grade) -> None:
    """Whoever hands in the same state, it is looked at once, in this run and in all later ones."""
    learners = [f"copy-{number}" for number in range(5)] + [f"other-{number}" for number in range(3)]
    for learner in learners:
        school.hand_in(learner, snapshots["1" if learner.startswith("copy") else "0"])
    status, said = grade("--json", "--students", *learners)
    record = record_in(said)
    assert (status, record["graded"]) == (0, 2)
    assert len(record["submissions"]) == 8
    assert len({one["key"] for one in record["submissions"]}) == 2
    school.hand_in("late-copy", snapshots["1"])
    assert record_in(grade("--json", "--students", "late-copy")[1])["graded"] == 0


def test_json_says_everything(full_class: Class, grade: Grade) -> None:
    """A program learns of each learner the points, the reason where there are none, the time, and what was written."""
    status, said = grade("--json", "--students", "damaged", "did-1", "odd-time")
    record = record_in(said)
    assert (record["format"], record["version"], record["exercise"]) == ("wheelhouse-grades", 1, NAME)
    assert (status, record["status"]) == (1, 1)
    damaged, did, odd = record["submissions"]
    assert (damaged["state"], damaged["score"]) == ("refused", None)
    assert "no snapshot" in damaged["reason"]
    assert (did["state"], did["reason"], did["gradebook"]) == ("graded", "", "written")
    assert did["score"] == sum(did["tasks"].values())
    assert did["received"].startswith("2026-11-20T10:00:00.5")
    assert odd["noticed"]
    assert full_class.scores("did-2") == []


def test_the_same_is_left_as_by_nbgrader_autograde(full_class: Class, grade: Grade) -> None:
    """`nbgrader autograde` and `course grade` leave the same bytes, the same rows, the same comments and times."""
    other = twin(full_class, "other")
    for one in (full_class, other):
        config = one.root / "nbgrader_config.py"
        config.write_text(f'{config.read_text()}\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
        with one.database() as database:
            database.execute("update assignment set duedate = '2026-11-20 09:00:00.000000'")
    grade("--yes")
    other.run("nbgrader", "autograde", NAME, "--force")
    ours, theirs = full_class.everything(), other.everything()
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    assert ours[2].keys() == theirs[2].keys()
    assert [name for name in ours[2] if ours[2][name] != theirs[2][name]] == []
    late = {row[0]: row[2] for row in ours[0]}
    assert late["did-1"] == sum(one or 0 for one in full_class.scores("did-1")) > 0
    assert {path.name for path in (other.grading / "submitted" / "litter" / NAME).iterdir()} >= {"notes.txt.refused"}


def test_formgrader_export_and_feedback_know_it(full_class: Class, grade: Grade) -> None:
    """What instructors use next finds all it needs: formgrader's lists and its button, the page to give back, the table to export."""
    grade()
    script = f"""
import json, logging
from traitlets.config import Application
from nbgrader.apps import NbGrader
from nbgrader.apps.api import NbGraderAPI
from nbgrader.plugins import CsvExportPlugin
app = NbGrader(); app.initialize([]); app.log.setLevel("CRITICAL")
api = NbGraderAPI(app.coursedir, parent=app)
print(json.dumps({{
    "submissions": api.get_submissions({NAME!r}),
    "feedback": api.generate_feedback({NAME!r}, "did-1"),
    "autograde": api.autograde({NAME!r}, "did-2"),
    "after": api.get_submission({NAME!r}, "did-2"),
}}, default=str))
plugin = CsvExportPlugin(parent=app); plugin.to = "grades.csv"
with api.gradebook as gradebook: plugin.export(gradebook)
"""
    before = full_class.everything()
    path = full_class.root / "look.py"
    path.write_text(script)
    run = full_class.run("python", str(path), wait=False)
    said, _ = run.communicate(timeout=240)
    assert run.returncode == 0, said
    record = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    found = {one["student"]: one for one in record["submissions"]}
    assert found["did-1"]["score"] == sum(one or 0 for one in full_class.scores("did-1")) > 0
    assert found["did-1"]["max_score"] == EXERCISE.points
    assert all(one["autograded"] for one in found.values())
    assert {name for name, one in found.items() if one["needs_manual_grade"]} == {"damaged", "linked"}
    assert record["feedback"]["success"]
    page = (full_class.grading / "feedback" / "did-1" / NAME / f"{NAME}.html").read_text()
    assert "passed" in page
    assert "failed" in page
    assert record["autograde"]["success"], record["autograde"]
    assert record["after"]["score"] == found["did-2"]["score"]
    after = full_class.everything()
    assert after[:2] == before[:2]
    assert [name for name in before[2] if after[2].get(name) != before[2][name]] == []
    table = (full_class.root / "grades.csv").read_text().splitlines()
    assert len([line for line in table if line.startswith(f"{NAME},")]) == 10


def test_what_a_human_gave_is_kept(school: Class, snapshots: dict[str, bytes], grade: Grade) -> None:
    """A manual score stands whatever is graded; only where the automatic one changes is a second look asked for."""
    with school.database() as database:
        database.execute(
            "update grade set manual_score = 1.5 where auto_score = 4.0 and rowid in (select min(rowid) from grade where auto_score = 4.0)"
        )
        database.execute("update comment set manual_comment = 'well done'")
    (cell,) = [row[3] for row in school.everything()[0] if row[5] == 1.5]
    before = school.everything()
    assert grade("--yes")[0] == 0
    assert school.everything() == before
    school.hand_in("ada", snapshots["0"])
    status, said = grade()
    assert status == 0
    assert "points by hand: 1 task" in said
    rows = {row[3]: row for row in school.everything()[0]}
    assert (rows[cell][4], rows[cell][5], rows[cell][6]) == (0.0, 1.5, 1)
    assert {row[4] for row in rows.values()} == {0.0}
    assert {row[3] for row in school.everything()[1]} == {"well done"}


def test_late_submissions_cost_what_is_configured(school: Class, grade: Grade) -> None:
    """The plugin that nbgrader is configured with says what lateness costs; an extension is respected, and a change of the date too."""
    (school.root / "late.py").write_text(
        "from nbgrader.plugins import LateSubmissionPlugin\n"
        "class PerHour(LateSubmissionPlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
        "        return total_seconds_late / 3600\n"
    )
    config = school.root / "nbgrader_config.py"
    config.write_text(
        f"import sys; sys.path.insert(0, {str(school.root)!r})\n{config.read_text()}\nc.AssignLatePenalties.plugin_class = 'late.PerHour'\n"
    )

    def penalty() -> float | None:
        found: float | None = school.everything()[0][0][2]
        return found

    assert grade()[0] == 0
    assert penalty() is None
    for due, wanted in (("08:00:00.500000", 2.0), ("07:00:00.500000", 3.0)):
        with school.database() as database:
            database.execute(f"update assignment set duedate = '2026-11-20 {due}'")
        _, said = grade()
        assert penalty() == wanted
        assert f"late by {wanted:g} hours, {wanted:g} points off" in said
    with school.database() as database:
        database.execute("update submitted_assignment set extension = '1970-01-02 00:00:00.000000'")
    grade("--yes")
    assert penalty() is None
    sys.modules.pop("late", None)
    sys.path.remove(str(school.root))


def test_the_validate_button_says_what_is_missing(school: Class) -> None:
    """Validating runs the learner's notebook in their own server, harmlessly, and shows each task's report."""
    place = school.root / "mine"
    shutil.copytree(school.root / "exercises" / NAME, place)
    run = school.run("nbgrader", "validate", str(place / f"{NAME}.ipynb"), wait=False)
    said, _ = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert f"VALIDATION FAILED ON {len(EXERCISE.tasks)} CELL(S)" in said
    for task in EXERCISE.tasks:
        assert f"Task {task.number}: {task.title} (0 of {task.points} points)" in said
    assert "next step: " in said
    assert "Traceback" not in said
    assert (school.root / "labs" / NAME).is_dir()
    folder.remove_tree(school.root / "labs")


# --- regrading


@pytest.fixture
def mended(school: Class, snapshots: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, grade: Grade) -> str:
    """A class that was graded while a check had a bug, which was mended since: the check's name."""
    verdict = check_snapshot(snapshots["all"])
    record = verdict.as_json()
    wrong = record["tasks"][0]["checks"][0]
    for part in (record, record["tasks"][0]):
        part["score"] -= wrong["points"]
        part["state"] = "failed"
    wrong |= {"state": "failed", "expected": "It is so.", "found": "It isn't.", "next_step": "Run `ls`."}
    text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    old = "0" * 64
    with (school.grading / "results" / f"{NAME}.jsonl").open("a") as file:
        file.write(json.dumps(Result(old, text).as_json()) + "\n")
    with monkeypatch.context() as patch:
        patch.setattr(batch, "key_of", lambda exercise, snapshot, unsafe: old)
        assert grade("--yes")[0] == 0
    assert sum(one or 0 for one in school.scores("ada")) == EXERCISE.points - wrong["points"]
    return str(wrong["says"])


def test_regrading_says_whose_points_change_and_why(school: Class, mended: str, grade: Grade) -> None:
    """After a check was mended nothing changes until somebody has read who gets what and why, and said yes."""
    before = school.everything()
    status, said = grade()
    assert status == 1
    assert school.everything() == before
    changed = next(line for line in said.splitlines() if line.startswith("  ada: "))
    assert f"→ {EXERCISE.points}; task 1, “{mended}”: failed → passed" in changed
    assert "run it with --yes" in said
    status, said = grade("--yes")
    assert status == 0
    assert "Points that changed" in said
    assert sum(one or 0 for one in school.scores("ada")) == EXERCISE.points


def test_a_dry_run_writes_nothing(school: Class, mended: str, grade: Grade) -> None:
    """It shows what would change; only the results are kept, so that nothing is done twice."""
    before = school.everything()
    status, said = grade("--dry-run", "--yes")
    assert status == 0
    assert mended in said
    assert "Nothing was written" in said
    assert school.everything() == before


def test_a_new_submission_needs_no_question(
    school: Class, mended: str, snapshots: dict[str, bytes], grade: Grade
) -> None:
    """Who hands in something else gets other points, and nobody wonders."""
    school.hand_in("ada", snapshots["0"])
    status, said = grade("--json")
    change = record_in(said)["submissions"][0]["change"]
    assert (status, change["resubmitted"], change["after"]) == (0, True, 0.0)
    assert school.scores("ada") == [0.0] * len(EXERCISE.tasks)


# --- what goes wrong


def test_whatever_stops_it_it_can_be_run_again(full_class: Class, snapshots: dict[str, bytes], grade: Grade) -> None:
    """Ctrl-C and kill -9 at any moment, then once to the end: what is left is what an undisturbed run leaves, and no worker lives on."""
    undisturbed = twin(full_class, "undisturbed")
    undisturbed.run("course", "grade", "01")
    random.seed(ROUNDS)
    for number in range(2 * ROUNDS):
        run = full_class.run("course", "grade", "01", wait=False)
        time.sleep(random.uniform(0.3, 4.0))
        run.send_signal(signal.SIGINT if number % 2 else signal.SIGKILL)
        said, _ = run.communicate(timeout=60)
        assert "Traceback" not in said or "import main" in said  # Python itself, which had not come to our first line
    full_class.run("course", "grade", "01", "--yes")
    assert full_class.everything() == undisturbed.everything()
    assert [path.name for path in (full_class.grading / "autograded").rglob(".*")] == []


def test_two_at_once_take_turns(full_class: Class) -> None:
    """The second waits for the first and then finds everything done."""
    runs = [full_class.run("course", "grade", "01", wait=False) for _ in range(2)]
    said = [run.communicate(timeout=240)[0] for run in runs]
    assert [run.returncode for run in runs] == [1, 1], said
    assert sorted("waiting for it" in one for one in said) == [False, True]
    assert sorted("0 written, 10 as they should be" in one for one in said) == [False, True]
    assert sum("0 different snapshots graded" in one for one in said) == 1


def test_a_locked_gradebook_is_waited_for(
    school: Class, snapshots: dict[str, bytes], grade: Grade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds the gradebook for long is named in a sentence, no result is lost, and the next run writes."""
    monkeypatch.setattr(gradebook, "PATIENCE", 0.5)
    school.hand_in("bob", snapshots["0"])
    with school.database() as database:
        database.execute("begin immediate")
        status, said = grade()
        assert status == 3
        assert "The gradebook is locked" in said
        assert "Traceback" not in said
    assert school.scores("bob") == []
    status, said = grade()
    assert (status, school.scores("bob")) == (0, [0.0] * len(EXERCISE.tasks))
    assert "0 different snapshots graded" in said


def test_a_weak_sandbox_is_said_before_anything_runs(
    school: Class, snapshots: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, grade: Grade
) -> None:
    """Other people's work runs in an isolating sandbox, or where somebody took the risk in words, which the results then say."""
    monkeypatch.setenv("WHEELHOUSE_TIER", "basic")
    monkeypatch.setattr(batch, "sandbox", lambda: choose(folder.index(), tier="basic"))
    school.hand_in("bob", snapshots["1"])
    status, said = grade("--students", "bob")
    assert status == 3
    assert "strong sandbox only" in said
    assert "--unsafe-basic" in said
    assert school.scores("bob") == []
    status, said = grade("--students", "bob", "--unsafe-basic")
    assert status == 0, said
    results = (school.grading / "results" / f"{NAME}.jsonl").read_text().splitlines()
    assert "basic sandbox" in json.loads(json.loads(results[-1])["verdict"])["unsafe"]
    assert sum(one or 0 for one in school.scores("bob")) > 0


def test_what_is_not_there_is_said_with_the_next_step(
    school: Class, grade: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody handed in, a name nobody has, an exercise nobody made, Dask missing: one sentence each, and exit status 2."""
    for words, sentence in (
        (["03"], "Nobody has handed in 03-broken-imports. Collect first"),
        (["01", "--students", "bob"], "'bob' handed in no 01-modules. Those who did: ada."),
        (["99"], "There is no exercise '99'"),
    ):
        capsys.readouterr()
        assert main(["grade", *words]) == 2
        assert sentence in capsys.readouterr().err
    shutil.rmtree(school.root / "solutions")
    (school.grading / "gradebook.db").unlink()
    status, said = grade()
    assert status == 2
    assert "nbgrader generate_assignment 01-modules" in said
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "autograder.grading.cluster", raising=False)
    (school.grading / "results" / f"{NAME}.jsonl").unlink()
    status, said = grade("--scheduler", "tls://head.example:8786")
    assert status == 2
    assert "pip install" in said
    with pytest.raises(SystemExit) as stop:
        main(["grade", "01", "--workers", "0"])
    assert stop.value.code == 2


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """`course grade --help` says what may be said."""
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    said = capsys.readouterr().out
    assert "Example: course grade" in said
    for option in ("--workers", "--scheduler", "--students", "--dry-run", "--yes", "--json", "--unsafe-basic"):
        assert option in said


def test_times_are_told_as_nbgrader_writes_them() -> None:
    """A time is the same after nbgrader has read what we wrote."""
    when = datetime.fromisoformat("2026-11-20T12:00:00.25+02:00")
    assert stamp_of(when) == "2026-11-20 10:00:00.250000 UTC"
    assert key_of(EXERCISE, b"") == key_of(EXERCISE, b"")
