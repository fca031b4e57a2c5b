"""Carry all of a learner's progress in one small file to another machine, or to a fresh pod, and go on there in the middle of a task.

What travels: each begun exercise's workspace as a snapshot, with git's objects; what was published; HOME without caches and secrets;
hints used, history, the record of commands; and the learner's own cells in the course's notebooks.
What doesn't, and is said in words on arrival: tokens, what was installed into the system Python, files too large for a snapshot,
and the files of pip where another Python brings another one.

On arrival everything is put together beside the workspaces first, and then comes all at once: see `autograder.folder.arriving`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder import folder, history
from autograder.exceptions import CourseError, SnapshotError, UsageError
from autograder.exercise import Exercise, find_exercises
from autograder.folder.arriving import Arrival, Page, arrive, new_stage
from autograder.folder.git_index import refresh
from autograder.folder.live import LiveWorkspace, explained, load, write_whole
from autograder.places import course_root, labs
from autograder.progress.carried import LARGEST, MOST_LINES_BYTES, Carried, Part, from_bytes, to_bytes
from autograder.progress.homes import Kept, home_to_carry, installed_into_system, with_git_objects
from autograder.progress.own_cells import LARGEST_NOTEBOOK, merged, own_cells
from autograder.sandbox import ISOLATING
from autograder.sandbox.system_python import system_python_version
from autograder.snapshot import open_store, pack, restore, restore_published
from autograder.wording import code

__all__ = ["Arrived", "NothingToCarry", "bring_back", "export_to", "exported", "opened", "read_file", "to_replace"]

AUTOMATIC = "my-progress.wheelhouse"
"""Written into the labs whenever a task was finished, so that one click downloads it."""


class NothingToCarry(UsageError):
    """No exercise was begun yet."""


# --- away


def exported(now: datetime | None = None) -> bytes:
    """Give everything a learner has, as one small file.

    Raises:
        NothingToCarry: no exercise was begun, and nothing was written into a notebook.
        SnapshotError: a workspace holds more than a snapshot may.
    """
    exercises: dict[str, Any] = {}
    members: list[tuple[str, bytes]] = []
    for exercise in find_exercises():
        live = load(exercise.id, exercise)
        if live is None:
            continue
        with folder.undisturbed(live):
            facts, parts = _parted(live)
        exercises[exercise.id] = facts
        members += [(f"{exercise.id}/{name}", data) for name, data in parts.items()]
    cells = {key: own for key, path in _notebooks().items() if (own := own_cells(_read(path, LARGEST_NOTEBOOK)))}
    if not exercises and not cells:
        raise NothingToCarry("There is no progress yet that could be kept.", "Begin with `course begin 01`.")
    current = folder.current()
    told = {
        "made_at": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "current": current.name if current is not None and current.name in exercises else "",
        "exercises": exercises,
        "cells": cells,
    }
    return to_bytes(told, members)


def _parted(live: LiveWorkspace) -> tuple[dict[str, Any], dict[str, bytes]]:
    known = folder.index().known
    home, left = home_to_carry(live)
    try:
        work = pack(
            with_git_objects(live.tree), live.facts, known, exercise=live.name, published=live.published, kept=None
        )
        at_home = pack(home, live.facts, known)
    except SnapshotError as error:
        raise SnapshotError(f"{live.name}: {error.message}", error.next_step) from error
    parts = {
        "workspace": work,
        "home": at_home,
        "history": _read(live.state / history.NAME, MOST_LINES_BYTES),
        "commands": _read(live.state / "records" / "commands.jsonl", MOST_LINES_BYTES),
    }
    return {"made": live.made, "hints": live.hints, "left": [*left, *installed_into_system(live)][:50]}, parts


def _read(file: Path, most: int) -> bytes:
    """Read a file that may be missing; empty if it is, or is larger."""
    try:
        with file.open("rb") as opened_file:
            data = opened_file.read(most + 1)
    except OSError:
        return b""
    return data if len(data) <= most else b""


def _notebooks() -> dict[str, Path]:
    """Find the course's notebooks: lessons, and exercises where they are worked on."""
    root = course_root()
    found: dict[str, Path] = {}
    if root is not None:
        found = {f"notebooks/{path.stem}": path for path in sorted((root / "notebooks").glob("[0-9][0-9]-*.ipynb"))}
    for exercise in find_exercises():
        live = load(exercise.id, exercise)
        beside = folder.submit_folder(live or LiveWorkspace(exercise.id, exercise, ""))
        if beside is not None and (path := beside / f"{exercise.id}.ipynb").is_file():
            found[f"exercises/{exercise.id}"] = path
    return found


