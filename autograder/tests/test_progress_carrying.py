"""Tests of `autograder.progress.carrying`: what is done here goes on elsewhere, whole or not at all."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import folder, runner
from autograder.exceptions import UsageError
from autograder.exercise import Exercise, find_exercise, find_exercises
from autograder.folder import LiveWorkspace
from autograder.places import course_root
from autograder.progress import carrying
from autograder.progress.carried import to_bytes
from autograder.sandbox import Limits
from autograder.snapshot import digest
from autograder.snapshot.state import nodes_of
from autograder.tree import FolderTree

ROUNDS = int(os.environ.get("WHEELHOUSE_ROUNDS") or 1)
SEED = int(os.environ.get("WHEELHOUSE_SEED") or 20261121)
Elsewhere = Callable[[str], Path]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Go to other labs, as if this were another machine."""

    def go(name: str) -> Path:
        monkeypatch.setenv("WHEELHOUSE_LABS", str(tmp_path / name))
        return tmp_path / name

    return go


def do(live: LiveWorkspace, commands: str) -> str:
    """Type commands into a workspace's shell."""
    done = live.sandbox.run(["bash", "-ec", commands], live.place, limits=Limits(wall_seconds=300))
    assert done.exit_status == 0, done.output
    return done.output


def carry() -> carrying.Arrived:
    """Take what was exported to where we are now."""
    return carrying.bring_back(carrying.opened(carrying.exported()))


def named(live: LiveWorkspace) -> dict[str, object]:
    """All that stands in a workspace, with its content; but git's own memory of inodes and times."""
    return {path: node for path, node in nodes_of(live.tree).items() if not path.endswith(".git/index")}


@pytest.fixture
def printer(labs: Path) -> LiveWorkspace:
    """Exercise 01, just begun, with something of the learner's in it."""
    live = folder.begin(find_exercise("01"))
    (live.project / "mine.txt").write_text("mine\n")
    (live.place.home / ".bash_history").write_text("ls\nexport TWINE_PASSWORD=hunter2\n")
    return live


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("exercise", find_exercises(), ids=lambda one: one.id)
def test_work_goes_on_elsewhere(exercise: Exercise, elsewhere: Elsewhere) -> None:
    """Half of the tasks are done here and the others elsewhere: at each arrival the verdict is the same to the byte, and at last all is done."""
    elsewhere("here")
    live = folder.begin(exercise)
    half = len(exercise.tasks) // 2
    for task in live.exercise.tasks[:half] if live.exercise else ():
        do(live, task.answer)
    seen = runner.check_live(live, submit=False)
    data = carrying.exported()
    assert len(data) < 250_000
    elsewhere("there")
    arrived = carrying.bring_back(carrying.opened(data))
    assert [one.id for one in arrived.exercises] == [exercise.id]
    assert arrived.aside is None
    there = folder.open_workspace(exercise)
    assert runner.check_live(there, submit=False).to_json() == seen.to_json()
    assert named(there) == named(live)
    for task in there.exercise.tasks[half:] if there.exercise else ():
        do(there, task.answer)
    done = runner.check_live(there, submit=False)
    assert done.state == "passed", done.to_json()
    data = carrying.exported()
    elsewhere("further")
    carrying.bring_back(carrying.opened(data))
    assert runner.check_live(folder.open_workspace(exercise), submit=False).to_json() == done.to_json()
    for place in (live.project, there.project):
        folder.remove_tree(place.parent)


def test_git_goes_on(elsewhere: Elsewhere) -> None:
    """A repository arrives with its history, although what is handed in has none, and can be committed to."""
    elsewhere("here")
    live = folder.begin(find_exercise("06"))
    log = do(live, "cd website; echo more >> README.md; git add README.md; git log --stat")
    data = carrying.exported()
    elsewhere("there")
    carrying.bring_back(carrying.opened(data))
    there = folder.open_workspace(find_exercise("06"))
    assert do(there, "cd website; git log --stat") == log
    assert "README.md" in do(there, "cd website; git fsck; git diff-index --name-only HEAD; git commit -m More -q")


