"""Tests of `autograder.jupyter.session` and `.magics`, in a real kernel, as a notebook speaks with it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from autograder import folder, runner
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace

Begun = Callable[[Exercise], LiveWorkspace]
PATIENCE = 90.0


@dataclass
class Ran:
    """What one cell gave."""

    status: str = ""
    said: str = ""
    """All of stdout."""
    complained: str = ""
    """All of stderr."""
    shown: list[dict[str, Any]] = field(default_factory=list)
    """What was displayed, by MIME type."""
    value: str | None = None
    times: list[float] = field(default_factory=list)
    """When each piece of stdout came."""
    tracebacks: int = 0

    @property
    def words(self) -> str:
        """The text of all that was displayed."""
        return "\n".join(str(one.get("text/plain", "")) for one in self.shown)


class Notebook:
    """A kernel, and the one who runs cells in it."""

    def __init__(self, where: Path, **variables: str) -> None:
        """Start a kernel in a folder."""
        self.manager = KernelManager()
        self.manager.start_kernel(
            cwd=str(where),
            env={**os.environ, "PYTHONUNBUFFERED": "1", "IPYTHONDIR": str(where / ".ipython"), **variables},
        )
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def run(self, *lines: str) -> Ran:
        """Run one cell to its end."""
        ran = Ran()

        def hook(message: dict[str, Any]) -> None:
            content = message["content"]
            kind = message["header"]["msg_type"]
            if kind == "stream" and content["name"] == "stdout":
                ran.said += content["text"]
                ran.times.append(time.monotonic())
            elif kind == "stream":
                ran.complained += content["text"]
            elif kind == "display_data":
                ran.shown.append(content["data"])
            elif kind == "execute_result":
                ran.value = content["data"]["text/plain"]
            elif kind == "error":
                ran.tracebacks += 1

        reply = self.client.execute_interactive("\n".join(lines), timeout=PATIENCE, output_hook=hook)
        ran.status = reply["content"]["status"]
        return ran

    def close(self) -> None:
        """End the kernel."""
        if self.manager.has_kernel:
            self.client.stop_channels()
            self.manager.shutdown_kernel(now=True)


@pytest.fixture
def exercise() -> Exercise:
    """The exercise on virtual environments."""
    return find_exercise("06")


@pytest.fixture
def open_notebook(tmp_path: Path, labs: Path, exercise: Exercise) -> Iterator[Callable[..., Notebook]]:
    """Open the exercise's notebook in a folder like that of nbgrader's release, with the extension loaded."""
    opened: list[Notebook] = []

    def start(**variables: str) -> Notebook:
        where = tmp_path / exercise.id
        where.mkdir(exist_ok=True)
        (where / f"{exercise.id}.ipynb").touch()
        one = Notebook(where, **variables)
        opened.append(one)
        assert one.run("%load_ext autograder").status == "ok"
        return one

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def notebook(begun: Begun, exercise: Exercise, open_notebook: Callable[..., Notebook]) -> Notebook:
    """A notebook in which the exercise has just been begun."""
    begun(exercise)
    one = open_notebook()
    ran = one.run('begin("06")')
    assert (ran.status, ran.complained) == ("ok", "")
    return one


@pytest.mark.slow
def test_the_first_cell_may_be_run_again(notebook: Notebook) -> None:
    """It shows the list once more, and nothing else: IPython would tell how to reload an extension."""
    again = notebook.run("%load_ext autograder", 'begin("06")')

    assert (again.status, again.said, again.complained) == ("ok", "", "")
    assert "Virtual environments" in again.words


@pytest.mark.slow
def test_a_shell_cell_is_a_shell_that_stays(notebook: Notebook) -> None:
    """Directory, variables, functions and activation stay from cell to cell."""
    first = notebook.run(
        "%%shell",
        "python3 -m venv --without-pip .venv && source .venv/bin/activate",
        "mkdir deep; cd deep; colour=blue; say() { echo said $1; }",
    )
    second = notebook.run("%%shell", "pwd; echo $colour; say it; command -v python")

    assert first.status == second.status == "ok"
    lines = second.said.split()
    assert lines[0].endswith("/deep")
    assert lines[1:4] == ["blue", "said", "it"]
    assert lines[4].endswith(".venv/bin/python")


@pytest.mark.slow
def test_the_whole_exercise_in_cells(notebook: Notebook, exercise: Exercise) -> None:
    """Every reference answer, run as the cell that it is on the page, brings about its task."""
    for task in exercise.tasks:
        assert notebook.run("%%shell", *task.answer.splitlines()).status == "ok"
        notebook.run("%%shell", "cd ~/project")

    scores = [notebook.run(f"grade({task.number})").value for task in exercise.tasks]

    assert scores == [f"{float(task.points)}" for task in exercise.tasks]


@pytest.mark.slow
def test_output_appears_while_it_is_made(notebook: Notebook) -> None:
    """A learner sees the first line long before the last one."""
    ran = notebook.run("%%shell", "echo one; sleep 1; echo two")

    assert ran.said.split() == ["one", "two"]
    assert ran.times[-1] - ran.times[0] > 0.7


@pytest.mark.slow
def test_a_failing_command_is_told_in_words(notebook: Notebook) -> None:
    """No traceback, nothing on stderr (nbgrader gives 0 for either), and what the number means."""
    ran = notebook.run("%%shell", "ls /nowhere >&2; leftpd")

    assert (ran.status, ran.complained, ran.tracebacks) == ("ok", "", 0)
    assert "/nowhere" in ran.said
    assert "exit status 127: there is no such command" in ran.words
    assert notebook.run("_exit_code").value == "127"


@pytest.mark.slow
def test_an_expected_exit_status(notebook: Notebook) -> None:
    """A lesson's cell that ends otherwise than the lesson says stops the run, without a traceback."""
    assert notebook.run("%%shell --expect 3", "(exit 3)").status == "ok"

    ran = notebook.run("%%shell --expect 0", "false")

    assert (ran.status, ran.complained, ran.tracebacks) == ("error", "", 0)
    assert "exit status 1; in this cell it should be 0" in ran.words


