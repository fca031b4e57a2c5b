"""Tests of `autograder.jupyter.launch`."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.exceptions import CourseError, UsageError
from autograder.jupyter import launch


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The least that counts as a copy of the course."""
    (tmp_path / "nbgrader_config.py").touch()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "06-things.ipynb").touch()
    (tmp_path / "exercises" / "06-things").mkdir(parents=True)
    (tmp_path / "exercises" / "06-things" / "06-things.ipynb").touch()
    return tmp_path


def test_a_port_in_use_is_passed_over(taken_port: int) -> None:
    """The next free port is taken instead."""
    assert taken_port < launch.free_port(taken_port) <= taken_port + 100


def test_no_port_free_is_told(taken_port: int) -> None:
    """Where all are in use a sentence names the way out."""
    with pytest.raises(CourseError, match=r"in use.*LAB_ARGS"):
        launch.free_port(taken_port, taken_port)


@pytest.mark.parametrize("words", [["--port", "70000"], ["--port=soon"], ["--ServerApp.port="], ["--port"]])
def test_what_is_no_port_is_told(words: list[str]) -> None:
    """A port that can't be one gets a sentence, not Jupyter's traceback."""
    with pytest.raises(UsageError, match="is no port"):
        launch._take_port(words)


def test_the_port_is_told_from_the_other_words() -> None:
    """Jupyter takes the option only once, so it is taken out of what the caller wrote."""
    assert launch._take_port(["--no-browser", "--port", "8890", "--ip=::"]) == (8890, ["--no-browser", "--ip=::"])
    assert launch._take_port(["--no-browser"]) == (None, ["--no-browser"])


def test_our_configuration_comes_first() -> None:
    """What was configured on this machine stays, behind ours; another server's word on its terminals does not."""
    made = launch.environment({"JUPYTER_CONFIG_PATH": "/theirs", "WHEELHOUSE_TERMINAL": "sandbox", "HOME": "/h"})

    assert made["JUPYTER_CONFIG_PATH"] == f"{launch.CONFIG}:/theirs"
    aloud = launch.environment({"WHEELHOUSE_SCREEN_READER": "1"})["JUPYTER_CONFIG_PATH"]
    assert aloud == f"{launch.READ_ALOUD}:{launch.CONFIG}"
    assert "WHEELHOUSE_TERMINAL" not in made
    assert made["HOME"] == "/h"


def test_every_file_of_the_configuration_is_json() -> None:
    """JupyterLab passes over a file that it can't read, without a word."""
    found = sorted(one for top in (launch.CONFIG, launch.READ_ALOUD) for one in top.rglob("*.json"))

    assert len(found) >= 3
    for path in found:
        assert json.loads(path.read_text("utf-8"))


def test_lesson_left_shell_right(course: Path) -> None:
    """The layout names notebooks that are there, and the exercise's own shell."""
    made = launch.layout(course)["data"]

    left, right = made["layout-restorer:data"]["main"]["dock"]["children"]
    assert left["widgets"] == ["notebook:notebooks/06-things.ipynb", "notebook:exercises/06-things/06-things.ipynb"]
    assert right["widgets"] == ["terminal:ex06"]
    assert all(name in made for name in left["widgets"] + right["widgets"])


def test_the_layout_is_written_once(course: Path, labs: Path) -> None:
    """What the learner moved stays moved."""
    launch.command(course, [], 8888)
    (written,) = (labs / ".wheelhouse" / "jupyter" / "layouts").iterdir()
    written.write_text(written.read_text().replace("0.6", "0.7"))

    launch.command(course, [], 8888)

    assert "0.7" in written.read_text()


def test_outside_the_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where only the package is installed, a sentence says where the command works."""
    monkeypatch.setattr(launch, "course_root", lambda: None)

    assert launch.main([]) == 2
    assert "Run `make lab` in a clone" in capsys.readouterr().err


def test_the_layout_can_be_printed(course: Path, labs: Path) -> None:
    """Where others start the server, `jupyter lab workspaces import` can read it."""
    done = subprocess.run(
        [sys.executable, "-m", "autograder.jupyter.launch", "--print-layout"],
        env={"WHEELHOUSE_COURSE": str(course), "WHEELHOUSE_LABS": str(labs)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["metadata"]["id"] == "course"


def test_only_notebooks_without_outputs_are_trusted(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The course's own pages need no question before a button of theirs works; what holds an output is not taken for ours."""
    import nbformat
    from nbformat.sign import NotebookNotary

    untyped: Any = nbformat
    notary: Any = NotebookNotary
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    page = untyped.v4.new_notebook(cells=[untyped.v4.new_code_cell("1")])
    output = untyped.v4.new_output("display_data", {"text/html": "<script></script>"})
    foreign = untyped.v4.new_notebook(cells=[untyped.v4.new_code_cell("1", outputs=[output])])
    (course / "notebooks" / "06-things.ipynb").write_text(untyped.writes(page))
    (course / "exercises" / "06-things" / "06-things.ipynb").write_text(untyped.writes(foreign))

    launch._trust(course)

    assert notary().check_signature(page)
    assert not notary().check_signature(foreign)


def test_trust_is_given_again_only_where_a_notebook_changed(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second start looks at no notebook; a new one, or signatures that were lost, are seen."""
    signed: list[int] = []
    really = launch._sign

    def counted(paths: list[Path]) -> None:
        signed.append(len(paths))
        really(paths)

    monkeypatch.setattr(launch, "_sign", counted)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    before = len(list(course.glob("notebooks/*.ipynb"))) + len(list(course.glob("exercises/*/*.ipynb")))
    launch._trust(course)
    launch._trust(course)
    assert signed == [before]
    (course / "notebooks" / "98-new.ipynb").write_text("{}")
    launch._trust(course)
    assert signed == [before, before + 1]
    (tmp_path / "data" / "nbsignatures.db").unlink()
    launch._trust(course)
    assert signed == [before, before + 1, before + 1]
