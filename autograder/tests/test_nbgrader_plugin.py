"""Tests of `autograder.nbgrader_plugin`: a class of submissions through nbgrader's own commands."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from autograder import folder
from autograder.authoring import build
from autograder.exercise import find_exercise
from autograder.places import cache
from autograder.runner import check_snapshot
from autograder.sandbox import Limits
from autograder.snapshot import pack

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nbgrader.api import Gradebook  # type: ignore[import-untyped]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nbgrader")]

EXERCISE = find_exercise("06")
NAME = EXERCISE.id
CONFIG = Path(__file__).parents[2] / "nbgrader_config.py"
POINTS = {f"task-{task.number}": float(task.points) for task in EXERCISE.tasks}
NOTHING = dict.fromkeys(POINTS, 0.0)
LEFT_TO_A_HUMAN = dict.fromkeys(POINTS, None)

STOCK = """
c = get_config()
c.CourseDirectory.course_id = "stock"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
"""

Notebook = dict[str, Any]


class Course:
    """A course's folder, the commands an instructor types in it, and its gradebook."""

    def __init__(self, root: Path, config: str, home: Path) -> None:
        """Build the exercise in `root` and put it into a gradebook."""
        self.root = root
        self.home = home
        root.mkdir()
        shutil.copy(CONFIG, root)
        build(root)
        (root / "nbgrader_config.py").write_text(config)
        self.type("generate_assignment", NAME, "--force")

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one nbgrader command as an instructor would, in an environment from nothing."""
        bin_folder = Path(sys.executable).parent
        done = subprocess.run(
            [bin_folder / "nbgrader", *words],
            cwd=self.root,
            env={
                "PATH": f"{bin_folder}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.home),
                "WHEELHOUSE_CACHE": str(cache()),
                "WHEELHOUSE_LABS": str(self.home / "labs"),
                "PYTHONWARNINGS": "ignore",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def path(self, step: str) -> Path:
        """Where this course keeps a step of nbgrader's."""
        hidden = self.root / ".grading" / step
        return hidden if hidden.parent.is_dir() else self.root / step

    def hand_in(
        self, learner: str, snapshot: bytes | None, change: Callable[[Notebook, Path], None] | None = None
    ) -> None:
        """Submit the released notebook, perhaps changed, with a snapshot, perhaps none."""
        place = self.path("submitted") / learner / NAME
        place.mkdir(parents=True)
        notebook = json.loads((self.root / "exercises" / NAME / f"{NAME}.ipynb").read_bytes())
        if snapshot is not None:
            (place / f"{NAME}.snapshot").write_bytes(snapshot)
        (place / f"{NAME}.ipynb").write_text(json.dumps(notebook))
        if change is not None:
            change(notebook, place)
            if not (place / f"{NAME}.ipynb").is_symlink() and notebook:
                (place / f"{NAME}.ipynb").write_text(json.dumps(notebook))

    def scores(self, learner: str) -> dict[str, float | None]:
        """What the gradebook holds, by graded cell; None where a human must look, and only there."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Gradebook(f"sqlite:///{self.path('gradebook.db')}") as gradebook:
                grades = gradebook.find_submission_notebook(NAME, NAME, learner).grades
                assert {one.name: one.max_score for one in grades} == POINTS
                assert all(one.needs_manual_grade == (one.auto_score is None) for one in grades)
                return {one.name: one.auto_score for one in grades}

    def feedback(self, learner: str) -> str:
        """The page that the learner gets back."""
        return (self.path("feedback") / learner / NAME / f"{NAME}.html").read_text()


class Loads(HTMLParser):
    """Collects what a browser would load or run for a page: all but a link that is clicked."""

    def __init__(self, page: str) -> None:
        """Read it at once."""
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that brings something in, and an attribute that runs something."""
        names = {name: value or "" for name, value in attrs}
        if tag in ("script", "iframe", "object", "embed", "img", "link") and not names.get("src", "").startswith(
            "data:"
        ):
            self.found.append(f"{tag} {names}")
        self.found += [f"{tag} {name}" for name in names if name.startswith("on")]


def words_of(page: str) -> str:
    """What a reader sees of a page, in one line."""
    bare = re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]+>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(bare).split())


