"""What every test may use: labs of its own, and workspaces in a given state."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from nbmake.nb_result import NotebookError  # type: ignore[import-untyped]
from nbmake.nb_run import NotebookRun  # type: ignore[import-untyped]

from autograder import folder
from autograder.exercise import Exercise
from autograder.folder import LiveWorkspace
from autograder.places import cache
from browsing import described


def _error_of(run: NotebookRun, notebook: Any) -> NotebookError:
    """Say which cell of a lesson failed, and what it showed.

    nbmake calls this when a cell has failed, looks for an output of the kind `error`, and lets the notebook pass where it finds none.
    Our own errors are told in sentences and leave no such output.
    """
    found: NotebookError | None = _nbmakes_error_of(run, notebook)
    if found is None:
        ran = [number for number, cell in enumerate(notebook.cells) if cell.get("execution_count")]
        last = ran[-1] if ran else 0
        cell = notebook.cells[last]
        told = "\n".join(
            str(one.get("text") or one.get("data", {}).get("text/plain")) for one in cell.get("outputs", [])
        )
        found = NotebookError(summary=told[-300:], trace=f"{cell['source']}\n{told}", failing_cell_index=last)
    return found


_nbmakes_error_of = NotebookRun._get_error
NotebookRun._get_error = _error_of


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: archives made while collecting hold the time, and two workers would disagree on a test's name."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the quick tests first, the slow ones and the lessons last: who waits learns soon that something is broken."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None or item.path.suffix == ".ipynb")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which ways of a learner through the browser took longest, and write down what failed."""
    _say_slowest(terminalreporter)
    if file := os.environ.get("WHEELHOUSE_FAILED"):
        _note_failed(terminalreporter, Path(file))


def _say_slowest(terminalreporter: pytest.TerminalReporter, most: int = 5) -> None:
    ways = [
        (one.duration, one.nodeid.removeprefix("tests/").partition("@")[0])
        for one in terminalreporter.stats.get("passed", ())
        if one.when == "call" and one.nodeid.startswith("tests/test_browser")
    ]
    if ways:
        terminalreporter.section("slowest ways through the browser")
        for seconds, name in sorted(ways, reverse=True)[:most]:
            terminalreporter.write_line(f"{seconds:6.1f} s  {name}")


def _note_failed(terminalreporter: pytest.TerminalReporter, file: Path) -> None:
    """Write the names of what failed into the file that .ci/test asks for; none if any of it is a lesson or guards a promise of safety."""
    failed = [*terminalreporter.stats.get("failed", ()), *terminalreporter.stats.get("error", ())]
    if all(one.nodeid.startswith("tests/") and "promise" not in getattr(one, "keywords", ()) for one in failed):
        # pytest-xdist writes a test's group behind its name
        names = {re.sub(r"@[^@\]]*$", "", one.nodeid) for one in failed}
        file.write_text("".join(f"{name}\n" for name in sorted(names)), "utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what its page showed then: where tests run by themselves nobody sees a picture."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.failed and call.when == "call" and page is not None and hasattr(page, "evaluate"):
        report.sections.append(("the page", described(page)))
    return report


os.environ["WHEELHOUSE_LEARNER"] = ""
"""Exercises that differ from learner to learner are those of the reference answers."""


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard() -> None:
    """Let what tests start be interrupted also where they run in a shell's background, which ignores SIGINT for all below it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def one_cache() -> Iterator[None]:
    """Let a test that moves into another course's folder still find the one cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_CACHE", str(cache()))
        yield


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Labs of this test's own, which are gone after it."""
    place = tmp_path / "labs"
    monkeypatch.setenv("WHEELHOUSE_LABS", str(place))
    return place


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Exercise], Path]]:
    """Labs in which an exercise was just begun: made once, to be copied."""
    made: dict[str, Path] = {}

    def give(exercise: Exercise) -> Path:
        if exercise.id not in made:
            place = tmp_path_factory.mktemp("pristine")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("WHEELHOUSE_LABS", str(place))
                folder.begin(exercise)
            made[exercise.id] = place
        return made[exercise.id]

    yield give
    for place in made.values():
        folder.remove_tree(place)


@pytest.fixture
def begun(labs: Path, pristine: Callable[[Exercise], Path]) -> Iterator[Callable[[Exercise], LiveWorkspace]]:
    """A workspace of this test's own, as it is when an exercise has just been begun."""

    def give(exercise: Exercise) -> LiveWorkspace:
        if labs.exists():
            folder.remove_tree(labs)
        subprocess.run(["cp", "-a", pristine(exercise), labs], check=True)
        return folder.open_workspace(exercise)

    yield give
    folder.remove_tree(labs)