def test_what_is_there_is_moved_aside(printer: LiveWorkspace) -> None:
    """Nothing is lost: what the newer one replaces lies in a folder that is named, and hints and record come along."""
    runner.next_hint(printer)
    made = printer.made
    data = carrying.exported()
    (printer.project / "mine.txt").write_text("newer\n")
    (printer.project / "other.txt").write_text("other\n")
    carried = carrying.opened(data)
    assert carrying.to_replace(carried).startswith("Begun here already: 01.")

    arrived = carrying.bring_back(carried)

    assert arrived.aside is not None
    assert str(arrived.aside) in " ".join(arrived.sentences)
    assert (arrived.aside / printer.name / "mine.txt").read_text() == "newer\n"
    assert (arrived.aside / printer.name / "other.txt").exists()
    assert (arrived.aside / ".wheelhouse" / printer.name / "workspace.json").exists()
    live = folder.open_workspace(find_exercise("01"))
    assert (live.project / "mine.txt").read_text() == "mine\n"
    assert not (live.project / "other.txt").exists()
    assert sum(live.hints.values()) == 1
    assert live.made != made
    again = carrying.bring_back(carried)
    assert again.aside is not None
    assert again.aside != arrived.aside


def test_secrets_and_caches_stay_behind(printer: LiveWorkspace, elsewhere: Elsewhere) -> None:
    """No password, token or cache leaves this machine; other settings do, and what was left is said."""
    home = printer.place.home
    token = f"pypi-{'A' * 60}"
    for name, text in {
        ".pypirc": f"[pypi]\npassword = {token}\n",
        ".config/pip/pip.conf": "[global]\nindex-url = https://me:hunter2@company.example/simple\n",
        ".config/tool/settings.toml": "colour = true\n",
        ".ssh/id_ed25519": "hunter2",
        ".cache/pip/big": "hunter2" * 1000,
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    data = carrying.exported()

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inner = [archive.read(name) for name in archive.namelist()]
    for one in list(inner):
        if one[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(one)) as snapshot:
                inner += [snapshot.read(name) for name in snapshot.namelist()]
    assert not any(b"hunter2" in one or token.encode() in one for one in inner)
    elsewhere("there")
    arrived = carrying.bring_back(carrying.opened(data))
    there = folder.open_workspace(find_exercise("01")).place.home
    assert (there / ".config/tool/settings.toml").read_text() == "colour = true\n"
    assert (there / ".bash_history").read_text() == "ls\nexport TWINE_PASSWORD=(hidden)\n"
    assert not (there / ".cache").exists()
    for name in (".pypirc", ".config/pip/pip.conf", ".ssh"):
        assert not (there / name).exists()
        assert f"`~/{name}`" in " ".join(arrived.notices)


def test_another_python_is_said(labs: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments of another Python arrive as they were, and a sentence says that they must be made again; tokens likewise."""
    live = folder.begin(find_exercise("06"))
    (live.state / "published").mkdir()
    (live.state / "published" / "journal.jsonl").write_text(
        '{"site":"pypi","kind":"token","when":"2026-01-01T00:00:00.000000Z"}\n'
    )
    data = carrying.exported()
    elsewhere("there")
    monkeypatch.setattr(carrying, "system_python_version", lambda: "3.99.1")

    told = " ".join(carrying.bring_back(carrying.opened(data)).notices)

    assert "`shared`" in told
    assert "here is Python 3.99" in told
    assert "tokens for the index don't travel" in told


# --- files that can't be used


def refused(data: bytes) -> str:
    """What is said of a file that isn't taken."""
    with pytest.raises(UsageError) as caught:
        carrying.opened(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_changed_byte_is_refused(printer: LiveWorkspace) -> None:
    """Whatever byte is changed, cut off or added, the file isn't taken, and one sentence says so."""
    data = carrying.exported()
    draw = random.Random(SEED)
    for _ in range(100 * ROUNDS):
        at = draw.randrange(len(data))
        other = bytes([data[at] ^ draw.randrange(1, 256)])
        assert "can't be used" in refused(data[:at] + other + data[at + 1 :])
        assert "can't be used" in refused(data[:at])
    assert "can't be used" in refused(data + b"x")


def repacked(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The file with other members, and all its sums right again, as an attacker makes it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    return to_bytes(json.loads(members.pop("progress.json")), list(members.items()))


def told(members: dict[str, bytes], **facts: object) -> None:
    """Let the file say something else of itself."""
    members["progress.json"] = json.dumps({**json.loads(members["progress.json"]), **facts}).encode()


def a_path_that_leads_out(members: dict[str, bytes]) -> None:
    """A part stands under a path that leaves the labs."""
    members["../../evil/workspace"] = members["01-modules/workspace"]


def an_exercise_that_leads_out(members: dict[str, bytes]) -> None:
    """An exercise's name does."""
    for part in ("workspace", "home", "history", "commands"):
        members[f"../evil/{part}"] = members.pop(f"01-modules/{part}")
    told(members, exercises={"../evil": {"made": 0, "hints": {}, "left": []}})


def a_workspace_of_another_exercise(members: dict[str, bytes]) -> None:
    """The snapshot is HOME's."""
    members["01-modules/workspace"] = members["01-modules/home"]


def garbage_for_a_workspace(members: dict[str, bytes]) -> None:
    """The snapshot is none."""
    members["01-modules/workspace"] = b"PK" + b"x" * 1000


def a_bomb(members: dict[str, bytes]) -> None:
    """A few bytes become hundreds of megabytes."""
    members["01-modules/history"] = b"0" * 60_000_000


def a_thousand_members(members: dict[str, bytes]) -> None:
    """There are too many parts."""
    members.update({f"{number}": b"" for number in range(1000)})


def an_escape_for_the_terminal(members: dict[str, bytes]) -> None:
    """What was left behind has a name that steers a terminal."""
    told(members, exercises={"01-modules": {"made": 0, "hints": {}, "left": ["\x1b]0;evil\x07"]}})


def a_cell_that_is_none(members: dict[str, bytes]) -> None:
    """A notebook's cell has another kind."""
    cell = {"id": "a", "kind": "evil", "source": "", "after": ""}
    told(members, cells={"exercises/01-modules": [cell]})


def a_notebook_elsewhere(members: dict[str, bytes]) -> None:
    """Cells for a notebook outside of the course."""
    told(members, cells={"../home/evil": []})


def a_time_that_is_none(members: dict[str, bytes]) -> None:
    """A number is a text."""
    told(members, exercises={"01-modules": {"made": "now", "hints": {}, "left": []}})


def nested_too_deep(members: dict[str, bytes]) -> None:
    """JSON which no reader survives that isn't careful."""
    members["01-modules/commands"] = b"[" * 1_000_000 + b"\n"
    members["01-modules/workspace"] = b"[" * 1_000_000


HOSTILE = [
    a_path_that_leads_out,
    an_exercise_that_leads_out,
    a_workspace_of_another_exercise,
    garbage_for_a_workspace,
    a_bomb,
    a_thousand_members,
    an_escape_for_the_terminal,
    a_cell_that_is_none,
    a_notebook_elsewhere,
    a_time_that_is_none,
    nested_too_deep,
]


@pytest.mark.parametrize("defect", HOSTILE, ids=lambda one: one.__name__)
def test_a_hostile_file_is_refused(printer: LiveWorkspace, defect: Callable[[dict[str, bytes]], None]) -> None:
    """What an attacker wrote with right sums is refused in a sentence before anything is changed."""
    data = carrying.exported()
    assert carrying.opened(repacked(data, lambda _: None)).parts[0].exercise.number == 1

    assert "can't be used" in refused(repacked(data, defect))

    assert (printer.project / "mine.txt").read_text() == "mine\n"


def test_a_record_that_steers_a_terminal_is_dropped(printer: LiveWorkspace) -> None:
    """Of a foreign record of commands only what is plain text is taken."""
    plain = {"command": "ls", "source": "terminal", "status": 0, "cwd": "", "at": 1.0, "seconds": 1.0, "changes": []}
    lines = [plain, {**plain, "command": "\x1b[2J"}, {**plain, "command": "a\nb"}, ["x"]]

    def records(members: dict[str, bytes]) -> None:
        members["01-modules/commands"] = "\n".join(json.dumps(one) for one in lines).encode()

    found = carrying.opened(repacked(carrying.exported(), records)).parts[0].commands

    assert [json.loads(line)["command"] for line in found.splitlines()] == ["ls", "a\nb"]


# --- killed in the middle


def state_of(labs: Path) -> str:
    """What a learner has of exercise 01, opened as anybody opens it."""
    live = folder.open_workspace(find_exercise("01"))
    assert live.project.parent == labs
    home = FolderTree(live.place.home)
    return f"{digest(live.tree)} {home.sha256('.bash_history')} {live.hints}"


@pytest.mark.timeout(600)
def test_whoever_is_killed_leaves_the_old_or_the_new(printer: LiveWorkspace, labs: Path, tmp_path: Path) -> None:
    """`course import` is killed at random moments, mostly while it moves things: all is as before or all is new, and nothing is lost."""
    draw = random.Random(SEED)
    file = tmp_path / "p.wheelhouse"
    (printer.place.home / ".bash_history").write_text("ls\n")
    carrying.export_to(file)
    new = state_of(labs)
    (printer.project / "mine.txt").write_text("newer\n")
    (printer.place.home / ".bash_history").write_text("other\n")
    old = state_of(labs)
    before = tmp_path / "before"
    subprocess.run(["cp", "-a", labs, before], check=True)
    seen = []
    for number in range(4 * ROUNDS):
        folder.remove_tree(labs)
        subprocess.run(["cp", "-a", before, labs], check=True)
        words = [sys.executable, "-m", "autograder.cli", "import", str(file), "--yes"]
        run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            if number % 4:
                end = time.monotonic() + 60
                while not (labs / ".wheelhouse" / "arriving.json").exists() and run.poll() is None:
                    assert time.monotonic() < end
            else:
                time.sleep(draw.uniform(0.3, 1.5))
            time.sleep(draw.uniform(0, 0.02) if number % 4 else 0)
        finally:
            os.killpg(run.pid, signal.SIGKILL) if run.poll() is None else None
            run.wait()
        found = state_of(labs)
        assert found in (old, new), number
        seen.append(found == new)
        asides = sorted(labs.glob("before-import-*/01-modules/mine.txt"))
        assert [one.read_text() for one in asides] == (["newer\n"] if found == new else [])
        assert not (labs / ".wheelhouse" / "arriving.json").exists()
    assert any(seen)


# --- notebooks


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the course's notebooks."""
    root, made = course_root(), tmp_path / "course"
    assert root is not None
    made.mkdir()
    shutil.copy(root / "nbgrader_config.py", made)
    for name in ("01-modules", "06-virtual-environments"):
        for path in (f"exercises/{name}/{name}.ipynb", f"notebooks/{name}.ipynb"):
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, made / path)
    monkeypatch.setenv("WHEELHOUSE_COURSE", str(made))
    monkeypatch.setenv("WHEELHOUSE_LABS", str(made / "labs"))
    return made


def write_into(notebook: Path, grade_id: str, source: str) -> None:
    """Type into one cell of a notebook, and run it."""
    whole = json.loads(notebook.read_bytes())
    cell = next(one for one in whole["cells"] if one["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)
    cell["source"] = source.splitlines(keepends=True)
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["secret\n"]}]
    notebook.write_text(json.dumps(whole))


def test_cells_of_ones_own_travel(course: Path) -> None:
    """What was typed into an exercise's notebook comes back into a fresh one, without outputs; the course's own text is not touched."""
    notebook = course / "exercises" / "01-modules" / "01-modules.ipynb"
    built = notebook.read_bytes()
    write_into(notebook, "answer-1", "%%shell\necho mine\n")
    write_into(notebook, "text-1", "# The course's own, which I changed\n")
    data = carrying.exported()
    assert b"secret" not in data
    notebook.write_bytes(built)

    arrived = carrying.bring_back(carrying.opened(data))

    assert arrived.pages == ("exercises/01-modules",)
    text = notebook.read_text()
    assert "echo mine" in text
    assert "which I changed" not in text
    assert arrived.aside is None, "an untouched notebook is nothing to keep"
    write_into(notebook, "answer-1", "%%shell\necho newer\n")
    again = carrying.bring_back(carrying.opened(data))
    assert again.aside is not None
    assert "echo newer" in (again.aside / notebook.name).read_text()
    assert "echo mine" in notebook.read_text()


def test_nothing_to_keep_is_said(course: Path) -> None:
    """Before anything was begun or written there is nothing to export, and untouched notebooks are none."""
    with pytest.raises(carrying.NothingToCarry, match="no progress yet"):
        carrying.exported()