def export_to(target: Path, *, replace: bool = False) -> int:
    """Write it to a file, whole or not at all, and give its size in bytes.

    Raises:
        UsageError: something stands there already, and `replace` is not given.
        CourseError: nothing can be written there.
    """
    if os.path.lexists(target) and not replace:
        raise UsageError(f"{target} is there already.", "Choose another name, or replace it with `--yes`.")
    data = exported()
    try:
        write_whole(target, data)
    except OSError as error:
        raise CourseError(f"Nothing can be written to {target}: {error.strerror}.", "Name another folder.") from error
    return len(data)


# --- and back


@dataclass(frozen=True)
class Arrived:
    """What came back."""

    exercises: tuple[Exercise, ...]
    aside: Path | None
    """Where what was there before lies now; None if nothing was."""
    notices: tuple[str, ...]
    """What couldn't come along, in sentences."""
    pages: tuple[str, ...] = ()
    """Notebooks into which the learner's cells were put."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say all of it, in Markdown."""
        told = [f"{one.number:02} is back: {one.title}." for one in self.exercises]
        if self.pages:
            told.append(f"What you had written into notebooks is back in {_listed(self.pages)}.")
        if self.aside is not None:
            told.append(f"What was here before lies in {self.aside}.")
            told.append("A shell that is open still stands in the old workspace: close it, and open a new one.")
        return (*told, *self.notices)


def opened(data: bytes) -> Carried:
    """Read a progress file, which anybody may have written; nothing is changed.

    Raises:
        UsageError: it can't be used.
    """
    return from_bytes(data, folder.index().known)


