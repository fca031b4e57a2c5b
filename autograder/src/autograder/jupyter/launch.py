"""Open the course in JupyterLab: `python -m autograder.jupyter.launch [options of jupyter lab]`, which is what `make lab` runs.

The lesson stands left, the sandboxed shell right of it. What the learner moves stays moved: the layout is written once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir

from autograder.exceptions import CourseError, UsageError
from autograder.places import course_root, labs
from autograder.progress import own_cells
from autograder.sandbox.seed import seed

__all__ = ["CONFIG", "READ_ALOUD", "environment", "free_port", "layout", "main"]

CONFIG = Path(__file__).parent / "config"
"""A Jupyter configuration folder, for JUPYTER_CONFIG_PATH."""
READ_ALOUD = CONFIG.with_name("config_read_aloud")
"""Another one, before it, for who asks by `WHEELHOUSE_SCREEN_READER=1`: what a terminal shows can be read by a screen reader."""
FIRST_PORT = 8888
NAME = "course"


def free_port(first: int = FIRST_PORT, last: int | None = None) -> int:
    """Give the first port from `first` to `last` (by default 100 more) on which nobody listens on this machine.

    Raises:
        CourseError: all of them are in use.
    """
    end = min(last or first + 100, 65535)
    for port in range(first, end + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise CourseError(f"All ports from {first} to {end} are in use.", "Name another one: make lab LAB_ARGS=--port=9900")


def environment(base: dict[str, str]) -> dict[str, str]:
    """Give the environment for the server: ours comes before what is configured on this machine.

    Only before: a learner's own settings in JupyterLab still win.
    """
    before = base.get("JUPYTER_CONFIG_PATH", "")
    ours = [str(READ_ALOUD)] if base.get("WHEELHOUSE_SCREEN_READER") else []
    made = {**base, "JUPYTER_CONFIG_PATH": os.pathsep.join([*ours, str(CONFIG), *([before] if before else [])])}
    for word in ("WHEELHOUSE_TERMINAL", "WHEELHOUSE_SERVER_ROOT"):
        made.pop(word, None)  # the server's extension says so when it has seen it
    return made


def layout(course: Path) -> dict[str, Any]:
    """Give a JupyterLab workspace: start page, first lesson and exercise left as tabs, 60 % wide, the exercise's shell right."""
    number = min((path.name[:2] for path in course.glob("exercises/[0-9][0-9]-*")), default="01")
    start = sorted((course / "notebooks").glob("00-*.ipynb"))
    lesson = sorted((course / "notebooks").glob(f"{number}-*.ipynb"))
    exercise = sorted((course / "exercises").glob(f"{number}-*/{number}-*.ipynb"))
    notebooks = [str(path.relative_to(course)) for path in (*start, *lesson, *exercise)]
    shell = f"ex{number}"
    left = [f"notebook:{path}" for path in notebooks]
    data: dict[str, Any] = {
        "layout-restorer:data": {
            "main": {
                "dock": {
                    "type": "split-area",
                    "orientation": "horizontal",
                    "sizes": [0.6, 0.4],
                    "children": [
                        {"type": "tab-area", "currentIndex": 0, "widgets": left},
                        {"type": "tab-area", "currentIndex": 0, "widgets": [f"terminal:{shell}"]},
                    ],
                },
                "current": left[0] if left else f"terminal:{shell}",
            },
            "down": {"size": 0, "widgets": []},
            "left": {
                "collapsed": True,
                "visible": True,
                "widgets": ["filebrowser", "running-sessions", "@jupyterlab/toc:plugin"],
            },
            "right": {"collapsed": True, "visible": True, "widgets": ["jp-property-inspector", "debugger-sidebar"]},
            "relativeSizes": [0, 1, 0],
        },
        f"terminal:{shell}": {"data": {"name": shell}},
    }
    for path in notebooks:
        data[f"notebook:{path}"] = {"data": {"path": path, "factory": "Notebook"}}
    return {"data": data, "metadata": {"id": NAME}}


