"""A course with a gradebook, honest learners, and things worth stealing or breaking; what was done to them is seen from outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attacks.attack import Attack, Attempt
from autograder import folder
from autograder.exercise import find_exercise
from autograder.places import cache
from autograder.sandbox import Limits

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nbgrader.api import Gradebook, MissingEntry  # type: ignore[import-untyped]

__all__ = ["COURSE", "DAEMON", "HONEST", "SECRET", "STOCK", "Classroom", "Seen"]

COURSE = Path(__file__).parents[3]
SECRET = "sesame-7f1d0c5b"
"""Stands in a file that nobody may read."""
DAEMON = f"daemon-of-a-learner-{os.getpid()}"
"""Stands in the arguments of processes that must not outlive the grading."""
EXERCISE = "01-modules"
MANUAL = "why"
"""A question that the instructor grades by hand, for 3 points."""

STOCK = """
c = get_config()
c.CourseDirectory.course_id = "stock"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = ".grading/submitted"
c.CourseDirectory.autograded_directory = ".grading/autograded"
c.CourseDirectory.feedback_directory = ".grading/feedback"
c.CourseDirectory.db_url = "sqlite:///.grading/gradebook.db"
c.Execute.timeout = 10
"""
"""What an instructor has who knows nothing of us, but for the folders' names and a time limit."""


@dataclass
class Seen:
    """What one learner got."""

    scores: dict[str, float | None] = field(default_factory=dict)
    """By graded cell; None where a human must look. Empty if there is no submission in the gradebook."""
    manual: dict[str, float | None] = field(default_factory=dict)
    flagged: dict[str, bool] = field(default_factory=dict)
    comments: str = ""

    @property
    def points(self) -> float | None:
        """The tasks' sum; None where a human must look at all of them."""
        given = [score for name, score in self.scores.items() if name != MANUAL and score is not None]
        return sum(given) if given else None