def read_file(path: Path) -> bytes:
    """Read a progress file from a disk.

    Raises:
        UsageError: there is none that can be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.", "Name the file that was exported.") from error


def to_replace(carried: Carried) -> str:
    """Say which exercises are begun here already, and what becomes of them; empty if none is."""
    begun = [f"{part.exercise.number:02}" for part in carried.parts if os.path.lexists(labs() / part.exercise.id)]
    if not begun:
        return ""
    told = f"Begun here already: {', '.join(begun)}. What is in the file takes its place"
    return f"{told}; what is here is moved aside, not deleted."


def bring_back(carried: Carried) -> Arrived:
    """Put everything back; what was there is moved aside. All of it comes, or none.

    Raises:
        CourseError: it can't be put together here.
    """
    tier = folder.sandbox().tier
    for part in carried.parts:
        if tier not in ISOLATING and load(part.exercise.id, part.exercise) is None:
            folder.begin(part.exercise, learner=part.exercise.seed)  # its start can be made in place only
    stage = new_stage()
    try:
        notices: list[str] = []
        with explained():
            for part in carried.parts:
                notices += _staged(part, stage / part.exercise.id)
            pages = list(_staged_pages(carried.cells, stage))
        names = tuple(part.exercise.id for part in carried.parts)
        aside = arrive(Arrival(stage, names, tuple(page for _, page in pages), carried.current))
    finally:
        if not _pending(stage):
            folder.remove_tree(stage)
    if carried.unknown:
        notices.append(f"This course has no {', '.join(map(code, carried.unknown))}: that work was left in the file.")
    return Arrived(
        tuple(part.exercise for part in carried.parts), aside, tuple(notices), tuple(key for key, _ in pages)
    )


def _pending(stage: Path) -> bool:
    """Say whether what lies in a stage is on its way already: whoever opens a workspace next needs it."""
    try:
        return str(stage) in (labs() / ".wheelhouse" / "arriving.json").read_text("utf-8")
    except OSError:
        return False


def _staged(part: Part, fresh: Path) -> Iterator[str]:
    """Put one exercise together in a folder, and say what couldn't come along."""
    live = LiveWorkspace(part.exercise.id, part.exercise, folder.sandbox().tier, hints=dict(part.hints))
    before = load(part.exercise.id, part.exercise)
    live.submit_to = before.submit_to if before is not None else None
    store = open_store(folder.index().known)
    project, state = fresh / "project", fresh / "state"
    home, published = state / "home", state / "published"
    for one in (project, home, state / "records"):
        one.mkdir(parents=True)
    missing: tuple[str, ...] = ()
    for tree, target in ((part.home, home), (part.work, project)):
        missing = restore(
            tree,
            target,
            facts=tree.facts,
            root=live.root,
            python_home=str(live.sandbox.python_home(live.place)),
            store=store,
            exact=True,
        )
    for path in part.work.nodes:
        if path.endswith(".git/index"):
            with contextlib.suppress(OSError):
                refresh(project / path)  # it remembers other inodes and times
    if part.work.published is not None:
        restore_published(part.work.published, published)
    (state / history.NAME).write_bytes(part.history)
    (state / "records" / "commands.jsonl").write_bytes(part.commands)
    (state / "begun").touch()
    # as old as it was, so that its commands count; and by some nanoseconds another one, since shells must see that
    made = part.made + 1 + secrets.randbelow(999_999)
    os.utime(state / "begun", ns=(made, made))
    (state / "workspace.json").write_text(json.dumps(live.record(), indent=1) + "\n", encoding="utf-8")
    yield from _notices(part, missing)


def _notices(part: Part, missing: tuple[str, ...]) -> Iterator[str]:
    number = f"{part.exercise.number:02}"
    kept = Kept(part.work, missing)
    here, there = system_python_version(), part.work.facts.python_version
    environments = kept.environments
    if environments and _series(here) != _series(there):
        yield (
            f"{number}: {_listed(environments)} came from Python {_series(there)}, and here is Python {_series(here)}, "
            "which doesn't look into them. Make them again when you need them, as `python -m venv --clear` does."
        )
    elif without_pip := kept.without_pip:
        yield (
            f"{number}: pip in {_listed(without_pip)} came with Python {there}, and here is Python {here}. "
            f"Its other packages are there. For another pip: `rm -r {without_pip[0]}/lib/python*/site-packages/pip*`, "
            f"then `{without_pip[0]}/bin/python -m ensurepip`."
        )
    if kept.lost:
        yield f"{number}: {_listed(kept.lost)} didn't travel: too large, or closed to reading."
    if part.left:
        yield f"{number}: left behind for safety, or because a fresh machine has none: {_listed(part.left)}."
    if kept.has_tokens:
        yield f"{number}: your tokens for the index don't travel. Make a new one as you made the first: `pypi-manage token`."


def _series(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(code, names[:4]))
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown


def _staged_pages(cells: Mapping[str, list[dict[str, str]]], stage: Path) -> Iterator[tuple[str, Page]]:
    there = _notebooks()
    for number, (key, own) in enumerate(cells.items()):
        path = there.get(key)
        before = _read(path, LARGEST_NOTEBOOK) if path is not None else b""
        text = merged(before, own) if before else None
        if path is not None and text is not None:
            (stage / f"page-{number}").write_text(text, encoding="utf-8")
            yield key, Page(f"page-{number}", str(path), bool(own_cells(before)))