@pytest.mark.slow
def test_stopping_a_cell_leaves_the_shell_where_it_was(notebook: Notebook) -> None:
    """The stop button ends the command; variables are still there."""
    notebook.run("%%shell", "kept=here")
    stop = threading.Timer(1.5, notebook.manager.interrupt_kernel)
    stop.start()
    began = time.monotonic()

    ran = notebook.run("%%shell", "sleep 60")

    assert time.monotonic() - began < 20
    assert (ran.status, ran.complained, ran.tracebacks) == ("ok", "", 0)
    assert "it was interrupted" in ran.words
    assert notebook.run("%%shell", "echo $kept").said.strip() == "here"


@pytest.mark.slow
def test_a_cell_that_takes_too_long_is_stopped(notebook: Notebook) -> None:
    """The limit is told, and how to ask for more."""
    ran = notebook.run("%%shell --timeout 1", "sleep 60")

    assert (ran.status, ran.complained, ran.tracebacks) == ("ok", "", 0)
    assert "longer than 1 s" in ran.words
    assert "--timeout" in ran.words
    assert notebook.run("%%shell", "echo alive").said.strip() == "alive"


@pytest.mark.slow
def test_starting_over_gives_a_new_shell(notebook: Notebook, exercise: Exercise) -> None:
    """After a reset elsewhere a cell works in the new workspace, not in the old one's ghost."""
    notebook.run("%%shell", "echo mine > mine.txt; ghost=1")
    folder.reset(exercise)

    ran = notebook.run("%%shell", 'ls; echo "ghost: $ghost."')

    assert "mine.txt" not in ran.said
    assert "ghost: ." in ran.said
    assert "new shell" in ran.words


@pytest.mark.slow
def test_wrong_use_is_told_in_words(open_notebook: Callable[..., Notebook]) -> None:
    """An unknown exercise, a hint too early, an option that isn't one: a sentence each, and the run stops."""
    notebook = open_notebook()
    for cell, sentence in (
        ('begin("77")', "There is no exercise '77'."),
        ("hint()", "No exercise is begun yet."),
        ("%%shell --fast\ntrue", "doesn't understand its first line"),
    ):
        ran = notebook.run(cell)
        assert (ran.status, ran.complained, ran.tracebacks) == ("error", "", 0)
        assert sentence in ran.words