def cell(notebook: Notebook, grade_id: str) -> Notebook:
    """Find a cell of a notebook by what nbgrader calls it."""
    return next(one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """What learners hand in who did all, the first task, nothing."""
    place = tmp_path_factory.mktemp("labs")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(place))
        live = folder.begin(EXERCISE)

        def snapshot() -> bytes:
            return pack(live.tree, live.facts, folder.index().known, exercise=NAME)

        made["none"] = snapshot()
        for task in EXERCISE.tasks:
            live.sandbox.run(["bash", "-c", task.answer], live.place, limits=Limits(wall_seconds=120))
            if task.number == 1:
                made["partial"] = snapshot()
        made["full"] = snapshot()
    yield made
    folder.remove_tree(place)


@pytest.fixture(scope="module")
def partial(snapshots: dict[str, bytes]) -> dict[str, float]:
    """The points of the learner who did one task."""
    verdict = check_snapshot(snapshots["partial"])
    found = {f"task-{one.task.number}": float(one.score) for one in verdict.tasks}
    assert 0 < sum(found.values()) < EXERCISE.points
    return found


def linked_snapshot(notebook: Notebook, place: Path) -> None:
    """Hand in a link to another learner's snapshot."""
    (place / f"{NAME}.snapshot").symlink_to(place.parents[1] / "full" / NAME / f"{NAME}.snapshot")


def linked_files(notebook: Notebook, place: Path) -> None:
    """Hand in the other's notebook as a link, and a link to a file of the instructor's."""
    (place / f"{NAME}.ipynb").unlink()
    (place / f"{NAME}.ipynb").symlink_to(place.parents[1] / "full" / NAME / f"{NAME}.ipynb")
    (place / "notes.txt").symlink_to(place.parents[3] / "nbgrader_config.py")


def no_notebook(notebook: Notebook, place: Path) -> None:
    """Hand in text where the notebook should be."""
    notebook.clear()
    (place / f"{NAME}.ipynb").write_bytes(b"\xff\xfe [not a notebook")


def strange_cells(notebook: Notebook, place: Path) -> None:
    """Hand in JSON that is no notebook's: wrong kinds everywhere, half a surrogate pair, endless nesting."""
    notebook["cells"] += [
        *(None, 3, {"cell_type": "spam"}, {"cell_type": "code"}),
        {"cell_type": "code", "source": [1, "x\udc80"], "metadata": {"nbgrader": {"grade_id": ["task-1"]}}},
        {"cell_type": "markdown", "source": {}, "metadata": []},
        {"cell_type": "raw", "source": "r", "metadata": {"nbgrader": 7}, "id": "<b>"},
    ]
    notebook["nbformat"] = "many"


def forged(notebook: Notebook, place: Path) -> None:
    """Claim full points: by metadata, by tags, by outputs, by other tests, by deleting and doubling the graded cells."""
    for one in notebook["cells"]:
        mark = one["metadata"].get("nbgrader", {})
        if mark.get("grade"):
            mark["points"] = 100
            one["metadata"]["tags"] = ["skip-execution"]
            one["source"] = "100.0"
            one["outputs"] = [
                {"output_type": "execute_result", "data": {"text/plain": "4.0"}, "metadata": {}, "execution_count": 1}
            ]
    cell(notebook, "answer-1")["metadata"]["nbgrader"] |= {"grade": True, "points": 50, "solution": False}
    cell(notebook, "task-3")["metadata"]["nbgrader"] |= {"solution": True, "cell_type": "markdown", "checksum": "0"}
    notebook["cells"].append(cell(notebook, "task-4"))
    notebook["cells"] = [
        one for one in notebook["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") != "task-2"
    ]


def everything_deleted(notebook: Notebook, place: Path) -> None:
    """Hand in a notebook without a cell."""
    notebook["cells"] = []


def writes_a_file(notebook: Notebook, place: Path) -> None:
    """Leave cells that would be seen if they ran, the locked ones too."""
    for number, one in enumerate(notebook["cells"]):
        if one["cell_type"] == "code":
            one["source"] = f"open({str(place.parents[3])!r} + '/ran-{number}', 'w')"
    cell(notebook, "answer-1")["source"] = f"!touch {place.parents[3]}/ran-in-a-shell"