class Classroom:
    """A course's folder, an instructor's HOME, and the commands that are typed there."""

    def __init__(self, place: Path, config: str | None = None, *, jail: Sequence[str] = ()) -> None:
        """Make it, with an exercise released; `config` replaces the course's own, and commands are run by those of the `jail`."""
        self.jail = jail
        self.place = place
        self.root = place / "course"
        self.home = place / "home"
        self.grading = self.root / ".grading"
        self.snapshots: dict[str, bytes | None] = {}
        self.calls: list[bytes] = []
        self.closed = False
        for made in (self.grading, self.home, place / "begun"):
            made.mkdir(parents=True)
        for part in ("solutions", "exercises"):
            shutil.copytree(COURSE / part / EXERCISE, self.root / part / EXERCISE)
        (self.root / "notebooks").mkdir()
        self._add_a_question()
        (self.root / "nbgrader_config.py").write_text(config or (COURSE / "nbgrader_config.py").read_text())
        self.secret = self.home / "secret.txt"
        self.secret.write_text(f"{SECRET}\n")
        self.victim = self.home / "victim.sh"
        self.victim.write_text("#!/bin/sh\necho fine\n")
        self.victim.chmod(0o755)
        self.interpreter = self.home / "python-of-the-course"
        shutil.copy("/bin/true", self.interpreter)
        self.interpreter.chmod(0o755)
        self.cache = self._own_cache()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._answer, daemon=True).start()
        self.type("nbgrader", "generate_assignment", EXERCISE, "--force")
        shutil.copy(self.grading / "gradebook.db", place / "fresh.db")

    def close(self) -> None:
        """Stop listening, and let nothing lie about."""
        self.closed = True
        self.listener.close()
        folder.remove_tree(self.place)

    def _add_a_question(self) -> None:
        path = self.root / "solutions" / EXERCISE / f"{EXERCISE}.ipynb"
        notebook = json.loads(path.read_bytes())
        mark = {"grade": True, "grade_id": MANUAL, "locked": False, "points": 3, "schema_version": 3, "solution": True}
        notebook["cells"].append(
            {
                "cell_type": "code",
                "id": MANUAL,
                "source": "# Why?",
                "outputs": [],
                "execution_count": None,
                "metadata": {"nbgrader": {**mark, "task": False, "cell_type": "code"}},
            }
        )
        path.write_text(json.dumps(notebook))

    def _own_cache(self) -> Path:
        """Give a cache in which no result is kept yet; all else is the one that there is."""
        made = self.place / "cache"
        made.mkdir()
        folder.index()
        for one in cache().iterdir():
            if one.name in ("index", "tools", "system-python", "doors", "bubblewrap"):
                (made / one.name).symlink_to(one)
        return made

    def _answer(self) -> None:
        """Take down who calls over the network."""
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            with caller, contextlib.suppress(OSError):
                caller.settimeout(2)
                self.calls.append(caller.recv(1000))

    def environment(self) -> dict[str, str]:
        """Give what an instructor's shell has."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "WHEELHOUSE_CACHE": str(self.cache),
            "WHEELHOUSE_LABS": str(self.home / "labs"),
            "PYTHONWARNINGS": "ignore",
            "LANG": "C.UTF-8",
        }

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command of the course's environment in the course's folder; its exit status is for the caller to judge."""
        return subprocess.run(
            [*self.jail, str(Path(sys.executable).parent / words[0]), *words[1:]],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=280,
        )

    # Submissions

    def begin(self) -> dict[str, bytes]:
        """Make the workspace once, and the snapshots of three honest learners: nothing done, one task, all."""
        exercise = find_exercise(EXERCISE)
        made: dict[str, bytes] = {}
        before = os.environ.get("WHEELHOUSE_LABS")
        os.environ["WHEELHOUSE_LABS"] = str(self.place / "labs")
        try:
            live = folder.begin(exercise)
            shutil.copytree(live.project, self.place / "begun" / EXERCISE, symlinks=True)
            self.facts = live.facts
            made["untouched"] = live.snapshot()
            for task in exercise.drawn(live.facts.seed).tasks:
                live.sandbox.run(["bash", "-c", task.answer], live.place, limits=Limits(wall_seconds=120))
                if task.number == 1:
                    made["partial"] = live.snapshot()
            made["full"] = live.snapshot()
            shutil.copytree(live.project, self.place / "done" / EXERCISE, symlinks=True)
            (live.project / "note.txt").write_text("mine\n")
            made["full, later"] = live.snapshot()
        finally:
            del os.environ["WHEELHOUSE_LABS"]
            if before is not None:
                os.environ["WHEELHOUSE_LABS"] = before
        self.honest = made
        return made

    def hand_in(self, learner: str, snapshot: bytes | None, attack: Attack | None = None) -> Attempt:
        """Put one learner's submission where nbgrader collects it."""
        place = self.grading / "submitted" / learner / EXERCISE
        place.mkdir(parents=True)
        notebook = json.loads((self.root / "exercises" / EXERCISE / f"{EXERCISE}.ipynb").read_bytes())
        begun, work = self.place / "begun" / EXERCISE, self.place / "work" / learner
        attempt = Attempt(self, learner, place, notebook, snapshot, begun, work, exercise=EXERCISE)
        if attack is not None:
            attack.prepare(attempt)
            if attempt.work.exists():
                folder.remove_tree(attempt.work)
        target = place / f"{EXERCISE}.snapshot"
        if attempt.snapshot is not None and not os.path.lexists(target):
            target.write_bytes(attempt.snapshot)
        if attempt.write_notebook:
            (place / f"{EXERCISE}.ipynb").write_text(json.dumps(attempt.notebook))
        return attempt

    def fill(self, attacks: list[Attack]) -> None:
        """Let everybody hand in: honest learners who are graded before and after the attackers, and these."""
        submitted = self.grading / "submitted"
        if submitted.exists():
            folder.remove_tree(submitted)
        for learner, whose in HONEST.items():
            self.hand_in(learner, self.honest[whose])
        for one in attacks:
            self.hand_in(one.who, self.honest[one.deserves], one)

    def forget(self) -> None:
        """Begin again with an empty gradebook and nothing graded."""
        for step in ("autograded", "feedback"):
            folder.remove_tree(self.grading / step)
        shutil.copy(self.place / "fresh.db", self.grading / "gradebook.db")

    # What is seen from outside

    def seen(self) -> dict[str, Seen]:
        """Read the whole gradebook, by learner."""
        found: dict[str, Seen] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Gradebook(f"sqlite:///{self.grading / 'gradebook.db'}") as gradebook:
                for student in gradebook.students:
                    one = found[student.id] = Seen()
                    try:
                        notebook = gradebook.find_submission_notebook(EXERCISE, EXERCISE, student.id)
                    except MissingEntry:
                        continue
                    for grade in notebook.grades:
                        one.scores[grade.name] = grade.auto_score
                        one.manual[grade.name] = grade.manual_score
                        one.flagged[grade.name] = bool(grade.needs_manual_grade)
                    one.comments = "\n".join(comment.comment or "" for comment in notebook.comments)
        return found

    def told(self, learner: str) -> str:
        """Give what the learner's autograded notebook says under the graded cells; empty if there is none."""
        path = self.grading / "autograded" / learner / EXERCISE / f"{EXERCISE}.ipynb"
        try:
            notebook: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return ""
        said = [
            "".join(output.get("data", {}).get("text/plain", "")) + "".join(output.get("text", ""))
            for cell in notebook["cells"]
            for output in cell.get("outputs", ())
        ]
        return "\n".join(said)

    def page(self, learner: str) -> str:
        """Give the page that the learner gets back; empty if there is none."""
        path = self.grading / "feedback" / learner / EXERCISE / f"{EXERCISE}.html"
        return path.read_text() if path.is_file() else ""

    def leaks(self) -> Iterator[str]:
        """Find what came out, was changed, or still runs, that no submission may bring about."""
        for step in ("autograded", "feedback", "submitted"):
            for path in (self.grading / step).rglob("*"):
                if path.is_symlink():
                    if step != "submitted":
                        yield f"{path} is a link"
                elif path.is_file() and path.stat().st_nlink == 1 and SECRET.encode() in path.read_bytes():
                    yield f"the secret is in {path.relative_to(self.grading)}"
                if step != "submitted" and path.suffix not in ("", ".ipynb", ".html", ".snapshot", ".txt"):
                    yield f"{path.relative_to(self.grading)} was given back"
        for path, text in ((self.victim, b"#!/bin/sh\necho fine\n"), (self.interpreter, None)):
            if path.stat().st_mode & 0o777 != 0o755 or (text is not None and path.read_bytes() != text):
                yield f"{path.name} was changed"
        if self.secret.read_text() != f"{SECRET}\n":
            yield "the secret was changed"
        for path in (self.home, self.root):
            yield from (f"{one} was made" for one in path.rglob("pwned*"))
        if (self.home / ".ipython").exists() and any((self.home / ".ipython").rglob("*.py")):
            yield "code was left in the instructor's profile"
        yield from (f"process {pid} still runs" for pid in processes_of(DAEMON))
        yield from (f"somebody called: {call!r}" for call in self.calls)


HONEST = {"aa-untouched": "untouched", "aa-full": "full", "mm-partial": "partial"} | {
    "zz-untouched": "untouched",
    "zz-full": "full, later",
}
"""Honest learners by name, and what they hand in."""


def processes_of(word: str) -> list[int]:
    """Find processes that have a word in their arguments."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            try:
                told = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in told:
                found.append(int(path.name))
    return found
