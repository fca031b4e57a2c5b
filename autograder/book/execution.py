"""Run a lesson's cells once, as a learner would, and keep what they showed for as long as nothing changes that it depends on."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

import autograder
from autograder.exceptions import CourseError
from autograder.places import cache, other_labs
from book.cleaning import Cleaner

__all__ = ["LessonFails", "execute", "run_lesson"]

HERE = Path(__file__).parent
LONGEST_CELL = 3600
"""Seconds: a picture asks itself some dozens of questions, each answered by a real run, perhaps on a slow machine."""
UNSEEN = {"catalog", "grading", "submission", "nbgrader_plugin.py", "cli.py", "__pycache__"}
"""What of the package no lesson runs."""


class LessonFails(CourseError):
    """A lesson's cell failed, so there is nothing to show of it."""

    exit_status = 1


def _files(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in UNSEEN:
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _key(notebook: bytes) -> str:
    """Give the name under which the results of a notebook are kept: a hash of all that they depend on."""
    found = hashlib.sha256(notebook)
    found.update(f"{sys.version}\n".encode())
    package = Path(autograder.__file__).parent
    for path in (*_files(package), HERE / "recording.py", HERE / "execution.py", HERE / "cleaning.py"):
        found.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:32]


def execute(notebook: Path, kept_in: Path, *, fresh: bool = False, tell: Callable[[str], None] = lambda _: None) -> Any:
    """Give a lesson's notebook with its outputs: as kept, where nothing has changed; `fresh` runs it anyway.

    Raises:
        LessonFails: a cell of it failed.
    """
    kept = kept_in / f"{_key(notebook.read_bytes())}.json"
    if not fresh and kept.is_file():
        tell("as it ran before")
        return nbformat.from_dict(json.loads(kept.read_text("utf-8")))  # type: ignore[no-untyped-call]
    tell("running its cells …")
    done = run_lesson(notebook)
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_name(f".{kept.name}.{uuid.uuid4().hex}")
    draft.write_text(json.dumps(done, ensure_ascii=False, indent=1), "utf-8")
    draft.replace(kept)
    return done


def run_lesson(path: Path) -> Any:
    """Run a lesson's cells in a kernel of their own, with workspaces that are thrown away, and give the notebook with its outputs.

    Raises:
        LessonFails: a cell of it failed.
    """
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    with (
        tempfile.TemporaryDirectory(prefix="wheelhouse-book-", ignore_cleanup_errors=True) as scratch,
        other_labs(Path(scratch) / "labs"),
    ):
        settings = {"IPYTHONDIR": f"{scratch}/ipython", "JUPYTER_RUNTIME_DIR": f"{scratch}/run", "NO_COLOR": "1"}
        settings |= {"WHEELHOUSE_CACHE": str(cache()), "PYTHONDONTWRITEBYTECODE": ""}
        client = NotebookClient(
            notebook,
            timeout=LONGEST_CELL,
            kernel_name="python3",
            coalesce_streams=True,
            store_widget_state=False,
            extra_arguments=[
                "--IPKernelApp.log_level=ERROR"
            ],  # it warns that it listens on this machine without encryption
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            with client.setup_kernel(env={**os.environ, **settings}):
                _prepare(client)
                for number, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, number)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            told = "\n".join(str(error).strip().splitlines()[-12:])
            raise LessonFails(
                f"A cell of {path.name} failed:\n{told}", "Run the lesson in JupyterLab to see why."
            ) from None
        cleaner = Cleaner(path.parent.parent, Path(scratch))
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.outputs = [cleaner.output(one) for one in cell.outputs]
    return notebook


def _prepare(client: NotebookClient) -> None:
    """Let the kernel record its pictures; the lesson's own cells find their `sys.path` as ever."""
    lines = [
        "import sys",
        f"sys.path.insert(0, {str(HERE.parent)!r})",
        "import book.recording",
        "book.recording.start()",
        "del sys.path[0], sys, book",
    ]
    cell = nbformat.v4.new_code_cell("\n".join(lines))  # type: ignore[no-untyped-call]
    client.nb.cells.append(cell)
    try:
        client.execute_cell(cell, len(client.nb.cells) - 1, store_history=False)
    finally:
        client.nb.cells.pop()