@pytest.mark.slow
def test_begin_shows_the_checklist_and_warns_of_ordinary_terminals(
    begun: Begun, exercise: Exercise, open_notebook: Callable[..., Notebook]
) -> None:
    """The list is there as widget, HTML and text; where terminals aren't the sandbox it says so and what to do."""
    begun(exercise)
    for variables, warned in (({"WHEELHOUSE_TERMINAL": ""}, True), ({"WHEELHOUSE_TERMINAL": "sandbox"}, False)):
        (shown,) = open_notebook(**variables).run('begin("06")').shown

        assert "application/vnd.jupyter.widget-view+json" in shown
        assert f"Task 1: {exercise.tasks[0].title}" in shown["text/plain"]
        assert f"0 of {exercise.points} points" in shown["text/plain"]
        assert "<script" not in shown["text/html"]
        assert ("not the sandbox" in shown["text/plain"]) is warned
        assert ("make lab" in shown["text/html"]) is warned


@pytest.mark.slow
def test_grade_checks_what_is_there_now(notebook: Notebook, exercise: Exercise, tmp_path: Path) -> None:
    """The cell gives the points, says what is missing, and writes the snapshot beside the notebook."""
    before = notebook.run("grade(1)")
    commands = exercise.tasks[0].answer.splitlines()
    notebook.run("%%shell", "true", *commands)
    after = notebook.run("grade(1)")

    assert (before.value, after.value) == ("0.0", f"{float(exercise.tasks[0].points)}")
    assert before.complained == after.complained == ""
    assert "next step" in before.words
    snapshot = tmp_path / exercise.id / f"{exercise.id}.snapshot"
    assert runner.check_snapshot(snapshot).task(1).score == exercise.tasks[0].points


@pytest.mark.slow
def test_grade_in_nbgraders_own_kernel(
    notebook: Notebook, exercise: Exercise, open_notebook: Callable[..., Notebook], labs: Path
) -> None:
    """While nbgrader grades only the submitted snapshot counts: no workspace is made and no command runs again."""
    notebook.run("%%shell", "true", *exercise.tasks[0].answer.splitlines())
    live = notebook.run("grade(1)")
    folder.remove_tree(labs)

    grading = open_notebook(NBGRADER_EXECUTION="autograde")
    cells = [grading.run(cell) for cell in ('begin("06")', 'lesson("06")', "%%shell\ntouch /tmp/ran-again", "grade(1)")]

    assert cells[-1].value == live.value == f"{float(exercise.tasks[0].points)}"
    assert [cell.complained for cell in cells] == [""] * 4
    assert "Not run again" in cells[2].words
    assert not (labs / exercise.id).exists()


@pytest.mark.slow
def test_grade_where_nothing_was_submitted(open_notebook: Callable[..., Notebook]) -> None:
    """No snapshot is worth 0 points and a sentence; a grade cell without `begin` too (None would be full points)."""
    grading = open_notebook(NBGRADER_EXECUTION="autograde")

    lost = grading.run("grade(1)")
    grading.run('begin("06")')
    empty = grading.run("grade(2)")

    assert (lost.value, empty.value) == ("0.0", "0.0")
    assert "which exercise" in lost.words
    assert "Nothing was submitted" in empty.words


@pytest.mark.slow
def test_a_lesson_has_its_own_workspace(notebook: Notebook, exercise: Exercise, labs: Path) -> None:
    """A lesson's cells touch no exercise, start afresh each time, and hints still find the exercise."""
    notebook.run('lesson("06")')
    notebook.run("%%shell", "touch broken")
    again = notebook.run('lesson("06")')
    seen = notebook.run("%%shell", "ls")

    assert (again.status, again.complained) == ("ok", "")
    assert "broken" not in seen.said
    assert not (labs / exercise.id / "broken").exists()
    assert "Hint 1 of" in notebook.run("hint(1)").words


@pytest.mark.slow
def test_nothing_is_left_running(notebook: Notebook) -> None:
    """When the kernel ends, the shell and what runs in it end too."""
    mark = f"4{os.getpid()}.25"
    notebook.run("%%shell", f"sleep {mark} & true")
    assert _running(mark)

    notebook.close()

    end = time.monotonic() + 10
    while _running(mark) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _running(mark)


def _running(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", mark.encode()]:
                return True
        except OSError:
            continue
    return False


def test_the_kernel_is_this_python() -> None:
    """The tests above would mean nothing with the kernel of another environment."""
    manager = KernelManager()
    assert manager.kernel_spec is not None
    program = manager.format_kernel_cmd()[0]
    assert Path(program).parent.resolve() == Path(sys.executable).parent.resolve()