def scripts(notebook: Notebook, place: Path) -> None:
    """Leave what would run in the browser of whoever reads it."""
    evil = "<script>alert(1)</script>\n\n```\n\n````\n<img src=http://evil.example/x onerror=alert(2)>\n\n![x](http://evil.example/y)"
    for kind in ("markdown", "raw"):
        notebook["cells"].append({"cell_type": kind, "id": f"evil-{kind}", "metadata": {}, "source": evil})
    cell(notebook, "text-1")["source"] = evil
    cell(notebook, "answer-1")["source"] = evil


@pytest.fixture(scope="module")
def graded(snapshots: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class of every kind of learner, graded and given feedback by three commands."""
    place = tmp_path_factory.mktemp("ours")
    course = Course(place / "course", CONFIG.read_text(), place)
    for learner, snapshot, change in (
        ("full", "full", None),
        ("partial", "partial", None),
        ("none", "none", None),
        ("no-snapshot", None, None),
        ("linked-snapshot", None, linked_snapshot),
        ("linked-files", "partial", linked_files),
        ("no-notebook", "full", no_notebook),
        ("strange-cells", "partial", strange_cells),
        ("forged", "partial", forged),
        ("everything-deleted", "partial", everything_deleted),
        ("writes-a-file", "full", writes_a_file),
        ("scripts", "partial", scripts),
    ):
        course.hand_in(learner, snapshots[snapshot] if snapshot else None, change)
    course.hand_in("garbage", b"garbage" * 100)
    course.type("autograde", NAME)
    course.type("generate_feedback", NAME)
    return course


def test_points_are_those_of_the_state(graded: Course, partial: dict[str, float]) -> None:
    """All, some and none of the work have all, some and none of the points."""
    assert graded.scores("full") == POINTS
    assert graded.scores("partial") == partial
    assert graded.scores("none") == NOTHING
    assert graded.scores("no-snapshot") == NOTHING


def test_what_cannot_be_graded_is_left_to_a_human(graded: Course) -> None:
    """A damaged snapshot and links to another learner's files get no points and no zero, and their feedback says why."""
    assert graded.scores("garbage") == LEFT_TO_A_HUMAN
    assert graded.scores("linked-snapshot") == LEFT_TO_A_HUMAN
    assert graded.scores("linked-files") == LEFT_TO_A_HUMAN
    assert "can't be graded" in words_of(graded.feedback("garbage"))
    assert "was submitted as a link" in words_of(graded.feedback("linked-snapshot"))
    assert f"{NAME}.ipynb was submitted as a link" in words_of(graded.feedback("linked-files"))


@pytest.mark.parametrize("learner", ["strange-cells", "forged", "everything-deleted", "scripts"])
def test_notebook_decides_nothing(graded: Course, partial: dict[str, float], learner: str) -> None:
    """Whatever is done to the notebook, the points are those of the snapshot beside it."""
    assert graded.scores(learner) == partial
    assert f"(Score: {sum(partial.values())} / {float(EXERCISE.points)})" in words_of(graded.feedback(learner))


def test_a_notebook_that_is_none_costs_nothing(graded: Course) -> None:
    """A learner whose notebook was damaged is graded by the snapshot all the same."""
    assert graded.scores("no-notebook") == POINTS


def test_deleted_cells_come_back_in_their_places(graded: Course) -> None:
    """The notebook that instructors see has all its locked cells, once and in order, whatever was handed in."""
    released = json.loads((graded.root / "exercises" / NAME / f"{NAME}.ipynb").read_bytes())

    def names(notebook: Notebook) -> list[str]:
        marks = [one["metadata"].get("nbgrader", {}) for one in notebook["cells"]]
        return [mark["grade_id"] for mark in marks if mark]

    for learner in ("forged", "everything-deleted", "no-notebook"):
        path = graded.path("autograded") / learner / NAME / f"{NAME}.ipynb"
        shown = json.loads(path.read_bytes())
        assert sorted(names(shown)) == sorted(names(released))
        assert "".join(cell(shown, "task-2")["source"]) == "grade(2)"
        if learner != "forged":
            assert names(shown) == names(released)


def test_nothing_of_a_learners_ran(graded: Course) -> None:
    """No cell was run: neither Python nor shell, and the grader began no workspace."""
    assert list(graded.root.glob("ran-*")) == []
    assert not (graded.home / "labs").exists()
    assert graded.scores("writes-a-file") == POINTS


def test_links_lead_nowhere(graded: Course) -> None:
    """No file of the grader's or of another learner's came into what is given back, and no link is left in what was graded."""
    for step in ("autograded", "feedback"):
        for learner in ("linked-snapshot", "linked-files"):
            names = {path.name for path in (graded.path(step) / learner / NAME).iterdir()}
            assert names <= {*(f"{NAME}.{end}" for end in ("ipynb", "html", "snapshot")), "timestamp.txt"}
        assert not any(path.is_symlink() for path in graded.path(step).rglob("*"))
    assert not (graded.path("autograded") / "linked-snapshot" / NAME / f"{NAME}.snapshot").exists()
    assert (graded.path("submitted") / "linked-files" / NAME / "notes.txt.refused").is_symlink()


def test_feedback_tells_what_is_missing(graded: Course, snapshots: dict[str, bytes]) -> None:
    """Every failure's sentences stand in the learner's page: what was expected, what was found, one next step."""
    said = words_of(graded.feedback("partial"))
    outcomes = [one for task in check_snapshot(snapshots["partial"]).tasks for one in task.outcomes]
    failed = [one for one in outcomes if one.state == "failed"]
    assert failed
    for one in failed:
        for text in (one.expected, one.found, one.next_step):
            assert " ".join((text or "").replace("`", "").split()) in said
    assert said.count("✓ passed") == sum(one.state == "passed" for one in outcomes)
    assert "Nothing was submitted" in words_of(graded.feedback("no-snapshot"))
    assert "No response" not in said


def test_feedback_holds_no_traceback_and_no_answer(graded: Course) -> None:
    """Whoever reads feedback meets neither our code's troubles nor the reference answer."""
    for page in graded.path("feedback").rglob("*.html"):
        said = words_of(page.read_text())
        assert "Traceback" not in said
        assert "BEGIN SOLUTION" not in said
        assert "Error:" not in said


def test_feedback_is_safe_and_needs_no_network(graded: Course) -> None:
    """A learner's markup is shown as text, and no page loads anything from elsewhere."""
    page = graded.feedback("scripts")
    assert "<script>alert(1)" not in page
    assert "<img src=http" not in page
    assert "<script>alert(1)</script>" in html.unescape(re.sub(r"<[^>]+>", "", page))
    for learner in ("scripts", "full"):
        assert Loads(graded.feedback(learner)).found == []


def test_grading_again_changes_nothing(graded: Course, partial: dict[str, float]) -> None:
    """A second run with --force gives the same points and leaves what a human gave."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Gradebook(f"sqlite:///{graded.path('gradebook.db')}") as gradebook:
            grade = gradebook.find_grade("task-1", NAME, NAME, "garbage")
            grade.manual_score = 2.0
            gradebook.db.commit()
            graded.type("autograde", NAME, "--force", "--student", "garbage")
            gradebook.db.expire_all()
            grade = gradebook.find_grade("task-1", NAME, NAME, "garbage")
            assert (grade.auto_score, grade.manual_score, grade.needs_manual_grade) == (None, 2.0, True)


def test_stock_nbgrader_gives_the_same_points(
    snapshots: dict[str, bytes], partial: dict[str, float], tmp_path: Path
) -> None:
    """Without any configuration of ours, in nbgrader's own kernel, points and sentences are the same, and nothing begins."""
    course = Course(tmp_path / "course", STOCK, tmp_path)
    course.hand_in("full", snapshots["full"])
    course.hand_in("partial", snapshots["partial"])
    course.hand_in("none", snapshots["none"])
    course.hand_in("no-snapshot", None)
    course.type("autograde", NAME)
    course.type("generate_feedback", NAME)
    assert course.scores("full") == POINTS
    assert course.scores("partial") == partial
    assert course.scores("none") == NOTHING
    assert course.scores("no-snapshot") == NOTHING
    for learner in ("full", "partial", "none", "no-snapshot"):
        said = words_of(course.feedback(learner))
        assert "Traceback" not in said
        assert "passed" in said or "failed" in said or "Nothing was submitted" in said
    assert not (tmp_path / "labs").exists()