def _write_layout(course: Path) -> Path:
    """Write the layout where it is not there yet, and give the folder of layouts."""
    folder = labs() / ".wheelhouse" / "jupyter" / "layouts"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.glob(f"{NAME}*")):
            from jupyterlab_server.workspaces_handler import WorkspacesManager

            WorkspacesManager(str(folder)).save(NAME, json.dumps(layout(course)))
    except OSError as error:
        raise CourseError(
            f"Nothing can be written to {labs()}: {error.strerror or error}.",
            "Set WHEELHOUSE_LABS to a folder you may write to.",
        ) from error
    return folder


def _trust(course: Path) -> None:
    """Trust the course's own notebooks, as `jupyter trust` does, so that the checklist's button opens the shell without a question.

    Only those in which nothing foreign would run by being looked at: no outputs, no HTML but the course's own.
    Where no notebook has changed since the last time there is nothing to do: nbformat alone takes two seconds to import.
    """
    paths = [*sorted(course.glob("notebooks/*.ipynb")), *sorted(course.glob("exercises/*/*.ipynb"))]
    data = Path(jupyter_data_dir())
    mark = data / f"wheelhouse-trusted-{hashlib.sha256(os.fsencode(course)).hexdigest()[:12]}"
    with contextlib.suppress(OSError):
        if mark.read_text(encoding="ascii") == _state(data, paths):
            return
    _sign(paths)
    with contextlib.suppress(OSError):
        mark.write_text(_state(data, paths), encoding="ascii")


def _state(data: Path, paths: Sequence[Path]) -> str:
    """Give a digest of what trust depends on, as far as it can be told without reading: our rule, the signatures, the notebooks."""
    seen = hashlib.sha256(str((data / "nbsignatures.db").exists()).encode())
    for path in (Path(own_cells.__file__), *paths):
        found = path.stat()
        seen.update(
            f"{path}\0{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size}\n".encode(errors="surrogateescape")
        )
    return seen.hexdigest()


def _sign(paths: Sequence[Path]) -> None:
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()  # type: ignore[no-untyped-call]
    for path in paths:
        with contextlib.suppress(OSError, ValueError, nbformat.ValidationError):
            notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
            if own_cells.safe_to_trust(notebook):
                notary.sign(notebook)  # type: ignore[no-untyped-call]


def command(course: Path, words: Sequence[str], port: int) -> list[str]:
    """Give the words that start JupyterLab; `words` come last."""
    return [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={course}",
        f"--ServerApp.port={port}",
        f"--LabApp.workspaces_dir={_write_layout(course)}",
        f"--LabApp.default_url=/lab/workspaces/{NAME}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        *(["--allow-root"] if os.geteuid() == 0 else []),  # a container's usual user
        *words,
    ]


def _take_port(words: Sequence[str]) -> tuple[int | None, list[str]]:
    """Split the port that was asked for from the other words (Jupyter takes it only once)."""
    port, rest, todo = None, [], list(words)
    while todo:
        word = todo.pop(0)
        name, equals, value = word.partition("=")
        if name not in ("--port", "--ServerApp.port"):
            rest.append(word)
            continue
        value = value if equals else (todo.pop(0) if todo else "")
        if not value.isdigit() or int(value) > 65535:
            raise UsageError(f"{value!r} is no port.", "Write a number, as in --port=8890.")
        port = int(value)
    return port, rest


def main(words: Sequence[str] | None = None) -> int:
    """Become JupyterLab; returns only where that can't be."""
    given = list(sys.argv[1:] if words is None else words)
    try:
        course = course_root()
        if course is None:
            raise UsageError("This is no copy of the course.", "Run `make lab` in a clone of its repository.")
        if "--print-layout" in given:  # for `jupyter lab workspaces import`, where others start the server
            print(json.dumps(layout(course), indent=1))
            return 0
        asked, rest = _take_port(given)
        wanted = FIRST_PORT if asked is None else asked
        port = free_port(wanted) if wanted else 0
        if port != wanted:
            print(f"Port {wanted} is in use here, so the course opens on port {port}.", flush=True)
        line = command(course, rest, port)
        _trust(course)
        seed(
            lambda text: print(text, flush=True)
        )  # else the learner's first cell would take that long, and say nothing
    except CourseError as error:
        print(f"make lab: {error}", file=sys.stderr)
        return error.exit_status
    os.execve(sys.executable, line, environment(dict(os.environ)))


if __name__ == "__main__":
    sys.exit(main())
