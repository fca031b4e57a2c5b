"""A class on JupyterHub, from release to feedback, inside `proofs.hub_machine`: an instructor, three learners, our configuration files.

One learner solves all in the sandboxed shell, one half of it, one nothing; the last also tries to hand in the instructor's gradebook.
Progress goes to standard error, the rows as JSON to standard output.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import requests

from autograder.exercise import find_exercise
from proofs.hub_machine import PASSWORD
from proofs.hub_person import PATIENCE, Person, Stuck
from proofs.hub_place import HUB, Place
from proofs.results import COURSE, Row

__all__ = ["GROUPS", "LEARNERS", "PROF", "USERS"]

PROF, LEARNERS = "wh-prof", ("wh-ada", "wh-bea", "wh-cy")
USERS = (PROF, *LEARNERS)
GROUPS = {"wheelhouse-instructors": [PROF], "wheelhouse-learners": list(LEARNERS)}
ADDRESS = "http://127.0.0.1:8000"


class Class:
    """The machine, the hub on it, and the people."""

    def __init__(self, place: Place, exercise: str) -> None:
        """Use what is installed in `place`, and one exercise."""
        self.place, self.exercise = place, find_exercise(exercise)
        self.id = self.exercise.id
        self.ground = Path(os.environ["WHEELHOUSE_CLASS"])
        self.shared = Path(os.environ.get("WHEELHOUSE_CACHE") or COURSE / ".cache/wheelhouse")
        self.rows: list[Row] = []
        self.people = {name: Person(ADDRESS, name, PASSWORD) for name in USERS}
        self.prof = self.people[PROF]

    def row(self, what: str, found: str, good: bool) -> None:
        """Note something that was tried."""
        self.rows.append(Row(what, found, good))
        sys.stderr.write(f"  {'ok  ' if good else 'BAD '}{what}: {found}\n")

    # --- the machine

    def prepare(self) -> None:
        """Do what an administrator does once: an exchange that all may write to, and a cache that is whole."""
        exchange = self.ground / "srv/exchange"
        exchange.mkdir()
        exchange.chmod(0o777)
        variables = {
            **os.environ,
            "WHEELHOUSE_LABS": str(self.ground / "srv/warm"),
            "PYTHONPATH": str(COURSE / "autograder/src"),
        }
        command = [str(self.place.python), "-m", "autograder.cli", "begin", self.id]
        subprocess.run(command, cwd=COURSE, env=variables, capture_output=True, check=False)

    @contextlib.contextmanager
    def hub(self) -> Iterator[None]:
        """Run JupyterHub with the file that we ship."""
        folder = self.ground / "srv/jupyterhub"
        folder.mkdir(mode=0o700)
        variables = {
            **{
                "PATH": f"{self.place.python.parent}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(folder),
                "LANG": "C.UTF-8",
            },
            **{"WHEELHOUSE_EXCHANGE": str(self.ground / "srv/exchange"), "WHEELHOUSE_SHARED_CACHE": str(self.shared)},
            **{
                "PYTHONPATH": str(COURSE / "autograder/src"),
                "CONFIGURABLE_HTTP_PROXY": f"{self.place.node} {self.place.proxy}",
            },
        }
        command = [str(self.place.python), "-m", "jupyterhub", "--config", str(HUB / "jupyterhub_config.py")]
        with (folder / "log").open("wb") as log:
            begun = time.monotonic()
            running = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT)
            try:
                while not _answers(f"{ADDRESS}/hub/login"):
                    if running.poll() is not None or time.monotonic() > begun + PATIENCE:
                        raise Stuck(f"JupyterHub doesn't start: {(folder / 'log').read_text()[-1500:]}")
                    time.sleep(0.2)
                self.row("JupyterHub and its proxy start", f"{time.monotonic() - begun:.0f} s", True)
                yield
            except (Stuck, requests.RequestException):
                sys.stderr.write((folder / "log").read_text()[-3000:])
                raise
            finally:
                running.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(20)
                running.kill()

    # --- the class, step by step

    def log_in(self) -> None:
        """Let everybody log in by PAM, and somebody with a wrong password not."""
        let_in = [one.log_in() for one in self.people.values()]
        wrong = Person(ADDRESS, LEARNERS[0], "sesame").log_in()
        self.row(
            "four users log in by password, a wrong one is refused", f"{sum(let_in)} of 4", all(let_in) and not wrong
        )
        with ThreadPoolExecutor(len(self.people)) as threads:
            seconds = [*threads.map(Person.start, self.people.values())]
        spent = [_spent(name) for name in LEARNERS]
        found = f"{max(seconds):.0f} s; {sum(spent) / len(spent):.1f} s of a processor each"
        self.row("their servers start, all at once", found, True)
        ours = self.prof.lab("GET", "formgrader").status_code
        theirs = [self.people[name].lab("GET", "formgrader").status_code for name in LEARNERS]
        self.row(
            "formgrader is there for the instructor and not for learners",
            f"{ours}; {theirs}",
            (ours, *theirs) == (200, 404, 404, 404),
        )
        other = self.people[LEARNERS[0]].ask("GET", f"/user/{LEARNERS[1]}/api/contents/").status_code
        self.row("a learner can't reach another's server", f"status {other}", other in (403, 404))

    def types(self, what: str, command: str, good: Callable[[str], bool] = lambda said: True) -> str:
        """Let the instructor type a command into a terminal."""
        begun = time.monotonic()
        status, said = self.prof.type(f"cd ~/wheelhouse && {command}", "1")
        fine = status == 0 and good(said)
        self.row(f"{what}: `{command}`", f"{time.monotonic() - begun:.0f} s", fine)
        if not fine:
            sys.stderr.write(said[-2500:])
        return said

    def release(self) -> None:
        """Release the exercise, and let the learners fetch it."""
        self.types(
            "the instructor releases",
            f"nbgrader generate_assignment {self.id} --force && nbgrader release_assignment {self.id}",
        )
        fetched = []
        for name in LEARNERS:
            asked = {"course_id": "wheelhouse", "assignment_id": self.id}
            said = self.people[name].lab("POST", "assignments/fetch", data=asked)
            sys.stderr.write("" if said.json().get("success") else said.text[-1500:])
            fetched.append(self.people[name].lab("GET", f"api/contents/{self.id}/{self.id}.ipynb").status_code == 200)
        self.row("learners fetch it by the button of JupyterLab", f"{sum(fetched)} of 3", all(fetched))

    def solve(self, name: str, tasks: int) -> None:
        """Open the notebook, and type the answers to the first so many tasks into the sandboxed shell beside it."""
        person, begun = self.people[name], time.monotonic()
        kernel = person.open(f"{self.id}/{self.id}.ipynb")
        person.run(kernel, f'%load_ext autograder\nbegin("{self.id}")')
        statuses = []
        for answer in _answers_of(self.id)[:tasks]:
            for line in filter(str.strip, answer.splitlines()):
                statuses.append(person.type(line, f"ex{self.id[:2]}")[0])
        said = person.run(kernel, "grade(1)")
        self.row(
            f"{name} solves {tasks} of {len(self.exercise.tasks)} tasks in the terminal beside the notebook",
            f"{len(statuses)} commands, {time.monotonic() - begun:.0f} s; sandbox: {_tier(said, person, kernel)}",
            not any(statuses),
        )

    def submit(self) -> None:
        """Hand in by the button; the last learner then hands in links as well, from a cell."""
        asked = {"course_id": "wheelhouse", "assignment_id": self.id}
        done = [
            self.people[name].lab("POST", "assignments/submit", data=asked).json().get("success") for name in LEARNERS
        ]
        self.row("learners hand in by the button of JupyterLab", f"{done.count(True)} of 3", done.count(True) == 3)
        last = self.people[LEARNERS[-1]]
        kernel = last.open("attack.ipynb")
        last.run(
            kernel,
            ATTACK.format(
                inbound=self.ground / "srv/exchange/wheelhouse/inbound",
                me=last.name,
                prof=self.ground / "home" / PROF,
                id=self.id,
                victim=LEARNERS[0],
            ),
        )

    def collect(self) -> None:
        """Collect, in spite of the links and of the forged name."""
        said = self.types(
            "the instructor collects",
            f"nbgrader collect {self.id}",
            lambda said: (
                "3 learners: 3 collected" in said
                and "is a link, not a file" in said
                and f"It names `{LEARNERS[0]}`, but belongs to `{LEARNERS[-1]}`" in said
            ),
        )
        refused = len(re.findall(r"refused `", said))
        self.row(
            "of the last learner a link to the gradebook and a folder with another's name are refused, and older work counts",
            f"{refused} refused",
            refused == 2,
        )

    def grade(self) -> None:
        """Grade, look at formgrader, export, give feedback back."""
        tier = self.types("the instructor grades", "course grade 06", lambda said: "3 graded" in said)
        del tier
        points = [task.points for task in self.exercise.tasks]
        wanted = {LEARNERS[0]: float(sum(points)), LEARNERS[1]: float(sum(points[:2])), LEARNERS[2]: 0.0}
        page = self.prof.lab("GET", f"formgrader/api/submissions/{self.id}").json()
        found = {one["student"]: one["score"] for one in page if one["student"] in wanted}
        self.row("formgrader shows everybody's points", f"{found} of {sum(points)}", found == wanted)
        self.types(
            "the instructor makes and returns feedback",
            f"nbgrader generate_feedback {self.id} && nbgrader release_feedback {self.id}",
        )
        said = self.types(
            "the instructor exports", "nbgrader export --to .grading/grades.csv && cat .grading/grades.csv"
        )
        lines = [line for line in said.splitlines() if line.startswith(("assignment,", f"{self.id},"))]
        table = {row["student_id"]: float(row["score"]) for row in csv.DictReader(io.StringIO("\n".join(lines)))}
        self.row("the CSV has everybody's points", f"{table}", table == wanted)
        shown = {}
        for name in LEARNERS:
            asked = {"course_id": "wheelhouse", "assignment_id": self.id}
            self.people[name].lab("POST", "assignments/fetch_feedback", data=asked)
            shown[name] = self._feedback(name)
        self.row("learners fetch their feedback, each with their own points", f"{shown}", shown == wanted)

    def _feedback(self, name: str) -> float | None:
        pages = list((self.ground / "home" / name / self.id / "feedback").rglob("*.html"))
        match = re.search(r'class="total">([\d.]+) of', pages[0].read_text()) if pages else None
        return float(match[1]) if match else None

    def memory(self) -> None:
        """Measure what a learner's processes take, shared pages by halves (PSS)."""
        sizes = {name: _pss(name) for name in USERS}
        learners = [sizes[name] for name in LEARNERS]
        self.row(
            "memory of a learner: server, a kernel or two, a shell",
            ", ".join(f"{one:.0f} MB" for one in learners),
            max(learners) < 1000,
        )


ATTACK = """
import os, datetime
def folder(who, seconds):
    when = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    path = f"{inbound}/{{who}}+{id}+{{when}}+attack"
    os.mkdir(path)
    return path
os.symlink("{prof}/wheelhouse/.grading/gradebook.db", folder("{me}", 5) + "/{id}.snapshot")
open(folder("{victim}", 5) + "/{id}.snapshot", "w").write("forged")
"""


def _answers_of(exercise: str) -> list[str]:
    notebook = json.loads((COURSE / "solutions" / exercise / f"{exercise}.ipynb").read_text())
    cells = [
        one
        for one in notebook["cells"]
        if one["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("answer-")
    ]
    return [
        "\n".join(line for line in "".join(one["source"]).splitlines() if not line.startswith(("%%", "###")))
        for one in cells
    ]


def _tier(said: str, person: Person, kernel: str) -> str:
    text = said + person.run(kernel, "from autograder.jupyter.session import here; print('tier', here().tier)")
    return text.rpartition("tier ")[2].strip()


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _of(name: str, file: str) -> Iterator[str]:
    """Give what the kernel says in one file of `/proc` of each process of a user's."""
    uid = pwd.getpwnam(name).pw_uid
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == uid:
                yield (process / file).read_text()


def _pss(name: str) -> float:
    """Add up the proportional memory of a user's processes, in MB."""
    return sum(int(re.findall(r"^Pss: +(\d+)", text, re.M)[0]) for text in _of(name, "smaps_rollup")) / 1000


def _spent(name: str) -> float:
    """Add up the processor's seconds of a user's processes, and of their children that have ended."""
    ticks = sum(sum(map(int, text.rpartition(") ")[2].split()[11:15])) for text in _of(name, "stat"))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run the class; the place and the exercise come as arguments."""
    room = Class(Place(Path(sys.argv[1])), sys.argv[2])
    begun = time.monotonic()
    try:
        room.prepare()
        with room.hub():
            room.log_in()
            room.release()
            for name, tasks in zip(LEARNERS, (len(room.exercise.tasks), 2, 0), strict=True):
                room.solve(name, tasks)
            room.submit()
            room.collect()
            room.memory()
            room.grade()
    except Stuck as stuck:
        room.row("the class goes on to its end", str(stuck), False)
    room.row("the whole class", f"{time.monotonic() - begun:.0f} s", True)
    sys.stdout.write(json.dumps([asdict(row) for row in room.rows]))
    shutil.rmtree(room.ground / "srv", ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
